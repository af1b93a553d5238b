"""Figures of latent spaces: maps, thumbnails, tree of clusters. Used by lectures 06, 08 and 10.

Every function takes arrays and returns a matplotlib `Figure`, in the manner of `helpers.figures`. Classes differ by
colour and by marker, and on maps their names stand among their points, so that no figure needs its colours: on a grey
print some of them are alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from sklearn.neighbors import NearestNeighbors

from helpers import figures
from helpers.figures import Figure
from helpers.latent.codes import Node, check_labels
from helpers.latent.projections import Projection

# Okabe and Ito (2008) without their yellow, which paper swallows, and three more that stay apart from all others for
# readers who see no red, no green or no blue.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"),
    *("#56B4E9", "#E69F00", "#7800D8", "#603000", "#003060"),
)


def colour(label: int) -> str:
    """Return the colour of a class, "#rrggbb"; with more than ten classes they begin again."""
    return COLOURS[label % len(COLOURS)]


Points = np.ndarray | Projection
MARKERS = "o^sDvPX<>*p"  # eleven, so that colour and marker come round together after 110 classes only
OUTLINE = [withStroke(linewidth=3, foreground="white")]
_HALO: dict[str, Any] = {"fontsize": 8, "path_effects": OUTLINE}
_WRITTEN: dict[str, Any] = {"ha": "center", "va": "center", "weight": "bold", "fontsize": 9, "path_effects": OUTLINE}


def maps_by_class(
    panels: Mapping[str, Points],
    labels: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    legend: bool = True,
    axes: tuple[str, str] | None = None,
) -> Figure:
    """Draw maps of codes side by side, coloured by class.

    Args:
        panels: title, and what is drawn: a `Projection`, or points, float (n, 2).
        labels: int, (n,), 0 or more, of all codes; a projection picks those of its rows.
        names: of the classes; the labels themselves if None.
        legend: whether the names stand beside the maps as well.
        axes: what the two axes are, which then have ticks; None for a map whose numbers mean nothing.

    Raises:
        ValueError: points are not (n, 2), or not as many as labels; or labels are no whole numbers.
    """
    labels = check_labels(labels)
    figure, row = _row(len(panels), 3.6, width=3.6 * len(panels) + legend)
    for ax, (title, panel) in zip(row, panels.items(), strict=True):
        points, rows = _placed(title, panel, len(labels))
        draw_classes(ax, points, labels[rows])
        name_classes(ax, points, labels[rows], names)
        if axes:
            ax.set(title=title, xlabel=axes[0], ylabel=axes[1])
        else:
            _without_ticks(ax, title)
            _name_axes(ax, panel)
    if legend:
        figure.legend(handles=class_handles(labels, names), loc="outside right center")
    return figure


def maps_by_value(panels: Mapping[str, Points], values: np.ndarray, *, label: str) -> Figure:
    """Draw maps of codes side by side, coloured by a quantity such as mean height; more is lighter.

    Args:
        panels: as in `maps_by_class`.
        values: float, (n,), of all codes; NaN is not drawn.
        label: what the values are, with the unit.

    Raises:
        ValueError: as in `maps_by_class`.
    """
    figure, axes = _row(len(panels), 3.6)
    limits = float(np.nanmin(values)), float(np.nanmax(values))
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        points, rows = _placed(title, panel, len(values))
        drawn = ax.scatter(*points.T, c=values[rows], cmap="cividis", vmin=limits[0], vmax=limits[1], s=8, linewidths=0)
        _without_ticks(ax, title)
        _name_axes(ax, panel)
    figure.colorbar(drawn, ax=list(axes), shrink=0.8, label=label)
    return figure


def thumbnails(
    points: Points, images: figures.Images, *, labels: np.ndarray | None = None, size: float = 0.3, seed: int = 0
) -> Figure:
    """Draw images at their points on a map, as many as have room.

    Args:
        points: a `Projection`, or points, float (n, 2).
        images: float, (n, rows, columns, 1 or 3), in [0, 1], of all codes.
        labels: int, (n,), 0 or more; if given, each image has a frame in the colour of its class.
        size: width of an image in inches.
        seed: of the order in which images take their place.

    Raises:
        ValueError: points are not (n, 2), or not as many as images; or labels are no whole numbers.
    """
    classes = None if labels is None else check_labels(labels)
    figure, (ax,) = _row(1, 6.4)
    points, rows = _placed("points", points, len(images))
    ax.scatter(*points.T, s=3, color="0.75", linewidths=0)
    low, high = points.min(axis=0), points.max(axis=0)
    inches = (points - low) / (high - low) * 5.4  # inside the margins
    for one in _apart(inches, size + 0.08, np.random.default_rng(seed).permutation(len(points))):
        image = images[rows[one]]
        frame = "0.6" if classes is None else colour(classes[rows[one]])
        ax.add_artist(picture(image, (points[one, 0], points[one, 1]), size, frame))
    _without_ticks(ax, "")
    return figure


def cluster_tree(
    root: Node, decode: Callable[[np.ndarray], figures.Images], *, names: Sequence[str] | None = None
) -> Figure:
    """Draw a tree of clusters, the decoded centre at each node, and under it its main class and that one's share.

    Args:
        root: made by `codes.cluster_tree`.
        decode: codes, float32 (m, latent_dim), to images, (m, rows, columns, 1 or 3), in [0, 1]; called once, such as
            `lambda codes: decoder.predict(codes, verbose=0)`.
        names: of the classes; the labels themselves if None.
    """
    nodes = list(root.walk())
    images = np.asarray(decode(np.stack([node.centre for node in nodes])))
    places = _places(root)
    width, depth = max(x for x, _ in places.values()) + 1, nodes[-1].level + 1
    figure, (ax,) = _row(1, 1.5 * depth, width=max(0.85 * width, 5))
    for node, image in zip(nodes, images, strict=True):
        x, y = places[id(node)]
        for child in node.children:
            below = places[id(child)]
            thickness = 0.5 + 5 * len(child) / len(root)
            ax.plot([x, below[0]], [y - 0.46, below[1] + 0.22], "-", color="0.7", linewidth=thickness, zorder=1)
        ax.add_artist(picture(image, (x, y), 0.6, "0.3"))
        ax.annotate(_caption(node, names), (x, y), (0, -26), textcoords="offset points", ha="center", va="top", **_HALO)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(-(depth - 1) - 0.6, 0.35))
    ax.axis("off")
    return figure


def _row(count: int, height: float, *, width: float | None = None) -> tuple[Figure, np.ndarray]:
    figure, axes = figures.subplots(1, count, (width or height * count, height))
    return figure, axes[0]


def _placed(title: str, panel: Points, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points, (m, 2), and the rows of the codes that they show."""
    points, rows = (panel.points, panel.rows) if isinstance(panel, Projection) else (panel, np.arange(count))
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(rows) or rows[-1] >= count:
        raise ValueError(
            f"{title!r} must be a projection, or points (n, 2), one for each of the {count} labels or images; "
            f"received {points.shape}. Codes with more axes want project() first."
        )
    return points, rows


def _without_ticks(ax: Axes, title: str) -> None:
    ax.set(title=title, xticks=[], yticks=[])


def _name_axes(ax: Axes, panel: Points) -> None:
    """Write at the axes of a map by PCA how much of the variance lies along each; at those of others nothing."""
    if isinstance(panel, Projection) and panel.explained is not None:
        first, second = (f"{share:.0%} of the variance" for share in panel.explained)
        ax.set(xlabel=first, ylabel=second)


def _apart(places: np.ndarray, distance: float, order: np.ndarray) -> Iterator[int]:
    """Yield points in some order, but none nearer than a distance to one before it, along the rows or columns."""
    taken = np.empty((0, 2))
    for one in order:
        if not (np.abs(taken - places[one]).max(axis=1) < distance).any():
            taken = np.vstack([taken, places[one]])
            yield int(one)


def _places(root: Node) -> dict[int, tuple[float, float]]:
    """Place each node, by identity: leaves side by side from 0, each parent above the middle of its children."""
    places: dict[int, tuple[float, float]] = {}

    def place(node: Node, left: int) -> int:
        right = left
        for child in node.children:
            right = place(child, right)
        x = np.mean([places[id(child)][0] for child in node.children]) if node.children else left
        places[id(node)] = float(x), -node.level
        return max(right, left + 1)

    place(root, 0)
    return places


def _caption(node: Node, names: Sequence[str] | None) -> str:
    label = node.main_class
    main = "" if label is None else f'\n{100 * node.shares[label]:.0f} % are "{name_of(label, names)}"'
    return f"n = {len(node):,}{main}"


# ---- how classes and images look ----


def look(label: int) -> dict[str, Any]:
    """Return how the points of a class are drawn: keywords of `Axes.plot`."""
    return {"color": colour(label), "marker": MARKERS[label % len(MARKERS)], "linestyle": "none"}


def name_of(label: int, names: Sequence[str] | None) -> str:
    """Return the name of a class: its label, unless there are names."""
    return str(label) if names is None else names[label]


def class_handles(labels: np.ndarray, names: Sequence[str] | None) -> list[Line2D]:
    """Return a handle for each class present, for `Figure.legend`."""
    return [Line2D([], [], label=name_of(k, names), **look(k), markersize=5) for k in np.unique(labels)]


def draw_classes(ax: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    """Draw the points in four layers of all classes, so that no class hides those before it."""
    for layer in range(4):
        few, known = points[layer::4], labels[layer::4]
        for label in np.unique(known):
            ax.plot(*few[known == label].T, markersize=3.5, markeredgewidth=0, **look(label))


def name_classes(ax: Axes, points: np.ndarray, labels: np.ndarray, names: Sequence[str] | None) -> None:
    """Write each class where it is most by itself, near the middle of its points; the purest first, where room is."""
    nearest = NearestNeighbors(n_neighbors=min(30, len(points) - 1)).fit(points).kneighbors(return_distance=False)
    own = (labels[nearest] == labels[:, np.newaxis]).mean(axis=1)
    taken: list[tuple[np.ndarray, str]] = []
    for label in sorted(np.unique(labels), key=lambda label: -own[labels == label].max()):
        members, among = points[labels == label], own[labels == label]
        pure = members[among >= 0.9 * among.max()]
        place = pure[((pure - np.median(pure, axis=0)) ** 2).sum(axis=1).argmin()]
        name = name_of(label, names)
        if not any(_touch(place - other, name + known, np.ptp(points, axis=0)) for other, known in taken):
            ax.text(place[0], place[1], name, **_WRITTEN)
            taken.append((place, name))


def _touch(apart: np.ndarray, letters: str, extent: np.ndarray) -> bool:
    """Return whether two centred texts overlap: a letter takes some 3 % of a map's width and 5 % of its height."""
    return bool((np.abs(apart) < extent * [0.015 * len(letters), 0.05]).all())


def picture(image: np.ndarray, place: tuple[float, float], inches: float, colour: str) -> AnnotationBbox:
    """Return an image that stands at a place of the axes: (rows, columns, 1 or 3), in [0, 1], with a frame."""
    grey = image.shape[-1] == 1
    pixels = image[..., 0] if grey else image
    box = OffsetImage(pixels, zoom=72 * inches / image.shape[1], cmap="gray_r" if grey else None)
    box.image.set_clim(0, 1)
    return AnnotationBbox(box, place, pad=0.1, bboxprops={"edgecolor": colour, "linewidth": 1.2})
