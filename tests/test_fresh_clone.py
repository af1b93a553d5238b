"""The script `course` on a fresh clone: any Python answers help and slips, before anything is set up."""

import sys

import pytest
from machine import ROOT, Machine


@pytest.fixture(params=["sh", "bash"])
def machine(tmp_path, request):
    """Give a machine whose Python is real and has no package."""
    machine = Machine(tmp_path, request.param)
    machine.give("python3.12", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    for folder in ("helpers", "datasets"):
        (machine.root / folder).symlink_to(ROOT / folder)
    return machine


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("data check --help", 0, "usage: ./course data check"),
        ("lock --help", 0, "usage: ./course lock"),
        ("help data", 0, "usage: ./course data VERB"),
        ("--version", 0, "autoencoder-course"),
        ("chekc", 2, "Did you mean ./course check or ./course data check or ./course homework check?"),
        ("lab --gpus", 2, "Did you mean '--gpu'?"),
        ("train gone.toml", 2, "there is no run file gone.toml"),
        ("run", 2, "missing argument: CMD"),
    ],
)
def test_a_fresh_clone_answers_at_once(machine, words, status, said):
    files = sorted(machine.root.iterdir())
    locks = [path.stat().st_mtime_ns for path in files if "requirements" in path.name]
    done = machine.course(*words.split(), PYTHONPATH=str(machine.folder / "others"))
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stderr
    assert sorted(machine.root.iterdir()) == files, "nothing was set up"
    assert [path.stat().st_mtime_ns for path in files if "requirements" in path.name] == locks
