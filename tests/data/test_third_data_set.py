"""A third data set is one module and one card: every verb, the loader, run files and lecture 00 serve it."""

import importlib
import json
import re
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from chesapeake_patches import make_patch, names
from chesapeake_patches import write as write_patches

from helpers import cli
from helpers.data import DataError, base, fetch, stand_in
from helpers.data.streaming import Loader
from helpers.tables import Table

CLASSES = ["AnnualCrop", "Forest", "Highway", "River"]
README = (Path(__file__).resolve().parents[2] / "datasets/README.md").read_text(encoding="utf-8")
MODULE = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "(DataSet)" in block)
CARD = "\n" + re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[0]
RUN = """
[data]
name = "eurosat_like"
split = "folds"
folds = 3
[model]
name = "convolutional"
filters = [2, 3]
[training]
epochs = 1
batch_size = 4
[sweep]
fold = [1]
"""


@pytest.fixture(autouse=True)
def registered(tmp_path, monkeypatch):
    """Add a card to a copy of the registry and a module to the path; give the data folder, which is empty."""
    (tmp_path / "course/datasets").mkdir(parents=True)
    cards = (fetch.COURSE_ROOT / "datasets/registry.toml").read_text(encoding="utf-8")
    (tmp_path / "course/datasets/registry.toml").write_text(cards + CARD, encoding="utf-8")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/eurosat_like.py").write_text(MODULE)
    monkeypatch.setattr(fetch, "COURSE_ROOT", tmp_path / "course")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(stand_in, "_told", set())
    (tmp_path / "data").mkdir()
    fetch.registry.cache_clear()
    yield tmp_path / "data"
    fetch.registry.cache_clear()
    sys.modules.pop("eurosat_like", None)


@pytest.fixture
def pictures(registered):
    """Write 16 pictures, 64 x 64 pixels and 13 bands of uint16, in class folders as EuroSAT has them."""
    rng = np.random.default_rng(0)
    folder = registered / "eurosat_like"
    for name in CLASSES:
        (folder / "EuroSAT_MS" / name).mkdir(parents=True)
        for number in range(1, 5):
            pixels = rng.integers(200, 4000, (64, 64, 13), np.uint16)
            tifffile.imwrite(folder / "EuroSAT_MS" / name / f"{name}_{number}.tif", pixels)
    return folder


def batch(files, count=16):
    return next(iter(Loader(files, batch_size=count)))


def test_list_and_lecture_00_tell_where_it_is(run, pictures):
    facts = json.loads(run("list", "--json")[1])["data sets"]["eurosat_like"]
    assert facts["real"]["where"] == str(pictures) and facts["real"]["files"] == 16
    shown = str(Table(fetch.sources(), caption="Data sets of this course"))
    assert "Land of ten kinds from space" in shown and str(pictures) in shown


def test_fetch_tells_the_steps_until_it_is_here(run, registered):
    status, said, _ = run("fetch", "eurosat_like")
    assert status == 1 and str(registered / "eurosat_like") in said and "data make" not in said
    folder = registered / "eurosat_like/River"
    folder.mkdir(parents=True)
    (folder / "River_1.tif").touch()
    assert run("fetch", "eurosat_like")[:2] == (
        0,
        f"Land of ten kinds from space: here already, in {folder.parent}.\n",
    )


def test_check_reads_every_file_and_names_those_that_are_broken(run, pictures):
    assert run("check", pictures)[:2] == (0, f"{pictures}: 16 pictures, all good.\n")
    broken = pictures / "EuroSAT_MS/River/River_2.tif"
    broken.write_bytes(broken.read_bytes()[:3000])
    small = pictures / "EuroSAT_MS/River/River_3.tif"
    tifffile.imwrite(small, np.zeros((64, 32, 13), np.uint16))
    status, said, _ = run("check", pictures)
    assert status == 1 and "2 broken" in said and str(broken) in said
    assert "holds an array of shape (64, 32, 13), where (64, 64, 13) is wanted." in said and str(small) in said


def test_cut_serves_it_if_it_says_how(run, pictures, tmp_path, monkeypatch):
    status, _, said = run("cut", pictures, tmp_path / "out")
    assert status == 2 and "has files of eurosat_like alone. What can be cut: grss." in said
    own = type(base.data_set("eurosat_like"))
    monkeypatch.setattr(own, "is_cut", True)
    monkeypatch.setattr(own, "cut", lambda self, folder, target, *, size: len(self.files(folder)) * (64 // size) ** 2)
    assert run("cut", pictures, tmp_path / "out", "--size", "32")[1].startswith("64 pieces written")


def test_check_takes_no_file_of_one_data_set_for_one_of_another(run, pictures):
    write_patches(pictures.parent / "chesapeake_patches/train", names(3900000, range(2)), make_patch(0))
    assert "2 patches and 16 pictures, all good." in run("check", pictures.parent)[1]


def test_a_folder_without_data_lacks_pictures_too(run, registered, tmp_path):
    wanted = "has no digit files, no patches, no tile files and no pictures"
    for verb, *where in (("check",), ("stats",), ("pack", tmp_path / "out"), ("stage", "--to", tmp_path / "out")):
        status, _, said = run(verb, registered, *where)
        assert status == 2 and f"{registered} {wanted}" in said


def test_links_that_lead_back_and_hidden_files_are_passed_over(pictures):
    (pictures / "EuroSAT_MS/up").symlink_to("..")
    (pictures / "EuroSAT_MS/River/River_2.tif").rename(pictures / "EuroSAT_MS/River/.River_2.tif")
    names = [file.name for file in base.data_sets()["eurosat_like"].files(pictures)]
    assert len(names) == 15 and "River_2.tif" not in names


def test_folders_with_links_to_each_other_are_read_once(pictures):
    folders = sorted(path for path in (pictures / "EuroSAT_MS").iterdir() if path.is_dir())
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    outside = pictures.parent / "elsewhere"
    folders[0].rename(outside)
    for name in ("second", "first"):  # nothing but links lead there: the first is taken
        (pictures / "EuroSAT_MS" / name).symlink_to(outside)
    files = base.data_sets()["eurosat_like"].files(pictures / "EuroSAT_MS")
    assert len(files) == len({file.name for file in files}) == 16
    assert {Path(file.path).parent.name for file in files} == {"first", *(folder.name for folder in folders[1:])}


def test_a_damaged_shard_ends_no_check(run, pictures, tmp_path):
    run("pack", pictures, tmp_path / "packed")
    shard = next((tmp_path / "packed").rglob("*.pack"))
    shard.write_bytes(shard.read_bytes()[:9000])
    write_patches(tmp_path / "packed", names(3900000, range(2)), make_patch(0))
    status, said, _ = run("check", tmp_path / "packed")
    assert status == 1 and "1 shard and 2 patches and 12 pictures, 1 broken" in said and str(shard) in said


def test_stats_speak_of_pictures_and_measure_their_bands(run, pictures):
    facts = json.loads(run("stats", pictures, "--json")[1])["pictures"]
    files = [tifffile.imread(path) for path in pictures.rglob("*.tif")]
    assert (facts["pictures"], facts["places"], facts["looked into"]) == (16, 16, 16)
    assert facts["channels"]["band 13"]["mean"] == pytest.approx(
        np.mean([file[..., 12] for file in files]) / 1e4, rel=1e-4
    )
    assert facts["splits"]["tile"] == {"train": 12, "validation": 2, "test": 2}
    said = run("stats", pictures, "--most", 4)[1]
    assert said.startswith("16 pictures, looked into 4 files\n") and "patch" not in said


def test_a_folder_of_patches_and_pictures_is_packed_whole(run, pictures, tmp_path):
    write_patches(pictures, names(3900000, range(2)), make_patch(0))
    (pictures / "EuroSAT_MS/River/River_1.tif").rename(pictures / "River_1.tif")  # in one folder with the patches
    for again in ("", "6 shards were there already."):
        status, said, left = run("pack", pictures, tmp_path / "packed")
        assert (
            status == 0
            and "left out" not in left
            and said.startswith("2 patches and 16 pictures packed")
            and again in said
        )
    assert run("check", tmp_path / "packed")[1].endswith(": 2 patches and 16 pictures, all good.\n")
    assert run("stats", tmp_path / "packed")[0] == 0


def test_show_draws_a_picture(run, pictures, tmp_path):
    status, said, _ = run("show", pictures / "EuroSAT_MS/Forest/Forest_1.tif", "--png", tmp_path / "forest.png")
    assert status == 0 and said == f"{tmp_path / 'forest.png'}\n"
    assert (tmp_path / "forest.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("options", [(), ("--zstd",)])
def test_a_packed_copy_holds_the_same_and_is_packed_once(run, pictures, tmp_path, options):
    before = base.data_sets()["eurosat_like"].open(pictures, split="folds", folds=3, fold=0)
    assert run("pack", *options, pictures, tmp_path / "packed")[0] == 0
    assert not [*(tmp_path / "packed").rglob("*.tif")] and len([*(tmp_path / "packed").rglob("*.pack")]) == 4
    after = base.data_sets()["eurosat_like"].open(tmp_path / "packed", split="folds", folds=3, fold=0)
    for side, files in before.items():
        assert [Path(path).name for path in files.files] == [Path(path).name for path in after[side].files]
        for one, other in zip(batch(files), batch(after[side]), strict=True):
            np.testing.assert_array_equal(one, other)
    assert "4 shards were there already." in run("pack", *options, pictures, tmp_path / "packed")[1]
    assert run("check", tmp_path / "packed")[:2] == (0, f"{tmp_path / 'packed'}: 16 pictures, all good.\n")


def test_a_broken_file_is_not_packed(run, pictures, tmp_path):
    broken = pictures / "EuroSAT_MS/River/River_2.tif"
    broken.write_bytes(b"no tiff")
    status, _, said = run("pack", pictures, tmp_path / "packed")
    assert status == 1 and f"{broken}: is no TIFF" in said
    status, _, said = run("pack", "--skip-broken", pictures, tmp_path / "packed")
    assert status == 1 and f"left out: {broken}" in said
    assert len(base.data_sets()["eurosat_like"].files(tmp_path / "packed")) == 15


@pytest.mark.parametrize("is_packed", [False, True])
def test_stage_copies_it(run, pictures, tmp_path, is_packed):
    source = tmp_path / "packed"
    if is_packed:
        run("pack", pictures, source)
    else:
        source = pictures
    status, said, _ = run("stage", source, "--to", tmp_path / "scratch")
    staged = Path(said.removesuffix("\n"))
    assert status == 0 and staged == tmp_path / "scratch" / source.name
    there = base.data_sets()["eurosat_like"].files(staged)
    assert [file.name for file in there] == [file.name for file in base.data_sets()["eurosat_like"].files(source)]
    stranger = staged / "Forest_99.tif"
    stranger.write_bytes(b"of another source")
    if not is_packed:
        assert "is no copy from" in run("stage", source, "--to", tmp_path / "scratch")[2]


def test_stage_copies_what_is_chosen_of_data_sets_that_can_be_chosen_from(run, pictures, tmp_path, monkeypatch):
    """Chosen by an attribute of the data set: it is no matter which."""
    kind, found = type(base.data_sets()["eurosat_like"]), base.DataSet.files
    monkeypatch.setattr(kind, "states", None, raising=False)
    monkeypatch.setattr(
        kind,
        "files",
        lambda self, folder, **options: [
            file for file in found(self, folder, **options) if not self.states or file.name.startswith(*self.states)
        ],
    )
    status, said, left = run("stage", pictures, "--states", "River", "--to", tmp_path)
    assert status == 0 and len(list(Path(said.removesuffix("\n")).rglob("*.tif"))) == 4
    assert "left out: 12 pictures, such as " in left
    assert "has no " in run("stage", pictures, "--states", "Sea", "--to", tmp_path / "none")[2]


def test_the_loader_gives_its_batches(pictures):
    sources = base.data_sets()["eurosat_like"].open(pictures)
    assert sum(map(len, sources.values())) == 16
    images, labels = batch(sources["train"], 4)
    assert images.shape == (4, 64, 64, 13) and images.dtype == np.float32 and labels.dtype == np.int32
    first = Path(sources["train"].name(0))
    np.testing.assert_array_equal(images[0], tifffile.imread(BytesIO(first.read_bytes())) / np.float32(10_000))
    assert CLASSES[labels[0]] == first.parent.name


def test_its_folds_test_every_file_once_and_its_held_out_folders_test(pictures):
    data_set = base.data_sets()["eurosat_like"]
    tested = [path for fold in range(5) for path in data_set.open(pictures, split="folds", fold=fold)["test"].files]
    assert sorted(tested) == [file.path for file in data_set.files(pictures)]
    (pictures / "EuroSAT_MS/River").rename(pictures / "EuroSAT_MS/test")
    assert all("/test/" in path for path in data_set.open(pictures)["test"].files)


def test_a_folder_with_too_few_files_or_none_is_explained(registered):
    data_set = base.data_sets()["eurosat_like"]
    with pytest.raises(DataError, match="has no files of this data set"):
        data_set.open(registered)
    (registered / "River_1.tif").touch()
    with pytest.raises(DataError, match=r"no files are left for validation: .* has 1 of 1 places"):
        data_set.open(registered)


@pytest.mark.slow
def test_a_run_file_trains_on_it(pictures, tmp_path, monkeypatch, capsys):
    from helpers.experiments.run_file import read_run

    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    (tmp_path / "land.toml").write_text(RUN)
    assert cli.main(["train", str(tmp_path / "land.toml")]) == 0, capsys.readouterr().err
    results = read_run(tmp_path / "land.toml").experiments[0].results()
    assert results["source"].startswith("Land of ten kinds from space: ") and 0 < results["mae"] < 1
    assert cli.main(["train", str(tmp_path / "land.toml"), "fold=3"]) == 1
    assert "needs a fold from 0 to 2; received fold=3" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["raise ImportError('no TIFFs today')\n", "CLASSES = []\n", None])
def test_a_card_whose_module_cannot_be_used_is_named(run, pictures, tmp_path, module):
    sys.modules.pop("eurosat_like", None)
    path = tmp_path / "modules/eurosat_like.py"
    path.write_text(module) if module else path.unlink()
    importlib.invalidate_caches()
    status, _, said = run("check", pictures)
    assert status == 1 and "the card [eurosat_like] in datasets/registry.toml names the module eurosat_like" in said
