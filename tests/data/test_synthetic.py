"""The stand-in for the patches: the format of the real ones, their statistics nearly, the same bytes for a seed."""

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.cores import in_threads
from helpers.data import stand_in
from helpers.data.synthetic import is_stand_in, make_patches, patches
from helpers.data.synthetic.landscape import landscape, recipe
from helpers.data.synthetic.patches import correlation, deviations, means, statistics

pytestmark = pytest.mark.slow

TRAINING, VALIDATION = (f"pa_1m_2013_extended-{part}_patches" for part in ("train", "val"))
NLCD = {11, 21, 22, 23, 24, 31, 41, 42, 43, 52, 71, 81, 82, 90, 95}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("watershed")
    make_patches(folder, 10, per_tile=2, workers=2, progress=False)
    return folder


@pytest.fixture(scope="module")
def files(folder) -> list[Path]:
    return sorted(folder.rglob("*.npz"))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Every third pixel of eight tiles: (29, n)."""
    tiles = [patches.tile_layers(1, number)[:, ::3, ::3].reshape(29, -1) for number in range(8)]
    return np.concatenate(tiles, axis=1)


def read(file: Path) -> np.ndarray:
    return np.load(file)["arr_0"]


# ---- format ----


def test_a_patch_has_the_format_of_a_real_one(files):
    for file in files:
        with np.load(file) as archive:
            assert archive.files == ["arr_0"]
            layers = archive["arr_0"]
        assert (layers.shape, layers.dtype, layers.flags.c_contiguous) == ((1, 29, 256, 256), np.float32, True)
        assert zipfile.ZipFile(file).infolist()[0].compress_type == zipfile.ZIP_DEFLATED
        assert 300_000 < file.stat().st_size < 1_000_000  # the real ones: 600,000 to 680,000


def test_each_layer_has_the_values_of_a_real_one(files):
    for layers in (read(file)[0] for file in files):
        assert np.isfinite(layers).all()
        assert (layers[:8] == np.rint(layers[:8])).all() and layers[:8].min() >= 0 and layers[:8].max() <= 255
        assert set(np.unique(layers[8])) <= {1, 2, 3, 4, 5, 6, 15}
        assert set(np.unique(layers[9])) <= NLCD
        assert set(np.unique(layers[28])) <= {0, 1}
        landsat = layers[10:28]
        assert (2 * landsat == np.rint(2 * landsat)).all() and landsat.min() > 0 and landsat.max() < 10_000
        assert 0.1 < (landsat % 1 == 0.5).mean() < 0.4  # about a quarter are halves


def test_landsat_lies_in_blocks_of_24_by_30(files):
    for layers in (read(file)[0, 10:28] for file in files):
        across = np.flatnonzero((layers[:, 128, 1:] != layers[:, 128, :-1]).any(0))
        down = np.flatnonzero((layers[:, 1:, 128] != layers[:, :-1, 128]).any(0))
        assert 23 <= np.median(np.diff(across)) <= 24
        assert 29 <= np.median(np.diff(down)) <= 30


def test_names_and_folders_are_those_of_lila(folder, files):
    assert {file.parent.name for file in files} == {TRAINING, VALIDATION}
    assert all(file.match("pa_1m_2013-m_4?07???_[ns][ew]_18_1-[01].npz") for file in files)
    for part in (TRAINING, VALIDATION):
        rows = list(csv.DictReader((folder / f"{part}.csv").open()))
        assert sorted(folder / row["patch_fn"] for row in rows) == [file for file in files if file.parent.name == part]


def test_no_tile_is_on_two_sides():
    tiles = patches._plan(Path(), 3000, 0, 2, "lila")
    sides = [(tile.patches[0].name.rsplit("-", 1)[0], tile.patches[0].parent.name) for tile in tiles]
    assert len({name for name, _ in sides}) == len(tiles)
    assert [side for _, side in sides].count(VALIDATION) == len(tiles) / 5


def test_the_layout_of_ou_has_folds():
    tiles = patches._plan(Path(), 1000, 0, 10, "ou")
    folders = {tile.patches[0].parent.as_posix() for tile in tiles}
    assert folders == {f"pa/{part}/F{fold}" for part in ("train", "valid") for fold in range(10)}


def test_patches_of_a_tile_overlap():
    rng = np.random.default_rng(0)
    corners = rng.integers(patches._EDGE, patches._TILE - patches.PATCH - patches._EDGE, (1000, 2, 2))
    overlap = (abs(corners[:, 0] - corners[:, 1]) < patches.PATCH).all(-1).mean()
    assert overlap > 0.5


# ---- same bytes ----


@pytest.mark.long
def test_same_seed_same_bytes_whatever_the_workers_and_the_count(folder, files, tmp_path):
    make_patches(tmp_path, 3, per_tile=2, workers=1, progress=False)
    again = sorted(tmp_path.rglob("*.npz"))
    assert len(again) == 3
    assert all(file.read_bytes() == (folder / file.relative_to(tmp_path)).read_bytes() for file in again)


def test_another_seed_makes_other_land():
    first, second = (landscape(np.random.default_rng(seed), 256, recipe(seed, 0)).label for seed in (0, 1))
    assert (first != second).mean() > 0.2


def test_patches_that_are_there_are_kept_and_those_that_are_not_come_back(folder, files):
    victim, content = files[0], files[0].read_bytes()
    before = {file: file.stat().st_mtime_ns for file in files[1:]}
    victim.unlink()
    make_patches(folder, 10, per_tile=2, progress=False)
    assert victim.read_bytes() == content
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == before


def test_asking_for_fewer_later_forgets_none(folder, files):
    make_patches(folder, 2, per_tile=2, progress=False)
    rows = [row for part in (TRAINING, VALIDATION) for row in csv.DictReader((folder / f"{part}.csv").open())]
    assert len(rows) == len(files) == 10


def test_a_write_that_fails_leaves_nothing_half(tmp_path, monkeypatch):
    def full(file, patch):
        Path(file).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(patches, "tile_layers", lambda *_: np.zeros((29, 768, 768), np.float32))
    monkeypatch.setattr(patches, "_save", full)
    with pytest.raises(OSError, match="No space"):
        make_patches(tmp_path, 4, per_tile=2, progress=False)
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".npz"] == []


def test_after_a_failure_no_other_job_begins():
    begun = []

    def fail(job: int) -> None:
        begun.append(job)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_threads(fail, range(100), verb="job", workers=1, progress=False))
    assert len(begun) < 100


# ---- statistics ----


def test_shares_of_classes_are_those_of_pennsylvania():
    plans = np.array([recipe(0, tile) for tile in range(500)])
    forest, water, road, built, barren = 100 * plans.mean(0)
    real = 100 * np.array(statistics()["class_fraction"])
    assert [forest, water, road, barren] == pytest.approx(real[[1, 0, 5, 3]].tolist(), rel=0.06)
    assert built == pytest.approx(real[4], rel=0.25)  # planned above the goal, for crowded villages fall short of it
    assert plans[:, 0].min() < 0.3 and plans[:, 0].max() > 0.93


@pytest.mark.long
def test_a_tile_holds_what_its_recipe_says(pixels):
    tile = np.split(pixels[8], 8)[0]
    known = tile[tile != 15]
    planned = recipe(1, 0)
    assert (known == 2).mean() == pytest.approx(planned.forest, abs=0.06)
    assert (known == 1).mean() == pytest.approx(planned.water, abs=0.02)


@pytest.mark.long
@pytest.mark.parametrize("label", range(1, 7))
def test_colours_of_a_class_are_near_the_measured_ones(pixels, label):
    own = pixels[:8, pixels[8] == label]
    away = (own.mean(1) - means()[label, :8]) / deviations()[label, :8]
    spread = own.std(1) / deviations()[label, :8]
    assert abs(away).max() < (0.35 if label in (2, 3) else 0.75)  # rare classes are a few places only
    assert spread.min() > 0.6 and spread.max() < 1.6


@pytest.mark.long
@pytest.mark.parametrize("label", [2, 3])
def test_landsat_of_forest_and_field_is_near_the_measured_one(pixels, label):
    own = pixels[10:28, pixels[8] == label]
    away = (own.mean(1) - means()[label, 8:]) / deviations()[label, 8:]
    spread = own.std(1) / deviations()[label, 8:]
    assert abs(away).max() < 0.6
    assert spread.min() > 0.6 and spread.max() < 1.7


@pytest.mark.long
@pytest.mark.parametrize("year", [slice(0, 4), slice(4, 8)])
@pytest.mark.parametrize("label", [2, 3])
def test_bands_of_a_year_belong_together_as_measured(pixels, label, year):
    made = np.corrcoef(pixels[year, pixels[8] == label])
    assert abs(made - correlation(label)[year, year]).mean() < 0.12


@pytest.mark.long
def test_colour_alone_does_not_tell_the_classes_apart(pixels):
    """It once did: 95 of 100 pixels were right from the 26 bands, and a U-Net had nothing to add."""
    bands, label = pixels[[*range(8), *range(10, 28)]].T, pixels[8]
    train, test = (np.flatnonzero(label[part] != 15) + part.start for part in (slice(0, 393_216), slice(393_216, None)))
    train = np.random.default_rng(0).choice(train, 8_000)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(bands[train], label[train])
    assert 0.65 < model.score(bands[test[::10]], label[test[::10]]) < 0.88


@pytest.mark.long
def test_nlcd_follows_the_land_cover_but_not_blindly(pixels):
    known = pixels[:, pixels[8] != 15]
    forest = np.isin(known[9], [41, 42, 43, 90])
    agree = (forest == (known[8] == 2)).mean()
    assert 0.7 < agree < 0.95


def test_some_tiles_end_at_the_border_of_the_state():
    label = np.full((64, 64), 3, np.uint8)
    bounded = [(patches._bounded(np.random.default_rng(number), label) == 15).mean() for number in range(200)]
    assert 0.04 < np.mean(np.array(bounded) > 0) < 0.2
    assert set(np.round(bounded, 1)) <= {0, 0.1, 0.2}


# ---- it says what it is ----


def test_the_folder_says_what_it_is(folder, files, tmp_path):
    note = (folder / stand_in.NAME).read_text()
    assert "made up" in note and "seed: 0" in note
    assert is_stand_in(folder) and is_stand_in(files[0].parent) and not is_stand_in(tmp_path)


def test_two_seeds_do_not_mix(folder):
    with pytest.raises(ValueError, match="Choose another folder"):
        make_patches(folder, 10, seed=1, per_tile=2, progress=False)


@pytest.mark.parametrize("numbers", [{"count": 0}, {"per_tile": 0}])
def test_numbers_must_be_positive(tmp_path, numbers):
    with pytest.raises(ValueError, match="must be 1 or more"):
        make_patches(tmp_path, **numbers)
