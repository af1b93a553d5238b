"""Adapters of a loader: `tf.data.Dataset`, and `keras.utils.PyDataset` for any Keras backend.

The loader itself is an iterator of NumPy batches. All three give the same batches.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.backend import keras
from helpers.data.streaming.engine import Loader, Prefetcher
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
    """Return where each iteration begins: the first at `start`, the next ones where the one before it ends."""
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

    Batch `i` of an epoch is the same whoever asks for it and when. Each epoch of `fit` goes on where the one before it
    ended. Say `fit(..., shuffle=False)`: the loader shuffles all samples already, and Keras would shuffle the batches
    once more, with an order that nobody can repeat. The loader reads with threads of its own; Keras needs no workers.

    Args:
        loader: the batches.
        epoch: the first epoch, to resume after whole epochs.
        steps_per_epoch: batches of an epoch; without it, all of the loader's. Not to be said to `fit`: Keras lets each
            pass end with its last batch, and cuts the epoch in which that is.
    """

    def __init__(self, loader: Loader, *, epoch: int = 0, steps_per_epoch: int | None = None) -> None:
        super().__init__()
        if steps_per_epoch is not None and steps_per_epoch < 1:
            raise ValueError(f"steps_per_epoch must be at least 1; received {steps_per_epoch}.")
        self._loader, self.epoch, self._steps = loader, epoch, steps_per_epoch or len(loader)
        self._feed, self._next, self._cut = Prefetcher(loader), 0, 0
        self._begun = self._complete = False

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return self._steps

    def __getitem__(self, index: int) -> Any:
        """Return batch `index` of this epoch; read ahead while Keras asks in order.

        Raises:
            ValueError: `fit` was told of steps_per_epoch, and goes on with a pass that it began an epoch before.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"an epoch has {len(self)} batches; there is none with number {index}.")
        if index == self._cut > 0:
            raise ValueError(
                f"fit(steps_per_epoch=...) cuts each epoch in which the {len(self)} batches of a pass end. Leave it "
                "out, and take KerasBatches(loader, steps_per_epoch=...): the next pass then follows without a gap."
            )
        in_order, self._next, self._cut = index == self._next, index + 1, 0
        self._complete |= index == len(self) - 1
        last = min(index + self._loader.prefetch, len(self) - 1) if in_order else index
        return self._feed.get(self._position(index), [self._position(step) for step in range(index + 1, last + 1)])

    def _position(self, index: int) -> Position:
        return Position(*divmod(self.epoch * self._steps + index, len(self._loader)))

    def on_epoch_begin(self) -> None:
        """Note that an epoch begins (called by Keras)."""
        self._begun, self._complete, self._next = True, False, 0

    def on_epoch_end(self) -> None:
        """Go to the next epoch (called by Keras), if this one was read to its end.

        Keras also calls this before the first epoch, when it has looked at one or two batches to learn their shapes,
        and before each `evaluate`.
        """
        self._cut = self._next if self._begun and not self._complete else 0
        self.epoch += self._begun and self._complete
        self._begun = self._complete = False
