"""Maps on disk: Cloud Optimized GeoTIFFs with palette and names, gone on with after a break, never half there."""

import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.crs import CRS
from rasterio.transform import from_origin

from helpers.data import DataError
from helpers.data.map_files import MapError, MapFiles
from helpers.files import DiskFullError, locked
from helpers.segmentation import maps, predict_tile
from helpers.segmentation.maps import Legend, write_map

LEGEND = Legend(["no class", "water", "trees", "road"], ["#000000", "#00c5ff", "#267300", "#112233"])
OPTIONS = {"window": 64, "overlap": 16, "batch_size": 4}


def predict(windows):
    """Give three classes what the bands say, and class 0, which no pixel gets, the most."""
    return np.concatenate([0.5 + 0 * windows[..., :1], windows[..., :3] / 6], axis=-1).astype(np.float32)


def place(rows=700, columns=600, seed=0, epsg=26918):
    """Return where a raster lies, its pixels with a hole without data, and what reads them."""
    image = np.random.default_rng(seed).random((rows, columns, 3), np.float32)
    image[100:130, 20:50, 2] = np.nan
    raster = types.SimpleNamespace(
        shape=(rows, columns), crs=CRS.from_epsg(epsg), transform=from_origin(300_000, 4_400_000, 2, 1)
    )
    return raster, image, lambda row, column, down, across: image[row : row + down, column : column + across]


def expected(image):
    classes = 1 + np.nan_to_num(image).argmax(-1)
    return np.where(np.isnan(image).any(-1), 0, classes)


def write(path, raster, read, predict=predict, **options):
    options = {"identity": {"model": "a"}, "report": lambda: None, **OPTIONS, **options}
    return write_map(path, predict, read, raster, LEGEND, **options)


@pytest.mark.parametrize("epsg", [26918, 32617])
@pytest.mark.parametrize("name", ["map.tif", "land cover.TIFF"])
def test_a_map_has_its_place_palette_names_and_overviews(tmp_path, epsg, name):
    raster, image, read = place(epsg=epsg)
    write(tmp_path / name, raster, read)
    with rasterio.open(tmp_path / name) as file:
        np.testing.assert_array_equal(file.read(1), expected(image))
        assert (file.crs, file.transform, file.nodata, file.dtypes) == (raster.crs, raster.transform, 0, ("uint8",))
        assert file.colormap(1)[1] == (0, 0xC5, 0xFF, 255) and file.colormap(1)[0][3] == 0
        assert file.tags(1) == {"class_1": "water", "class_2": "trees", "class_3": "road"}
        small = file.read(1, out_shape=(350, 300))  # from the overview: a class that is there, and no mean of two
        assert set(np.unique(small)) <= {0, 1, 2, 3}
    beside = ElementTree.parse(tmp_path / f"{name}.aux.xml")
    assert [each.text for each in beside.iter("Category")] == LEGEND.names
    with tifffile.TiffFile(tmp_path / name) as file:
        within = ElementTree.fromstring(file.pages[0].tags["GDAL_METADATA"].value)
    rows = [[cell.text for cell in row] for xml in (beside, within) for row in xml.iter("Row")]  # within: GDAL 3.12
    assert rows[2] == ["3", "road", "17", "34", "51"] and len(rows) == 3
    assert {each.name for each in tmp_path.iterdir()} == {name, f"{name}.aux.xml"}, "nothing unfinished is left"


@pytest.mark.parametrize("probabilities", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_map_keeps_the_rules_of_cloud_optimized_geotiffs(tmp_path, probabilities):
    """Those of `rio cogeo validate`: squares, overviews down to one, directories first, small pixels before large."""
    raster, _, read = place(1300, 1100)
    write(tmp_path / "map.tif", raster, read, probabilities=probabilities)
    files = [tmp_path / "map.tif", *[MapFiles(tmp_path / "map.tif").probabilities] * probabilities]
    for path in files:
        with rasterio.open(path) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.overviews(1) == [2, 4] and file.profile["tiled"]
        with tifffile.TiffFile(path) as file:
            pages = [file.pages[number] for number in range(len(file.pages))]
            assert [page.shape[:2] for page in pages] == [(1300, 1100), (650, 550), (325, 275)]
            assert all(page.tilewidth == page.tilelength == 512 for page in pages)
            heads, pixels = [page.offset for page in pages], [min(filter(None, page.dataoffsets)) for page in pages]
            assert heads == sorted(heads) and pixels == sorted(pixels, reverse=True) and max(heads) < min(pixels)


def test_probabilities_are_bytes_with_a_scale(tmp_path):
    raster, image, read = place()
    write(tmp_path / "map.tif", raster, read, probabilities=True)
    found = predict_tile(predict, image, window=64, overlap=16)[..., 1:]
    with rasterio.open(tmp_path / "map_probabilities.tif") as file:
        assert file.descriptions == ("water", "trees", "road") and file.nodata == 255
        bytes_ = file.read().transpose(1, 2, 0)
        is_gap = np.isnan(image).any(-1)
        assert (bytes_[is_gap] == 255).all() and bytes_[~is_gap].max() <= 254
        np.testing.assert_allclose(bytes_[~is_gap] * file.scales[0], found[~is_gap], atol=0.5 / 254 + 1e-6)


# ---- broken off, and gone on with ----


class Stopped(Exception):
    """What breaks a map off."""


def stop_after(batches):
    """Return a network that fails after so many batches."""
    left = [batches]

    def failing(windows):
        left[0] -= 1
        if left[0] < 0:
            raise Stopped
        return predict(windows)

    return failing


@pytest.mark.parametrize("batches", [1, 9, 25])
@pytest.mark.parametrize("probabilities", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_map_that_was_broken_off_goes_on_and_has_the_same_pixels(tmp_path, capsys, batches, probabilities):
    raster, image, read = place()
    path, seen = tmp_path / "map.tif", []
    with pytest.raises(Stopped):
        write(path, raster, read, predict=stop_after(batches), probabilities=probabilities)
    assert not path.exists()

    def counting(windows):
        seen.append(len(windows))
        return predict(windows)

    write(path, raster, read, predict=counting, probabilities=probabilities)
    write(tmp_path / "whole.tif", raster, read, probabilities=probabilities)
    told = capsys.readouterr().out
    assert ("going on at row" in told) == (batches > 4)  # four batches are a row of windows
    assert len(seen) < 60 or batches < 9
    names = ["{}.tif", *["{}_probabilities.tif"] * probabilities]
    for name in names:
        both = [rasterio.open(tmp_path / name.format(which)).read() for which in ("map", "whole")]
        np.testing.assert_array_equal(*both)
    np.testing.assert_array_equal(rasterio.open(path).read(1), expected(image))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"identity": {"model": "b"}}, "another model: it begins anew"),
        ({"overlap": 32}, "another overlap: it begins anew"),
        ({"probabilities": True}, "another probabilities: it begins anew"),
    ],
)
def test_what_is_left_of_another_map_is_not_gone_on_with(tmp_path, capsys, change, told):
    raster, image, read = place()
    with pytest.raises(Stopped):
        write(tmp_path / "map.tif", raster, read, predict=stop_after(9))
    write(tmp_path / "map.tif", raster, read, **change)
    assert told in capsys.readouterr().out
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))


@pytest.mark.parametrize("text", ["", '{"model"'])
def test_a_note_that_a_crash_has_cut_short_is_not_believed(tmp_path, capsys, text):
    raster, image, read = place()
    folder = tmp_path / ".map.tif.unfinished"
    folder.mkdir()
    (folder / "about.json").write_text(text)
    (folder / "classes.raw").write_bytes(b"\1" * 600 * 300)
    write(tmp_path / "map.tif", raster, read)
    assert "it begins anew" in capsys.readouterr().out
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_maps
left = [int(sys.argv[2])]
def predict(windows):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_maps.predict(windows)
raster, image, read = test_maps.place()
test_maps.write(test_maps.Path(sys.argv[1]), raster, read, predict=predict, probabilities=True)
"""


@pytest.mark.long
def test_after_kill_9_a_map_goes_on_and_has_the_same_pixels(tmp_path, capsys):
    path = tmp_path / "map.tif"
    code = KILLED.format(tests=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    for batches in (11, 19):  # of about 60
        done = subprocess.run([sys.executable, "-c", code, str(path), str(batches)], env=environment, check=False)
        assert done.returncode == -signal.SIGKILL
    raster, image, read = place()
    write(path, raster, read, probabilities=True)
    assert "going on at row" in capsys.readouterr().out
    np.testing.assert_array_equal(rasterio.open(path).read(1), expected(image))


# ---- what cannot be ----


def test_two_processes_do_not_write_one_map(tmp_path):
    raster, _, read = place()
    folder = tmp_path / ".map.tif.unfinished"
    folder.mkdir()
    with locked(folder / "lock"):
        for _ in range(2):  # who is refused removes nothing, though the lock is all that is there yet
            with pytest.raises(MapError, match=r"Process \d+ on .* writes .*map.tif already"):
                write(tmp_path / "map.tif", raster, read)
            assert (folder / "lock").exists()


@pytest.mark.parametrize("name", ["map.png", "map", "nowhere/map.tif"])
def test_names_that_are_no_map_are_refused(tmp_path, name):
    raster, _, read = place()
    with pytest.raises(MapError, match=r"ends in \.tif|there is no folder .*nowhere"):
        write(tmp_path / name, raster, read)
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_is_there_is_replaced_only_if_that_is_wanted(tmp_path):
    raster, image, read = place()
    (tmp_path / "map.tif").write_text("earlier")
    with pytest.raises(MapError, match=r"is there already.*--force"):
        write(tmp_path / "map.tif", raster, read)
    assert [each.name for each in tmp_path.iterdir()] == ["map.tif"]
    with pytest.raises(Stopped):
        write(tmp_path / "map.tif", raster, read, predict=stop_after(9), overwrite=True)
    assert (tmp_path / "map.tif").read_text() == "earlier"
    write(tmp_path / "map.tif", raster, read, overwrite=True)
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))


@pytest.mark.parametrize("name", ["map.csv", "map.png", "map_probabilities.tif", "map.tif.aux.xml"])
def test_what_lies_where_a_part_of_the_map_goes_is_replaced_only_if_that_is_wanted(tmp_path, name):
    raster, _, read = place(80, 90)
    (tmp_path / name).write_text("mine")
    with pytest.raises(MapError, match=rf"{name} is there already.*--force"):
        write(tmp_path / "map.tif", raster, read, probabilities=True)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    write(tmp_path / "map.tif", raster, read, probabilities=True, overwrite=True)


@pytest.mark.parametrize("name", ["map.tif", "map_probabilities.tif", "map_probabilities.tif.aux.xml"])
def test_no_probabilities_of_an_earlier_map_stay_beside_a_new_one(tmp_path, name):
    raster, image, read = place(80, 90)
    (tmp_path / name).write_text("of an earlier map")
    with pytest.raises(MapError, match=rf"{name} is there already.*--force"):
        write(tmp_path / "map.tif", raster, read)
    with pytest.raises(Stopped):
        write(tmp_path / "map.tif", raster, read, predict=stop_after(1), overwrite=True)
    assert (tmp_path / name).read_text() == "of an earlier map", "until the new one is finished"
    write(tmp_path / "map.tif", raster, read, overwrite=True)
    assert {each.name for each in tmp_path.iterdir()} <= {"map.tif", "map.tif.aux.xml"}
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))


@pytest.mark.parametrize("name", ["map.tif", "map.json"])
def test_an_unfinished_map_does_not_replace_what_was_put_there_meanwhile(tmp_path, name):
    raster, _, read = place()
    with pytest.raises(Stopped):
        write(tmp_path / "map.tif", raster, read, predict=stop_after(9))
    (tmp_path / name).write_text("mine")
    for change in ({}, {"identity": {"model": "b"}}):
        with pytest.raises(MapError, match="is there already"):
            write(tmp_path / "map.tif", raster, read, **change)
    (tmp_path / name).unlink()
    seen = []
    write(tmp_path / "map.tif", raster, read, predict=lambda windows: seen.append(1) or predict(windows))
    assert len(seen) < 60, "what was finished was kept"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("probabilities", [False, True])
def test_a_report_that_was_broken_off_is_written_without_predicting_again(tmp_path, overwrite, probabilities):
    raster, image, read = place(130, 90)
    files = MapFiles(tmp_path / "map.tif", probabilities)

    def broken_off():
        assert files.path.exists()
        files.reports[0].write_text("half")
        raise Stopped

    with pytest.raises(Stopped):
        write(files.path, raster, read, probabilities=probabilities, report=broken_off)
    options = {"predict": stop_after(0), "probabilities": probabilities, "overwrite": overwrite}
    assert write(files.path, raster, read, report=lambda: "told", **options) == "told"
    assert not files.unfinished.exists()
    np.testing.assert_array_equal(rasterio.open(files.path).read(1), expected(image))
    with pytest.raises(MapError, match="is there already"):
        write(files.path, raster, read, probabilities=probabilities)


@pytest.mark.parametrize("rows", [50, 200])
def test_of_a_place_without_any_data_no_map_is_written(tmp_path, rows):
    raster, image, read = place(rows)
    image[:] = np.nan
    with pytest.raises(MapError, match=r"there are no data anywhere in what .*map\.tif"):
        write(tmp_path / "map.tif", raster, read, probabilities=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gap", [slice(0, 300), slice(300, 700)])
def test_batches_without_data_are_not_predicted_and_change_nothing(tmp_path, gap):
    raster, image, read = place()
    image[gap] = np.nan
    seen = []
    write(tmp_path / "map.tif", raster, read, predict=lambda windows: seen.append(1) or predict(windows))
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))
    assert 20 < len(seen) < 45  # of 60


def test_too_little_room_is_told_before_anything_is_predicted(tmp_path, monkeypatch):
    raster, _, read = place()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=r"has 1\.0 kB free, and the map takes up to 840\.0 kB"):
        write(tmp_path / "map.tif", raster, read, predict=stop_after(0))


def test_a_disk_that_fills_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    raster, image, read = place()
    real, left = os.fsync, [3]

    def full(descriptor):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(maps.os, "fsync", full)
        with pytest.raises(DiskFullError, match=r"classes\.raw could not be written"):
            write(tmp_path / "map.tif", raster, read)
    write(tmp_path / "map.tif", raster, read)
    assert "going on at row" in capsys.readouterr().out
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))


def test_a_copy_that_is_not_whole_takes_no_name(tmp_path, monkeypatch):
    raster, image, read = place()
    with monkeypatch.context() as patch:
        import rasterio.shutil

        patch.setattr(rasterio.shutil, "copy", lambda source, target, **_: Path(target).write_bytes(b"II*\0"))
        with pytest.raises(MapError, match=r"map\.tif could not be written .*what was predicted is kept"):
            write(tmp_path / "map.tif", raster, read)
    assert not (tmp_path / "map.tif").exists()
    write(tmp_path / "map.tif", raster, read, predict=stop_after(0))  # nothing is left to predict
    np.testing.assert_array_equal(rasterio.open(tmp_path / "map.tif").read(1), expected(image))
