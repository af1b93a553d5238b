"""When grading itself fails: no score, never 0, never last week's, and a line that says whose fault it was not."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import nullcontext

import pytest
import toycourse
from test_bad_submissions import points, roster, term
from toycourse import FULL, HOMEWORK, answered

from helpers import cli
from helpers.grading import GradingError
from helpers.grading.pipeline import Course, exporting, grading, records
from helpers.grading.sandbox import kernels

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sandbox")]
NO_SCORE = dict.fromkeys(FULL)


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sandbox) -> Course:
    """Give a course in which ada has full marks of last week."""
    course = Course(tmp_path_factory.mktemp("ours") / "course")
    shutil.copytree(released.root, course.root)
    term(course, {"ada": {f"{HOMEWORK}.ipynb": toycourse.as_bytes(answered(course))}})
    assert points(course, "ada") == FULL
    return course


@pytest.fixture
def course(graded, tmp_path) -> Course:
    shutil.copytree(graded.root, tmp_path / "course")
    return Course(tmp_path / "course")


def again(course: Course) -> records.Record:
    [record] = grading.grade(course, HOMEWORK, grading.waiting(course, HOMEWORK, again=True))
    return record


def row(course: Course) -> dict[str, str]:
    [found] = exporting.rows(course, HOMEWORK, roster(["ada"]))
    return found


def has_no_score(course: Course) -> bool:
    found = row(course)
    return (found["status"], found["score"], points(course, "ada")) == ("failed", "", NO_SCORE)


@pytest.mark.long
def test_a_kernel_that_cannot_be_asked_for(course, monkeypatch):
    monkeypatch.setattr(kernels, "serving", lambda modules: nullcontext("/nowhere/socket"))
    assert "the kernel did not start" in again(course).failure
    assert has_no_score(course)


@pytest.mark.long
def test_a_kernel_that_ends_before_it_begins(course, monkeypatch):
    monkeypatch.setattr(kernels, "_forked", lambda shut_in, settings: kernels._started(shut_in, ["false"], 1024))
    assert "the kernel did not start" in again(course).failure
    assert has_no_score(course)


def test_no_bubblewrap(course, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["homework", "grade", HOMEWORK, "--again", "--course", str(course.root)]) == 1
    assert "sudo apt install bubblewrap" in capsys.readouterr().err
    assert points(course, "ada") == FULL  # nothing was begun


def test_a_worker_that_is_killed(course, monkeypatch):
    grader, reset = os.getpid(), records.reset_score

    def killed(*arguments) -> None:
        if os.getpid() != grader:
            os.kill(os.getpid(), signal.SIGKILL)
        reset(*arguments)

    monkeypatch.setattr(grading.records, "reset_score", killed)
    assert "terminated abruptly" in again(course).failure
    assert has_no_score(course)


def lock(course: Course) -> sqlite3.Connection:
    connection = sqlite3.connect(course.grading / "gradebook.db")
    connection.execute("begin exclusive")
    return connection


@pytest.mark.long
def test_a_gradebook_that_is_locked_from_the_start(course):
    connection = lock(course)
    with pytest.raises(GradingError, match=r"gradebook cannot be used.*locked"):
        again(course)
    connection.close()
    assert points(course, "ada") == FULL  # nothing was begun


def test_a_gradebook_that_is_locked_on_the_way(course, monkeypatch):
    reset, held = records.reset_score, []

    def reset_and_lock(course: Course, homework: str, student: str) -> None:
        if not held:
            reset(course, homework, student)
            held.append(lock(course))

    monkeypatch.setattr(grading.records, "reset_score", reset_and_lock)
    failure = again(course).failure
    assert "locked" in failure
    assert "no fault of the student" in failure
    assert has_no_score(course)


@pytest.mark.long
def test_a_disk_that_is_full(course):
    full = course.grading / "autograded"
    command = ["bwrap", "--dev-bind", "/", "/", "--size", "4096", "--tmpfs", str(full)]
    command += [sys.executable, "-m", "helpers.cli", "homework", "grade", HOMEWORK, "--again"]
    done = subprocess.run([*command, "--course", str(course.root)], cwd=toycourse.ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stdout
    assert has_no_score(course)


def test_a_grading_that_was_interrupted_is_no_grade(course):
    known = records.load(course, HOMEWORK)["ada"]
    records.save(course, HOMEWORK, known.now(state=records.GRADING))
    assert row(course)["status"] == "failed"
    assert "interrupted" in row(course)["problems"]


def test_without_a_sandbox_only_if_told_so(course, capsys):
    assert cli.main(["homework", "grade", HOMEWORK, "--again", "--unsafe", "--course", str(course.root)]) == 0
    assert "WARNING: no sandbox" in capsys.readouterr().err
    assert points(course, "ada") == FULL
