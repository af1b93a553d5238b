"""Windows of an image: where window k lies, in which order to read many, and how to shrink. Used by lecture 10.

No files. Windows are numbered 1, 2, … from left to right, then from top to bottom, as the pieces of the thesis are.
An order is made of `streaming.order.permutation`: a pure function of seed and epoch, the same on every machine.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.data.streaming.order import permutation


@dataclass(frozen=True)
class Grid:
    """Windows that cover a tile, every pixel exactly once.

    Attributes:
        tile: pixels along an edge of a square tile, or (rows, columns). To leave out what is left of a tile of any
            size beyond the last whole window, take `rows - rows % size`.
        size: pixels along an edge of a square window, or (rows, columns); a divisor of `tile`.

    >>> Grid(1024, 128).count, Grid(1024, 128).box(10)
    (64, (slice(128, 256, None), slice(128, 256, None)))
    >>> Grid((1024, 512), (128, 256)).count, Grid((1024, 512), (128, 256)).box(4)
    (16, (slice(128, 256, None), slice(256, 512, None)))
    """

    tile: int | tuple[int, int]
    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        for tile, size in zip(self.edges, self.window, strict=True):
            _check_divides(size, tile)

    @property
    def edges(self) -> tuple[int, int]:
        """Rows and columns of the tile."""
        return _pair(self.tile)

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns of a window."""
        return _pair(self.size)

    @property
    def across(self) -> int:
        """Number of windows in a row; also how many pixels become one when a whole square tile is shrunk to `size`."""
        return self.edges[1] // self.window[1]

    @property
    def count(self) -> int:
        """Number of windows of a tile."""
        return self.edges[0] // self.window[0] * self.across

    def box(self, k: int) -> tuple[slice, slice]:
        """Return rows and columns of window k, counted from 1."""
        if not 1 <= k <= self.count:
            raise ValueError(f"k must be between 1 and {self.count}; received {k}.")
        row, column = divmod(k - 1, self.across)
        (height, width), (top, left) = self.window, (row * self.window[0], column * self.window[1])
        return slice(top, top + height), slice(left, left + width)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _check_divides(size: int, tile: int) -> None:
    if not 0 < size <= tile or tile % size:
        divisors = [n for n in range(1, tile + 1) if tile % n == 0]
        nearest = sorted(sorted(divisors, key=lambda n: abs(n - size))[:2])
        raise ValueError(
            f"size must divide the tile's {tile} pixels; received {size}. Use {' or '.join(map(str, nearest))}."
        )


def spread(groups: Sequence[str], *, seed: int, epoch: int = 0) -> np.ndarray:
    """Shuffle so that members of one group stand far apart: each group is spread evenly over the whole order.

    Args:
        groups: for each item, the group that it belongs to.
        seed, epoch: another number in either, another order.

    Returns:
        int64, (items,): a permutation.
    """
    names, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    luck = permutation(len(group), seed=seed, epoch=epoch)
    start = permutation(len(names), seed=seed, epoch=epoch) / len(names)
    counts = np.bincount(group)
    rank = np.empty(len(group))
    rank[np.lexsort((luck, group))] = np.concatenate([np.arange(count) for count in counts])
    return np.lexsort((luck, (rank + start[group]) / counts[group])).astype(np.int64)


@functools.lru_cache(maxsize=4)  # asked for every batch
def shuffled(groups: tuple[str, ...], per_tile: int, *, seed: int, epoch: int = 0, together: int = 16) -> np.ndarray:
    """Order all windows of many tiles: at random among a few tiles of many places, then among the next few.

    Whoever keeps `together` tiles open opens each of them once.

    Args:
        groups: for each tile, its place.
        per_tile: number of windows of a tile.
        seed, epoch: another number in either, another order.
        together: most tiles whose windows are mixed; the number of tiles gives a full shuffle.

    Returns:
        int64, (tiles * per_tile,), read-only: every index `tile * per_tile + k - 1` once.
    """
    if together < 1 or not len(groups):
        raise ValueError(f"together must be at least 1 and there must be tiles; received {together}, {len(groups)}.")
    tiles = spread(groups, seed=seed, epoch=epoch)
    blocks = -(-len(tiles) // together)
    block = np.arange(len(tiles)) * blocks // len(tiles)  # of nearly equal size: no last one with a single place
    windows = (tiles[:, np.newaxis] * per_tile + np.arange(per_tile)).ravel()
    luck = permutation(len(windows), seed=seed, epoch=epoch)
    order = windows[np.lexsort((luck, np.repeat(block, per_tile)))]
    order.setflags(write=False)
    return order


def area_average(image: np.ndarray, factor: int) -> np.ndarray:
    """Shrink by averaging squares of `factor` x `factor` pixels, leaving out NaN and infinity.

    Args:
        image: (height, width) or (height, width, bands), edges divisible by `factor`.
        factor: how many pixels become one, along each axis.

    Returns:
        float32, (height / factor, width / factor[, bands]); NaN where a square holds nothing else.
    """
    if not np.issubdtype(image.dtype, np.floating):
        return (_sum_squares(image, factor) / factor**2).astype(np.float32)
    valid = np.isfinite(image)
    total = _sum_squares(np.where(valid, image, np.float32(0)), factor)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is wanted
        return (total / _sum_squares(valid, factor)).astype(np.float32)


def nearest(labels: np.ndarray, factor: int) -> np.ndarray:
    """Shrink by keeping the middle pixel of each square of `factor` x `factor` (right and below, if it has none)."""
    return labels[factor // 2 :: factor, factor // 2 :: factor]


def _sum_squares(image: np.ndarray, factor: int) -> np.ndarray:
    """Sum squares of pixels in float64, whole rows first: four times as fast as both axes at once."""
    height, width, bands = image.shape[0] // factor, image.shape[1] // factor, image.shape[2:]
    rows = image.reshape(height, factor, *image.shape[1:]).sum(axis=1, dtype=np.float64)
    return rows.reshape(height, width, factor, *bands).sum(axis=2)
