"""Places to make a map of, of any size: tiles side by side, or a GeoTIFF of one's own. Used by `course map`.

Both have a shape, a coordinate system and a transform; `read` gives a block of raw values of the channels asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from helpers.data import DataError, NoDataError
from helpers.data.base import scan
from helpers.data.chesapeake.bands import CHANNELS, LABELS, InvalidSampleError, check_labels
from helpers.data.chesapeake.tiles import LAYERS, NAME, SLACK, Tile, tile_at, tile_places
from helpers.data.map_files import Raster
from helpers.data.streaming import FileError
from helpers.errors import nearest

if TYPE_CHECKING:
    from rasterio import Affine
    from rasterio.crs import CRS

Bounds = tuple[float, float, float, float]  # west, south, east, north, in degrees
OPAQUE = 0.5  # of the pixels that a mask shows at all
STRETCHED = 0.02  # of its area that a pixel may seem larger or smaller than it is; UTM's are wrong by 0.002 at most
_WARP = "warp it, for example by `rio warp IN.tif OUT.tif --dst-crs EPSG:26918 --res 1`."


class Block(NamedTuple):
    """Raw values, float32, (channels, rows, columns), 0 where there are no data; and where there are: bool."""

    pixels: np.ndarray
    has_data: np.ndarray


class Place(Raster, Protocol):
    """A raster of channels that a map can be made of."""

    @property
    def name(self) -> str:
        """Return the name of the place."""

    @property
    def files(self) -> list[str]:
        """Return what it is read from."""

    @property
    def has_labels(self) -> bool:
        """Return whether its true classes are known."""

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
            raise DataError(_nothing_of(bounds, map(tile_bounds, tiles)))
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
        _check_area(first.files["lc"], self)

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
            FileError: see `Tile.read`; or a label is none.
        """
        block = Block(np.zeros((len(channels), rows, columns), np.float32), np.zeros((rows, columns), bool))
        for tile, (down, right) in zip(self.tiles, self._corners, strict=True):
            top, left = max(row, down), max(column, right)
            bottom, end = min(row + rows, down + tile.shape[0]), min(column + columns, right + tile.shape[1])
            if top >= bottom or left >= end:
                continue
            pixels, has_data = tile.read_block(top - down, left - right, bottom - top, end - left, channels)
            if LABELS in channels:
                try:
                    check_labels(pixels[list(channels).index(LABELS)])
                except InvalidSampleError as error:
                    raise FileError(tile.files["lc"], str(error)) from error
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
        FileError: it is no GeoTIFF, has no place on earth, degrees in place of metres, pixels of another size than they
            seem to have, is turned, or has other bands.
    """

    has_labels = False

    def __init__(self, path: str | Path, channels: Sequence[int]) -> None:
        import rasterio
        from rasterio.enums import ColorInterp
        from rasterio.errors import RasterioIOError

        self.path, self.channels = str(path), list(channels)
        self.name, self.files = Path(path).stem, [self.path]
        try:
            with rasterio.open(self.path) as file:
                self.shape, self.crs, self.transform, count = file.shape, file.crs, file.transform, file.count
                colours = file.colorinterp
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
        alpha = [channel for channel, colour in zip(self.channels, colours, strict=True) if colour == ColorInterp.alpha]
        if self.crs is None or self.transform.is_identity:
            raise FileError(self.path, "has no georeference, so a map of it would lie nowhere. Give one that has.")
        if not self.crs.is_projected:
            raise FileError(self.path, f"is in degrees ({self.crs.to_string()}); areas want metres: {_WARP}")
        if self.transform.b or self.transform.d or self.transform.a < 0 or self.transform.e > 0:
            raise FileError(self.path, f"is turned; rows must run from west to east, the northernmost first: {_WARP}")
        _check_area(self.path, self)
        self._check_values(alpha)

    def read(self, row: int, column: int, rows: int, columns: int, channels: Sequence[int]) -> Block:
        """Read some channels of a rectangle, which lies inside.

        Raises:
            FileError: the file is cut short or damaged.
        """
        import rasterio
        from rasterio.enums import MaskFlags
        from rasterio.errors import RasterioIOError
        from rasterio.windows import Window

        bands = [self.channels.index(channel) + 1 for channel in channels]
        window = Window(column, row, columns, rows)
        try:
            with rasterio.open(self.path) as file:
                pixels = file.read(bands, window=window, out_dtype="float32")
                tags = [file.nodatavals[band - 1] for band in bands]
                # a mask of its own; what is marked as alpha may be infrared, see `_check_values`
                has_mask = file.mask_flag_enums[0] == [MaskFlags.per_dataset]
                mask = file.read_masks(1, window=window) if has_mask else np.full((rows, columns), 255, np.uint8)
        except RasterioIOError as error:
            raise FileError(self.path, f"cannot be read: it is cut short or damaged ({error}).") from error
        marks = np.array([np.nan if tag is None else tag for tag in tags], np.float32)
        is_marked = pixels == marks[:, None, None]
        has_data = np.isfinite(pixels).all(0) & (mask > 0)
        has_data &= ~(is_marked[marks != 0].any(0) | is_marked.all(0))  # 0 in one band is a dark pixel
        pixels[:, ~has_data] = 0
        return Block(pixels, has_data)

    def _check_values(self, alpha: Sequence[int]) -> None:
        """Check by a few pixels that bands are what the network wants: no mask, and a camera's raw bytes.

        Args:
            alpha: channels that the file calls alpha, as GDAL does with the fourth band of bytes, whatever it holds.
        """
        rows, columns = (min(size, 256) for size in self.shape)
        middle = (self.shape[0] - rows) // 2, (self.shape[1] - columns) // 2
        for channel in alpha:
            pixels, _ = self.read(*middle, rows, columns, [channel])
            seen = pixels[pixels > 0]  # a mask may fade towards its edges; infrared is rarely so bright
            if seen.size and (seen == 255).mean() >= OPAQUE:
                raise FileError(
                    self.path,
                    f"has a mask (alpha) in place of {CHANNELS[channel]}: give the bands that the network was trained "
                    "on, raw, and the mask as no-data value; if these are pixels, let the file not call them alpha.",
                )
        cameras = [channel for channel in self.channels if channel < LABELS]
        if not cameras:
            return
        pixels, has_data = self.read(*middle, rows, columns, cameras)
        if has_data.any() and (0 < pixels.max() <= 1 or pixels.max() > 255):
            raise FileError(
                self.path,
                f"has values of 0 to {pixels.max():g} where a camera's go from 0 to 255: give raw values, scaling is "
                "done here.",
            )


def find_tile(name: str, folders: Sequence[Path]) -> Tile:
    """Find a tile in the publishers' layout by its name, anywhere below some folders; others are not opened.

    Raises:
        NoDataError: there is none; the message names the nearest.
        DataError: it lacks a layer.
    """
    places = _places(folders)
    if name not in places:
        some = ", ".join(sorted(places)[:8]) + ", …" * (len(places) > 8)
        near = nearest(name, places)
        raise NoDataError(f"there is no tile {name} in {_listed(folders)}.{near} {len(places)} are there: {some}.")
    return tile_at(places[name])


def tiles_in(bounds: Bounds, folders: Sequence[Path], *, tell: Callable[[str], None] = print) -> list[Tile]:
    """Find the tiles in the publishers' layout that show something of a rectangle, each once, folder after folder.

    Args:
        bounds: of the rectangle, in degrees.
        folders: anywhere above the tiles.
        tell: is told of a tile of which no layer says where it lies, and which is left out.

    Raises:
        NoDataError: there are no tiles.
        DataError: none shows anything of it, or one that does lacks a layer.
    """
    shown: dict[str, Bounds] = {}
    for place in _places(folders).values():
        if found := _shown(place):
            shown[place] = found
        else:
            tell(f"{place}: no layer can be opened, so where it lies is not known. It is left out.")
    tiles = [tile_at(place) for place, found in shown.items() if _meet(found, bounds)]
    if not tiles:
        raise DataError(_nothing_of(bounds, shown.values()))
    return tiles


def _places(folders: Sequence[Path]) -> dict[str, str]:
    """Return where tiles lie, as `tile_places` has it, by their names; of a name that is there twice, the first.

    Raises:
        NoDataError: there are none.
    """
    found: dict[str, str] = {}
    for folder in folders:
        for place in tile_places([file.path for file in scan(folder, lambda name: bool(NAME.fullmatch(name)))]):
            found.setdefault(Path(place).name, place)
    if not found:
        raise NoDataError(
            f"there are no tiles in {_listed(folders)}. A tile is seven layers, such as "
            "pa_1m_2013_extended-debuffered-test_tiles/m_3907506_sw_18_1_lc.tif: name their folder (--data DIR)."
        )
    return found


def _shown(place: str) -> Bounds | None:
    """Return what a tile shows by the first of its layers that says so, give or take some pixels; None if none does."""
    import rasterio
    from rasterio.errors import RasterioError

    for layer in LAYERS:
        try:
            with rasterio.open(f"{place}_{layer}.tif") as file:
                if file.crs:
                    return bounds_of(file.crs, file.transform, file.shape)
        except RasterioError:  # whoever needs the layer says what is wrong with it
            continue
    return None


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


def _nothing_of(bounds: Bounds, shown: Iterable[Bounds]) -> str:
    """Return that no tile shows anything of a rectangle, and what they show together."""
    sides = list(zip(*shown, strict=True))
    if not sides:
        return f"no tile shows anything of {degrees(bounds)}."
    west, south, east, north = sides
    around = degrees((min(west), min(south), max(east), max(north)))
    return f"no tile shows anything of {degrees(bounds)}. The {len(west)} tiles that are here lie in {around}."


def _check_area(path: str, place: Place) -> None:
    """Check that pixels in the middle of a place are as large on the ellipsoid as its coordinate system says.

    Raises:
        FileError: they are not.
    """
    from rasterio.warp import transform

    rows, columns = place.shape
    side = 100  # pixels of a square, whose corners are known in degrees exactly enough
    corners = [place.transform @ (columns / 2 + x, rows / 2 + y) for x, y in ((0, 0), (side, 0), (0, side))]
    longitude, latitude = np.array(transform(place.crs, "EPSG:4326", *zip(*corners, strict=True)))
    east, north = np.radians(longitude[1:] - longitude[0]), np.radians(latitude[1:] - latitude[0])
    major, flat = 6_378_137.0, 0.00669438  # metres, and the squared eccentricity, of WGS 84
    sine = np.sin(np.radians(latitude[0]))
    across = major / np.sqrt(1 - flat * sine**2)  # radius of curvature from west to east; along the meridian:
    along = across * (1 - flat) / (1 - flat * sine**2)
    true = abs(east[0] * north[1] - east[1] * north[0]) * across * np.sqrt(1 - sine**2) * along
    seems = abs(place.transform.determinant) * side**2 * place.crs.linear_units_factor[1] ** 2
    if not abs(seems / true - 1) <= STRETCHED:
        raise FileError(
            path,
            f"has pixels that seem {seems / true:.3g} times as large as they are ({place.crs.to_string()}); areas want "
            f"true metres: {_WARP}",
        )


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
