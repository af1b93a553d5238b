"""One square of land seen from above: what covers each square metre, how high it is, and which field it belongs to."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt

from helpers.data.synthetic.noise import octaves, smooth, standardised
from helpers.data.synthetic.recipe import Recipe
from helpers.data.synthetic.settlement import Settlement, settle
from helpers.data.synthetic.terrain import Terrain, draw, terrain

WATER, FOREST, FIELD, BARREN, BUILT, ROAD = range(1, 7)
GROWTH = 0.5


class Parcels(NamedTuple):
    """Fields in strips: the number of the field of each pixel, and coordinates along its furrows."""

    number: np.ndarray
    along: np.ndarray
    across: np.ndarray


class Crowns(NamedTuple):
    """Trees, one every few metres, also where none grows: for each pixel the nearest one.

    Attributes:
        number: int, which tree.
        distance: float32, metres to its trunk.
        centre: int, index of its trunk in the flattened tile.
    """

    number: np.ndarray
    distance: np.ndarray
    centre: np.ndarray


class Landscape(NamedTuple):
    """All that an image is painted from; every array is (size, size), one pixel a square metre.

    Attributes:
        label: uint8, land cover 1 to 6.
        land: float32, height of the ground, standardised.
        height: float32, metres above ground of crowns and roofs.
        building: int32, number of the building, 0 elsewhere.
        growth: float32, mean 0: how far a field looks like forest (below 0, overgrown) or a forest like a field (above
            0, thin), in parts of the way from one to the other; colour alone cannot tell the two apart.
    """

    label: np.ndarray
    land: np.ndarray
    height: np.ndarray
    building: np.ndarray
    growth: np.ndarray
    parcels: Parcels
    crowns: Crowns


def landscape(rng: np.random.Generator, size: int, shares: Recipe) -> Landscape:
    """Draw a square of land with the shares of a recipe.

    Args:
        size: pixels along a side, a multiple of 16.
    """
    lie = terrain(rng, size)
    village = settle(rng, lie.height, shares)
    parcels, crowns = _parcels(rng, size), _crowns(rng, size)
    label = np.full((size, size), FIELD, np.uint8)
    _flood(rng, label, lie, shares.water)
    _strip(rng, label, lie.height, shares.barren)
    label[village.paved | (village.building > 0)] = BUILT
    label[village.road] = ROAD
    label[_forest(rng, label, lie, village, parcels, crowns, shares.forest)] = FOREST
    building = np.where(label == BUILT, village.building, 0)
    height, growth = _height(rng, label, building, crowns), _growth(rng, label, parcels)
    return Landscape(label, lie.height, height, building, growth, parcels, crowns)


def _parcels(rng: np.random.Generator, size: int) -> Parcels:
    """Divide the land into strips and the strips into fields, in two directions that meet somewhere."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    other = smooth(rng, size, size / 10) > 0.3
    angle = rng.uniform(0, np.pi)
    turned = np.where(other, angle + rng.uniform(0.3, 1.2), angle).astype(np.float32)
    bend = 14 * smooth(rng, size, 70)
    along = rows * np.sin(turned) + columns * np.cos(turned)
    across = rows * np.cos(turned) - columns * np.sin(turned) + bend
    edges = np.cumsum(rng.uniform(45, 150, 64)) - 2 * size
    strip = np.searchsorted(edges, across.ravel()).reshape(across.shape)
    lengths, shifts = rng.uniform(70, 260, 65), rng.uniform(0, 260, 65)
    field = np.floor((along + shifts[strip]) / lengths[strip]).astype(int) + 32
    return Parcels((strip * 64 + field) * 2 + other, along, across)


def _crowns(rng: np.random.Generator, size: int) -> Crowns:
    """Scatter trunks on a jittered grid and give each pixel to the nearest."""
    spacing = rng.uniform(4.5, 7)
    steps = int(size / spacing)
    grid = np.indices((steps, steps)).reshape(2, -1).T + rng.uniform(0.05, 0.95, (steps**2, 2))
    grown = grid[rng.random(len(grid)) < 0.75]
    trunks = np.minimum((grown * size / steps).astype(int), size - 1)
    open_land, number = np.ones((size, size), bool), np.zeros(size**2, int)
    open_land[tuple(trunks.T)] = False
    number[trunks @ [size, 1]] = np.arange(len(trunks))
    distance, (rows, columns) = distance_transform_edt(open_land, return_indices=True)
    centre = rows * size + columns
    return Crowns(number[centre], distance.astype(np.float32), centre)


def _flood(rng: np.random.Generator, label: np.ndarray, lie: Terrain, share: float) -> None:
    """Fill the river, the streams and some ponds."""
    size = len(label)
    wanted = share * label.size
    if share > 0.004:
        shore = distance_transform_edt(~draw(size, [lie.river], 1)) * (1 + 0.2 * smooth(rng, size, 12))
        label[shore <= np.quantile(shore, 0.9 * share)] = WATER
        label[draw(size, lie.streams, 2)] = WATER
        return
    pond = octaves(rng, size, widest=120, slope=3) - 0.4 * lie.height
    label[pond >= np.quantile(pond, 1 - wanted / label.size)] = WATER


def _strip(rng: np.random.Generator, label: np.ndarray, land: np.ndarray, share: float) -> None:
    """Lay soil bare: a quarry or a building site, and a few spots."""
    bare = octaves(rng, len(label), widest=160, slope=2.6) + 0.2 * land
    bare[label != FIELD] = -9
    label[bare >= np.quantile(bare, 1 - share)] = BARREN


def _forest(
    rng: np.random.Generator,
    label: np.ndarray,
    lie: Terrain,
    village: Settlement,
    parcels: Parcels,
    crowns: Crowns,
    share: float,
) -> np.ndarray:
    """Choose whole trees by how much the place suits them, so many that they cover the share of the tile."""
    size = len(label)
    suits = octaves(rng, size, widest=size / 2, slope=1.9) + 0.4 * _steepness(lie.height)
    suits += rng.normal(0, 1.0, parcels.number.max() + 1).astype(np.float32)[parcels.number]
    suits += _hedges(rng, parcels)
    suits += 1.2 * np.exp(-distance_transform_edt(~draw(size, [lie.river, *lie.streams], 3)) / 12)
    suits -= 1.5 * np.exp(-distance_transform_edt(village.building == 0) / 25)
    suits += 0.15 * rng.standard_normal((size, size), dtype=np.float32)  # of which only those at trunks are used
    suits = suits.ravel()[crowns.centre] - 0.02 * crowns.distance**2
    suits[label != FIELD] = -99
    return suits >= np.quantile(suits, 1 - share)


def _steepness(land: np.ndarray) -> np.ndarray:
    return standardised(np.hypot(*np.gradient(land)))


def _hedges(rng: np.random.Generator, parcels: Parcels) -> np.ndarray:
    """Favour trees along the borders of some fields."""
    number = parcels.number
    border = (number != np.roll(number, 1, 0)) | (number != np.roll(number, 1, 1))
    near = distance_transform_edt(~border) < 4
    return near * rng.uniform(-1.5, 2, number.max() + 1).astype(np.float32).clip(0)[number]


def _growth(rng: np.random.Generator, label: np.ndarray, parcels: Parcels) -> np.ndarray:
    """Let whole fields be overgrown and whole stands be thin; standard deviation `GROWTH`."""
    patchy = octaves(rng, len(label), widest=200, slope=2.2)
    fields = rng.standard_normal(parcels.number.max() + 1).astype(np.float32)[parcels.number]
    mixed = np.where(label == FIELD, 0.8 * fields + 0.6 * patchy, patchy)
    return GROWTH * np.where((label == FIELD) | (label == FOREST), mixed, 0).astype(np.float32)


def _height(rng: np.random.Generator, label: np.ndarray, building: np.ndarray, crowns: Crowns) -> np.ndarray:
    """Give each tree a dome and each building a flat roof."""
    trees, roofs = rng.uniform(8, 17, crowns.number.max() + 1), rng.uniform(4, 8, building.max() + 1)
    dome = 0.45 + 0.55 * np.sqrt(np.clip(1 - (crowns.distance / 6) ** 2, 0, 1))
    height = np.where(label == FOREST, trees[crowns.number] * dome + 0.5 * smooth(rng, len(label), 0.9), 0)
    return np.where(building > 0, roofs[building], height).astype(np.float32)
