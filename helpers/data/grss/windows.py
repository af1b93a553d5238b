"""Windows of GRSS tiles: where each lies, in which order many are read. Used by lecture 10 and homework 5.

Windows are numbered 1, 2, … from left to right, then from top to bottom, as the pieces of the thesis are. An order is
made of `streaming.order.permutation`: a pure function of seed and epoch, the same on every machine.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import DataError
from helpers.data.grss.tiles import (
    Tile,
    TileCache,
    check_kinds,
    fill,
    format_of,
    mean_height,
    predominant_class,
    read_tile,
    shrink,
    specs_of,
)
from helpers.data.streaming import Arrays, Loader, SampleRng, Samples, Spec
from helpers.data.streaming.order import permutation
from helpers.files import atomic_write


@dataclass(frozen=True)
class Grid:
    """Windows that cover a tile, every pixel exactly once.

    Attributes:
        tile: pixels along an edge of a square tile, or (rows, columns). To leave out what is left of a tile of any
            size beyond the last whole window, take `rows - rows % size`.
        size: pixels along an edge of a square window, or (rows, columns); a divisor of `tile`.

    >>> Grid(1024, 128).count, Grid(1024, 128).box(10)
    (64, (slice(128, 256, None), slice(128, 256, None)))
    >>> Grid((1024, 512), (128, 256)).count, Grid((1024, 512), (128, 256)).box(4)
    (16, (slice(128, 256, None), slice(256, 512, None)))
    """

    tile: int | tuple[int, int]
    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        for tile, size in zip(self.edges, self.window, strict=True):
            _check_divides(size, tile)

    @property
    def edges(self) -> tuple[int, int]:
        """Rows and columns of the tile."""
        return _pair(self.tile)

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns of a window."""
        return _pair(self.size)

    @property
    def across(self) -> int:
        """Number of windows in a row; also how many pixels become one when a whole square tile is shrunk to `size`."""
        return self.edges[1] // self.window[1]

    @property
    def count(self) -> int:
        """Number of windows of a tile."""
        return self.edges[0] // self.window[0] * self.across

    def box(self, k: int) -> tuple[slice, slice]:
        """Return rows and columns of window k, counted from 1."""
        if not 1 <= k <= self.count:
            raise ValueError(f"k must be between 1 and {self.count}; received {k}.")
        row, column = divmod(k - 1, self.across)
        (height, width), (top, left) = self.window, (row * self.window[0], column * self.window[1])
        return slice(top, top + height), slice(left, left + width)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _check_divides(size: int, tile: int) -> None:
    if not 0 < size <= tile or tile % size:
        divisors = [n for n in range(1, tile + 1) if tile % n == 0]
        nearest = sorted(sorted(divisors, key=lambda n: abs(n - size))[:2])
        raise ValueError(
            f"size must divide the tile's {tile} pixels; received {size}. Use {' or '.join(map(str, nearest))}."
        )


def spread(groups: Sequence[str], *, seed: int, epoch: int = 0) -> np.ndarray:
    """Shuffle so that members of one group stand far apart: each group is spread evenly over the whole order.

    Args:
        groups: for each item, the group that it belongs to.
        seed, epoch: another number in either, another order.

    Returns:
        int64, (items,): a permutation.
    """
    names, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    luck = permutation(len(group), seed=seed, epoch=epoch)
    start = permutation(len(names), seed=seed, epoch=epoch) / len(names)
    counts = np.bincount(group)
    rank = np.empty(len(group))
    rank[np.lexsort((luck, group))] = np.concatenate([np.arange(count) for count in counts])
    return np.lexsort((luck, (rank + start[group]) / counts[group])).astype(np.int64)


@functools.lru_cache(maxsize=4)  # asked for every batch
def shuffled(groups: tuple[str, ...], per_tile: int, *, seed: int, epoch: int = 0, together: int = 16) -> np.ndarray:
    """Order all windows of many tiles: at random among a few tiles of many places, then among the next few.

    Whoever keeps `together` tiles open opens each of them once.

    Args:
        groups: for each tile, its place.
        per_tile: number of windows of a tile.
        seed, epoch: another number in either, another order.
        together: most tiles whose windows are mixed; the number of tiles gives a full shuffle.

    Returns:
        int64, (tiles * per_tile,), read-only: every index `tile * per_tile + k - 1` once.
    """
    if together < 1 or not len(groups):
        raise ValueError(f"together must be at least 1 and there must be tiles; received {together}, {len(groups)}.")
    tiles = spread(groups, seed=seed, epoch=epoch)
    blocks = -(-len(tiles) // together)
    block = np.arange(len(tiles)) * blocks // len(tiles)  # of nearly equal size: no last one with a single place
    windows = (tiles[:, np.newaxis] * per_tile + np.arange(per_tile)).ravel()
    luck = permutation(len(windows), seed=seed, epoch=epoch)
    order = windows[np.lexsort((luck, np.repeat(block, per_tile)))]
    order.setflags(write=False)
    return order


class Windows(Samples):
    """All windows of many tiles, read by index without writing pieces; each tile is opened once for all its windows.

    Window `index` is window k = index % per_tile + 1 of tile index // per_tile, row by row as in the thesis. May be
    read from several threads; a source of batches for `streaming.Loader`.

    Args:
        tiles: from `find_tiles`; each must have all of `kinds`.
        kinds: some of RGB, MSI, CLS, AGL, DSM; pixel over pixel, all of one window are cut alike.
        size: pixels along an edge of a window, a divisor of `tile_size`.
        tile_size: pixels along an edge of a tile; 2048 for the pictures of Track 3.
        resize: give each whole tile as one window, averaged down to `size` (labels: the middle pixel).
        native: leave RGB uint8 and MSI uint16, for a model that scales on the device.
        together: number of tiles whose windows are mixed; see `order`.
        memory: most bytes of decoded tiles that are kept.
        finish: what the loader hands to a model, made of the arrays of a batch, as in
            `lambda arrays: (arrays["RGB"], arrays["CLS"])`; default: the arrays.

    Attributes:
        arrays: shape and dtype of each array of one window, by name.
            RGB, MSI: float32, (size, size, bands), in [0, 1] (MSI: may exceed 1); or native.
            CLS: uint8, (size, size), 0 to 4, or `IGNORE`.
            AGL, DSM: float32, (size, size), metres, 0 where unknown; with AGL_valid, DSM_valid: bool, (size, size).

    Raises:
        DataError: no tiles, or a tile lacks a kind.
        ValueError: `size` is no divisor, or `together` tiles do not fit into `memory`.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        kinds: Sequence[str] = ("RGB",),
        *,
        size: int = 128,
        tile_size: int = 1024,
        resize: bool = False,
        native: bool = False,
        together: int = 16,
        memory: int = 512 << 20,
        finish: Callable[[Arrays], Any] = dict,
    ) -> None:
        check_kinds(kinds)
        self.tiles, self.kinds, self.resize, self.together = list(tiles), tuple(kinds), resize, together
        self.grid = Grid(tile_size, size)
        self.per_tile = 1 if resize else self.grid.count
        self._formats = {kind: format_of(kind, tile_size) for kind in self.kinds}
        self._boxes = [self.grid.box(k + 1) for k in range(self.grid.count)]
        self.arrays: dict[str, Spec] = {}
        for kind in kinds:
            self.arrays |= specs_of(kind, size, native=native)
        self.finish = finish  # type: ignore[assignment, method-assign]  # the caller's in place of ours
        self.cache = TileCache(memory=memory)
        self._check(memory)

    def __len__(self) -> int:
        return len(self.tiles) * self.per_tile

    def _check(self, memory: int) -> None:
        if not self.tiles:
            raise DataError("There are no tiles to cut windows from. find_tiles finds them; a split is never empty.")
        for tile in self.tiles:
            if lacks := tile.missing(self.kinds):
                raise DataError(
                    f"{tile.name} lacks {', '.join(lacks)}; it has {', '.join(map(str, tile.files.values()))}. "
                    f"Call find_tiles with kinds={self.kinds}, which says what is missing."
                )
        needed = sum(form.bytes for form in self._formats.values()) * min(self.together, len(self.tiles))
        if needed > memory:
            raise ValueError(
                f"{self.together} tiles together take {needed >> 20} MB if they are compressed, more than memory "
                f"({memory >> 20} MB): each would be decoded many times. Lower together or raise memory."
            )

    def locate(self, index: int) -> tuple[Tile, int]:
        """Return the tile of a window, and the window's number k in it, from 1."""
        if not 0 <= index < len(self):
            raise IndexError(f"There are windows 0 to {len(self) - 1}; received {index}.")
        tile, k = divmod(int(index), self.per_tile)
        return self.tiles[tile], k + 1

    def name(self, index: int) -> str:
        """Name a window by its tile's first file and its number."""
        tile, k = self.locate(index)
        return f"{tile.files[self.kinds[0]]}, window {k}"

    def order(self, *, seed: int, epoch: int = 0) -> np.ndarray:
        """Shuffle all windows; a function of tiles, seed and epoch alone.

        Windows are mixed among `together` tiles, which are of many places, then among the next ones, so that each
        tile is decoded once an epoch.

        Returns:
            int64, (windows,): every index once; read-only.
        """
        places = tuple(tile.place for tile in self.tiles)
        return shuffled(places, self.per_tile, seed=seed, epoch=epoch, together=self.together)

    def fill(self, index: int, rng: SampleRng | None, out: Mapping[str, np.ndarray]) -> None:
        """Read one window into arrays of the shapes and dtypes of `arrays`; nothing is drawn.

        Raises:
            DataError: a file is gone, broken, or not what it should be; the message names it.
        """
        tile, k = self.locate(index)
        for kind, form in self._formats.items():
            path = tile.files[kind]
            pixels = self.cache.get(path, form)
            cut = shrink(kind, pixels, self.grid.across) if self.resize else pixels[self._boxes[k - 1]]
            fill(kind, cut, out, path)

    def buffers(self, count: int) -> Arrays:
        """Make room for `count` windows: one array of (count, …) for each of `arrays`."""
        return {name: np.empty((count, *spec.shape), spec.dtype) for name, spec in self.arrays.items()}

    def read_into(self, indices: Sequence[int] | np.ndarray, buffers: Mapping[str, np.ndarray]) -> None:
        """Read windows into the first rows of given arrays, as `buffers` makes them.

        Raises:
            DataError: as `fill` does.
            ValueError: an array that is missing, too short, or of another shape or dtype.
        """
        _check_buffers(self.arrays, len(indices), buffers)
        for row, index in enumerate(indices):
            self.fill(index, None, {name: buffers[name][row] for name in self.arrays})

    def read(self, indices: Sequence[int] | np.ndarray) -> Arrays:
        """Read windows into new arrays, one for each of `arrays`; raises as `read_into` does."""
        self.read_into(indices, arrays := self.buffers(len(indices)))
        return arrays

    def loader(self, batch_size: int = 32, *, seed: int = 0, **options: Any) -> Loader:
        """Return batches in shuffled order, epoch after epoch, read ahead by threads.

        Args:
            batch_size: windows of a batch.
            seed: of `order`.
            options: of `streaming.Loader`. With `shuffle=True` there, in place of this method, windows of all tiles
                are mixed: as good if the tiles are uncompressed, but a compressed tile is decoded for every window.
        """
        return Loader(self, batch_size=batch_size, shuffle=True, seed=seed, permutation=self.order, **options)

    def batches(self, batch_size: int, *, seed: int, epoch: int = 0, start: int = 0) -> Iterator[Arrays]:
        """Read one epoch in shuffled order; the last batch may be smaller.

        Args:
            batch_size: windows of a batch.
            seed, epoch: of the order.
            start: first batch, to go on in the middle of an epoch.

        Yields:
            The arrays, and `index`: int64, (windows,), which windows these are.
        """
        order = self.order(seed=seed, epoch=epoch)
        for begin in range(start * batch_size, len(order), batch_size):
            index = order[begin : begin + batch_size]
            yield {**self.read(index), "index": index}

    def facts(self, *, progress: bool = True) -> Arrays:
        """Read labels and heights of every window once and sum them up, to colour a plot of codes by them.

        Args:
            progress: show a bar; all of the contest are 14 GB of labels and heights.

        Returns:
            One value a window, in the order of the indices. With CLS: `predominant_class` and `labeled` (share); with
            AGL: `mean_height` and `known` (share).
        """
        rows = []
        begins = range(0, len(self), self.per_tile)
        for begin in tqdm(begins, desc="facts", unit="tile", disable=not progress):
            arrays, fact = self.read(range(begin, begin + self.per_tile)), dict[str, np.ndarray]()
            if "CLS" in arrays:
                fact["predominant_class"], fact["labeled"] = predominant_class(arrays["CLS"])
            if "AGL" in arrays:
                fact["mean_height"], fact["known"] = mean_height(arrays["AGL"], arrays["AGL_valid"])
            rows.append(fact)
        return {name: np.concatenate([fact[name] for fact in rows]) for name in rows[0]}


def _check_buffers(specs: Mapping[str, Spec], count: int, buffers: Mapping[str, np.ndarray]) -> None:
    for name, spec in specs.items():
        given = buffers.get(name)
        if given is None or given.dtype != spec.dtype or given.shape[1:] != spec.shape or len(given) < count:
            came = "nothing" if given is None else f"{given.shape} {given.dtype}"
            wanted = f"{(count, *spec.shape)} {spec.dtype}"
            raise ValueError(f"{name} needs {wanted}; received {came}. `buffers` makes what is needed.")


def write_pieces(
    tiles: Sequence[Tile],
    folder: Path | str,
    kinds: Sequence[str] = ("RGB",),
    *,
    size: int = 128,
    tile_size: int = 1024,
    progress: bool = True,
) -> int:
    """Write every window of every tile as a TIFF of its own, `<stem>_128x128_<k>split8.tif`, pixels unchanged.

    A piece is there whole or not at all. Pieces that are there are kept: run it again to go on where it stopped.

    Args:
        tiles: from `find_tiles`; each must have all of `kinds`.
        folder: where the pieces go; made if need be.
        kinds: which files to cut.
        size: pixels along an edge of a piece, a divisor of `tile_size`.
        tile_size: pixels along an edge of a tile.
        progress: show a bar.

    Returns:
        The number of pieces written now.

    Raises:
        DataError: a tile is incomplete, broken or gone, or the disk is full; what was written before stays.
    """
    folder, grid = Path(folder), Grid(tile_size, size)
    if gaps := [tile.name for tile in tiles if tile.missing(kinds)]:
        raise DataError(f"{len(gaps)} tiles lack some of {', '.join(kinds)}: {', '.join(gaps[:5])}. Ask for others.")
    folder.mkdir(parents=True, exist_ok=True)
    files = [(kind, tile.files[kind]) for tile in tiles for kind in kinds]
    bar = tqdm(files, desc=f"pieces of {size} x {size}", unit="tile", disable=not progress)
    return sum(_cut(path, kind, folder, grid) for kind, path in bar)


def _cut(path: Path, kind: str, folder: Path, grid: Grid) -> int:
    """Write the pieces of one file that are not there; open it only if there are any."""
    size = "x".join(map(str, grid.window))
    names = {k: f"{path.stem}_{size}_{k}split{grid.across}.tif" for k in range(1, grid.count + 1)}
    missing = {k: folder / name for k, name in names.items() if not (folder / name).exists()}
    if missing:
        tile = read_tile(path, format_of(kind, grid.edges[0]))
    for k, target in missing.items():
        _write_piece(target, tile[grid.box(k)])
    return len(missing)


def _write_piece(target: Path, piece: np.ndarray) -> None:
    """Write one piece with its bands where GDAL looks for them too: the tiles themselves hide them from it."""
    piece, colours = np.ascontiguousarray(piece), "rgb" if piece.shape[2:] == (3,) else "minisblack"
    try:
        with atomic_write(target) as temporary:
            tifffile.imwrite(temporary, piece, photometric=colours, planarconfig="contig", metadata=None)
    except OSError as error:
        raise DataError(
            f"{target} could not be written: {error.strerror or error}. Make room or name another folder, then run "
            "this again: it goes on with the pieces that are missing."
        ) from error
