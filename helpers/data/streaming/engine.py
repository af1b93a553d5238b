"""The engine: batches of a data set in order, read ahead by threads into memory that is used again."""

import atexit
import functools
import os
import threading
import time
import warnings
import weakref
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from helpers.cores import usable_cores
from helpers.data import DataError
from helpers.data.streaming.buffers import Recycler
from helpers.data.streaming.jobs import Crew, Job, Source
from helpers.data.streaming.order import Order, Permutation, Position

MOST_THREADS = 16  # more readers than this have not been measured
CALM, PATIENCE = 0.2, 5.0  # seconds without a request after which nobody will ask again; how long that is waited for


class BrokenSampleWarning(UserWarning):
    """A broken sample was left out. The message names the file."""


class Loader:
    """Batches of a data set, pass after pass; each pass is the next epoch.

    Args:
        source: the data set.
        batch_size: samples in a batch, of all workers together.
        shuffle: give every epoch a permutation of its own.
        seed: of the permutations and of what the data set draws.
        permutation: what shuffles, if not all samples are to be mixed alike; see `Order`.
        drop_remainder: leave out the last batch of an epoch if it is not full.
        worker, workers: read one part of each batch; see `Order`.
        threads: that read at once. Default: one for each core that the process may use, at most 16.
        prefetch: batches that are read ahead; with the one in use they bound the memory.
        on_error: what to do with a broken sample: "raise" stops with a `DataError` that names the file; "skip" leaves
            it out, warns once and notes it in `skipped`. Its batch is then shorter; a batch of nothing else is a
            `DataError` all the same.

    Attributes:
        skipped: what was wrong with each sample that was left out, by its name.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        permutation: Permutation | None = None,
        drop_remainder: bool = False,
        worker: int = 0,
        workers: int = 1,
        threads: int | None = None,
        prefetch: int = 2,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        if on_error not in ("raise", "skip") or prefetch < 0 or (threads is not None and threads < 1):
            raise ValueError(
                f'on_error must be "raise" or "skip", prefetch at least 0 and threads at least 1; received '
                f"on_error={on_error!r}, prefetch={prefetch}, threads={threads}."
            )
        self.source = source
        self.order = Order(len(source), batch_size, shuffle, seed, drop_remainder, worker, workers, permutation)
        self.threads, self.prefetch, self.on_error = threads or min(usable_cores(), MOST_THREADS), prefetch, on_error
        self.skipped: dict[str, str] = {}
        self.recycler = Recycler(source.arrays, self.order.capacity, keep=prefetch + 1)
        self._passes = 0

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self.order)

    def __iter__(self) -> "Stream":
        self._passes += 1
        return self.stream(start=Position(self._passes - 1), epochs=1)

    def stream(self, *, start: Position = Position(), epochs: int | None = None) -> "Stream":  # noqa: B008 - immutable
        """Give the batches from a position on, for a number of epochs (a begun one counts), or without end."""
        return Stream(self, Position(*start), epochs)

    def resume(self, state: dict[str, Any], *, epochs: int | None = None) -> "Stream":
        """Go on where `Stream.state_dict` was taken, with exactly the batches that would have come.

        Raises:
            ValueError: this loader does not have the samples or the order that the state belongs to.
        """
        here = self.fingerprint()
        if changed := sorted(key for key in here if here[key] != state.get(key)):
            told = ", ".join(f"{key} was {state.get(key)} and is {here[key]}" for key in changed)
            raise ValueError(f"the position belongs to another order: {told}. Build the loader as it was.")
        return self.stream(start=Position(state["epoch"], state["step"]), epochs=epochs)

    def fingerprint(self) -> dict[str, Any]:
        """Tell what an order depends on. Workers may change between runs, the batches of all together stay."""
        order = self.order
        keys = ("length", "batch_size", "shuffle", "seed", "drop_remainder")
        return {key: getattr(order, key) for key in keys} | {"first_epoch": order.checksum, "samples": self._samples}

    @functools.cached_property
    def _samples(self) -> int:
        """CRC-32 of what the samples are: shapes, types, and names without folders, so that a copy may take over.

        A source whose samples come in several forms says in `identity` what they are in all of them.
        """
        what = getattr(self.source, "identity", self.source.arrays)
        names = (os.path.basename(self.source.name(index)) for index in range(len(self.source)))  # noqa: PTH119 - quick
        return zlib.crc32(os.fsencode("\n".join([repr(sorted(what.items())), *names])))

    def batch_of(self, job: Job) -> Any:
        """Make a batch of a job that is ready, or raise what went wrong with it."""
        if error := job.failed(self.on_error == "skip"):
            raise error
        for slot, problem in sorted(job.errors.items()):
            self._note(self.source.name(int(job.indices[slot])), str(problem))
        if job.errors and len(job.errors) == len(job.indices):
            raise DataError(
                f"all {len(job.errors)} samples of a batch are broken, the first: {job.errors[0]} "
                "Mend the files, take a larger batch_size, or drop_remainder=True if it is the last batch."
            )
        return self.source.finish(job.arrays)

    def _note(self, name: str, problem: str) -> None:
        if name not in self.skipped:
            self.skipped[name] = problem
            warnings.warn(f"left out: {problem}", BrokenSampleWarning, stacklevel=2)


class Feed:
    """Batches by position, in any order and from any thread; with those that probably come next read ahead."""

    every: ClassVar["weakref.WeakSet[Feed]"] = weakref.WeakSet()
    python_ends: ClassVar[bool] = False

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._crew = Crew(loader.source, loader.recycler, threads=loader.threads, skip=loader.on_error == "skip")
        self._ahead: dict[Position, Job] = {}
        self._lock = threading.Lock()
        self.asked = 0.0  # when somebody was last in `get`, by the monotonic clock
        weakref.finalize(self, self._crew.stop)
        self.every.add(self)
        if self.python_ends:
            self.close()

    def get(self, position: Position, then: list[Position]) -> Any:
        """Give one batch, and begin to read those in `then`. What was read ahead in vain is forgotten."""
        try:
            return self._get(position, then)
        finally:
            self.asked = time.monotonic()

    def _get(self, position: Position, then: list[Position]) -> Any:
        with self._lock:
            job = self._ahead.pop(position, None) or self._begin(position)
            for other in then:
                if other not in self._ahead:
                    self._ahead[other] = self._begin(other)
            while len(self._ahead) > max(len(then), self._loader.prefetch):
                self._crew.drop(self._ahead.pop(next(iter(self._ahead))))
        self._crew.wait(job)
        if not job.ready:
            raise RuntimeError("this stream is closed.")
        return self._loader.batch_of(job)

    def close(self) -> None:
        """Stop reading; the threads end after the sample they are at."""
        self._crew.stop()
        with self._lock:
            self._ahead.clear()

    def _begin(self, position: Position) -> Job:
        job = Job(position, self._loader.order)
        self._crew.add(job)
        return job


@atexit.register
def _close_every_feed() -> None:
    """Let nobody wait for a batch while Python ends.

    TensorFlow joins its threads when its iterators are destroyed, and one that waits for us, or for Python's lock,
    would then never end. So each is told that the stream is closed, and has the time to go.
    """
    Feed.python_ends = True
    for feed in list(Feed.every):
        feed.close()
    end = time.monotonic() + PATIENCE
    while any(time.monotonic() - feed.asked < CALM for feed in list(Feed.every)) and time.monotonic() < end:
        time.sleep(CALM / 10)


class Stream(Iterator[Any]):
    """Batches one after the other; made by `Loader.stream`. A context manager, but closing it is not necessary."""

    def __init__(self, loader: Loader, start: Position, epochs: int | None) -> None:
        if start.epoch < 0 or not 0 <= start.step < len(loader):
            raise ValueError(f"an epoch has {len(loader)} batches; received {start}.")
        self._loader, self._feed = loader, Feed(loader)
        self.position = start
        self._end = None if epochs is None else start.epoch + epochs

    def __next__(self) -> Any:
        positions = self._coming()
        if not positions:
            self.close()
            raise StopIteration
        try:
            batch = self._feed.get(positions[0], positions[1:])
        except BaseException:  # Ctrl-C included
            self.close()
            raise
        self.position = self._loader.order.after(self.position)
        return batch

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """Tell where the stream stands, in numbers that JSON can hold: the batch handed out last has been seen."""
        return {"epoch": self.position.epoch, "step": self.position.step, **self._loader.fingerprint()}

    def close(self) -> None:
        """End the stream; nothing more is read."""
        self._end = -1
        self._feed.close()

    def _coming(self) -> list[Position]:
        """List the next position and those to be read ahead."""
        found: list[Position] = []
        position = self.position
        while len(found) <= self._loader.prefetch and (self._end is None or position.epoch < self._end):
            found.append(position)
            position = self._loader.order.after(position)
        return found
