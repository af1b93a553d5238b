"""The stand-in for the Chesapeake patches: what sensors see of a landscape, and files as the real ones are named.

An aeroplane sees colours, each metre; Landsat and NLCD have blocks of their own grids. Each class has in each year four
principal components of its red, green, blue and near infrared (from the measured standard deviations and correlations).
A component is filled by something that has a reason: the tile, the field or the crown that a pixel belongs to, furrows,
roofs, noise. Light, shadow and the blur of the lens come last.
"""

import functools
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from helpers.data.chesapeake.bands import LABELS, channels, runs, to_float, to_labels
from helpers.data.stand_in import fill, mark
from helpers.data.synthetic.landscape import (
    BARREN,
    BUILT,
    FIELD,
    FOREST,
    GROWTH,
    ROAD,
    WATER,
    Landscape,
    Recipe,
    hillshade,
    landscape,
    octaves,
    recipe,
    shadow,
    smooth,
    standardised,
    sun,
)
from helpers.files import atomic_write

CLASSES = (WATER, FOREST, FIELD, BARREN, BUILT, ROAD)
_CALM = {FOREST: 1.0, FIELD: 0.82}  # part of the measured spread that light, shadow and the lens leave to colour
_LENT = {WATER: FOREST, BARREN: FIELD, ROAD: BUILT}  # correlations of classes too rare to be measured


class Flight(NamedTuple):
    """One aerial survey: when the sun stood where, how deep the shadows are, how far crowns differ in colour."""

    first_band: int
    azimuth: float
    slope: float
    dark: float
    autumn: float


FLIGHTS = (Flight(0, 205, 1.5, 0.5, 0.75), Flight(4, 150, 2.0, 0.5, 0.3))  # 2013/14 in autumn, 2010-12 in summer


@functools.cache
def statistics() -> dict[str, Any]:
    """Return the measured numbers: per class mean and std of 26 bands, correlations, class shares, NLCD mixtures."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("channel_statistics.json").read_text())
    return loaded


def means() -> np.ndarray:
    """Return the mean of each class: float32, (7, 26); row 0 is empty."""
    return _table("mean")


def deviations() -> np.ndarray:
    """Return the standard deviation of each class: float32, (7, 26); row 0 is empty."""
    return _table("std")


def correlation(label: int) -> np.ndarray:
    """Return the correlations of the 26 bands within a class: float, (26, 26)."""
    return np.array(statistics()["correlation"][str(_LENT.get(label, label))])


def grown(label: int) -> np.ndarray:
    """Return the covariance that growth alone gives to the bands of a class: float, (26, 26)."""
    toward_field = (means()[FIELD] - means()[FOREST]) * GROWTH * (label in (FIELD, FOREST))
    return np.outer(toward_field, toward_field)


def aerial(rng: np.random.Generator, scene: Landscape, flight: Flight) -> np.ndarray:
    """Photograph a landscape.

    Returns:
        float32, (4, size, size): red, green, blue, near infrared, whole numbers 0 to 255.
    """
    light = _light(rng, scene, flight)
    parts = _components(rng, scene, flight)
    label = scene.label.astype(np.intp)
    mean, loading = _loadings(flight.first_band)
    toward_field = mean[FIELD] - mean[FOREST]
    gain = rng.normal(1, 0.03, 4).astype(np.float32)
    bands = []
    for band in range(4):
        value = mean[:, band].take(label) + toward_field[band] * scene.growth
        for part, field in enumerate(parts):
            value += loading[:, band, part].take(label) * field
        value = gaussian_filter(value * light * gain[band], 0.55) + 2 * rng.standard_normal(label.shape, np.float32)
        bands.append(np.rint(value.clip(0, 255)))  # in this order: -0.3 would become -0.0
    return np.stack(bands)


def _table(name: str) -> np.ndarray:
    rows = [statistics()[name][str(label)] for label in CLASSES]
    return np.array([[0] * len(rows[0]), *rows], np.float32)


@functools.cache
def _loadings(first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means, (7, 4), and the weight of each principal component in each band, (7, 4 bands, 4 components)."""
    own = slice(first, first + 4)
    loading = np.zeros((7, 4, 4), np.float32)
    for label in CLASSES:
        spread = _CALM.get(label, 0.92) * deviations()[label, own]
        power, axes = np.linalg.eigh(np.outer(spread, spread) * correlation(label)[own, own] - grown(label)[own, own])
        loading[label] = (axes * np.sign(axes.sum(0)) * np.sqrt(power.clip(0)))[:, ::-1]
    return means()[:, own], loading


def _light(rng: np.random.Generator, scene: Landscape, flight: Flight) -> np.ndarray:
    """Return the brightness of each pixel, 1 on the average of each class."""
    toward = sun(rng, flight.azimuth)
    dark = shadow(scene.height, toward, flight.slope, reach=24)
    light = gaussian_filter(np.where(dark, flight.dark, 1).astype(np.float32), 0.7)
    light *= 1 + 0.08 * hillshade(scene.land, toward).clip(-3, 3)
    return light / _average(light, scene.label)[scene.label]


def _average(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the mean of values in each class: float32, (7,)."""
    sums = np.bincount(label.ravel(), values.ravel(), minlength=7)
    return (sums / np.maximum(np.bincount(label.ravel(), minlength=7), 1)).astype(np.float32)


def _components(rng: np.random.Generator, scene: Landscape, flight: Flight) -> list[np.ndarray]:
    """Fill the four components: brightness, hue, and two small ones of noise."""
    label, size = scene.label, len(scene.label)
    noise = _noises(rng, size)
    brightness, hue = np.zeros((2, size, size), np.float32)
    for name, paint in _PAINT.items():
        there = label == name
        if there.any():
            first, second = paint(rng, scene, flight, noise)
            brightness[there], hue[there] = (standardised(part[there]).clip(-3, 2.2) for part in (first, second))
    # Each class is brighter or greener in one tile than in the next: what a single pixel cannot know.
    shift = rng.normal(0, 0.35, (2, 7)).astype(np.float32)
    keep = np.float32(np.sqrt(1 - 0.35**2))
    pair = [keep * field + offset[label] for field, offset in zip((brightness, hue), shift, strict=True)]
    return [*pair, noise.grain, np.roll(noise.fine, size // 2, 0)]


class _Noises(NamedTuple):
    """Fields that all classes share, for no two of them lie on the same pixel; the width grows downward."""

    fine: np.ndarray
    grain: np.ndarray
    rough: np.ndarray
    patchy: np.ndarray
    broad: np.ndarray
    wide: np.ndarray


_Pair = tuple[np.ndarray, np.ndarray]


def _noises(rng: np.random.Generator, size: int) -> _Noises:
    rough, patchy = octaves(rng, size, widest=60, slope=1.3), octaves(rng, size, widest=150)
    return _Noises(
        smooth(rng, size, 0.7), smooth(rng, size, 1.5), rough, patchy, smooth(rng, size, 10), smooth(rng, size, 35)
    )


def _each(rng: np.random.Generator, number: np.ndarray) -> np.ndarray:
    """Give each numbered thing a random value of its own."""
    return rng.standard_normal(int(number.max()) + 1).astype(np.float32)[number]


def _elsewhere(field: np.ndarray) -> np.ndarray:
    """Take a field from the other side of the tile, where it knows nothing of this one."""
    return np.roll(field, len(field) // 3, (0, 1))


def _paint_water(rng: np.random.Generator, scene: Landscape, flight: Flight, noise: _Noises) -> _Pair:
    return noise.wide + 0.4 * noise.grain, noise.broad + 0.4 * _elsewhere(noise.fine)


def _paint_forest(rng: np.random.Generator, scene: Landscape, flight: Flight, noise: _Noises) -> _Pair:
    """Light on the domes, a colour for each crown, and stands of different trees."""
    crowns = scene.crowns
    domes = hillshade(scene.height, sun(rng, flight.azimuth)).clip(-2.5, 2.5) - 0.12 * crowns.distance
    colour = flight.autumn * _each(rng, crowns.number)
    bright = standardised(domes) + 0.8 * colour + 0.35 * noise.patchy
    hue = flight.autumn * _each(rng, crowns.number) + 0.6 * _elsewhere(noise.patchy) + 0.25 * noise.fine
    return gaussian_filter(bright, flight.autumn), gaussian_filter(hue, 0.8)


def _paint_field(rng: np.random.Generator, scene: Landscape, flight: Flight, noise: _Noises) -> _Pair:
    """A crop for each field, furrows along or across it, and worn spots."""
    number = scene.parcels.number
    depth, wide = _each(rng, number).clip(0, 1.5), 3.5 + _each(rng, number).clip(-1, 3)
    way = np.where(_each(rng, number) > 0, scene.parcels.along, scene.parcels.across)
    furrows = depth * np.sin(2 * np.pi * way / wide)
    bright = 0.9 * _each(rng, number).clip(-1.5, 1.5) + 0.3 * furrows + 0.45 * noise.patchy + 0.15 * noise.fine
    hue = 0.7 * _each(rng, number).clip(-1.2, 1.2) + 0.7 * _elsewhere(noise.patchy) + 0.15 * noise.grain
    return bright, hue


def _paint_barren(rng: np.random.Generator, scene: Landscape, flight: Flight, noise: _Noises) -> _Pair:
    return noise.rough, _elsewhere(noise.rough)


def _paint_built(rng: np.random.Generator, scene: Landscape, flight: Flight, noise: _Noises) -> _Pair:
    """A roof for each building; asphalt between."""
    roof = scene.building > 0
    bright = np.where(roof, 1.2 * _each(rng, scene.building), 0.5 * noise.broad) + 0.4 * noise.rough
    return bright, np.where(roof, _each(rng, scene.building), noise.wide) + 0.3 * noise.fine


def _paint_road(rng: np.random.Generator, scene: Landscape, flight: Flight, noise: _Noises) -> _Pair:
    return noise.wide + 0.6 * noise.grain, noise.broad + 0.6 * noise.fine


_PAINT = {
    WATER: _paint_water,
    FOREST: _paint_forest,
    FIELD: _paint_field,
    BARREN: _paint_barren,
    BUILT: _paint_built,
    ROAD: _paint_road,
}


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


# ---- files ----

PATCH = 256
NO_DATA = 15
_TILE = 768
_BYTES = 850_000  # of a patch on the disk
_EDGE = 8  # pixels at the border of a tile that no patch shows
_VALIDATION = 5  # every fifth tile is for validation

Layout = Literal["lila", "ou"]


class _Tile(NamedTuple):
    seed: int
    number: int
    patches: list[Path]


def make_patches(
    folder: Path | str,
    count: int = 200,
    *,
    seed: int = 0,
    per_tile: int = 10,
    layout: Layout = "lila",
    workers: int | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write patches of a made-up watershed; patches that are there already are kept.

    Args:
        folder: where the folders of the layout go; STAND_IN.txt tells there what they are.
        count: number of patches.
        seed: the same seed gives the same bytes, whatever the number of workers, and a patch does not depend on
            `count`; on another kind of processor a value may round the other way.
        per_tile: patches cut at random from one tile; they overlap, as the real ones do.
        layout: "lila" for `pa_1m_2013_extended-{train,val}_patches/` with a csv beside, every fifth tile for
            validation; "ou" for `pa/{train,valid}/F0..F9/`.
        workers: threads; one for each core, 8 at most, if None.
        progress: whether to show a bar.

    Returns:
        The files, tile by tile.

    Raises:
        ValueError: the folder holds patches of another seed or number per tile, or a number is not positive.
        DataError: there is too little room.
    """
    folder = Path(folder)
    if count < 1 or per_tile < 1:
        raise ValueError(f"count and per_tile must be 1 or more; received {count} and {per_tile}.")
    mark(folder, {"made by": "make_patches", "seed": seed, "per_tile": per_tile, "layout": layout})
    tiles = _plan(folder, count, seed, per_tile, layout)
    files = [patch for tile in tiles for patch in tile.patches]
    missing = [tile for tile in tiles if not all(patch.exists() for patch in tile.patches)]
    needed = sum(not patch.exists() for tile in missing for patch in tile.patches) * _BYTES
    fill(folder, needed, _write, missing, workers=workers, unit="tile", progress=progress)
    _index(folder)
    return files


def tile_layers(seed: int, index: int, size: int = _TILE) -> np.ndarray:
    """Draw the 29 layers of a tile.

    Args:
        seed: seed of the watershed.
        index: number of the tile from 0.
        size: rows and columns.

    Returns:
        float32, (29, size, size), in the order of the real patches.
    """
    return _layers(np.random.default_rng([seed, 1, index]), recipe(seed, index), size)


def _layers(rng: np.random.Generator, shares: Recipe, size: int) -> np.ndarray:
    scene = landscape(rng, size, shares)
    layers = np.empty((29, size, size), np.float32)
    for flight in FLIGHTS:
        layers[flight.first_band : flight.first_band + 4] = aerial(rng, scene, flight)
    layers[9] = nlcd(rng, scene.label)
    layers[10:28] = landsat(rng, scene)
    layers[28] = (scene.building > 0) & (rng.random(scene.building.max() + 1) < 0.65)[scene.building]
    layers[8] = _bounded(rng, scene.label)
    return layers


def draw_place(
    index: int, *, size: int = 1024, seed: int = 0, bands: Sequence[str] = ("naip_new",)
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a place that no patch shows, and its land cover, in some seconds.

    Args:
        index: number of the place from 0.
        size: pixels along each side, a multiple of 16.
        seed: of the watershed.
        bands: see `Patches`.

    Returns:
        What `Patches` gives: float32, (size, size, bands), scaled, and int32, (size, size), classes, 0 where there is
        no label.

    Raises:
        ValueError: `size` does not fit, or there is no such band.
    """
    if size < 64 or size % 16:
        raise ValueError(f"size must be a multiple of 16, at least 64; received {size}.")
    chosen = channels(bands)
    layers = _layers(np.random.default_rng([seed, 3, index]), recipe(seed, index), size)
    image, labels = np.empty((size, size, len(chosen)), np.float32), np.empty((size, size), np.int32)
    to_float(layers, runs(chosen), image)
    to_labels(layers[LABELS], labels)
    return image, labels


def _bounded(rng: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """End the map at the border of the state, in one tile of ten: a corner has no label."""
    if rng.random() > 0.1:
        return label
    rows, columns = np.mgrid[: len(label), : len(label)]
    down, right = rng.choice([-1, 1], 2) * rng.uniform(0.4, 1, 2)
    beyond = down * rows + right * columns
    return np.where(beyond > np.quantile(beyond, 0.85), NO_DATA, label)


def _plan(folder: Path, count: int, seed: int, per_tile: int, layout: Layout) -> list[_Tile]:
    """List the tiles and the files that will be cut from each."""
    tiles = []
    for index in range(-(-count // per_tile)):
        names = [f"pa_1m_2013-{tile_name(seed, index)}-{j}.npz" for j in range(min(per_tile, count - index * per_tile))]
        tiles.append(_Tile(seed, index, [folder / _place(index, layout) / name for name in names]))
    return tiles


def tile_name(seed: int, index: int) -> str:
    """Return a quarter quadrangle of Pennsylvania as NAIP names it; no two tiles of a seed share one."""
    places = 2 * 3 * 64 * 4  # degrees north, degrees west, quadrangles in a degree, quarters
    rest, quarter = divmod((index * 613 + seed * 101) % places, 4)  # 613 is prime: the tiles lie far apart
    rest, quadrangle = divmod(rest, 64)
    north, west = 40 + rest % 2, 75 + rest // 2 % 3
    return f"m_{north}{west:03d}{quadrangle + 1:02d}_{('ne', 'nw', 'se', 'sw')[quarter]}_18_{1 + index // places}"


def _place(index: int, layout: Layout) -> Path:
    training = index % _VALIDATION != _VALIDATION - 1
    if layout == "lila":
        return Path(f"pa_1m_2013_extended-{'train' if training else 'val'}_patches")
    return Path("pa", "train" if training else "valid", f"F{index // _VALIDATION % 10}")


def _index(folder: Path) -> None:
    """Write the csv beside each LILA folder: one column, `patch_fn`, as the authors' training program reads it."""
    for place in folder.glob("*_patches"):
        rows = sorted(file.relative_to(folder).as_posix() for file in place.glob("pa_*.npz"))
        path, text = folder / f"{place.name}.csv", "\n".join(["patch_fn", *rows]) + "\n"
        if path.exists() and path.read_text() == text:  # the folder may be read-only
            continue
        with atomic_write(path) as unfinished:
            unfinished.write_text(text)


def _write(tile: _Tile) -> None:
    layers = tile_layers(tile.seed, tile.number)
    rng = np.random.default_rng([tile.seed, 2, tile.number])
    corners = rng.integers(_EDGE, _TILE - PATCH - _EDGE, (max(len(tile.patches), 1), 2))
    for path, (row, column) in zip(tile.patches, corners, strict=True):
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        patch = layers[np.newaxis, :, row : row + PATCH, column : column + PATCH]
        with atomic_write(path) as unfinished:
            _save(unfinished, np.ascontiguousarray(patch))


def _save(path: Path, patch: np.ndarray) -> None:
    """Save a patch as `np.savez_compressed` does, in a quarter of its time, which was half of that of a stand-in."""
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
    with archive, archive.open("arr_0.npy", "w") as file:
        np.lib.format.write_array(file, patch)
