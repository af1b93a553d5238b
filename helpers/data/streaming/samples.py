"""A base class for data sets, which gives them samples by index, and batches for PyTorch. Used by lectures 10-13.

PyTorch's `DataLoader` calls a data set with samples by index a map-style data set, and shares the indices out among
its workers; one that is only iterated would come once from each of them.
"""

from collections.abc import Callable, Iterator, Mapping
from operator import index as as_index
from typing import Any

import numpy as np

from helpers.data.streaming.buffers import Spec
from helpers.data.streaming.engine import Loader
from helpers.data.streaming.jobs import Arrays
from helpers.data.streaming.npz import FileError
from helpers.data.streaming.order import Draws


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

    def fill(self, index: int, draws: Draws, out: Arrays) -> None:
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
        draws = Draws(seed=self.seed, epoch=self.epoch, index=number % count)
        self.fill(number % count, draws, {name: array[0, ...] for name, array in arrays.items()})
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
        FileError: it has another shape. (NumPy would stretch an axis of length 1 without a word.)
    """
    if array.shape != out.shape:
        raise FileError(path, f"holds an array of shape {array.shape}, where {out.shape} is wanted.")
    out[...] = array


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
