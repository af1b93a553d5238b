"""What is cut short is not taken for whole, what has changed not for what it was; a full disk is told with its path."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from chesapeake_patches import batch, make_patch, paths
from numpy.lib.recfunctions import drop_fields

from helpers import experiments
from helpers.cli import main
from helpers.data import chesapeake, fetch, packing, stand_in, synthetic
from helpers.data.streaming import npz, shards
from helpers.data.synthetic import patches as made_patches
from helpers.data.synthetic import tiles as made_tiles
from helpers.experiments import Experiment
from helpers.files import DiskFullError, atomic_write, naming
from helpers.grading import samples

# ---- originals that change ----


def save(path, labels, how, seconds=1e9):
    """Write a patch of one label, with a time."""
    path.parent.mkdir(exist_ok=True)
    patch = make_patch(1)
    patch[0, 8] = labels
    how(path, patch)
    os.utime(path, (seconds, seconds))


def labels_of(folder):
    return set(np.unique(batch(paths(folder))[1]))


@pytest.mark.usefixtures("replaced_shards")
@pytest.mark.parametrize("how", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("seconds", [1e9, 2e9])
def test_originals_that_are_relabelled_at_the_same_length_are_packed_anew(tmp_path, how, seconds):
    path = tmp_path / "in" / "a-0.npz"
    save(path, 3, how)
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    size = path.stat().st_size
    save(path, 5, how, seconds)
    assert path.stat().st_size == size
    assert packing.pack(tmp_path / "in", tmp_path / "out", progress=False).done_before == 0
    assert labels_of(tmp_path / "out") == {5}


@pytest.mark.usefixtures("replaced_shards")
def test_originals_that_were_only_copied_are_not_packed_anew(tmp_path):
    for number in range(2):
        save(tmp_path / "in" / f"a-{number}.npz", 3, np.savez_compressed)
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    os.utime(tmp_path / "in" / "a-0.npz")
    assert packing.pack(tmp_path / "in", tmp_path / "out", progress=False).done_before == 1


@pytest.mark.usefixtures("replaced_shards")
def test_shards_from_before_the_content_was_kept_are_read_and_packed_anew(tmp_path, monkeypatch):
    save(tmp_path / "in" / "a-0.npz", 3, np.savez_compressed)
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    real = shards._read_index
    monkeypatch.setattr(shards, "_read_index", lambda file: (real(file)[0], drop_fields(real(file)[1], "content")))
    assert labels_of(tmp_path / "out") == {3}
    assert packing.pack(tmp_path / "in", tmp_path / "out", progress=False).done_before == 0


@pytest.mark.parametrize("how", [np.savez, np.savez_compressed])
def test_copies_of_originals_that_were_relabelled_are_made_anew(tmp_path, how):
    path, options = tmp_path / "in" / "a-0.npz", {"cache_dir": tmp_path / "cache"}
    for labels, seconds in ((3, 1e9), (5, 2e9)):
        save(path, labels, how, seconds)
        for _ in range(2):
            assert set(np.unique(batch([str(path)], **options)[1])) == {labels}


def test_on_a_disk_of_coarse_times_an_original_is_read_once(tmp_path, monkeypatch):
    path, reads = str(tmp_path / "in" / "a-0.npz"), []
    save(tmp_path / "in" / "a-0.npz", 3, np.savez)
    utime, read = os.utime, npz.read_file
    monkeypatch.setattr("os.utime", lambda file, ns: utime(file, ns=tuple(time // 10**9 * 10**9 for time in ns)))
    monkeypatch.setattr(npz, "read_file", lambda file, *room: reads.append(file) or read(file, *room))
    kept = npz.Copies(tmp_path / "cache")
    for _ in range(3):
        kept.read_array(path)
    assert reads.count(path) == 1


# ---- stand-ins that broke off ----


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return the data folder, empty; stand-ins are drawn quickly."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(stand_in, "_told", set())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(synthetic.ensure.__globals__["COUNTS"], "chesapeake", 12)
    monkeypatch.setitem(synthetic.ensure.__globals__["COUNTS"], "grss", 2)
    monkeypatch.setattr(made_patches, "tile_layers", lambda *_: np.zeros((29, 768, 768), np.float32))
    monkeypatch.setattr(made_tiles, "town", lambda *_: None)
    tile = {
        "RGB": np.zeros((8, 8, 3), np.uint8),
        "AGL": np.zeros((8, 8), np.float32),
        "CLS": np.zeros((8, 8), np.uint8),
    }
    monkeypatch.setattr(made_tiles, "picture", lambda *_: tile)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def full(monkeypatch):
    """Return a function that has the disk full in a folder, after a number of files; it returns the number left."""

    def fill(module, writer, folder, count):
        real, left = getattr(module, writer), [count]

        def write(path, *arguments, **options):
            if Path(path).is_relative_to(folder):
                left[0] -= 1
                if left[0] < 0:
                    Path(path).write_bytes(b"half")
                    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
            real(path, *arguments, **options)

        monkeypatch.setattr(module, writer, write)
        return left

    return fill


BOTH = pytest.mark.parametrize(
    ("name", "module", "writer", "files"),
    [("chesapeake", made_patches, "_save", 12), ("grss", made_tiles.tifffile, "imwrite", 12)],
)


def count(folder):
    return sum(path.suffix in (".npz", ".tif") for path in folder.rglob("*"))


@BOTH
@pytest.mark.slow
@pytest.mark.parametrize("written", [0, 1, 11])
def test_half_a_stand_in_is_never_taken_for_whole(data, full, name, module, writer, files, written):
    left = full(module, writer, data, written)
    for _ in range(2):  # the second time, half is there already
        elsewhere = synthetic.ensure(name, progress=False).path
        assert not elsewhere.is_relative_to(data) and count(elsewhere) == files
        assert fetch.find_stand_in(name) is None and count(data) == written
    left[0] = files
    found = synthetic.ensure(name, progress=False).path
    assert found == fetch.find_stand_in(name) and found.is_relative_to(data) and count(data) == files


@BOTH
def test_a_stand_in_that_was_killed_is_completed(data, full, name, module, writer, files):
    found = synthetic.ensure(name, progress=False).path
    with stand_in.making(found):
        next(path for path in found.rglob("*") if path.suffix in (".npz", ".tif")).unlink()
        assert fetch.find_stand_in(name) is None
        assert synthetic.ensure(name, progress=False).path == found
    assert fetch.find_stand_in(name) == found and count(found) == files


@pytest.mark.parametrize("name", ["chesapeake", "grss"])
def test_nothing_is_written_into_a_whole_stand_in_which_may_be_read_only(data, name):
    found = synthetic.ensure(name, progress=False).path
    times = {path: path.stat().st_mtime_ns for path in (found, *found.rglob("*"))}
    assert synthetic.ensure(name, progress=False).path == found
    assert times == {path: path.stat().st_mtime_ns for path in (found, *found.rglob("*"))}


@pytest.mark.parametrize("arguments", [["chesapeake", "--count", "3000"], ["grss"], ["grss", "--count", "90", "--msi"]])
def test_make_asks_for_room_before_it_begins(data, monkeypatch, capsys, arguments):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 9_000_000}))
    assert main(["data", "make", *arguments]) == 1
    assert "has 9.0 MB free, and the " in (told := capsys.readouterr().err) and "Make room" in told
    assert count(data) == 0


# ---- what is told ----


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("way", ["atomic_write", "naming", "experiment", "samples", "stand-in"])
def test_a_full_disk_is_told_with_its_path_and_what_to_do(tmp_path, monkeypatch, way, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path))
    monkeypatch.setattr(np, "savez_compressed", fail)
    monkeypatch.setattr(made_patches, "_save", fail)
    monkeypatch.setattr(experiments, "write_history", fail)
    monkeypatch.setattr(made_patches, "tile_layers", lambda *_: np.zeros((29, 768, 768), np.float32))
    model = type("Model", (), {"save": lambda self, path: None, "layers": []})()
    ways = {
        "experiment": lambda: Experiment("run", {"a": 1}).save(model, {}),
        "samples": lambda: samples.patches(tmp_path, tiles=1, per_tile=1, seed=0),
        "stand-in": lambda: made_patches._write(made_patches._plan(tmp_path, 1, 0, 1, "lila")[0]),
    }
    told = rf"^{tmp_path}.* could not be written: {os.strerror(number)}\. Make room there, or name another folder\.$"
    with pytest.raises(DiskFullError, match=told):
        if way in ways:
            ways[way]()
        else:
            with {"atomic_write": atomic_write, "naming": naming}[way](tmp_path / "file"):
                fail()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_full_disk_names_what_was_written_and_not_what_was_copied(tmp_path):
    with pytest.raises(DiskFullError, match="copy could not be written"), atomic_write(tmp_path / "copy"):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/original")


def test_packing_names_the_content_of_no_file_that_is_no_zip(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no zip")
    assert {chesapeake.DATA_SET.content(str(tmp_path / name)) for name in ("a.npz", "b.npz")} == {None}
