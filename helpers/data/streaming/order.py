"""The order of the samples: a pure function of seed, epoch and position, on every machine. Used by lectures 10-13.

The generator is SplitMix64 (Steele, Lea & Flood, 2014), written out in integer arithmetic so that no version of NumPy
can change it. It starts from a state made of seed and epoch; the permutation of an epoch sorts the indices by its
outputs, which are all different. What is drawn for one sample (a crop, a flip) starts from seed, epoch and index, so
that it is the same in whatever batch, worker or restart the sample comes.
"""

import functools
import zlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


class Permutation(Protocol):
    """Shuffles a data set in its own way."""

    def __call__(self, *, seed: int, epoch: int) -> np.ndarray:
        """Return every index once, int64, (length,); the same for the same seed and epoch."""


class Position(NamedTuple):
    """Where a stream stands: the batch `step` of `epoch` comes next. Both count from 0."""

    epoch: int = 0
    step: int = 0


class SampleRng:
    """Random numbers for one sample, the same wherever and whenever it is read.

    >>> rng = SampleRng(seed=0, epoch=1, index=42)
    >>> [rng.below(6) for _ in range(8)]
    [0, 4, 2, 3, 4, 2, 4, 1]
    """

    def __init__(self, *, seed: int, epoch: int, index: int) -> None:
        self._state = _key(_key(seed, epoch), index)

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 to `bound - 1`."""
        self._state = (self._state + GOLDEN) & MASK
        return (_mix(self._state) * bound) >> 64


@functools.lru_cache(maxsize=4)
def permutation(length: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return every index from 0 to `length - 1` once, in the order of an epoch.

    Returns:
        int64, (length,), read-only.

    >>> permutation(8, seed=0, epoch=0).tolist(), permutation(8, seed=0, epoch=1).tolist()
    ([6, 7, 1, 2, 0, 5, 3, 4], [0, 1, 7, 6, 4, 2, 3, 5])
    """
    state = np.arange(1, length + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(_key(seed, epoch))
    for shift, factor in STEPS:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    order = np.argsort(state ^ (state >> np.uint64(31))).astype(np.int64)
    order.setflags(write=False)
    return order


@dataclass(frozen=True)
class Order:
    """Which samples make which batch.

    Attributes:
        length: number of samples.
        batch_size: samples in a batch of all workers together.
        shuffle: a new permutation of all samples every epoch; otherwise 0, 1, 2, … in every epoch.
        seed: of the permutation, and of what is drawn for each sample.
        drop_remainder: leave the last batch out if it is not full.
        permutation: what shuffles, called with `seed` and `epoch`: gives every index once, int64, (length,).
            Default: `permutation` of this module, which mixes all samples alike.
        worker, workers: this is worker number `worker` (from 0) of `workers`. Each takes its part of every batch: the
            parts are disjoint, and one after the other they are the batch that a single worker would have.
    """

    length: int
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    drop_remainder: bool = False
    worker: int = 0
    workers: int = 1
    permutation: Permutation | None = None

    def __post_init__(self) -> None:
        if self.length < 1 or self.batch_size < 1:
            raise ValueError(f"nothing to read: {self.length} samples in batches of {self.batch_size}.")
        if not 0 <= self.worker < self.workers:
            raise ValueError(f"worker must be 0 to {self.workers - 1} with workers={self.workers}; got {self.worker}.")
        if not len(self):
            raise ValueError(
                f"{self.length} samples do not fill one batch of {self.batch_size}, and drop_remainder=True leaves "
                "the rest out. Take a smaller batch_size or drop_remainder=False."
            )
        if (smallest := self._size(len(self) - 1)) < self.workers:
            ways = "another batch_size" if self.drop_remainder else "drop_remainder=True or another batch_size"
            raise ValueError(
                f"the last of {len(self)} batches, of {self.length} samples in all, has {smallest} for {self.workers} "
                f"workers. Take {ways}."
            )

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return self.length // self.batch_size if self.drop_remainder else -(-self.length // self.batch_size)

    @property
    def capacity(self) -> int:
        """The largest number of samples that this worker has in a batch."""
        return -(-min(self.batch_size, self.length) // self.workers)

    @property
    def is_even(self) -> bool:
        """Whether this worker has as many samples in every batch."""
        return self.drop_remainder and self.batch_size % self.workers == 0

    def batch(self, epoch: int, step: int) -> np.ndarray:
        """Return the indices of this worker's part of a batch, int64, (samples,)."""
        first, size = step * self.batch_size, self._size(step)
        start, stop = (first + size * worker // self.workers for worker in (self.worker, self.worker + 1))
        if not self.shuffle:
            return np.arange(start, stop)
        return self.shuffled(epoch)[start:stop]

    def shuffled(self, epoch: int) -> np.ndarray:
        """Return all indices in the order of an epoch, as if shuffled, int64, (length,)."""
        if self.permutation:
            return self.permutation(seed=self.seed, epoch=epoch)
        return permutation(self.length, seed=self.seed, epoch=epoch)

    @functools.cached_property
    def checksum(self) -> int:
        """CRC-32 of the order of epoch 0, which tells one way of shuffling from another; 0 without shuffling."""
        return zlib.crc32(self.shuffled(0).tobytes()) if self.shuffle else 0

    def rng(self, epoch: int, index: int) -> SampleRng:
        """Return the random numbers of one sample in one epoch."""
        return SampleRng(seed=self.seed, epoch=epoch, index=index)

    def after(self, position: Position) -> Position:
        """Return the position of the next batch."""
        epoch, step = position
        return Position(epoch, step + 1) if step + 1 < len(self) else Position(epoch + 1, 0)

    def _size(self, step: int) -> int:
        return min(self.batch_size, self.length - step * self.batch_size)


def _mix(state: int) -> int:
    """Scramble 64 bits (the output function of SplitMix64)."""
    for shift, factor in STEPS:
        state = ((state ^ (state >> shift)) * factor) & MASK
    return state ^ (state >> 31)


def _key(seed: int, number: int) -> int:
    """Make one starting state of two numbers."""
    return _mix((_mix((seed + GOLDEN) & MASK) + number) & MASK)
