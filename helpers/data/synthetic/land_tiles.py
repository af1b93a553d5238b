"""The stand-in for tiles of land cover: made-up land in seven GeoTIFF layers, in exactly the publishers' layout."""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from helpers.data.chesapeake.tiles import LAYERS
from helpers.data.stand_in import fill, mark
from helpers.data.synthetic.patches import tile_layers, tile_name
from helpers.files import atomic_write

COUNT = 5  # tiles of a stand-in: three to learn from
STATES = ("de", "md", "ny", "pa", "va", "wv")
SPLITS = ("train", "val", "test")
Files = Literal["striped", "cog"]
_YEARS = {"va": 2014, "wv": 2014}
_BEYOND = {  # pixels that a layer reaches beyond the land that all show: above, left, below, right
    "naip-new": (0, 0, 0, 0),
    "naip-old": (2, 0, 0, 3),
    "lc": (0, 1, 1, 0),
    "nlcd": (3, 3, 2, 2),
    "landsat-leaf-on": (1, 0, 4, 0),
    "landsat-leaf-off": (0, 4, 0, 1),
    "buildings": (0, 1, 1, 0),
}
_MARGIN = 8  # pixels drawn around it; land is drawn in squares of a multiple of 16
_FORMATS: dict[str, dict[str, Any]] = {
    "striped": {"driver": "GTiff", "compress": "lzw", "interleave": "pixel", "blockysize": 1},
    "cog": {"driver": "COG", "compress": "deflate", "blocksize": 256, "overviews": "none"},
}


def make_land_tiles(
    folder: Path | str, count: int, *, size: int = 768, seed: int = 0, progress: bool = True
) -> list[Path]:
    """Write `count` tiles of Pennsylvania: one for validation, one for testing, the others to learn from.

    Args:
        folder, size, seed, progress: see `write_tiles`.
        count: 3 or more.

    Raises:
        ValueError: fewer than three, or as `write_tiles` does.
        DataError: there is too little room.
    """
    if count < 3:
        raise ValueError(
            f"count must be 3 or more tiles: one validates, one tests, the others train; received {count}."
        )
    counts = {"train": count - 2, "val": 1, "test": 1}
    options: dict[str, Any] = {"size": size, "seed": seed, "progress": progress}
    written = [write_tiles(folder, split=split, tiles=tiles, **options) for split, tiles in counts.items()]
    return [path for paths in written for path in paths]


def write_tiles(
    folder: Path | str,
    *,
    state: str = "pa",
    split: str = "train",
    tiles: int = 1,
    size: int = 512,
    layout: Files = "striped",
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write tiles, `{st}_1m_{year}_extended-debuffered-{split}_tiles/{tile}_{layer}.tif`; those there are kept.

    Layers reach some pixels further than others, as the publishers' do; what all show is size x size.

    Args:
        folder: where the folder of the layout goes; STAND_IN.txt tells there what it is.
        state: "de", "md", "ny", "pa", "va" or "wv".
        split: "train", "val" or "test".
        tiles: how many; no two of a seed show the same place.
        size: rows and columns, a multiple of 16; 1 m each, where the publishers have about 6,000 x 7,500.
        layout: of the files: "striped", rows packed by LZW, or "cog", squares of 256 pixels packed by deflate.
        seed: the same seed gives the same pixels.
        workers: threads; one for each core, 8 at most, if None.
        progress: whether to show a bar.

    Returns:
        The files, tile by tile, in the order of `LAYERS`.

    Raises:
        ValueError: the folder holds another stand-in, or an option makes no sense.
        DataError: there is too little room.
    """
    if state not in STATES or split not in SPLITS or layout not in get_args(Files) or tiles < 1:
        raise ValueError(
            f"state must be one of {', '.join(STATES)}, split one of {', '.join(SPLITS)}, layout one of "
            f"{', '.join(get_args(Files))} and tiles 1 or more; received {state!r}, {split!r}, {layout!r}, {tiles}."
        )
    if size < 64 or size % 16:
        raise ValueError(f"size must be a multiple of 16, at least 64; received {size}.")
    folder = Path(folder)
    mark(folder, {"made by": "write_tiles", "seed": seed, "size": size, "layout": layout})
    place = folder / f"{state}_1m_{_YEARS.get(state, 2013)}_extended-debuffered-{split}_tiles"
    numbers = [
        (number * len(SPLITS) + SPLITS.index(split)) * len(STATES) + STATES.index(state) for number in range(tiles)
    ]
    files = {
        number: {layer: place / f"{tile_name(seed, number)}_{layer}.tif" for layer in LAYERS} for number in numbers
    }
    missing = [number for number, layers in files.items() if not all(path.exists() for path in layers.values())]
    needed = len(missing) * 30 * size**2  # mostly bytes of NAIP; Landsat packs well
    place.mkdir(parents=True, exist_ok=True)
    fill(
        folder,
        needed,
        lambda number: _write(seed, number, size, layout, files[number]),
        missing,
        workers=workers,
        unit="tile",
        progress=progress,
    )
    return [path for layers in files.values() for path in layers.values()]


def _write(seed: int, number: int, size: int, layout: Files, files: dict[str, Path]) -> None:
    import rasterio  # here, as whoever makes other stand-ins needs no GDAL
    from rasterio.transform import from_origin

    pixels = tile_layers(seed, number, size + 2 * _MARGIN)
    west, north = 300_000 + number * 10_000, 4_400_000
    for layer, (channels, dtype) in LAYERS.items():
        above, left, below, right = _BEYOND[layer]
        rows, columns = (
            slice(_MARGIN - first, _MARGIN + size + last) for first, last in ((above, below), (left, right))
        )
        bands = pixels[channels.start : channels.stop, rows, columns].astype(dtype)
        if files[layer].exists():
            continue
        with atomic_write(files[layer]) as unfinished:
            profile = {
                "count": len(bands),
                "height": bands.shape[1],
                "width": bands.shape[2],
                "dtype": dtype,
                "crs": "EPSG:26918",
                "transform": from_origin(west - left, north + above, 1, 1),
                **_FORMATS[layout],
            }
            with rasterio.open(unfinished, "w", **profile) as target:
                target.write(np.ascontiguousarray(bands))
