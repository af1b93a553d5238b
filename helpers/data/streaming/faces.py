"""Two more faces of a loader: `tf.data.Dataset`, and `keras.utils.PyDataset` for any Keras backend.

The first face is the loader itself, an iterator of NumPy batches. All three give the same batches.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.backend import keras
from helpers.data.streaming.engine import Feed, Loader
from helpers.data.streaming.order import Position

if TYPE_CHECKING:
    import tensorflow as tf


def as_dataset(loader: Loader, *, epochs: int | None = 1, start: Position = Position()) -> "tf.data.Dataset":  # noqa: B008
    """Wrap a loader into a `tf.data.Dataset` with static shapes and dtypes.

    Every time the data set is iterated anew (by `repeat`, or by `fit` for each epoch) the next epochs follow. The
    batches come from the loader's memory without a copy, and are read ahead by the loader: `prefetch` is not needed
    on a CPU.

    Args:
        loader: the batches.
        epochs: that one iteration gives; None for no end.
        start: where the first iteration begins. In the middle of an epoch only with `epochs=None`, and for `fit` with
            `steps_per_epoch=len(loader)`: after `steps` batches in all that is
            `Position(*divmod(steps, len(loader)))`. (TensorFlow reads ahead, so count what the model has seen.)

    Returns:
        A data set of whole batches. The batch axis has a static length if the loader drops the remainder, raises on
        broken samples, and is one of workers that have as many samples each.

    Raises:
        ValueError: a finite data set is to begin in the middle of an epoch. Keras would take the rest of that epoch
            for the length of each, and cut all that follow.
    """
    if epochs is not None and start[1]:
        raise ValueError(
            f"epochs={epochs} cannot begin in the middle, at {start}: `fit` would cut each later epoch to the rest of "
            "this one. Take epochs=None, and fit(..., steps_per_epoch=len(loader))."
        )
    import tensorflow as tf

    begins = _beginnings(Position(*start), epochs)
    dataset = tf.data.Dataset.from_generator(
        lambda: loader.stream(start=next(begins), epochs=epochs), output_signature=_signature(loader)
    )
    if epochs is None:
        return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return dataset.apply(tf.data.experimental.assert_cardinality(epochs * len(loader)))


def _beginnings(start: Position, epochs: int | None) -> Iterator[Position]:
    """Give where each iteration begins: the first at `start`, the next ones where the one before it ends."""
    while True:
        yield start
        start = Position(start.epoch + (epochs or 0), 0 if epochs else start.step)


def _signature(loader: Loader) -> Any:
    """Describe a batch for TensorFlow, by finishing one without samples."""
    import tensorflow as tf

    whole = loader.order.is_even and loader.on_error == "raise"
    count = loader.order.capacity if whole else None
    empty = {name: np.empty((0, *spec.shape), spec.dtype) for name, spec in loader.source.arrays.items()}
    return tf.nest.map_structure(
        lambda array: tf.TensorSpec((count, *array.shape[1:]), array.dtype), loader.source.finish(empty)
    )


class KerasBatches(keras.utils.PyDataset):
    """Wrap a loader for `fit`, `evaluate` and `predict` on any Keras backend.

    Batch `i` of an epoch is the loader's batch `i`, whichever of Keras' threads asks for it and when. Each epoch of
    `fit` is the next epoch of the loader. Say `fit(..., shuffle=False)`: the loader shuffles all samples already, and
    Keras would shuffle the batches once more, with an order that nobody can repeat.

    Args:
        loader: the batches.
        epoch: the first epoch, to resume after whole epochs.
        workers: threads of Keras that fetch batches; 1 is enough, the loader has its own.
    """

    def __init__(self, loader: Loader, *, epoch: int = 0, workers: int = 1) -> None:
        super().__init__(workers=workers, max_queue_size=max(2, workers))
        self._loader, self.epoch = loader, epoch
        self._feed, self._next = Feed(loader), 0
        self._begun = self._complete = False

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self._loader)

    def __getitem__(self, index: int) -> Any:
        """Give batch `index` of this epoch; read ahead while Keras asks in order."""
        if not 0 <= index < len(self):
            raise IndexError(f"an epoch has {len(self)} batches; there is none with number {index}.")
        in_order, self._next = abs(index - self._next) < self.workers, index + 1
        self._complete |= index == len(self) - 1
        last = min(index + self._loader.prefetch, len(self) - 1) if in_order else index
        return self._feed.get(
            Position(self.epoch, index), [Position(self.epoch, step) for step in range(index + 1, last + 1)]
        )

    def on_epoch_begin(self) -> None:
        """Note that an epoch begins (called by Keras)."""
        self._begun, self._complete, self._next = True, False, 0

    def on_epoch_end(self) -> None:
        """Go to the next epoch (called by Keras), if this one was read to its end.

        Keras also calls this before the first epoch, when it has looked at one or two batches to learn their shapes.
        """
        self.epoch += self._begun and self._complete
        self._begun = self._complete = False
