"""Codes of windows that were cut from tiles, and are not independent: neighbours, and views of one place, look alike.

What is plain to see in a window, probes for it on other places, and a test against chance that leaves neighbours
together. Used by lecture 10.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from helpers.latent.attribution import Permutation, Score, linear_probe, regression_probe

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
