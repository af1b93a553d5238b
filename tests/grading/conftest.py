"""What the tests of grading find: a course with one homework that is released, and bubblewrap."""

import shutil

import pytest
import toycourse

from helpers.grading.pipeline import Course, exporting

BUDGETS = """
c.SandboxExecute.timeout = 5
c.SandboxExecute.total_timeout = 20
c.SandboxKernelManager.memory_mb = 1024
"""


@pytest.fixture(scope="session")
def released(tmp_path_factory) -> Course:
    """Make the course once, with small budgets: bad submissions use them up."""
    course = toycourse.make_course(tmp_path_factory.mktemp("released") / "course")
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text() + BUDGETS)
    return course


@pytest.fixture
def course(released, tmp_path) -> Course:
    """Give a copy to each test."""
    shutil.copytree(released.root, tmp_path / "course")
    return Course(tmp_path / "course")


@pytest.fixture
def one_graded(course) -> Course:
    """Give a course in which s2 has all points, without anything being run, and s1 handed in nothing."""
    from test_collecting import pretend_graded, take

    rows = [{"student_id": f"s{n}", "name": f"Student {n}", "email": "", "lms_id": str(n)} for n in (1, 2)]
    exporting.write(course.grading / "roster.csv", rows)
    take(course, {toycourse.canvas(2): toycourse.answered(course)})
    pretend_graded(course)
    return course


@pytest.fixture(scope="session")
def sandbox(require) -> None:
    """Require bubblewrap: in CI its absence is a failure."""
    require(shutil.which("bwrap"), "no bubblewrap here; on Debian and Ubuntu: sudo apt install bubblewrap")
