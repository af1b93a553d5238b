"""How far probabilities can be trusted: reliability, temperature scaling, and sets that hold the true class.

All functions take probabilities, (..., classes), and labels, (...), such as those of a batch of patches. Pixels whose
label is ignored count nowhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from helpers.segmentation.losses import IGNORE, IgnoreClass, as_labels, check_classes

_SMALLEST = 1e-12  # of probabilities whose logarithm is taken


@dataclass(frozen=True)
class Reliability:
    """How often predictions are right, by how sure they are.

    Attributes:
        confidence: mean probability of the predicted class in each bin; float, (bins,), NaN where a bin is empty.
        accuracy: share of the pixels of each bin that are right; float, (bins,), NaN where a bin is empty.
        share: of all pixels that are in each bin; float, (bins,).
        error: expected calibration error (ECE), the mean distance of accuracy and confidence, weighted by `share`.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    share: np.ndarray
    error: float


def reliability(
    probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 10, ignore_class: IgnoreClass = IGNORE
) -> Reliability:
    """Compare confidence with accuracy in bins of equal width from 0 to 1 (Guo et al., 2017).

    "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599.

    Args:
        probabilities: float, (..., classes).
        labels: whole numbers, (...).
        bins: how many.
        ignore_class: labels that do not count.

    Raises:
        ValueError: shapes do not fit, a label is no class, or no pixel is labelled.
    """
    probabilities, labels = _labelled(probabilities, labels, ignore_class)
    confidence, is_right = probabilities.max(axis=-1), probabilities.argmax(axis=-1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bin_of, values, minlength=bins) / count for values in (confidence, is_right)]
    share = count / count.sum()
    error = float(np.nansum(share * np.abs(means[1] - means[0])))
    return Reliability(means[0], means[1], share, error)


def soften(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities of a softmax whose inputs are divided by a temperature; above 1 they are less sure.

    Args:
        probabilities: float, (..., classes).
        temperature: above 0.

    Raises:
        ValueError: the temperature is not above 0.

    >>> soften(np.array([0.2, 0.8]), 0.5).round(3).tolist()
    [0.059, 0.941]
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0; received {temperature!r}.")
    scores = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST)) / temperature
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def find_temperature(probabilities: np.ndarray, labels: np.ndarray, *, ignore_class: IgnoreClass = IGNORE) -> float:
    """Return the temperature at which the cross-entropy of the labels is least, from 0.05 to 20.

    Args:
        probabilities: float, (..., classes), of pixels that the network was not trained on.
        labels: whole numbers, (...).
        ignore_class: labels that do not count.

    Raises:
        ValueError: see `reliability`.
    """
    probabilities, labels = _labelled(probabilities, labels, ignore_class)

    def crossentropy(log_temperature: float) -> float:
        softened = soften(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(_of_truth(softened, labels), _SMALLEST)).mean())

    found = minimize_scalar(crossentropy, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def conformal_threshold(
    probabilities: np.ndarray, labels: np.ndarray, *, cover: float = 0.9, ignore_class: IgnoreClass = IGNORE
) -> float:
    """Return the least probability that puts a class into the set of a pixel (split conformal prediction).

    The sets of pixels drawn like those given here hold the true class with a probability of at least `cover`: see
    Angelopoulos & Bates, "A gentle introduction to conformal prediction", 2021, https://arxiv.org/abs/2107.07511.

    Args:
        probabilities: float, (..., classes), of pixels that the network was not trained on.
        labels: whole numbers, (...).
        cover: share of pixels whose set is to hold the true class, above 0 and below 1.
        ignore_class: labels that do not count.

    Returns:
        A probability; 0 where the pixels are too few for the cover, so that all classes are in every set.

    Raises:
        ValueError: see `reliability`; or `cover` is not above 0 and below 1.
    """
    if not 0 < cover < 1:
        raise ValueError(f"cover must be above 0 and below 1; received {cover!r}.")
    probabilities, labels = _labelled(probabilities, labels, ignore_class)
    rank = int(np.ceil((len(labels) + 1) * cover))  # from 1, of the most probable
    if rank > len(labels):
        return 0.0
    return float(np.sort(_of_truth(probabilities, labels))[::-1][rank - 1])


def conformal_sets(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return for each pixel which classes its set holds: bool, (..., classes).

    >>> conformal_sets(np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]]), 0.3).tolist()
    [[True, False, False], [True, True, False]]
    """
    return np.asarray(probabilities) >= threshold


def _labelled(
    probabilities: np.ndarray, labels: np.ndarray, ignore_class: IgnoreClass
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labelled pixels: probabilities, (pixels, classes), and labels, int, (pixels,)."""
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.shape[:-1] != labels.shape:
        raise ValueError(
            f"probabilities of shape {probabilities.shape} and labels of shape {labels.shape} do not belong: each "
            "label wants one row of probabilities, (..., classes)."
        )
    ignored = as_labels(ignore_class)
    check_classes(labels, probabilities.shape[-1], ignored)
    is_known = ~np.isin(labels, ignored)
    if not is_known.any():
        raise ValueError("no pixel has a label that counts: there is nothing to compare probabilities with.")
    return probabilities[is_known], labels[is_known].astype(int)


def _of_truth(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.take_along_axis(probabilities, labels[:, None], axis=-1)[:, 0]
