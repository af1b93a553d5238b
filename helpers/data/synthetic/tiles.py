"""The stand-in for the tiles of DFC2019 Track 1: RGB, MSI, AGL and CLS of views of made-up places.

A place is a part of a town, 0.3 m a pixel: streets, lots with a building each, trees, water, an elevated road.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from scipy.ndimage import distance_transform_edt, gaussian_filter

from helpers.data.stand_in import fill, mark
from helpers.data.synthetic.landscape import draw, hillshade, octaves, shadow, smooth, standardised, sun
from helpers.files import atomic_write

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


TILE = 1024
KINDS = ("RGB", "MSI", "AGL", "CLS")
_BYTES = {"RGB": 3, "MSI": 16, "AGL": 4, "CLS": 1}  # of a pixel
_MARGIN = 64  # pixels around a tile, so that views may look aside
_METRE = 1 / 0.3  # pixels
# Reflectance in coastal, blue, green, yellow, red, red edge, NIR1, NIR2; rows as town.MATERIALS.
_REFLECTANCE = np.array(
    [
        [0.22, 0.23, 0.24, 0.25, 0.25, 0.26, 0.27, 0.27],
        [0.13, 0.15, 0.22, 0.21, 0.18, 0.32, 0.52, 0.54],
        [0.17, 0.20, 0.26, 0.31, 0.34, 0.37, 0.41, 0.43],
        [0.16, 0.165, 0.185, 0.175, 0.155, 0.29, 0.48, 0.50],
        [0.31, 0.33, 0.35, 0.36, 0.36, 0.37, 0.38, 0.38],
        [0.11, 0.09, 0.06, 0.06, 0.06, 0.04, 0.03, 0.03],
        [0.30, 0.32, 0.34, 0.36, 0.37, 0.38, 0.39, 0.39],
    ],
    np.float32,
)
_VARIES = np.array([0.16, 0.2, 0.25, 0.25, 0.42, 0.12, 0.15], np.float32)  # between things of one material
_UNEVEN = np.array([0.1, 0.15, 0.18, 0.2, 0.06, 0.08, 0.07], np.float32)  # within a thing
_RED, _GREEN, _BLUE = 4, 2, 1


class _View(NamedTuple):
    """How one picture was taken: where the sun stood, and how far the camera leant to which side."""

    toward_sun: tuple[float, float]
    slope: float
    lean: tuple[float, float]
    tilt: float
    gain: float


def make_tiles(
    folder: Path | str,
    places: int = 8,
    views: int = 3,
    *,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    workers: int | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write `JAX_{place:03d}_{view:03d}_{RGB,MSI,AGL,CLS}.tif`; files that are there already are kept.

    Args:
        folder: where the files go; STAND_IN.txt tells there what they are.
        places: number of places.
        views: pictures of each place: the same buildings under another sun, leaning to another side; heights and
            classes lean with them, as in the contest.
        seed: the same seed gives the same pixels.
        kinds: which files to write; MSI takes two thirds of the disk.
        workers: threads; one for each core, 8 at most, if None.
        progress: whether to show a bar.

    Returns:
        The files, place by place, view by view.

    Raises:
        ValueError: the folder holds tiles of another seed, or a number is not positive.
        DataError: there is too little room.
    """
    folder = Path(folder)
    if places < 1 or views < 1:
        raise ValueError(f"places and views must be 1 or more; received {places} and {views}.")
    mark(folder, {"made by": "make_tiles", "seed": seed})
    numbers = range(1, views + 1)
    plan = {place: [_files(folder, place, view, kinds) for view in numbers] for place in range(1, places + 1)}
    missing = [(place, shots) for place, shots in plan.items() if not all(map(_is_whole, shots))]
    needed = sum(_BYTES[kind] for _, shots in missing for files in shots for kind in files) * TILE**2
    fill(folder, needed, lambda job: _write(seed, *job), missing, workers=workers, unit="place", progress=progress)
    return [file for shots in plan.values() for files in shots for file in files.values()]


def picture(scene: Town, rng: np.random.Generator, kinds: Sequence[str] = KINDS) -> dict[str, np.ndarray]:
    """Take one picture of a place.

    Args:
        scene: a town with a margin of 64 pixels around the tile.
        rng: decides about sun and camera.
        kinds: without MSI, which takes a third of the time, it is left out; the others are what they are with it.

    Returns:
        RGB uint8 (1024, 1024, 3), MSI uint16 (1024, 1024, 8), AGL float32 in metres, CLS uint8.
    """
    view = _view(rng)
    source, seen = _lean(scene, view)
    bright = _brightness(rng, scene, view) * view.gain
    bands = range(8) if "MSI" in kinds else (_RED, _GREEN, _BLUE)
    colour = _colours(scene, bands) * bright[..., np.newaxis]
    facade = (scene.height.ravel()[source] - seen > 1.5)[..., np.newaxis]
    colour = colour.reshape(-1, len(bands))[source] * np.where(facade, np.float32(0.7), np.float32(1))
    code = scene.code.ravel()[source]
    layers = {"RGB": _rgb(rng, colour[..., [bands.index(band) for band in (_RED, _GREEN, _BLUE)]])}
    noise = rng.normal(0, 6, (*code.shape, 1))  # drawn without MSI, too, or heights would be others
    if "MSI" in kinds:
        layers["MSI"] = _msi(noise, colour)
    layers |= {"AGL": _agl(rng, code, seen), "CLS": _cls(rng, code)}
    return {kind: np.ascontiguousarray(layer[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]) for kind, layer in layers.items()}


def _files(folder: Path, place: int, view: int, kinds: Sequence[str]) -> dict[str, Path]:
    return {kind: folder / f"JAX_{place:03d}_{view:03d}_{kind}.tif" for kind in kinds}


def _is_whole(files: Mapping[str, Path]) -> bool:
    return all(file.exists() for file in files.values())


def _write(seed: int, place: int, views: list[dict[str, Path]]) -> None:
    scene = town(np.random.default_rng([seed, 3, place]), TILE + 2 * _MARGIN)
    for number, files in enumerate(views):
        if _is_whole(files):
            continue
        layers = picture(scene, np.random.default_rng([seed, 4, place, number]), [*files])
        for kind, file in files.items():
            with atomic_write(file) as unfinished:
                # Without further options, as the contest did: the eight bands of MSI make a page of every row.
                tifffile.imwrite(unfinished, layers[kind], photometric="rgb" if kind == "RGB" else None)


def _view(rng: np.random.Generator) -> _View:
    turn = rng.uniform(0, 2 * np.pi)
    low = np.tan(np.deg2rad(rng.uniform(35, 65)))
    lean = float(np.cos(turn)), float(np.sin(turn))
    return _View(sun(rng, 150, 25), low / _METRE, lean, rng.uniform(0.05, 0.4), rng.uniform(0.85, 1.2))


def _lean(scene: Town, view: _View) -> tuple[np.ndarray, np.ndarray]:
    """See the place aslant: what is high moves aside and hides what lies behind it.

    Returns:
        For each pixel the flat index of the column of the town that it shows, and the height at which it is hit.
    """
    index = np.arange(scene.height.size).reshape(scene.height.shape)
    source, seen = index.copy(), scene.height.clip(0, 0.5 / (view.tilt * _METRE))
    for distance in range(1, _MARGIN):
        offset = [round(distance * part) for part in view.lean]
        height = distance / (view.tilt * _METRE)
        moved = np.roll(scene.height, offset, (0, 1))
        hit = moved >= height
        if not hit.any():
            break
        source[hit] = np.roll(index, offset, (0, 1))[hit]
        seen[hit] = np.minimum(moved, height + 0.5 / (view.tilt * _METRE))[hit]
    return source, seen


def _brightness(rng: np.random.Generator, scene: Town, view: _View) -> np.ndarray:
    dark = shadow(scene.height, view.toward_sun, view.slope, reach=110, step=3)
    light = gaussian_filter(np.where(dark, np.float32(0.42), np.float32(1)), 0.8)
    slopes = hillshade(gaussian_filter(scene.height, 0.8), view.toward_sun).clip(-1.5, 1.5)
    return light * (1 + 0.1 * slopes) * (1 + _UNEVEN[scene.material] * scene.grain)


def _colours(scene: Town, bands: Sequence[int]) -> np.ndarray:
    """Return reflectances: float32, (size, size, bands); each thing is lighter or darker, redder or bluer."""
    # The number of things is the seed: a thing keeps its colour from view to view.
    count = int(scene.thing.max()) + 1
    lighter, redder = np.random.default_rng(count).standard_normal((2, count), np.float32)[:, scene.thing].clip(-2, 2)
    tint, reflectance = np.linspace(-0.06, 0.06, 8, dtype=np.float32)[[*bands]], _REFLECTANCE[:, [*bands]]
    return reflectance[scene.material] * (
        np.exp(_VARIES[scene.material] * lighter)[..., np.newaxis] + tint * redder[..., np.newaxis]
    )


def _rgb(rng: np.random.Generator, colour: np.ndarray) -> np.ndarray:
    noise = 3 * rng.standard_normal((*colour.shape[:2], 3), np.float32)
    value = 21 + 420 * colour + noise
    return np.rint(value).clip(0, 255).astype(np.uint8)


def _msi(noise: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Blur and count light as the coarser multispectral camera does: 11 bits."""
    value = gaussian_filter(colour, (2, 2, 0)) * 1500 + 60
    return np.rint(value + noise).clip(1, 2047).astype(np.uint16)


def _agl(rng: np.random.Generator, code: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Measure heights with a little error, and not at all in some holes, most of them on water."""
    height = (seen + rng.normal(0, 0.12, seen.shape)).astype(np.float32)
    hole = octaves(rng, len(code), widest=80, slope=1.4) + 0.9 * (code == WATER) + 0.3 * (code == BUILDING)
    return np.where(hole > 2.1, np.float32(np.nan), height)


def _cls(rng: np.random.Generator, code: np.ndarray) -> np.ndarray:
    return np.where(octaves(rng, len(code), widest=60, slope=1.6) > 2.3, UNLABELED, code).astype(np.uint8)
