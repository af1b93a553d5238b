"""What takes long: a busy machine costs nobody points, nor does a cell that gives none; endless cells end."""

from collections.abc import Callable
from concurrent.futures import Future

import bad
import pytest
import toycourse
from bad import STUBBORN, answers
from nbformat.v4 import new_code_cell
from test_bad_submissions import points, term
from toycourse import FULL, HALVES, HOMEWORK, answered, as_bytes, named

from helpers.grading.pipeline import Course, grading, records
from helpers.grading.pipeline.records import Record

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("sandbox")]
SPIN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end:\n    pass\n"
DEAF = (
    "while True:\n    try:\n        for _ in iter(int, 1):\n            pass\n    except BaseException:\n        pass"
)
BUDGETS = "\nc.SandboxExecute.timeout = 2\nc.SandboxExecute.total_timeout = 6\n"
NO_HALVES = FULL | {"halves_sum": 0}


def see_it(*sources: str):
    """Hand in a right notebook with cells without points before its second answer."""

    def files(course: Course) -> bad.Files:
        notebook = answered(course)
        at = notebook.cells.index(named(notebook)["halves"])
        notebook.cells[at:at] = [new_code_cell(source) for source in sources]
        return {bad.NAME: as_bytes(notebook)}

    return files


HANDED = {
    "fails": (see_it("1 / 0"), FULL),
    "ends": (see_it("import os\nos._exit(1)", "import os\nos.kill(os.getpid(), 9)"), FULL),
    "endless": (see_it("while True:\n    pass"), FULL),
    "deaf": (see_it(DEAF), FULL),
    "flood": (see_it("while True:\n    print('y' * 2000)"), FULL),
    "many": (see_it(*[SPIN.format(1)] * 8), FULL),
    "waits": (answers(halves=f"import time\ntime.sleep(4)\n{HALVES}"), FULL),
    "computes": (answers(halves=f"{SPIN.format(60)}\n{HALVES}"), NO_HALVES),
    "sleeps": (answers(halves=f"import time\ntime.sleep(10_000)\n{HALVES}"), NO_HALVES),
    "stubborn": (answers(halves=f"{STUBBORN}\n{HALVES}"), NO_HALVES),
}


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sandbox):
    """Grade them all."""
    course = toycourse.make_course(tmp_path_factory.mktemp("budget") / "course")
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text() + BUDGETS)
    course = Course(course.root)  # which reads the settings anew
    return course, term(course, {name: files(course) for name, (files, _) in HANDED.items()})


@pytest.mark.parametrize("name", HANDED)
def test_only_what_runs_out_of_time_loses_points(graded, name):
    course, known = graded
    assert points(course, name) == HANDED[name][1], known[name].lines


@pytest.mark.parametrize("name", ["ends", "deaf", "flood"])
def test_a_cell_that_ended_the_kernel_is_named(graded, name):
    assert "it gives no points, and the rest was graded without it" in "; ".join(graded[1][name].lines)


def test_what_ran_out_of_time_is_run_once_more_alone(course, monkeypatch):
    runs = []

    def once(course: Course, homework: str, submission: Record, settings: object) -> Record:
        runs.append(submission.student)
        slow = submission.student == "s2" and runs.count("s2") == 1
        return submission.now(state=records.GRADED, problems=["cell 3: ran longer than 5 s and was stopped"] * slow)

    monkeypatch.setattr(grading, "_grade", once)
    monkeypatch.setattr(grading, "workers", lambda jobs: Here())
    todo = [Record(f"s{n}") for n in (1, 2, 3)]
    found = grading.grade(course, HOMEWORK, todo, jobs=2, fork=False)
    assert runs == ["s1", "s2", "s3", "s2"]
    assert [record.problems for record in found] == [[], [], []]
    runs.clear()
    assert len(grading.grade(course, HOMEWORK, todo, jobs=1, fork=False)) == len(runs) == 3  # it was alone


def test_what_ran_out_of_time_for_a_page_is_run_once_more_alone(course, monkeypatch):
    runs = []

    def once(course: Course, homework: str, student: str, *rest: object) -> list[str]:
        runs.append(student)
        slow = student == "s2" and runs.count("s2") == 1
        return ["took more than 20 s in cell 4; what came after was not run"] * slow

    monkeypatch.setattr(grading, "_is_there", lambda *about, unsafe: False)
    monkeypatch.setattr(grading, "_run_clean", once)
    monkeypatch.setattr(grading, "workers", lambda jobs: Here())
    todo = [Record(f"s{n}") for n in (1, 2, 3)]
    for jobs, wanted in ((2, ["s1", "s2", "s3", "s2"]), (1, ["s1", "s2", "s3"])):
        runs.clear()
        assert grading.run_clean(course, HOMEWORK, todo, jobs=jobs, unsafe=True) == {}
        assert runs == wanted


class Here:
    """A pool that does everything at once, here."""

    def __enter__(self):
        return self

    def __exit__(self, *about: object) -> None:
        pass

    def submit(self, function: Callable, *arguments: object) -> Future:
        """Return what is done already."""
        future: Future = Future()
        future.set_result(function(*arguments))
        return future
