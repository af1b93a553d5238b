"""Does each axis of a code stand for one factor? MIG and DCI, for images whose factors are known. Used by lecture 07.

Both want codes, float (n, latent_dim), and factors, whole numbers (n, k), such as those of `data.synthetic.shapes`,
drawn independently of each other. For a VAE, codes are `z_mean`. Factors that do not vary count for nothing: their
scores are NaN, and means leave them out. Both scores are the same whatever the order, scale or sign of the axes.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import entropy
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mutual_info_score, r2_score
from sklearn.model_selection import train_test_split

from helpers.cores import usable_cores
from helpers.latent.codes import check_codes


class Mig(NamedTuple):
    """The mutual information gap.

    Attributes:
        score: mean over the factors, in [0, 1].
        per_factor: float64, (k,).
        information: float64, (latent_dim, k), mutual information of each axis with each factor, as a share of the
            factor's entropy: 1 where the axis tells everything about the factor.
    """

    score: float
    per_factor: np.ndarray
    information: np.ndarray


class Dci(NamedTuple):
    """Disentanglement, completeness, informativeness.

    Attributes:
        disentanglement: in [0, 1]; 1 if each axis is of use for one factor only. Axes count by their use.
        completeness: in [0, 1]; 1 if for each factor one axis only is of use.
        informativeness: R2 on codes that were not fitted, mean over the factors: 1 if the codes tell all; 0, or
            slightly below, if nothing.
        importance: float64, (latent_dim, k), how much each axis is of use for each factor; columns sum to 1, or to
            0 where no axis is of use, as with a collapsed code.
        r2: float64, (k,), informativeness factor by factor.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: np.ndarray
    r2: np.ndarray


def mig(codes: np.ndarray, factors: np.ndarray, *, bins: int = 20) -> Mig:
    """Measure the mutual information gap (Chen et al., 2018).

    For each factor: how much more the best axis tells about it than the second best, as a share of the factor's
    entropy. Mutual information is that of histograms with `bins` bins of one width over the range of an axis, as in
    Locatello et al. (2019). A factor with more values than bins therefore stays below 1, at about
    log(bins) / log(values) for a perfect code; and 2,000 codes or more should be given, for histograms of few codes see
    information where there is none.

    Args:
        codes: float, (n, latent_dim).
        factors: int, (n, k).
        bins: number of bins.

    Returns:
        The score, the score of each factor, and all mutual informations.

    Raises:
        ValueError: the arrays have other shapes, or no factor varies.
    """
    codes, factors = _checked(codes, factors)
    binned = np.stack([np.digitize(axis, np.histogram_bin_edges(axis, bins)[1:-1]) for axis in codes.T])
    told = np.array([[mutual_info_score(factor, axis) for factor in factors.T] for axis in binned])
    whole = np.array([mutual_info_score(factor, factor) for factor in factors.T])  # a factor's entropy, in nats
    information = told / np.where(_varies(factors), whole, np.nan)
    none = np.where(_varies(factors), 0, np.nan)  # what an axis that is not there tells: the second of a single one
    second, first = np.sort(np.vstack([none, information]), axis=0)[-2:]
    gaps = first - second
    return Mig(float(np.nanmean(gaps)), gaps, information)


def dci(codes: np.ndarray, factors: np.ndarray, *, trees: int = 50, seed: int = 0) -> Dci:
    """Measure disentanglement, completeness and informativeness (Eastwood & Williams, 2018).

    A random forest learns each factor from the codes, on three quarters of them; the importance of an axis is how much
    it lowered the variance. A forest rather than the lasso, the paper's other choice, as a factor need not be a
    straight line along an axis; and factors are learned as numbers rather than as classes, so that nearly right is
    better than wrong. Rotation as a number jumps where a turn is complete, which costs informativeness.

    Args:
        codes: float, (n, latent_dim), two axes or more.
        factors: int, (n, k), of which two or more vary.
        trees: in each forest.
        seed: of the forests and of the division.

    Returns:
        The three scores, importances, and R2 of each factor.

    Raises:
        ValueError: the arrays have other shapes, or too few axes or varying factors.
    """
    codes, factors = _checked(codes, factors)
    varies = _varies(factors)
    if codes.shape[1] < 2 or varies.sum() < 2:
        raise ValueError(
            f"DCI compares two axes or more, and two varying factors or more; received {codes.shape[1]} and "
            f"{varies.sum()}. mig() takes one axis and one factor."
        )
    fitted = [
        _forest(codes, factor, trees, seed) if one else None for factor, one in zip(factors.T, varies, strict=True)
    ]
    nothing = np.full(codes.shape[1], np.nan), math.nan
    importance = np.stack([(one or nothing)[0] for one in fitted], axis=1)
    r2 = np.array([(one or nothing)[1] for one in fitted])
    found = importance[:, varies]
    return Dci(disentanglement(found), completeness(found), float(np.nanmean(r2)), importance, r2)


def disentanglement(importance: np.ndarray) -> float:
    """Return 1 minus the entropy of each axis's importances over the factors, base k; mean, weighted by importance.

    Args:
        importance: float, (latent_dim, k), not negative. If no axis is of use for any factor, the score is 0.

    >>> disentanglement(np.array([[1.0, 0.0], [0.0, 1.0]])), disentanglement(np.array([[0.5, 0.5], [0.5, 0.5]]))
    (1.0, 0.0)
    """
    used = importance[importance.any(axis=1)]
    if not len(used):
        return 0.0
    per_axis = 1 - entropy(used, base=used.shape[1], axis=1)
    return float(np.average(per_axis, weights=used.sum(axis=1)))


def completeness(importance: np.ndarray) -> float:
    """Return 1 minus the entropy of each factor's importances over the axes, base latent_dim; mean over the factors.

    Args:
        importance: float, (latent_dim, k), not negative. A column of zeros, a factor for which no axis is of use,
            counts as 0.

    >>> completeness(np.array([[1.0, 0.0], [0.0, 0.5], [0.0, 0.0], [0.0, 0.5]]))  # 1 and 1 - log 2 / log 4
    0.75
    """
    used = importance[:, importance.any(axis=0)]
    return float(np.sum(1 - entropy(used, base=len(importance), axis=0))) / importance.shape[1]


def _forest(codes: np.ndarray, factor: np.ndarray, trees: int, seed: int) -> tuple[np.ndarray, float]:
    """Return the importance of each axis for a factor, sum 1 or 0, and R2 on a quarter of the codes kept aside."""
    known, unseen, target, wanted = train_test_split(codes, factor, test_size=0.25, random_state=seed)
    forest = RandomForestRegressor(trees, min_samples_leaf=5, random_state=seed, n_jobs=usable_cores())
    forest.fit(known, target)
    return forest.feature_importances_, float(r2_score(wanted, forest.predict(unseen)))


def _checked(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    factors = np.asarray(factors)
    if factors.ndim != 2 or not np.issubdtype(factors.dtype, np.integer):
        raise ValueError(
            f"factors must be whole numbers, (n, k); received {factors.dtype}, {factors.shape}. "
            "One factor becomes a column by factor[:, np.newaxis]; continuous ones become numbers by np.digitize."
        )
    if not _varies(factors).any():
        raise ValueError("No factor varies, so there is nothing to disentangle. Draw images with other factors.")
    return check_codes(codes, factors), factors


def _varies(factors: np.ndarray) -> np.ndarray:
    return factors.min(axis=0) < factors.max(axis=0)
