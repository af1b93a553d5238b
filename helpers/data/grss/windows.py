"""Windows of GRSS tiles as arrays, read by index into memory that is there. Used by lecture 10 and homework 5."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from helpers.data import DataError
from helpers.data.grss.grid import Grid, shuffled
from helpers.data.grss.tiff import TileCache
from helpers.data.grss.tiles import Tile, check_kinds
from helpers.data.grss.values import HEIGHTS, Arrays, fill, format_of, mean_height, predominant_class, shrink, spec_of

Spec = tuple[tuple[int, ...], np.dtype]  # shape and dtype of one window


class Windows:
    """All windows of many tiles, read by index without writing pieces; each tile is opened once for all its windows.

    Window `index` is window k = index % per_tile + 1 of tile index // per_tile, row by row as in the thesis. May be
    read from several threads.

    Args:
        tiles: from `find_tiles`; each must have all of `kinds`.
        kinds: some of RGB, MSI, CLS, AGL, DSM; pixel over pixel, all of one window are cut alike.
        size: pixels along an edge of a window, a divisor of `tile_size`.
        tile_size: pixels along an edge of a tile; 2048 for the pictures of Track 3.
        resize: give each whole tile as one window, averaged down to `size` (labels: the middle pixel).
        native: leave RGB uint8 and MSI uint16, for a model that scales on the device.
        together: number of tiles whose windows are mixed; see `order`.
        memory: most bytes of decoded tiles that are kept.

    Attributes:
        specs: shape and dtype of each array of one window, by name.
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
    ) -> None:
        check_kinds(kinds)
        self.tiles, self.kinds, self.resize, self.together = list(tiles), tuple(kinds), resize, together
        self.grid = Grid(tile_size, size)
        self.per_tile = 1 if resize else self.grid.count
        self._formats = {kind: format_of(kind, tile_size) for kind in self.kinds}
        self._boxes = [self.grid.box(k + 1) for k in range(self.grid.count)]
        self.specs = dict(self._describe(native))
        self.cache = TileCache(memory=memory)
        self._check(memory)

    def __len__(self) -> int:
        return len(self.tiles) * self.per_tile

    def _describe(self, native: bool) -> Iterator[tuple[str, Spec]]:
        for kind in self.kinds:
            shape, dtype = spec_of(kind, self.grid.size, native=native)
            yield kind, (shape, dtype)
            if kind in HEIGHTS:
                yield f"{kind}_valid", (shape, np.dtype(np.bool_))

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

    def order(self, *, seed: int, epoch: int = 0) -> np.ndarray:
        """Shuffle all windows; a function of tiles, seed and epoch alone.

        Windows are mixed among `together` tiles, which are of many places, then among the next ones, so that each
        tile is decoded once an epoch.

        Returns:
            int64, (windows,): every index once.
        """
        places = [tile.place for tile in self.tiles]
        return shuffled(places, self.per_tile, seed=seed, epoch=epoch, together=self.together)

    def buffers(self, count: int) -> Arrays:
        """Make room for `count` windows: one array of (count, …) for each of `specs`."""
        return {name: np.empty((count, *shape), dtype) for name, (shape, dtype) in self.specs.items()}

    def read_into(self, indices: Sequence[int] | np.ndarray, buffers: Mapping[str, np.ndarray]) -> None:
        """Read windows into the first rows of given arrays, as `buffers` makes them.

        Raises:
            DataError: a file is gone, broken, or not what it should be; the message names it.
            ValueError: an array that is missing, too short, or of another shape or dtype.
        """
        _check_buffers(self.specs, len(indices), buffers)
        for row, index in enumerate(indices):
            tile, k = self.locate(index)
            for kind, form in self._formats.items():
                path = tile.files[kind]
                pixels = self.cache.get(path, form)
                cut = shrink(kind, pixels, self.grid.across) if self.resize else pixels[self._boxes[k - 1]]
                fill(kind, cut, row, buffers, path)

    def read(self, indices: Sequence[int] | np.ndarray) -> Arrays:
        """Read windows into new arrays, one for each of `specs`; raises as `read_into` does."""
        self.read_into(indices, arrays := self.buffers(len(indices)))
        return arrays

    def batches(self, batch_size: int, *, seed: int, epoch: int = 0, start: int = 0) -> Iterator[Arrays]:
        """Read one epoch in shuffled order; the last batch may be smaller.

        Args:
            batch_size: windows of a batch.
            seed, epoch: of the order.
            start: first batch, to go on in the middle of an epoch.

        Yields:
            The arrays of `specs`, and `index`: int64, (windows,), which windows these are.
        """
        order = self.order(seed=seed, epoch=epoch)
        for begin in range(start * batch_size, len(order), batch_size):
            index = order[begin : begin + batch_size]
            yield {**self.read(index), "index": index}

    def facts(self) -> Arrays:
        """Read labels and heights of every window once and sum them up, to colour a plot of codes by them.

        Returns:
            One value a window, in the order of the indices. With CLS: `predominant_class` and `labeled` (share); with
            AGL: `mean_height` and `known` (share).
        """
        rows = []
        for begin in range(0, len(self), self.per_tile):
            arrays, fact = self.read(range(begin, begin + self.per_tile)), dict[str, np.ndarray]()
            if "CLS" in arrays:
                fact["predominant_class"], fact["labeled"] = predominant_class(arrays["CLS"])
            if "AGL" in arrays:
                fact["mean_height"], fact["known"] = mean_height(arrays["AGL"], arrays["AGL_valid"])
            rows.append(fact)
        return {name: np.concatenate([fact[name] for fact in rows]) for name in rows[0]}


def _check_buffers(specs: Mapping[str, Spec], count: int, buffers: Mapping[str, np.ndarray]) -> None:
    for name, (shape, dtype) in specs.items():
        given = buffers.get(name)
        if given is None or given.dtype != dtype or given.shape[1:] != shape or len(given) < count:
            came = "nothing" if given is None else f"{given.shape} {given.dtype}"
            raise ValueError(
                f"{name} needs {(count, *shape)} {dtype}; received {came}. `buffers` makes what is needed."
            )
