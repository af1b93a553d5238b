"""Maps of codes: PCA, Isomap and t-SNE behind one function, and what each preserves. Used by lectures 06, 08 and 10."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap, trustworthiness
from threadpoolctl import threadpool_limits

from helpers.latent.codes import check_codes, sample_rows

Method = Literal["pca", "isomap", "tsne"]
NAMES: dict[str, str] = {"pca": "PCA", "isomap": "Isomap", "tsne": "t-SNE"}


@dataclass(frozen=True)
class Projection:
    """Codes on a map.

    Attributes:
        points: float32, (m, axes), where the codes lie.
        rows: int64, (m,), which codes these are; all of them unless there were more than the limit. Labels and images
            that go with the points are `labels[projection.rows]` and `images[projection.rows]`.
        name: of the method: "PCA", "Isomap" or "t-SNE".
        explained: float, (axes,), share of the variance of all codes that lies along each axis, in [0, 1]; None unless
            the method is PCA.
    """

    points: np.ndarray
    rows: np.ndarray
    name: str
    explained: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)


class Preservation(NamedTuple):
    """What a map keeps of the codes.

    Attributes:
        trustworthiness: in [0, 1]; 1 if neighbours on the map are neighbours among the codes.
        continuity: in [0, 1]; 1 if neighbours among the codes are neighbours on the map.
        rank_correlation: in [-1, 1]; Spearman's, between all distances on the map and all among the codes.
    """

    trustworthiness: float
    continuity: float
    rank_correlation: float


def project(
    codes: np.ndarray,
    method: Method = "pca",
    *,
    axes: int = 2,
    seed: int = 0,
    limit: int | None = 2000,
    **options: Any,
) -> Projection:
    """Lay codes out on a map of few axes.

    - "pca" turns the codes so that the first axes have the most spread. Linear, fast; the only one of the three that
      keeps a place for a new code.
    - "isomap" keeps distances along the cloud of codes, counted over nearest neighbours (Tenenbaum et al., 2000).
    - "tsne" keeps neighbours together; sizes of groups and distances between them mean nothing (van der Maaten &
      Hinton, 2008).

    Args:
        codes: float, (n, latent_dim).
        method: "pca", "isomap" or "tsne".
        axes: of the map, 2 or 3 as a rule; at most latent_dim for PCA.
        seed: the same seed gives the same map.
        limit: Isomap and t-SNE, whose time grows with the square of the number of codes, take at most so many, drawn
            by chance, and say so (2,000 take t-SNE about ten seconds); None for all. PCA takes all.
        options: for the class of scikit-learn, such as perplexity=50 (t-SNE) or n_neighbors=10 (Isomap).

    Returns:
        The points, float32 (m, axes), and the rows of `codes` that they show.

    Raises:
        ValueError: the method is not one of these, `codes` are not (n, latent_dim) finite numbers, there are too few of
            them for the method, or they are all the same.
    """
    if method not in NAMES:
        raise ValueError(f"method must be one of {', '.join(NAMES)}; received {method!r}.")
    codes = check_codes(codes)
    _check_spread(codes)
    _check_enough(len(codes), codes.shape[1], method, axes, options)
    rows = sample_rows(len(codes), None if method == "pca" else limit, seed=seed, purpose=NAMES[method])
    # t-SNE's threads wait for each other a thousand times: when something else runs, one is five times faster than two.
    with threadpool_limits(1, "openmp"):
        estimator = _estimator(method, axes, seed, options)
        points = estimator.fit_transform(codes[rows])
    explained = estimator.explained_variance_ratio_ if isinstance(estimator, PCA) else None
    return Projection(points.astype(np.float32), rows, NAMES[method], explained)


def preservation(
    codes: np.ndarray, projection: Projection, *, neighbours: int = 10, limit: int | None = 2000, seed: int = 0
) -> Preservation:
    """Measure how well a map preserves neighbours and distances.

    Args:
        codes: float, (n, latent_dim), the codes that were projected: all of them, not only those on the map.
        projection: what `project` gave for them.
        neighbours: how many count as near; fewer than half of the codes.
        limit: at most so many points, drawn by chance: time and memory grow with the square of the number.
        seed: of this draw.

    Returns:
        Trustworthiness and continuity (Venna & Kaski, 2001; scikit-learn's), and rank correlation of distances.

    Raises:
        ValueError: `codes` are not those of the projection, or too few for so many neighbours.
    """
    codes = check_codes(codes)
    if projection.rows[-1] >= len(codes):
        raise ValueError(f"The map shows code {projection.rows[-1]}, but there are {len(codes)}: pass all codes.")
    rows = sample_rows(len(projection), limit, seed=seed, purpose="Preservation")
    points, originals = projection.points[rows], codes[projection.rows[rows]]
    return Preservation(
        trustworthiness=float(trustworthiness(originals, points, n_neighbors=neighbours)),
        continuity=float(trustworthiness(points, originals, n_neighbors=neighbours)),
        rank_correlation=float(spearmanr(pdist(originals), pdist(points)).statistic),
    )


def _check_spread(codes: np.ndarray) -> None:
    """Check that codes differ by what their squares can hold: of equal ones, t-SNE would crash Python."""
    spread = float(np.ptp(codes.astype(np.float64), axis=0).max(initial=0))
    if not 1e-12 < spread < 1e12 or spread <= 1e-6 * float(np.abs(codes).max()):
        raise ValueError(
            f"There is nothing to lay out: codes differ by {spread:.2g} at most, around {codes.mean():.2g}. If they "
            "are all the same, the encoder ignores its images (posterior collapse); else bring them to a usual scale."
        )


def _check_enough(count: int, latent_dim: int, method: Method, axes: int, options: dict[str, Any]) -> None:
    if method == "pca" and axes > min(count, latent_dim):
        raise ValueError(f"PCA gives at most {min(count, latent_dim)} axes of codes {count, latent_dim}; axes={axes}.")
    name, value = {"tsne": ("perplexity", 30), "isomap": ("n_neighbors", 5), "pca": ("", 0)}[method]
    wanted = options.get(name, value)
    if name and wanted is not None and wanted >= count:
        raise ValueError(
            f"{NAMES[method]} wants more codes than its {name}, {wanted}; received {count}. Take more codes, or "
            f"{name}={max(1, count // 3)}; PCA needs no neighbours."
        )


def _estimator(method: Method, axes: int, seed: int, options: dict[str, Any]) -> PCA | Isomap | TSNE:
    if method == "pca":
        return PCA(axes, random_state=seed, **options)
    if method == "tsne":
        return TSNE(axes, random_state=seed, **options)
    # The default solver starts from NumPy's global random numbers, which no argument of Isomap seeds.
    return Isomap(n_components=axes, **({"eigen_solver": "dense"} | options))
