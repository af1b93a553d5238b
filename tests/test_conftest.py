"""The rules of conftest.py: data are looked for in two places, and CI leaves nothing out."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parents[1]


def data_folders_seen(environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-c", "import os, conftest; print(os.environ['COURSE_DATA'])"]
    done = subprocess.run(command, cwd=ROOT / "tests", env=environment, text=True, capture_output=True, check=True)
    return done.stdout.strip().split(os.pathsep)


def test_data_are_looked_for_in_the_archive_and_beside_the_checkout():
    unset = {name: value for name, value in os.environ.items() if name != "COURSE_DATA"}
    assert data_folders_seen(unset) == [str(ROOT / "datasets"), str(ROOT.parent / "shared" / "datasets")]


def test_a_data_folder_that_is_set_stays():
    assert data_folders_seen({**os.environ, "COURSE_DATA": "/elsewhere"}) == ["/elsewhere"]


def test_figures_need_no_screen_but_kernels_still_draw_into_their_notebooks():
    assert matplotlib.get_backend().lower() == "agg"
    assert "MPLBACKEND" not in os.environ


def test_what_is_found_lets_the_test_go_on(require, monkeypatch):
    monkeypatch.setenv("CI", "true")
    require("/usr/bin/true", "cannot happen")


def test_a_missing_tool_skips_on_a_students_machine(require, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no chromium"):
        require(None, "no chromium")


def test_a_missing_tool_fails_in_ci(require, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no chromium"):
        require(None, "no chromium")
