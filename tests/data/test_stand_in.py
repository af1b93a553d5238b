"""Stand-ins are told from real data, announce themselves once, and are made where real data are missing."""

import os

import pytest
from chesapeake_patches import make_patch, names, write
from grss_tiles import write_many

from helpers.data import chesapeake, fetch, grss, stand_in, synthetic


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Give two data folders, and forget what was announced."""
    folders = [tmp_path / "first", tmp_path / "second"]
    folders[0].mkdir()
    monkeypatch.setenv("COURSE_DATA", os.pathsep.join(map(str, folders)))
    monkeypatch.setattr(stand_in, "_told", set())
    return folders


@pytest.fixture
def made(monkeypatch):
    """Have one small patch written in place of a hundred, quickly; collect the folders."""
    calls = []

    def maker(folder, *, progress):
        calls.append(folder)
        stand_in.mark(folder, {"made by": "a test"})
        write(folder / "pa_1m_2013_extended-train_patches", names(3900000, range(1)), make_patch(0))

    monkeypatch.setattr(chesapeake.DATA_SET, "stand_in", maker)
    return calls


def put(folder, *, made_up=False):
    write(folder, names(3900000, range(1)), make_patch(0))
    if made_up:
        stand_in.mark(folder, {"made by": "a test"})
    return folder


def test_real_data_and_stand_ins_are_found_apart(folders):
    made = put(folders[0] / "stand_in" / "chesapeake_patches", made_up=True)
    assert (fetch.find("chesapeake"), fetch.find_stand_in("chesapeake")) == (None, made)
    real = put(folders[1] / "chesapeake_patches")
    assert (fetch.find("chesapeake"), fetch.find_stand_in("chesapeake")) == (real, made)


def test_a_stand_in_in_place_of_the_real_data_is_no_real_data(folders):
    made = put(folders[0] / "chesapeake_patches", made_up=True)
    assert (fetch.find("chesapeake"), fetch.find_stand_in("chesapeake")) == (None, made)
    row = next(row for row in fetch.sources() if row["data set"].startswith("Chesapeake"))
    assert row["found"] == f"1 made-up file, a stand-in, in {made}"
    assert row["better data"] == "./course data fetch chesapeake --windows 200"


def test_the_digits_that_stand_in_are_found(folders):
    assert fetch.find_stand_in("mnist") is None
    path = folders[1] / "stand_in" / "digits.npz"
    path.parent.mkdir(parents=True)
    path.touch()
    assert (fetch.find("mnist"), fetch.find_stand_in("mnist")) == (None, path)


def test_readers_of_patches_announce_a_stand_in_once(tmp_path, capsys):
    base = tmp_path / "made"
    for tile in range(3900000, 3900003):
        write(base / "patches", names(tile, range(1)), make_patch(0))
    stand_in.mark(base / "patches", {"made by": "a test"})
    for _ in range(2):
        chesapeake.create_loaders(base)
    out, err = capsys.readouterr()
    assert err.startswith(f"STAND-IN DATA: made-up land from {base / 'patches'}") and err.count("STAND-IN") == 1
    assert out == ""


def test_readers_of_tiles_announce_a_stand_in_once(tmp_path, capsys):
    write_many(tmp_path / "made", {"JAX_001": 1})
    stand_in.mark(tmp_path / "made", {"made by": "a test"})
    for _ in range(2):
        grss.find_tiles(tmp_path)
    assert capsys.readouterr().err.count("STAND-IN DATA") == 1


def test_readers_say_nothing_of_real_data(tmp_path, capsys):
    for tile in range(3900000, 3900003):
        write(tmp_path / "a", names(tile, range(1)), make_patch(0))
    chesapeake.create_loaders(tmp_path / "a")
    write_many(tmp_path / "b", {"JAX_001": 1})
    grss.find_tiles(tmp_path / "b")
    assert capsys.readouterr() == ("", "")


def test_ensure_prefers_real_data(folders, made, capsys):
    real = put(folders[1] / "chesapeake_patches")
    found = synthetic.ensure("chesapeake")
    assert (found.path, found.is_stand_in, made) == (real, False, [])
    assert capsys.readouterr() == (f"Chesapeake land-cover patches: 1 real patch in {real}.\n", "")


def test_ensure_makes_a_stand_in_and_announces_it(folders, made, capsys):
    found = synthetic.ensure("chesapeake")
    assert (found.path, found.is_stand_in) == (folders[0] / "stand_in" / "chesapeake_patches", True)
    out, err = capsys.readouterr()
    assert "STAND-IN DATA" in err and out == (
        f"Chesapeake land-cover patches: 1 made-up patch, a stand-in, in {found.path}. "
        "Real ones: ./course data fetch chesapeake --windows 200\n"
    )
    assert fetch.find_stand_in("chesapeake") == found.path


FETCHED = "pa_1m_2013_extended-debuffered-train_patches"
KINDS = {
    "brought along": ("pa/train/F0", 3, "3 real patches", ""),
    "fetched": (FETCHED, 2, "2 real patches (all fetched)", "--windows 200"),
    "many fetched": (FETCHED, 150, "150 real patches (all fetched)", "--windows 300"),
    "a sample": ("train", 4, "4 real patches (all of the sample)", "--windows 200"),
    "a stand-in": ("", 1, "1 made-up patch, a stand-in,", "--windows 200"),
}


def put_kind(kind, data_folder):
    """Put patches of a kind below a data folder; return the folder of the data set."""
    inside, count, *_ = KINDS[kind]
    if kind == "a stand-in":
        return put(data_folder / "stand_in" / "chesapeake_patches", made_up=True)
    folder = data_folder / "chesapeake_patches"
    (folder / inside).mkdir(parents=True, exist_ok=True)
    names = list(fetch.registry()["chesapeake"].sample)[:count]
    for name in names if kind == "a sample" else (f"pa_1m_2013-m_1-{number}.npz" for number in range(count)):
        (folder / inside / name).touch()
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_one_line_tells_count_kind_place_and_the_command_for_better_data(folders, made, capsys, kind):
    folder = put_kind(kind, folders[0])
    _, _, said, option = KINDS[kind]
    found = synthetic.available("chesapeake")
    [line] = capsys.readouterr().out.splitlines()
    assert found.path == folder and found.is_stand_in == (kind == "a stand-in")
    assert line == found.source and line.startswith(f"Chesapeake land-cover patches: {said} in {folder}.")
    assert line.endswith(f"./course data fetch chesapeake {option}") if option else line.endswith(f"{folder}.")
    row = next(row for row in fetch.sources() if row["data set"].startswith("Chesapeake"))
    assert row["found"] == f"{said.replace('patches', 'files').replace('patch', 'file')} in {folder}"
    assert row["better data"] == (f"./course data fetch chesapeake {option}" if option else "")


@pytest.mark.parametrize(
    ("best", "other"),
    [("brought along", "fetched"), ("brought along", "a sample"), ("fetched", "a sample"), ("a sample", "a stand-in")],
)
def test_the_best_of_several_data_folders_is_taken(folders, best, other):
    put_kind(other, folders[0])
    wanted = put_kind(best, folders[1])
    assert synthetic.available("chesapeake").path == wanted


def test_patches_go_before_tiles_of_the_same_data_folder(folders):
    patches = put_kind("a sample", folders[0])
    tiles = folders[0] / "chesapeake_tiles/pa_1m_2013_extended-debuffered-train_tiles"
    tiles.mkdir(parents=True)
    (tiles / "m_1_lc.tif").touch()
    assert fetch.find("chesapeake") == patches
    for patch in patches.rglob("*.npz"):
        patch.unlink()
    assert fetch.find("chesapeake") == tiles.parent


def test_of_equals_the_first_is_taken(folders):
    first, _ = (put_kind("fetched", folder) for folder in folders)
    assert synthetic.available("chesapeake").path == first


def test_kinds_that_lie_together_are_counted_apart(folders, capsys):
    for kind in ("a sample", "fetched", "brought along"):
        put_kind(kind, folders[0])
    assert "9 real patches (3 brought along, 2 fetched, 4 of the sample) in" in synthetic.available("chesapeake").source


@pytest.mark.parametrize(
    ("name", "command"),
    [("chesapeake", "./course data fetch chesapeake --windows 200"), ("grss", "./course data fetch grss")],
)
def test_where_nothing_is_a_line_says_so(folders, capsys, name, command):
    assert synthetic.available(name) is None
    assert capsys.readouterr().out.endswith(f": none here. Real ones: {command}\n")


def test_packed_patches_may_be_passed_over(folders, made):
    put_kind("a stand-in", folders[0])
    (folders[0] / "chesapeake_patches").mkdir()
    (folders[0] / "chesapeake_patches" / "a.pack").touch()
    assert fetch.find("chesapeake") == folders[0] / "chesapeake_patches"
    assert synthetic.available("chesapeake", pattern="*.npz").is_stand_in


def test_ensure_goes_on_with_a_stand_in_in_any_data_folder(folders, made):
    there = put(folders[1] / "stand_in" / "chesapeake_patches", made_up=True)
    assert synthetic.ensure("chesapeake").path == there == made[0]


def test_ensure_keeps_a_stand_in_that_was_made_otherwise(folders, made):
    there = put(folders[0] / "stand_in" / "chesapeake_patches")
    stand_in.mark(there, {"seed": 7})
    assert synthetic.ensure("chesapeake").path == there


def test_ensure_makes_do_where_nothing_can_be_written(folders, made):
    folders[0].rmdir()
    folders[0].write_text("a file where the folder should be")
    found = synthetic.ensure("chesapeake")
    assert found.is_stand_in and not found.path.is_relative_to(folders[0])
    assert len(list(found.path.rglob("*.npz"))) == 1


def test_ensure_names_the_stand_ins_there_are():
    with pytest.raises(ValueError, match="mnist, chesapeake, grss; received 'landsat'"):
        synthetic.ensure("landsat")


@pytest.mark.long
def test_the_stand_in_is_enough_for_every_split(stand_ins, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(stand_ins))
    found = synthetic.ensure("chesapeake", progress=False)
    splits = chesapeake.split_files(found.path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (70, 10, 20)
    for fold in range(5):
        splits = chesapeake.split_files(found.path, split="folds", fold=fold)
        assert (len(splits.train), len(splits.validation), len(splits.test)) == (60, 20, 20)
    digit = chesapeake.split_files(found.path, split="digit")
    assert (len(digit.train), len(digit.validation), len(digit.test)) == (72, 8, 20)
