"""Packing loses nothing and leaves no half file, whatever happens; damage to a shard is found and named."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from chesapeake_patches import batch, make_patch, names, paths, write

from helpers.data import DataError, chesapeake, packing
from helpers.data.streaming import FileError, shards
from helpers.data.streaming.shards import Shard, open_shard
from helpers.files import atomic_write

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("replaced_shards")]


def damaged(folder):
    files = write(folder, names("1", range(4)), make_patch(1))
    Path(files[2]).unlink()
    Path(files[2]).write_bytes(Path(files[0]).read_bytes()[:50_000])
    return files


def test_a_broken_patch_stops_packing_or_is_left_out(tmp_path):
    files = damaged(tmp_path / "in")
    with pytest.raises(FileError, match=r"-2\.npz: .*truncated"):
        packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").rglob("*.pack"))
    summary = packing.pack(tmp_path / "in", tmp_path / "out", on_error="skip", progress=False)
    assert summary.counts.total() == 3 and list(summary.broken) == [files[2]]
    assert len(paths(tmp_path / "out")) == 3


def test_what_was_left_out_is_looked_at_again_and_packed_once_it_is_mended(tmp_path):
    files = damaged(tmp_path / "in")
    link = tmp_path / "in/link-0.npz"
    link.symlink_to(tmp_path / "nowhere")
    broken = {files[2], str(link)}
    assert packing.pack(tmp_path / "in", tmp_path / "out", on_error="skip", progress=False).broken.keys() == broken
    again = packing.pack(tmp_path / "in", tmp_path / "out", on_error="skip", progress=False)
    assert (again.done_before, again.counts.total(), again.broken.keys()) == (1, 3, broken)
    Path(files[2]).write_bytes(Path(files[0]).read_bytes())
    mended = packing.pack(tmp_path / "in", tmp_path / "out", on_error="skip", progress=False)
    assert (mended.done_before, mended.counts.total(), list(mended.broken)) == (0, 4, [str(link)])


def test_packing_goes_on_where_it_was(original, tmp_path):
    first = packing.pack(original, tmp_path, per_shard=3, progress=False)
    written = sorted(tmp_path.rglob("*.pack"))
    assert first.done_before == 0 and len(written) == 6
    times = {path: path.stat().st_mtime_ns for path in written[1:]}
    whole = written[0].read_bytes()
    written[0].write_bytes(whole[:-1000])  # as a copy that was cut off
    assert packing.pack(original, tmp_path, per_shard=3, progress=False).done_before == 5
    assert written[0].read_bytes() == whole and times == {path: path.stat().st_mtime_ns for path in written[1:]}


def test_a_changed_source_is_packed_anew(tmp_path):
    write(tmp_path / "in", ["a-0.npz"], make_patch(1))
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    (tmp_path / "in/a-0.npz").unlink()
    write(tmp_path / "in", ["a-0.npz"], make_patch(2) * np.float32(0.5))
    assert packing.pack(tmp_path / "in", tmp_path / "out", progress=False).done_before == 0


PACK = (
    "import sys; from helpers.data import packing; packing.pack(sys.argv[1], sys.argv[2], per_shard=2, progress=False)"
)
SMALL_FILES = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "


def test_a_full_disk_leaves_no_half_file(original, tmp_path):
    """A limit on the size of files fails in the same place as a full disk, and needs no disk of its own."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000)); "
    command = [sys.executable, "-c", SMALL_FILES + limit + PACK, str(original), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert os.strerror(errno.EFBIG) in done.stderr and "the same command goes on from there" in done.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert packing.pack(original, tmp_path / "out", per_shard=2, progress=False).counts.total() == 16


@pytest.mark.slow
def test_a_killed_packing_goes_on(original, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", PACK, str(original), str(tmp_path)], cwd=ROOT)
    while not list(tmp_path.rglob("[!.]*.pack")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in tmp_path.rglob("[!.]*.pack"):
        Shard(str(path)).check()
    left = tmp_path / f".{socket.gethostname()}-{process.pid}-patches-00009.pack"
    left.write_bytes(b"begun")  # whether the process was at one when it ended is chance
    busy = left.with_name(f".{socket.gethostname()}-{os.getpid()}-patches-00009.pack")
    busy.write_bytes(b"at work")
    assert packing.pack(original, tmp_path, per_shard=2, progress=False).counts.total() == 16
    assert [path for path in tmp_path.rglob(".*") if path.is_file()] == [busy], "only what living processes write stays"
    assert [part.tobytes() for part in batch(paths(tmp_path))] == [part.tobytes() for part in batch(paths(original))]


def test_an_error_of_the_system_comes_to_name_the_file(tmp_path):
    for error, told in (
        (
            OSError(errno.ENOSPC, "No space left on device"),
            rf"^{tmp_path}/file could not be written: No space left on device",
        ),
        (OSError("half a picture"), "^half a picture$"),
    ):
        with pytest.raises(OSError, match=told), atomic_write(tmp_path / "file"):
            raise error


def test_too_little_room_is_said_before_anything_is_written(original, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"B free, and about"):
        packing.pack(original, tmp_path / "out", progress=False)
    with pytest.raises(DataError, match="are to be copied"):
        packing.stage(original, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_folders_that_make_no_sense_are_refused(original, tmp_path):
    packing.pack(original / "pa/valid", tmp_path / "packed", progress=False)
    for source, destination, message in (
        (original, original / "packed", "lie in one another"),
        (tmp_path / "packed", tmp_path / "again", "is packed already"),
        (tmp_path / "nothing", tmp_path / "again", "has no digit files, no patches and no tile files"),
    ):
        with pytest.raises(DataError, match=message):
            packing.pack(source, destination, progress=False)
    with pytest.raises(ValueError, match="compression must be"):
        packing.pack(original, tmp_path, compression="gzip", progress=False)
    (tmp_path / "packed/other.pack").write_bytes(b"")
    with pytest.raises(DataError, match=r"other\.pack is of another packing"):
        packing.pack(original / "pa/valid", tmp_path / "packed", progress=False)


# ---- damage ----


def flip(path, place):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_damage_is_found_and_its_patch_named(tmp_path, compression):
    write(tmp_path / "in", names("1", range(3)), make_patch(1))
    packing.pack(tmp_path / "in", tmp_path / "out", compression=compression, progress=False)
    (shard,) = (tmp_path / "out").glob("*.pack")
    files, good = paths(tmp_path / "out"), batch(paths(tmp_path / "in"))
    third = int(Shard(str(shard))._index["place"][2, 0])
    flip(shard, third + 100)
    open_shard.cache_clear()
    with pytest.raises(FileError, match=r"damaged in pa_1m_2013-m_1_sw_18_1-2\.npz: its checksum is wrong"):
        Shard(str(shard)).check()
    with pytest.raises(FileError, match=r"m_1_sw_18_1-2\.npz"):
        batch(files)
    only_labels = batch(files, bands=["naip_old"], target="labels")  # sections that are whole
    np.testing.assert_array_equal(only_labels[1], good[1])


@pytest.mark.parametrize("change", ["cut", "empty", "text", "index", "version"])
def test_a_file_that_is_no_whole_shard_is_named(tmp_path, change):
    write(tmp_path / "in", ["a-0.npz"], make_patch(1))
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    (shard,) = (tmp_path / "out").glob("*.pack")
    raw = shard.read_bytes()
    if change == "index":
        flip(shard, len(raw) - 60)
    elif change == "version":
        flip(shard, 8)
    else:
        shard.write_bytes({"cut": raw[:-5], "empty": b"", "text": b"hello" * 100}[change])
    with pytest.raises(FileError, match=r"patches-00000\.pack: is no whole shard"):
        paths(tmp_path / "out")


def test_a_shard_that_vanished_or_was_cut_is_named(tmp_path):
    write(tmp_path / "in", ["a-0.npz"], make_patch(1))
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    files = paths(tmp_path / "out")
    (shard,) = (tmp_path / "out").glob("*.pack")
    os.truncate(shard, 5000)
    with pytest.raises(FileError, match="is damaged in a-0"):
        batch(files)
    shards._descriptor.cache_clear()
    shard.rename(shard.with_suffix(".gone"))
    with pytest.raises(FileError, match="No such file"):
        batch(files)
    shard.write_bytes(b"another file")
    with pytest.raises(FileError, match="was replaced while it was in use"):
        batch(files)
    with pytest.raises(FileError, match="holds no b-7"):
        chesapeake.Patches([f"{shard}/b-7.npz"], compact=True)
