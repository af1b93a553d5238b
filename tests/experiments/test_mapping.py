"""From tiles in the public layout to a map of a place: `course train`, `results` and `map`, as they are typed."""

import csv
import json
import shutil
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from matplotlib.figure import Figure

from helpers import cli
from helpers.backend import keras
from helpers.data import chesapeake
from helpers.data.chesapeake.bands import LABELS, scale
from helpers.data.chesapeake.mosaic import Block, Mosaic, find_tile, tile_bounds
from helpers.data.map_files import MapFiles
from helpers.data.synthetic.land_tiles import make_land_tiles
from helpers.experiments import Experiment, mapping
from helpers.experiments.run_file import read_run
from helpers.models.unet import build_unet
from helpers.segmentation import predict_tile

pytestmark = pytest.mark.slow

RUN = """
[data]
name = "chesapeake"
bands = ["naip_new"]
[model]
name = "unet"
filters = [3, 4]
[training]
epochs = 1
batch_size = 1
"""
REAL = Path(__file__).resolve().parents[2].parent / "shared/datasets/chesapeake_tiles"


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    """Write three stand-in tiles in the public layout."""
    folder = tmp_path_factory.mktemp("land")
    make_land_tiles(folder, 3, size=272, progress=False)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory, land):
    """Train a run on the tiles by the command line; give the folder with its file."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.toml").write_text(RUN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_EXPERIMENTS", str(folder / "experiments"))
        assert cli.main(["train", str(folder / "tiny.toml"), "--data", str(land)]) == 0
        assert cli.main(["results", str(folder / "tiny.toml"), "--no-figures"]) == 0
    return folder


@pytest.fixture
def course(home, land, tmp_path, monkeypatch, capsys):
    """Give a function that maps into the test's own folder, and returns status and what was printed."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(home / "experiments"))
    monkeypatch.setenv("COURSE_DATA", str(land))
    monkeypatch.chdir(tmp_path)

    def course(*words, run="tiny"):
        capsys.readouterr()
        status = cli.main(["map", str(home / f"{run}.toml"), *map(str, words)])
        return status, "".join(capsys.readouterr())

    return course


def name_of(land, split):
    return next(land.glob(f"*-{split}_tiles/*_lc.tif")).name.removesuffix("_lc.tif")


def expected(home, place):
    """Predict a place at once, as lecture 12 does."""
    (experiment,) = read_run(home / "tiny.toml").experiments
    channels = chesapeake.channels(["naip_new"])
    image = place.read(0, 0, *place.shape, channels).pixels.transpose(1, 2, 0) * np.float32(scale(0))
    found = predict_tile(experiment.load().predict_on_batch, image)
    return 1 + found[..., 1:].argmax(-1)


def test_a_tile_becomes_a_map_with_areas_scores_and_a_picture(course, home, land, tmp_path):
    name = name_of(land, "test")
    status, told = course("--tile", name, "--probabilities")
    assert status == 0, told
    place = Mosaic([find_tile(name, [land])])
    with rasterio.open(tmp_path / "map.tif") as file:
        found = file.read(1)
        assert (file.crs, file.transform) == (place.crs, place.transform)
    np.testing.assert_array_equal(found, expected(home, place))
    truth = place.read(0, 0, *place.shape, [LABELS]).pixels[0].astype(int)
    truth[truth == 15] = 0
    record = json.loads((tmp_path / "map.json").read_text())
    assert record["accuracy"] == pytest.approx((found == truth)[truth > 0].mean())
    assert (record["run"], record["experiment"], record["place"], record["stand-in"]) == (
        "tiny",
        "defaults",
        name,
        True,
    )
    assert np.sum(record["confusion"]) == (truth > 0).sum()
    rows = list(csv.DictReader((tmp_path / "map.csv").open(encoding="utf-8")))
    assert [row["class"] for row in rows] == chesapeake.CLASS_NAMES[1:]
    for number, row in enumerate(rows, start=1):
        assert float(row["mapped"]) == pytest.approx((found == number).sum() / 1e4)
        assert float(row["true"]) == pytest.approx((truth == number).sum() / 1e4)
        assert f"\n{row['class']}" in told
    total = sum(float(row["estimated"]) for row in rows)
    assert total == pytest.approx((found > 0).sum() / 1e4)
    assert f"accuracy {record['accuracy']:.3f}" in told and "STAND-IN" in told and "map.png" in told
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert rasterio.open(tmp_path / "map_probabilities.tif").count == 6
    status, told = course("--tile", name)
    assert status == 1 and "is there already. Name another file, or replace it: --force." in told
    assert course("--tile", name, "--force")[0] == 0
    status, told = course("--tile", name, "--probabilities", "--out", "again.tif")
    names = ["again.tif", "again.tif.aux.xml", "again_probabilities.tif", "again.csv", "again.json", "again.png"]
    assert [line for line in told.splitlines() if line.startswith("again")] == names
    for each in names:
        assert (tmp_path / each).exists()


@pytest.mark.parametrize("what", ["picture", pytest.param("csv", marks=pytest.mark.long)])
def test_a_report_that_was_broken_off_is_written_by_the_same_command(course, home, land, tmp_path, monkeypatch, what):
    name = name_of(land, "test")

    def broken_off(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mapping, {"picture": "_picture", "csv": "write_csv"}[what], broken_off)
        course("--tile", name)
    assert (tmp_path / "map.tif").exists() and not (tmp_path / "map.png").exists()
    with monkeypatch.context() as patch:
        patch.setattr("helpers.segmentation.maps.predict_strips", broken_off)
        status, told = course("--tile", name)
    assert status == 0 and (tmp_path / "map.png").exists(), told
    assert not (tmp_path / ".map.tif.unfinished").exists()


def test_a_label_that_is_none_is_told_before_anything_is_predicted(course, land, tmp_path, monkeypatch):
    name = name_of(land, "test")
    folder = shutil.copytree(land, tmp_path / "copy")
    path = next(folder.glob(f"*/{name}_lc.tif"))
    with rasterio.open(path, "r+") as file:
        bands = file.read()
        bands[0, 200, 100:102] = 9
        file.write(bands)
    status, told = course("--tile", name, "--data", folder)
    assert status == 1 and f"{name}_lc.tif: has label 9 at 2 pixels" in told, told
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("words", [["--out", "map.png"], ["--out", "no/map.tif"], []])
def test_a_slip_in_out_is_told_before_tensorflow_is_loaded(course, land, tmp_path, monkeypatch, words):
    (tmp_path / "map.csv").write_text("mine")
    monkeypatch.setitem(sys.modules, "helpers.experiments.mapping", None)
    status, told = course("--tile", name_of(land, "test"), *words)
    wanted = ["ends in .tif", "there is no folder no for", "map.csv is there already"]
    assert status == 1 and any(each in told for each in wanted), told


class Plain:
    """A place of one grey, as high as one likes."""

    name, files, has_labels = "plain", (), True
    crs, transform = rasterio.crs.CRS.from_epsg(26918), rasterio.transform.from_origin(300_000, 4_400_000, 1, 1)

    def __init__(self, rows):
        self.shape = rows, 2000

    def read(self, row, column, rows, columns, channels):
        """Return ones."""
        return Block(np.ones((len(channels), rows, columns), np.float32), np.ones((rows, columns), bool))


def peak_of_report(home, folder, rows):
    """Return the most bytes that a report takes of a map of so many rows."""
    place, files = Plain(rows), MapFiles(folder / f"{rows}.tif")
    about = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": place.crs, "transform": place.transform}
    with rasterio.open(files.path, "w", height=rows, width=place.shape[1], **about) as file:
        file.write(np.ones(place.shape, np.uint8), 1)
    (experiment,) = read_run(home / "tiny.toml").experiments
    tracemalloc.start()
    mapping._report(experiment, place, files, with_picture=[0, 1, 2])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_the_memory_of_a_report_does_not_grow_with_the_height(course, home, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "_picture", lambda *about: Figure())  # its paper grows, up to a limit
    peak_of_report(home, tmp_path, 256)  # what is imported first
    low, high = (peak_of_report(home, tmp_path, rows) for rows in (512, 4096))
    assert high < 1.5 * low  # and not 8 times


def test_bounds_become_a_map_of_the_tiles_that_they_meet(course, home, land, tmp_path):
    name = name_of(land, "val")
    west, south, east, north = tile_bounds(find_tile(name, [land]))
    bounds = [west, south, (west + east) / 2, north]
    status, told = course("--bounds", *bounds, "--out", "half.tif")
    assert status == 0 and told.startswith(f"{name}: 272 x "), told
    place = Mosaic([find_tile(name, [land])], tuple(bounds))
    found = rasterio.open(tmp_path / "half.tif").read(1)
    assert found.shape == place.shape and 100 < found.shape[1] < 172
    np.testing.assert_array_equal(found, expected(home, place))


def test_a_raster_of_ones_own_becomes_the_same_map_as_its_tile(course, land, tmp_path):
    name = name_of(land, "train")
    layer = next(land.glob(f"*/{name}_naip-new.tif"))
    shutil.copy(layer, tmp_path / "town.tif")
    status, told = course("town.tif", "--out", "own.tif")
    assert status == 0 and told.startswith("town: "), told
    assert course("--tile", name)[0] == 0
    np.testing.assert_array_equal(*(rasterio.open(tmp_path / f"{each}.tif").read(1) for each in ("own", "map")))
    record = json.loads((tmp_path / "own.json").read_text())
    assert "accuracy" not in record and record["confusion"] is None and "true" not in record["areas in hectares"][0]


def test_what_a_map_is_made_of_is_never_replaced(course, land, tmp_path):
    layer = next(land.glob(f"*/{name_of(land, 'train')}_naip-new.tif"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path)
    for name, out, *more in [
        ("town.tif", "town.tif"),
        ("town.tif", "sub/../town.tif"),
        ("town.tif", "linked/town.tif"),
        ("c_probabilities.tif", "c.tif", "--probabilities"),
        ("d.png", "d.tif"),
    ]:
        shutil.copy(layer, tmp_path / name)
        status, told = course(tmp_path / name, "--out", out, "--force", *more)
        assert status == 1 and f"{name} is what the map is to be made of" in told, told
        assert (tmp_path / name).read_bytes() == layer.read_bytes()
    tiles = shutil.copytree(land, tmp_path / "copy")
    own = next(tiles.glob(f"*/{layer.name}"))
    status, told = course("--tile", name_of(land, "train"), "--data", tiles, "--out", own, "--force")
    assert status == 1 and "is what the map is to be made of" in told


def test_the_real_tile_becomes_a_map(course, tmp_path):
    if not REAL.is_dir():
        pytest.skip("no real tile here: shared/datasets/chesapeake_tiles")
    status, told = course("--tile", "m_3907833_nw_17_1", "--data", REAL)
    assert status == 0 and "260 x 260 pixels of 23.6 m" in told and "networks of the course learn from 1 m" in told, (
        told
    )
    found = rasterio.open(tmp_path / "map.tif")
    assert found.crs.to_epsg() == 26917 and set(np.unique(found.read(1))) <= set(range(1, 7))
    hectares = sum(row["mapped"] for row in json.loads((tmp_path / "map.json").read_text())["areas in hectares"])
    assert hectares == pytest.approx(6134 * 7660 / 1e4)


@pytest.mark.long
def test_a_network_of_26_bands_maps_what_it_sees_in_patches(land, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path))
    experiment = Experiment("all", {"data": "chesapeake", "model": "unet"})
    keras.utils.set_random_seed(0)
    model = build_unet(input_shape=(128, 128, 26), num_classes=7, filters=[3, 4])
    experiment.save(model, {}, results={"confusion": np.ones((7, 7), int).tolist()})
    tile = find_tile(name_of(land, "test"), [land])
    report = mapping.make_map(experiment, Mosaic([tile]), tmp_path / "map.tif")
    pixels = tile.read(0, 0, 272)[chesapeake.channels(chesapeake.COURSE_BANDS)]
    scales = [scale(channel) for channel in chesapeake.channels(chesapeake.COURSE_BANDS)]
    image = pixels.transpose(1, 2, 0) * np.float32(scales)
    wanted = predict_tile(model.predict_on_batch, image, window=128)  # the one size that this network takes
    found = rasterio.open(tmp_path / "map.tif").read(1)
    np.testing.assert_array_equal(found, 1 + wanted[..., 1:].argmax(-1))
    assert report.is_stand_in and report.files[0] == tmp_path / "map.tif"


def test_what_cannot_be_mapped_is_told(course, home, land, tmp_path):
    for words, status, wanted in [
        ([], 2, "a map is of one place: give --tile NAME, --bounds W S E N, or a FILE.tif."),
        (["--tile", "a", "--bounds", 1, 1, 2, 2], 2, "a map is of one place"),
        (["--bounds", 10, 0, -10, 5], 2, "--bounds wants west, south, east and north"),
        (["--tile", "m_0"], 2, "there is no tile m_0 in"),
        (["nowhere.tif"], 2, "there is no raster nowhere.tif"),
        (["--bounds", 1, 1, 2, 2], 1, "no tile shows anything of W 1.0"),
        (["--tile", name_of(land, "test"), "epochs=2"], 1, "has not finished: train it first"),
        (["--tile", name_of(land, "test"), "sweep.epochs=[1, 2]"], 2, "has 2 experiments: say which makes the map"),
        (["--tile", name_of(land, "test"), "--index", 4], 2, "has the indices 0 to 0; there is no 4"),
        (["--tile", name_of(land, "test"), "--out", "map.png"], 1, "give one that ends in .tif"),
    ]:
        found, told = course(*words)
        assert found == status and wanted in told, (words, told)
    (home / "digits.toml").write_text('[data]\nname = "mnist"\n[model]\nname = "dense_vae"\n')
    status, told = course("--tile", "m_0", run="digits")
    assert status == 1 and "data = 'mnist'" in told
    assert list(tmp_path.iterdir()) == []
