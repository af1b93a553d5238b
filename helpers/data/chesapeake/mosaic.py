"""Places to make a map of, of any size: tiles side by side, or a GeoTIFF of one's own. Used by `course map`.

Both have a shape, a coordinate system and a transform; `read` gives a block of raw values of the channels asked for.
"""

from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from helpers.data import DataError, NoDataError
from helpers.data.chesapeake.bands import CHANNELS, LABELS
from helpers.data.chesapeake.tiles import SLACK, Tile, find_tiles
from helpers.data.streaming import FileError
from helpers.errors import nearest

if TYPE_CHECKING:
    from rasterio import Affine
    from rasterio.crs import CRS

Bounds = tuple[float, float, float, float]  # west, south, east, north, in degrees


class Block(NamedTuple):
    """Raw values, float32, (channels, rows, columns), 0 where there are no data; and where there are: bool."""

    pixels: np.ndarray
    has_data: np.ndarray


class Place(Protocol):
    """What a map can be made of."""

    @property
    def name(self) -> str:
        """Return the name of the place."""

    @property
    def files(self) -> list[str]:
        """Return what it is read from."""

    @property
    def has_labels(self) -> bool:
        """Return whether its true classes are known."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""

    @property
    def crs(self) -> "CRS":
        """Return the coordinate system, in metres or feet."""

    @property
    def transform(self) -> "Affine":
        """Return what makes coordinates of columns and rows."""

    def read(self, row: int, column: int, rows: int, columns: int, channels: Sequence[int]) -> Block:
        """Read some channels of a rectangle, which lies inside."""


class Mosaic:
    """Tiles as one raster; where they overlap, the first that has data is taken.

    The pixels are those of the first tile. One that lies between them is moved by half a pixel at most.

    Args:
        tiles: one or more.
        bounds: only this part, in degrees. Default: all that the tiles show.

    Raises:
        DataError: no tile shows anything of `bounds`, or tiles have other coordinates or pixels than the first.
    """

    has_labels = True

    def __init__(self, tiles: Sequence[Tile], bounds: Bounds | None = None) -> None:
        from rasterio import Affine

        self.tiles = [tile for tile in tiles if bounds is None or _meet(tile_bounds(tile), bounds)]
        if bounds and not self.tiles:
            raise DataError(f"no tile shows anything of {degrees(bounds)}. {_covered(tiles)}")
        first = self.tiles[0]
        step, down = first.transform.a, first.transform.e
        corners = [_corner(tile, first) for tile in self.tiles]
        ends = [
            (row + tile.shape[0], column + tile.shape[1])
            for tile, (row, column) in zip(self.tiles, corners, strict=True)
        ]
        top, left = (min(corner[axis] for corner in corners) for axis in (0, 1))
        bottom, right = (max(end[axis] for end in ends) for axis in (0, 1))
        if bounds:
            from rasterio.warp import transform_bounds

            west, south, east, north = transform_bounds("EPSG:4326", first.crs, *bounds)
            x, y = first.transform.c, first.transform.f
            top, bottom = max(top, floor((north - y) / down)), min(bottom, ceil((south - y) / down))
            left, right = max(left, floor((west - x) / step)), min(right, ceil((east - x) / step))
        self.crs: CRS = first.crs
        self.shape = bottom - top, right - left
        self.transform = first.transform @ Affine.translation(left, top)
        self._corners = [(row - top, column - left) for row, column in corners]
        if min(self.shape) < 1:
            raise DataError(
                f"{degrees(bounds or (0, 0, 0, 0))} holds not one pixel of {first.name}: take a larger place."
            )

    @property
    def name(self) -> str:
        """Return the names of the tiles."""
        return ", ".join(tile.name for tile in self.tiles)

    @property
    def files(self) -> list[str]:
        """Return all layers of all tiles."""
        return [path for tile in self.tiles for path in tile.files.values()]

    def read(self, row: int, column: int, rows: int, columns: int, channels: Sequence[int]) -> Block:
        """Read some channels of a rectangle, which lies inside; between tiles there are no data.

        Raises:
            FileError: see `Tile.read`.
        """
        block = Block(np.zeros((len(channels), rows, columns), np.float32), np.zeros((rows, columns), bool))
        for tile, (down, right) in zip(self.tiles, self._corners, strict=True):
            top, left = max(row, down), max(column, right)
            bottom, end = min(row + rows, down + tile.shape[0]), min(column + columns, right + tile.shape[1])
            if top >= bottom or left >= end:
                continue
            pixels, has_data = tile.read_block(top - down, left - right, bottom - top, end - left, channels)
            here = slice(top - row, bottom - row), slice(left - column, end - column)
            new = has_data & ~block.has_data[here]
            np.copyto(block.pixels[:, *here], pixels, where=new)
            block.has_data[here] |= new
        return block


class Picture:
    """A GeoTIFF of one's own whose bands are the channels that a network was trained on, raw and in their order.

    Args:
        path: of the file.
        channels: numbers of the channels.

    Raises:
        FileError: it is no GeoTIFF, has no place on earth, degrees in place of metres, is turned, or has other bands.
    """

    has_labels = False

    def __init__(self, path: str | Path, channels: Sequence[int]) -> None:
        import rasterio
        from rasterio.errors import RasterioIOError

        self.path, self.channels = str(path), list(channels)
        self.name, self.files = Path(path).stem, [self.path]
        try:
            with rasterio.open(self.path) as file:
                self.shape, self.crs, self.transform, count = file.shape, file.crs, file.transform, file.count
        except RasterioIOError as error:
            raise FileError(self.path, f"cannot be opened as a raster ({error}).") from error
        if count != len(self.channels):
            names = [CHANNELS[channel] for channel in self.channels]
            told = ", ".join(names if len(names) <= 4 else [*names[:3], "…", names[-1]])
            raise FileError(
                self.path,
                f"has {count} band{'s' * (count != 1)}, and the network was trained on {len(names)}: {told}. Give it "
                "these, raw, in the order of the run's bands.",
            )
        if self.crs is None or self.transform.is_identity:
            raise FileError(self.path, "has no georeference, so a map of it would lie nowhere. Give one that has.")
        if not self.crs.is_projected or self.transform.b or self.transform.d:
            kind = "is turned" if self.crs.is_projected else f"is in degrees ({self.crs.to_string()})"
            raise FileError(
                self.path,
                f"{kind}; areas want metres, and rows that run from west to east: warp it, for example by "
                "`rio warp IN.tif OUT.tif --dst-crs EPSG:26918 --res 1`.",
            )
        self._check_scale()

    def read(self, row: int, column: int, rows: int, columns: int, channels: Sequence[int]) -> Block:
        """Read some channels of a rectangle, which lies inside.

        Raises:
            FileError: the file is cut short or damaged.
        """
        import rasterio
        from rasterio.errors import RasterioIOError
        from rasterio.windows import Window

        bands = [self.channels.index(channel) + 1 for channel in channels]
        window = Window(column, row, columns, rows)
        try:
            with rasterio.open(self.path) as file:
                pixels = file.read(bands, window=window, out_dtype="float32")
                tag = file.nodata
        except RasterioIOError as error:
            raise FileError(self.path, f"cannot be read: it is cut short or damaged ({error}).") from error
        has_data = np.isfinite(pixels).all(0)
        if tag is not None:
            is_marked = pixels == np.float32(tag)
            has_data &= ~(is_marked.any(0) if tag else is_marked.all(0))  # 0 in one band is a dark pixel
        pixels[:, ~has_data] = 0
        return Block(pixels, has_data)

    def _check_scale(self) -> None:
        """Check by a few pixels that bytes of a camera were not divided by 255 already."""
        cameras = [channel for channel in self.channels if channel < LABELS]
        if not cameras:
            return
        rows, columns = (min(size, 256) for size in self.shape)
        middle = (self.shape[0] - rows) // 2, (self.shape[1] - columns) // 2
        pixels, has_data = self.read(*middle, rows, columns, cameras)
        if has_data.any() and 0 < pixels.max() <= 1:
            raise FileError(
                self.path,
                "has values of 0 to 1 where a camera's go from 0 to 255: give raw values, scaling is done here.",
            )


def find_tile(name: str, folders: Sequence[Path]) -> Tile:
    """Find a tile in the publishers' layout by its name, anywhere below some folders.

    Raises:
        NoDataError: there is none; the message names the nearest.
        DataError: it lacks a layer.
    """
    tiles = all_tiles(folders)
    by_name = {tile.name: tile for tile in reversed(tiles)}  # the first folder is the best
    if name not in by_name:
        some = ", ".join(sorted(by_name)[:8]) + ", …" * (len(by_name) > 8)
        near = nearest(name, by_name)
        raise NoDataError(f"there is no tile {name} in {_listed(folders)}.{near} {len(by_name)} are there: {some}.")
    return by_name[name]


def all_tiles(folders: Sequence[Path]) -> list[Tile]:
    """Find the tiles in the publishers' layout below some folders, each once, the folders in their order.

    Raises:
        NoDataError: there are none.
        DataError: one lacks a layer.
    """
    found: dict[str, Tile] = {}
    for folder in folders:
        try:
            tiles = find_tiles(folder)
        except NoDataError:
            continue
        for tile in tiles:
            found.setdefault(tile.name, tile)
    if not found:
        raise NoDataError(
            f"there are no tiles in {_listed(folders)}. A tile is seven layers, such as "
            "pa_1m_2013_extended-debuffered-test_tiles/m_3907506_sw_18_1_lc.tif: name their folder (--data DIR)."
        )
    return list(found.values())


def tile_bounds(tile: Tile) -> Bounds:
    """Return what a tile shows: west, south, east, north, in degrees."""
    return bounds_of(tile.crs, tile.transform, tile.shape)


def bounds_of(crs: "CRS", transform: "Affine", shape: tuple[int, int]) -> Bounds:
    """Return what a raster shows: west, south, east, north, in degrees."""
    from rasterio.transform import array_bounds
    from rasterio.warp import transform_bounds

    return transform_bounds(crs, "EPSG:4326", *array_bounds(*shape, transform))


def degrees(bounds: Bounds) -> str:
    """Write bounds for people.

    >>> degrees((-77.01, 39.5, -76.9, 39.6))
    'W -77.01000 S 39.50000 E -76.90000 N 39.60000'
    """
    return " ".join(f"{side} {value:.5f}" for side, value in zip("WSEN", bounds, strict=True))


def _meet(one: Bounds, other: Bounds) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _covered(tiles: Sequence[Tile]) -> str:
    """Return what some tiles cover together, in a sentence."""
    west, south, east, north = zip(*map(tile_bounds, tiles), strict=True)
    return f"The {len(tiles)} tiles that are here lie in {degrees((min(west), min(south), max(east), max(north)))}."


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def _corner(tile: Tile, first: Tile) -> tuple[int, int]:
    """Return row and column of another tile where a tile's first pixel lies, to the nearest pixel."""
    if tile.crs != first.crs:
        raise DataError(
            f"{tile.name} is in {tile.crs.to_string()}, and {first.name} in {first.crs.to_string()}: a map has one. "
            "Make one of each."
        )
    own, its = ((each.transform.a, each.transform.e) for each in (tile, first))
    if any(abs(a - b) * max(tile.shape) > SLACK * abs(b) for a, b in zip(own, its, strict=True)):
        raise DataError(
            f"{tile.name} has pixels of {own[0]:g} units, and {first.name} of {its[0]:g}. Make a map of each."
        )
    column = (tile.transform.c - first.transform.c) / its[0]
    row = (tile.transform.f - first.transform.f) / its[1]
    return round(row), round(column)
