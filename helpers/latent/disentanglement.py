"""Does each axis of a code stand for one factor? MIG, for images whose factors are known. Used by lecture 07.

It wants codes, float (n, latent_dim), and factors, whole numbers (n, k), such as those of `data.synthetic.shapes`,
drawn independently of each other. For a VAE, codes are `z_mean`. Factors that do not vary count for nothing: their
scores are NaN, and means leave them out. The score is the same whatever the order, scale or sign of the axes.
"""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import mutual_info_score

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
