"""Writes the stand-in for the Chesapeake patches: npz files under the names and in the folders of the real ones."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from helpers.data.making import fill
from helpers.data.stand_in import mark
from helpers.data.synthetic.landscape import landscape, recipe
from helpers.data.synthetic.spectra import FLIGHTS, aerial, landsat, nlcd
from helpers.files import atomic_write

PATCH = 256
NO_DATA = 15
_TILE = 768
_BYTES = 750_000  # of a patch on the disk
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
    rng = np.random.default_rng([seed, 1, index])
    scene = landscape(rng, size, recipe(seed, index))
    layers = np.empty((29, size, size), np.float32)
    for flight in FLIGHTS:
        layers[flight.first_band : flight.first_band + 4] = aerial(rng, scene, flight)
    layers[9] = nlcd(rng, scene.label)
    layers[10:28] = landsat(rng, scene)
    layers[28] = (scene.building > 0) & (rng.random(scene.building.max() + 1) < 0.65)[scene.building]
    layers[8] = _bounded(rng, scene.label)
    return layers


def draw_place(index: int, *, size: int = 1024, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw the aerial picture of a place that no patch shows, and its land cover, in a second or so.

    Args:
        index: number of the place from 0.
        size: pixels along each side, a multiple of 16.
        seed: of the watershed.

    Returns:
        float32, (size, size, 4), red, green, blue and near infrared from 0 to 1, and int32, (size, size), classes.

    Raises:
        ValueError: `size` does not fit.
    """
    if size < 64 or size % 16:
        raise ValueError(f"size must be a multiple of 16, at least 64; received {size}.")
    rng = np.random.default_rng([seed, 3, index])
    scene = landscape(rng, size, recipe(seed, index))
    bands = aerial(rng, scene, FLIGHTS[0])
    return np.moveaxis(bands, 0, -1) / np.float32(255), scene.label.astype(np.int32)


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
        names = [f"pa_1m_2013-{_name(seed, index)}-{j}.npz" for j in range(min(per_tile, count - index * per_tile))]
        tiles.append(_Tile(seed, index, [folder / _place(index, layout) / name for name in names]))
    return tiles


def _name(seed: int, index: int) -> str:
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
            np.savez_compressed(unfinished, arr_0=np.ascontiguousarray(patch))
