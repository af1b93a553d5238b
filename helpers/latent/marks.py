"""How classes and images look on a figure of codes: colour, marker, name, framed picture. Used by `plots`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from sklearn.neighbors import NearestNeighbors

from helpers.latent.colours import colour

MARKERS = "o^sDvPX<>*p"  # eleven, so that colour and marker come round together after 110 classes only
OUTLINE = [withStroke(linewidth=3, foreground="white")]
_WRITTEN: dict[str, Any] = {"ha": "center", "va": "center", "weight": "bold", "fontsize": 9, "path_effects": OUTLINE}


def look(label: int) -> dict[str, Any]:
    """Return how the points of a class are drawn: keywords of `Axes.plot`."""
    return {"color": colour(label), "marker": MARKERS[label % len(MARKERS)], "linestyle": "none"}


def name_of(label: int, names: Sequence[str] | None) -> str:
    """Return the name of a class: its label, unless there are names."""
    return str(label) if names is None else names[label]


def legend(labels: np.ndarray, names: Sequence[str] | None) -> list[Line2D]:
    """Return a handle for each class present, for `Figure.legend`."""
    return [Line2D([], [], label=name_of(k, names), **look(k), markersize=5) for k in np.unique(labels)]


def draw_classes(ax: Axes, points: np.ndarray, labels: np.ndarray, size: int = 12) -> None:
    """Draw the points in four layers of all classes, so that no class hides those before it."""
    for layer in range(4):
        few, known = points[layer::4], labels[layer::4]
        for label in np.unique(known):
            ax.plot(*few[known == label].T, markersize=size**0.5, markeredgewidth=0, **look(label))


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
    """Tell whether two centred texts overlap: a letter takes some 3 % of a map's width and 5 % of its height."""
    return bool((np.abs(apart) < extent * [0.015 * len(letters), 0.05]).all())


def picture(image: np.ndarray, place: tuple[float, float], inches: float, colour: str) -> AnnotationBbox:
    """Return an image that stands at a place of the axes: (rows, columns, 1 or 3), in [0, 1], with a frame."""
    grey = image.shape[-1] == 1
    pixels = image[..., 0] if grey else image
    box = OffsetImage(pixels, zoom=72 * inches / image.shape[1], cmap="gray_r" if grey else None)
    box.image.set_clim(0, 1)
    return AnnotationBbox(box, place, pad=0.1, bboxprops={"edgecolor": colour, "linewidth": 1.2})
