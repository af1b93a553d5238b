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
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree import ElementTree

import numpy as np

from helpers.data import check_room
from helpers.data.map_files import MapError, MapFiles, Raster, aux_xml
from helpers.files import LockedError, atomic_write, locked, names_in, naming
from helpers.segmentation.losses import IGNORE, IgnoreClass, as_labels
from helpers.segmentation.rasters import Predict, Read, predict_strips, strip_ends

if TYPE_CHECKING:
    from rasterio.windows import Window

NO_DATA = 0  # in a map of classes, where class 0 is ignored
MOST, NO_PROBABILITY = 254, 255  # bytes that stand for a probability of 1, and for none
BLOCK = 512  # pixels along the side of a block of a Cloud Optimized GeoTIFF: what a viewer reads at once
CACHE = 64 << 20  # bytes that GDAL keeps of what it copies
CLASSES, PROBABILITIES = "classes.raw", "probabilities.raw"
Result = TypeVar("Result")


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
    report: Callable[[], Result],
    probabilities: bool = False,
    window: int = 256,
    overlap: int = 64,
    batch_size: int = 8,
    overwrite: bool = False,
    tell: Callable[[str], None] = print,
    progress: bool = False,
) -> Result:
    """Write a map of a place of any size, or go on with it; return what `report` does.

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
        report: is called when the map is there; until it has ended, the map can be gone on with, without predicting.
        probabilities: whether to write them as well.
        window, overlap, batch_size, progress: see `predict_strips`.
        overwrite: whether files of a map may be there already, which are then replaced when the new one is finished;
            probabilities of an earlier map go as well.
        tell: what prints.

    Raises:
        MapError: another process writes this map, it is there already or no `.tif`, or there are no data anywhere.
        DataError: there is too little room.
        DiskFullError: there is none left; what is finished is kept.
    """
    files = MapFiles(Path(path), probabilities)
    files.check(overwrite=overwrite)
    options = {"window": window, "overlap": overlap, "batch_size": batch_size}
    bands = len(legend.kept) if probabilities else 0
    about = json.loads(json.dumps({**identity, **options, "probabilities": bands, "shape": raster.shape}))
    with _unfinished(files) as folder:
        rows, columns = raster.shape
        earlier = _earlier(files)
        done = _whole_rows(folder, about) if earlier == about else 0
        if done < rows and not overwrite:  # with all rows, it is this map that was being written
            files.refuse_earlier()
        if earlier != about:
            _begin_anew(files, about, earlier, tell)
        for file, row in _row_sizes(folder, about).items():
            with file.open("ab") as unfinished:
                unfinished.truncate(done * row)
        check_room(folder, (2 * rows - done) * columns * (1 + bands), "the map takes up to {}")
        ends = strip_ends(rows, window, overlap)
        skip = sum(end <= done for end in ends)
        if done:
            tell(f"{files.path}: going on at row {done:,} of {rows:,}.")
        if skip < len(ends):
            strips = predict_strips(predict, read, raster.shape, **options, skip=skip, progress=progress)
            _write_strips(folder, strips, legend, probabilities)
        if not _has_data(folder / CLASSES):
            _clear(files)
            raise MapError(f"there are no data anywhere in what {files.path} was to be made of: it is not written.")
        _finish(files, raster, legend)
        return report()


@contextmanager
def _unfinished(files: MapFiles) -> Iterator[Path]:
    """Yield the folder of an unfinished map, for this process alone; it goes when the block has ended well."""
    folder = files.unfinished
    with naming(folder):
        folder.mkdir(exist_ok=True)
    try:
        with locked(folder / "lock"):
            try:
                yield folder
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                if set(names_in(folder)) <= {"lock"}:  # nothing to go on from
                    shutil.rmtree(folder, ignore_errors=True)
    except LockedError as error:
        raise MapError(f"{error} writes {files.path} already. Wait for it, or name another file.") from None


def _earlier(files: MapFiles) -> Any:
    """Return of which map the folder is: None if of none, {} if a crash of the machine has cut short what says it."""
    try:
        return json.loads(files.about.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _row_sizes(folder: Path, about: Mapping[str, Any]) -> dict[Path, int]:
    """Return how many bytes a row takes in each file."""
    columns = about["shape"][1]
    sizes = {folder / CLASSES: columns, folder / PROBABILITIES: columns * about["probabilities"]}
    return {file: row for file, row in sizes.items() if row}


def _whole_rows(folder: Path, about: Mapping[str, Any]) -> int:
    """Return how many rows are finished: those of whole strips that are in all files."""
    sizes = _row_sizes(folder, about)
    whole = min(file.stat().st_size // row if file.exists() else 0 for file, row in sizes.items())
    ends = strip_ends(about["shape"][0], about["window"], about["overlap"])
    return max(end for end in [0, *ends] if end <= whole)


def _begin_anew(files: MapFiles, about: Mapping[str, Any], earlier: Any, tell: Callable[[str], None]) -> None:
    """Note of which map the folder is from now on; what is there of another map is removed."""
    if earlier is not None:
        other = [key for key in about if earlier.get(key) != about[key]]
        tell(f"{files.unfinished} holds an unfinished map with another {', '.join(other)}: it begins anew.")
    _clear(files)
    with atomic_write(files.about) as unfinished:
        unfinished.write_text(json.dumps(about, indent=2), encoding="utf-8")


def _clear(files: MapFiles) -> None:
    for file in (files.about, files.unfinished / CLASSES, files.unfinished / PROBABILITIES):
        file.unlink(missing_ok=True)


def _has_data(classes: Path) -> bool:
    with classes.open("rb") as file:
        return any(block.strip(bytes([NO_DATA])) for block in iter(lambda: file.read(CACHE), b""))


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


def _finish(files: MapFiles, raster: Raster, legend: Legend) -> None:
    """Make GeoTIFFs of the plain bytes; the map itself comes last: where it is, all is."""
    folder = files.unfinished
    if files.has_probabilities:
        _publish(_probabilities_vrt(raster, legend), folder / PROBABILITIES, files.probabilities, "average")
    _publish(_classes_vrt(raster, legend), folder / CLASSES, files.path, "mode")
    if not files.has_probabilities:  # those that are there are of the map that was replaced now
        for file in (files.probabilities, aux_xml(files.probabilities)):
            file.unlink(missing_ok=True)


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
        beside = aux_xml(unfinished)
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
            beside.replace(aux_xml(path))


_NOT_WRITTEN = "{} could not be written ({}). Make room there, and run this again: what was predicted is kept."


def _rows_of(shape: Sequence[int]) -> Iterator["Window"]:
    """Yield windows of whole rows."""
    from rasterio.windows import Window

    rows, columns = shape
    for first in range(0, rows, BLOCK):
        yield Window(0, first, columns, min(BLOCK, rows - first))


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
