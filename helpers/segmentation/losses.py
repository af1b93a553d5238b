"""Losses over labelled pixels.

All take labels as whole numbers, (batch, rows, columns) or (batch, rows, columns, 1), and probabilities,
(batch, rows, columns, classes); and a `sample_weight`, where there is one, for each image, (batch,), or for each pixel,
of the shape of the labels. Other shapes raise a ValueError.

`ignore_class` means the same wherever it stands, in losses, metrics, figures and probes: the label, or the labels, of
pixels that do not count; None: all count. It is the argument of that name in Keras, which takes one label.

A label that is neither a class nor ignored raises a ValueError, whatever the weight of its pixel. Within a compiled
graph, in which nothing can be raised, it makes the loss NaN; the metrics of `helpers.segmentation`, and
`confusion_matrix`, then say which label it is.
"""

import math
from collections.abc import Mapping, Sequence
from operator import index as as_index
from typing import Any

import numpy as np
from keras import ops

from helpers.backend import keras

IGNORE = (0, 15)
"""Labels of the Chesapeake data that are no class: "no class", and "no data" where nobody has made 0 of it."""


IgnoreClass = int | Sequence[int] | None


def as_labels(ignore_class: IgnoreClass) -> tuple[int, ...]:
    """Return the labels that do not count.

    >>> as_labels(None), as_labels(255), as_labels([0, 15])
    ((), (255,), (0, 15))
    """
    return () if ignore_class is None else tuple(np.atleast_1d(np.asarray(ignore_class, int)).tolist())


def is_labelled(labels: Any, ignored: Sequence[int]) -> Any:
    """Return for each pixel whether its label counts: bool, shape of the labels."""
    counts, found = ops.ones_like(labels, dtype="bool"), ops.cast(labels, "float32")  # bytes cannot be compared with -1
    for label in ignored:
        counts = ops.logical_and(counts, ops.not_equal(found, label))
    return counts


def check_classes(found: Any, num_classes: int, ignored: Sequence[int], *, what: str = "label") -> None:
    """Raise a ValueError if a label is neither a class nor ignored; not within a compiled graph, which has none yet."""
    try:
        array = ops.convert_to_numpy(found)
    except (NotImplementedError, TypeError):  # what TensorFlow and JAX raise there
        return
    array = array[~np.isin(array, ignored)]
    if len(strange := array[~((array >= 0) & (array < num_classes) & (array == np.floor(array)))]):
        raise ValueError(strange_label(f"{strange[0]:g}", num_classes, ignored, what=what))


def strange_label(label: str, num_classes: int, ignored: Sequence[int], *, what: str = "label") -> str:
    """Return what to say of a label that is neither a class nor ignored."""
    return (
        f"a {what} is {label}: neither one of {num_classes} classes, from 0, nor ignored, ignore_class={ignored}. "
        "Correct it, or have it ignored."
    )


class EarlierNames:
    """Lets models open that were saved when `ignore_class` was called `ignore`."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Build the object from what `get_config` gave."""
        return cls(**{"ignore_class" if name == "ignore" else name: value for name, value in config.items()})


def is_class(labels: Any, num_classes: int) -> Any:
    """Return for each pixel whether its label is one of the classes, a whole number from 0 to `num_classes` - 1.

    bool, shape of the labels.
    """
    inside = ops.logical_and(ops.greater_equal(labels, 0), ops.less(labels, num_classes))
    return ops.logical_and(inside, ops.equal(ops.cast(ops.cast(labels, "int32"), labels.dtype), labels))


def labels_of_pixels(labels: Any, probabilities: Any) -> Any:
    """Return the labels as a tensor without a last axis of length 1, whatever their dtype.

    Raises:
        ValueError: there is not one for each pixel of the probabilities.
    """
    *pixels, classes = ops.convert_to_tensor(probabilities).shape
    found = _without_last_axis(labels, len(pixels))
    if not _fit(found.shape, pixels):
        one_hot = " For one-hot labels: np.argmax(labels, axis=-1)." if len(found.shape) == len(pixels) + 1 else ""
        raise ValueError(
            f"labels of shape {tuple(found.shape)} do not belong to probabilities of shape {(*pixels, classes)}: "
            f"there must be one for each pixel, {tuple(pixels)}.{one_hot}"
        )
    return found


@keras.saving.register_keras_serializable(package="course")
class MaskedCrossentropy(EarlierNames, keras.losses.Loss):
    """Cross-entropy of the true class, averaged over the labelled pixels of a batch.

    Args:
        ignore_class: labels that do not count.
        class_weights: a weight for each class, (classes,), such as `chesapeake.class_weights` gives, or, as for `fit`,
            the weights of some classes by their numbers; the others have 1. The average is then weighted, so that a
            batch of rare classes does not have a larger loss. Default: all alike.
        name: of the loss.

    A `sample_weight` weighs pixels as well. A batch without a labelled pixel has loss 0.

    Raises:
        ValueError: weights that are no numbers of at least 0, or of classes that are none.
    """

    def __init__(
        self,
        ignore_class: IgnoreClass = IGNORE,
        class_weights: Sequence[float] | np.ndarray | Mapping[int, float] | None = None,
        name: str = "crossentropy",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight", **options)
        self.ignore_class = as_labels(ignore_class)
        self.class_weights = _weights_of_classes(class_weights)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss of a batch, a scalar."""
        labels, weights = _weighed(y_true, y_pred, sample_weight, self.ignore_class)
        if self.class_weights is not None:
            each = self._weight_of_each(y_pred.shape[-1])
            weights = weights * ops.take(ops.convert_to_tensor(each, "float32"), labels)
        return super().__call__(labels, y_pred, sample_weight=weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the cross-entropy of each pixel, float, (batch, rows, columns)."""
        return ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred)

    def _weight_of_each(self, classes: int) -> list[float]:
        """Return a weight for each class; refuse those of others, of which backends and devices make various things."""
        given = self.class_weights or {}
        if isinstance(given, list):
            if len(given) != classes:
                raise ValueError(f"{len(given)} class_weights were given, for probabilities of {classes} classes.")
            return given
        if strange := sorted(set(given) - set(range(classes))):
            raise ValueError(f"class_weights has {strange}; the probabilities are of the classes 0 to {classes - 1}.")
        return [given.get(number, 1.0) for number in range(classes)]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the loss with a model."""
        return {"name": self.name, "ignore_class": self.ignore_class, "class_weights": self.class_weights}


def _number(key: Any) -> int:
    """Return the number of a class, which a model that was saved has as text; 1.5 is none, and not 1."""
    return int(key) if isinstance(key, str) else as_index(key)


def _weights_of_classes(given: Any) -> list[float] | dict[int, float] | None:
    if given is None:
        return None
    try:
        pairs = {_number(key): float(weight) for key, weight in (given.items() if isinstance(given, Mapping) else ())}
        each = [float(weight) for weight in (pairs.values() if pairs else given)]
    except (TypeError, ValueError):
        each = []
    if not each or not all(0 <= weight < math.inf for weight in each):
        raise ValueError(
            "class_weights must hold a number of at least 0 for each class, or such numbers by the number of the "
            f"class; received {given!r}."
        )
    return pairs or each


@keras.saving.register_keras_serializable(package="course")
class MaskedFocal(MaskedCrossentropy):
    """Cross-entropy that counts the less, the surer a pixel is right (Lin et al., 2017).

    The cross-entropy of a pixel whose true class has the probability p is multiplied by (1 - p) ** gamma: those that
    are learnt already leave the loss to the others. "Focal loss for dense object detection",
    https://arxiv.org/abs/1708.02002. `keras.losses.CategoricalFocalCrossentropy` is the same for one-hot labels that
    all count.

    Args:
        gamma: at least 0; 0 is `MaskedCrossentropy`.
        ignore_class, class_weights, name: see `MaskedCrossentropy`.

    Raises:
        ValueError: gamma is below 0; or see `MaskedCrossentropy`.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        ignore_class: IgnoreClass = IGNORE,
        class_weights: Sequence[float] | np.ndarray | Mapping[int, float] | None = None,
        name: str = "focal",
        **options: Any,
    ) -> None:
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0; received {gamma!r}.")
        super().__init__(ignore_class, class_weights, name, **options)
        self.gamma = gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the focal loss of each pixel, float, (batch, rows, columns)."""
        crossentropy = super().call(y_true, y_pred)
        missing = 1 - ops.exp(-crossentropy)  # of the probability; at 0, powers below 1 have no slope
        return ops.maximum(missing, keras.config.epsilon()) ** self.gamma * crossentropy

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the loss with a model."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="course")
class Dice(EarlierNames, keras.losses.Loss):
    """One minus the mean soft Dice coefficient of the classes that are among the labels of a batch.

    A class counts as much as any other, however few pixels it has. With probabilities p and truth t (0 or 1), summed
    over the labelled pixels of the batch: 2 Σ p t / (Σ p + Σ t) (Milletari, Navab & Ahmadi, 2016,
    https://arxiv.org/abs/1606.04797, who square the terms below). With a `sample_weight` the sums are weighted, so that
    a pixel of weight 2 counts as two pixels, and equal weights change nothing. A batch without a labelled pixel has
    loss 0.

    Args:
        ignore_class: labels that do not count.
        name: of the loss.
    """

    def __init__(self, ignore_class: IgnoreClass = IGNORE, name: str = "dice", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.ignore_class = as_labels(ignore_class)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss of a batch, a scalar."""
        return super().__call__(_weighed(y_true, y_pred, sample_weight, self.ignore_class), y_pred)

    def call(self, y_true: tuple[Any, Any], y_pred: Any) -> Any:
        """Return the loss of the batch, float, (1,): Keras shares an array among replicas, and a scalar it does not.

        Args:
            y_true: labels, and the weights of their pixels, each (batch, rows, columns).
            y_pred: probabilities, (batch, rows, columns, classes).
        """
        labels, weights = y_true
        weights = weights[..., None]
        truth = ops.one_hot(ops.cast(labels, "int32"), y_pred.shape[-1], dtype=y_pred.dtype) * weights
        axes = tuple(range(len(y_pred.shape) - 1))
        overlap = ops.sum(truth * y_pred, axis=axes)
        pixels = ops.sum(truth, axis=axes)
        dice = 2 * overlap / ops.maximum(pixels + ops.sum(y_pred * weights, axis=axes), keras.config.epsilon())
        present = ops.cast(ops.not_equal(pixels, 0), y_pred.dtype)  # NaN as well: it must reach the loss
        return ops.sum((1 - dice) * present, keepdims=True) / ops.maximum(ops.sum(present), 1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the loss with a model."""
        return {"name": self.name, "ignore_class": self.ignore_class}


def _weighed(y_true: Any, y_pred: Any, sample_weight: Any, ignored: Sequence[int]) -> tuple[Any, Any]:
    """Return the labels of pixels, and how much each counts.

    Returns:
        labels: int32, (batch, rows, columns); 0 where a label does not count or is no class.
        weights: float32, of the same shape; 0 where a label does not count, NaN where it is no class.

    Raises:
        ValueError: shapes do not fit, or a label is no class; see `check_classes`.
    """
    *pixels, classes = ops.convert_to_tensor(y_pred).shape
    labels = labels_of_pixels(y_true, y_pred)
    check_classes(labels, classes, ignored)
    counts, possible = is_labelled(labels, ignored), is_class(labels, classes)
    weights = ops.cast(counts, "float32")
    if sample_weight is not None:
        weights = weights * _weight_of_pixels(sample_weight, pixels)
    weights = ops.where(ops.logical_and(counts, ops.logical_not(possible)), float("nan"), weights)
    return ops.where(ops.logical_and(counts, possible), ops.cast(labels, "int32"), 0), weights


def _weight_of_pixels(sample_weight: Any, pixels: Sequence[int | None]) -> Any:
    """Return weights that broadcast to all pixels, float32, (batch, 1, 1) or (batch, rows, columns), or refuse them."""
    weights = ops.cast(_without_last_axis(sample_weight, len(pixels)), "float32")
    if not (_fit(weights.shape, pixels) or _fit(weights.shape, pixels[:1])):
        raise ValueError(
            f"sample_weight must hold one for each image, {tuple(pixels[:1])}, or for each pixel, {tuple(pixels)}; "
            f"received an array of shape {tuple(weights.shape)}."
        )
    return ops.reshape(weights, (-1, *[1] * (len(pixels) - 1))) if len(weights.shape) == 1 else weights


def _without_last_axis(array: Any, axes: int) -> Any:
    """Make a tensor, of `axes` axes if there is one more, of length 1."""
    tensor = ops.convert_to_tensor(array)
    return ops.squeeze(tensor, -1) if len(tensor.shape) == axes + 1 and tensor.shape[-1] == 1 else tensor


def _fit(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    """Return whether shapes are equal, as far as they are known: a compiled graph may leave an axis open (None)."""
    return len(shape) == len(wanted) and all(a == b or None in (a, b) for a, b in zip(shape, wanted, strict=True))
