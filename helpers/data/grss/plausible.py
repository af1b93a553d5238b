"""What of a tile is unlike real ones. Used by `./course data check`."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.data import DataError
from helpers.data.grss.tiff import BAND_NAMES, IGNORE, UNLABELED
from helpers.data.grss.tiles import Tile
from helpers.data.grss.windows import Windows
from helpers.data.plausible import BRIGHT, CONSTANT, DARK, EIGHT_BITS, EMPTY, MARKED, Warnings, looks_eight_bit, span
from helpers.data.streaming import Arrays

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


def check_tile(path: Path, name: re.Match[str], tile_size: int) -> Warnings:
    """Check a file of a tile, and return what is odd about it.

    Args:
        path: of the file.
        name: its parts: place, view, kind; see `tiles.NAME`.
        tile_size: pixels along an edge.

    Raises:
        DataError: the file cannot be read, or holds what no tile can.
    """
    place, view, kind = name.groups("")
    tile = Tile(place, view, {kind: path})
    arrays = Windows([tile], (kind,), size=tile_size, tile_size=tile_size, native=True).read([0])
    warnings: Warnings = {}
    for message, numbers in _odd_picture(kind, arrays[kind][0], path) if kind in BAND_NAMES else _odd(kind, arrays):
        warnings.setdefault(message, []).append(numbers)
    return warnings


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
