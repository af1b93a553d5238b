"""Patches as a source of the streaming engine: read, checked, cut, turned, converted; class shares and weights.

A patch is 7.6 MB of float32. In a shard bytes stay bytes, and Landsat keeps its own 30-m cells until the batch. NAIP,
labels, NLCD and buildings are whole numbers, one byte a pixel. Landsat is made of blocks, one for each of about 110
cells: stored are the cells, as int16 of twice the value, and for every pixel the number of its cell, one more byte.
(The grid of the cells lies askew on that of the pixels, by up to two degrees where a UTM zone ends, so rows and columns
would not do.) All of it makes 0.8 MB, and the same float32 values as before. A patch that is not of this kind goes into
the shard as the `.npz` that it is, and is read as one.
"""

import os
import threading
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from helpers.data import DataError
from helpers.data.chesapeake.bands import (
    CHANNELS,
    CLASSES,
    COURSE_BANDS,
    IGNORE,
    LABELS,
    LANDSAT,
    PIXELS,
    ROWS,
    InvalidSampleError,
    Run,
    channels,
    check_bytes,
    check_finite,
    check_halves,
    check_labels,
    compact_config,
    halves,
    runs,
    to_bytes,
    to_float,
    to_halves,
    to_labels,
)
from helpers.data.chesapeake.tiles import Edge, Tile, TileWindow, window_of
from helpers.data.measuring import spread
from helpers.data.streaming import Arrays, FileError, Loader, SampleRng, Samples, Spec, read_array
from helpers.data.streaming.npz import SCRATCH, Copies, decode_array
from helpers.data.streaming.shards import Shard, open_shard, split_name

# ---- patches in shards ----

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
        check_labels(patch[LABELS])
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


# ---- the source ----

PATCH_SHAPE = (29, PIXELS, PIXELS)
MOST_BYTES = prod(PATCH_SHAPE) * 8  # float64 and int64
COMPACT = ("bytes", "halves", "cells", "index")
Target = Literal["labels", "season", "clean"]


class Patches(Samples):
    """Chesapeake patches, in the order of their files.

    Args:
        files: paths of `.npz` files, of patches in shards (`…/NAME.pack/PATCH.npz`), or of windows of tiles
            (`…/NAME.tile/PATCH.npz`), as `find_patches` gives them.
        bands: channels of the input, by name; see `bands.GROUPS` and `bands.CHANNELS`.
        target: "labels"; "season": the same place leaf-off, for an input that is leaf-on; "clean": the input itself,
            before `noise` was added.
        noise: standard deviation of the Gaussian noise that an input with target "clean" gets, in units of the scaled
            channels; other noise in every epoch.
        image_size: pixels along each side; a smaller number cuts, from the middle or with `augment` anywhere.
        augment: cut, flip and turn by quarters at random, image and target together.
        compact: give the input as `{"bytes": uint8, "halves": int16}`, channels first, for
            `helpers.models.compact.CompactToFloat`; labels as uint8. Where all patches are packed, Landsat comes as the
            cells of its own grid and the number of each pixel's cell: `{"bytes", "cells": int16, "index": uint8}`.
        cells: with `compact`, room for so many cells of a patch, or 0 for halves. Default: what `files` need, see
            `most_cells`. Splits that one model reads must have the same.
        weights: a weight for each class, float, (7,); batches then have a third part, the weight of each pixel.
        cache_dir: a folder on a local disk that gets a copy of each `.npz` when it is first read. Shards are copied by
            `helpers.data.packing.stage`.

    Batches are (input, target) or (input, target, weights):
        input: float32, (batch, image_size, image_size, channels), NAIP / 255, Landsat / 4000, not clipped.
        labels: int32, (batch, image_size, image_size), 1 to 6, and 0 where there is none (`IGNORE`).
        season: float32, (batch, image_size, image_size, 9).
        clean: float32, like the input.
        weights: float32, (batch, image_size, image_size).
    """

    whole = PIXELS  # pixels along each side of what is read, of which image_size are cut

    def __init__(
        self,
        files: Sequence[str | Path],
        *,
        bands: Sequence[str] | None = None,
        target: Target = "labels",
        noise: float = 0.0,
        image_size: int = PIXELS,
        augment: bool = False,
        compact: bool = False,
        cells: int | None = None,
        weights: Sequence[float] | np.ndarray | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        self.files = [os.fspath(path) for path in files]
        season = target == "season"
        self._bands = bands or (("landsat_leaf_on",) if season else COURSE_BANDS)
        chosen = channels(self._bands)
        target_channels = {"labels": [], "season": channels(["landsat_leaf_off"]), "clean": chosen}.get(target)
        if not 1 <= image_size <= self.whole:
            raise ValueError(f"image_size must be 1 to {self.whole} pixels; received {image_size}.")
        _check_options(target, target_channels, chosen, compact, noise, weights)
        self._target, self._noise = target, noise
        self._size, self._augment, self._compact = image_size, augment, compact
        self._halves = halves(chosen)
        self._bytes = [channel for channel in chosen if channel not in self._halves]
        self._floats = [*([] if compact else chosen), *(target_channels or [])]
        self._runs, self._target_runs = runs(chosen), runs(target_channels or [])
        self._weights = None if weights is None else np.asarray(weights, np.float32)
        self._cells = (most_cells(self.files) if cells is None else cells) if compact else 0
        self._read = Copies(cache_dir).read_array if cache_dir else read_array
        self._checked: dict[int, int] = {}  # checksums by index

    @property
    def arrays(self) -> dict[str, Spec]:  # type: ignore[override]  # depends on the options
        """What one patch fills."""
        return self._arrays(self._compact)

    @property
    def identity(self) -> dict[str, Spec]:
        """What a patch is in either form: `arrays` as they are without `compact`. For `Loader.fingerprint`."""
        return self._arrays(compact=False)

    @property
    def finishing(self) -> dict[str, list] | None:
        """The arguments of the `CompactToFloat` that makes images of the input; None where it is images already."""
        return compact_config(self._bands) if self._compact else None

    def _arrays(self, compact: bool) -> dict[str, Spec]:
        size, count = (self._size, self._size), len(self._bytes) + len(self._halves)
        found = self._compact_arrays() if compact else {"image": Spec((*size, count), "float32")}
        if self._target == "labels":
            found["labels"] = Spec(size, "uint8" if compact else "int32")
        else:
            found[self._target] = Spec(
                (*size, sum(r.source.stop - r.source.start for r in self._target_runs)), "float32"
            )
        if self._weights is not None:
            found["weights"] = Spec(size, "float32")
        return found

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Name a patch by its path."""
        return self.files[index]

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read, check (the first time), cut, turn and convert one patch.

        Raises:
            FileError: the file cannot be read, or does not hold a patch.
        """
        room = self.whole - self._size
        top, left = (rng.below(room + 1), rng.below(room + 1)) if self._augment else (room // 2, room // 2)
        flip, quarters = (rng.below(2), rng.below(4)) if self._augment else (0, 0)
        largest = max(out.values(), key=lambda array: array.nbytes)
        patch = self._open(index, slice(top, top + self._size), slice(left, left + self._size), _room(largest))
        self._convert(patch, {name: _turned(name, array, flip, quarters) for name, array in out.items()})
        if self._noise:
            noise = np.random.default_rng(rng.below(2**63)).standard_normal(out["image"].shape, np.float32)
            out["image"] += noise * np.float32(self._noise)

    def finish(self, arrays: Arrays) -> tuple[Any, ...]:
        """Make (input, target) or (input, target, weights)."""
        rest = [arrays[name] for name in (self._target, "weights") if name in arrays]
        compact = {name: arrays[name] for name in COMPACT if name in arrays}
        return (compact or arrays["image"], *rest)

    def _compact_arrays(self) -> dict[str, Spec]:
        size, count = (self._size, self._size), len(self._halves)
        found = {"bytes": Spec((len(self._bytes), *size), "uint8"), "halves": Spec((count, *size), "int16")}
        if self._cells and count:
            del found["halves"]
            found |= {"cells": Spec((self._cells, count), "int16"), "index": Spec(size, "uint8")}
        return {name: spec for name, spec in found.items() if 0 not in spec.shape}

    def _open(self, index: int, rows: slice, columns: slice, room: memoryview) -> "ArrayPatch | PackedPatch":
        if window := self._window(index):
            planes = window.read(rows, columns)
            self._check(index, planes)  # always: nothing vouches for a window
            return ArrayPatch(planes)
        path = self.files[index]
        record = split_name(path)
        if record is None:
            return ArrayPatch(self._good(index, self._read(path, most=MOST_BYTES, room=room))[:, rows, columns])
        shard = open_shard(record[0])
        row = shard.row(record[1])
        if is_original(shard, row):
            return ArrayPatch(self._good(index, read_original(shard, row))[:, rows, columns])
        return PackedPatch(shard, row, rows, columns)

    def _window(self, index: int) -> TileWindow | None:
        """Return the window of a tile that a sample is, or None."""
        return window_of(self.files[index])

    def _good(self, index: int, array: np.ndarray) -> np.ndarray:
        """Return the planes of a patch; check their values unless the same array has been checked before."""
        planes = as_planes(array, self.files[index])
        checksum = SCRATCH.checksum  # the file may have been replaced, or written again, since it was read first
        if self._checked.get(index) != checksum:
            self._check(index, planes)
            self._checked[index] = checksum
        return planes

    def _check(self, index: int, planes: np.ndarray) -> None:
        try:
            check_finite(planes, self._floats)
            if self._compact:
                check_bytes(planes, self._bytes)
                check_halves(planes, self._halves)
            if self._target == "labels":
                check_labels(planes[LABELS])
        except InvalidSampleError as error:
            raise FileError(self.files[index], str(error)) from None

    def _convert(self, patch: "ArrayPatch | PackedPatch", out: Arrays) -> None:
        if "image" in out:
            patch.to_float(self._runs, out["image"])
        if "bytes" in out:
            patch.to_bytes(self._bytes, out["bytes"])
        if "halves" in out:
            patch.to_halves(self._halves, out["halves"])
        if "cells" in out and isinstance(patch, PackedPatch):
            patch.to_cells(self._halves, out)
        if "labels" in out:
            patch.to_labels(out["labels"])
        else:
            patch.to_float(self._target_runs, out[self._target])
        if self._weights is not None:
            out["weights"][...] = self._weights.take(out["labels"])


class TileWindows(Patches):
    """Windows of any size of tiles, in the order of the tiles, then row by row; batches are those of `Patches`.

    Args:
        tiles: from `find_tiles`.
        size: pixels along each side of a window.
        stride: pixels from one window to the next. Default: `size`, side by side.
        edge: "drop": only windows that lie inside; what is left at the right and below is not shown. "pad": the last
            ones reach beyond the edge, where there is no label.
        image_size: pixels that are cut of a window, as `Patches` cuts. Default: all.
        options: of `Patches`, such as `bands` and `compact`.

    Attributes:
        windows: tile, row and column of each.

    Raises:
        DataError: the layers of a tile do not fit, or no window fits into the tiles.
        ValueError: a number is not positive, or there is no such edge.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        size: int = PIXELS,
        stride: int | None = None,
        edge: Edge = "drop",
        *,
        image_size: int | None = None,
        **options: Any,
    ) -> None:
        if size < 1 or (stride is not None and stride < 1) or edge not in get_args(Edge):
            raise ValueError(
                f'size and stride must be 1 or more, and edge "drop" or "pad"; received {size}, {stride}, {edge!r}.'
            )
        self.whole = size
        self.windows = [
            TileWindow(tile, row, column, edge)
            for tile in tiles
            for row in _firsts(tile.shape[0], size, stride or size, edge)
            for column in _firsts(tile.shape[1], size, stride or size, edge)
        ]
        if not self.windows:
            sizes = ", ".join(f"{tile.name} {tile.shape[0]} x {tile.shape[1]}" for tile in tiles[:5]) or "none"
            raise DataError(f'no window of {size} pixels lies inside a tile ({sizes}). Lower size, or take edge="pad".')
        places = (f"{window.tile.files['lc']} at row {window.row}, column {window.column}" for window in self.windows)
        super().__init__([*places], image_size=image_size or size, **options)

    def _window(self, index: int) -> TileWindow:
        return self.windows[index]


def _firsts(length: int, size: int, stride: int, edge: Edge) -> range:
    """Return where windows begin along a side."""
    return range(0, length if edge == "pad" else length - size + 1, stride)


class ArrayPatch:
    """A patch that was read whole, cut to a window: (29, height, width), any numeric dtype. As `PackedPatch` does."""

    def __init__(self, planes: np.ndarray) -> None:
        self._planes = planes

    def to_float(self, runs: Sequence[Run], out: np.ndarray) -> None:
        """See `bands.to_float`."""
        to_float(self._planes, runs, out)

    def to_bytes(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """See `bands.to_bytes`."""
        to_bytes(self._planes, chosen, out)

    def to_halves(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """See `bands.to_halves`."""
        to_halves(self._planes, chosen, out)

    def to_labels(self, out: np.ndarray) -> None:
        """See `bands.to_labels`."""
        to_labels(self._planes[LABELS], out)


def _room(array: np.ndarray) -> memoryview:
    """Return the bytes of an array that is about to be filled; none of one with gaps."""
    return array.reshape(-1).view(np.uint8).data if array.flags.c_contiguous else memoryview(b"")


def _turned(name: str, array: np.ndarray, flip: int, quarters: int) -> np.ndarray:
    """Return a view through which what is written comes out turned back by quarters and then flipped."""
    if name == "cells" or not (flip or quarters):
        return array
    rows, columns = (1, 2) if name in ("bytes", "halves") else (0, 1)
    flipped = np.flip(array, columns) if flip else array
    return np.rot90(flipped, quarters, (rows, columns))


def as_planes(array: np.ndarray, path: str) -> np.ndarray:
    """Drop an axis of length 1 in front.

    Raises:
        FileError: the array has not the shape of a patch, or no numbers.
    """
    planes = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
    if planes.shape != PATCH_SHAPE:
        raise FileError(path, f"holds an array of shape {array.shape}, not (29, 256, 256) or (1, 29, 256, 256).")
    if planes.dtype == bool:
        raise FileError(path, "holds only true and false (bool); a patch has numbers. Make it again as float32.")
    return planes


def _check_options(
    target: str, wanted: list[int] | None, chosen: list[int], compact: bool, noise: float, weights: Any
) -> None:
    if wanted is None:
        raise ValueError(f'target must be "labels", "season" or "clean"; received {target!r}.')
    if weights is not None and np.shape(weights) != (CLASSES,):
        raise ValueError(f"weights must be {CLASSES} numbers, one a class from 0; received {weights}.")
    if weights is not None and target != "labels":
        raise ValueError(f'weights are those of classes and go with target="labels"; received target={target!r}.')
    if target == "season" and set(chosen) & set(wanted):
        raise ValueError('target="season" is leaf-off, which is among the bands of the input already.')
    if noise < 0 or (noise and target != "clean"):
        raise ValueError(f'noise must not be negative and goes with target="clean"; received {noise}, {target!r}.')
    if compact and target == "clean":
        raise ValueError('target="clean" goes with compact=False: a compact input is made clean on the device.')


# ---- classes ----

PENNSYLVANIA = np.array([0, 1.20, 65.11, 29.29, 0.53, 2.78, 1.09]) / 100
"""Shares of the classes in 2,241 tiles of Pennsylvania; class 0 is the ignored one."""


def class_shares(files: Sequence[str], *, most: int = 1000) -> np.ndarray:
    """Count the pixels of each class.

    Args:
        files: paths of patches.
        most: look into so many, spread evenly over the list.

    Returns:
        float64, (7,): the share of each class among the pixels that have one; 0 for `IGNORE`.
    """
    some = spread(files, most)
    counts: np.ndarray = np.zeros(CLASSES, np.int64)
    for _, labels in Loader(Patches(some, bands=["buildings"], compact=True), batch_size=32):
        counts += np.bincount(labels.ravel(), minlength=CLASSES)
    counts[IGNORE] = 0
    return counts / max(1, counts.sum())


def class_weights(shares: Sequence[float] | np.ndarray, *, power: float = 1.0) -> np.ndarray:
    """Weigh rare classes up, so that the mean weight of a labelled pixel is 1.

    Args:
        shares: of the classes, (7,), from `class_shares`.
        power: 1 gives every class the same sum of weights, 0.5 goes half the way, 0 gives every pixel the same.

    Returns:
        float32, (7,): proportional to share ** -power; 0 for `IGNORE` and for classes that do not occur.

    >>> class_weights([0, 0.5, 0.25, 0.25, 0, 0, 0]).round(2).tolist()
    [0.0, 0.6700000166893005, 1.3300000429153442, 1.3300000429153442, 0.0, 0.0, 0.0]
    """
    given = np.array(shares, np.float64)
    given[IGNORE] = 0
    occurs = given > 0
    weights = np.zeros(len(given))
    weights[occurs] = given[occurs] ** -power
    return (weights * given.sum() / (weights * given).sum()).astype(np.float32)
