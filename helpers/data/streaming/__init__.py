"""Batches from many files, read while the model computes. Used by lectures 10-13; knows nothing of land cover.

The design, and why:

- `order`: which sample comes when is a pure function of seed, epoch and position. So a run resumes in the middle of
  an epoch, and several workers share the batches of one, without any state but two numbers.
- `npz`: one array of a zip, read at once and inflated without Python's lock into memory that is there already.
- `engine`: threads fill one sample after the other, straight into the memory of its batch, converted while it is
  still in the processor's cache. Batches read ahead are bounded in number; a batch that nobody holds any more leaves
  its memory to a later one. `Loader` gives `Stream`s of NumPy batches. `adapters`: the same as `tf.data.Dataset` and as
  Keras' PyDataset.

A data set is a `Source`: it says which arrays a sample fills, fills them, and raises a `DataError` that names the file
if the sample is broken; `Samples` is a base class for it, and datasets/README.md shows examples. Nothing here imports
TensorFlow before `as_dataset` is called, nor PyTorch before `as_torch` is.
"""

from typing import TYPE_CHECKING, Any

from helpers.data.streaming.engine import (
    Arrays,
    BrokenSampleWarning,
    Loader,
    Prefetcher,
    Recycler,
    Samples,
    Source,
    Spec,
    Stream,
    as_torch,
    put,
)
from helpers.data.streaming.npz import FileError, read_array
from helpers.data.streaming.order import Order, Position, SampleRng

if TYPE_CHECKING:
    from helpers.data.streaming.adapters import KerasBatches, as_dataset

__all__ = [
    "Arrays",
    "BrokenSampleWarning",
    "FileError",
    "KerasBatches",
    "Loader",
    "Order",
    "Position",
    "Prefetcher",
    "Recycler",
    "SampleRng",
    "Samples",
    "Source",
    "Spec",
    "Stream",
    "as_dataset",
    "as_torch",
    "put",
    "read_array",
]


def __getattr__(name: str) -> Any:
    """Import the two adapters that need Keras when they are asked for."""
    if name in ("KerasBatches", "as_dataset"):
        from helpers.data.streaming import adapters

        return getattr(adapters, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
