"""Memory that is used again: aligned for the processor and for TensorFlow, and never while somebody still holds it.

Fresh memory costs more than filling it (the system clears every page), so a batch takes a block that an earlier batch
has left. A block counts as left when no array in it is referenced any more: NumPy keeps the array of a lease alive as
long as any view of it, a tensor that shares its memory included, and its end returns the block. A consumer may
therefore keep a batch as long as it likes; there will then be more blocks.
"""

import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

ALIGNMENT = 64  # bytes: one cache line; TensorFlow takes an array so aligned without copying it


@dataclass(frozen=True)
class Spec:
    """Shape (of one sample, without the batch axis) and dtype of an array."""

    shape: tuple[int, ...]
    dtype: str

    def nbytes(self, count: int) -> int:
        """Count the bytes of `count` samples, rounded up so that the next array is aligned as well."""
        size = count * int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        return -(-size // ALIGNMENT) * ALIGNMENT


def aligned(nbytes: int) -> np.ndarray:
    """Allocate bytes that begin at a multiple of 64.

    >>> aligned(100).ctypes.data % 64
    0
    """
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % ALIGNMENT
    return memory[offset : offset + nbytes]


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
        """Say whether the next lease takes fresh memory, beyond what batches read ahead and the one in use need."""
        return not self._free and self.made >= self._usual

    def lease(self) -> dict[str, np.ndarray]:
        """Give arrays of shape (count, *shape) with whatever they held before; they share one block."""
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
