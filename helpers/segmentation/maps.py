"""Maps of places of any size as Cloud Optimized GeoTIFFs, written strip by strip and gone on with after a break.

    map.tif                 the class of each pixel: palette, names, no-data value, overviews
    map.tif.aux.xml         the names once more, where GDAL and QGIS look for them
    map_probabilities.tif   if wanted: a band for each class, bytes of 0 to 254 for probabilities of 0 to 1

Until a map is finished, its pixels lie in a folder beside it, `.map.tif.unfinished`, as plain bytes, row after row:
what is there after a `kill -9` is known by its length. Used by `course map`.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

import numpy as np

from helpers.data import DataError, check_room
from helpers.files import LockedError, atomic_write, locked, naming
from helpers.segmentation.losses import IGNORE, IgnoreClass, as_labels
from helpers.segmentation.rasters import Predict, Read, predict_strips, strip_ends

if TYPE_CHECKING:
    from rasterio import Affine
    from rasterio.crs import CRS
    from rasterio.windows import Window

NO_DATA = 0  # in a map of classes, where class 0 is ignored
MOST, NO_PROBABILITY = 254, 255  # bytes that stand for a probability of 1, and for none
BLOCK = 512  # pixels along the side of a block of a Cloud Optimized GeoTIFF: what a viewer reads at once
CACHE = 64 << 20  # bytes that GDAL keeps of what it copies
ABOUT, CLASSES, PROBABILITIES = "about.json", "classes.raw", "probabilities.raw"


class Raster(Protocol):
    """What a map is made of."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""

    @property
    def crs(self) -> "CRS":
        """Return the coordinate system."""

    @property
    def transform(self) -> "Affine":
        """Return what makes coordinates of columns and rows."""


@dataclass(frozen=True)
class Legend:
    """The classes of a map.

    Attributes:
        names: of all classes.
        palette: a colour for each, such as "#267300".
        ignore_class: those that no pixel is given.
    """

    names: Sequence[str]
    palette: Sequence[str]
    ignore_class: IgnoreClass = IGNORE

    @property
    def kept(self) -> list[int]:
        """List the classes that pixels can be given."""
        return [number for number in range(len(self.names)) if number not in as_labels(self.ignore_class)]


def write_map(
    path: str | Path,
    predict: Predict,
    read: Read,
    raster: Raster,
    legend: Legend,
    *,
    identity: Mapping[str, Any],
    probabilities: bool = False,
    window: int = 256,
    overlap: int = 64,
    batch_size: int = 8,
    overwrite: bool = False,
    tell: Callable[[str], None] = print,
    progress: bool = False,
) -> None:
    """Write a map of a place of any size, or go on with it.

    Memory grows with the width of the place, and not with its height. A pixel without data gets `NO_DATA`. Of two
    processes that write one map the second is refused; what a killed one had finished is kept.

    Args:
        path: of the map, `….tif`.
        predict: see `predict_tile`; gives a probability for each class of the legend.
        read: see `predict_strips`.
        raster: the size and the place on earth of what is read.
        legend: the classes.
        identity: what makes this map this one, in values that JSON can hold, beside the options here: an unfinished map
            of another one is begun anew, and `tell` is told why.
        probabilities: whether to write them as well.
        window, overlap, batch_size, progress: see `predict_strips`.
        overwrite: whether a map may be there already, which is then replaced when the new one is finished.
        tell: what prints.

    Raises:
        MapError: another process writes this map, it is there already, or it is no `.tif`.
        DataError: there is too little room.
        DiskFullError: there is none left; what is finished is kept.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise MapError(f"{path} is no name of a GeoTIFF: give one that ends in .tif.")
    if not path.parent.is_dir():
        raise MapError(f"there is no folder {path.parent} for {path.name}: make it, or name another.")
    options = {"window": window, "overlap": overlap, "batch_size": batch_size}
    bands = len(legend.kept) if probabilities else 0
    about = json.loads(json.dumps({**identity, **options, "probabilities": bands, "shape": raster.shape}))
    with _unfinished(path) as folder:
        if path.exists() and not overwrite:
            raise MapError(f"{path} is there already. Name another file, or replace it: --force.")
        done = _begun(folder, about, tell)
        rows, columns = raster.shape
        check_room(folder, (2 * rows - done) * columns * (1 + bands), "the map takes up to {}")
        ends = strip_ends(rows, window, overlap)
        skip = sum(end <= done for end in ends)
        if done:
            tell(f"{path}: going on at row {ends[skip - 1]:,} of {rows:,}.")
        if skip < len(ends):
            strips = predict_strips(predict, read, raster.shape, **options, skip=skip, progress=progress)
            _write_strips(folder, strips, legend, probabilities)
        _finish(folder, path, raster, legend, probabilities)


class MapError(DataError):
    """A map that cannot be written. The message says why, and what to do."""


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Yield the folder of an unfinished map, for this process alone; it goes when the block has ended well."""
    folder = path.with_name(f".{path.name}.unfinished")
    with naming(folder):
        folder.mkdir(exist_ok=True)
    try:
        with locked(folder / "lock"):
            yield folder
            shutil.rmtree(folder, ignore_errors=True)
    except LockedError as error:
        raise MapError(f"{error} writes {path} already. Wait for it, or name another file.") from None
    finally:
        if folder.exists() and {each.name for each in folder.iterdir()} <= {"lock"}:  # nothing to go on from
            shutil.rmtree(folder, ignore_errors=True)


def _begun(folder: Path, about: Mapping[str, Any], tell: Callable[[str], None]) -> int:
    """Return how many rows are finished; what is there of another map is removed."""
    path, (rows, columns) = folder / ABOUT, about["shape"]
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        earlier = None
    except ValueError:  # cut short by a crash of the machine
        earlier = {}
    if earlier == about:
        sizes = {folder / CLASSES: columns, folder / PROBABILITIES: columns * about["probabilities"]}
        sizes = {file: row for file, row in sizes.items() if row}  # bytes of a row
        whole = min(file.stat().st_size // row if file.exists() else 0 for file, row in sizes.items())
        done = max(end for end in [0, *strip_ends(rows, about["window"], about["overlap"])] if end <= whole)
        for file, row in sizes.items():
            with file.open("ab") as unfinished:
                unfinished.truncate(done * row)
        return done
    if earlier is not None:
        other = [key for key in about if earlier.get(key) != about[key]]
        tell(f"{folder} holds an unfinished map with another {', '.join(other)}: it begins anew.")
    for file in (folder / CLASSES, folder / PROBABILITIES):
        file.unlink(missing_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(about, indent=2), encoding="utf-8")
    return 0


def _write_strips(folder: Path, strips: Iterator[np.ndarray], legend: Legend, with_probabilities: bool) -> None:
    """Append strips to the files; each is on the disk before the next one is begun."""
    kept = np.array(legend.kept)
    for strip in strips:
        is_missing = np.isnan(strip[..., 0])
        classes = kept[strip[..., kept].argmax(axis=-1)].astype(np.uint8)
        classes[is_missing] = NO_DATA
        if with_probabilities:
            rounded = np.rint(np.nan_to_num(strip[..., kept]) * MOST).astype(np.uint8)
            rounded[is_missing] = NO_PROBABILITY
            _append(folder / PROBABILITIES, rounded.transpose(0, 2, 1))  # of each row, a class after the other
        _append(folder / CLASSES, classes)


def _append(path: Path, array: np.ndarray) -> None:
    with naming(path), path.open("ab") as file:
        file.write(np.ascontiguousarray(array).data)
        file.flush()
        os.fsync(file.fileno())


def _finish(folder: Path, path: Path, raster: Raster, legend: Legend, with_probabilities: bool) -> None:
    """Make GeoTIFFs of the plain bytes; the map itself comes last: where it is, all is."""
    if with_probabilities:
        _publish(_probabilities_vrt(raster, legend), folder / PROBABILITIES, probabilities_of(path), "average")
    _publish(_classes_vrt(raster, legend), folder / CLASSES, path, "mode")


def _publish(vrt: ElementTree.Element, raw: Path, path: Path, resampling: str) -> None:
    """Write a Cloud Optimized GeoTIFF of plain bytes, which takes its name when it was read again and is the same.

    Args:
        vrt: what GDAL is to know of the bytes.
        raw: their file.
        path: of the GeoTIFF.
        resampling: how its overviews are made.

    Raises:
        MapError: it cannot be written.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.shutil import copy

    source = raw.with_suffix(".vrt")
    options = {"compress": "DEFLATE", "blocksize": BLOCK, "overview_resampling": resampling, "bigtiff": "IF_SAFER"}
    with naming(source):
        source.write_bytes(ElementTree.tostring(vrt))
    with atomic_write(path) as unfinished:
        beside = Path(f"{unfinished}.aux.xml")  # where GDAL writes what a TIFF has no room for
        try:
            with rasterio.Env(GDAL_CACHEMAX=CACHE):
                copy(source, unfinished, driver="COG", **options)
                with rasterio.open(source) as whole, rasterio.open(unfinished) as copied:
                    # GDAL does not always say that a disk was full
                    is_whole = all((whole.read(window=w) == copied.read(window=w)).all() for w in _rows_of(whole.shape))
        except RasterioError as error:
            beside.unlink(missing_ok=True)
            raise MapError(_NOT_WRITTEN.format(path, error)) from error
        if not is_whole:
            raise MapError(_NOT_WRITTEN.format(path, "what was read again is not what was written"))
        if beside.exists():
            beside.replace(f"{path}.aux.xml")


_NOT_WRITTEN = "{} could not be written ({}). Make room there, and run this again: what was predicted is kept."


def _rows_of(shape: Sequence[int]) -> Iterator["Window"]:
    """Yield windows of whole rows."""
    from rasterio.windows import Window

    rows, columns = shape
    for first in range(0, rows, BLOCK):
        yield Window(0, first, columns, min(BLOCK, rows - first))


def probabilities_of(path: Path) -> Path:
    """Return the file of the probabilities that belong to a map."""
    return path.with_name(f"{path.stem}_probabilities{path.suffix}")


# ---- what GDAL is told of plain bytes: a virtual raster (https://gdal.org/drivers/raster/vrt.html) ----


def _vrt(raster: Raster) -> ElementTree.Element:
    rows, columns = raster.shape
    root = ElementTree.Element("VRTDataset", rasterXSize=str(columns), rasterYSize=str(rows))
    ElementTree.SubElement(root, "SRS").text = raster.crs.to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, raster.transform.to_gdal()))
    return root


def _band(root: ElementTree.Element, raw: str, number: int, count: int, name: str, no_data: int) -> ElementTree.Element:
    """Add a band whose rows lie between those of the others."""
    columns = int(root.attrib["rasterXSize"])
    band = ElementTree.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(number), subClass="VRTRawRasterBand")
    parts = {
        "Description": name,
        "NoDataValue": no_data,
        "ImageOffset": (number - 1) * columns,
        "PixelOffset": 1,
        "LineOffset": count * columns,
    }
    for tag, value in parts.items():
        ElementTree.SubElement(band, tag).text = str(value)
    ElementTree.SubElement(band, "SourceFilename", relativeToVRT="1").text = raw
    return band


def _classes_vrt(raster: Raster, legend: Legend) -> ElementTree.Element:
    root = _vrt(raster)
    band = _band(root, CLASSES, 1, 1, "class", NO_DATA)
    metadata = ElementTree.SubElement(band, "Metadata")
    ElementTree.SubElement(band, "ColorInterp").text = "Palette"
    colours = ElementTree.SubElement(band, "ColorTable")
    names = ElementTree.SubElement(band, "CategoryNames")
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    # type 0 is whole numbers, 2 texts; usage 5 is the value, 2 its name, 6 to 8 red, green and blue
    fields = [("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)]
    for number, field in enumerate(fields):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(number))
        for tag, value in zip(("Name", "Type", "Usage"), field, strict=True):
            ElementTree.SubElement(column, tag).text = str(value)
    for number, (name, colour) in enumerate(zip(legend.names, legend.palette, strict=True)):
        is_kept = number in legend.kept
        rgb = bytes.fromhex(colour.removeprefix("#"))
        entry = {f"c{place}": str(value) for place, value in enumerate([*rgb, 255 if is_kept else 0], start=1)}
        ElementTree.SubElement(colours, "Entry", entry)
        ElementTree.SubElement(names, "Category").text = name
        if is_kept:
            ElementTree.SubElement(metadata, "MDI", key=f"class_{number}").text = name
            row = ElementTree.SubElement(table, "Row", index=str(legend.kept.index(number)))
            for value in (number, name, *rgb):
                ElementTree.SubElement(row, "F").text = str(value)
    return root


def _probabilities_vrt(raster: Raster, legend: Legend) -> ElementTree.Element:
    root, count = _vrt(raster), len(legend.kept)
    for number, each in enumerate(legend.kept, start=1):
        band = _band(root, PROBABILITIES, number, count, legend.names[each], NO_PROBABILITY)
        ElementTree.SubElement(band, "Scale").text = repr(1 / MOST)
    return root
