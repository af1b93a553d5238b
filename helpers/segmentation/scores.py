"""The confusion matrix, streamed over batches, and the scores that follow from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from helpers.backend import keras
from helpers.segmentation.losses import (
    IGNORE,
    EarlierNames,
    IgnoreClass,
    as_labels,
    check_classes,
    is_class,
    is_labelled,
    labels_of_pixels,
    strange_label,
)

_OTHER = 257  # behind -1 and the bytes


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says; all from 0 to 1, kappa from -1.

    Attributes:
        accuracy: share of the labelled pixels that are right.
        iou: for each class, pixels that truth and prediction share, of those that either has; float, (classes,), NaN
            for a class that neither has.
        mean_iou: mean of `iou` without the ignored classes and the NaN.
        kappa: Cohen's; 0 for guessing with the right shares.
        precision: for each class, what share of the pixels that were given it have it; float, (classes,), NaN for a
            class that none was given.
        recall: for each class, what share of its pixels were given it; float, (classes,), NaN for a class without
            pixels.
    """

    accuracy: float
    iou: np.ndarray
    mean_iou: float
    kappa: float
    precision: np.ndarray
    recall: np.ndarray


def confusion_matrix(
    labels: Any, predicted: Any, *, num_classes: int = 7, ignore_class: IgnoreClass = IGNORE
) -> np.ndarray:
    """Count labelled pixels by true class (rows) and predicted class (columns).

    Args:
        labels: whole numbers, any shape.
        predicted: classes, of the same shape, or probabilities of `num_classes` classes with one more axis. A last axis
            of length 1 may stand behind either.
        num_classes: classes that there are.
        ignore_class: labels that do not count.

    Returns:
        int64, (num_classes, num_classes). Matrices of several folds may be added.

    Raises:
        ValueError: the shapes differ, or a pixel that counts has a label or prediction that is no class.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if _is_one_hot(labels, num_classes):
        raise ValueError(f"labels of shape {labels.shape} are one-hot. Take np.argmax(labels, axis=-1).")
    if labels.shape != predicted.shape:
        labels, predicted = (each[..., 0] if each.shape[-1:] == (1,) else each for each in (labels, predicted))
    if predicted.shape == (*labels.shape, num_classes):
        predicted = np.where(np.isnan(predicted.max(-1)), np.nan, predicted.argmax(-1))
    if labels.shape != predicted.shape:
        raise ValueError(
            f"labels of shape {labels.shape} and predictions of shape {predicted.shape} do not belong: each label "
            f"wants one class, or {num_classes} probabilities (num_classes)."
        )
    ignored = as_labels(ignore_class)
    counts = ~np.isin(labels, ignored)
    labels, predicted = labels[counts], predicted[counts]
    check_classes(labels, num_classes, ignored)
    check_classes(predicted, num_classes, (), what="prediction")
    pairs = labels.astype(np.int64) * num_classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def _is_one_hot(labels: np.ndarray, num_classes: int) -> bool:
    """Return whether the last axis has a 1 for one class of each pixel, which would pass for a map of class 1.

    A map of few pixels may look so by chance, and is taken for one.
    """
    if labels.ndim < 2 or labels.shape[-1] != num_classes or labels.size <= num_classes**2:
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(-1) == 1).all())


def scores(matrix: np.ndarray, *, ignore_class: IgnoreClass = IGNORE) -> Scores:
    """Compute the scores of a confusion matrix.

    Args:
        matrix: counts, (classes, classes), true classes in rows.
        ignore_class: classes that are left out of the mean IoU.
    """
    total = np.asarray(matrix, np.float64)
    kept = [number for number in range(len(total)) if number not in as_labels(ignore_class)]
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = np.diag(total) / (total.sum(0) + total.sum(1) - np.diag(total))
        precision, recall = np.diag(total) / total.sum(0), np.diag(total) / total.sum(1)
    judged = iou[kept][np.isfinite(iou[kept])]
    agreement, chance = _agreement(total)
    kappa = (agreement - chance) / (1 - chance) if chance < 1 else 0.0
    mean_iou = float(judged.mean()) if len(judged) else 0.0
    return Scores(float(agreement), iou, mean_iou, float(kappa), precision, recall)


@dataclass(frozen=True)
class Areas:
    """How much of a place each class covers, by a map and corrected for the mistakes of its maker.

    Attributes:
        mapped: what the map shows, in the unit that was given; float, (classes,).
        estimated: what there is, by what test pixels that the map gives each class really were; float, (classes,).
        standard_error: of `estimated`; float, (classes,). NaN where a class was mapped that no two test pixels have.
    """

    mapped: np.ndarray
    estimated: np.ndarray
    standard_error: np.ndarray


def estimate_areas(matrix: np.ndarray, mapped: np.ndarray, *, ignore_class: IgnoreClass = IGNORE) -> Areas:
    """Estimate the area of each class from a map and a confusion matrix (stratified estimator, Olofsson et al., 2014).

    The pixels of a map that have one class are a stratum, of which test pixels are a sample: what share of them is
    truly of each class is known. Equations 9 to 11 of "Good practices for estimating area and assessing accuracy of
    land change", Remote Sensing of Environment 148, https://doi.org/10.1016/j.rse.2014.02.015. They suppose that test
    pixels were drawn one by one; neighbours in a patch are alike, so from whole patches the error comes out too small.

    A class that the map shows and fewer than two test pixels were given is taken as mapped.

    Args:
        matrix: counts of test pixels, (classes, classes), true classes in rows, as `confusion_matrix` has it.
        mapped: what the map shows of each class, (classes,), in pixels or any unit of area.
        ignore_class: classes that are left out: they get 0.

    Raises:
        ValueError: the shapes do not belong, or the map shows no class that counts.
    """
    counts, mapped = np.asarray(matrix, np.float64).T, np.asarray(mapped, np.float64)  # mapped classes in rows
    if counts.shape != (len(mapped), len(mapped)):
        raise ValueError(f"areas of {len(mapped)} classes want a matrix of as many; received {counts.T.shape}.")
    ignored = [number for number in as_labels(ignore_class) if number < len(mapped)]
    mapped, counts = mapped.copy(), counts.copy()
    mapped[ignored], counts[ignored], counts[:, ignored] = 0, 0, 0
    if not mapped.sum():
        raise ValueError("the map shows no class that counts: there is no area to estimate.")
    sampled = counts.sum(axis=1, keepdims=True)
    is_known = sampled >= 2
    shares = np.where(is_known, counts / np.maximum(sampled, 1), np.eye(len(mapped)))
    variance = mapped[:, None] ** 2 * shares * (1 - shares) / np.maximum(sampled - 1, 1)
    error = np.sqrt(variance.sum(axis=0))
    error[~is_known[:, 0] & (mapped > 0)] = np.nan
    return Areas(mapped, mapped @ shares, error)


def _agreement(total: np.ndarray) -> tuple[float, float]:
    """Return the share of pixels that are right, and the share that guessing with the same shares would have."""
    count = max(total.sum(), 1)
    return np.trace(total) / count, float(total.sum(0) @ total.sum(1)) / count**2


class ConfusionMatrix(EarlierNames, keras.metrics.Metric):
    """Adds up the confusion matrix of labelled pixels over batches; a base for scores.

    Counts are int64 (int32 on JAX, which is enough for 32,000 patches).

    A label that is neither a class nor ignored raises a ValueError. Within a compiled graph, in which nothing can be
    raised, it makes every score NaN (the matrix -1) until `reset_state`; the ValueError comes when a result is asked
    for outside of the graph, as `fit` and `evaluate` do in the end.

    Args:
        num_classes: classes that there are, as many as the network's outputs.
        ignore_class: labels that do not count.
        name, options: of `keras.metrics.Metric`; `usual_name` where no name is given.
    """

    usual_name = "confusion_matrix"

    def __init__(
        self, num_classes: int = 7, ignore_class: IgnoreClass = IGNORE, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(name=name or self.usual_name, **options)
        self.num_classes, self.ignore_class = num_classes, as_labels(ignore_class)
        shape, kind = (num_classes, num_classes), "int32" if keras.backend.backend() == "jax" else "int64"
        self.counts = self.add_variable(shape=shape, initializer="zeros", dtype=kind, name="counts")
        # Of labels that are no class, pixels for each from -1 to 255, and for all others together.
        self.strange = self.add_variable(shape=(_OTHER + 1,), initializer="zeros", dtype=kind, name="strange")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: whole numbers, (batch, rows, columns) or (batch, rows, columns, 1).
            y_pred: probabilities, (batch, rows, columns, num_classes).
            sample_weight: not used: a pixel counts or it does not.

        Raises:
            ValueError: `y_pred` has another number of classes, its pixels do not have one label each, or a label is no
                class.
        """
        if (given := ops.convert_to_tensor(y_pred).shape[-1]) != self.num_classes:
            raise ValueError(
                f"num_classes is {self.num_classes}; received probabilities of {given} classes. Make the metric with "
                f"num_classes={given}; of predicted classes, call confusion_matrix."
            )
        labels = ops.reshape(labels_of_pixels(y_true, y_pred), (-1,))
        check_classes(labels, self.num_classes, self.ignore_class)
        predicted = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), (-1,))
        ignored, strange = self.num_classes**2, self.num_classes**2 + 1
        pairs = ops.cast(labels, "int32") * self.num_classes + predicted
        above = ops.cast(labels, "float32") + 1
        which = ops.where(is_class(above, _OTHER), ops.cast(above, "int32"), _OTHER)
        pairs = ops.where(is_class(labels, self.num_classes), pairs, strange + which)
        pairs = ops.where(is_labelled(labels, self.ignore_class), pairs, ignored)
        found = ops.cast(
            ops.segment_sum(ops.ones_like(pairs), pairs, num_segments=strange + _OTHER + 1), self.counts.dtype
        )
        self.counts.assign_add(ops.reshape(found[:ignored], self.counts.shape))
        self.strange.assign_add(found[strange:])

    def result(self) -> Any:
        """Return the matrix; scores return a number.

        Raises:
            ValueError: a label was neither a class nor ignored. Within a compiled graph, -1, or NaN, is returned.
        """
        return self._or(-1, ops.convert_to_tensor(self.counts))

    def matrix(self) -> np.ndarray:
        """Return the matrix, int64, (classes, classes), true classes in rows.

        Raises:
            ValueError: a label was neither a class nor ignored.
        """
        return ops.convert_to_numpy(ConfusionMatrix.result(self)).astype(np.int64)

    def _or(self, instead: float, result: Any) -> Any:
        """Return a result; or, where a label was neither a class nor ignored, say so."""
        try:
            if len(strange := np.flatnonzero(ops.convert_to_numpy(self.strange))):
                label = "no whole number from -1 to 255" if strange[0] == _OTHER else str(strange[0] - 1)
                raise ValueError(strange_label(label, self.num_classes, self.ignore_class))
        except (NotImplementedError, TypeError):  # within a compiled graph; see `check_classes`
            pass
        return ops.where(ops.any(ops.convert_to_tensor(self.strange) > 0), instead, result)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the metric with a model."""
        return {**super().get_config(), "num_classes": self.num_classes, "ignore_class": self.ignore_class}


@keras.saving.register_keras_serializable(package="course")
class PixelAccuracy(ConfusionMatrix):
    """Share of the labelled pixels that are right."""

    usual_name = "accuracy"

    def result(self) -> Any:
        """Return the accuracy so far, 0 to 1."""
        counts = ops.cast(self.counts, "float32")
        return self._or(np.nan, ops.divide_no_nan(ops.trace(counts), ops.sum(counts)))


@keras.saving.register_keras_serializable(package="course")
class MeanIoU(ConfusionMatrix):
    """Mean intersection over union of the classes that truth or prediction has, the ignored ones left out.

    `keras.metrics.IoU` is the same where one label is ignored and its counts, float32, are below 2**24.
    """

    usual_name = "mean_iou"

    def result(self) -> Any:
        """Return the mean IoU so far, 0 to 1."""
        counts = ops.cast(self.counts, "float32")
        both = ops.diagonal(counts)
        either = ops.sum(counts, axis=0) + ops.sum(counts, axis=1) - both
        kept = np.array([number not in self.ignore_class for number in range(self.num_classes)], np.float32)
        judged = ops.cast(either > 0, "float32") * kept
        iou = ops.divide_no_nan(both, either)
        return self._or(np.nan, ops.divide_no_nan(ops.sum(iou * judged), ops.sum(judged)))


@keras.saving.register_keras_serializable(package="course")
class Kappa(ConfusionMatrix):
    """Cohen's kappa: 1 for all right, 0 for guessing with the right shares.

    It is computed as 1 minus the share of wrong pixels by the share that guessing gets wrong, both from differences of
    whole numbers: where one class dominates, differences of float32 shares would lose their digits.
    """

    usual_name = "kappa"

    def result(self) -> Any:
        """Return kappa so far, -1 to 1."""
        rows, columns = ops.sum(self.counts, axis=1), ops.sum(self.counts, axis=0)
        pixels = ops.sum(rows)
        wrong = self._share(pixels - ops.sum(ops.diagonal(self.counts)), pixels)
        by_guessing = ops.sum(self._share(rows, pixels) * self._share(pixels - columns, pixels))
        kappa = 1 - ops.divide_no_nan(wrong, by_guessing)
        return self._or(np.nan, ops.where(by_guessing > 0, kappa, 0.0))

    @staticmethod
    def _share(count: Any, pixels: Any) -> Any:
        return ops.divide_no_nan(ops.cast(count, "float32"), ops.cast(pixels, "float32"))
