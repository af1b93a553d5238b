"""`./course data`: its verbs as their users would call them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from chesapeake_patches import make_patch, names, write
from grss_tiles import SIZE, write_many

from helpers import cli
from helpers.data import fetch, stand_in
from helpers.data.chesapeake import find_patches
from helpers.data.chesapeake.patches import class_shares

ROOT = Path(__file__).resolve().parents[2]
TILE = ["--tile-size", str(SIZE)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give an empty data folder, and forget what was announced."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(stand_in, "_told", set())
    return tmp_path / "data"


# ---- verbs ----


@pytest.mark.parametrize("where", ["here", "PYTHONPATH"])
def test_paths_are_meant_from_where_the_caller_is(tmp_path, monkeypatch, where):
    others = tmp_path if where == "here" else tmp_path / "elsewhere"
    (others / "helpers").mkdir(parents=True)  # must not be taken for ours
    (others / "helpers" / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", "" if where == "here" else str(others))
    (tmp_path / "mine").mkdir()
    course = [str(ROOT / "course"), "data", "check", "mine"]
    done = subprocess.run(course, cwd=tmp_path, text=True, capture_output=True)
    assert (done.returncode, "mine has no digit files, no patches" in done.stderr) == (2, True), done.stderr


def test_ctrl_c_ends_without_a_traceback(run, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "find", interrupted)
    assert run("list") == (130, "", "course data list: stopped.\n")


@pytest.mark.parametrize(
    "arguments",
    [("stats", ".", "--tile-size", "0"), ("pack", ".", "b", "--workers", "-1"), ("make", "grss", "--seed", "x")],
)
def test_a_number_that_makes_no_sense_is_refused(capsys, arguments):
    assert cli.main(["data", *arguments]) == 2
    assert f"or more; received {arguments[-1]}." in capsys.readouterr().err


@pytest.mark.parametrize("words", ["chesapeake --count 9999999999", "grss --count 100001", "grss --views 99999"])
def test_more_than_any_disk_holds_is_not_begun(capsys, folder, words):
    assert cli.main(["data", "make", *words.split()]) == 2
    assert "is too many; at most" in capsys.readouterr().err and list(folder.iterdir()) == []


@pytest.mark.parametrize("words", ["check .", "stats .", "pack . ../out", "stage . --to out", "cut . out"])
def test_a_folder_without_data_is_the_same_everywhere(run, tmp_path, monkeypatch, words):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert run(*words.split())[0] == 2
    assert not (tmp_path / "out").exists() and list(Path().iterdir()) == []


# ---- list ----


def test_list_tells_real_data_from_stand_ins_and_from_what_is_missing(run, folder):
    files = write(folder / "chesapeake_patches" / "train", names(3900000, range(3)), make_patch(0))
    write(folder / "stand_in" / "chesapeake_patches", names(3900001, range(2)), make_patch(1))
    stand_in.mark(folder / "stand_in" / "chesapeake_patches", {"made by": "a test"})
    (folder / "chesapeake_patches" / "README.md").write_text("a note, not counted")
    facts = json.loads(run("list", "--json")[1])["data sets"]
    size = sum(Path(file).stat().st_size for file in files)
    assert facts["chesapeake"]["real"] == {"where": str(folder / "chesapeake_patches"), "files": 3, "bytes": size}
    assert facts["chesapeake"]["stand-in"]["files"] == 2
    assert facts["grss"]["real"] is facts["grss"]["stand-in"] is None
    status, text, _ = run("list")
    rows = [line.split()[:2] for line in text.splitlines()[1:5]]
    assert status == 0
    assert rows == [["mnist", "missing"], ["chesapeake", "real"], ["chesapeake", "stand-in"], ["grss", "missing"]]
    assert "CDLA-Permissive-1.0" in text and "Missing: GRSS" in text and "Missing: Chesapeake" not in text


def test_list_counts_no_file_twice_where_a_link_leads_back(run, folder):
    write(folder / "chesapeake_patches" / "train", names(3900000, range(3)), make_patch(0))
    (folder / "chesapeake_patches/train/up").symlink_to("..")
    assert json.loads(run("list", "--json")[1])["data sets"]["chesapeake"]["real"]["files"] == 3


def test_list_and_the_lectures_find_packed_patches(run, folder, tmp_path):
    write(tmp_path / "in", names(3900000, range(3)), make_patch(0))
    assert run("pack", tmp_path / "in", folder / "chesapeake_patches")[0] == 0
    found = json.loads(run("list", "--json")[1])["data sets"]["chesapeake"]["real"]
    assert found["where"] == str(folder / "chesapeake_patches") and found["files"] == 1
    assert fetch.find("chesapeake") == folder / "chesapeake_patches"


def test_list_finds_the_digits_that_stand_in(run, folder):
    (folder / "stand_in").mkdir(parents=True)
    (folder / "stand_in" / "digits.npz").write_bytes(b"12345")
    found = json.loads(run("list", "--json")[1])["data sets"]["mnist"]["stand-in"]
    assert (found["files"], found["bytes"]) == (1, 5)


# ---- stats ----


def test_stats_of_patches_are_those_of_the_pixels(run, tmp_path):
    for number in range(3):
        write(tmp_path / "d", names(3900000 + number, [0]), make_patch(number))
    write(tmp_path / "d", names(3900003, [0], state="de"), make_patch(3))
    facts = json.loads(run("stats", tmp_path / "d", "--json")[1])["patches"]
    planes = np.concatenate([make_patch(number) for number in range(4)]).astype(np.float64)
    assert (facts["patches"], facts["tiles"], facts["states"]) == (4, 4, {"de": 1, "pa": 3})
    assert facts["splits"]["tile"] == {"train": 2, "validation": 1, "test": 1}
    assert facts["splits"]["digit"].startswith("not possible: no patches are left")
    for name, channel in [("naip_new_blue", 2), ("nlcd", 9), ("landsat_leaf_off_11", 27), ("buildings", 28)]:
        plane = planes[:, channel]
        wanted = {"mean": plane.mean(), "sd": plane.std(), "min": plane.min(), "max": plane.max()}
        assert facts["channels"][name] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    shares = class_shares([patch.path for patch in find_patches(tmp_path / "d")])
    assert [row["here"] for row in facts["classes"].values()] == pytest.approx(shares[1:].tolist())
    assert facts["classes"]["trees"]["Pennsylvania"] == pytest.approx(0.6511)
    assert facts["ignored"] == pytest.approx(np.isin(planes[:, 8], [0, 15]).mean())


def test_stats_of_tiles_are_those_of_the_pixels(run, tmp_path):
    tiles = write_many(tmp_path, {"JAX_001": 2, "OMA_002": 1}, kinds=("RGB", "MSI", "CLS", "AGL"))
    facts = json.loads(run("stats", tmp_path, "--json", *TILE)[1])["tiles"]
    assert (facts["tiles"], facts["places"], facts["files"]) == (3, 2, {"RGB": 3, "MSI": 3, "CLS": 3, "AGL": 3})
    heights, codes, msi = (np.stack([tile[kind] for tile in tiles.values()]) for kind in ("AGL", "CLS", "MSI"))
    assert facts["channels"]["AGL"]["mean"] == pytest.approx(np.nanmean(heights), rel=1e-4)
    assert facts["channels"]["MSI red edge"]["max"] == msi[..., 5].max()
    assert facts["classes"]["water"]["here"] == pytest.approx((codes == 9).sum() / (codes != 65).sum())
    assert facts["ignored"] == pytest.approx((codes == 65).mean())


def test_stats_as_text_compares_with_pennsylvania(run, tmp_path):
    write(tmp_path, names(3900000, range(3)), make_patch(0))
    status, text, _ = run("stats", tmp_path, "--most", 2)
    assert status == 0 and "3 patches, looked into 2 files" in text
    assert any(line.split()[0] == "trees" and line.split()[-1] == "65.11" for line in text.splitlines() if line)


def test_stats_of_broken_files_lead_to_check(run, tmp_path):
    (tmp_path / "a.npz").touch()
    status, _, complaint = run("stats", tmp_path)
    assert status == 1 and "a.npz" in complaint and f"`./course data check {tmp_path}`" in complaint


def test_stats_without_anything_to_count(run, tmp_path):
    status, out, err = run("stats", tmp_path)
    assert (status, out) == (2, "") and "no patches and no tile files" in err


# ---- make and cut ----


@pytest.mark.slow
def test_make_writes_a_stand_in_where_the_lectures_look_for_it(run, folder):
    status, text, said = run("make", "chesapeake", "--count", 2)
    assert status == 0 and text.startswith("2 files in ") and "STAND-IN DATA" in said
    assert fetch.find_stand_in("chesapeake") == folder / "stand_in" / "chesapeake_patches"
    assert run("check", folder)[:2] == (0, f"{folder}: 2 patches, all good.\n")
    status, _, complaint = run("make", "chesapeake", "--seed", 5)
    assert status == 1 and "Choose another folder" in complaint


@pytest.mark.long
def test_make_leaves_the_large_bands_out_unless_asked(run, tmp_path):
    assert run("make", "grss", "--count", 1, "--views", 1, "--to", tmp_path)[0] == 0
    assert sorted(path.name for path in tmp_path.glob("*.tif")) == [
        f"JAX_001_001_{k}.tif" for k in ("AGL", "CLS", "RGB")
    ]
    assert run("check", tmp_path)[1] == f"{tmp_path}: 3 tile files, all good.\n"


def test_make_puts_nothing_among_real_data(run, tmp_path):
    write(tmp_path, ["real.npz"], make_patch(0))
    status, _, complaint = run("make", "chesapeake", "--to", tmp_path)
    assert status == 1 and "real.npz" in complaint and not (tmp_path / stand_in.NAME).exists()


def test_cut_writes_pieces_and_marks_those_of_a_stand_in(run, tmp_path):
    write_many(tmp_path / "tiles", {"JAX_001": 1})
    status, text, _ = run("cut", tmp_path / "tiles", tmp_path / "real", "--size", SIZE // 2, *TILE)
    assert status == 0 and text.startswith("4 pieces")
    assert {path.name for path in (tmp_path / "real").iterdir()} == {
        f"JAX_001_001_RGB_32x32_{k}split2.tif" for k in range(1, 5)
    }
    stand_in.mark(tmp_path / "tiles", {"made by": "a test"})
    run("cut", tmp_path / "tiles", tmp_path / "made", "--size", SIZE // 2, *TILE)
    assert stand_in.is_stand_in(tmp_path / "made") and not stand_in.is_stand_in(tmp_path / "real")


@pytest.mark.parametrize("what", ["patches", "nothing"])
def test_cut_says_of_which_data_sets_files_are_cut(run, tmp_path, what):
    (tmp_path / "here").mkdir()
    if what == "patches":
        write(tmp_path / "here", ["real.npz"], make_patch(0))
    status, _, complaint = run("cut", tmp_path / "here", tmp_path / "out")
    there = "has files of chesapeake alone" if what == "patches" else "has no data"
    assert status and f"{there}. What can be cut: grss." in complaint and not (tmp_path / "out").exists()


def test_cut_says_which_sizes_fit(run, tmp_path):
    write_many(tmp_path / "tiles", {"JAX_001": 1})
    status, _, complaint = run("cut", tmp_path / "tiles", tmp_path / "out", "--size", 30, *TILE)
    assert status == 1 and "Use " in complaint and not Path(tmp_path / "out").exists()
