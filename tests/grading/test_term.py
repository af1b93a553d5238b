"""A term: 60 submissions over two homeworks, right, wrong, broken, late, twice and hostile, through every verb.

The instructor's machine fails five times on the way, by kill -9. Grades are the ones that the work deserves, nothing is
lost, and who has no score has one line that says why.
"""

import csv
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import toycourse
from toycourse import ANSWERS, HOMEWORK, canvas, named

from helpers import cli
from helpers.grading.pipeline import Course, exporting, records
from helpers.grading.pipeline.releasing import release

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.long, pytest.mark.turns]
SECOND = "hw9_squares_again"
NINE = "def square(x):\n    return 9"
LOUD = "print('x' * 10_000_000)\n" + toycourse.SQUARE
DEADLY = "import os\nos._exit(0)\n" + toycourse.SQUARE

# kind: how many of each homework; what is handed in first and then; points by tests; what the line about it says
BLANK = None
CLASS: dict[str, tuple[int, list, float | None, str]] = {
    "right": (10, [{}], 9, ""),
    "half right": (5, [{"square": NINE}], 6, ""),
    "blank": (3, [BLANK], 0, ""),
    "empty": (1, [b""], None, "is empty"),
    "cut": (1, [b'{"cells": ['], None, "no notebook"),
    "a page": (1, [b"<html>Sign in</html>"], None, "no notebook"),
    "late": (3, [{}], 9, ""),
    "first half, then right": (3, [{"square": NINE}, {}], 9, ""),
    "right, then empty": (1, [{}, b""], 9, ""),
    "deadly": (1, [{"square": DEADLY}], 0, "kernel"),
    "loud": (1, [{"square": LOUD}], 9, ""),
}
STUDENTS = {f"s{n}": kind for n, kind in enumerate([k for k, (count, *_) in CLASS.items() for _ in range(count)], 1)}


def say(course: Course, verb: str, homework: str, *arguments: object) -> int:
    return cli.main(["homework", verb, homework, *map(str, arguments), "--course", str(course.root)])


def fail_during(course: Course, begun: Callable[[], bool], verb: str, homework: str, *arguments: object) -> None:
    """Do a verb in a process that is killed as soon as something has begun, and before it is through."""
    command = [sys.executable, "-m", "helpers.cli", "homework", verb, homework, *map(str, arguments)]
    process = subprocess.Popen([*command, "--course", str(course.root)], stdout=subprocess.DEVNULL, cwd=toycourse.ROOT)
    while not begun():
        assert process.poll() is None, f"{verb} was through before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, f"{verb} was through before it was killed"


def written(course: Course, homework: str, answers: dict[str, str] | bytes | None) -> nbformat.NotebookNode | bytes:
    """Fill in a student's copy."""
    if isinstance(answers, bytes):
        return answers
    notebook = nbformat.read(course.released(homework) / f"{homework}.ipynb", 4)
    for name, text in ({} if answers is BLANK else ANSWERS | answers).items():
        named(notebook)[name].source = text
    return notebook


def submissions(course: Course, homework: str, again: bool) -> Path:
    """Write the zip of a platform; `again` holds what some hand in a second time."""
    files = {
        canvas(int(student[1:]), f"{homework}.ipynb", late=kind == "late"): written(course, homework, versions[again])
        for student, kind in STUDENTS.items()
        if len(versions := CLASS[kind][1]) > again
    }
    path = course.root / f"{homework}-{int(again)}.zip"
    path.write_bytes(toycourse.zipped(files, date=(2026, 11, 2 if again else 1, 12, 0, 0)))
    return path


def graded(course: Course, homework: str) -> int:
    return sum(record.state == records.GRADED for record in records.load(course, homework).values())


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def term(released, tmp_path_factory, sandbox) -> Course:
    """Take the class through both homeworks; the machine fails five times."""
    course = Course(tmp_path_factory.mktemp("term") / "course")
    shutil.copytree(released.root, course.root)
    course.source(SECOND).mkdir(parents=True)
    nbformat.write(toycourse.source(), course.source(SECOND) / f"{SECOND}.ipynb")
    release(course, SECOND)
    enrolled = [{"student_id": s, "name": f"Student {s}", "email": "", "lms_id": s[1:]} for s in STUDENTS]
    exporting.write(course.grading / "roster.csv", enrolled)
    (course.grading / "course.toml").write_text("[late]\npercent = 10\n")
    first, again = (submissions(course, HOMEWORK, late) for late in (False, True))
    fail_during(course, lambda: any(course.grading.glob("submitted/*/*")), "collect", HOMEWORK, first)
    assert say(course, "collect", HOMEWORK, first) == 1, "three of them are none"
    say(course, "collect", HOMEWORK, again)
    fail_during(course, lambda: graded(course, HOMEWORK) >= 2, "grade", HOMEWORK)
    fail_during(course, lambda: graded(course, HOMEWORK) >= 9, "grade", HOMEWORK)
    for late in (False, True):
        say(course, "collect", SECOND, submissions(course, SECOND, late))
    for homework in (HOMEWORK, SECOND):
        assert say(course, "grade", homework) == 0
    fail_during(course, lambda: any(course.grading.glob("feedback/*/*/*.html")), "feedback", HOMEWORK)
    for homework in (HOMEWORK, SECOND):
        say(course, "feedback", homework)
        say(course, "export", homework, "--by-hand", course.root / f"{homework}.csv")
        sheet = [row | {"why (of 5)": "5"} for row in rows(course.root / f"{homework}.csv").values()]
        sheet = [row for row in sheet if STUDENTS[row["student_id"]] != "blank"]
        exporting.write(course.root / f"{homework}.csv", sheet)
    begun = lambda: any(course.grading.glob(f"history/{HOMEWORK}/*.json"))  # noqa: E731
    fail_during(course, begun, "import", HOMEWORK, course.root / f"{HOMEWORK}.csv")
    for homework in (HOMEWORK, SECOND):
        assert say(course, "import", homework, course.root / f"{homework}.csv") == 0
        say(course, "export", homework)
    return course


@pytest.mark.parametrize("homework", [HOMEWORK, SECOND])
def test_everybody_has_the_grade_that_the_work_deserves_or_a_line_that_says_why_not(term, homework):
    table = rows(term.grading / f"{homework}.csv")
    assert table.keys() == STUDENTS.keys()
    found, wanted = {}, {}
    for student, kind in STUDENTS.items():
        _, _, points, line = CLASS[kind]
        row = table[student]
        by_hand = 0 if kind == "blank" else 5
        off = 1.4 if kind == "late" else 0  # a tenth of 14 points for the first day
        found[student] = (kind, row["status"], row["score"], line in row["problems"])
        wanted[student] = (kind, "failed", "", True)
        if points is not None:
            wanted[student] = (kind, "graded", f"{points + by_hand - off:g}", True)
    assert found == wanted


@pytest.mark.parametrize("homework", [HOMEWORK, SECOND])
def test_who_is_graded_has_a_page_and_an_instructor_sees_it_all(term, homework, capsys):
    with zipfile.ZipFile(term.grading / f"feedback/{homework}.zip") as archive:
        pages = {name: archive.read(name).decode() for name in archive.namelist()}
    assert len(pages) == 27
    late = [name for name, page in pages.items() if "1.4 points are taken off for 1 day late: 7.6 are left." in page]
    assert len(late) == 3 and all("LATE" in name for name in late)
    assert say(term, "status", homework) == 0
    said = capsys.readouterr().out
    assert "27 graded, 3 failed" in said
    assert say(term, "similar", homework) == 0
    assert not list(term.grading.rglob("*unfinished*")), "what was half written when the machine failed is gone"
