"""The engine: batches of a data set in order, read ahead by threads into memory that is used again.

Memory: aligned for the processor and for TensorFlow, and never reused while somebody still holds it. Fresh memory costs
more than filling it (the system clears every page), so a batch takes a block that an earlier batch has left. A block
counts as left when no array in it is referenced any more: NumPy keeps the array of a lease alive as long as any view of
it, a tensor that shares its memory included, and its end returns the block. A consumer may therefore keep a batch as
long as it likes; there will then be more blocks.

Threads take samples, not batches, the oldest batch first: so the next batch is ready as early as it can be, and memory
hardly grows with the number of threads. There is one for each core; where they wait for a slow disk or a server, which
is seen by how little they compute, more read at once. When nothing is left to read the threads end, and the next
request starts them again (a tenth of a millisecond): whatever becomes of the consumer, soon no thread is left.

`Samples` is a base class for data sets, which gives them samples by index as well. PyTorch's `DataLoader` calls such a
data set map-style, and shares the indices out among its workers; one that is only iterated would come once from each.
"""

import atexit
import functools
import os
import threading
import time
import warnings
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import index as as_index
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from helpers.cores import usable_cores
from helpers.data import DataError
from helpers.data.streaming.npz import ALIGNMENT, FileError, aligned
from helpers.data.streaming.order import Order, Permutation, Position, SampleRng


@dataclass(frozen=True)
class Spec:
    """Shape (of one sample, without the batch axis) and dtype of an array."""

    shape: tuple[int, ...]
    dtype: str

    def nbytes(self, count: int) -> int:
        """Count the bytes of `count` samples, rounded up so that the next array is aligned as well."""
        size = count * int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        return -(-size // ALIGNMENT) * ALIGNMENT


class Recycler:
    """Leases blocks of one size and takes them back by itself.

    Args:
        specs: the arrays of one block, by name.
        count: samples that a block holds.
        keep: blocks that are kept for later when nobody holds them.
    """

    def __init__(self, specs: Mapping[str, Spec], count: int, *, keep: int) -> None:
        self._specs, self._count, self._usual = dict(specs), count, keep
        self._free: deque[np.ndarray] = deque(maxlen=keep)
        self.made = 0

    def is_scarce(self) -> bool:
        """Return whether the next lease takes fresh memory, beyond what batches read ahead and the one in use need."""
        return not self._free and self.made >= self._usual

    def lease(self) -> dict[str, np.ndarray]:
        """Return arrays of shape (count, *shape) with whatever they held before; they share one block."""
        sizes = {name: spec.nbytes(self._count) for name, spec in self._specs.items()}
        try:
            memory = self._free.pop()
        except IndexError:
            memory = aligned(sum(sizes.values()))
            self.made += 1
        return _carve(_watched(memory, self._free), self._specs, sizes, self._count)


def _watched(memory: np.ndarray, free: deque[np.ndarray]) -> np.ndarray:
    """Wrap a block so that it goes to `free` when the last view of the wrapper is gone.

    Through a memoryview, because NumPy would otherwise make `memory` the base of all views and forget the wrapper.
    """
    lease = np.frombuffer(memory.data, np.uint8)
    weakref.finalize(lease, free.append, memory).atexit = False
    return lease


def _carve(block: np.ndarray, specs: dict[str, Spec], sizes: dict[str, int], count: int) -> dict[str, np.ndarray]:
    arrays, start = {}, 0
    for name, spec in specs.items():
        shape = (count, *spec.shape)
        length = int(np.prod(shape, dtype=np.int64)) * np.dtype(spec.dtype).itemsize
        arrays[name] = block[start : start + length].view(spec.dtype).reshape(shape)
        start += sizes[name]
    return arrays


Arrays = dict[str, np.ndarray]
HANDOVER = 0.003  # seconds: whoever asks for a batch is about to let go of the one before it


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

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read sample `index` into `out`; draw crops and flips from `rng`.

        Raises:
            DataError: the sample is broken. The message names the file and says what is wrong.
        """

    def finish(self, arrays: Arrays) -> Any:
        """Make the batch of whole arrays with a batch axis: views and small changes, no copies of what is large."""


class BatchJob:
    """One batch: which samples, where they go, how far they are."""

    def __init__(self, position: Position, order: Order) -> None:
        self.indices = order.batch(*position)
        self.rngs = [order.rng(position.epoch, int(index)) for index in self.indices]
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


class ThreadPool:
    """The threads, and the jobs they work on.

    Args:
        source: the data set.
        recycler: where batches get their memory.
        threads: how many may read at once.
        most: how many may do so where they wait for a disk or a server most of the time.
        skip: go on when a sample is broken.
    """

    def __init__(self, source: Source, recycler: Recycler, *, threads: int, most: int, skip: bool) -> None:
        self._source, self._recycler, self._skip = source, recycler, skip
        self._threads, self._most = threads, most
        self._seen: list[tuple[float, float]] = []  # for each sample, seconds that passed and that were computed
        self._change = threading.Condition()
        self._queue: deque[BatchJob] = deque()
        self._alive = self._waiting = 0
        self._stopped = False

    def add(self, job: BatchJob) -> None:
        """Append a job to the queue, and start threads for it."""
        with self._change:
            if self._stopped:
                raise RuntimeError("this stream is closed.")
            self._queue.append(job)
            self._start_threads()

    def drop(self, job: BatchJob) -> None:
        """Forget a job that nobody waits for any more."""
        with self._change:
            self._forget(job)

    def wait(self, job: BatchJob) -> None:
        """Wait until a job is ready."""
        with self._change:
            self._waiting += 1
            try:
                while not (job.ready or self._stopped):
                    self._change.wait()
            finally:
                self._waiting -= 1

    def stop(self) -> None:
        """Stop the threads after the sample that they are reading."""
        with self._change:
            self._stopped = True
            self._queue.clear()
            self._change.notify_all()

    def _start_threads(self) -> None:
        waiting = sum(len(queued.indices) - queued.taken for queued in self._queue)
        for _ in range(min(self._threads - self._alive, waiting)):
            threading.Thread(target=self._work, name="course-streaming").start()
            self._alive += 1

    def _work(self) -> None:
        while task := self._take():
            job, slot = task
            began, computed = time.monotonic(), time.thread_time()
            error = self._attempt(job, slot)
            with self._change:
                self._note(time.monotonic() - began, time.thread_time() - computed)
                if error:
                    job.errors[slot] = error
                job.done += 1
                finished = self._is_finished(job)
            del task
            if finished:
                self._finish(job)
            del job  # an idle thread holds no memory

    def _note(self, passed: float, computed: float) -> None:
        """Let twice as many threads read, if somebody waits and those that read keep less than `BUSY` of a core busy.

        Threads that take turns at one core, or at Python's lock, keep it busy, however long each of them waits.
        """
        self._seen.append((passed, computed))
        if len(self._seen) < self._threads:
            return
        passed, computed = map(sum, zip(*self._seen, strict=True))
        self._seen.clear()
        if self._waiting and self._threads * computed < BUSY * passed:
            self._threads = min(2 * self._threads, self._most)
            try:
                self._start_threads()
            except RuntimeError:  # the machine gives no more; those that there are go on
                self._threads = self._most = self._alive

    def _take(self) -> tuple[BatchJob, int] | None:
        with self._change:
            if self._queue and not self._queue[0].arrays and self._recycler.is_scarce():
                self._change.wait(HANDOVER)
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

    def _attempt(self, job: BatchJob, slot: int) -> BaseException | None:
        """Read one sample; return what went wrong."""
        try:
            with self._change:  # memory is taken when the first sample is read, not before
                job.arrays = job.arrays or self._lease(len(job.indices))
            out = {name: array[slot, ...] for name, array in job.arrays.items()}
            self._source.fill(int(job.indices[slot]), job.rngs[slot], out)
        except BaseException as error:  # SystemExit and a reader's panic, too; raised where the batch is asked for
            return error.with_traceback(None) if isinstance(error, DataError) else error
        return None

    def _is_finished(self, job: BatchJob) -> bool:
        """Return whether nobody works on the job any more; a job that failed takes no further samples."""
        if job.failed(self._skip):
            self._forget(job)
            return job.done == job.taken
        return job.done == len(job.indices)

    def _forget(self, job: BatchJob) -> None:
        if job in self._queue:
            self._queue.remove(job)

    def _finish(self, job: BatchJob) -> None:
        if job.errors and not job.failed(self._skip):
            job.close_ranks()
        with self._change:
            job.ready = True
            self._change.notify_all()


MOST_THREADS = 16  # more readers than this have not been measured
BUSY = 2 / 3  # of a core
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
        threads: that read at once. Default: one for each core that the process may use, and more where they wait for a
            slow disk or a server most of the time, at most 16.
        prefetch: batches that are read ahead; with the one in use they bound the memory.
        on_error: what to do with a broken sample: "raise" stops with a `DataError` that names the file; "skip" leaves
            it out, warns once and notes it in `skipped`. Its batch is then shorter; a batch of nothing else is a
            `DataError` all the same.

    Attributes:
        skipped: what was wrong with each sample that was left out, by its name.
        waited: seconds that whoever asked for batches has waited for them, all passes together.
        error: what stopped it; TensorFlow tells whoever asks it for batches of an error of its own instead.
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
        self.threads, self.most_threads = threads or min(usable_cores(), MOST_THREADS), threads or MOST_THREADS
        self.prefetch, self.on_error = prefetch, on_error
        self.skipped: dict[str, str] = {}
        self.waited = 0.0
        self.error: BaseException | None = None
        self.recycler = Recycler(source.arrays, self.order.capacity, keep=prefetch + 1)
        self._passes = 0

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self.order)

    def __iter__(self) -> "Stream":
        self._passes += 1
        return self.stream(start=Position(self._passes - 1), epochs=1)

    def stream(self, *, start: Position = Position(), epochs: int | None = None) -> "Stream":  # noqa: B008 - immutable
        """Return the batches from a position on, for a number of epochs (a begun one counts), or without end."""
        return Stream(self, Position(*start), epochs)

    def resume(self, state: dict[str, Any], *, epochs: int | None = None) -> "Stream":
        """Go on where `Stream.state_dict` was taken, with exactly the batches that would have come.

        Raises:
            ValueError: this loader does not have the samples or the order that the state belongs to.
        """
        here = self.fingerprint()
        is_other = state.get("samples") != here["samples"]
        if is_other and state.get("samples") == self._crc(self.source.arrays):  # as earlier code told compact patches
            state = {**state, "samples": here["samples"]}
        if changed := sorted(key for key in here if here[key] != state.get(key)):
            told = ", ".join(f"{key} was {state.get(key)} and is {here[key]}" for key in changed)
            raise ValueError(f"the position belongs to another order: {told}. Build the loader as it was.")
        return self.stream(start=Position(state["epoch"], state["step"]), epochs=epochs)

    def fingerprint(self) -> dict[str, Any]:
        """Return what an order depends on. Workers may change between runs, the batches of all together stay."""
        order = self.order
        keys = ("length", "batch_size", "shuffle", "seed", "drop_remainder")
        return {key: getattr(order, key) for key in keys} | {"first_epoch": order.checksum, "samples": self._samples}

    @functools.cached_property
    def _samples(self) -> int:
        """CRC-32 of what the samples are: shapes, types, and names without folders, so that a copy may take over.

        A source whose samples come in several forms says in `identity` what they are in all of them.
        """
        return self._crc(getattr(self.source, "identity", self.source.arrays))

    def _crc(self, what: Mapping[str, Spec]) -> int:
        names = (os.path.basename(self.source.name(index)) for index in range(len(self.source)))  # noqa: PTH119 - quick
        return zlib.crc32(os.fsencode("\n".join([repr(sorted(what.items())), *names])))

    def batch_of(self, job: BatchJob) -> Any:
        """Make a batch of a job that is ready, or raise what went wrong with it."""
        if error := job.failed(self.on_error == "skip"):
            self.error = error
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


class Prefetcher:
    """Batches by position, in any order and from any thread; with those that probably come next read ahead."""

    every: ClassVar["weakref.WeakSet[Prefetcher]"] = weakref.WeakSet()
    python_ends: ClassVar[bool] = False

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        threads = {"threads": loader.threads, "most": loader.most_threads}
        self._pool = ThreadPool(loader.source, loader.recycler, **threads, skip=loader.on_error == "skip")
        self._ahead: dict[Position, BatchJob] = {}
        self._lock = threading.Lock()
        self.asked = 0.0  # when somebody was last in `get`, by the monotonic clock
        weakref.finalize(self, self._pool.stop)
        self.every.add(self)
        if self.python_ends:
            self.close()

    def get(self, position: Position, then: list[Position]) -> Any:
        """Return one batch, and begin to read those in `then`. What was read ahead in vain is forgotten."""
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
                self._pool.drop(self._ahead.pop(next(iter(self._ahead))))
        began = time.monotonic()
        self._pool.wait(job)
        self._loader.waited += time.monotonic() - began
        if not job.ready:
            raise RuntimeError("this stream is closed.")
        return self._loader.batch_of(job)

    def close(self) -> None:
        """Stop reading; the threads end after the sample they are at."""
        self._pool.stop()
        with self._lock:
            self._ahead.clear()

    def _begin(self, position: Position) -> BatchJob:
        job = BatchJob(position, self._loader.order)
        self._pool.add(job)
        return job


@atexit.register
def _close_every_feed() -> None:
    """Let nobody wait for a batch while Python ends.

    TensorFlow joins its threads when its iterators are destroyed, and one that waits for us, or for Python's lock,
    would then never end. So each is told that the stream is closed, and has the time to go.
    """
    Prefetcher.python_ends = True
    for feed in list(Prefetcher.every):
        feed.close()
    end = time.monotonic() + PATIENCE
    while any(time.monotonic() - feed.asked < CALM for feed in list(Prefetcher.every)) and time.monotonic() < end:
        time.sleep(CALM / 10)


class Stream(Iterator[Any]):
    """Batches one after the other; made by `Loader.stream`. A context manager, but closing it is not necessary."""

    def __init__(self, loader: Loader, start: Position, epochs: int | None) -> None:
        if start.epoch < 0 or not 0 <= start.step < len(loader):
            raise ValueError(f"an epoch has {len(loader)} batches; received {start}.")
        self._loader, self._feed = loader, Prefetcher(loader)
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
        """Return where the stream stands, in numbers that JSON can hold: the batch handed out last has been seen."""
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


class Samples:
    """A base class for a `Source`: what most data sets share. Still needed are `arrays`, `__len__` and `fill`.

    Attributes:
        arrays, fill: see `Source`.
        seed, epoch: of what is drawn for a sample that is asked for by its index. Count `epoch` up before each pass,
            for other crops and flips.
    """

    arrays: Mapping[str, Spec]
    seed = epoch = 0

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many samples it has: it needs __len__.")

    def name(self, index: int) -> str:
        """Return a name of a sample, for messages."""
        return f"sample {index}"

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read one sample; see `Source`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a sample is read: it needs fill.")

    def finish(self, arrays: Arrays) -> Any:
        """Return the batch: the arrays as a tuple, in the order of `arrays`."""
        return tuple(arrays.values())

    def __getitem__(self, index: int) -> Any:
        """Return one sample: what a batch holds, without the batch axis, and classes as int64, as PyTorch wants them.

        Raises:
            IndexError: there are fewer samples.
            DataError: the sample is broken.
        """
        count, number = len(self), as_index(index)
        if not -count <= number < count:
            raise IndexError(f"there are {count} samples; there is none with number {number}.")
        arrays = {name: np.empty((1, *spec.shape), spec.dtype) for name, spec in self.arrays.items()}
        rng = SampleRng(seed=self.seed, epoch=self.epoch, index=number % count)
        self.fill(number % count, rng, {name: array[0, ...] for name, array in arrays.items()})
        return _mapped(lambda array: array[0], _with_wide_classes(self.finish(arrays)))


def as_torch(loader: Loader) -> Iterator[Any]:
    """Return the batches of one epoch, the next one at each call, as PyTorch tensors.

    Of a batch that is a tuple, as (input, classes), whole numbers behind the input become int64; a dictionary has the
    dtypes of its arrays.
    They come from the loader's memory without a copy, channels last: `images.movedim(-1, 1)` is what `Conv2d` takes.
    The loader reads with threads of its own: no `DataLoader` is needed.
    """
    import torch

    for batch in loader:
        yield _mapped(torch.from_numpy, _with_wide_classes(batch))


def put(array: np.ndarray, out: np.ndarray, path: str) -> None:
    """Copy what a file holds to where it belongs.

    Raises:
        FileError: it has another shape, no real numbers, or a number that is none of `out`, such as 2.5, NaN or 300
            where bytes are wanted. (NumPy would stretch an axis of length 1, and cut numbers off, without a word.)
    """
    if array.shape != out.shape:
        raise FileError(path, f"holds an array of shape {array.shape}, where {out.shape} is wanted.")
    if array.dtype.kind not in "biuf":
        raise FileError(path, f"holds {array.dtype}, where real numbers are wanted.")
    with np.errstate(invalid="ignore", over="ignore"):
        out[...] = array
    if np.can_cast(array.dtype, out.dtype):
        return
    lost = out != array if out.dtype.kind in "biu" else np.isinf(out) & np.isfinite(array)
    if lost.any():
        raise FileError(path, f"holds {array[lost][0]:g}, which {out.dtype} cannot hold.")


def _with_wide_classes(batch: Any) -> Any:
    """Widen whole numbers in all parts of a batch but the first, which is the input, if it is a tuple."""
    if not isinstance(batch, tuple):
        return batch
    return batch[0], *_mapped(lambda array: array.astype(np.int64) if array.dtype.kind in "iu" else array, batch[1:])


def _mapped(change: Callable[[np.ndarray], Any], batch: Any) -> Any:
    """Change every array of a batch."""
    if isinstance(batch, dict):
        return {name: _mapped(change, part) for name, part in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(_mapped(change, part) for part in batch)
    return change(batch)
