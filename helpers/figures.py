"""Figures of the course: a function takes arrays and returns a matplotlib `Figure`, or draws on axes. Every lecture.

Nothing here calls `plt.show()`: a notebook shows the figure that its cell ends with, and `figure.describe(...)` gives
it its alt text. Importing this module sets the course's style sheet (`course.mplstyle`) for all figures; curves differ
by colour and by line style.
"""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

plt.style.use(Path(__file__).with_name("course.mplstyle"))
Images = np.ndarray
Legend = Mapping[int, tuple[str, str]]  # by code: a name and a colour
_HEADING = 0.55  # inches
SIGNED = LinearSegmentedColormap.from_list("signed", ["#d5f2ff", "#a9a9a9", "#6b0000"])  # darker is more, in grey too


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure with alt text: what a screen reader says in place of the picture.

    Attributes:
        alt: the text; "" if nobody has described the figure.
    """

    alt = ""

    def describe(self, alt: str) -> Self:
        """Set the alt text, and return the figure, so that the description can stand where the figure is made.

        Args:
            alt: what is to be seen, in a sentence or two: the kind of figure, what its parts are, what stands out.
        """
        self.alt = alt
        return self

    def _ipython_display_(self) -> None:
        """Show the figure with its alt text in a notebook; IPython calls this."""
        from IPython.core.pylabtools import print_figure  # here, since most figures are not drawn in a notebook
        from IPython.display import display

        png = print_figure(self, base64=True) if self.alt else None  # of a figure without axes, None as well
        if png is None:
            raise NotImplementedError  # IPython then shows the figure as it shows those of others
        # JupyterLab heeds alt text in HTML only; nbconvert finds it beside the picture as well.
        shown = f'<img src="data:image/png;base64,{png}" alt="{html.escape(self.alt)}">'
        data = {"text/html": shown, "image/png": png, "text/plain": self.alt}
        display(data, raw=True, metadata={"image/png": {"alt": self.alt}})


def subplots(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure that pyplot does not keep, so that a notebook shows it once, and its axes, (rows, columns).

    Args:
        size: width and height in inches.
        options: of `plt.subplots`, such as `sharex=True`.
    """
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, FigureClass=Figure, **options)
    plt.close(figure)
    return cast(Figure, figure), axes


def image_rows(rows: Mapping[str, Images], *, columns: int = 10, titles: Sequence[object] = ()) -> Figure:
    """Draw rows of images under each other, such as originals over reconstructions.

    Args:
        rows: what each row shows, and its images: float, (n, rows, columns, 1 or 3), values in [0, 1].
        columns: how many images of each row are drawn.
        titles: one text above each column.

    Raises:
        ValueError: an array is not a batch of images.
    """
    for name, images in rows.items():
        _check_images(name, images)
    shown = min(columns, *(len(images) for images in rows.values()))
    figure, axes = subplots(len(rows), shown, (shown * 0.9 + 0.8, len(rows) * 0.95 + (0.25 if len(titles) else 0)))
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images[:shown], strict=True):
            _draw_image(ax, image)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(str(title), loc="center")
    return figure


def image_grid(images: Images, *, columns: int = 8, titles: Sequence[object] = (), signed: bool = False) -> Figure:
    """Draw images in a grid, row by row.

    Args:
        images: float, (n, rows, columns, 1 or 3), values in [0, 1]; any values if `signed`.
        columns: images in a row of the grid.
        titles: one text above each image.
        signed: the images are weights: draw zero grey, negative pale blue, positive dark red, on one scale for all;
            the few largest, one in 200, are cut off, unless all others are zero.

    Raises:
        ValueError: the array is not a batch of images.
    """
    _check_images("images", images)
    lines = -(-len(images) // columns)
    figure, axes = subplots(lines, columns, (columns * 0.9, lines * (1.1 if len(titles) else 0.9)))
    limit = float(np.percentile(np.abs(images), 99.5) or np.abs(images).max() or 1) if signed else None
    for ax in axes.flat[len(images) :]:
        ax.axis("off")
    for ax, image in zip(axes.flat, images, strict=False):
        _draw_image(ax, image, limit=limit)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(str(title), loc="center", fontsize=8)
    return figure


def curves(
    series: Mapping[str, Sequence[float]],
    *,
    x: Sequence[float] | None = None,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    marks: Mapping[float, str] | None = None,
) -> Figure:
    """Draw named curves over a common axis, such as losses over epochs.

    Args:
        series: name and values of each curve.
        x: where the values stand; 1, 2, 3, ... by default.
        xlabel, ylabel: what the axes show, with the unit.
        marks: where a thin upright line stands, and what is written on top of it, such as where a stage begins.
    """
    figure, axes = subplots(1, 1, (6.4, 3.2))
    ax = axes[0, 0]
    for name, values in series.items():
        ax.plot(range(1, len(values) + 1) if x is None else x, values, label=name)
    if x is None:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for place, text in (marks or {}).items():
        ax.axvline(place, color="0.6", linewidth=0.8, linestyle="-")
        ax.text(place, 1.02, text, transform=ax.get_xaxis_transform())
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return figure


def histograms(
    values: Mapping[str, np.ndarray], *, xlabel: str, ylabel: str = "share", bins: int = 40, log: bool = False
) -> Figure:
    """Draw the distributions of several sets of numbers as outlines over common bins.

    Args:
        values: name and numbers of each set; any shape.
        xlabel, ylabel: what the axes show.
        bins: number of bins between the smallest and the largest number of all sets.
        log: draw the shares on a logarithmic axis.
    """
    figure, axes = subplots(1, 1, (6.4, 3.2))
    ax = axes[0, 0]
    edges = np.histogram_bin_edges(np.concatenate([np.ravel(v) for v in values.values()]), bins)
    for name, numbers in values.items():
        share = np.histogram(numbers, edges)[0] / np.size(numbers)
        ax.step(edges, [*share, 0], where="post", label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    ax.legend()
    return figure


def bars(
    groups: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    *,
    ylabel: str,
    xlabel: str = "",
    spread: Mapping[str, Sequence[float]] | None = None,
    numbers: bool = True,
) -> Figure:
    """Draw groups of bars side by side.

    Args:
        groups: name of each kind of bar (in the legend), and its height for every label.
        labels: what stands under each group.
        ylabel, xlabel: what the height shows, with the unit, and what the labels are.
        spread: half the length of an error bar for every bar, by the names of `groups`.
        numbers: write its height above each bar.
    """
    figure, axes = subplots(1, 1, (6.4, 3.2))
    ax = axes[0, 0]
    width = 0.8 / len(groups)
    hatches = ["", "//", "..", "xx"]
    for index, (name, heights) in enumerate(groups.items()):
        x = np.arange(len(labels)) + (index - (len(groups) - 1) / 2) * width
        drawn = ax.bar(
            x, heights, width, label=name, hatch=hatches[index % 4], edgecolor="white", yerr=(spread or {}).get(name)
        )
        if numbers:
            ax.bar_label(drawn, fmt="{:.3g}", padding=2, fontsize=8)
    ax.set(xlabel=xlabel, ylabel=ylabel, xticks=range(len(labels)), xticklabels=labels)
    ax.grid(axis="x", visible=False)
    figure.legend(loc="outside upper right", ncols=len(groups))
    return figure


def matrices(
    values: Mapping[str, np.ndarray], labels: Sequence[str], *, label: str = "", limits: tuple[float, float] = (0, 1)
) -> Figure:
    """Draw square matrices over classes side by side on one scale of grey, such as similarities.

    Args:
        values: title and matrix, float (n, n), of each panel.
        labels: the n classes.
        label: what the values are, with the unit.
        limits: values drawn white and black.
    """
    figure, axes = subplots(1, len(values), (len(values) * 3.6, 3.4))
    for ax, (title, matrix) in zip(axes[0], values.items(), strict=True):
        drawn = ax.imshow(matrix, vmin=limits[0], vmax=limits[1])
        ax.set(
            title=title, xticks=range(len(labels)), yticks=range(len(labels)), xticklabels=labels, yticklabels=labels
        )
        ax.grid(visible=False)
    figure.colorbar(drawn, ax=axes, shrink=0.8, label=label)
    return figure


def _draw_image(ax: Axes, image: np.ndarray, *, limit: float | None = None) -> None:
    """Draw one image without ticks: grey or colour in [0, 1], or signed within plus and minus `limit`."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    if limit is None:
        ax.imshow(pixels, vmin=0, vmax=1)
    else:
        ax.imshow(pixels, vmin=-limit, vmax=limit, cmap=SIGNED)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _check_images(name: str, images: Images) -> None:
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"{name!r} must be a batch of images, (n, rows, columns, 1 or 3); received {images.shape}. "
            "One image becomes a batch by image[np.newaxis], a grey one gets its band by images[..., np.newaxis]."
        )


# ---- a file, as it is stored ----


def panels(rows: int, columns: int, path: str | Path) -> tuple[Figure, np.ndarray]:
    """Make a figure with the name of a file above rows and columns of axes."""
    height = 4.6 * rows + _HEADING
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - _HEADING / height))
    figure = Figure(figsize=(4 * columns, height), layout=layout)
    figure.suptitle(Path(path).name, x=0.01, y=1 - 0.1 / height, ha="left", va="top")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return figure, axes


def draw_pixels(ax: Axes, title: str, pixels: np.ndarray) -> None:
    """Draw colours in [0, 1]; what lies outside is cut off."""
    ax.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
    ax.set_title(title)


def coloured(codes: np.ndarray, legend: Legend) -> np.ndarray:
    """Return the colours of codes, float64, (height, width, 3); white for those without."""
    image = np.ones((*codes.shape, 3))
    for code, (_, colour) in legend.items():
        image[codes == code] = to_rgb(colour)
    return image


def draw_classes(ax: Axes, title: str, codes: np.ndarray, legend: Legend) -> None:
    """Draw classes, and below them a legend of those that occur, with their shares."""
    draw_pixels(ax, title, coloured(codes, legend))
    found, counts = np.unique(codes, return_counts=True)
    swatches = [
        Patch(facecolor=colour, edgecolor="0.5", label=f"{name} {_percent(count / codes.size)}")
        for code, count in zip(found.tolist(), counts, strict=True)
        for name, colour in [legend.get(code, (str(code), "#ffffff"))]
    ]
    ax.legend(handles=swatches, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=2, fontsize=8, borderaxespad=0)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "below 1%"


def draw_heights(ax: Axes, title: str, metres: np.ndarray) -> None:
    """Draw heights; where they are unknown the paper shows."""
    drawn = ax.imshow(metres, cmap="viridis", interpolation="nearest")
    ax.set_title(title)
    ax.figure.colorbar(drawn, ax=ax, location="bottom", shrink=0.8, pad=0.02)
