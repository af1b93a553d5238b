"""TIFF tiles as arrays: mapped into memory where the file allows, otherwise decoded once and kept. Used by lecture 10.

Knows files, shapes and bytes, and nothing of land cover. An uncompressed tile costs no memory: the operating system
reads the rows that a window touches. A compressed one must be decoded whole; the cache keeps it until newer ones need
its room. The one thing that a memory map cannot survive is a tile that is overwritten in place while it is read:
replace a tile by renaming a new one over it.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import tifffile

from helpers.data import DataError
from helpers.files import most_open


@dataclass(frozen=True)
class Format:
    """What a tile must be.

    Attributes:
        shape: (height, width) or (height, width, bands). Files that store the bands first are turned.
        dtype: of the pixels, in the byte order of this machine.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Size of one decoded tile."""
        return prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"


@dataclass
class _Entry:
    """A tile that is open, or that some thread is opening; `bytes` is what it takes from the memory of the cache."""

    tile: Future = field(default_factory=Future)
    bytes: int = 0


class TileCache:
    """Tiles by path, each opened once however many windows are cut from it, and from however many threads.

    Args:
        memory: most bytes of decoded tiles that are kept. One tile larger than this is still decoded.
        maps: most files that are kept mapped; each holds a file descriptor. Default: `most_open()`.
    """

    def __init__(self, *, memory: int = 512 << 20, maps: int | None = None) -> None:
        self.memory, self.maps = memory, maps or most_open()
        self.opened = 0  # tiles mapped or decoded so far
        self._entries: OrderedDict[Path, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return partial(type(self), memory=self.memory, maps=self.maps), ()  # another process opens its own

    @property
    def held(self) -> int:
        """Bytes of decoded tiles that are kept now."""
        with self._lock:
            return self._sum()

    def get(self, path: Path, wanted: Format) -> np.ndarray:
        """Return the pixels of a tile, read-only.

        Args:
            path: a TIFF file with one image.
            wanted: shape and dtype that the image must have.

        Raises:
            DataError: the file is gone, unreadable, cut short, no TIFF, or of another shape or dtype.
        """
        with self._lock:
            entry = self._entries.get(path)
            mine = entry is None
            if entry is None:
                entry = self._entries[path] = _Entry()
            self._entries.move_to_end(path)
        if mine:
            self._open(path, wanted, entry)
        return entry.tile.result()

    def _open(self, path: Path, wanted: Format, entry: _Entry) -> None:
        """Open a tile for all threads that wait for it; if that fails, forget it, so that the next one tries again."""
        try:
            tile = read_tile(path, wanted, before_decoding=lambda: self._make_room(entry, wanted.bytes))
            if not entry.bytes:
                self._make_room(entry, 0)
        except BaseException as error:
            with self._lock:
                self._entries.pop(path, None)
            entry.tile.set_exception(error)
        else:
            entry.tile.set_result(tile)

    def _make_room(self, entry: _Entry, needed: int) -> None:
        """Let the tiles go that were not asked for longest, before `needed` bytes or one map more are taken."""
        with self._lock:
            self.opened, entry.bytes = self.opened + 1, needed
            done = [(path, old) for path, old in self._entries.items() if old is not entry and old.tile.done()]
            of_its_kind = [(path, old) for path, old in done if bool(old.bytes) == bool(needed)]
            held, count = self._sum(), len(of_its_kind) + 1
            for path, old in of_its_kind:
                if held <= self.memory if needed else count <= self.maps:
                    break
                del self._entries[path]
                held, count = held - old.bytes, count - 1

    def _sum(self) -> int:
        return sum(entry.bytes for entry in self._entries.values())


def read_tile(path: Path, wanted: Format, *, before_decoding: Callable[[], None] = lambda: None) -> np.ndarray:
    """Map a tile that is uncompressed and in one piece, decode any other; raises as `TileCache.get` does.

    Returns:
        The pixels, read-only; NaN where a floating-point tile has what its GDAL tag calls "no data".
    """
    with _explained(path), tifffile.TiffFile(path) as file:
        series = file.series[0]  # not its pages: tifffile writes (1024, 1024, 8) as 1,024 pages, unless told otherwise
        _check_format(path, series, wanted)
        missing = _nodata(path, series)
        if series.dataoffset is not None and missing is None:
            tile = _map(path, file, series)
        else:
            _check_length(path, file, series)
            before_decoding()
            tile = _decode(path, series)
        if missing is not None:
            tile[tile == missing] = np.nan
    tile.flags.writeable = False
    return tile if tile.shape == wanted.shape else np.moveaxis(tile, 0, -1)


def read_format(path: Path) -> Format:
    """Return shape, bands last, and dtype of a TIFF file; its pixels are not read. Raises as `TileCache.get` does."""
    with _explained(path), tifffile.TiffFile(path) as file:
        series = file.series[0]
        bands_first = series.ndim == 3 and series.axes.endswith("YX")
        shape = series.shape[1:] + series.shape[:1] if bands_first else series.shape
        return Format(shape, series.dtype.newbyteorder("="))


def _map(path: Path, file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> np.ndarray:
    dtype = series.dtype.newbyteorder(file.byteorder)
    mapped = np.memmap(path, dtype, "r", series.dataoffset or 0, series.shape)
    return mapped.view(np.ndarray)  # slicing a memmap takes three times as long


def _decode(path: Path, series: tifffile.TiffPageSeries) -> np.ndarray:
    tile = series.asarray()
    if tile.shape != series.shape:
        raise DataError(f"{path} holds {tile.shape} pixels, and says {series.shape}: it is damaged. Copy it again.")
    return tile


def _nodata(path: Path, series: tifffile.TiffPageSeries) -> np.floating | None:
    """Return the number that stands for "no data" in a floating-point tile, or None."""
    tag = series.keyframe.tags.get("GDAL_NODATA")
    if tag is None or series.dtype.kind != "f":
        return None
    text = str(tag.value).strip("\0 ")
    try:
        value = series.dtype.type(text)
    except ValueError:
        raise DataError(
            f"{path} calls {text!r} its no-data value (GDAL_NODATA), which is no number. Take it away: "
            f"gdal_edit.py -unsetnodata {path}"
        ) from None
    return None if np.isnan(value) else value


def _check_format(path: Path, series: tifffile.TiffPageSeries, wanted: Format) -> None:
    shapes = {wanted.shape, wanted.shape[2:] + wanted.shape[:2]}
    if series.shape not in shapes:
        raise DataError(
            f"{path} is {series.shape} {series.dtype}, wanted {wanted}. If all tiles are of this size, say so "
            "(tile_size=…); if only this one is, it is no tile of this data set: move it away or copy it again."
        )
    if series.dtype.newbyteorder("=") != wanted.dtype:
        raise DataError(
            f"{path} is {series.shape} {series.dtype}, wanted {wanted}. Somebody has converted it, or it is no tile of "
            "this data set: copy it again from where it came, or move it away."
        )


def _check_length(path: Path, file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Hold the end of the last strip against the size of the file: a decoder may take a cut strip for a short one."""
    size, pages = file.filehandle.size, (page for page in series.pages if page is not None)
    end = max(o + n for page in pages for o, n in zip(page.dataoffsets, page.databytecounts, strict=True))
    if end > size:
        raise DataError(f"{path} is cut short: {size:,} bytes of {end:,}. Copy it again, and compare the sizes.")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever a decoder says of foreign bytes into a DataError that names the file."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is gone: it was there when the tiles were listed. Copy it back, or list the tiles again."
        ) from error
    except Exception as error:
        size = path.stat().st_size if path.exists() else 0
        raise DataError(
            f"{path} ({size:,} bytes) cannot be read as a TIFF: {type(error).__name__}: {error}. "
            "It is cut short or no TIFF: copy it again, and compare the sizes."
        ) from error
