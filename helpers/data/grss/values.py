"""What the pixels of GRSS tiles mean: their formats, codes to labels, heights with a mask, facts of a window."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from helpers.data import DataError
from helpers.data.grss.grid import area_average, nearest
from helpers.data.grss.tiff import Format
from helpers.data.streaming import Spec

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
