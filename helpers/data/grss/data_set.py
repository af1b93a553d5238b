"""Tiles as a data set of the registry: found, checked, drawn, counted, divided, made up."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from helpers.data import DataError, NoDataError
from helpers.data.base import DataSet, File
from helpers.data.grss.tiles import (
    BAND_NAMES,
    CLASS_CODES,
    CLASS_NAMES,
    IGNORE,
    KINDS,
    NAME,
    UNLABELED,
    Tile,
    find_tiles,
    paired,
    split_tiles,
)
from helpers.data.grss.windows import Windows, write_pieces
from helpers.data.measuring import (
    BRIGHT,
    CONSTANT,
    DARK,
    EIGHT_BITS,
    EMPTY,
    MARKED,
    Facts,
    Moments,
    Warnings,
    facts_of,
    looks_eight_bit,
    shares,
    span,
    spread,
)
from helpers.data.splits import FOLDS, Split
from helpers.data.stand_in import is_stand_in, mark
from helpers.data.streaming import Arrays, Spec

if TYPE_CHECKING:
    from helpers.figures import Figure

# Means of RGB by class in a preview of Jacksonville's pictures: 45 (water) to 160 (buildings). A whole tile at a tenth
# of the lowest, or all but white, is none. Nothing was measured of MSI and of heights.
_REAL, _DARKEST, _BRIGHTEST = (45, 160), 4.5, 250
_EMPTY = 0.5  # share of pixels that may be black in all bands: these pictures are stretched, which turns shade black
_MARK = 65_535  # in MSI; a camera of 11 bits counts to 2,047

UNLABELLED = (
    f"no pixel has a class: all are unlabeled ({UNLABELED}). Nothing can be learned from this file, and no score be "
    "computed. Leave the tile out, unless you want its images only."
)
UNKNOWN = "no height is known: every pixel is NaN or no data. Leave the tile out where heights are wanted."

_CHANNELS = {
    "RGB": [*BAND_NAMES["RGB"]],
    "MSI": [f"MSI {band}" for band in BAND_NAMES["MSI"]],
    "AGL": ["AGL"],
    "DSM": ["DSM"],
}
_COLOURS = {2: "#d9c49a", 5: "#267300", 6: "#d7301f", 9: "#00a0e0", 17: "#7b3294", 65: "#ffffff"}
_KIND = re.compile(rf"_({'|'.join(KINDS)})(?=[_.])")


class AerialTiles(DataSet):
    """Tiles of two cities, each view of a place in several files.

    Attributes:
        tile_size: pixels along an edge of a tile.
        kinds: of the files that are cut.
    """

    name = "grss"
    pattern = NAME.pattern
    arrays = {"RGB": Spec((128, 128, 3), "float32")}  # noqa: RUF012 - as every data set says it
    noun = "tile file"
    unit = "tile"  # type: ignore[assignment]  # a property elsewhere
    sections = 0  # tiles are mapped into memory, not read from shards
    tile_size = 1024
    kinds: Sequence[str] = ("RGB",)
    is_cut = True

    def place(self, path: str) -> str:
        """Return the place that a tile shows, such as "JAX_004"."""
        return _parts(path)[0]

    def sides(
        self, files: Sequence[File], split: Split = "tile", *, folds: int = FOLDS, fold: int | None = None
    ) -> dict[str, list[str]]:
        """Divide the views that have colours; see `tiles.split_tiles`. Returns paths of RGB files."""
        sides = split_tiles(_views(files), split, folds=folds, fold=fold)
        return {side: [str(tile.files["RGB"]) for tile in tiles] for side, tiles in sides.items()}

    def open(  # type: ignore[override]  # windows instead of files
        self, folder: Path, *, split: Split = "tile", folds: int = FOLDS, fold: int | None = None, **options: Any
    ) -> dict[str, Windows]:
        """Return windows of the views that have colours: "train", "validation" and "test".

        Args:
            folder: above the tiles.
            split, folds, fold: see `tiles.split_tiles`.
            options: of `Windows`, such as `kinds` and `size`.

        Raises:
            DataError: there are none, or a side would be empty.
        """
        if not (tiles := _views(self.files(folder))):
            raise NoDataError(f"{folder} has no tile with RGB. Wanted: files like JAX_004_006_RGB.tif.")
        options.setdefault("tile_size", self.tile_size)
        sides = split_tiles(tiles, split, folds=folds, fold=fold)
        return {side: Windows(part, **options) for side, part in sides.items()}

    def check(self, path: str) -> Warnings:
        """Check a file of a tile, and return what is odd about it.

        Raises:
            DataError: the file cannot be read, or holds what no tile can.
        """
        place, view, kind = _parts(path)
        arrays = self._whole(Tile(place, view, {kind: Path(path)}), kind)
        warnings: Warnings = {}
        odd = _odd_picture(kind, arrays[kind], Path(path)) if kind in BAND_NAMES else _odd(kind, arrays)
        for message, numbers in odd:
            warnings.setdefault(message, []).append(numbers)
        return warnings

    def draws(self, name: str) -> bool:
        """Return whether a file is a tile, or a piece of one."""
        return name.lower().endswith((".tif", ".tiff")) and _KIND.search(name) is not None

    def plot(self, path: str) -> "Figure":
        """Draw all files there are of a tile, or a single piece of one: colours, classes, heights."""
        from helpers import figures  # here, since whoever only reads needs no pictures

        files = _partners(Path(path))
        size = max(_shape(Path(path))[:2])
        view = Windows([Tile("", "", files)], tuple(files), size=size, tile_size=size, native=True)
        arrays = {name: array[0] for name, array in view.read([0]).items()}
        figure, axes = figures.panels(1, len(files), path)
        names = dict(zip(CLASS_CODES, CLASS_NAMES, strict=True)) | {UNLABELED: "unlabeled"}
        for ax, kind in zip(axes[0], files, strict=True):
            if kind == "CLS":
                found = np.array([*CLASS_CODES, UNLABELED])[np.minimum(arrays["CLS"], len(CLASS_CODES))]
                figures.draw_classes(ax, "CLS", found, {code: (name, _COLOURS[code]) for code, name in names.items()})
            elif kind in ("AGL", "DSM"):
                figures.draw_heights(ax, f"{kind}, metres", np.where(arrays[f"{kind}_valid"], arrays[kind], np.nan))
            else:
                figures.draw_pixels(ax, kind, _stretched(arrays[kind]) if kind == "MSI" else arrays[kind] / 255)
        return figure

    def cut(self, folder: Path, target: Path, *, size: int) -> int:
        """Write pieces of the files of `kinds`; see `windows.write_pieces`."""
        tiles = find_tiles(folder, self.kinds)
        try:
            if is_stand_in(next(iter(tiles[0].files.values()))):
                mark(target, {"made by": "cut", "size": size})
            return write_pieces(tiles, target, self.kinds, size=size, tile_size=self.tile_size)
        except ValueError as error:
            raise DataError(str(error)) from error

    def stats(self, files: Sequence[File], *, most: int) -> dict[str, Any]:
        """Count tiles, places, kinds and splits; of some files of each kind count classes and measure channels."""
        kinds = {kind: [file.path for file in files if _parts(file.path)[2] == kind] for kind in KINDS}
        some = {kind: spread(found, most) for kind, found in kinds.items() if found}
        facts = {kind: facts_of(partial(self._facts, kind), found, noun=kind) for kind, found in some.items()}
        channels = [fact.moments.summary(_CHANNELS[kind]) for kind, fact in facts.items() if fact.moments]
        labels = facts["CLS"].labels if "CLS" in facts else np.zeros(len(CLASS_NAMES) + 1)
        return {
            "tiles": len({_parts(file.path)[:2] for file in files}),
            "places": len({self.place(file.path) for file in files}),
            "files": {kind: len(found) for kind, found in kinds.items() if found},
            "splits": self.splits(files),
            "stand-in": is_stand_in(files[0].path),
            "looked into": sum(map(len, some.values())),
            "classes": shares(CLASS_NAMES, labels[:-1]) if labels.any() else {},
            "ignored": float(labels[-1] / max(1, labels.sum())),
            "channels": dict(row for summary in channels for row in summary.items()),
        }

    def stand_in(
        self,
        folder: Path,
        *,
        progress: bool = True,
        count: int | None = None,
        views: int = 2,
        msi: bool = False,
        seed: int = 0,
    ) -> list[Path]:
        """Write `views` tiles of each of `count` made-up places, without the eight bands unless `msi`."""
        from helpers.data.synthetic import COUNTS, make_tiles
        from helpers.data.synthetic.tiles import KINDS as every_kind

        kinds = [kind for kind in every_kind if msi or kind != "MSI"]
        return make_tiles(folder, count or COUNTS["grss"], views, seed=seed, kinds=kinds, progress=progress)

    def _whole(self, tile: Tile, kind: str) -> Arrays:
        size = self.tile_size
        arrays = Windows([tile], (kind,), size=size, tile_size=size, native=True).read([0])
        return {name: array[0] for name, array in arrays.items()}

    def _facts(self, kind: str, path: str) -> Facts:
        place, view, _ = _parts(path)
        arrays = self._whole(Tile(place, view, {kind: Path(path)}), kind)
        if kind == "CLS":
            counts = np.bincount(arrays["CLS"].ravel(), minlength=IGNORE + 1)
            return Facts(np.append(counts[: len(CLASS_NAMES)], counts[IGNORE]), None)
        values = arrays[kind].reshape(-1, len(_CHANNELS[kind]))
        known = values[arrays[f"{kind}_valid"].ravel()] if f"{kind}_valid" in arrays else values
        return Facts(np.zeros(0), Moments.of(known) if len(known) else None)


DATA_SET = AerialTiles()


def _parts(path: str) -> tuple[str, str, str]:
    """Return place, view and kind of a file."""
    name = NAME.fullmatch(Path(path).name)
    assert name is not None, path  # only files that `claims` gets here
    return name[1], name[2] or "", name[3]


def _views(files: Sequence[File]) -> list[Tile]:
    """Return the tiles that have colours."""
    found = ((match, Path(file.path)) for file in files if (match := NAME.fullmatch(file.name)))
    return [tile for tile in paired(found) if "RGB" in tile.files]


def _odd_picture(kind: str, picture: np.ndarray, path: Path) -> Iterator[tuple[str, str]]:
    for number, name in enumerate(BAND_NAMES[kind]):
        band = picture[..., number]
        low, high, mean = int(band.min()), int(band.max()), float(band.mean())
        if kind == "MSI" and low == high == _MARK:
            raise DataError(f"{path} has nothing but {_MARK}, a mark for missing data, in its band {name}.")
        if low == high:
            yield CONSTANT, f"{name}: {low}"
        elif kind == "MSI" and high == _MARK:
            yield MARKED, f"{name}: {_MARK} at {(band == _MARK).mean():.2%} of the pixels"
        elif kind == "MSI" and looks_eight_bit(band):
            yield EIGHT_BITS, f"{name}: {span(low, high)} (11 bits reach 2047)"
        elif kind == "RGB" and not _DARKEST <= mean <= _BRIGHTEST:
            message = DARK if mean < _DARKEST else BRIGHT
            yield message, f"{name}: mean {mean:.3g} (means of real classes: {span(*_REAL)})"
    black = (picture == 0).all(-1).mean() if not picture.all() else 0
    if _EMPTY < black < 1:
        yield EMPTY, f"{kind}: 0 in all bands of {black:.1%} of the pixels"


def _odd(kind: str, arrays: Arrays) -> Iterator[tuple[str, str]]:
    if kind == "CLS":
        if (arrays["CLS"] == IGNORE).all():
            yield UNLABELLED, f"CLS: {UNLABELED}"
        return
    known = arrays[kind][arrays[f"{kind}_valid"]]
    if not known.size:
        yield UNKNOWN, kind
    elif known.min() == known.max():
        yield CONSTANT, f"{kind}: {known.min():g} m"


def _partners(path: Path) -> dict[str, Path]:
    """Find the other kinds of a tile: beside it, or in folders beside its own, as the contest's archives lie."""
    found = _KIND.search(path.name)
    if not found:
        raise DataError(f"{path} does not say what it is. Tiles are called JAX_004_006_RGB.tif, …_CLS.tif, …_AGL.tif.")
    files: dict[str, Path] = {}
    for kind in KINDS:
        name = f"{path.name[: found.start(1)]}{kind}{path.name[found.end(1) :]}"
        near = [path.with_name(name), *path.absolute().parent.parent.parent.glob(f"*Track1*/*/{name}")]
        if file := next((file for file in near if file.exists()), None):
            files[kind] = file
    return files or {found[1]: path}  # one that is not there is named when it is read


def _shape(path: Path) -> Sequence[int]:
    try:
        with tifffile.TiffFile(path) as file:
            return file.series[0].shape
    except (OSError, ValueError, IndexError) as error:  # tifffile's own error is a ValueError
        raise DataError(f"{path} cannot be read as a TIFF: {error}.") from error


def _stretched(bands: np.ndarray) -> np.ndarray:
    """Show near infrared, red and green of eight bands, between dark and bright."""
    colours = bands[..., [6, 4, 2]].astype(np.float32)
    low, high = np.percentile(colours, [1, 99])
    return (colours - low) / max(high - low, 1)
