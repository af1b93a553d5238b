"""Pictures larger than a network's: cut into windows to learn from, and predicted without a seam."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import DataError
from helpers.files import atomic_write

Predict = Callable[[np.ndarray], np.ndarray]

_PLACE = {33550: "d", 33922: "d", 34264: "d", 34735: "H", 34736: "d", 34737: "s"}
"""TIFF tags that say where on earth a picture lies (OGC GeoTIFF 1.1, annex C), and the types of their values."""


def windows(images: np.ndarray, size: int) -> np.ndarray:
    """Cut pictures, or their labels, into square windows side by side; what is left over at the edges is dropped.

    Args:
        images: (n, rows, columns) or (n, rows, columns, bands).
        size: pixels along each side of a window.

    Returns:
        (n * windows, size, size) or (n * windows, size, size, bands): picture by picture, row by row.

    Raises:
        ValueError: a window is larger than the pictures.
    """
    count, rows, columns, *bands = images.shape
    down, across = rows // size, columns // size
    if not down or not across:
        raise ValueError(f"windows of {size} pixels do not fit into pictures of {rows} x {columns}.")
    cut = images[:, : down * size, : across * size].reshape(count, down, size, across, size, *bands)
    return cut.swapaxes(2, 3).reshape(-1, size, size, *bands)


def predict_tile(
    predict: Predict,
    image: np.ndarray,
    *,
    window: int = 256,
    overlap: int = 64,
    batch_size: int = 8,
    progress: bool = False,
) -> np.ndarray:
    """Return every pixel of a large picture its probabilities.

    A network knows least at the border of its window. So windows overlap, and where they do their probabilities are
    averaged, with weights that fall linearly to the border: from one window to the next nothing jumps. The picture is
    continued beyond its edges by reflection, so that windows are full everywhere.

    Args:
        predict: windows to probabilities: float32, (n, window, window, bands) to (n, window, window, classes), such as
            `lambda windows: model.predict_on_batch(windows)`.
        image: float32, (rows, columns, bands), of any size.
        window: pixels along each side of what the network sees; one of the sizes that it takes.
        overlap: pixels that neighbouring windows share; even, and at most half a window.
        batch_size: windows at once.
        progress: whether to show a bar.

    Returns:
        float32, (rows, columns, classes).

    Raises:
        ValueError: `image` has no bands, or `overlap` does not fit.
    """
    if image.ndim != 3 or not 0 <= overlap <= window // 2 or overlap % 2:
        raise ValueError(
            f"image must be (rows, columns, bands) and overlap even, 0 to {window // 2}; received shape {image.shape}, "
            f"overlap={overlap}."
        )
    rows, columns = (_starts(size, window, overlap) for size in image.shape[:2])
    padded = _continued(image, (rows[-1] + window, columns[-1] + window), overlap)
    weight = _weight(window, overlap)
    total = np.zeros(0, np.float32)
    corners = list(product(rows, columns))
    with tqdm(total=len(corners), desc="predicting", unit=" windows", disable=not progress) as bar:
        for corner, probabilities in _predicted(predict, padded, corners, window, batch_size):
            if not total.size:
                total = np.zeros((*padded.shape[:2], probabilities.shape[-1]), np.float32)
            top, left = corner
            total[top : top + window, left : left + window] += weight * probabilities
            bar.update()
    half = overlap // 2
    seen = total[half : half + image.shape[0], half : half + image.shape[1]]
    return seen / seen.sum(axis=-1, keepdims=True)


def write_geotiff(
    path: str | Path, classes: np.ndarray, *, like: str | Path | None = None, palette: Sequence[str] | None = None
) -> None:
    """Write a map of classes as TIFF, with its place on earth if the input had one.

    Args:
        path: of the file.
        classes: whole numbers from 0 to 255, (rows, columns).
        like: the picture that the map was made of, pixel for pixel; its georeference is copied.
        palette: a colour for each class, such as "#267300", that map viewers show.

    Raises:
        ValueError: `classes` is no such array, or not of the size of `like`.
        DataError: `like` is no TIFF, or cannot be read.
    """
    classes = np.asarray(classes)
    if classes.ndim != 2 or classes.min() < 0 or classes.max() > 255 or (classes != np.floor(classes)).any():
        raise ValueError(
            f"classes must be (rows, columns) of whole numbers from 0 to 255; received {classes.dtype} "
            f"{classes.shape}, {classes.min()} to {classes.max()}."
        )
    tags = _georeference(Path(like), classes.shape) if like else []
    colours = None if palette is None else _colour_map(palette)
    photometric = "minisblack" if palette is None else "palette"
    with atomic_write(Path(path)) as unfinished:
        tifffile.imwrite(
            unfinished,
            classes.astype(np.uint8),
            compression="deflate",
            photometric=photometric,
            colormap=colours,
            extratags=tags,
            metadata=None,
        )


def _starts(size: int, window: int, overlap: int) -> list[int]:
    """Return where windows begin so that their middles cover `size` pixels, in coordinates of the continued picture.

    >>> _starts(1024, 256, 64), _starts(100, 256, 64)
    ([0, 192, 384, 576, 768, 960], [0])
    """
    return list(range(0, max(1, size), window - overlap))


def _continued(image: np.ndarray, size: tuple[int, int], overlap: int) -> np.ndarray:
    """Reflect a picture beyond its edges; half an overlap before it, and what is missing to `size` behind it."""
    half = overlap // 2
    around = [(half, wanted - half - given) for wanted, given in zip(size, image.shape[:2], strict=True)]
    return np.pad(image, [*around, (0, 0)], mode="reflect" if min(image.shape[:2]) > 1 else "edge")


def _weight(window: int, overlap: int) -> np.ndarray:
    """Return the weight of each pixel of a window, (window, window, 1): linear in the overlap, 1 in the middle."""
    distance = np.minimum(np.arange(window), np.arange(window)[::-1]) + 0.5
    ramp = np.minimum(1, distance / max(overlap, 0.5)).astype(np.float32)
    return (ramp[:, None] * ramp)[..., None]


def _predicted(
    predict: Predict, image: np.ndarray, corners: list[tuple[int, int]], window: int, batch_size: int
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    for start in range(0, len(corners), batch_size):
        some = corners[start : start + batch_size]
        windows = np.stack([image[top : top + window, left : left + window] for top, left in some])
        yield from zip(some, np.asarray(predict(windows)), strict=True)


def _georeference(path: Path, shape: tuple[int, ...]) -> list[tuple]:
    """Read the tags that say where a picture lies, as tifffile writes them."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if (size := (page.imagelength, page.imagewidth)) != shape:  # `shape` may begin with the bands
                raise ValueError(f"{path} has {size} pixels, the map {shape}: they do not show the same.")
            found = [page.tags[code] for code in _PLACE if code in page.tags]
            return [(tag.code, _PLACE[tag.code], tag.count, tag.value, True) for tag in found]
    except tifffile.TiffFileError as error:
        raise DataError(f"{path}: is no TIFF ({error}).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _colour_map(palette: Sequence[str]) -> np.ndarray:
    """Make a TIFF colour map: uint16, (3, 256)."""
    colours = np.zeros((3, 256), np.uint16)
    for number, colour in enumerate(palette):
        colours[:, number] = np.frombuffer(bytes.fromhex(colour.removeprefix("#")), np.uint8).astype(np.uint16) * 257
    return colours
