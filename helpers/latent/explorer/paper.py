"""The explorer on paper: the same matrix, colours and marks, and walks along each axis, as one static figure."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from helpers.figures import Figure
from helpers.latent.explorer.points import Basis, Points, bounds, traverse

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
) -> Figure:
    """Draw the matrix of `shown` axes and, where `decode` gives images, a walk along each of them.

    Args:
        points: what belongs to the codes.
        coordinates: float32, (n, axes), the codes along `basis`.
        basis: the axes.
        shown: which axes to draw.
        decode: codes, float32 (n, latent_dim), to images, uint8 (n, rows, columns, bands), or None.
        chosen: indices of the points that stay dark, integer; all if empty.
    """
    found = [decode(basis.codes(traverse(coordinates, axis, STEPS))) for axis in shown]
    walks = [images for images in found if images is not None]
    figure = Figure(figsize=(10 if walks else 6, 5.6))
    matrix, *rest = figure.subfigures(1, 2 if walks else 1, width_ratios=[1.35, 1] if walks else None, squeeze=False)[0]
    _draw_matrix(matrix, points, coordinates, basis.names, shown, chosen)
    for part in rest:
        _draw_walks(part, walks, [basis.names[axis] for axis in shown], bounds(coordinates)[:, shown])
    return figure


def _draw_matrix(
    figure: SubFigure,
    points: Points,
    coordinates: np.ndarray,
    names: Sequence[str],
    shown: Sequence[int],
    chosen: np.ndarray,
) -> None:
    """Draw the lower triangle; the legend stands in the upper one."""
    many = len(shown) - 1
    axes: Any = figure.subplots(many, many, squeeze=False)
    written = many < 3  # where there is room, a point is the mark of its class, which needs no colour
    rows = _some(len(points.codes), chosen, WRITTEN if written else INKED)
    for row, column in np.ndindex(many, many):
        ax: Axes = axes[row, column]
        pair = [shown[column], shown[row + 1]]
        if column > row:
            ax.set_axis_off()
            continue
        _draw_panel(ax, points, coordinates[:, pair], rows, chosen, written=written)
        ax.set(xticks=[], yticks=[])
        if row == many - 1:
            ax.set_xlabel(names[pair[0]])
        if column == 0:
            ax.set_ylabel(names[pair[1]], rotation=0, ha="right", va="center")
    _add_legend(figure, points, outside=many == 1)


def _some(count: int, chosen: np.ndarray, most: int) -> np.ndarray:
    """Return the indices of the points to draw: evenly thinned out to what a panel can hold."""
    candidates = chosen if len(chosen) else np.arange(count)
    return candidates[:: -(-len(candidates) // most)]


def _draw_panel(
    ax: Axes, points: Points, pair: np.ndarray, rows: np.ndarray, chosen: np.ndarray, *, written: bool
) -> None:
    if len(chosen):
        rest = pair[_some(len(pair), chosen[:0], INKED)]
        ax.scatter(rest[:, 0], rest[:, 1], s=2, c="0.88", linewidths=0, rasterized=True)
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
    ax.grid(visible=False)
    ax.spines[:].set(visible=True, color="0.7", linewidth=0.6)


def _add_legend(figure: SubFigure, points: Points, *, outside: bool) -> None:
    """Name each class beside its mark, unless the marks are the names."""
    if points.marks == list(points.class_names):
        return
    handles = [
        plt.Line2D([], [], linestyle="", marker=f"${mark}$", color=colour, markersize=7, label=name)
        for mark, colour, name in zip(points.marks, points.colours, points.class_names, strict=True)
    ]
    columns = min(5, len(handles))
    place: Literal["outside upper center", "upper right"] = "outside upper center" if outside else "upper right"
    figure.legend(handles=handles, loc=place, ncols=columns, handletextpad=0.2, columnspacing=1)


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
    figure.suptitle("decoded along each axis, the others at their mean", fontsize=10)
