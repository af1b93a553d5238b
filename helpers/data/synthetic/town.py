"""A made-up part of a town, 0.3 m a pixel: streets, lots with a building each, trees, water, an elevated road."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt

from helpers.data.synthetic.noise import octaves, smooth, standardised
from helpers.data.synthetic.terrain import draw

GROUND, TREES, BUILDING, WATER, BRIDGE, UNLABELED = 2, 5, 6, 9, 17, 65  # LAS codes, as DFC2019 uses them
MATERIALS = ASPHALT, LAWN, SOIL, CROWN, ROOF, POOL, CONCRETE = range(7)


class Town(NamedTuple):
    """A place; every array is (size, size).

    Attributes:
        code: uint8, LAS class.
        height: float32, metres above ground.
        material: uint8, one of `MATERIALS`.
        thing: int, a number for each lot or crown.
        grain: float32, unevenness of the surface, standardised.
    """

    code: np.ndarray
    height: np.ndarray
    material: np.ndarray
    thing: np.ndarray
    grain: np.ndarray


class _Lots(NamedTuple):
    number: np.ndarray
    street: np.ndarray
    inside: np.ndarray  # pixels from the border of the lot, where a building may stand
    along: np.ndarray  # -1 to 1 across the lot


def town(rng: np.random.Generator, size: int) -> Town:
    """Build a part of a town."""
    lots = _lots(rng, size)
    grain = standardised(octaves(rng, size, widest=60, slope=1.2) + 0.5 * smooth(rng, size, 0.8))
    material = np.where(lots.street, ASPHALT, _gardens(rng, size, lots.number)).astype(np.uint8)
    scene = Town(
        np.full((size, size), GROUND, np.uint8), np.zeros((size, size), np.float32), material, lots.number, grain
    )
    _build(rng, scene, lots)
    _flood(rng, scene)
    scene = _plant(rng, scene)
    _bridge(rng, scene)
    return scene


def _lots(rng: np.random.Generator, size: int) -> _Lots:
    """Lay streets in a turned and slightly bent grid, and divide the blocks into lots."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    bend = 25 * smooth(rng, size, 150)
    u = rows * np.sin(angle) + columns * np.cos(angle) + bend + 4096
    v = rows * np.cos(angle) - columns * np.sin(angle) + bend + 4096
    block, width, deep = rng.uniform(260, 420), rng.uniform(28, 42), rng.uniform(190, 280)
    count = int(rng.integers(3, 7))
    street = (u % block < width) | (v % deep < width)
    side, end = (v % deep - width) / (deep - width), (u % block - width) / (block - width)
    rank, half = np.floor(end * count).clip(0, count - 1), np.floor(side * 2).clip(0, 1)
    number = ((u // block).astype(int) * 64 + (v // deep).astype(int)) * 16 + (rank * 2 + half).astype(int)
    across, along = (end * count - rank) * 2 - 1, (side * 2 - half) * 2 - 1
    room = np.minimum((1 - abs(across)) * (block - width) / count, (1 - abs(along)) * (deep - width) / 2) / 2
    return _Lots(np.unique(number, return_inverse=True)[1].reshape(number.shape), street, room, along)


def _gardens(rng: np.random.Generator, size: int, number: np.ndarray) -> np.ndarray:
    """Give each lot lawn or a paved yard, and patches of soil."""
    paved = rng.random(number.max() + 1)[number] < 0.35
    bare = octaves(rng, size, widest=120) > 1.3
    return np.where(bare, SOIL, np.where(paved, CONCRETE, LAWN))


def _build(rng: np.random.Generator, scene: Town, lots: _Lots) -> None:
    """Put a house, or in the middle of town a tower, on most lots; a roof is flat or has a ridge."""
    count = lots.number.max() + 1
    centre = rng.uniform(0.2, 0.8, 2) * len(lots.number)
    rows, columns = np.mgrid[: len(lots.number), : len(lots.number)]
    far = np.hypot(rows - centre[0], columns - centre[1]) / len(lots.number)
    near = np.bincount(lots.number.ravel(), far.ravel(), count) / np.bincount(lots.number.ravel(), minlength=count)
    tall = rng.uniform(3, 7, count) + rng.exponential(22, count) * np.exp(-((near / 0.25) ** 2)) * (rng.random() < 0.6)
    margin = np.where(rng.random(count) < 0.15, 999, rng.uniform(8, 24, count))
    ridge = np.where(tall < 9, rng.uniform(0, 3, count), 0)[lots.number] * (1 - abs(lots.along))
    stands = (lots.inside > margin[lots.number]) & ~lots.street
    scene.code[stands], scene.material[stands] = BUILDING, ROOF
    scene.height[stands] = (tall[lots.number] + ridge)[stands]


def _flood(rng: np.random.Generator, scene: Town) -> None:
    """Let water take a part of some places; a building it touches was never built."""
    share = max(0.0, rng.uniform(-0.2, 0.25))
    low = smooth(rng, len(scene.code), 110)
    wet = low < np.quantile(low, share)
    touched = np.unique(scene.thing[wet])
    gone = (scene.code == BUILDING) & np.isin(scene.thing, touched)
    scene.code[gone], scene.material[gone], scene.height[gone] = GROUND, LAWN, 0
    scene.code[wet], scene.material[wet], scene.height[wet] = WATER, POOL, 0


def _plant(rng: np.random.Generator, scene: Town) -> Town:
    """Plant trees where nothing stands, in gardens rather than on streets."""
    size = len(scene.code)
    steps = size // 18
    spots = np.indices((steps, steps)).reshape(2, -1).T + rng.uniform(0, 1, (steps**2, 2))
    trunks = np.minimum((spots * size / steps).astype(int), size - 1)
    bare = np.ones((size, size), bool)
    bare[tuple(trunks.T)] = False
    distance, (rows, columns) = distance_transform_edt(bare, return_indices=True)
    trunk = rows * size + columns
    likes = octaves(rng, size, widest=300) + np.where(scene.material == LAWN, 0.7, -0.6)
    radius = rng.uniform(6, 19, size**2)[trunk] * (likes.ravel()[trunk] > rng.uniform(0, 0.9))
    crown = (distance + 1.5 * scene.grain < radius) & (scene.code == GROUND)
    dome = rng.uniform(3, 14, size**2)[trunk] * np.sqrt(np.clip(1 - (distance / np.maximum(radius, 1)) ** 2, 0.1, 1))
    scene.code[crown], scene.material[crown] = TREES, CROWN
    scene.height[crown] = (dome + 0.6 * scene.grain)[crown].clip(0.5)
    return scene._replace(thing=np.where(crown, scene.thing.max() + 1 + trunk % 4001, scene.thing))


def _bridge(rng: np.random.Generator, scene: Town) -> None:
    """Lead an elevated road across some places."""
    if rng.random() > 0.45:
        return
    size = len(scene.code)
    ends = np.array([[-40, rng.uniform(0, size)], rng.uniform(0.2, 0.8, 2) * size, [size + 40, rng.uniform(0, size)]])
    t = np.linspace(0, 1, 60)[:, np.newaxis]
    line = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
    deck = draw(size, [line[:, ::-1] if rng.random() < 0.5 else line], rng.uniform(36, 60))
    scene.code[deck], scene.material[deck] = BRIDGE, CONCRETE
    scene.height[deck] = rng.uniform(6, 9)
    scene.thing[deck] = scene.thing.max() + 1
