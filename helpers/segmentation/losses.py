"""Losses over labelled pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from helpers.backend import keras

IGNORE = (0, 15)
"""Labels of the Chesapeake data that are no class: "no class", and "no data" where nobody has made 0 of it."""


def is_labelled(labels: Any, ignore: Sequence[int] = IGNORE) -> Any:
    """Say for each pixel whether its label counts: bool, shape of the labels."""
    counts = ops.ones_like(labels, dtype="bool")
    for value in ignore:
        counts = ops.logical_and(counts, ops.not_equal(labels, value))
    return counts


@keras.saving.register_keras_serializable(package="course")
class MaskedCrossentropy(keras.losses.Loss):
    """Cross-entropy of the true class, averaged over the labelled pixels of a batch.

    Args:
        ignore: labels that do not count.
        class_weights: a weight for each class, (classes,), such as `chesapeake.class_weights` gives; the average is
            then weighted, so that a batch of rare classes does not have a larger loss. Default: all alike.
        name: of the loss.

    With a `sample_weight` of the shape of the labels, that weighs pixels as well. A batch without a labelled pixel has
    loss 0.
    """

    def __init__(
        self,
        ignore: Sequence[int] = IGNORE,
        class_weights: Sequence[float] | np.ndarray | None = None,
        name: str = "crossentropy",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight", **options)
        self.ignore = tuple(int(value) for value in ignore)
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Give the loss of a batch, a scalar."""
        labels = ops.cast(ops.convert_to_tensor(y_true), "int32")
        counts = is_labelled(labels, self.ignore)
        labels = ops.where(counts, labels, 0)  # 15 is beyond the last class
        weight = ops.cast(counts, "float32")
        if self.class_weights is not None:
            weight = weight * ops.take(ops.convert_to_tensor(self.class_weights, "float32"), labels)
        if sample_weight is not None:
            weight = weight * ops.cast(sample_weight, "float32")
        return super().__call__(labels, y_pred, sample_weight=weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Give the cross-entropy of each pixel, float, (batch, rows, columns)."""
        return ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments, to save the loss with a model."""
        return {"name": self.name, "ignore": self.ignore, "class_weights": self.class_weights}


@keras.saving.register_keras_serializable(package="course")
class Dice(keras.losses.Loss):
    """One minus the mean soft Dice coefficient of the classes that are among the labels of a batch.

    A class counts as much as any other, however few pixels it has. With probabilities p and truth t (0 or 1), summed
    over the labelled pixels of the batch: 2 Σ p t / (Σ p + Σ t) (Milletari, Navab & Ahmadi, 2016,
    https://arxiv.org/abs/1606.04797, who square the terms below).

    Args:
        ignore: labels that do not count.
        name: of the loss.
    """

    def __init__(self, ignore: Sequence[int] = IGNORE, name: str = "dice", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.ignore = tuple(int(value) for value in ignore)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Give the loss of the batch, a scalar."""
        labels = ops.cast(y_true, "int32")
        counts = is_labelled(labels, self.ignore)
        mask = ops.cast(counts, y_pred.dtype)[..., None]
        truth = ops.one_hot(ops.where(counts, labels, 0), y_pred.shape[-1], dtype=y_pred.dtype) * mask
        axes = tuple(range(len(y_pred.shape) - 1))
        overlap = ops.sum(truth * y_pred, axis=axes)
        pixels = ops.sum(truth, axis=axes)
        dice = 2 * overlap / ops.maximum(pixels + ops.sum(y_pred * mask, axis=axes), keras.config.epsilon())
        present = ops.cast(pixels > 0, y_pred.dtype)
        return ops.sum((1 - dice) * present) / ops.maximum(ops.sum(present), 1)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments, to save the loss with a model."""
        return {"name": self.name, "ignore": self.ignore}
