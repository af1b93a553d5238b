"""The coarse layers: Landsat in blocks of its own grid, and NLCD land-cover codes in another."""

import functools

import numpy as np
from scipy.ndimage import gaussian_filter

from helpers.data.synthetic.landscape import FIELD, FOREST, Landscape
from helpers.data.synthetic.noise import hillshade, standardised, sun
from helpers.data.synthetic.spectra import CLASSES, correlation, deviations, grown, means, statistics

_BLOCK = (29.85, 23.3)  # metres down and across: 0.00027 degrees of latitude and longitude in Pennsylvania
_NLCD = (30.0, 30.0)
_WINTER = slice(9, 16)  # the reflectances among the 18 Landsat bands that a low sun shades: leaf-off
_APART = np.array([1.6, 0, 1.25, 1.7, 1.6, 1.8])  # narrow things never fill a cell
_CODES = (11, 21, 22, 23, 24, 31, 41, 42, 43, 52, 71, 81, 82, 90, 95)  # those that occur in Pennsylvania
_COMMON = {41: 0.1, 81: 0.08, 82: 0.06, 21: 0.06, 11: 0.05, 22: 0.02}  # what confusion prefers


def landsat(rng: np.random.Generator, scene: Landscape) -> np.ndarray:
    """See the landscape from the satellite, leaf-on and leaf-off.

    Returns:
        float32, (18, size, size): whole numbers and halves, equal within blocks of about 24 x 30 pixels.
    """
    size = len(scene.label)
    cell, shape = _lattice(rng, size, _BLOCK, degrees=rng.uniform(-1.2, 1.2))
    share = _shares(scene.label, cell, shape)
    spread = 0.92 * share @ deviations()[1:, 8:]
    shade = _mean(hillshade(scene.land, sun(rng, 160)), cell, shape)
    growth = _mean(scene.growth, cell, shape)[:, np.newaxis] * (means()[FIELD, 8:] - means()[FOREST, 8:])
    value = share @ _unmixed() + growth + spread * _deviates(rng, shape, shade.reshape(shape)).reshape(-1, 18)
    halves = rng.random(value.shape) < 0.5
    value = np.where(halves, np.rint(2 * value) / 2, np.rint(value))
    return np.ascontiguousarray(np.maximum(value, 1).astype(np.float32)[cell].transpose(2, 0, 1))


def nlcd(rng: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """Give each 30 m cell the code whose usual mixture of water, forest, field and built land is nearest, or nearly.

    Returns:
        float32, (size, size): raw NLCD codes.
    """
    cell, shape = _lattice(rng, len(label), _NLCD, degrees=rng.uniform(8, 12))
    fine = _shares(label, cell, shape)
    share = np.stack([fine[:, 0], fine[:, 1], fine[:, 2] + fine[:, 3], fine[:, 4] + fine[:, 5]], axis=1)
    usual = np.array([statistics()["nlcd"][str(code)] for code in _CODES])
    away = np.abs(share[:, np.newaxis] - usual).sum(-1) - [_COMMON.get(code, 0) for code in _CODES]
    away += rng.gumbel(0, 0.06, away.shape)
    return np.array(_CODES, np.float32)[away.argmin(1)][cell]


def _lattice(
    rng: np.random.Generator, size: int, block: tuple[float, float], *, degrees: float
) -> tuple[np.ndarray, tuple[int, int]]:
    """Lay a turned grid over the tile; return the number of the cell of each pixel, and the shape of the grid."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    turn, shift = np.deg2rad(degrees), rng.random(2)
    down = (rows * np.cos(turn) + columns * np.sin(turn)) / block[0] + shift[0]
    across = (columns * np.cos(turn) - rows * np.sin(turn)) / block[1] + shift[1]
    down, across = (np.floor(axis - axis.min()).astype(np.intp) for axis in (down, across))
    shape = int(down.max()) + 1, int(across.max()) + 1
    return down * shape[1] + across, shape


def _shares(label: np.ndarray, cell: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the share of each class in each cell: float, (cells, 6)."""
    counts = np.bincount((cell * 7 + label).ravel(), minlength=shape[0] * shape[1] * 7).reshape(-1, 7)
    return counts[:, list(CLASSES)] / np.maximum(counts.sum(1, keepdims=True), 1)


def _mean(values: np.ndarray, cell: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    count = shape[0] * shape[1]
    return np.bincount(cell.ravel(), values.ravel(), count) / np.maximum(np.bincount(cell.ravel(), minlength=count), 1)


def _unmixed() -> np.ndarray:
    """Return the means of the classes drawn apart: the measured ones were taken over cells that mix classes."""
    mean = means()[1:, 8:]
    forest = mean[1] - 0.2 * (mean[2] - mean[1])
    return forest + _APART[:, np.newaxis] * (mean - mean[1])


@functools.cache
def _root() -> np.ndarray:
    spread = deviations()[FOREST, 8:]
    power, axes = np.linalg.eigh(correlation(FOREST)[8:, 8:] - grown(FOREST)[8:, 8:] / np.outer(spread, spread))
    return (axes * np.sqrt(power.clip(0)))[:, ::-1]


def _deviates(rng: np.random.Generator, shape: tuple[int, int], shade: np.ndarray) -> np.ndarray:
    """Draw correlated deviations, alike in neighbouring cells; slopes show through in the leaf-off bands.

    Returns:
        float, (rows, columns, 18), standard deviation about 1.
    """
    free = rng.standard_normal((*shape, 18))
    free = 0.8 * standardised(gaussian_filter(free, (2, 2, 0))) + 0.35 * free + rng.normal(0, 0.45, 18)
    value = free @ _root().T
    value[..., _WINTER] = 0.75 * value[..., _WINTER] + 0.65 * standardised(shade)[..., np.newaxis]
    return value
