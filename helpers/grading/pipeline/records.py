"""What is known of each submission: which file, when, what was wrong, how its grading ended; and its score.

The score is in nbgrader's gradebook, the rest in one JSON file for each student and homework, written whole. Before a
submission is graded its record says so; a grading that is interrupted therefore leaves no score that could pass for a
new one.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry

from helpers.files import LockedError, locked, whole
from helpers.grading import GradingError
from helpers.grading.pipeline import Course

COLLECTED, GRADING, GRADED, FAILED = "collected", "grading", "graded", "failed"


@dataclass(frozen=True)
class Record:
    """One submission.

    Attributes:
        student: who.
        state: "collected", "grading" (begun; an interruption leaves it so), "graded" or "failed".
        original: the name of the file that was handed in; its copy is in `inbox/`.
        submitted: when, as nbgrader writes it.
        late: whether the learning platform said so.
        repairs: what `collect` found and mended.
        problems: what `grade` found.
        failure: why there is no score.
    """

    student: str
    state: str = COLLECTED
    original: str = ""
    submitted: str = ""
    late: bool = False
    repairs: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failure: str = ""

    def now(self, **changes: Any) -> "Record":
        """Return the record with changes."""
        return replace(self, **changes)

    @property
    def lines(self) -> list[str]:
        """Everything that was wrong."""
        return [*self.repairs, *self.problems, *([self.failure] if self.failure else [])]


@contextmanager
def alone(course: Course, homework: str) -> Iterator[None]:
    """Keep others from releasing, collecting and grading a homework: what one writes, the other would overwrite.

    Raises:
        GradingError: another does so now.
    """
    course.grading.mkdir(parents=True, exist_ok=True)
    try:
        with locked(course.grading / f".{homework}.lock"):
            yield
    except LockedError as error:
        raise GradingError(
            f"`release`, `collect` or `grade` is at work on {homework}; wait until it ends, then do this again. "
            f"It is: {error}"
        ) from None


def save(course: Course, homework: str, record: Record) -> Record:
    """Write a record, and return it."""
    folder = course.grading / "records" / homework
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / f"{record.student}.json") as unfinished:
        unfinished.write_text(json.dumps(asdict(record), indent=1))
    return record


def forget(course: Course, homework: str, student: str) -> None:
    """Remove a record: a submission without one has no grade."""
    (course.grading / "records" / homework / f"{student}.json").unlink(missing_ok=True)


def load(course: Course, homework: str) -> dict[str, Record]:
    """Read the records of a homework, by student."""
    return {record.student: record for record in _read(course.grading / "records" / homework)}


def _read(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.json")):
        yield Record(**json.loads(path.read_text()))


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


def scores(course: Course, homework: str) -> dict[str, Score]:
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


def reset_score(course: Course, homework: str, student: str) -> None:
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


def cells_handed_in(course: Course, homework: str) -> dict[str, tuple[str, float]] | None:
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
