"""Submissions of the twenty kinds that break plain nbgrader, graded in one go beside one that is good."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from types import SimpleNamespace

import bad
import nbformat
import psutil
import pytest
import toycourse
import tricks
from bad import CASES, answers
from toycourse import FULL, HOMEWORK, answered, canvas

from helpers.grading.pipeline import Course, exporting, records
from helpers.grading.pipeline.collecting import collect
from helpers.grading.pipeline.grading import grade, waiting
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.roster import Student
from helpers.grading.plugins import guard
from helpers.grading.plugins.steps import SandboxExecute

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("sandbox")]
MOST_SECONDS = 8  # for a submission, where two are graded at a time, on a machine that others use too
MOST_MB = 1600  # for a process; what each sandbox may have, and TensorFlow's process


def roster(names: list[str]) -> dict[str, Student]:
    return {str(n): Student(name, name, "", str(n)) for n, name in enumerate(names, 1)}


def term(course: Course, handed: dict[str, bad.Files], **options: object) -> dict[str, Record]:
    """Collect and grade what students hand in."""
    students = roster(list(handed))
    files = {canvas(n, name): data for n, files in enumerate(handed.values(), 1) for name, data in files.items()}
    archive = course.root / "submissions.zip"
    archive.write_bytes(toycourse.zipped(files))
    collect(course, HOMEWORK, archive, students)
    grade(course, HOMEWORK, waiting(course, HOMEWORK), jobs=2, **options)
    return records.load(course, HOMEWORK)


def points(course: Course, student: str) -> dict[str, float | None]:
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(HOMEWORK, student)
        return {g.name: g.auto_score for notebook in submission.notebooks for g in notebook.grades if g.name in FULL}


def files_outside(course: Course) -> set[str]:
    """List the files that grading has no business with."""
    folders = (course.root / "homework" / HOMEWORK, course.source(HOMEWORK))
    written = [*(toycourse.ROOT / "helpers").glob("mine.txt"), *course.root.rglob("mine.txt")]
    return {str(path) for path in [*written, *(path for folder in folders for path in folder.rglob("*"))]}


@contextmanager
def watched(pid: int) -> Iterator[dict[psutil.Process, int]]:
    """Look ten times a second at a process and all that it started, and keep the most memory (bytes) of each.

    `resource.RUSAGE_CHILDREN` would also remember every child that other tests of this run have had.
    """
    root, done = psutil.Process(pid), threading.Event()
    most = {root: 0}

    def watch() -> None:
        while not done.wait(0.1):
            for process in [root, *root.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    most[process] = max(most.get(process, 0), process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def sleepers() -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[-1:] == ["987654"]]


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sandbox):
    """Grade all of them, and remember what there was before, how long it took, and what each process needed.

    In a new process, as `course` does: its workers are forks, and would count what earlier tests left in this one.
    """
    course = Course(tmp_path_factory.mktemp("bad") / "course")
    shutil.copytree(released.root, course.root)
    handed = {"good": {bad.NAME: toycourse.as_bytes(answered(course))}}
    handed |= {name: case.files(course) for name, case in CASES.items()}
    before, start = files_outside(course), time.monotonic()
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as new,
        watched(new.submit(os.getpid).result()) as memory,
    ):
        known = new.submit(term, course, handed).result()
    seconds = time.monotonic() - start
    table = {row["student_id"]: row for row in exporting.rows(course, HOMEWORK, roster([*handed, "absent"]))}
    return SimpleNamespace(course=course, records=known, table=table, before=before, seconds=seconds, memory=memory)


@pytest.mark.parametrize("name", CASES)
def test_the_score_is_exact(graded, name):
    case = CASES[name]
    if case.points is None:
        assert (graded.table[name]["status"], graded.table[name]["score"]) == ("failed", "")
    else:
        assert graded.records[name].failure == ""
        assert points(graded.course, name) == case.points


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.line])
def test_a_line_says_what_was_wrong(graded, name):
    assert CASES[name].line in graded.table[name]["problems"]


def test_all_twenty_kinds_are_there():
    elsewhere = {20}  # takes two rounds; see below
    assert {case.number for case in CASES.values()} | elsewhere == set(range(1, 21))


def test_the_others_are_graded(graded):
    assert points(graded.course, "good") == FULL
    assert graded.table["good"]["problems"] == ""
    assert graded.table["absent"]["status"] == "missing"


def test_nothing_outside_of_the_sandbox_was_reached_or_changed(graded):
    notebook = nbformat.read(graded.course.autograded("reaching", HOMEWORK) / bad.NAME, 4)
    printed = "".join(out.text for cell in notebook.cells for out in cell.get("outputs", []) if "text" in out)
    assert printed.count("\n") >= 8
    assert "REACHED" not in printed
    assert files_outside(graded.course) == graded.before


def test_no_process_is_left(graded):
    assert sleepers() == []
    assert len(graded.memory) > len(CASES)  # a sandbox each, at least
    assert [process for process in graded.memory if is_alive(process)] == []


def is_alive(process: psutil.Process) -> bool:
    """Say whether it still does something; an orphan that has ended is a zombie until the machine's init looks."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_time_and_memory_are_bounded(graded):
    assert graded.seconds < MOST_SECONDS * len(CASES)
    assert 0 < max(graded.memory.values()) / 2**20 < MOST_MB


def test_graded_notebooks_are_small(graded):
    paths = graded.course.grading.glob("autograded/*/*/*.ipynb")
    assert max(path.stat().st_size for path in paths) < 200_000


# ---- 20: a good grade, then a resubmission that crashes ----


def test_an_old_grade_does_not_survive(course):
    term(course, {"ada": {bad.NAME: toycourse.as_bytes(answered(course))}})
    assert points(course, "ada") == FULL
    term(course, {"ada": bad.answers(square="import os\nos._exit(1)")(course)})
    assert points(course, "ada") == dict.fromkeys(FULL, 0)
    [row] = exporting.rows(course, HOMEWORK, roster(["ada"]))
    assert row["score"] == "0"


# ---- the tests of these tests ----

TRICKS = [
    "ast",
    "transformers",
    "session",
    "run_ast_nodes",
    "builtins",
    "shadowed",
    "within_names",
    "within_builtins",
    "no_asserts",
]
TRICKS += [*tricks.NO_COMPARISON, *tricks.NOT_PUT_BACK]


def test_the_tricks_would_work_if_nothing_were_put_back(course, monkeypatch):
    monkeypatch.setattr(guard.Guard, "prepare", lambda self, cells: "")
    monkeypatch.setattr(guard.Guard, "verdict", lambda self, test: "")
    monkeypatch.setattr(SandboxExecute, "_control", lambda self: None)
    term(course, {name: CASES[name].files(course) for name in TRICKS})
    for name in TRICKS:
        assert sum(points(course, name).values()) > sum(CASES[name].points.values()), name


def test_what_changes_between_two_tests_that_follow_each_other_is_seen(course):
    known = term(course, {"between": answers(square=tricks.BETWEEN + tricks.ZEROS)(course)})
    assert points(course, "between") == FULL | {"square_shape": 0}
    assert any(guard.CHANGED in line for line in known["between"].problems)
