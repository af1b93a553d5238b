"""GRSS tiles: found by name in any folder, paired by place and view, split by place; and read.

An uncompressed tile is mapped into memory and costs none: the operating system reads the rows that a window touches. A
compressed one must be decoded whole; the cache keeps it until newer ones need its room. The one thing that a memory map
cannot survive is a tile that is overwritten in place while it is read: replace a tile by renaming a new one over it.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import tifffile

from helpers.data import DataError, NoDataError, fetch, stand_in
from helpers.data.base import File
from helpers.data.splits import FOLDS, Split, check_split, held_out_kind, sides_of
from helpers.data.streaming import Spec
from helpers.data.streaming.npz import retrying
from helpers.files import files_below, most_open

SHARES = (0.7, 0.15, 0.15)  # of the tiles: training, validation, test
KINDS = ("RGB", "MSI", "CLS", "AGL", "DSM")
NAME = re.compile(rf"((?:JAX|OMA)_\d+)(?:_(\d+))?_({'|'.join(KINDS)})\.(?i:tiff?)")


@dataclass(frozen=True, order=True)
class Tile:
    """One view of one place, and the files that show it, which lie pixel over pixel.

    Attributes:
        place: city and place, as in `"JAX_004"`.
        view: number of the view, as in `"006"`; empty for truth that belongs to the place and to none of its views.
        files: the path of each kind there is: RGB, MSI, CLS, AGL, DSM.
    """

    place: str
    view: str
    files: Mapping[str, Path] = field(compare=False)

    @property
    def name(self) -> str:
        """Place and view as the files have them, `"JAX_004_006"`."""
        return "_".join(filter(None, (self.place, self.view)))

    def missing(self, kinds: Sequence[str]) -> list[str]:
        """Return those of `kinds` that this tile has no file of."""
        return [kind for kind in kinds if kind not in self.files]


def find_tiles(
    folder: Path | str | None = None, kinds: Sequence[str] = ("RGB",), *, drop_incomplete: bool = False
) -> list[Tile]:
    """Find the tiles below a folder, however deep, and pair their files by place and view.

    Only names count: `JAX_004_006_RGB.tif`; other files, such as pieces that were cut before, are passed over.

    Args:
        folder: any folder above the files; default: where the data folder has them.
        kinds: what every tile must have; tiles that have none of these are passed over.
        drop_incomplete: leave out tiles that have some of `kinds` but not all, as the contest's validation tiles
            lack truth, instead of stopping.

    Returns:
        The tiles in the order of their names, each with all files found, also those of other kinds.

    Raises:
        DataError: no tile, an incomplete one, or two files of one name.
        FetchError: no folder given, and none in the data folder.
    """
    check_kinds(kinds)
    folder = Path(folder or _data_folder())
    candidates = [tile for tile in paired(tiff_files(folder)) if len(tile.missing(kinds)) < len(kinds)]
    complete = [tile for tile in candidates if not tile.missing(kinds)]
    if not candidates or (drop_incomplete and not complete):
        raise NoDataError(
            f"{folder} has no tile with {', '.join(kinds)} ({len(candidates)} with some of them). Wanted: files like "
            "JAX_004_006_RGB.tif, in this folder or any folder below. datasets/README.md says how to get them."
        )
    if len(complete) < len(candidates) and not drop_incomplete:
        raise _incomplete(folder, candidates, kinds)
    stand_in.announce(complete[0].files[kinds[0]])
    return complete


def split_by_place(tiles: Sequence[Tile], shares: Sequence[float] | int, *, seed: int = 0) -> list[list[Tile]]:
    """Split tiles so that no place is on two sides: views of one place are nearly the same picture.

    The same tiles and seed give the same split on every machine, whatever the order of the tiles. The sides come as
    close to their shares as whole places allow (a place has up to 43 views).

    Args:
        tiles: tiles of at least as many places as there are sides.
        shares: of each side, relative to each other, as in `(0.7, 0.15, 0.15)`; or a number of folds of equal shares.
        seed: another number, another split.

    Returns:
        One list of tiles for each side, in the order of `tiles`; none is empty.

    Raises:
        ValueError: a share that is not above 0, or fewer than two sides.
        DataError: fewer places than sides.
    """
    wanted = [1.0] * shares if isinstance(shares, int) else list(shares)
    if len(wanted) < 2 or min(wanted) <= 0:
        raise ValueError(f"shares must be two or more numbers above 0, or a number of folds from 2; received {shares}.")
    views = _views_by_place(tiles)
    if len(views) < len(wanted):
        raise DataError(
            f"{len(wanted)} sides need tiles of at least {len(wanted)} places; these {len(tiles)} tiles show "
            f"{len(views)}: {', '.join(views)}. Views of one place must stay together. Add tiles of other places, or "
            "ask for fewer sides."
        )
    places = sorted(views, key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).digest())
    side_of = _deal({place: views[place] for place in places}, wanted)
    sides: list[list[Tile]] = [[] for _ in wanted]
    for tile in tiles:
        sides[side_of[tile.place]].append(tile)
    return sides


def split_tiles(
    tiles: Sequence[Tile], split: Split = "tile", *, folds: int = FOLDS, fold: int | None = None, seed: int = 0
) -> dict[str, list[Tile]]:
    """Divide tiles into "train", "validation" and "test".

    Args:
        tiles: of several places.
        split: "tile": by `SHARES`, no place on two sides; see `split_by_place`. "folds": every place tests once over
            all folds. "digit": views ending 9 validate, which leaks, for other views of the same places are trained on;
            held-out folders test. See `splits.sides_of`.
        folds, fold: of "folds"; seed: of "tile".

    Raises:
        DataError: too few places, or a side would be empty.
        ValueError: options of the split that do not go together.
    """
    names = ("train", "validation", "test")
    check_split(split, folds=folds, fold=fold)
    if split == "tile":
        return dict(zip(names, split_by_place(tiles, SHARES, seed=seed), strict=True))
    parents = [next(iter(tile.files.values())).parent for tile in tiles]
    base = Path(os.path.commonpath(parents)) if parents else Path()  # folders above the data say nothing of them
    samples = [
        File("", tile.name, next(filter(None, map(held_out_kind, parent.relative_to(base).parts)), ""))
        for tile, parent in zip(tiles, parents, strict=True)
    ]
    sides = sides_of(samples, [tile.place for tile in tiles], split, folds=folds, fold=fold)
    found = {name: [tile for tile, side in zip(tiles, sides, strict=True) if side == name] for name in names}
    if empty := [name for name, part in found.items() if not part]:
        raise DataError(
            f"no tiles are left for {empty[0]}: there are {len(tiles)} of {len(_views_by_place(tiles))} places."
        )
    return found


def _deal(views: Mapping[str, int], shares: Sequence[float]) -> dict[str, int]:
    """Deal places out in their order, each to the side that lacks most; the last ones to sides that have none yet."""
    room = [share / sum(shares) * sum(views.values()) for share in shares]
    empty, side_of = set(range(len(shares))), dict[str, int]()
    for dealt, (place, count) in enumerate(views.items()):
        open_to = empty if len(empty) == len(views) - dealt else range(len(shares))
        side = max(open_to, key=lambda number: (room[number], -number))
        side_of[place] = side
        room[side] -= count
        empty.discard(side)
    return side_of


def _views_by_place(tiles: Sequence[Tile]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tile in tiles:
        counts[tile.place] = counts.get(tile.place, 0) + 1
    return dict(sorted(counts.items()))


def _data_folder() -> Path:
    if (folder := fetch.find("grss")) is None:
        wanted = fetch.data_folders()[0] / fetch.registry()["grss"].folder
        raise fetch.FetchError(f"There are no GRSS tiles in {wanted}. {fetch.registry()['grss'].get}")
    return folder


def tiff_files(folder: Path) -> Iterator[tuple[re.Match[str], Path]]:
    """Find the files whose names are those of tiles, below a folder and where links lead, but in no folder twice.

    Yields:
        The parts of the name (place, view, kind), and the path.

    Raises:
        DataError: the folder is not there, or one cannot be listed.
    """
    if not folder.is_dir():
        raise NoDataError(f"{folder} is not a folder. Name the one that the tiles were unpacked into.")
    for path in files_below(folder, onerror=_unreadable):
        if match := NAME.fullmatch(path.name):
            yield match, path


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed: {error.strerror}. Ask whoever owns it, or move it away.")


def paired(files: Iterable[tuple[re.Match[str], Path]]) -> list[Tile]:
    """Put the files of each view together: parts of the names, and paths.

    Raises:
        DataError: two files of one name.
    """
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for match, path in files:
        partners = found.setdefault((match[1], match[2] or ""), {})
        if (other := partners.setdefault(match[3], path)) != path:
            first, second = sorted((other, path))
            raise DataError(
                f"Two files are the {match[3]} of one view: {first} and {second}. Tracks 1 and 3 use the same names "
                "for different pictures: name the folder of one track, or remove the copy."
            )
    return [Tile(*key, files=dict(sorted(partners.items()))) for key, partners in sorted(found.items())]


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise ValueError unless `kinds` are kinds of files, each once."""
    if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS) or len(set(kinds)) < len(kinds):
        raise ValueError(f"kinds must be some of {', '.join(KINDS)}, as in ('RGB', 'CLS'); received {kinds!r}.")


def _incomplete(folder: Path, candidates: Sequence[Tile], kinds: Sequence[str]) -> DataError:
    gaps = [f"{tile.name} lacks {', '.join(lacks)}" for tile in candidates if (lacks := tile.missing(kinds))]
    hint = " Truth without a view (Track 3) lies over no view." if any(not tile.view for tile in candidates) else ""
    return DataError(
        f"{len(gaps)} of {len(candidates)} tiles below {folder} are incomplete: {'; '.join(gaps[:5])}"
        f"{'; …' if len(gaps) > 5 else ''}.{hint} Copy the missing files, ask for other kinds than "
        f"{', '.join(kinds)}, or leave these tiles out with drop_incomplete=True."
    )


# ---- reading ----


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
        """Drop the tiles that were not asked for longest, before `needed` bytes or one map more are taken."""
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
    with _explained(path):
        return retrying(lambda: _read_tile(path, wanted, before_decoding))


def _read_tile(path: Path, wanted: Format, before_decoding: Callable[[], None]) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
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
    """Compare the end of the last strip with the size of the file: a decoder may take a cut strip for a short one."""
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
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        size = path.stat().st_size if path.exists() else 0
        raise DataError(
            f"{path} ({size:,} bytes) cannot be read as a TIFF: {type(error).__name__}: {error}. "
            "It is cut short or no TIFF: copy it again, and compare the sizes."
        ) from error


# ---- what pixels mean ----

CLASS_NAMES = ["ground", "trees", "buildings", "water", "bridge or elevated road"]
CLASS_CODES = [2, 5, 6, 9, 17]
UNLABELED = 65
IGNORE = 255  # the label of pixels that no loss and no metric may count
BAND_NAMES = {
    "RGB": ("red", "green", "blue"),
    "MSI": ("coastal", "blue", "green", "yellow", "red", "red edge", "NIR 1", "NIR 2"),
}
HEIGHTS = ("AGL", "DSM")
LOWEST, HIGHEST = -500, 9000  # metres; no land is lower or higher
WHITE = {"RGB": np.float32(255), "MSI": np.float32(2047)}  # what becomes 1; MSI may exceed it

_DTYPES = {"RGB": np.uint8, "MSI": np.uint16, "CLS": np.uint8, "AGL": np.float32, "DSM": np.float32}
_UNKNOWN = 254
_LABEL_OF = np.full(256, _UNKNOWN, np.uint8)
_LABEL_OF[[*CLASS_CODES, UNLABELED]] = [*range(len(CLASS_CODES)), IGNORE]


def format_of(kind: str, tile_size: int) -> Format:
    """Return what the file of a kind must hold."""
    bands = (len(BAND_NAMES[kind]),) if kind in BAND_NAMES else ()
    return Format((tile_size, tile_size, *bands), np.dtype(_DTYPES[kind]))


def specs_of(kind: str, size: int, *, native: bool) -> dict[str, Spec]:
    """Return the arrays of a window of a kind: colours are float32 unless native; heights have a mask beside them."""
    shape, dtype = format_of(kind, size).shape, np.dtype(_DTYPES[kind]).name
    specs = {kind: Spec(shape, "float32" if kind in WHITE and not native else dtype)}
    return specs | ({f"{kind}_valid": Spec(shape, "bool")} if kind in HEIGHTS else {})


def shrink(kind: str, tile: np.ndarray, factor: int) -> np.ndarray:
    """Shrink a tile: the mean of each square of `factor` x `factor` pixels, but the middle pixel of labels."""
    return nearest(tile, factor) if kind == "CLS" else area_average(tile, factor)


def fill(kind: str, pixels: np.ndarray, out: Mapping[str, np.ndarray], path: Path) -> None:
    """Turn pixels of a file into values for a model.

    Args:
        kind: RGB, MSI, CLS, AGL or DSM.
        pixels: (size, size[, bands]), as the file has them or shrunk.
        out: where the values go: the arrays of `specs_of`, of one window.
        path: of the file, for the message if a code is unknown.

    Raises:
        DataError: a class code that is in no datasheet, or a height that no land has.
    """
    target = out[kind]
    if kind == "CLS":
        _fill_labels(pixels, target, path)
    elif kind in HEIGHTS:
        valid = np.isfinite(pixels, out=out[f"{kind}_valid"])
        target[...] = 0
        np.copyto(target, pixels, where=valid)
        _check_heights(target, path)
    elif target.dtype == np.float32:
        np.divide(pixels, WHITE[kind], out=target)
    else:
        target[...] = pixels if pixels.dtype == target.dtype else np.rint(pixels)


def predominant_class(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the class that most labeled pixels of each window have; of equal ones, the first.

    Args:
        labels: uint8, (…, height, width), 0 to 4 or `IGNORE`.

    Returns:
        The class: uint8, (…), `IGNORE` where no pixel is labeled; and the share of labeled pixels: float32, (…).

    >>> predominant_class(np.array([[[3, 3, 1, 255]], [[255] * 4]], np.uint8))
    (array([  3, 255], dtype=uint8), array([0.75, 0.  ], dtype=float32))
    """
    counts = np.stack([(labels == label).sum(axis=(-2, -1)) for label in range(len(CLASS_NAMES))], axis=-1)
    labeled = counts.sum(axis=-1)
    winner = np.where(labeled > 0, counts.argmax(axis=-1), IGNORE).astype(np.uint8)
    return winner, np.asarray(labeled / np.prod(labels.shape[-2:]), np.float32)


def mean_height(heights: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average the heights of each window over the pixels where they are known.

    Args:
        heights: float32, (…, height, width), metres.
        valid: bool, the same shape; False where the height is unknown.

    Returns:
        The mean: float32, (…), metres, NaN where no height is known; and the share of known heights: float32, (…).

    >>> mean_height(np.array([[2.0, 4.0, 0.0, 0.0]], np.float32), np.array([[True, True, False, False]]))
    (array(3., dtype=float32), array(0.5, dtype=float32))
    """
    known = valid.sum(axis=(-2, -1))
    total = np.where(valid, heights, 0).sum(axis=(-2, -1), dtype=np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is wanted
        mean = np.asarray(total / known, np.float32)
    return mean, np.asarray(known / np.prod(valid.shape[-2:]), np.float32)


def _check_heights(heights: np.ndarray, path: Path) -> None:
    """Refuse heights that no land has; unknown ones are 0 here, which some land has."""
    low, high = heights.min(), heights.max()
    if low < LOWEST or high > HIGHEST:
        raise DataError(
            f"{path} has heights from {low:g} to {high:g} m. If one of these stands for unknown heights, say so in the "
            "file: gdal_translate -a_nodata, or NaN."
        )


def _fill_labels(codes: np.ndarray, target: np.ndarray, path: Path) -> None:
    np.take(_LABEL_OF, codes, out=target, mode="clip")  # uint8 cannot leave the table; "raise" would copy
    if (target == _UNKNOWN).any():
        unknown = np.unique(codes[target == _UNKNOWN])
        raise DataError(
            f"{path} has the class code {', '.join(map(str, unknown))}; known are {CLASS_CODES} and {UNLABELED} for "
            "unlabeled. It is no CLS tile of this data set, or it was changed: copy it again."
        )


def area_average(image: np.ndarray, factor: int) -> np.ndarray:
    """Shrink by averaging squares of `factor` x `factor` pixels, leaving out NaN and infinity.

    Args:
        image: (height, width) or (height, width, bands), edges divisible by `factor`.
        factor: how many pixels become one, along each axis.

    Returns:
        float32, (height / factor, width / factor[, bands]); NaN where a square holds nothing else.
    """
    if not np.issubdtype(image.dtype, np.floating):
        return (_sum_squares(image, factor) / factor**2).astype(np.float32)
    valid = np.isfinite(image)
    total = _sum_squares(np.where(valid, image, np.float32(0)), factor)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is wanted
        return (total / _sum_squares(valid, factor)).astype(np.float32)


def nearest(labels: np.ndarray, factor: int) -> np.ndarray:
    """Shrink by keeping the middle pixel of each square of `factor` x `factor` (right and below, if it has none)."""
    return labels[factor // 2 :: factor, factor // 2 :: factor]


def _sum_squares(image: np.ndarray, factor: int) -> np.ndarray:
    """Sum squares of pixels in float64, whole rows first: four times as fast as both axes at once."""
    height, width, bands = image.shape[0] // factor, image.shape[1] // factor, image.shape[2:]
    rows = image.reshape(height, factor, *image.shape[1:]).sum(axis=1, dtype=np.float64)
    return rows.reshape(height, width, factor, *bands).sum(axis=2)
