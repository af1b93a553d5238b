"""What the explorer shows: codes with their labels and images, axes, statistics of classes; and the same on paper."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.patches import Rectangle
from sklearn.decomposition import PCA

from helpers.figures import Figure
from helpers.latent.plots import colour
from helpers.tables import Table

MOST_POINTS = 100_000
MOST_CLASSES = 256
BY_CLASS = ""  # what points are coloured by, in place of the name of a value
RAMP = plt.get_cmap("cividis")  # readable in grey: more is lighter


@dataclass(frozen=True)
class Points:
    """What there is to explore; made by `collect`, which checks it.

    Attributes:
        codes: float32, (n, latent_dim).
        labels: uint8, (n,), index into `class_names`.
        images: uint8, (n, rows, columns, 1 or 3), the images that were encoded; None if they are not at hand.
        class_names: one name per class.
        values: numbers to colour the points by, each float32 (n,), by what they are; NaN where one is not known.
    """

    codes: np.ndarray
    labels: np.ndarray
    images: np.ndarray | None
    class_names: tuple[str, ...]
    values: dict[str, np.ndarray]

    @property
    def marks(self) -> list[str]:
        """What stands for each class where there is little room: its number, or its name of one or two letters."""
        return [name if name.isalnum() and len(name) <= 2 else str(n) for n, name in enumerate(self.class_names)]

    @property
    def colours(self) -> list[str]:
        """One colour per class; with more than ten classes they begin again."""
        return [colour(index) for index in range(len(self.class_names))]

    def limits(self, name: str) -> tuple[float, float]:
        """Return the smallest and the largest of the values of that name."""
        return float(np.nanmin(self.values[name])), float(np.nanmax(self.values[name]))


def collect(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    images: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
) -> Points:
    """Check that codes, labels, images and values belong together.

    Args:
        codes: float, (n, latent_dim), at most 100,000 codes of at least two numbers.
        labels: integer, (n,), index into `class_names`. Default: all points are of one class.
        images: the images that were encoded: uint8, or float with values in [0, 1]; (n, rows, columns, 1 or 3).
        class_names: one name per class. Default: the numbers 0, 1, 2, ...
        values: numbers to colour by, such as {"height in m": heights}: float, (n,); NaN where one is not known.

    Raises:
        ValueError: a shape, a number of rows or a value does not fit. The message says what to do.
    """
    codes = np.ascontiguousarray(codes, np.float32)
    _check_codes(codes)
    if labels is None:
        labels = np.zeros(len(codes), np.uint8)
        class_names = ("all",) if class_names is None else class_names
    labels = np.asarray(labels)
    _check_rows("labels", labels, len(codes), "(n,)", 1)
    if labels.dtype.kind not in "biuf":
        raise ValueError(
            f"Labels must be whole numbers, (n,); received {labels.dtype}. Names become numbers by "
            "class_names, labels = np.unique(names, return_inverse=True)."
        )
    if not np.isfinite(labels).all():
        raise ValueError(f"{int((~np.isfinite(labels)).sum()):,} of {len(labels):,} labels are NaN or infinity.")
    highest = min(max(int(labels.max()), 0), MOST_CLASSES)  # more are refused below, and not counted up to before
    names = tuple(map(str, class_names if class_names is not None else range(highest + 1)))
    _check_labels(labels, names)
    if images is not None:
        images = np.asarray(images)
        _check_rows("images", images, len(codes), "(n, rows, columns, 1 or 3)", 4)
        images = to_bytes(images)
    if not isinstance(values, Mapping | None):
        raise ValueError(f'values are numbers by their name, {{"height": heights}}; received {type(values).__name__}.')
    numbers = {str(name): _as_values(str(name), found, len(codes)) for name, found in (values or {}).items()}
    return Points(codes, labels.astype(np.uint8), images, names, numbers)


def _as_values(name: str, values: np.ndarray, count: int) -> np.ndarray:
    """Return values as float32, (n,)."""
    values = np.asarray(values)
    _check_rows(f"values of {name!r}", values, count, "(n,)", 1)
    if name == BY_CLASS or values.dtype.kind not in "biuf" or not np.isfinite(values).any():
        raise ValueError(
            f'Values must be numbers with a name, such as values={{"height in m": heights}}; received {values.dtype} '
            f"named {name!r}. What is no number goes into labels and class_names."
        )
    found = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    if np.nanmax(np.abs(found)) > np.finfo(np.float32).max:
        raise ValueError(f"Values of {name!r} reach {np.nanmax(np.abs(found)):g}: scale them, or take their logarithm.")
    kept = found.astype(np.float32)
    if np.nanmin(kept) == np.nanmax(kept) and np.nanmin(found) < np.nanmax(found):
        raise ValueError(
            f"Values of {name!r} differ too little to tell apart as float32: take off what they share, as in values - "
            "values.min()."
        )
    return kept


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Turn images with values in [0, 1], float (n, rows, columns, 1 or 3), into uint8; uint8 stays as it is.

    Values outside are clipped: a decoder without a sigmoid may give them.

    Raises:
        ValueError: not a batch of images with 1 or 3 bands.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"Images must be (n, rows, columns, 1 or 3); received {images.shape}. A grey image gets its band by "
            "images[..., np.newaxis]; of more bands choose three, as in images[..., :3]."
        )
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    return np.rint(np.clip(images, 0, 1, dtype=np.float32) * 255).astype(np.uint8)


def _check_codes(codes: np.ndarray) -> None:
    if codes.ndim != 2 or codes.shape[1] < 2:
        raise ValueError(
            f"Codes must be (n, latent_dim) with a latent_dim of at least 2; received {codes.shape}. "
            "Maps of features are flattened by codes.reshape(len(codes), -1)."
        )
    if not 1 < len(codes) <= MOST_POINTS:
        raise ValueError(
            f"The explorer draws 2 to {MOST_POINTS:,} points; received {len(codes):,}. "
            f"Pass the first ones, as in codes[:{MOST_POINTS}], labels[:{MOST_POINTS}], images[:{MOST_POINTS}]."
        )
    if not np.isfinite(codes).all():
        bad = int((~np.isfinite(codes)).any(axis=1).sum())
        raise ValueError(
            f"{bad:,} of {len(codes):,} codes hold NaN or infinity: the training went astray. Lower its learning rate."
        )


def _check_rows(name: str, values: np.ndarray, count: int, shape: str, axes: int) -> None:
    if values.ndim != axes or len(values) != count:
        raise ValueError(
            f"There are {count:,} codes, so {name} must be {shape} with n = {count:,}; received {values.shape}. "
            f"Pass the {name} of the images that were encoded, in the same order."
        )


def _check_labels(labels: np.ndarray, names: tuple[str, ...]) -> None:
    if len(names) > MOST_CLASSES:
        raise ValueError(
            f"The explorer tells at most {MOST_CLASSES} classes apart; the last of these is number "
            f"{max(len(names) - 1, int(labels.max())):,}. Group them; numbers to colour by are values, as in "
            'values={"height": heights}.'
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= len(names):
        hint = "One-hot labels become numbers by labels.argmax(axis=1)."
        if labels.dtype.kind == "f":
            hint = (
                'Numbers to colour by are values, as in values={"height": heights}; classes become labels.astype(int).'
            )
        raise ValueError(
            f"Labels must be whole numbers from 0 to {len(names) - 1}, one for each of the {len(names)} class names; "
            f"received {labels.dtype} from {labels.min()} to {labels.max()}. {hint}"
        )


# ---- axes ----


@dataclass(frozen=True)
class Basis:
    """Axes through the space of codes.

    Attributes:
        names: one name per axis.
        origin: float32, (latent_dim,), the code whose coordinates are all zero.
        directions: float32, (latent_dim, axes), orthonormal columns.
    """

    names: tuple[str, ...]
    origin: np.ndarray
    directions: np.ndarray

    def coordinates(self, codes: np.ndarray) -> np.ndarray:
        """Turn codes, float32 (n, latent_dim), into coordinates, float32 (n, axes)."""
        return (codes - self.origin) @ self.directions

    def codes(self, coordinates: np.ndarray) -> np.ndarray:
        """Turn coordinates, float32 (n, axes), into the codes, float32 (n, latent_dim), that they stand for."""
        return self.origin + coordinates @ self.directions.T


def raw_axes(codes: np.ndarray) -> Basis:
    """Return the axes of the codes, float32 (n, latent_dim), as they are: coordinates are codes, bit by bit."""
    latent_dim = codes.shape[1]
    names = tuple(f"z{axis}" for axis in range(latent_dim))
    return Basis(names, np.zeros(latent_dim, np.float32), np.eye(latent_dim, dtype=np.float32))


def principal_components(codes: np.ndarray) -> Basis:
    """Return the principal components of the codes, float32 (n, latent_dim), the one with most spread first.

    With fewer codes than latent_dim there are as many components as codes.
    """
    pca = PCA(svd_solver="full").fit(codes)
    names = tuple(f"PC{number}" for number in range(1, pca.n_components_ + 1))
    return Basis(names, pca.mean_.astype(np.float32), pca.components_.T.astype(np.float32))


BASES = {"raw axes": raw_axes, "principal components": principal_components}


def widest(coordinates: np.ndarray, count: int) -> list[int]:
    """Return the `count` axes of coordinates (n, axes) with the largest spread, in their own order.

    >>> widest(np.float32([[0, 0, 0], [5, 0, 1]]), 2)
    [0, 2]
    """
    order = np.argsort(-coordinates.std(axis=0), kind="stable")
    return sorted(order[:count].tolist())


def bounds(coordinates: np.ndarray) -> np.ndarray:
    """Return the smallest and the largest coordinate on each axis: float32, (2, axes)."""
    return np.stack([coordinates.min(axis=0), coordinates.max(axis=0)]).astype(np.float32)


def interpolate(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return codes on the straight line between two codes (latent_dim,), both included: float32, (steps, latent_dim).

    >>> interpolate(np.array([0, 4]), np.array([1, 0]), 3).tolist()
    [[0.0, 4.0], [0.5, 2.0], [1.0, 0.0]]
    """
    return np.linspace(start, end, steps, dtype=np.float32)


def traverse(coordinates: np.ndarray, axis: int, steps: int) -> np.ndarray:
    """Walk along one axis from its smallest to its largest coordinate, all others at their mean.

    Args:
        coordinates: float32, (n, axes).
        axis: the one to walk along.
        steps: how many places, both ends included.

    Returns:
        float32, (steps, axes).
    """
    walk = np.repeat(coordinates.mean(axis=0, keepdims=True), steps, axis=0)
    low, high = bounds(coordinates)[:, axis]
    walk[:, axis] = np.linspace(low, high, steps)
    return walk


# ---- classes ----


def class_statistics(coordinates: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count the points of each class, and measure their mean and their spread.

    Args:
        coordinates: float, (n, axes).
        labels: integer, (n,), 0 to classes - 1.
        classes: how many classes there are.

    Returns:
        float32, (classes, 1 + 2 * axes): count, mean on each axis, standard deviation on each axis (of the class as a
        whole: divided by n). A class without points has NaN for both.
    """
    axes = coordinates.shape[1]
    found = np.full((classes, 1 + 2 * axes), np.nan, np.float32)
    for label, row in enumerate(found):
        members = coordinates[labels == label]
        row[0] = len(members)
        if len(members):
            row[1 : axes + 1], row[axes + 1 :] = members.mean(axis=0), members.std(axis=0)
    return found


def correlations(coordinates: np.ndarray) -> np.ndarray:
    """Return how far each two axes of coordinates, float (n, axes), go together: Pearson's r, float32, (axes, axes).

    NaN where one of them does not vary.

    >>> correlations(np.float32([[0, 0, 5], [1, -2, 5], [2, -4, 5]])).tolist()
    [[1.0, -1.0, nan], [-1.0, 1.0, nan], [nan, nan, nan]]
    """
    found = np.full((coordinates.shape[1],) * 2, np.nan, np.float32)
    varies = np.flatnonzero(np.ptp(coordinates, axis=0)) if len(coordinates) else np.array([], np.int64)
    if len(varies):
        found[np.ix_(varies, varies)] = np.corrcoef(coordinates[:, varies], rowvar=False)
    return found


def nearest(codes: np.ndarray, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes nearest to one of them, that one first: their indices and their distances.

    Args:
        codes: float32, (n, latent_dim).
        index: which one.
        count: how many neighbours to find; fewer if there are not as many.

    Returns:
        int64 and float32, (1 + count,).

    >>> nearest(np.float32([[0, 0], [9, 9], [3, 4]]), 0, 1)[1].tolist()
    [0.0, 5.0]
    """
    distances = np.linalg.norm(codes - codes[index], axis=1)
    distances[index] = -1  # first, also among equals
    order = np.argsort(distances, kind="stable")[: count + 1]
    distances[index] = 0
    return order, distances[order]


def as_table(
    statistics: np.ndarray, class_names: Sequence[str], axes: Sequence[str], *, shown: Sequence[int], caption: str = ""
) -> Table:
    """Write what `class_statistics` found as a table: a row per class, a column "mean ± spread" per axis in `shown`."""
    rows = []
    for name, (count, *numbers) in zip(class_names, statistics, strict=True):
        means, spreads = numbers[: len(axes)], numbers[len(axes) :]
        cells = {axes[at]: f"{means[at]:.2f} ± {spreads[at]:.2f}" if count else "" for at in shown}
        rows.append({"class": name, "count": int(count), **cells})
    return Table(rows, caption)


# ---- on paper ----

AXES = 6  # shown unless told otherwise: more panels are smaller panels
STEPS = 7
INKED, WRITTEN = 1500, 300  # dots and marks in a panel that print without running into each other
HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]


def draw(
    points: Points,
    coordinates: np.ndarray,
    basis: Basis,
    *,
    shown: Sequence[int],
    decode: Callable[[np.ndarray], np.ndarray | None],
    chosen: np.ndarray,
    by: str = BY_CLASS,
    caption: str = "",
) -> Figure:
    """Draw the matrix of `shown` axes with their correlations, and, where `decode` gives images, a walk along each.

    Args:
        points: what belongs to the codes.
        coordinates: float32, (n, axes), the codes along `basis`.
        basis: the axes.
        shown: which axes to draw.
        decode: codes, float32 (n, latent_dim), to images, uint8 (n, rows, columns, bands), or None.
        chosen: indices of the points that stay dark, integer; all if empty.
        by: the name of the values that colour the points.
        caption: what stands above the walks.
    """
    found = [decode(basis.codes(traverse(coordinates, axis, STEPS))) for axis in shown]
    walks = [images for images in found if images is not None]
    figure = Figure(figsize=(10 if walks else 6, 5.6))
    matrix, *rest = figure.subfigures(1, 2 if walks else 1, width_ratios=[1.35, 1] if walks else None, squeeze=False)[0]
    _draw_matrix(matrix, points, coordinates, basis.names, shown, chosen, by)
    for part in rest:
        _draw_walks(part, walks, [basis.names[axis] for axis in shown], bounds(coordinates)[:, shown])
        part.suptitle(caption, fontsize=10)
    return figure


def _draw_matrix(
    figure: SubFigure,
    points: Points,
    coordinates: np.ndarray,
    names: Sequence[str],
    shown: Sequence[int],
    chosen: np.ndarray,
    by: str,
) -> None:
    """Draw the lower triangle of panels; where the upper one has room, the correlations stand in it."""
    many = len(shown) - 1
    axes: Any = figure.subplots(many, many, squeeze=False)
    written = many < 3 and by == BY_CLASS  # with room, a point is the mark of its class
    rows = _some(len(points.codes), chosen, WRITTEN if written else INKED)
    for row, column in np.ndindex(many, many):
        ax: Axes = axes[row, column]
        pair = [shown[column], shown[row + 1]]
        if column > row:
            ax.set_axis_off()
            continue
        _draw_panel(ax, points, coordinates[:, pair], rows, chosen, by, written=written)
        ax.set(xticks=[], yticks=[])
        if row == many - 1:
            ax.set_xlabel(names[pair[0]])
        if column == 0:
            ax.set_ylabel(names[pair[1]], rotation=0, ha="right", va="center")
    if many > 1:
        some = coordinates[chosen] if len(chosen) else coordinates
        corner = figure.add_subplot(axes[0, 0].get_gridspec()[: many // 2, many - many // 2 :])
        _draw_correlations(corner, correlations(some[:, shown]), [names[axis] for axis in shown])
    if by == BY_CLASS:
        _add_legend(figure, points)
    else:
        shades = plt.cm.ScalarMappable(plt.Normalize(*points.limits(by)), RAMP)
        figure.colorbar(shades, ax=list(axes.flat), label=by, shrink=0.8)


def _some(count: int, chosen: np.ndarray, most: int) -> np.ndarray:
    """Return the indices of the points to draw: evenly thinned out to what a panel can hold."""
    candidates = chosen if len(chosen) else np.arange(count)
    return candidates[:: -(-len(candidates) // most)]


def _draw_correlations(ax: Axes, found: np.ndarray, names: Sequence[str]) -> None:
    """Draw a table of correlations, (axes, axes): darker is stronger, and each axis has its name on the diagonal."""
    for row, column in combinations_with_replacement(range(len(names)), 2):
        r = found[row, column]
        if row == column:
            ax.text(column, row, names[row], ha="center", va="center", fontsize=8)
            continue
        strength = 0 if np.isnan(r) else abs(r)
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=f"{1 - 0.85 * strength:.3f}"))
        ink = "white" if strength > 0.5 else "black"
        ax.text(column, row, write_correlation(r), ha="center", va="center", fontsize=7, color=ink)
    ax.text(-0.5, len(names) - 0.6, "correlation", fontsize=8)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal")
    ax.set_axis_off()


def write_correlation(r: float) -> str:
    """Write a correlation in little room.

    >>> [write_correlation(r) for r in (0.417, -0.5, 1, float("nan"))]
    ['.42', '−.50', '1.0', '']
    """
    if np.isnan(r):
        return ""
    return f"{r:.2f}".replace("0.", ".", 1).replace("1.00", "1.0").replace("-", "−")


def _draw_panel(
    ax: Axes, points: Points, pair: np.ndarray, rows: np.ndarray, chosen: np.ndarray, by: str, *, written: bool
) -> None:
    if len(chosen):
        rest = pair[_some(len(pair), chosen[:0], INKED)]
        ax.scatter(rest[:, 0], rest[:, 1], s=2, c="0.88", linewidths=0, rasterized=True)
    if by != BY_CLASS:
        low, high = points.limits(by)
        shades: dict[str, Any] = {"c": points.values[by][rows], "cmap": RAMP, "vmin": low, "vmax": high}
        ax.scatter(pair[rows, 0], pair[rows, 1], s=3, linewidths=0, plotnonfinite=False, rasterized=True, **shades)
    else:
        _draw_classes(ax, points, pair, rows, written=written)
    ax.grid(visible=False)
    ax.spines[:].set(visible=True, color="0.7", linewidth=0.6)


def _draw_classes(ax: Axes, points: Points, pair: np.ndarray, rows: np.ndarray, *, written: bool) -> None:
    """Draw points in the colours of their classes, or as their marks, and each class's mark at its mean."""
    labels = points.labels[rows]
    if not written:
        colours = np.array(points.colours)[labels]
        ax.scatter(pair[rows, 0], pair[rows, 1], s=2, c=colours, alpha=0.6, linewidths=0, rasterized=True)
    for label in np.unique(labels):
        look: dict[str, Any] = {"color": points.colours[label]}
        if written:
            members = pair[rows[labels == label]]
            ax.scatter(members[:, 0], members[:, 1], s=18, marker=f"${points.marks[label]}$", linewidths=0, **look)
        x, y = pair[points.labels == label].mean(axis=0)
        mark = ax.text(x, y, points.marks[label], ha="center", va="center", weight="bold", path_effects=HALO, **look)
        mark.set_fontsize(13 if written else 9)


def _add_legend(figure: SubFigure, points: Points) -> None:
    """Name each class beside its mark, unless the marks are the names."""
    if points.marks == list(points.class_names):
        return
    handles = [
        plt.Line2D([], [], linestyle="", marker=f"${mark}$", color=colour, markersize=7, label=name)
        for mark, colour, name in zip(points.marks, points.colours, points.class_names, strict=True)
    ]
    columns = min(5, len(handles))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handletextpad=0.2, columnspacing=1)


def _draw_walks(figure: SubFigure, walks: Sequence[np.ndarray], names: Sequence[str], ends: np.ndarray) -> None:
    """Draw a row of images per axis, from the smallest to the largest coordinate, all other axes at their mean."""
    axes = figure.subplots(len(walks), STEPS, squeeze=False)
    for line, images, name, (low, high) in zip(axes, walks, names, ends.T, strict=True):
        for ax, image in zip(line, images, strict=True):
            ax.imshow(image[..., 0] if image.shape[-1] == 1 else image, vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        line[0].set_xlabel(f"{low:.2f}", fontsize=8)
        line[-1].set_xlabel(f"{high:.2f}", fontsize=8)
