"""The verb `map`: which run, which place, and what is printed of what `helpers.experiments.mapping` does."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.cli.experiments import LAND_COVER, RUN_FILE, read_known
from helpers.cli.verbs import Parser, Verb, at_least, existing
from helpers.errors import UsageError
from helpers.tables import Table

if TYPE_CHECKING:  # they need more than the standard library
    from helpers.data.chesapeake.mosaic import Place
    from helpers.experiments import Experiment
    from helpers.experiments.run_file import Run


RASTER = existing("raster", "An option of the run is written NAME=VALUE.")


def _word(text: str) -> str | Path:
    """Return an override as it is; anything else is a raster.

    Raises:
        ArgumentTypeError: there is no such file.
    """
    return text if "=" in text else RASTER(text)


def _map(parser: Parser) -> None:
    parser.add_argument("file", type=RUN_FILE, metavar="RUN.toml", help="the run file, as for ./course train")
    parser.add_argument(
        "words",
        nargs="*",
        type=_word,
        metavar="FILE.tif|NAME=VALUE",
        help="a raster of your own; or a value, as for ./course train",
    )
    parser.add_argument("--tile", metavar="NAME", help="map this tile, such as m_3907833_nw_17_1")
    parser.add_argument(
        "--bounds", type=float, nargs=4, metavar=("W", "S", "E", "N"), help="map what tiles show of this, in degrees"
    )
    parser.add_argument("--index", type=at_least(0), metavar="N", help="which element of a sweep (--list of train)")
    parser.add_argument("--data", type=existing("folder"), metavar="DIR", help="folder of the tiles; default: all data")
    parser.add_argument("--out", type=Path, default=Path("map.tif"), metavar="FILE", help="the map (map.tif)")
    parser.add_argument("--probabilities", action="store_true", help="write the probability of each class as well")
    parser.add_argument("--force", action="store_true", help="replace a map that is there")


def run_map(options: argparse.Namespace) -> int:
    """Make a map, print the areas of its classes, and list what was written.

    Raises:
        UsageError: not one place, or a file or bounds that make no sense.
        MapRunError, MapError, DataError: there is no such network or place, or the map cannot be written.
    """
    pictures = [word for word in options.words if isinstance(word, Path)]
    if len(pictures) + bool(options.tile) + bool(options.bounds) != 1:
        raise UsageError("a map is of one place: give --tile NAME, --bounds W S E N, or a FILE.tif.")
    if options.bounds:
        _check_bounds(*options.bounds)
    from helpers.data.map_files import MapFiles

    # before TensorFlow is loaded
    MapFiles(options.out, options.probabilities).check(overwrite=options.force, sources=pictures)
    from helpers.experiments.mapping import channels_of, make_map
    from helpers.slurm.submissions import overrides_of

    overrides = overrides_of(options.file, [word for word in options.words if isinstance(word, str)])
    experiment = _experiment(read_known(options.file, overrides), options.index)
    place = _place(options, pictures, channels_of(experiment))
    print(_told(place), flush=True)
    report = make_map(
        experiment,
        place,
        options.out,
        probabilities=options.probabilities,
        overwrite=options.force,
        progress=sys.stderr.isatty(),
    )
    print(Table(report.areas, "hectares"))
    if report.accuracy is not None:
        print(f"accuracy {report.accuracy:.3f}, mean IoU {report.mean_iou:.3f} at this place")
    print("± 95 % supposes test pixels drawn one by one; those of a run lie in patches, so it is too small.")
    if report.is_stand_in:
        print("STAND-IN: network or place are made up, and the map says nothing about real land.")
    for file in report.files:
        print(file)
    return 0


def _check_bounds(west: float, south: float, east: float, north: float) -> None:
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise UsageError(
            f"--bounds wants west, south, east and north in degrees, such as -76.53 39.10 -76.50 39.12; received "
            f"{west:g} {south:g} {east:g} {north:g}."
        )


def _experiment(run: "Run", index: int | None) -> "Experiment":
    """Return the experiment that is asked for; of several it must be said which."""
    count = len(run.experiments)
    if index is None and count > 1:
        raise UsageError(f"run {run.name} has {count} experiments: say which makes the map, --index 0 to {count - 1}.")
    if index is not None and index >= count:
        raise UsageError(f"run {run.name} has the indices 0 to {count - 1}; there is no {index}.")
    return run.experiments[index or 0]


def _place(options: argparse.Namespace, pictures: Sequence[Path], channels: Sequence[int]) -> "Place":
    from helpers.data import fetch
    from helpers.data.chesapeake.mosaic import Mosaic, Picture, find_tile, tiles_in

    if pictures:
        return Picture(pictures[0], channels)
    folders = [options.data] if options.data else fetch.data_folders()
    if options.tile:
        return Mosaic([find_tile(options.tile, folders)])
    bounds = tuple(options.bounds)
    return Mosaic(tiles_in(bounds, folders), bounds)


def _told(place: "Place") -> str:
    """Return what is mapped, in a line."""
    from helpers.data.chesapeake.mosaic import bounds_of, degrees

    rows, columns = place.shape
    metres = abs(place.transform.a) * place.crs.linear_units_factor[1]
    where = degrees(bounds_of(place.crs, place.transform, place.shape))
    far = "" if 0.5 <= metres <= 2 else f"\nIts pixels are {metres:.3g} m wide; networks of the course learn from 1 m."
    return f"{place.name}: {rows:,} x {columns:,} pixels of {metres:.3g} m, {where}, {place.crs.to_string()}.{far}"


MAP = Verb(
    "Map a whole place by a network that a run has trained.",
    run_map,
    (
        (f"./course map {LAND_COVER} --index 0 --tile m_3907833_nw_17_1", "map a tile, with areas and a picture"),
        (f"./course map {LAND_COVER} --index 0 image.tif --out town.tif", "map a raster of your own"),
    ),
    _map,
    "Beside the map lie areas (.csv, .json) and a picture (.png). Broken off, the same command continues.",
)
