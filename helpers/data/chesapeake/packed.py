"""Patches in shards: bytes stay bytes, and Landsat keeps its own 30-m cells until the batch. Used by `patches`.

A patch is 7.6 MB of float32. NAIP, labels, NLCD and buildings are whole numbers, one byte a pixel. Landsat is made of
blocks, one for each of about 110 cells: stored are the cells, as int16 of twice the value, and for every pixel the
number of its cell, one more byte. (The grid of the cells lies askew on that of the pixels, by up to two degrees where
a UTM zone ends, so rows and columns would not do.) All of it makes 0.8 MB, and the same float32 values as before.
A patch that is not of this kind goes into the shard as the `.npz` that it is, and is read as one.
"""

import threading
from collections.abc import Sequence

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, LABELS, PIXELS, ROWS, Run, to_bytes, to_float, to_halves, to_labels
from helpers.data.chesapeake.plausible import InvalidSampleError, check_labels
from helpers.data.streaming import Arrays
from helpers.data.streaming.npz import decode_array
from helpers.data.streaming.shards import Shard, open_shard, split_name

LANDSAT = range(10, 28)
BYTES = [*range(10), CHANNELS.index("buildings")]  # channels that are stored as bytes, in this order
INDEX = len(BYTES)  # the plane after them: for every pixel the number of its Landsat cell
PLANES = (range(4), range(4, 8), range(8, 9), range(9, 11), range(INDEX, INDEX + 1))
"""The planes in each section: two flights, labels, NLCD with buildings, cell numbers."""
CELLS, ORIGINAL = len(PLANES), len(PLANES) + 1  # sections without planes: Landsat's cells; a whole `.npz`
SECTIONS = len(PLANES) + 2
MOST_CELLS = 256  # that a byte can number


class _Memory(threading.local):
    """What one thread reads a patch into."""

    def __init__(self) -> None:
        self.planes = np.empty((INDEX + 1, PIXELS, PIXELS), np.uint8)
        self.cells = np.empty(MOST_CELLS * len(LANDSAT) * 2, np.uint8)


_MEMORY = _Memory()


def encode(patch: np.ndarray) -> tuple[int, list[np.ndarray | bytes]] | None:
    """Make the sections of a patch, and see that the patch can be made of them again, bit for bit.

    Args:
        patch: (29, 256, 256), any numeric dtype.

    Returns:
        The number of cells, and the sections; None if the patch is not of this kind, or not fit to be read at all.
    """
    planes = np.empty((INDEX + 1, PIXELS, PIXELS), np.uint8)
    halves = np.empty((len(LANDSAT), PIXELS, PIXELS), np.int16)
    try:
        check_labels(patch)
    except InvalidSampleError:
        return None
    with np.errstate(invalid="ignore"):  # whatever does not fit will not come back the same
        to_bytes(patch, BYTES, planes[:INDEX])
        to_halves(patch, LANDSAT, halves)
    cells, numbers = find_cells(halves)
    if len(cells) > MOST_CELLS:
        return None
    planes[INDEX] = numbers
    if _decode(planes, cells).astype(patch.dtype).tobytes() != patch.tobytes():  # -0.0, for one, would become 0.0
        return None
    return len(cells), [*(planes[part.start : part.stop] for part in PLANES), cells.astype("<i2"), b""]


def find_cells(halves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the different spectra of a patch.

    Args:
        halves: int16, (bands, height, width).

    Returns:
        The spectra in the order in which they first appear, int16, (cells, bands), and for every pixel the number of
        its spectrum, (height, width). Two spectra may be taken for one, with a chance of 1 in 10 to the 15: compare.
    """
    keys = np.random.default_rng(0).integers(1, 2**63, len(halves), dtype=np.uint64)
    hashes = np.zeros(halves.shape[1:], np.uint64)
    for key, plane in zip(keys, halves, strict=True):
        hashes += plane.astype(np.uint64) * key  # modulo 2 ** 64
    _, first, numbers = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    spectra = halves.reshape(len(halves), -1)[:, first[order]].T
    return np.ascontiguousarray(spectra), np.argsort(order)[numbers].reshape(hashes.shape)


def is_original(shard: Shard, row: int) -> bool:
    """Return whether a record is a whole `.npz`, because the patch was not of the usual kind."""
    return shard.size(row, ORIGINAL) > 0


def read_original(shard: Shard, row: int) -> np.ndarray:
    """Read the array of a record that is a whole `.npz`; see `streaming.read_array`."""
    raw = np.empty(shard.size(row, ORIGINAL), np.uint8)
    shard.read(row, ORIGINAL, raw)
    return decode_array(raw.data, f"{shard.path}/{shard.names[row]}")


def most_cells(paths: Sequence[str]) -> int:
    """Return a number of cells, a multiple of 32, that is enough for each of these patches.

    Returns:
        0 if one of them is not in a shard, or in it as a whole `.npz`.
    """
    most = 1
    for record in map(split_name, paths):
        shard = record and open_shard(record[0])
        if not record or not shard or is_original(shard, row := shard.row(record[1])):
            return 0
        most = max(most, int(shard.tags[row]))
    return -(-most // 32) * 32


class PackedPatch:
    """A patch in a shard, cut to a window; reads what it is asked for, into memory of the calling thread.

    Args:
        shard, row: where it is.
        rows, columns: the window.
    """

    def __init__(self, shard: Shard, row: int, rows: slice, columns: slice) -> None:
        self._shard, self._row, self._window = shard, row, (rows, columns)
        self._read: set[int] = set()

    def to_float(self, runs: Sequence[Run], out: np.ndarray) -> None:
        """Scale channels and write them last, as `bands.to_float` does."""
        landsat = [run for run in runs if run.source.start in LANDSAT]
        others = [self._stored(run) for run in runs if run.source.start not in LANDSAT]
        cells = self._scaled_cells(landsat, out.shape[-1])
        for first in range(0, len(out), ROWS):
            rows = slice(first, first + ROWS)
            if landsat:
                _take(cells, self._plane(INDEX)[rows], out[rows])
            to_float(_MEMORY.planes[:, *self._window][:, rows], others, out[rows])

    def to_bytes(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """Copy channels that are stored as bytes into uint8, (channels, height, width)."""
        wanted = [BYTES.index(channel) for channel in chosen]
        for section, members in enumerate(PLANES):
            first = next((at for at, place in enumerate(wanted) if place in members), None)
            if first is None:
                continue
            in_order = wanted[first : first + len(members)] == list(members)
            if in_order and out.shape[1:] == (PIXELS, PIXELS) and out.flags.c_contiguous:
                self._shard.read(self._row, section, out[first : first + len(members)])  # straight into the batch
            else:
                for place, plane in zip(wanted, out, strict=True):
                    if place in members:
                        plane[...] = self._plane(place)

    def to_halves(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """Enlarge Landsat channels to int16 of twice the value, (channels, height, width)."""
        cells, index = self._cells(), self._plane(INDEX)
        for channel, plane in zip(chosen, out, strict=True):
            plane[...] = cells[:, channel - LANDSAT.start].take(index)

    def to_cells(self, chosen: Sequence[int], out: Arrays) -> None:
        """Return Landsat as it is stored: "cells" int16, (cells, channels), and "index" uint8, (height, width)."""
        cells = self._cells()
        out["cells"][: len(cells)] = cells[:, [channel - LANDSAT.start for channel in chosen]]
        out["cells"][len(cells) :] = 0  # the memory has been another batch's
        out["index"][...] = self._plane(INDEX)

    def to_labels(self, out: np.ndarray) -> None:
        """Return classes: 1 to 6, and `IGNORE` (0) where the label is 0 or `NO_DATA`; others were not packed so."""
        to_labels(self._plane(BYTES.index(LABELS)), out)

    def to_planes(self) -> np.ndarray:
        """Return the whole patch, whatever the window: float32, (29, 256, 256)."""
        for members in PLANES:
            self._plane(members.start)
        return _decode(_MEMORY.planes, self._cells())

    def _scaled_cells(self, landsat: Sequence[Run], count: int) -> np.ndarray:
        """Scale Landsat channels of each cell and put them where a pixel has them: float32, (cells, count)."""
        scaled = np.zeros((self._shard.size(self._row, CELLS) // (2 * len(LANDSAT)), count), np.float32)
        for source, target, scale in landsat:
            cells = self._cells()[:, source.start - LANDSAT.start : source.stop - LANDSAT.start]
            # exactly half the scale, so that the product is the float32 of the original
            np.multiply(cells, np.float32(scale / 2), out=scaled[:, target], dtype=np.float32)
        return scaled

    def _cells(self) -> np.ndarray:
        raw = _MEMORY.cells[: self._shard.size(self._row, CELLS)]
        if CELLS not in self._read:
            self._shard.read(self._row, CELLS, raw)
            self._read.add(CELLS)
        return raw.view("<i2").reshape(-1, len(LANDSAT))

    def _stored(self, run: Run) -> Run:
        """Read the planes of a run, and say where they stand."""
        places = [BYTES.index(channel) for channel in range(run.source.start, run.source.stop)]
        for place in places:
            self._plane(place)
        return run._replace(source=slice(places[0], places[-1] + 1))

    def _plane(self, place: int) -> np.ndarray:
        section = next(number for number, members in enumerate(PLANES) if place in members)
        if section not in self._read:
            members = PLANES[section]
            self._shard.read(self._row, section, _MEMORY.planes[members.start : members.stop])
            self._read.add(section)
        return _MEMORY.planes[place, *self._window]


def _take(cells: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
    """Write to each pixel its cell, all channels at once: the others come after."""
    if out.flags.c_contiguous:
        cells.take(index, axis=0, out=out, mode="clip")  # "raise" would make a copy first
    else:
        out[...] = cells.take(index, axis=0)


def _decode(planes: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Make the patch of its parts, float32, (29, 256, 256)."""
    patch = np.empty((len(CHANNELS), PIXELS, PIXELS), np.float32)
    patch[BYTES] = planes[:INDEX]
    np.divide(cells.take(planes[INDEX], axis=0).transpose(2, 0, 1), 2, out=patch[LANDSAT.start : LANDSAT.stop])
    return patch
