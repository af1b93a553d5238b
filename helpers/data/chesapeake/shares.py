"""How much of the ground each class covers, and what weights follow from it."""

from collections.abc import Sequence

import numpy as np

from helpers.data.chesapeake.convert import CLASSES, IGNORE
from helpers.data.chesapeake.patches import Patches
from helpers.data.streaming import Loader

PENNSYLVANIA = np.array([0, 1.20, 65.11, 29.29, 0.53, 2.78, 1.09]) / 100
"""Shares of the classes in 2,241 tiles of Pennsylvania; class 0 is the ignored one."""


def class_shares(files: Sequence[str], *, most: int = 1000) -> np.ndarray:
    """Count the pixels of each class.

    Args:
        files: paths of patches.
        most: look into so many, spread evenly over the list.

    Returns:
        float64, (7,): the share of each class among the pixels that have one; 0 for `IGNORE`.
    """
    some = list(files[:: max(1, -(-len(files) // most))])
    counts: np.ndarray = np.zeros(CLASSES, np.int64)
    for _, labels in Loader(Patches(some, bands=["buildings"], compact=True), batch_size=32):
        counts += np.bincount(labels.ravel(), minlength=CLASSES)
    counts[IGNORE] = 0
    return counts / max(1, counts.sum())


def class_weights(shares: Sequence[float] | np.ndarray, *, power: float = 1.0) -> np.ndarray:
    """Weigh rare classes up, so that the mean weight of a labelled pixel is 1.

    Args:
        shares: of the classes, (7,), from `class_shares`.
        power: 1 gives every class the same sum of weights, 0.5 goes half the way, 0 gives every pixel the same.

    Returns:
        float32, (7,): proportional to share ** -power; 0 for `IGNORE` and for classes that do not occur.

    >>> class_weights([0, 0.5, 0.25, 0.25, 0, 0, 0]).round(2).tolist()
    [0.0, 0.6700000166893005, 1.3300000429153442, 1.3300000429153442, 0.0, 0.0, 0.0]
    """
    given = np.array(shares, np.float64)
    given[IGNORE] = 0
    occurs = given > 0
    weights = np.zeros(len(given))
    weights[occurs] = given[occurs] ** -power
    return (weights * given.sum() / (weights * given).sum()).astype(np.float32)
