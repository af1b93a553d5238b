"""Pictures larger than a network's: cut into windows to learn from, and predicted without a seam."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import DataError
from helpers.files import atomic_write

Predict = Callable[[np.ndarray], np.ndarray]
Read = Callable[[int, int, int, int], np.ndarray]
Place = tuple[int, list[int]]  # of windows that are read at once: the number of their strip, and their columns

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
        image: float32, (rows, columns, bands), of any size; NaN where there are no data.
        window: pixels along each side of what the network sees; one of the sizes that it takes.
        overlap: pixels that neighbouring windows share; even, and at most half a window.
        batch_size: windows at once, of one row of windows.
        progress: whether to show a bar.

    Returns:
        float32, (rows, columns, classes); NaN where there are no data.

    Raises:
        ValueError: `image` has no bands, or `overlap` does not fit.
    """
    if image.ndim != 3:
        raise ValueError(f"image must be (rows, columns, bands); received shape {image.shape}.")

    def read(row: int, column: int, rows: int, columns: int) -> np.ndarray:
        return image[row : row + rows, column : column + columns]

    options: dict[str, int] = {"window": window, "overlap": overlap, "batch_size": batch_size}
    strips = predict_strips(predict, read, image.shape[:2], **options, progress=progress)
    return np.concatenate(list(strips))


def predict_strips(
    predict: Predict,
    read: Read,
    shape: Sequence[int],
    *,
    window: int = 256,
    overlap: int = 64,
    batch_size: int = 8,
    skip: int = 0,
    progress: bool = False,
) -> Iterator[np.ndarray]:
    """Yield the probabilities of a raster strip by strip, from the top, as `predict_tile` gives them.

    At no time is there more than one row of windows, of which the next batch is read while one is predicted: memory
    grows with the width of the raster, and not with its height. Batches wholly without data are not predicted.

    Args:
        predict, window, overlap, progress: see `predict_tile`.
        read: row and column of the first pixel, rows and columns to float32, (rows, columns, bands); NaN in a pixel
            that has no data, which the network sees as 0.
        shape: rows and columns of the raster.
        batch_size: windows at once, of one row of windows.
        skip: strips at the top that are not wanted, because an earlier process had them; all others are what they are
            without it, to the last bit.

    Yields:
        float32, (rows, columns, classes): all columns; about `window - overlap` rows, see `strip_ends`. NaN where there
        are no data.

    Raises:
        ValueError: `overlap` does not fit.
    """
    if not 0 <= overlap <= window // 2 or overlap % 2:
        raise ValueError(f"overlap must be even, 0 to {window // 2}; received {overlap}.")
    rows, columns = shape
    step, half, corners = window - overlap, overlap // 2, _starts(columns, window, overlap)
    batches = [corners[first : first + batch_size] for first in range(0, len(corners), batch_size)]
    ends = strip_ends(rows, window, overlap)
    weight, begin = _weight(window, overlap), ends[skip - 1] if skip else 0
    first = max(skip - 1, 0)  # windows of the strip before reach into the first one that is wanted

    def load(place: tuple[int, list[int]]) -> np.ndarray:
        strip, lefts = place
        down = _reflected(strip * step - half, window, rows)
        across = _reflected(lefts[0] - half, lefts[-1] - lefts[0] + window, columns)
        top, left = down.min(), across.min()
        block = read(int(top), int(left), int(np.ptp(down)) + 1, int(np.ptp(across)) + 1)
        block = block[np.ix_(down - top, across - left)]
        return np.stack([block[:, left - lefts[0] : left - lefts[0] + window] for left in lefts])

    places = [(strip, lefts) for strip in range(first, len(ends)) for lefts in batches]
    total = np.zeros(0, np.float32)  # the weighted sum of what the windows of one row of windows say
    is_missing = np.zeros((window, corners[-1] + window), bool)
    bar = tqdm(
        total=len(ends) * len(corners),
        initial=first * len(corners),
        desc="predicting",
        unit=" windows",
        disable=not progress,
    )
    with bar:
        for (strip, lefts), loaded in zip(places, _read_ahead(load, places), strict=True):
            gaps = np.isnan(loaded).any(axis=-1)
            if not (total.size and gaps.all()):  # the first batch tells how many classes there are
                found = np.asarray(predict(np.nan_to_num(loaded, copy=False, posinf=np.inf, neginf=-np.inf)))
                if not total.size:
                    total = np.zeros((*is_missing.shape, found.shape[-1]), np.float32)
                for left, probabilities in zip(lefts, found, strict=True):
                    total[:, left : left + window] += weight * probabilities
            for left, gap in zip(lefts, gaps, strict=True):
                is_missing[:, left : left + window] = gap
            bar.update(len(lefts))
            if lefts is not batches[-1]:
                continue
            if strip >= skip:
                top = begin - (strip * step - half)
                wanted = slice(top, top + ends[strip] - begin), slice(half, half + columns)
                with np.errstate(invalid="ignore"):  # 0 / 0 where nothing was predicted
                    strip_found = total[wanted] / total[wanted].sum(axis=-1, keepdims=True)
                strip_found[is_missing[wanted]] = np.nan
                yield strip_found
                begin = ends[strip]
            total[:overlap] = total[step:]
            total[overlap:] = 0


def strip_ends(rows: int, window: int = 256, overlap: int = 64) -> list[int]:
    """Return the row behind each strip that `predict_strips` yields of a raster of so many rows.

    >>> strip_ends(1024, 256, 64), strip_ends(100, 256, 64)
    ([160, 352, 544, 736, 928, 1024], [100])
    """
    begins = _starts(rows, window, overlap)
    return [begin - overlap // 2 for begin in begins[1:]] + [rows]


def seam_ratio(probabilities: np.ndarray, *, window: int = 256, overlap: int = 64) -> float:
    """Return how much more a map changes at the borders of its windows than elsewhere; about 1 where no seam is seen.

    Args:
        probabilities: (rows, columns, classes), of `predict_tile`.
        window, overlap: that it was made with.

    Returns:
        The mean absolute difference of neighbouring pixels between which a window begins or ends, by that of all other
        neighbours.

    Raises:
        ValueError: there is but one window, so nothing has a border.
    """
    at_border, elsewhere = [], []
    for axis in (0, 1):
        steps = np.abs(np.diff(probabilities, axis=axis)).mean(axis=(1 - axis, 2))
        begins = np.array(_starts(probabilities.shape[axis], window, overlap)) - overlap // 2
        borders = np.unique([begins, begins + window])
        is_border = np.isin(np.arange(1, len(steps) + 1), borders)
        at_border.append(steps[is_border])
        elsewhere.append(steps[~is_border])
    if not np.concatenate(at_border).size:
        raise ValueError(f"a map of {probabilities.shape[:2]} pixels is one window of {window}, without a border.")
    return float(np.concatenate(at_border).mean() / np.concatenate(elsewhere).mean())


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


def _reflected(first: int, count: int, size: int) -> np.ndarray:
    """Return which of `size` pixels stand for some in a row that is continued at both ends by reflection.

    >>> _reflected(-2, 7, 4).tolist(), _reflected(-1, 4, 1).tolist()
    ([2, 1, 0, 1, 2, 3, 2], [0, 0, 0, 0])
    """
    period = max(1, 2 * (size - 1))
    there = np.arange(first, first + count) % period
    return np.minimum(there, period - there) if size > 1 else np.zeros(count, int)


def _weight(window: int, overlap: int) -> np.ndarray:
    """Return the weight of each pixel of a window, (window, window, 1): linear in the overlap, 1 in the middle."""
    distance = np.minimum(np.arange(window), np.arange(window)[::-1]) + 0.5
    ramp = np.minimum(1, distance / max(overlap, 0.5)).astype(np.float32)
    return (ramp[:, None] * ramp)[..., None]


def _read_ahead(load: Callable[[Place], np.ndarray], places: Sequence[Place]) -> Iterator[np.ndarray]:
    """Yield what is loaded of each place, in order; a thread loads the next one meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(load, places[0])
        for place in places[1:]:
            loaded = coming.result()
            coming = thread.submit(load, place)
            yield loaded
        yield coming.result()


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
