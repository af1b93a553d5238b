"""`./course doctor` says what is here, and of each thing that is missing what to do."""

import os
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest

from helpers import cli
from helpers.cli import doctor
from helpers.slurm import client

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.delenv("COURSE_NO_BROWSER", raising=False)
    monkeypatch.setattr(doctor, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(doctor, "_gpus", list)


def examined(capsys: pytest.CaptureFixture) -> tuple[int, str]:
    status = cli.main(["doctor"])
    return status, capsys.readouterr().out


@pytest.mark.parametrize("program", ["exit 1", "sleep 60"])
def test_a_slurm_that_does_not_answer_is_told(program, tmp_path, monkeypatch, capsys):
    for name in ("sbatch", "sinfo"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    assert "installed, but no cluster answers" in examined(capsys)[1]


def test_it_looks_at_everything(capsys):
    status, said = examined(capsys)
    looked_at = [line[4:17].strip() for line in said.splitlines() if line[:4].strip() in ("ok", "-", "!!")]
    wanted = [
        "Python",
        "cores",
        "memory",
        "disk",
        "environment",
        "GPU",
        "Slurm",
        "browser",
        "mnist",
        "chesapeake",
        "grss",
    ]
    assert [what for what in looked_at if what != "home"] == wanted
    assert status == 0 and "The lectures can run here." in said and "keras 3" in said
    assert "./course data fetch chesapeake" in said


def test_it_needs_no_environment():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from helpers import cli; sys.exit(cli.main(['doctor']))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "./course lab makes it" in done.stdout


@pytest.mark.parametrize(
    ("finding", "state", "advice"),
    [
        (lambda: doctor._disk(2.0, is_set_up=False), doctor.BAD, "Make room"),
        (lambda: doctor._disk(2.0, is_set_up=True), doctor.OK, ""),
        (lambda: doctor._gpu(["GPU 0: H200"], "cpu"), doctor.NOTE, "./course setup --gpu"),
        (lambda: doctor._gpu(["GPU 0: H200"], "gpu"), doctor.OK, ""),
        (lambda: doctor._gpu([], "cpu"), doctor.NOTE, "Not needed"),
    ],
)
def test_what_is_missing_comes_with_what_to_do(finding, state, advice):
    assert finding().state == state and advice in finding().advice


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_a_python_that_does_not_fit_is_mended_first(version, monkeypatch, capsys):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    status, said = examined(capsys)
    assert status == 1 and "To be mended first: Python." in said and "PYTHON=/path/to/" in said


def test_a_slip_in_course_data_is_mended_first(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_DATA", f"{tmp_path}:{tmp_path}/tpyo")
    status, said = examined(capsys)
    assert status == 1 and f"{tmp_path}/tpyo is not there" in said and not (tmp_path / "tpyo").exists()


def test_without_a_browser_it_tells_how_to_do_without(monkeypatch, capsys):
    def none() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none)
    assert "COURSE_NO_BROWSER=1 ./course lab" in examined(capsys)[1]


def test_an_environment_for_students_is_as_good(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "PACKAGES", ("keras", "jupyterlab"))
    status, said = examined(capsys)
    assert (status, "For students; what teachers and tests need is added when it is first used." in said) == (0, True)
