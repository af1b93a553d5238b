"""Drawn shapes whose factors are known: what disentanglement is measured on. Used by lectures 07 and 08.

Datasheet
    One figure of ink on paper, drawn from five factors that are independent of each other: shape (square, ellipse,
    heart), scale (half to whole size), rotation, x and y of its centre. Numbers of values as in dSprites (Matthey et
    al., 2017), whose 737,280 combinations are drawn here, not copied: edges are smooth, all three shapes have the
    same area at the same scale, so that ink does not give the shape away, and rotation leaves out the last value,
    which would repeat the first.
    What no code can tell: a square looks the same after a quarter turn, an ellipse after half a turn. `turn=90`
    draws rotations that can all be told apart.
    Licence: that of the course.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

NAMES = ("shape", "scale", "rotation", "x", "y")
SIZES = {"shape": 3, "scale": 6, "rotation": 40, "x": 32, "y": 32}  # values of each factor, as in dSprites
SHAPE_NAMES = ("square", "ellipse", "heart")
AREA = 0.09  # of a figure at scale 1, as a share of the image
ImageSize = Literal[32, 64]

_MARGIN = 0.25  # the farthest point of any figure is 0.24 from its centre, so nothing is cut off
_HEART_CENTRE = (0.25 + (0.75 + 1 / (3 * math.pi)) * math.pi / 8) / (0.5 + math.pi / 8)  # centroid above the tip
_AT_ONCE = 64  # images drawn in one go: their pixels stay in the processor's cache
_MOST = 2**31  # bytes of images: more than that does not fit beside a model


@dataclass(frozen=True)
class Shapes:
    """Drawn images and the factors behind them.

    Attributes:
        images: float32, (n, image_size, image_size, 1), ink from 0 to 1.
        factors: int64, (n, 5), which value each factor has, from 0; columns as `names`.
        names: of the factors: shape, scale, rotation, x, y.
        sizes: how many values each factor can have.
        source: one sentence: what was drawn.
    """

    images: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    source: str

    def __len__(self) -> int:
        return len(self.factors)


def sample(
    count: int,
    *,
    sizes: Mapping[str, int] = SIZES,
    image_size: ImageSize = 64,
    turn: float = 360,
    seed: int = 0,
    announce: bool = True,
) -> Shapes:
    """Draw a random sample of all combinations of factors, none of them twice.

    Args:
        count: number of images.
        sizes: number of values of the factors that shall differ from dSprites, such as {"rotation": 8}; with one
            value a factor stands in the middle of its range.
        image_size: pixels on a side, 32 or 64.
        turn: degrees that the values of rotation divide among them.
        seed: the same seed gives the same sample.
        announce: print what was drawn.

    Raises:
        ValueError: there are fewer combinations than `count`, or an argument is out of range.
    """
    values = _checked_sizes(sizes)
    total = math.prod(values)
    if not 1 <= count <= total:
        raise ValueError(
            f"count must be from 1 to {total:,}, the number of combinations; received {count:,}. Raise `sizes`."
        )
    chosen = np.random.default_rng(seed).choice(total, count, replace=False)
    return _shapes(chosen, values, image_size, turn, announce)


def grid(
    *, sizes: Mapping[str, int] = SIZES, image_size: ImageSize = 64, turn: float = 360, announce: bool = True
) -> Shapes:
    """Draw every combination of factors once; the last factor changes fastest.

    Args:
        sizes, image_size, turn, announce: as in `sample`.

    Raises:
        ValueError: the images would take more than 2 GiB, as those of all of dSprites, or as in `sample`.
    """
    values = _checked_sizes(sizes)
    total = math.prod(values)
    if (need := total * image_size**2 * 4) > _MOST:
        raise ValueError(
            f"All {total:,} combinations would take {need / 2**30:.1f} GiB. "
            'Draw a sample(), or fewer values, such as sizes={"rotation": 8, "x": 8, "y": 8}.'
        )
    return _shapes(np.arange(total), values, image_size, turn, announce)


def draw(
    factors: np.ndarray, *, sizes: Mapping[str, int] = SIZES, image_size: ImageSize = 64, turn: float = 360
) -> np.ndarray:
    """Draw the images of given factors.

    Args:
        factors: int, (n, 5): shape, scale, rotation, x (to the right), y (down), each from 0 to its size - 1.
        sizes, image_size, turn: as in `sample`.

    Returns:
        float32, (n, image_size, image_size, 1), in [0, 1]. A pixel that the edge crosses is as grey as the share of
        it that is inside, to the first order.

    Raises:
        ValueError: a factor is not among its values, or an argument is out of range.
    """
    values, factors = _checked_sizes(sizes), np.asarray(factors)
    if factors.ndim != 2 or factors.shape[1] != len(NAMES) or not np.all((factors >= 0) & (factors < values)):
        raise ValueError(
            f"factors must be whole numbers, (n, 5), {', '.join(NAMES)}, each from 0 to below {values}; "
            f"received {factors.shape}, {factors.dtype}. Take them from sample() or grid(), with the same sizes."
        )
    if image_size not in (32, 64):
        raise ValueError(f"image_size must be 32 or 64; received {image_size}.")
    images = np.empty((len(factors), image_size, image_size, 1), np.float32)
    for shape, distance in enumerate(_DISTANCES):
        found = np.flatnonzero(factors[:, 0] == shape)
        for start in range(0, len(found), _AT_ONCE):
            part = found[start : start + _AT_ONCE]
            images[part, ..., 0] = _ink(distance, factors[part], values, image_size, turn)
    return images


def _shapes(chosen: np.ndarray, values: tuple[int, ...], image_size: ImageSize, turn: float, announce: bool) -> Shapes:
    factors = np.stack(np.unravel_index(chosen, values), axis=1).astype(np.int64)
    source = (
        f"DRAWN DATA: {len(chosen):,} of {math.prod(values):,} drawn shapes ({', '.join(SHAPE_NAMES[: values[0]])}), "
        f"{image_size} x {image_size} pixels, from known factors, in the manner of dSprites. No photographs."
    )
    images = draw(factors, sizes=dict(zip(NAMES, values, strict=True)), image_size=image_size, turn=turn)
    if announce:
        print(source)
    return Shapes(images, factors, NAMES, values, source)


def _checked_sizes(sizes: Mapping[str, int]) -> tuple[int, ...]:
    merged = SIZES | dict(sizes)
    if merged.keys() != SIZES.keys() or min(merged.values()) < 1 or merged["shape"] > len(SHAPE_NAMES):
        raise ValueError(
            f"sizes gives the number of values, 1 or more, of {', '.join(NAMES)}, of shape at most 3; received {sizes}."
        )
    return tuple(merged[name] for name in NAMES)


def _ink(
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    factors: np.ndarray,
    values: tuple[int, ...],
    image_size: int,
    turn: float,
) -> np.ndarray:
    """Draw figures of one shape, (n, image_size, image_size): ink falls from 1 to 0 within a pixel of the edge."""
    columns = factors.T[:, :, np.newaxis, np.newaxis].astype(np.float32)  # 5 of (n, 1, 1)
    scale = _spread(columns[1], values[1], 0.5, 1) * AREA**0.5
    angle = columns[2] * np.float32(math.radians(turn) / values[2])
    pixel = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size
    x = (pixel - _spread(columns[3], values[3], _MARGIN, 1 - _MARGIN)) / scale  # (n, 1, image_size)
    y = (pixel[:, np.newaxis] - _spread(columns[4], values[4], _MARGIN, 1 - _MARGIN)) / scale  # (n, image_size, 1)
    turned = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return np.clip(0.5 - distance(*turned) * (scale * image_size), 0, 1)


def _spread(index: np.ndarray, size: int, low: float, high: float) -> np.ndarray:
    """Return the value of a factor: `size` values from low to high, or the middle if there is only one."""
    return np.float32(low) + index * np.float32((high - low) / (size - 1)) if size > 1 else index + (low + high) / 2


# Signed distance from the edge of a figure of area 1, negative inside. y points down.


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) - 0.5


def _ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Twice as long as wide; the distance is right to the first order, which is all that an edge of a pixel needs."""
    half_width = np.float32((2 * math.pi) ** -0.5)
    x, y = x / (2 * half_width), y / half_width
    radius = np.sqrt(x * x + y * y)
    steepness = np.sqrt(x * x / 4 + y * y) / half_width
    return radius * (radius - 1) / np.maximum(steepness, 1e-6)


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A square on its tip with half a disc on each upper side (Quilez, 2D distance functions), about its centroid."""
    unit = np.float32((0.5 + math.pi / 8) ** 0.5)  # area 1
    x, y = np.abs(x) * unit, np.float32(_HEART_CENTRE) - y * unit
    disc = np.hypot(x - 0.25, y - 0.75) - np.float32(2**0.5 / 4)
    foot = np.maximum(x + y, 0) / 2  # of the plumb line on the lower side
    to_side, to_notch = (x - foot) ** 2 + (y - foot) ** 2, x**2 + (y - 1) ** 2
    square = np.sqrt(np.minimum(to_side, to_notch)) * np.sign(x - y)
    return np.where(x + y > 1, disc, square)


_DISTANCES = (_square, _ellipse, _heart)
