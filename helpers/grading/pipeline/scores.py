"""Scores in nbgrader's gradebook: read them, and take them back before anything is graded again."""

from dataclasses import dataclass

from nbgrader.api import MissingEntry

from helpers.grading.pipeline.course import Course


@dataclass(frozen=True)
class Score:
    """What a student has.

    Attributes:
        points: by tests and by hand, less a penalty for being late.
        most: that can be had.
        needs_manual: whether something is still to be graded by hand.
        late_seconds: after the due date, if the homework has one.
    """

    points: float
    most: float
    needs_manual: bool
    late_seconds: float


def read(course: Course, homework: str) -> dict[str, Score]:
    """Read the scores of a homework, by student."""
    with course.gradebook() as gradebook:
        return {
            one.student_id: Score(
                max(0.0, one.score - one.late_submission_penalty),
                one.max_score,
                one.needs_manual_grade,
                one.total_seconds_late,
            )
            for one in gradebook.assignment_submissions(homework)
        }


def reset(course: Course, homework: str, student: str) -> None:
    """Take back what tests gave; what people gave stays, and is to be looked at again."""
    with course.gradebook() as gradebook:
        try:
            submission = gradebook.find_submission(homework, student)
        except MissingEntry:
            return
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                grade.auto_score, grade.needs_manual_grade = None, True
        gradebook.db.commit()


def names(course: Course, homework: str) -> dict[str, tuple[str, float]] | None:
    """Return the kind and the points of each cell of a homework that has been handed in; None where nobody did."""
    with course.gradebook() as gradebook:
        try:
            notebook = gradebook.find_notebook(homework, homework)
        except MissingEntry:
            return None
        if not gradebook.assignment_submissions(homework):
            return None
        points = {cell.name: cell.max_score for cell in [*notebook.grade_cells, *notebook.task_cells]}
        return {cell.name: (cell.cell_type, points.get(cell.name, 0)) for cell in notebook.source_cells}
