"""From a trained network to a map of a place: its classes, their areas, and how right it is. Used by `course map`.

map.tif     see `segmentation.maps`
map.csv     a row for each class: area as mapped, as estimated, with its error; where truth is known, that and the IoU
map.json    the same with the confusion matrix, and what the map was made by and of
map.png     the picture, the truth where it is known, the map and its mistakes
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data import chesapeake
from helpers.data.chesapeake.bands import LABELS, scale, to_labels
from helpers.data.chesapeake.mosaic import Place, bounds_of
from helpers.data.chesapeake.tiles import CACHE
from helpers.data.map_files import MapFiles
from helpers.data.stand_in import is_stand_in
from helpers.errors import CourseError
from helpers.experiments import Experiment, plain, write_json
from helpers.experiments.results import write_csv
from helpers.experiments.run_file import STAND_IN
from helpers.files import atomic_write
from helpers.segmentation import confusion_matrix, plots, scores
from helpers.segmentation.maps import Legend, write_map
from helpers.segmentation.scores import estimate_areas

LEGEND = Legend(chesapeake.CLASS_NAMES, chesapeake.PALETTE)
WINDOW, OVERLAP = 256, 64  # pixels; a patch is 256 wide
PICTURE = 1000  # pixels along the longer side of `map.png`, at most
SURE = 1.96  # standard errors on each side of what is true in 95 of 100 cases
_ROWS = 256  # that are compared at once


class MapRunError(CourseError):
    """A run that no map can be made by. The message says why, and what to do."""


@dataclass(frozen=True)
class MapReport:
    """What was made, and what it shows.

    Attributes:
        files: all that was written, the map first.
        areas: a row for each class, in hectares.
        accuracy, mean_iou: at this place; None where the truth is not known.
        is_stand_in: whether network or place are made up.
    """

    files: list[Path]
    areas: list[dict[str, Any]]
    accuracy: float | None
    mean_iou: float | None
    is_stand_in: bool


def channels_of(experiment: Experiment) -> list[int]:
    """Return the channels that the network of an experiment takes, in its order.

    Raises:
        MapRunError: it is not on land cover, or not trained yet.
    """
    parameters = experiment.parameters
    if parameters.get("data") != chesapeake.DATA_SET.name:
        what = "a program of your own" if "script" in parameters else f"data = {parameters.get('data')!r}"
        raise MapRunError(
            f'run {experiment.run} is of {what}: maps are made by runs on land cover (data = "chesapeake").'
        )
    if not experiment.is_saved():
        raise MapRunError(
            f"experiment {experiment.name} of run {experiment.run} has not finished: train it first (./course train)."
        )
    return chesapeake.channels(parameters.get("bands") or chesapeake.COURSE_BANDS)


def make_map(
    experiment: Experiment,
    place: Place,
    path: str | Path,
    *,
    probabilities: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], None] = print,
    progress: bool = False,
) -> MapReport:
    """Make a map of a place by the network of an experiment, or go on with it; then measure and draw it.

    Args:
        experiment: that is saved, on land cover.
        place: of which it is made.
        path: of the map, `….tif`; what else is made lies beside it.
        probabilities, overwrite, tell, progress: see `maps.write_map`.

    Raises:
        MapRunError: see `channels_of`.
        MapError, DataError: the map cannot be written, or the place cannot be read.
    """
    import rasterio

    files, channels = MapFiles(Path(path), probabilities), channels_of(experiment)
    files.check(overwrite=overwrite, sources=place.files)
    if place.has_labels:  # a label that is none is told before anything is predicted
        for first, height in _strips(place):
            place.read(first, 0, height, place.shape[1], [LABELS])
    factors = np.array([scale(channel) for channel in channels], np.float32)

    def read(row: int, column: int, rows: int, columns: int) -> np.ndarray:
        block = place.read(row, column, rows, columns, channels)
        image = block.pixels.transpose(1, 2, 0) * factors  # as `bands.to_float` does it for patches, bit by bit
        image[~block.has_data] = np.nan
        return image

    model = experiment.load()
    window = _window(model.input_shape)
    identity = {"model": _digest(experiment.folder / "model.keras"), "source": _source(place)}
    options: dict[str, Any] = {"probabilities": probabilities, "overwrite": overwrite, "progress": progress}
    options |= {"window": window, "overlap": min(OVERLAP, window // 4 * 2)}
    options |= {"report": lambda: _report(experiment, place, files, with_picture=_shown(channels))}
    with rasterio.Env(GDAL_CACHEMAX=CACHE):  # without, GDAL keeps a twentieth of the machine's memory
        return write_map(path, model.predict_on_batch, read, place, LEGEND, identity=identity, tell=tell, **options)


def _strips(place: Place) -> Iterator[tuple[int, int]]:
    """Yield the first row and the height of parts of a place that are read one at a time."""
    rows = place.shape[0]
    yield from ((first, min(_ROWS, rows - first)) for first in range(0, rows, _ROWS))


def _window(input_shape: Any) -> int:
    """Return how many pixels along its sides a network is given; one of a fixed size wants that."""
    fixed = input_shape[1] if isinstance(input_shape, tuple) else None
    return fixed or WINDOW


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source(place: Place) -> dict[str, Any]:
    """Return what makes a place this one: its files as they are, and the part of them."""
    found = [os.stat(path) for path in place.files]  # noqa: PTH116 - of every file
    files = {path: [each.st_size, each.st_mtime_ns] for path, each in zip(place.files, found, strict=True)}
    return {"files": files, "transform": list(place.transform)[:6]}


def _shown(channels: Sequence[int]) -> list[int]:
    """Return three of the channels for a picture: red, green and blue, or else the first."""
    for colours in (range(0, 3), range(4, 7)):
        if set(colours) <= set(channels):
            return list(colours)
    return [*channels, channels[-1], channels[-1]][:3]


def _report(experiment: Experiment, place: Place, files: MapFiles, with_picture: list[int]) -> MapReport:
    """Count, compare and draw a finished map, some rows at a time, and write what is found beside it."""
    import rasterio
    from rasterio.windows import Window

    count, columns = len(LEGEND.names), place.shape[1]
    mapped, matrix = np.zeros(count, np.int64), np.zeros((count, count), np.int64)
    step = -(-max(place.shape) // PICTURE)
    small: dict[str, list[np.ndarray]] = {"picture": [], "truth": [], "map": []}
    with rasterio.open(files.path) as file:
        for first, height in _strips(place):
            found = file.read(1, window=Window(0, first, columns, height))
            mapped += np.bincount(found.ravel(), minlength=count)
            every = slice(-first % step, None, step)
            picture = place.read(first, 0, height, columns, with_picture).pixels
            # copies: a view would keep the whole strip, and memory would grow with the height of the place
            small["picture"].append(picture[:, every, ::step].transpose(1, 2, 0).copy())
            small["map"].append(found[every, ::step].copy())
            if place.has_labels:
                truth = np.empty(found.shape, np.uint8)
                to_labels(place.read(first, 0, height, columns, [LABELS]).pixels[0], truth)
                truth[found == 0] = 0  # where nothing could be predicted, nothing is scored
                matrix += confusion_matrix(truth, found)
                small["truth"].append(truth[every, ::step].copy())
    results = experiment.results()
    hectares = abs(place.transform.a * place.transform.e) * place.crs.linear_units_factor[1] ** 2 / 1e4
    tested = np.array(results["confusion"])
    areas = _areas(tested, mapped, matrix if matrix.any() else None, hectares)
    at_place = scores(matrix) if matrix.any() else None
    made_up = str(results.get("source", "")).startswith(STAND_IN) or any(map(is_stand_in, place.files))
    numbers = {"accuracy": at_place.accuracy, "mean_iou": at_place.mean_iou} if at_place else {}
    record = {
        "map": files.path.name,
        "run": experiment.run,
        "experiment": experiment.name,
        "trained on": results.get("source", ""),
        "place": place.name,
        "bounds": list(bounds_of(place.crs, place.transform, place.shape)),
        "crs": place.crs.to_string(),
        "pixel": [abs(place.transform.a), abs(place.transform.e)],
        "stand-in": made_up,
        "areas in hectares": areas,
        **numbers,
        "confusion": matrix.tolist() if at_place else None,
    }
    arrays = {name: np.concatenate(parts) for name, parts in small.items() if parts}
    title = f"{STAND_IN}: " * made_up + place.name
    figure = _picture(arrays, title, step * abs(place.transform.a) * place.crs.linear_units_factor[1], areas)
    table, facts, drawn = files.reports
    write_csv(areas, table)
    with atomic_write(facts) as unfinished:
        write_json(unfinished, plain(record))
    with atomic_write(drawn) as unfinished:
        figure.savefig(unfinished, format="png", dpi=150)
    return MapReport(
        [file for file in files.all if file.exists()], areas, numbers.get("accuracy"), numbers.get("mean_iou"), made_up
    )


def _areas(
    tested: np.ndarray, mapped: np.ndarray, at_place: np.ndarray | None, hectares: float
) -> list[dict[str, Any]]:
    """Return a row for each class: hectares as mapped and as estimated, and where truth is known, that and the IoU."""
    found = estimate_areas(tested, mapped * hectares)
    rows = []
    for number in LEGEND.kept:
        error = found.standard_error[number]
        row: dict[str, Any] = {
            "class": LEGEND.names[number],
            "mapped": float(found.mapped[number]),
            "estimated": float(found.estimated[number]),
            "± 95 %": float(SURE * error) if np.isfinite(error) else None,
        }
        if at_place is not None:
            iou = scores(at_place).iou[number]
            row |= {"true": float(at_place[number].sum() * hectares), "IoU": float(iou) if np.isfinite(iou) else None}
        rows.append(row)
    return rows


def _picture(arrays: Mapping[str, np.ndarray], title: str, metres: float, areas: Sequence[Mapping[str, Any]]) -> Any:
    picture = arrays["picture"]
    low, high = np.percentile(picture, [1, 99])  # of all three, which keeps the colours
    iou = {str(row["class"]): row["IoU"] for row in areas if row.get("IoU") is not None}
    return plots.comparison(
        ((picture - low) / np.maximum(high - low, 1e-6)).clip(0, 1),
        arrays["map"],
        chesapeake.PALETTE,
        chesapeake.CLASS_NAMES,
        metres=metres,
        truth=arrays.get("truth"),
        iou=iou,
        title=title,
    )
