"""What the explorer shows: codes with their labels and images, axes to look along, statistics of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from helpers.latent.plots import colour
from helpers.tables import Table

MOST_POINTS = 10_000


@dataclass(frozen=True)
class Points:
    """What there is to explore; made by `collect`, which checks it.

    Attributes:
        codes: float32, (n, latent_dim).
        labels: uint8, (n,), index into `class_names`.
        images: uint8, (n, rows, columns, 1 or 3), the images that were encoded; None if they are not at hand.
        class_names: one name per class.
    """

    codes: np.ndarray
    labels: np.ndarray
    images: np.ndarray | None
    class_names: tuple[str, ...]

    @property
    def marks(self) -> list[str]:
        """What stands for each class where there is little room: its name if that is short, else its number."""
        return [name if len(name) <= 2 else str(index) for index, name in enumerate(self.class_names)]

    @property
    def colours(self) -> list[str]:
        """One colour per class; with more than ten classes they begin again."""
        return [colour(index) for index in range(len(self.class_names))]


def collect(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    images: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
) -> Points:
    """Check that codes, labels and images belong together.

    Args:
        codes: float, (n, latent_dim), at most 10,000 codes of at least two numbers.
        labels: integer, (n,), index into `class_names`. Default: all points are of one class.
        images: the images that were encoded: uint8, or float with values in [0, 1]; (n, rows, columns, 1 or 3).
        class_names: one name per class. Default: the numbers 0, 1, 2, ...

    Raises:
        ValueError: a shape, a number of rows or a value does not fit. The message says what to do.
    """
    codes = np.ascontiguousarray(codes, np.float32)
    _check_codes(codes)
    if labels is None:
        labels, class_names = np.zeros(len(codes), np.uint8), class_names or ("all",)
    labels = np.asarray(labels)
    _check_rows("labels", labels, len(codes), "(n,)", 1)
    highest = int(labels.max()) if np.isfinite(labels).all() else 0  # what is no number is refused below
    names = tuple(map(str, class_names if class_names is not None else range(highest + 1)))
    _check_labels(labels, names)
    if images is not None:
        images = np.asarray(images)
        _check_rows("images", images, len(codes), "(n, rows, columns, 1 or 3)", 4)
        images = to_bytes(images)
    return Points(codes, labels.astype(np.uint8), images, names)


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
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(
            f"Labels must be whole numbers from 0 to {len(names) - 1}, one for each of the {len(names)} class names; "
            f"received {labels.dtype} from {labels.min()} to {labels.max()}. One-hot labels become numbers by "
            "labels.argmax(axis=1)."
        )
    if len(names) > 256:
        raise ValueError(f"The explorer tells at most 256 classes apart; received {len(names)}. Group them.")


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
