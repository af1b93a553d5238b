"""A homework that is released again after somebody handed in: every kind of cell keeps its name and its points."""

import nbformat
import pytest
import toycourse
from toycourse import HOMEWORK

from helpers.grading import GradingError
from helpers.grading.pipeline import Course
from helpers.grading.pipeline.releasing import release

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # of nbgrader's own queries
]


@pytest.fixture
def handed_in(tmp_path) -> Course:
    """Give a course in which somebody has handed in a homework with cells of every kind, a task among them."""
    notebook = toycourse.source()
    notebook.cells.append(toycourse.cell("markdown", "Draw a square and say what you see.", "task", "drawing", 6))
    course = toycourse.make_course(tmp_path / "course", notebook)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student("ada")
        gradebook.update_or_create_submission(HOMEWORK, "ada")
    return course


def rewrite(course: Course, name: str, change) -> None:
    path = course.source(HOMEWORK) / f"{HOMEWORK}.ipynb"
    notebook = nbformat.read(path, 4)
    change(toycourse.named(notebook)[name])
    nbformat.write(notebook, path)


def test_a_homework_with_a_task_may_be_released_again(handed_in):
    rewrite(handed_in, "square_small", lambda cell: cell.update(source="assert square(3) == 9"))
    released = release(handed_in, HOMEWORK) / f"{HOMEWORK}.ipynb"
    assert toycourse.named(nbformat.read(released, 4))["square_small"].source == "assert square(3) == 9"


@pytest.mark.long
@pytest.mark.parametrize("name", ["drawing", "square_small", "why"])
def test_other_points_of_any_kind_of_cell_are_refused(handed_in, name):
    rewrite(handed_in, name, lambda cell: cell.metadata.nbgrader.update(points=7))
    with pytest.raises(GradingError, match=rf"spoil its grades: {name}\."):
        release(handed_in, HOMEWORK)
