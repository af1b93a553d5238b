"""Gradescope gets results in its format, and a zip that grades in its container as we do."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import toycourse
from test_history import say
from toycourse import HOMEWORK, answered, as_bytes

from helpers.grading.pipeline import Course, gradescope

pytestmark = pytest.mark.slow
TOP = {"score", "output", "execution_time", "tests"}  # of what Gradescope knows, this is used
KINDS = {"name": str, "score": float, "max_score": float, "status": str, "output": str, "visibility": str}


def check_format(found: dict) -> dict[str, dict]:
    """Check what Gradescope would; return the tests by name."""
    assert found.keys() <= TOP
    assert isinstance(found["output"], str)
    assert isinstance(found.get("execution_time", 0), int)
    for test in found["tests"]:
        assert {key: type(value) for key, value in test.items()} == KINDS
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] in ("hidden", "after_due_date", "after_published", "visible")
    return {test["name"]: test for test in found["tests"]}


def fail(course: Course) -> None:
    """Let s2 have lost the test with a hidden part, and wait for a person."""
    notebook = nbformat.read(course.source(HOMEWORK) / f"{HOMEWORK}.ipynb", as_version=4)
    text = "expected 2.25, got\nnp.testing.assert_allclose(square([1.5, 7]), [2.25, 49])"
    error = nbformat.v4.new_output("error", ename="Mismatch", evalue=text, traceback=[text])
    toycourse.named(notebook)["square_shape"].outputs = [error]
    course.autograded("s2", HOMEWORK).mkdir(parents=True)
    nbformat.write(notebook, course.autograded("s2", HOMEWORK) / f"{HOMEWORK}.ipynb")
    with course.gradebook() as gradebook:
        gradebook.find_grade("square_shape", HOMEWORK, HOMEWORK, "s2").auto_score = 0
        written = gradebook.find_grade("why", HOMEWORK, HOMEWORK, "s2")
        written.auto_score, written.needs_manual_grade = None, True
        gradebook.db.commit()


def test_results_have_the_format_and_no_hidden_test(one_graded):
    fail(one_graded)
    assert say(one_graded, "export", "--gradescope") == 1  # a person is waited for
    path = one_graded.grading / "gradescope" / HOMEWORK / "s2" / "results.json"
    found = json.loads(path.read_text())
    tests = check_format(found)
    assert {name: test["score"] for name, test in tests.items()} == toycourse.FULL | {"square_shape": 0}
    assert (tests["square_small"]["visibility"], tests["square_small"]["status"]) == ("visible", "passed")
    assert (tests["square_shape"]["visibility"], tests["square_shape"]["status"]) == ("after_published", "failed")
    assert tests["square_shape"]["output"].startswith("Mismatch: a part of the test that is not shown")
    assert "2.25" not in path.read_text()
    assert "assert_allclose" not in path.read_text()
    assert "why: is graded by a person" in found["output"]


def test_results_tell_what_late_work_costs(one_graded):
    fail(one_graded)
    (one_graded.grading / "course.toml").write_text("[late]\npercent = 10\n")
    roster = "student_id,name,email,lms_id,days late hw0_squares\ns2,Ada,,2,1\n"
    (one_graded.grading / "roster.csv").write_text(roster)
    (one_graded.grading / "gradescope").mkdir()
    say(one_graded, "export", "--gradescope")
    found = json.loads((one_graded.grading / "gradescope" / HOMEWORK / "s2" / "results.json").read_text())
    check_format(found)
    assert found["score"] == 4.6  # 6 by tests less 10 % of 14
    assert found["output"].startswith("1 day(s) late: 1.4 of 6 points taken off")


@pytest.fixture(scope="module")
def unpacked(released, tmp_path_factory) -> Path:
    """Imitate Gradescope's container: the zip unpacked, its script copied, our environment in the place of its own."""
    folder = tmp_path_factory.mktemp("gradescope")
    course = Course(folder / "course")
    shutil.copytree(released.root, course.root)
    assert say(course, "release", "--autograder", str(folder / "autograder.zip")) == 0
    base = folder / "autograder"
    with zipfile.ZipFile(folder / "autograder.zip") as zipped:
        zipped.extractall(base / "source")
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in zipped.infolist()}
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755  # at the root of the zip
    assert modes.keys() >= {"course", "pyproject.toml", "README.md", "LICENSE", "requirements.txt"}  # for its set-up
    (base / "source" / ".venv").symlink_to(sys.prefix)
    shutil.copy(base / "source" / "run_autograder", base)
    return base


@pytest.fixture
def container(unpacked) -> Path:
    """Give the container as it is for each submission."""
    for folder in ("submission", "results"):
        shutil.rmtree(unpacked / folder, ignore_errors=True)
        (unpacked / folder).mkdir()
    return unpacked


def run(base: Path) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = ["bash", str(base / "run_autograder")]
    return subprocess.run(command, cwd=base, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_the_zip_grades_in_a_container(container, sandbox):
    wrong = as_bytes(answered(Course(container / "source"), halves="def halves(n):\n    return []"))
    (container / "submission" / f"{HOMEWORK} (1).ipynb").write_bytes(wrong)
    done = run(container)
    assert done.returncode == 0, done.stderr
    found = json.loads((container / "results" / "results.json").read_text())
    assert {name: test["score"] for name, test in check_format(found).items()} == toycourse.FULL | {"halves_sum": 0}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "nothing was handed in"),
        pytest.param({"hw.ipynb": b""}, "the file is empty", marks=pytest.mark.long),
    ],
)
def test_who_hands_in_no_notebook_is_told(container, monkeypatch, files, why):
    for name, data in files.items():
        (container / "submission" / name).write_bytes(data)
    monkeypatch.setattr(sys, "argv", ["gradescope", HOMEWORK, str(container)])
    assert gradescope.main() == 0
    found = json.loads((container / "results" / "results.json").read_text())
    assert (found["score"], check_format(found)) == (0, {})
    assert why in found["output"]


def test_our_own_failure_gives_no_results(container, monkeypatch, capsys):
    (container / "submission" / "hw.ipynb").write_bytes(as_bytes(answered(Course(container / "source"))))
    (container / "submission" / "mine.json").write_text("{}")
    (container / "submission" / "hidden.json").symlink_to(container / "source" / "nbgrader_config.py")
    seen = []

    def fails(course: Course, homework: str, todo: list, *, unsafe: bool) -> list:
        seen.extend(sorted(path.name for path in course.submitted("student", homework).iterdir()))
        return [todo[0].now(failure="no disk")]

    monkeypatch.setattr(sys, "argv", ["gradescope", HOMEWORK, str(container)])
    monkeypatch.setattr(gradescope, "grade", fails)
    assert gradescope.main() == 1
    assert "not graded: no disk" in capsys.readouterr().err
    assert not (container / "results" / "results.json").exists()
    assert seen == [f"{HOMEWORK}.ipynb", "mine.json", "timestamp.txt"]  # and nothing that a link leads to
