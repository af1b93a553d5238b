"""A folder takes the place of another, or the other stays; a lock has one owner, who is named."""

import errno
import fcntl
import multiprocessing
import os
from pathlib import Path

import pytest

from helpers.files import LockedError, locked, swap


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "note.txt").write_text(text)
    return path


@pytest.mark.parametrize("there", ["nothing", "a folder", "an empty folder"])
def test_a_folder_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path, there):
    target = tmp_path / "target"
    if there != "nothing":
        folder(target, "old")
    if there == "an empty folder":
        (target / "note.txt").unlink()
    swap(folder(tmp_path / ".unfinished", "new"), target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (target / "note.txt").read_text() == "new"


def test_what_was_there_comes_back_if_the_new_folder_cannot_take_its_place(tmp_path, monkeypatch):
    target, new = folder(tmp_path / "target", "old"), folder(tmp_path / ".unfinished", "new")
    rename = Path.rename

    def full(path, to):
        if path == new:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="quota"):
        swap(new, target)
    assert (target / "note.txt").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".unfinished", "target"]


def test_a_lock_has_one_owner_whom_others_are_told_and_is_free_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with locked(tmp_path / "lock"):
        with pytest.raises(LockedError, match=rf"^Process {os.getpid()} on .* \(job 17\)$"), locked(tmp_path / "lock"):
            pass
        with locked(tmp_path / "other"):  # a lock of its own
            pass
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    with locked(tmp_path / "lock"):
        pass


def test_a_lock_is_free_though_a_process_begun_meanwhile_has_its_file_open(tmp_path):
    context = multiprocessing.get_context("fork")
    with locked(tmp_path / "lock"):
        (child := context.Process(target=context.Event().wait, daemon=True)).start()
    try:
        with locked(tmp_path / "lock"):
            pass
    finally:
        child.kill()
        child.join()


def test_a_file_system_without_locks_is_told_and_the_work_goes_on(tmp_path, monkeypatch):
    def none(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(UserWarning, match=r"lock cannot be locked \(No locks available\)"), locked(tmp_path / "lock"):
        done = True
    assert done
