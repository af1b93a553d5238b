"""Batches being filled by threads. A thread lives only while there is a sample to read.

Threads take samples, not batches, the oldest batch first: so the next batch is ready as early as it can be, and memory
does not grow with the number of threads. When nothing is left to read the threads end, and the next request starts
them again (a tenth of a millisecond): whatever becomes of the consumer, soon no thread is left.
"""

import threading
from collections import deque
from typing import Any, Protocol

import numpy as np

from helpers.data import DataError
from helpers.data.streaming.buffers import Recycler, Spec
from helpers.data.streaming.order import Draws, Order, Position

Arrays = dict[str, np.ndarray]
PATIENCE = 0.003  # seconds: whoever asks for a batch is about to let go of the one before it


class Source(Protocol):
    """What a data set tells the engine.

    `fill` is called by several threads at once; the other methods as well, but they only look.
    """

    @property
    def arrays(self) -> dict[str, Spec]:
        """The arrays that one sample fills, without the batch axis."""

    def __len__(self) -> int:
        """Count the samples."""

    def name(self, index: int) -> str:
        """Name a sample for messages, by its file."""

    def fill(self, index: int, draws: Draws, out: Arrays) -> None:
        """Read sample `index` into `out`; draw crops and flips from `draws`.

        Raises:
            DataError: the sample is broken. The message names the file and says what is wrong.
        """

    def finish(self, arrays: Arrays) -> Any:
        """Make the batch of whole arrays with a batch axis: views and small changes, no copies of what is large."""


class Job:
    """One batch: which samples, where they go, how far they are."""

    def __init__(self, position: Position, order: Order) -> None:
        self.indices = order.batch(*position)
        self.draws = [order.draws(position.epoch, int(index)) for index in self.indices]
        self.arrays: Arrays = {}
        self.errors: dict[int, BaseException] = {}
        self.taken = self.done = 0
        self.ready = False

    def failed(self, skip: bool) -> BaseException | None:
        """Return the error that stops the run, or None: a bug always, a broken sample unless it is to be skipped."""
        errors = [self.errors[slot] for slot in sorted(self.errors)]
        return next((error for error in errors if not (skip and isinstance(error, DataError))), None)

    def close_ranks(self) -> None:
        """Move the good samples together, in order, and cut the rest off."""
        good = [slot for slot in range(len(self.indices)) if slot not in self.errors]
        for name, array in self.arrays.items():
            for target, slot in enumerate(good):
                if target != slot:
                    array[target] = array[slot]
            self.arrays[name] = array[: len(good)]


class Crew:
    """The threads, and the jobs they work on.

    Args:
        source: the data set.
        recycler: where batches get their memory.
        threads: how many may read at once.
        skip: go on when a sample is broken.
    """

    def __init__(self, source: Source, recycler: Recycler, *, threads: int, skip: bool) -> None:
        self._source, self._recycler, self._threads, self._skip = source, recycler, threads, skip
        self._change = threading.Condition()
        self._queue: deque[Job] = deque()
        self._alive = 0
        self._stopped = False

    def add(self, job: Job) -> None:
        """Put a job at the end of the queue and see that somebody works."""
        with self._change:
            if self._stopped:
                raise RuntimeError("this stream is closed.")
            self._queue.append(job)
            waiting = sum(len(queued.indices) - queued.taken for queued in self._queue)
            for _ in range(min(self._threads - self._alive, waiting)):
                threading.Thread(target=self._work, name="course-streaming").start()
                self._alive += 1

    def drop(self, job: Job) -> None:
        """Forget a job that nobody waits for any more."""
        with self._change:
            self._forget(job)

    def wait(self, job: Job) -> None:
        """Wait until a job is ready."""
        with self._change:
            while not (job.ready or self._stopped):
                self._change.wait()

    def stop(self) -> None:
        """Let the threads end after the sample that they are reading."""
        with self._change:
            self._stopped = True
            self._queue.clear()
            self._change.notify_all()

    def _work(self) -> None:
        while task := self._take():
            job, slot = task
            error = self._attempt(job, slot)
            with self._change:
                if error:
                    job.errors[slot] = error
                job.done += 1
                finished = self._is_finished(job)
            del task
            if finished:
                self._finish(job)
            del job  # an idle thread holds no memory

    def _take(self) -> tuple[Job, int] | None:
        with self._change:
            if self._queue and not self._queue[0].arrays and self._recycler.is_scarce():
                self._change.wait(PATIENCE)
            if not self._queue:
                self._alive -= 1
                return None
            job = self._queue[0]
            slot, job.taken = job.taken, job.taken + 1
            if job.taken == len(job.indices):
                self._queue.popleft()
            return job, slot

    def _lease(self, count: int) -> Arrays:
        return {name: array[:count] for name, array in self._recycler.lease().items()}

    def _attempt(self, job: Job, slot: int) -> BaseException | None:
        """Read one sample; return what went wrong."""
        try:
            with self._change:  # memory is taken when the first sample is read, not before
                job.arrays = job.arrays or self._lease(len(job.indices))
            out = {name: array[slot, ...] for name, array in job.arrays.items()}
            self._source.fill(int(job.indices[slot]), job.draws[slot], out)
        except BaseException as error:  # SystemExit and a reader's panic, too; raised where the batch is asked for
            return error.with_traceback(None) if isinstance(error, DataError) else error
        return None

    def _is_finished(self, job: Job) -> bool:
        """Say whether nobody works on the job any more; a job that failed takes no further samples."""
        if job.failed(self._skip):
            self._forget(job)
            return job.done == job.taken
        return job.done == len(job.indices)

    def _forget(self, job: Job) -> None:
        if job in self._queue:
            self._queue.remove(job)

    def _finish(self, job: Job) -> None:
        if job.errors and not job.failed(self._skip):
            job.close_ranks()
        with self._change:
            job.ready = True
            self._change.notify_all()
