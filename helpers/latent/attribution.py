"""Are clusters classes? Scores of codes against labels that the encoder never saw. Used by lectures 06-08, 10 and 12.

Codes are float, (n, latent_dim); labels are whole numbers, (n,). Each score is a number whose value by chance is told
here; `permutation_test` says how often chance does as well. k-means and probes run on one thread: on matrices of this
size several get in each other's way.

Windows that were cut from tiles are not independent: neighbours, and views of one place, look alike. For them there are
what is plain to see in a window, probes for it on other places, and `shift_test`, which leaves neighbours together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from helpers.latent.codes import check_codes, check_labels, sample_rows

Pair = tuple[np.ndarray, np.ndarray]
Score = Callable[[np.ndarray, np.ndarray], float]


class Probe(NamedTuple):
    """What a probe found, over several draws of its labelled codes.

    Attributes:
        mean: of the scores.
        sd: their standard deviation (n - 1): how much the luck of the draw is worth.
        scores: float64, (draws,).
    """

    mean: float
    sd: float
    scores: np.ndarray


class Permutation(NamedTuple):
    """A score beside those of shuffled labels.

    Attributes:
        score: with the labels as they are.
        chance: mean score with shuffled labels.
        p: share of all shufflings, this one included, that score as high; the smallest is 1 / (permutations + 1).
        shuffled: float64, (permutations,), the scores with shuffled labels.
    """

    score: float
    chance: float
    p: float
    shuffled: np.ndarray


def silhouette(codes: np.ndarray, labels: np.ndarray, *, limit: int | None = 5000, seed: int = 0) -> float:
    """Compare each code's distance to its own class with that to the nearest other class (Rousseeuw, 1987).

    Args:
        codes: float, (n, latent_dim).
        labels: int, (n,), two classes or more.
        limit: at most so many codes, drawn by chance: time grows with the square of the number.
        seed: of this draw.

    Returns:
        Mean over the codes, in [-1, 1]: 1 for tight classes far apart, 0 for classes that overlap, below 0 where codes
        lie nearer to another class. By chance about 0.
    """
    codes, labels = check_codes(codes, labels), _classes(labels)
    rows = sample_rows(len(codes), limit, seed=seed, purpose="Silhouette")
    return float(silhouette_score(codes[rows], labels[rows]))


def nmi(codes: np.ndarray, labels: np.ndarray, *, clusters: int | None = None, seed: int = 0) -> float:
    """Cluster the codes by k-means, and compare the clusters with the classes.

    Args:
        codes: float, (n, latent_dim).
        labels: int, (n,), two classes or more.
        clusters: how many; as many as classes if None.
        seed: of the first centres, drawn ten times.

    Returns:
        Normalised mutual information, in [0, 1]: 1 if clusters are classes, by chance about 0.
    """
    codes, labels = check_codes(codes, labels), _classes(labels)
    kmeans = KMeans(clusters or len(np.unique(labels)), n_init=10, random_state=seed)
    with threadpool_limits(1):
        return float(normalized_mutual_info_score(labels, kmeans.fit_predict(codes)))


def neighbour_purity(codes: np.ndarray, labels: np.ndarray, *, neighbours: int = 10) -> float:
    """Count how many of the nearest neighbours of a code are of its class.

    Args:
        codes: float, (n, latent_dim).
        labels: int, (n,), two classes or more.
        neighbours: how many of the nearest are looked at; fewer than n.

    Returns:
        Mean share, in [0, 1]. By chance the sum of the squared class shares: 0.1 for ten classes of one size.
    """
    codes, labels = check_codes(codes, labels), _classes(labels)
    nearest = NearestNeighbors(n_neighbors=neighbours).fit(codes).kneighbors(return_distance=False)
    return float((labels[nearest] == labels[:, np.newaxis]).mean())


def linear_probe(
    codes: np.ndarray,
    labels: np.ndarray,
    *,
    test: Pair | None = None,
    count: int = 100,
    draws: int = 5,
    seed: int = 0,
) -> Probe:
    """Train a linear classifier on few labelled codes, and count how many others it gets right.

    Codes are brought to mean 0 and standard deviation 1 on the labelled ones; the classifier is logistic regression.
    One probe per layer: `{name: linear_probe(c, labels) for name, c in codes_per_layer(encoder, images).items()}`.

    Args:
        codes: float, (n, numbers): codes, or activations of a layer.
        labels: int, (n,), two classes or more.
        test: codes and labels to test on, such as of other places; by default all that were not drawn for training.
        count: how many labels the classifier sees, each class in its share (at least two of each class).
        draws: how often they are drawn; who is drawn matters much when they are few.
        seed: of the draws.

    Returns:
        Accuracy in [0, 1]: mean, standard deviation, and one score per draw. By chance the largest class share.

    Raises:
        ValueError: `count` is larger than n, or smaller than the number of classes.
    """
    codes, labels = check_codes(codes, labels), _classes(labels)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return _probe(classifier, (codes, labels), test, count, draws, seed, stratify=labels)


def regression_probe(
    codes: np.ndarray,
    values: np.ndarray,
    *,
    test: Pair | None = None,
    count: int = 100,
    draws: int = 5,
    seed: int = 0,
) -> Probe:
    """Fit a linear regression from few codes to a quantity, such as mean height, and measure it on the others.

    Ridge regression, its strength chosen among 0.01 to 10,000 by leaving one out; codes are scaled as in
    `linear_probe`. An angle has no linear scale: pass its sine and cosine as two columns.

    Args:
        codes: float, (n, numbers).
        values: float, (n,) or (n, quantities).
        test, count, draws, seed: as in `linear_probe`, without regard to classes.

    Returns:
        R2, the share of the variance that is explained, mean over quantities: 1 if all is, 0 if no better than the
        mean; below 0 if worse. By chance slightly below 0.

    Raises:
        ValueError: `count` is larger than n.
    """
    codes, values = check_codes(codes, values), np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("values hold NaN or infinity. Leave these out: `kept = np.isfinite(values)`.")
    regression = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 4, 13)))
    return _probe(regression, (codes, values), test, count, draws, seed)


def permutation_test(
    score: Score, codes: np.ndarray, labels: np.ndarray, *, permutations: int = 99, seed: int = 0
) -> Permutation:
    """Ask how often codes that know nothing of the labels would score as high: shuffle the labels many times.

    Shuffling takes the codes for independent of each other. Windows of one tile, or views of one place, are not:
    `shift_test` leaves them together.

    Args:
        score: takes codes and labels and returns a number, higher if they agree more: `silhouette`, `nmi`,
            `neighbour_purity`, or `lambda codes, labels: linear_probe(codes, labels, draws=1).mean`.
        codes: float, (n, latent_dim).
        labels: int or float, (n,).
        permutations: how many times the labels are shuffled; the score is computed once for each.
        seed: of the shuffling.

    Returns:
        The score, that of chance, and the p value.
    """
    codes, labels = check_codes(codes, labels), np.asarray(labels)
    found = stats.permutation_test(
        (labels,),
        lambda shuffled: score(codes, shuffled),
        permutation_type="pairings",
        vectorized=False,
        n_resamples=permutations,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    shuffled = np.asarray(found.null_distribution)
    return Permutation(float(found.statistic), float(shuffled.mean()), float(found.pvalue), shuffled)


def _probe(
    estimator: BaseEstimator,
    known: Pair,
    test: Pair | None,
    count: int,
    draws: int,
    seed: int,
    stratify: np.ndarray | None = None,
) -> Probe:
    """Fit the estimator on `count` rows of what is known, several times, and score it on what it did not see."""
    codes, targets = known
    if count > len(codes) - (test is None):
        raise ValueError(f"count must be below the number of codes, {len(codes)}; received {count}.")
    if test is not None:
        test = check_codes(*test), np.asarray(test[1])
    scores = []
    with threadpool_limits(1):
        for draw in range(draws):
            few, others = _draw_rows(len(codes), count, seed + draw, stratify)
            fitted = clone(estimator).fit(codes[few], targets[few])
            scores.append(fitted.score(*(test or (codes[others], targets[others]))))
    return Probe(float(np.mean(scores)), float(np.std(scores, ddof=1)) if draws > 1 else 0.0, np.array(scores))


def _draw_rows(total: int, count: int, seed: int, stratify: np.ndarray | None) -> Pair:
    if count == total:
        return np.arange(total), np.arange(0)
    return train_test_split(np.arange(total), train_size=count, random_state=seed, stratify=stratify)


def _classes(labels: np.ndarray) -> np.ndarray:
    labels = check_labels(labels)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"labels must be of two classes or more; received {len(np.unique(labels))} in {labels.shape}.")
    return labels


Facts = Mapping[str, np.ndarray]


class Direction(NamedTuple):
    """Where the straight edges of windows run; streets, and the houses along them, run both along and across.

    Attributes:
        degrees: float32, (n,), in (-45, 45]: how far along and across are turned from rows and columns, anticlockwise.
        components: float32, (n, 2): cosine and sine of four times that angle, which have no jump; a probe wants these.
        strength: float32, (n,), in [0, 1]: 1 if all edges have this direction, about 0 if they run anyhow.
    """

    degrees: np.ndarray
    components: np.ndarray
    strength: np.ndarray


def mean_colour(images: np.ndarray) -> np.ndarray:
    """Average each band over a window: float, (n, rows, columns, bands) -> float32, (n, bands)."""
    return images.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)


def edge_direction(images: np.ndarray) -> Direction:
    """Find the direction of the straight edges of each window.

    Angles of gradients cannot be averaged, as 45 and -45 degrees are one direction here; complex numbers at four times
    the angle can, each weighted by its squared gradient (the double angle of Granlund, 1978, doubled once more).

    Args:
        images: float, (n, rows, columns, bands); a window without edges has strength 0, and degrees without meaning.
    """
    down, right = np.gradient(images.mean(axis=-1), axis=(1, 2))
    gradient = right - 1j * down  # rows are counted downwards
    weight = (abs(gradient) ** 2).mean(axis=(1, 2))
    turned = (gradient**4 / np.maximum(abs(gradient), 1e-12) ** 2).mean(axis=(1, 2))
    unit = turned / np.maximum(abs(turned), 1e-12)
    degrees = np.rad2deg(np.angle(unit)) / 4
    components = np.stack([unit.real, unit.imag], axis=-1)
    found = degrees, components, abs(turned) / np.maximum(weight, 1e-12)
    return Direction(*(array.astype(np.float32) for array in found))


def probe_facts(
    known: tuple[np.ndarray, Facts], test: tuple[np.ndarray, Facts], *, ignore_class: int | Sequence[int] | None = None
) -> dict[str, float]:
    """Probe codes for several facts: fit on all windows that are known, score on those of other places.

    Args:
        known: codes, float, (n, numbers), and facts by name: int, (n,), are classes; float, (n,) or (n, quantities),
            are quantities. Windows whose quantity is NaN are left out.
        test: codes and the same facts, of places that are not among the known ones.
        ignore_class: the class, or the classes, of windows that are left out.

    Returns:
        By name of the fact: accuracy of a linear classifier, or R2 of a ridge regression; see `attribution`.
    """
    scores = {}
    for name in known[1]:
        (codes, facts), others = (_with_fact(*side, name, ignore_class) for side in (known, test))
        probe: Any = linear_probe if facts.dtype.kind in "iu" else regression_probe
        scores[name] = probe(codes, facts, test=others, count=len(codes), draws=1).mean
    return scores


def shift_test(
    score: Score,
    codes: np.ndarray,
    labels: np.ndarray,
    places: Sequence[str],
    *,
    permutations: int = 99,
    seed: int = 0,
) -> Permutation:
    """Ask how often codes that know the place, but not what stands where in it, would score as high.

    `attribution.permutation_test` takes codes for independent, and so finds any two maps with large patches related.
    Here the labels of a place stay a map: it is pushed along rows and columns by chance, and what leaves at one side
    comes in at the other (Harms et al., 2001, call it a torus translation). All views of a place are pushed alike.

    Args:
        score: takes codes and labels and returns a number, higher if they agree more.
        codes: (n, …), of all windows of square tiles: tile after tile, and row by row within a tile.
        labels: (n,), of the same windows.
        places: for each tile, its place.
        permutations: how many times the maps are pushed; the score is computed once for each.
        seed: of the pushing.

    Returns:
        The score, that of chance, and the p value.

    Raises:
        ValueError: the labels do not make one square map for each tile.
    """
    maps = _maps(labels, len(places), len(codes))
    rng = np.random.default_rng(seed)
    found = float(score(codes, np.asarray(labels)))
    shifted = np.array([score(codes, _shift(maps, places, rng)) for _ in range(permutations)])
    p = (1 + int((shifted >= found).sum())) / (1 + permutations)
    return Permutation(found, float(shifted.mean()), p, shifted)


def _with_fact(
    codes: np.ndarray, facts: Facts, name: str, ignore_class: int | Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the windows of which a fact is not known."""
    values = facts[name]
    if values.dtype.kind in "iu":
        kept: Any = np.isin(values, [] if ignore_class is None else ignore_class, invert=True)
    else:
        kept = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return codes[kept], values[kept]


def _maps(labels: np.ndarray, tiles: int, codes: int) -> np.ndarray:
    """(n,) -> (tiles, rows, columns)."""
    side = round((len(labels) / tiles) ** 0.5)
    if len(labels) != tiles * side**2 or len(labels) != codes:
        raise ValueError(
            f"{len(labels)} labels and {codes} codes are not those of {tiles} square tiles. Pass every window of each "
            "tile, in the order of `Windows`, and one place for each tile; leave windows out in the score."
        )
    return np.reshape(labels, (tiles, side, side))


def _shift(maps: np.ndarray, places: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Push the maps of each place by a distance of its own; return the labels, (n,)."""
    far = {place: tuple(rng.integers(maps.shape[-1], size=2)) for place in dict.fromkeys(places)}
    return np.concatenate([np.roll(one, far[place], (0, 1)).ravel() for one, place in zip(maps, places, strict=True)])
