"""Patches in shards: bytes stay bytes, and Landsat keeps its own 30-m grid until the batch. Used by `patches`.

A patch is 7.6 MB of float32. NAIP, labels, NLCD and buildings are whole numbers, one byte a pixel. Landsat is made of
blocks, one for each cell of its grid: stored are the cells, as int16 of twice the value, and for every row and column
of the patch the row and column of its cell. All of it makes 0.75 MB, and the same float32 values as before.
A patch that is not of this kind goes into the shard as the `.npz` that it is, and is read as one.
"""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, LABELS, PIXELS, Run
from helpers.data.chesapeake.convert import NO_DATA, Unusable, to_bytes, to_halves, to_labels
from helpers.data.streaming import Arrays
from helpers.data.streaming.npz import decode_array
from helpers.data.streaming.shards import Shard, open_shard, split_name

LANDSAT = range(10, 28)
BYTES = [*range(10), CHANNELS.index("buildings")]  # channels that are stored as bytes, in this order
SECTIONS_OF_BYTES = (range(4), range(4, 8), range(8, 9), range(9, 11))  # two flights, labels, NLCD with buildings
GRID, ORIGINAL = 4, 5  # the sections after them: Landsat; a whole .npz
SECTIONS = 6
LARGEST_GRID = 64  # cells along a side: a patch shows about 30, for Landsat lies a little askew on its grid


class Grid(NamedTuple):
    """Landsat on its own grid: pixel (i, j) has the values `cells[rows[i], columns[j]] / 2`.

    Attributes:
        cells: int16, (cell rows, cell columns, 18), twice the value.
        rows, columns: uint8, (height,) and (width,).
    """

    cells: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    def turned(self, quarters: int, flip: int) -> "Grid":
        """Turn by quarters, as `numpy.rot90` does with an image, and then flip left to right if `flip`."""
        grid = self
        for _ in range(quarters % 4):
            grid = Grid(grid.cells.transpose(1, 0, 2), grid.columns[::-1], grid.rows)
        return grid._replace(columns=grid.columns[::-1]) if flip else grid


class _Memory(threading.local):
    """What one thread reads a patch into."""

    def __init__(self) -> None:
        self.bytes = np.empty((len(BYTES), PIXELS, PIXELS), np.uint8)
        self.grid = np.empty(2 * PIXELS + LARGEST_GRID**2 * len(LANDSAT) * 2, np.uint8)


_MEMORY = _Memory()


def encode(patch: np.ndarray) -> tuple[tuple[int, int], list[np.ndarray | bytes]] | None:
    """Make the sections of a patch, and see that the patch can be made of them again, bit for bit.

    Args:
        patch: (29, 256, 256), any numeric dtype.

    Returns:
        The size of the grid (cell rows, cell columns) and the sections; None if the patch is not of this kind, or
        not fit to be read at all.
    """
    planes, halves = (
        np.empty((len(BYTES), PIXELS, PIXELS), np.uint8),
        np.empty((len(LANDSAT), PIXELS, PIXELS), np.int16),
    )
    try:
        to_bytes(patch, BYTES, planes)
        to_halves(patch, LANDSAT, halves)
        to_labels(patch[LABELS], np.empty((PIXELS, PIXELS), np.uint8))
    except Unusable:
        return None
    grid = _find_grid(halves)
    if (
        max(grid.cells.shape[:2]) > LARGEST_GRID
        or _decode(planes, grid).astype(patch.dtype).tobytes() != patch.tobytes()
    ):
        return None
    flat = np.concatenate([grid.rows, grid.columns, grid.cells.astype("<i2").reshape(-1).view(np.uint8)])
    parts = [planes[section.start : section.stop] for section in SECTIONS_OF_BYTES]
    return (grid.cells.shape[0], grid.cells.shape[1]), [*parts, flat, b""]


def is_original(shard: Shard, row: int) -> bool:
    """Say whether a record is a whole `.npz`, because the patch was not of the usual kind."""
    return shard.size(row, ORIGINAL) > 0


def read_original(shard: Shard, row: int) -> np.ndarray:
    """Read the array of a record that is a whole `.npz`; see `streaming.read_array`."""
    raw = np.empty(shard.size(row, ORIGINAL), np.uint8)
    shard.read(row, ORIGINAL, raw)
    return decode_array(raw.data, f"{shard.path}/{shard.names[row]}")


def largest_grid(paths: Sequence[str]) -> int:
    """Count the cells along a side that hold the grid of each of these patches, a multiple of 8.

    Returns:
        0 if one of them is not in a shard, or in it as a whole `.npz`.
    """
    largest = 1
    for record in map(split_name, paths):
        shard = record and open_shard(record[0])
        if not record or not shard or is_original(shard, row := shard.row(record[1])):
            return 0
        largest = max(largest, *shard.tags[row].tolist())
    return -(-largest // 8) * 8


class PackedPatch:
    """A patch in a shard, cut to a window; reads what it is asked for, into memory of the calling thread.

    Args:
        shard, row: where it is.
        rows, columns: the window.
    """

    def __init__(self, shard: Shard, row: int, rows: slice, columns: slice) -> None:
        self._shard, self._row, self._rows, self._columns = shard, row, rows, columns
        self._read: set[int] = set()

    def to_float(self, runs: Sequence[Run], out: np.ndarray) -> None:
        """Scale channels and write them last, as `convert.to_float` does, a row of cells at a time."""
        grid = self._grid()
        wide = [(run, _widened(grid, run)) for run in runs if run.source.start in LANDSAT]
        planes = [(run, self._planes(run)) for run in runs if run.source.start not in LANDSAT]
        for first, last in _spans(grid.rows):
            for run, cells in wide:
                out[first, :, run.target] = cells[grid.rows[first]]
            out[first + 1 : last] = out[first]  # whole rows of pixels: nothing is quicker
            for run, bytes_ in planes:
                scaled = np.multiply(bytes_[:, first:last], run.scale, dtype=np.float32)
                out[first:last, :, run.target] = scaled.transpose(1, 2, 0)

    def to_bytes(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """Copy channels that are stored as bytes into uint8, (channels, height, width)."""
        wanted = [BYTES.index(channel) for channel in chosen]
        for section, members in enumerate(SECTIONS_OF_BYTES):
            first = next((at for at, place in enumerate(wanted) if place in members), None)
            if first is None:
                continue
            target = out[first : first + len(members)]
            if (
                target.shape[1:] == (PIXELS, PIXELS)
                and target.flags.c_contiguous
                and (wanted[first : first + len(members)] == list(members))
            ):
                self._shard.read(self._row, section, target)  # straight into the batch
            else:
                for place, plane in zip(wanted, out, strict=True):
                    if place in members:
                        plane[...] = self._plane(place)

    def to_halves(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """Enlarge Landsat channels to int16 of twice the value, (channels, height, width)."""
        grid = self._grid()
        for channel, plane in zip(chosen, out, strict=True):
            plane[...] = grid.cells[:, :, channel - LANDSAT.start].take(grid.columns, axis=1).take(grid.rows, axis=0)

    def to_cells(self, chosen: Sequence[int], turns: tuple[int, int], out: Arrays) -> None:
        """Give Landsat channels on their grid, turned: "cells" int16, "rows" and "columns" uint8."""
        cells, out["rows"][...], out["columns"][...] = self._grid().turned(*turns)
        height, width, _ = cells.shape
        out["cells"][:height, :width] = cells[:, :, [channel - LANDSAT.start for channel in chosen]]
        out["cells"][height:] = 0  # the memory has been another batch's
        out["cells"][:height, width:] = 0

    def to_labels(self, out: np.ndarray) -> None:
        """Give classes: 1 to 6, and `IGNORE` (0) where the label is 0 or `NO_DATA`; others were not packed so."""
        codes = self._plane(BYTES.index(LABELS))
        np.multiply(codes, codes != NO_DATA, out=out, casting="unsafe")

    def _grid(self) -> Grid:
        size = self._shard.size(self._row, GRID)
        raw = _MEMORY.grid[:size]
        if GRID not in self._read:
            self._shard.read(self._row, GRID, raw)
            self._read.add(GRID)
        height, width = self._shard.tags[self._row].tolist()
        cells = raw[2 * PIXELS :].view("<i2").reshape(height, width, len(LANDSAT))
        return Grid(cells, raw[:PIXELS][self._rows], raw[PIXELS : 2 * PIXELS][self._columns])

    def _planes(self, run: Run) -> np.ndarray:
        places = [BYTES.index(channel) for channel in range(run.source.start, run.source.stop)]
        for place in places:
            self._plane(place)
        return _MEMORY.bytes[places[0] : places[-1] + 1, self._rows, self._columns]

    def _plane(self, place: int) -> np.ndarray:
        section = next(number for number, members in enumerate(SECTIONS_OF_BYTES) if place in members)
        if section not in self._read:
            members = SECTIONS_OF_BYTES[section]
            self._shard.read(self._row, section, _MEMORY.bytes[members.start : members.stop])
            self._read.add(section)
        return _MEMORY.bytes[place, self._rows, self._columns]


def _widened(grid: Grid, run: Run) -> np.ndarray:
    """Scale a run of Landsat channels and enlarge it along the columns: float32, (cell rows, width, channels)."""
    cells = grid.cells[:, :, run.source.start - LANDSAT.start : run.source.stop - LANDSAT.start]
    halved = np.float32(run.scale / 2)  # exactly half, so that the product is the float32 of the original
    return np.multiply(cells, halved, dtype=np.float32).take(grid.columns, axis=1)


def _spans(rows: np.ndarray) -> list[tuple[int, int]]:
    """Give first and last (not included) of the rows of pixels that show the same row of cells."""
    starts = np.flatnonzero(np.diff(rows, prepend=np.uint8(255))).tolist()
    return list(zip(starts, [*starts[1:], len(rows)], strict=True))


def _find_grid(halves: np.ndarray) -> Grid:
    """Find where a row or a column of pixels differs from the one before: there begins another cell."""
    row_starts = np.flatnonzero(np.r_[True, (halves[:, 1:] != halves[:, :-1]).any(axis=(0, 2))])
    column_starts = np.flatnonzero(np.r_[True, (halves[:, :, 1:] != halves[:, :, :-1]).any(axis=(0, 1))])
    cells = halves[:, row_starts][:, :, column_starts].transpose(1, 2, 0)
    pixels = np.arange(PIXELS)
    rows, columns = (np.searchsorted(starts, pixels, "right") - 1 for starts in (row_starts, column_starts))
    return Grid(np.ascontiguousarray(cells), rows.astype(np.uint8), columns.astype(np.uint8))


def _decode(planes: np.ndarray, grid: Grid) -> np.ndarray:
    """Make the patch of its parts, float32, (29, 256, 256)."""
    patch = np.empty((len(CHANNELS), PIXELS, PIXELS), np.float32)
    patch[BYTES] = planes
    patch[LANDSAT.start : LANDSAT.stop] = grid.cells.transpose(2, 0, 1)[:, grid.rows][:, :, grid.columns]
    patch[LANDSAT.start : LANDSAT.stop] /= 2
    return patch
