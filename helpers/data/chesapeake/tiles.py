"""The publishers' tiles: seven GeoTIFF layers of a place, read as the patches that are cut from them.

A tile of 6,000 x 7,500 metres is seven files beside each other,
`{st}_1m_{year}_extended-debuffered-{train,val,test}_tiles/{tile}_{layer}.tif`. Their extents differ by some pixels, so
layers are placed by their georeference and cropped to what all of them show. What `Tile.read` returns is bit for bit
what the `.npz` of a patch cut at the same place holds.

A window is read by rasterio, from striped files as from tiled ones, and nothing but windows stays in memory: GDAL keeps
at most `CACHE` bytes of decoded blocks, and `most_open()` files are open at once. A window of a striped file costs
all of its rows: pack such tiles (`./course data pack`) before training on them for long.

A window also has a path of its own, `…/{tile}.tile/{st}_1m_{year}-{tile}-{number}.npz`, as a patch in a shard has: so
whatever takes paths of patches reads windows too. They lie side by side, row by row, counted from 0000.
"""

import atexit
import contextlib
import contextvars
import functools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, get_args
from urllib.parse import urlsplit

import numpy as np

from helpers.data import DataError, NoDataError
from helpers.data.base import File, scan
from helpers.data.chesapeake.bands import CHANNELS, LABELS, MARKS, NO_DATA, PIXELS
from helpers.data.streaming import FileError
from helpers.files import most_open

if TYPE_CHECKING:
    from rasterio import Affine, DatasetReader
    from rasterio.crs import CRS

Edge = Literal["drop", "pad"]
Opener = Callable[..., Any]


class Layer(NamedTuple):
    """The channels of a patch that a layer fills, in the order of its bands, and the type of its pixels."""

    channels: range
    dtype: str


LAYERS = {
    "naip-new": Layer(range(0, 4), "uint8"),
    "naip-old": Layer(range(4, 8), "uint8"),
    "lc": Layer(range(8, 9), "uint8"),
    "nlcd": Layer(range(9, 10), "uint8"),
    "landsat-leaf-on": Layer(range(10, 19), "float32"),
    "landsat-leaf-off": Layer(range(19, 28), "float32"),
    "buildings": Layer(range(28, 29), "uint8"),
}
NAME = re.compile(rf"(?P<tile>.+)_(?P<layer>{'|'.join(LAYERS)})\.tif")
FOLDER = re.compile(
    r"(?:(?P<state>[a-z]{2})_1m_(?P<year>\d{4})_extended-debuffered|.*)-(?P<split>train|val|test)_tiles"
)
SUFFIX = ".tile"  # of the folder, which is not there, that windows of a tile seem to lie in
CACHE = 256 << 20  # bytes of decoded blocks: one row of windows of a striped tile, all layers, is half of it
SLACK = 0.01  # pixels that a layer may lie beside the grid of another, from rounding
_AROUND = 4  # bytes before and after a block, where GDAL's COG driver writes its size and its end once more
_LEAST, _MOST = -2000, 20_000  # reflectance that is no mark for missing data; temperatures lie between


class GapError(FileError):
    """A layer has no data somewhere in a window, where a patch has numbers."""


# ---- open files ----


class _Apart:
    """A file that has an opener of its own. Rasterio keeps openers by thread, so all is done in a copy of one context.

    Args:
        path: of the file.
        opener: as rasterio has it.
    """

    def __init__(self, path: str, opener: Opener) -> None:
        import rasterio

        self._context = contextvars.copy_context()
        self._file = self._context.run(rasterio.open, path, driver="GTiff", opener=opener)

    def read(self, **options: Any) -> np.ndarray:
        """Read as rasterio does."""
        return self._context.run(self._file.read, **options)

    def get_tag_item(self, *words: Any, **options: Any) -> str | None:
        """Return a tag as rasterio does."""
        return self._context.run(self._file.get_tag_item, *words, **options)

    def close(self) -> None:
        """Close the file."""
        self._context.run(self._file.close)

    def __getattr__(self, name: str) -> Any:
        return self._context.run(getattr, self._file, name)


class _Pool:
    """Open files, each used by one thread at a time; of too many, the one that was not used longest is closed.

    Args:
        most: files that are open at once. Default: `most_open()`.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most or most_open()
        self.count = 0  # files that are open, or are being opened
        self._idle: list[tuple[tuple, DatasetReader | _Apart]] = []  # those used last at the end
        self._change = threading.Condition()

    @contextlib.contextmanager
    def use(self, path: str, opener: Opener | None) -> Iterator["DatasetReader | _Apart"]:
        """Yield a file for this thread alone; a thread holds one at a time, or two threads would wait for each other.

        Raises:
            FileError: it cannot be opened, or what is done with it fails.
        """
        import rasterio  # here, as whoever has patches needs no GDAL

        key = path, opener
        # no listing of folders, nor files beside that would hold another georeference
        with rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO"):
            dataset = self._taken(key)
            try:
                with _explained(path, dataset is None):
                    if dataset is None:
                        dataset = _Apart(path, opener) if opener else rasterio.open(path, driver="GTiff")
                with _explained(path, opening=False):
                    yield dataset
            except BaseException:
                self._give_back(key, dataset, close=True)
                raise
            self._give_back(key, dataset, close=False)

    def close(self, path: str, opener: Opener | None) -> None:
        """Close a file wherever it is open and idle."""
        with self._change:
            closed = [dataset for key, dataset in self._idle if key == (path, opener)]
            self._idle = [(key, dataset) for key, dataset in self._idle if key != (path, opener)]
            self._end(closed)

    def close_all(self) -> None:
        """Close all files that no thread is reading."""
        with self._change:
            idle, self._idle = self._idle, []
            self._end([dataset for _, dataset in idle])

    def _taken(self, key: tuple) -> "DatasetReader | _Apart | None":
        """Take an open file; or return None, with the right to open one."""
        with self._change:
            while True:
                for place in reversed(range(len(self._idle))):
                    if self._idle[place][0] == key:
                        return self._idle.pop(place)[1]
                if self.count >= self.most and self._idle:
                    self._end([self._idle.pop(0)[1]])
                if self.count < self.most:
                    self.count += 1
                    return None
                self._change.wait()

    def _give_back(self, key: tuple, dataset: "DatasetReader | _Apart | None", *, close: bool) -> None:
        with self._change:
            if close or dataset is None:
                self._end([dataset])
            else:
                self._idle.append((key, dataset))
                self._change.notify()

    def _end(self, datasets: "Sequence[DatasetReader | _Apart | None]") -> None:
        """Give up the rights to some files, of which one that could not be opened is None."""
        self.count -= len(datasets)
        self._change.notify(len(datasets))
        for dataset in filter(None, datasets):
            dataset.close()


_POOL = _Pool()


def _forget() -> None:
    """Begin anew in a process that was forked: files that both have open would share one place to read at."""
    global _POOL
    _FORKED.append(_POOL)  # not closed either: its lock may be another thread's
    _POOL = _Pool()


@atexit.register
def _close_all() -> None:
    """Close the files before Python ends: rasterio can then no longer do it without complaints."""
    _POOL.close_all()


_FORKED: list[_Pool] = []
if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def _explained(path: str, opening: bool) -> Iterator[None]:
    """Turn what GDAL says into a FileError."""
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, OSError) as error:
        told = str(error.__cause__ or error).replace(path, "the file").rstrip(".")
        advice = "Copy it again from where it came, and compare the sizes."
        if not opening:
            raise FileError(path, f"cannot be read: it is cut short or damaged ({told}). {advice}") from error
        if "No such file" in told or "does not exist" in told:
            raise FileError(path, "is not there: a tile has seven layers. Copy it, or move the tile away.") from error
        raise FileError(path, f"cannot be opened as a GeoTIFF ({told}). {advice}") from error


# ---- one tile ----


class _Place(NamedTuple):
    """What all layers of a tile show; by layer where it begins, row and column, and the file's no-data value."""

    crs: "CRS"
    transform: "Affine"
    shape: tuple[int, int]
    corners: dict[str, tuple[int, int]]
    tags: dict[str, float | None]


class _Head(NamedTuple):
    """What a file says of itself."""

    path: str
    crs: "CRS"
    transform: "Affine"
    shape: tuple[int, int]
    tag: float | None


class Tile:
    """One place in seven layers, read by windows. Files are opened when they are first needed; many threads may read.

    A context manager, which closes the files; without it they are closed when others need their room.

    Args:
        files: for each of `LAYERS` a path, or an address that rasterio opens, such as `https://…/m_3907506_sw_18_1_lc.tif`.
        opener: what opens them, as rasterio has it; must be comparable, and picklable where the tile is to be.

    Raises:
        DataError: a layer is missing, or by its name a file is another layer or shows another tile.
        ValueError: there is no such layer.
    """

    def __init__(self, files: Mapping[str, str | Path], opener: Opener | None = None) -> None:
        if unknown := files.keys() - LAYERS.keys():
            raise ValueError(f"there is no layer {min(unknown)!r}. Layers: {', '.join(LAYERS)}.")
        self.files = {layer: os.fspath(files[layer]) for layer in LAYERS if layer in files}
        self.opener = opener
        if missing := [layer for layer in LAYERS if layer not in files]:
            given = next((f"{path} is a layer of a tile that" for path in self.files.values()), "a tile")
            raise DataError(
                f"{given} lacks {', '.join(missing)}. A tile has seven layers beside each "
                f"other, {', '.join(LAYERS)}: copy what is missing, or move the tile away."
            )
        self._check_names()

    @property
    def name(self) -> str:
        """Return the name of the place, such as "m_3907506_sw_18_1"."""
        first = _base(next(iter(self.files.values())))
        match = NAME.fullmatch(first)
        return match["tile"] if match else first.rpartition(".")[0] or first

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns of what all layers show."""
        return self._place.shape

    @property
    def crs(self) -> "CRS":
        """Return the coordinate system that the layers have."""
        return self._place.crs

    @property
    def transform(self) -> "Affine":
        """Return what makes coordinates of columns and rows of what all layers show."""
        return self._place.transform

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files that no thread is reading; the next window opens them again."""
        for path in self.files.values():
            _POOL.close(path, self.opener)

    def read(self, row: int, column: int, size: int, *, edge: Edge = "drop") -> np.ndarray:
        """Return a window, the very array that a patch's `.npz` holds.

        Args:
            row, column: of its first pixel; 0 and 0 are the first that all layers show.
            size: pixels along each side.
            edge: "drop" allows no window beyond the edge; "pad" fills what lies there with label `NO_DATA` and 0.

        Returns:
            float32, (29, size, size).

        Raises:
            FileError: a file is not there, is cut or damaged, no GeoTIFF, has no georeference, other pixels than its
                layer, or does not fit the other layers. `GapError`: a layer has no data in the window.
            ValueError: the window lies outside, or partly so with edge="drop".
        """
        rows, columns = self.shape
        top, left, bottom, right = max(row, 0), max(column, 0), min(row + size, rows), min(column + size, columns)
        is_whole = (top, left, bottom, right) == (row, column, row + size, column + size)
        if edge not in get_args(Edge) or size < 1 or top >= bottom or left >= right or not (is_whole or edge == "pad"):
            raise ValueError(
                f'a window of {size} pixels at row {row}, column {column}, edge="{edge}" is not one of {self.name}, '
                f'which has {rows} x {columns}. Take one inside, or one that reaches beyond with edge="pad".'
            )
        found = self._read(top, left, bottom - top, right - left)
        self.check(found, f"the window of {size} pixels at row {row}, column {column}")
        if is_whole:
            return found
        padded = np.zeros((len(CHANNELS), size, size), np.float32)
        padded[LABELS] = NO_DATA
        padded[:, top - row : bottom - row, left - column : right - column] = found
        return padded

    def read_rows(self, first: int, count: int) -> np.ndarray:
        """Return whole rows at once: float32, (29, count, columns). They may have gaps: `check` what is cut of them.

        Raises:
            FileError: as `read`.
            ValueError: there are no such rows.
        """
        rows, columns = self.shape
        if not 0 <= first < first + count <= rows:
            raise ValueError(
                f"rows {first} to {first + count - 1} are not among those of {self.name}, 0 to {rows - 1}."
            )
        return self._read(first, 0, count, columns)

    def ranges(self, first: int, count: int) -> dict[str, list[tuple[int, int]]]:
        """Return for each layer which bytes of its file, [start, stop), hold the blocks that some rows are read from.

        Args:
            first, count: rows, as in `read_rows`.

        Raises:
            FileError: as `read`.
        """
        found = dict[str, list[tuple[int, int]]]()
        for layer, path in self.files.items():
            row = first + self._place.corners[layer][0]
            with _POOL.use(path, self.opener) as dataset:
                found[layer] = list(_blocks(dataset, row, count))
        return found

    def read_block(
        self, row: int, column: int, rows: int, columns: int, channels: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return some channels of a rectangle, and where they have data; layers without these channels are not read.

        Args:
            row, column: of its first pixel, as for `read`.
            rows, columns: how many; all lie inside.
            channels: numbers of channels, in the order wanted.

        Returns:
            float32, (len(channels), rows, columns), 0 where there are no data; bool, (rows, columns).

        Raises:
            FileError: as `read`.
        """
        layers = [layer for layer, (own, _) in LAYERS.items() if set(own) & set(channels)]
        pixels = self._read(row, column, rows, columns, layers)
        has_data = np.ones((rows, columns), bool)
        for layer in layers:
            own = LAYERS[layer].channels
            gaps = self._gaps(layer, pixels[own.start : own.stop])
            if gaps is not None:
                has_data &= ~gaps.any(0)
        chosen = pixels[list(channels)]
        chosen[:, ~has_data] = 0
        return chosen, has_data

    def check(self, pixels: np.ndarray, where: str) -> None:
        """Check that no layer of satellite images has a mark for missing data in place of a number.

        Args:
            pixels: of this tile, (29, rows, columns).
            where: what they are, for the message.

        Raises:
            GapError: it has, or one that is not finite; the message names the file.
        """
        for layer, (channels, _) in LAYERS.items():
            values = pixels[channels.start : channels.stop]
            gaps = self._gaps(layer, values)
            if gaps is not None and gaps.any():
                mark, count = values[gaps][0], int(gaps.any(0).sum())
                raise GapError(
                    self.files[layer],
                    f"has no data ({mark:g}) at {count:,} of {gaps[0].size:,} pixels of {where}. Leave this out "
                    '(on_error="skip" does), or fill the gap; as numbers these would be learned from.',
                )

    def _gaps(self, layer: str, values: np.ndarray) -> np.ndarray | None:
        """Return where a layer has a mark for missing data in place of a number: bool, its shape; None for nowhere."""
        tag = self._place.tags[layer]
        is_byte = LAYERS[layer].dtype != "float32"  # of which every value is a number
        has_tag = tag is not None and _LEAST <= tag <= _MOST
        if is_byte or (values.min() >= _LEAST and values.max() <= _MOST and not has_tag):
            return None
        gaps = ~np.isfinite(values) | np.isin(values, [mark for mark in MARKS if mark])
        if tag is not None and not isnan(tag):
            gaps |= values == np.float32(tag)
        return gaps

    @functools.cached_property
    def _place(self) -> _Place:
        from rasterio import Affine

        heads = {layer: self._head(layer) for layer in LAYERS}
        first, *_ = heads.values()
        corners = {layer: _offset(head, first) for layer, head in heads.items()}
        top, left = (max(corner[axis] for corner in corners.values()) for axis in (0, 1))
        ends = [[corners[layer][axis] + head.shape[axis] for layer, head in heads.items()] for axis in (0, 1)]
        shape = min(ends[0]) - top, min(ends[1]) - left
        if min(shape) < 1:
            away = next(head for head in heads.values() if not _overlap(_offset(head, first), head.shape, first.shape))
            raise FileError(away.path, f"shows nothing of what {first.path} shows: they are of different places.")
        step, down = first.transform.a, first.transform.e
        moved = Affine(step, 0, first.transform.c + left * step, 0, down, first.transform.f + top * down)
        begins = {layer: (top - row, left - column) for layer, (row, column) in corners.items()}
        return _Place(first.crs, moved, shape, begins, {layer: head.tag for layer, head in heads.items()})

    def _head(self, layer: str) -> _Head:
        """Read where a layer lies and what its pixels are; the pixels themselves are not read."""
        path, (channels, dtype) = self.files[layer], LAYERS[layer]
        with _POOL.use(path, self.opener) as dataset:
            crs, transform, shape = dataset.crs, dataset.transform, dataset.shape
            bands, dtypes, tag = dataset.count, set(dataset.dtypes), dataset.nodata
        if crs is None or transform.is_identity:
            raise FileError(path, "has no georeference, so it cannot be laid over the other layers. Copy it again.")
        if transform.b or transform.d:
            raise FileError(
                path, f"is turned ({tuple(transform)[:6]}); rows must run from west to east. Copy it again."
            )
        if bands != len(channels) or dtypes != {dtype}:
            raise FileError(
                path,
                f"has {bands} bands of {', '.join(sorted(dtypes))}; the layer {layer} has {len(channels)} of {dtype}. "
                "It was converted, or is another layer: copy it again.",
            )
        return _Head(path, crs, transform, shape, tag)

    def _read(self, row: int, column: int, rows: int, columns: int, layers: Iterable[str] = LAYERS) -> np.ndarray:
        from rasterio.windows import Window

        pixels = np.empty((len(CHANNELS), rows, columns), np.float32)
        for layer in layers:
            channels = LAYERS[layer].channels
            down, right = self._place.corners[layer]
            window = Window(column + right, row + down, columns, rows)
            with _POOL.use(self.files[layer], self.opener) as dataset:
                dataset.read(window=window, out=pixels[channels.start : channels.stop])
        return pixels

    def _check_names(self) -> None:
        """Check that the files are the layers that they are given as, and of one tile, where their names say it."""
        named = {layer: match for layer, path in self.files.items() if (match := NAME.fullmatch(_base(path)))}
        for layer, match in named.items():
            if match["layer"] != layer:
                raise DataError(
                    f"{self.files[layer]} is the layer {match['layer']} by its name, and was given as {layer}."
                )
            if match["tile"] != (first := next(iter(named.values())))["tile"]:
                other = self.files[first["layer"]]
                raise DataError(f"{self.files[layer]} shows another tile than {other}. A tile's layers share its name.")


def _blocks(dataset: "DatasetReader | _Apart", row: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield which bytes of a file, [start, stop), hold the blocks that cover some rows; a block left out has none."""
    from rasterio.enums import Interleaving

    height, width = dataset.block_shapes[0]
    bands = range(1, dataset.count + 1) if dataset.interleaving == Interleaving.band else [1]
    for band in bands:
        for down in range(row // height, -(-(row + rows) // height)):
            for right in range(-(-dataset.width // width)):
                start, size = (
                    int(dataset.get_tag_item(f"BLOCK_{what}_{right}_{down}", "TIFF", bidx=band) or 0)
                    for what in ("OFFSET", "SIZE")
                )
                if size:
                    yield max(0, start - _AROUND), start + size + _AROUND


def _base(path: str) -> str:
    """Return the name of a file, of an address without what is asked of the server."""
    return os.path.basename(urlsplit(path).path if "://" in path else path)  # noqa: PTH119 - may be an address


def _overlap(offset: tuple[int, int], shape: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(start < end and start + size > 0 for start, size, end in zip(offset, shape, other, strict=True))


def _offset(head: _Head, first: _Head) -> tuple[int, int]:
    """Return row and column of another layer where a layer's first pixel lies.

    Raises:
        FileError: they have other coordinates or pixels, or it lies between the other's pixels.
    """
    if head.crs != first.crs:
        raise FileError(head.path, f"is in {head.crs.to_string()}, and {first.path} in {first.crs.to_string()}.")
    sizes = (head.transform.a, head.transform.e), (first.transform.a, first.transform.e)
    if any(abs(own - its) * max(head.shape) > SLACK * abs(its) for own, its in zip(*sizes, strict=True)):
        raise FileError(
            head.path, f"has pixels of {_size(sizes[0])} units, and {first.path} of {_size(sizes[1])}: copy both again."
        )
    column = (head.transform.c - first.transform.c) / first.transform.a
    row = (head.transform.f - first.transform.f) / first.transform.e
    if max(abs(row - round(row)), abs(column - round(column))) > SLACK:
        raise FileError(
            head.path,
            f"lies {row + 0:.3f} rows and {column + 0:.3f} columns from {first.path}: between its pixels. "
            "Layers must lie pixel over pixel: copy both again.",
        )
    return round(row), round(column)


def _size(pixel: tuple[float, float]) -> str:
    return " x ".join(f"{abs(side):g}" for side in pixel)


# ---- tiles in folders ----


def find_tiles(folder: str | Path, *, states: Sequence[str] | None = None, split: str | None = None) -> list[Tile]:
    """Find all tiles in the publishers' layout below a folder, wherever in it, sorted by path.

    Args:
        folder: anywhere above the tiles.
        states: only those in folders of these, such as `["pa"]`.
        split: only those that the publishers hold for this: "train", "val" or "test".

    Raises:
        DataError: there are none, or one lacks a layer.
        ValueError: there is no such split.
    """
    if split not in (None, "train", "val", "test"):
        raise ValueError(f'split must be "train", "val" or "test"; received {split!r}.')
    base = os.fspath(Path(folder).expanduser())
    places = tile_places([file.path for file in scan(base, lambda name: NAME.fullmatch(name) is not None)])
    of_states = [states] if isinstance(states, str) else states
    wanted = [place for place in places if split in (None, split_of(place)) and _is_of(place, of_states)]
    if not wanted:
        raise NoDataError(
            f"{base} has no tiles for states={states}, split={split}, of {len(places)} there. Wanted: "
            "pa_1m_2013_extended-debuffered-train_tiles/m_3907506_sw_18_1_lc.tif and six more layers, in any folder."
        )
    return [tile_at(place) for place in wanted]


def split_of(path: str | Path) -> str:
    """Return what the publishers hold a tile for by its folder: "train", "val", "test", or "" if it does not say.

    >>> split_of("lila/pa_1m_2013_extended-debuffered-val_tiles/m_3907506_sw_18_1_lc.tif")
    'val'
    """
    match = _folder(os.fspath(path))
    return match["split"] if match else ""


def tile_places(files: Iterable[str]) -> list[str]:
    """Return folder and name of each tile, `…_tiles/m_3907506_sw_18_1`, that files are layers of, in their order."""
    found: dict[str, None] = {}
    for path in files:
        folder, name = os.path.split(path)
        if match := NAME.fullmatch(name):
            found.setdefault(os.path.join(folder, match["tile"]))  # noqa: PTH118 - of every file
    return list(found)


@functools.lru_cache(maxsize=4096)  # asked for every window
def tile_at(place: str) -> Tile:
    """Return the tile of a folder and a name; see `tile_places`.

    Raises:
        DataError: it lacks a layer.
    """
    files = {layer: f"{place}_{layer}.tif" for layer in LAYERS}
    return Tile({layer: path for layer, path in files.items() if os.path.lexists(path)})


def windows_below(files: Sequence[File], *, broken: list[FileError] | None = None) -> list[File]:
    """List the windows of `PIXELS` pixels of the tiles that some files are layers of, side by side, as `Patches` reads.

    Args:
        files: from `scan`.
        broken: a list that gets the errors of tiles that cannot be opened. Default: they are raised.

    Raises:
        DataError: a tile lacks a layer, or its layers do not fit.
    """
    held_out = {os.path.dirname(file.path): file.held_out for file in files}  # noqa: PTH120 - of every file
    found = []
    for place in tile_places(file.path for file in files):
        folder, tile = os.path.split(place)
        match = _folder(place)
        stem = f"{match['state']}_1m_{match['year']}-{tile}" if match and match["state"] else tile
        try:
            rows, columns = tile_at(place).shape
        except DataError as error:
            if broken is None:
                raise
            broken.append(error if isinstance(error, FileError) else FileError(place, str(error)))
            continue
        for number in range((rows // PIXELS) * (columns // PIXELS)):
            name = f"{stem}-{number:04}.npz"  # so that paths sort row by row: neighbours share rows of strips
            found.append(File(f"{place}{SUFFIX}/{name}", name, held_out[folder]))
    return found


class TileWindow(NamedTuple):
    """A window of a tile: row and column of its first pixel, and what becomes of it at the edge."""

    tile: Tile
    row: int
    column: int
    edge: Edge = "drop"

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Read a square part of the window: float32, (29, size, size); raises as `Tile.read` does."""
        size = rows.stop - rows.start
        return self.tile.read(self.row + rows.start, self.column + columns.start, size, edge=self.edge)


def window_of(path: str) -> TileWindow | None:
    """Return the window that a path names, `…/{tile}.tile/NAME-NUMBER.npz`; None for any other path.

    Raises:
        DataError: there is no such tile, or no such window in it.
    """
    folder, _, name = path.rpartition("/")
    if not folder.endswith(SUFFIX) or _is_folder(folder):
        return None
    tile = tile_at(folder.removesuffix(SUFFIX))
    rows, columns = tile.shape
    number = int(name.removesuffix(".npz").rpartition("-")[2])
    row, column = divmod(number, max(1, columns // PIXELS))
    if row >= rows // PIXELS:
        raise FileError(path, f"is no window of {tile.name}, which has {rows} x {columns} pixels.")
    return TileWindow(tile, row * PIXELS, column * PIXELS)


@functools.cache  # asked for every window
def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _folder(path: str) -> re.Match[str] | None:
    """Return what the nearest folder of a path that is named as the publishers' are says."""
    return next(filter(None, map(FOLDER.fullmatch, reversed(re.split(r"[\\/]", path)))), None)


def _is_of(place: str, states: Sequence[str] | None) -> bool:
    match = _folder(place)
    return states is None or (match is not None and match["state"] in states)
