"""Figures of maps of classes and of what makes them: rows of pictures, confusion matrices, calibration, a U-Net.

Every function takes arrays and returns a matplotlib `Figure`, in the manner of `helpers.figures`.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from helpers.backend import keras
from helpers.figures import Figure, subplots
from helpers.segmentation.confidence import Reliability
from helpers.segmentation.losses import IGNORE, IgnoreClass, as_labels, check_classes

UNLABELLED, WRONG = "#ffffff", "#c1121f"


def coloured(labels: np.ndarray, palette: Sequence[str], *, ignore_class: IgnoreClass = IGNORE) -> np.ndarray:
    """Paint classes.

    Args:
        labels: whole numbers, any shape.
        palette: a colour for each class, such as `chesapeake.PALETTE`.
        ignore_class: labels that are left white.

    Returns:
        float, the shape of `labels` and one more axis for red, green and blue, in [0, 1].

    Raises:
        ValueError: a label is neither a class nor ignored.

    >>> coloured(np.array([[0, 2]]), ["#000000", "#ffffff", "#ff0000"]).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]]
    """
    ignored = as_labels(ignore_class)
    check_classes(labels, len(palette), ignored)
    colours = np.array([to_rgb(colour) for colour in (*palette, UNLABELLED)])
    return colours[np.where(np.isin(labels, ignored), len(palette), labels).astype(int)]


def class_rows(
    rows: Mapping[str, np.ndarray],
    palette: Sequence[str],
    names: Sequence[str],
    *,
    titles: Sequence[object] = (),
    ignore_class: IgnoreClass = IGNORE,
) -> Figure:
    """Draw pictures and maps of classes under each other, or one of each side by side: picture, truth, prediction.

    Args:
        rows: what each row shows, and its pictures, float (n, rows, columns, 3) in [0, 1], or its maps, whole numbers
            (n, rows, columns).
        palette: a colour for each class.
        names: of the classes; those that occur in a map stand in the legend.
        titles: one text above each column.
        ignore_class: labels that are left white and out of the legend.
    """
    columns = len(next(iter(rows.values())))
    figure, lines = _lines(len(rows), columns)
    for line, (name, images) in zip(lines, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            ax.imshow(coloured(image, palette, ignore_class=ignore_class) if image.ndim == 2 else image.clip(0, 1))
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        if columns == 1:
            line[0].set_title(name, loc="left")
        else:
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, title in zip(lines[0] if columns > 1 else (), titles, strict=False):
        ax.set_title(str(title), loc="center", fontsize=8)
    drawn = [np.unique(images) for images in rows.values() if images.ndim == 3]
    shown = sorted({int(number) for found in drawn for number in found} - set(as_labels(ignore_class)))
    handles = [Patch(facecolor=palette[number], edgecolor="0.4", label=names[number]) for number in shown]
    figure.legend(handles=handles, loc="outside right center")
    return figure


def _lines(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    """Make a figure and its axes, (rows, columns); pictures of which there is one of each stand large, side by side."""
    down, across, side = (1, rows, 3.4) if columns == 1 else (rows, columns, 1.5)
    figure, axes = subplots(down, across, (side * across + 1.9, side * down + 0.3))
    return figure, axes.T if columns == 1 else axes


def comparison(
    picture: np.ndarray,
    predicted: np.ndarray,
    palette: Sequence[str],
    names: Sequence[str],
    *,
    metres: float,
    truth: np.ndarray | None = None,
    iou: Mapping[str, float] | None = None,
    title: str = "",
    ignore_class: IgnoreClass = IGNORE,
) -> Figure:
    """Draw a place side by side: as a picture, its true classes, a map of it, and where the two differ.

    Args:
        picture: float, (rows, columns, 3), in [0, 1].
        predicted: the map, whole numbers, (rows, columns).
        palette: a colour for each class.
        names: of the classes.
        metres: along the side of a pixel, for the scale bar.
        truth: the true classes, (rows, columns); without them only picture and map are drawn.
        iou: for each class that has one, which the legend then shows.
        title: above all.
        ignore_class: labels that are left white, and where nothing is right or wrong.
    """
    panels = {"picture": picture, "truth": truth, "map": predicted}
    drawn = {
        name: coloured(image, palette, ignore_class=ignore_class) if image.ndim == 2 else image
        for name, image in panels.items()
        if image is not None
    }
    classes = [predicted]
    if truth is not None:
        classes.append(truth)
        is_counted = ~np.isin(truth, as_labels(ignore_class)) & ~np.isin(predicted, as_labels(ignore_class))
        shade = np.where(is_counted, np.where(predicted == truth, 0.85, 0.0), 1.0)[..., None].repeat(3, axis=-1)
        shade[is_counted & (predicted != truth)] = to_rgb(WRONG)
        share = (predicted != truth)[is_counted].mean() if is_counted.any() else 0.0
        drawn[f"mistakes: {share:.1%} of pixels"] = shade
    rows, columns = predicted.shape
    side = 3.6
    height = side * min(2.0, max(0.4, rows / columns))
    figure, axes = subplots(1, len(drawn), (side * len(drawn) + 2.4, height + 0.7))
    for ax, (name, image) in zip(axes[0], drawn.items(), strict=True):
        ax.imshow(image, interpolation="nearest")
        ax.set(title=name, xticks=[], yticks=[])
        ax.grid(visible=False)
    _scale_bar(axes[0, 0], columns, rows, metres)
    shown = sorted({int(number) for each in classes for number in np.unique(each)} - set(as_labels(ignore_class)))
    labels = [f"{names[n]} (IoU {iou[names[n]]:.2f})" if iou and names[n] in iou else names[n] for n in shown]
    handles = [Patch(facecolor=palette[n], edgecolor="0.4", label=text) for n, text in zip(shown, labels, strict=True)]
    figure.legend(handles=handles, loc="outside right center")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _scale_bar(ax: Axes, columns: int, rows: int, metres: float) -> None:
    """Draw a bar of a round number of metres, at most a third of the width, below left."""
    most = columns * metres / 3
    power = 10.0 ** np.floor(np.log10(most))
    length = power * max(step for step in (1, 2, 5) if step * power <= most)
    told = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    left, bottom, thick = 0.04 * columns, 0.96 * rows, max(1.0, 0.012 * rows)
    across = length / metres
    ax.add_patch(Rectangle((left, bottom - thick), across, thick, facecolor="white", edgecolor="black", linewidth=0.8))
    text = ax.text(left + across / 2, bottom - 1.6 * thick, told, ha="center", va="bottom", color="white", fontsize=8)
    text.set_path_effects([withStroke(linewidth=2, foreground="black")])


def confusion(
    panels: Mapping[str, np.ndarray], names: Sequence[str], *, ignore_class: IgnoreClass = IGNORE, columns: int = 2
) -> Figure:
    """Draw confusion matrices: of the pixels of each true class, the percentage that was given each class.

    Args:
        panels: title and counts, (classes, classes), true classes in rows.
        names: of the classes.
        ignore_class: classes that are left out.
        columns: matrices side by side.
    """
    kept = [number for number in range(len(names)) if number not in as_labels(ignore_class)]
    lines = -(-len(panels) // columns)
    width = min(columns, len(panels))
    figure, axes = subplots(lines, width, (4.2 * width, 3.6 * lines))
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, matrix) in zip(axes.flat, panels.items(), strict=False):
        counts = matrix[np.ix_(kept, kept)]
        percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(percent, vmin=0, vmax=100)
        for (row, column), value in np.ndenumerate(percent):
            ax.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 50 else "black")
        ticks = range(len(kept))
        shown = [names[number] for number in kept]
        ax.set(title=title, xticks=ticks, yticks=ticks, yticklabels=shown, ylabel="true")
        ax.set_xlabel("predicted, % of the true class")
        ax.set_xticks(ticks, shown, rotation=45, ha="right")
        ax.grid(visible=False)
    return figure


def against(
    x: Sequence[float], y: Sequence[float], *, xlabel: str, ylabel: str, names: Sequence[object] = ()
) -> Figure:
    """Draw one number against another for several runs, with the line on which both are equal.

    Args:
        x, y: a number for each run, such as the accuracies of two networks on each fold.
        xlabel, ylabel: what they are.
        names: of the runs, written beside the points; 0, 1, 2, … by default.
    """
    figure, ((axes,),) = subplots(1, 1, (4.2, 4.2))
    low, high = min(*x, *y), max(*x, *y)
    room = 0.1 * (high - low) or 0.01
    ends = [low - room, high + room]
    axes.plot(ends, ends, color="0.5", linestyle="--", linewidth=1)
    axes.text(ends[1], ends[1], "y = x ", ha="right", va="bottom", color="0.3")
    axes.plot(x, y, "o", color="C0")
    for name, across, up in zip(names or range(len(x)), x, y, strict=True):
        axes.annotate(f" {name}", (across, up), (4, 2), textcoords="offset points")
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))  # more numbers run into each other
    return figure


def reliability_diagram(panels: Mapping[str, Reliability]) -> Figure:
    """Draw accuracy over confidence, with the line on which both are equal, and the share of pixels in each bin below.

    Args:
        panels: a name and what `reliability` gave, such as before and after temperature scaling.
    """
    figure, axes = subplots(2, len(panels), (3.4 * len(panels), 4.2), sharex=True, height_ratios=(3, 1))
    for (above, below), (name, found) in zip(axes.T, panels.items(), strict=True):
        edges = np.linspace(0, 1, len(found.share) + 1)
        middle, width = (edges[:-1] + edges[1:]) / 2, 1 / len(found.share)
        above.bar(middle, found.accuracy, width, edgecolor="white", label="accuracy")
        above.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=1, label="accuracy = confidence")
        above.plot(found.confidence, found.accuracy, "o", color="C1", markersize=4, label="mean confidence")
        above.set(title=f"{name}: ECE {found.error:.3f}", xlim=(0, 1), ylim=(0, 1))
        below.bar(middle, 100 * found.share, width, edgecolor="white", color="0.5")
        below.set(xlabel="confidence", ylim=(0, 100))
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("% of pixels")
    axes[0, 0].legend(loc="upper left", fontsize=7)
    return figure


def u_shape(model: keras.Model) -> Figure:
    """Draw a model of `build_unet` as what gave it its name: levels below each other, with sizes, channels and skips.

    Args:
        model: built for images of a fixed size, such as `input_shape=(128, 128, 26)`.

    Raises:
        ValueError: rows and columns of its input are open.
    """
    _, rows, columns, bands = model.input_shape
    if rows is None or columns is None:
        raise ValueError("the model takes images of any size: build it with rows and columns in input_shape.")
    names = {layer.name for layer in model.layers}
    levels = sum(name.startswith("pool_") for name in names)
    places = {f"down_{n}b": (n - 1, 1 - n) for n in range(1, levels + 1)} | {"bottomb": (levels, -levels)}
    places |= {f"up_{n}b": (2 * levels + 1 - n, 1 - n) for n in range(levels, 0, -1)}
    figure, ((ax,),) = subplots(1, 1, (2.0 + 1.1 * len(places), 1.2 + 0.8 * levels))
    texts = {(-1, 0): f"image\n{rows} x {columns}\n{bands} bands"}
    for name, place in places.items():
        _, down, across, channels = model.get_layer(name).output.shape
        texts[place] = f"{down} x {across}\n{channels} channels"
    texts[2 * levels + 1, 0] = f"classes\n{rows} x {columns}\n{model.output_shape[-1]}"
    for (x, y), text in texts.items():
        shade = "0.92" if x in (-1, 2 * levels + 1) else "#cfe2f3"
        ax.text(x, y, text, ha="center", va="center", fontsize=8, bbox={"boxstyle": "round", "fc": shade, "ec": "0.4"})
    for start, end in pairwise(texts):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "shrinkA": 26, "shrinkB": 26, "color": "0.3"})
    for n in range(1, levels + 1):
        if f"skip_{n}" in names:
            start, end = places[f"down_{n}b"], places[f"up_{n}b"]
            style = {"arrowstyle": "->", "shrinkA": 34, "shrinkB": 34, "color": "C1", "linestyle": "--"}
            ax.annotate("", end, start, arrowprops=style)
            ax.text((start[0] + end[0]) / 2, start[1] + 0.06, "skip", ha="center", va="bottom", color="C1", fontsize=8)
    ax.set(xlim=(-1.7, 2 * levels + 1.7), ylim=(-levels - 0.5, 0.5))
    ax.set_axis_off()
    return figure
