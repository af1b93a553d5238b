"""Tiles for the tests, in the publishers' layout: written quickly, and read a second way, by tifffile."""

import numpy as np
import rasterio
import tifffile
from rasterio.transform import from_origin

from helpers.data.chesapeake.tiles import LAYERS

FOLDER = "pa_1m_2013_extended-debuffered-{}_tiles"
FORMATS = {
    "striped": {"driver": "GTiff", "compress": "lzw", "interleave": "pixel", "blockysize": 1},
    "cog": {"driver": "COG", "compress": "deflate", "blocksize": 128, "overviews": "none"},
}


def make_land(seed, rows=300, columns=280):
    """Make all layers of a place, float32, (29, rows, columns): values as a patch has them, no two pixels alike."""
    rng = np.random.default_rng(seed)
    land = rng.integers(0, 256, (29, rows, columns)).astype(np.float32)
    land[8] = rng.choice([0, 1, 2, 3, 4, 5, 6, 15], (rows, columns))
    land[9] = rng.choice([11, 21, 41, 82], (rows, columns))
    land[10:28] = rng.integers(400, 8000, (18, rows, columns)) / 2
    land[[17, 18, 26, 27]] = 2900 + rng.integers(0, 100, (4, rows, columns)) / 2
    land[28] = rng.integers(0, 2, (rows, columns))
    return land


def write_tile(folder, land, tile="m_3907506_sw_18_1", *, layout="striped", beyond=None, **profile):
    """Write the layers of a place; `beyond` has for a layer how many of the outer pixels of `land` it lacks.

    Those are (above, left, below, right). Returns paths by layer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for layer, (channels, dtype) in LAYERS.items():
        above, left, below, right = (beyond or {}).get(layer, (0, 0, 0, 0))
        bands = land[channels.start : channels.stop, above : land.shape[1] - below, left : land.shape[2] - right]
        place = {"crs": "EPSG:26918", "transform": from_origin(300_000 + left, 4_400_000 - above, 1, 1)}
        size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": dtype}
        files[layer] = str(folder / f"{tile}_{layer}.tif")
        with rasterio.open(files[layer], "w", **FORMATS[layout], **size, **{**place, **profile}) as target:
            target.write(bands.astype(dtype))
    return files


def change(path, **attributes):
    """Give a file another `crs`, `transform` or `nodata`."""
    with rasterio.open(path, "r+") as file:
        for name, value in attributes.items():
            setattr(file, name, value)


def poke(path, value, rows=slice(0, 2), columns=slice(0, 3)):
    """Write a value into some pixels of the first band of a file."""
    with rasterio.open(path, "r+") as file:
        bands = file.read()
        bands[0, rows, columns] = value
        file.write(bands)


def by_formula(files, row, column, size):
    """Cut a patch as DATA.md describes it: layer after layer as float32, laid over each other by their georeference.

    Read by tifffile, and placed by the TIFF tags, so that nothing is shared with what is tested.
    """
    layers, corners = {}, {}
    for layer in LAYERS:
        with tifffile.TiffFile(files[layer]) as file:
            page = file.pages.first
            pixels = page.asarray()
            step, tie = page.tags["ModelPixelScaleTag"].value, page.tags["ModelTiepointTag"].value
            corners[layer] = round(-tie[4] / step[1]), round(tie[3] / step[0])
            is_last = pixels.ndim == 3 and page.planarconfig == 1
        layers[layer] = np.atleast_3d(pixels).transpose(2, 0, 1) if pixels.ndim == 2 or is_last else pixels
    top, left = (max(corner[axis] for corner in corners.values()) for axis in (0, 1))
    cut = []
    for layer, pixels in layers.items():
        down, right = top - corners[layer][0] + row, left - corners[layer][1] + column
        cut.append(pixels[:, down : down + size, right : right + size])
    return np.concatenate(cut).astype(np.float32)
