"""What is known of each submission: which file, when, what was wrong, how its grading ended; and its score.

The score is in nbgrader's gradebook, the rest in one JSON file for each student and homework, written whole. Before a
submission is graded its record says so; a grading that is interrupted therefore leaves no score that could pass for a
new one.
"""

import hashlib
import json
import platform
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedAssignment

from helpers.data.fetch import COURSE_ROOT
from helpers.files import LockedError, atomic_write, locked
from helpers.grading import GradingError
from helpers.grading.pipeline import Course

COLLECTED, GRADING, GRADED, FAILED = "collected", "grading", "graded", "failed"


@dataclass(frozen=True)
class Record:
    """One submission.

    Attributes:
        student: who.
        state: "collected", "grading" (begun; an interruption leaves it so), "graded" or "failed".
        original: the name of the file that was handed in; the version it is in is kept in `inbox/`.
        submitted: when, as nbgrader writes it.
        late: whether the learning platform said so.
        repairs: what `collect` found and mended.
        problems: what `grade` found.
        failure: why there is no score.
        version: which of the student's versions this is; 0 for what came another way or was collected by earlier code.
        by_hand: whether a person chose the version.
        versions: see `versions.table`.
        notes: what `collect` found about other files and versions of the student.
        tests: by which it was graded; see `tests_of`.
        hand: for each cell that a person gave points for, the answer that they saw; see `answer_in`.
        sha256: of the notebook as it was handed in; of the one that was graded where it did not come by `collect`.
        graded: when, in UTC.
        kit: the version of the course by which it was graded; see `kit`.
        machine: on which.
        flags: what a person should look at, since attacks on tests look like that; not scored, and not for students.
    """

    student: str
    state: str = COLLECTED
    original: str = ""
    submitted: str = ""
    late: bool = False
    repairs: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failure: str = ""
    version: int = 0
    by_hand: bool = False
    versions: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tests: str = ""
    hand: dict[str, str] = field(default_factory=dict)
    sha256: str = ""
    graded: str = ""
    kit: str = ""
    machine: str = ""
    flags: list[str] = field(default_factory=list)

    def now(self, **changes: Any) -> "Record":
        """Return the record with changes."""
        return replace(self, **changes)

    @property
    def lines(self) -> list[str]:
        """Everything that was wrong."""
        return [*self.notes, *self.repairs, *self.problems, *([self.failure] if self.failure else [])]


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
            f"`release`, `collect`, `grade`, `regrade` or `import` is at work on {homework}; wait until it ends, then "
            f"do this again. It is: {error}"
        ) from None


def save(course: Course, homework: str, record: Record) -> Record:
    """Write a record, and return it."""
    folder = course.grading / "records" / homework
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / f"{record.student}.json") as unfinished:
        unfinished.write_text(json.dumps(asdict(record), indent=1))
    return record


def forget(course: Course, homework: str, student: str) -> None:
    """Remove a record: a submission without one has no grade."""
    (course.grading / "records" / homework / f"{student}.json").unlink(missing_ok=True)


def load(course: Course, homework: str, student: str = "") -> dict[str, Record]:
    """Read the records of a homework, by student; of all, or of one."""
    return {record.student: record for record in _read(course.grading / "records" / homework, student)}


def _read(folder: Path, student: str) -> Iterator[Record]:
    own = folder / f"{student}.json"
    for path in [own] * own.exists() if student else sorted(folder.glob("[!.]*.json")):
        yield Record(**json.loads(path.read_text()))


@dataclass(frozen=True)
class Score:
    """What a student has.

    Attributes:
        points: by tests and by hand.
        most: that can be had.
        needs_manual: whether something is still to be graded by hand.
        late_seconds: after the due date, if the homework has one.
        outdated: the cells whose points by hand were given for an answer that has changed since.
        penalty: for being late, where nbgrader's own setting takes one off.
        by_hand: the cells that a person gave points for.
    """

    points: float
    most: float
    needs_manual: bool
    late_seconds: float
    outdated: tuple[str, ...] = ()
    penalty: float = 0.0
    by_hand: tuple[str, ...] = ()


def scores(course: Course, homework: str, student: str = "") -> dict[str, Score]:
    """Read the scores of a homework, by student; of all, or of one."""
    by_hand, outdated = defaultdict(list), defaultdict(list)
    with course.gradebook() as gradebook:
        given = gradebook.db.query(Grade).filter(Grade.manual_score.is_not(None))
        for grade in _grades(gradebook, homework, student) if student else given:
            if grade.assignment.name == homework and grade.manual_score is not None:
                by_hand[grade.assignment.student_id].append(grade.name)
                if grade.needs_manual_grade:
                    outdated[grade.assignment.student_id].append(grade.name)
        return {
            one.student_id: Score(
                one.score,
                one.max_score,
                one.needs_manual_grade,
                one.total_seconds_late,
                tuple(sorted(outdated[one.student_id])),
                one.late_submission_penalty,
                tuple(sorted(by_hand[one.student_id])),
            )
            for one in _submissions(gradebook, homework, student)
        }


def _is_outdated(grade: Grade) -> bool:
    return grade.manual_score is not None and grade.needs_manual_grade


def _submissions(gradebook: Gradebook, homework: str, student: str = "") -> list[SubmittedAssignment]:
    if not student:
        return gradebook.assignment_submissions(homework)
    try:
        return [gradebook.find_submission(homework, student)]
    except MissingEntry:
        return []


def _grades(gradebook: Gradebook, homework: str, student: str) -> list[Grade]:
    notebooks = [notebook for one in _submissions(gradebook, homework, student) for notebook in one.notebooks]
    return [grade for notebook in notebooks for grade in notebook.grades]


def reset_score(course: Course, homework: str, student: str) -> None:
    """Take back what tests gave; what people gave stays, and is to be looked at again."""
    with course.gradebook() as gradebook:
        for grade in _grades(gradebook, homework, student):
            grade.auto_score, grade.needs_manual_grade = None, True
        gradebook.db.commit()


def seen_by_hand(course: Course, homework: str, record: Record) -> dict[str, str]:
    """Return for each cell that a person gave points for the answer that they saw; before scores are reset."""
    with course.gradebook() as gradebook:
        found = {}
        for grade in _grades(gradebook, homework, record.student):
            if grade.manual_score is not None:
                outdated = record.hand.get(grade.name, "")
                found[grade.name] = outdated if _is_outdated(grade) else answer_in(course, homework, record, grade.name)
        return found


def keep_hand_given(course: Course, homework: str, record: Record) -> None:
    """Let points that a person gave stand where the answer is the one that they saw."""
    with course.gradebook() as gradebook:
        for grade in _grades(gradebook, homework, record.student):
            seen = record.hand.get(grade.name)
            if _is_outdated(grade) and seen and seen == answer_in(course, homework, record, grade.name):
                grade.needs_manual_grade = False
        gradebook.db.commit()


def give_by_hand(course: Course, homework: str, student: str, points: Mapping[str, float]) -> None:
    """Enter points that a person gave, by cell."""
    with course.gradebook() as gradebook:
        for grade in _grades(gradebook, homework, student):
            if grade.name in points:
                grade.manual_score, grade.needs_manual_grade = points[grade.name], False
        gradebook.db.commit()


def answer_in(course: Course, homework: str, record: Record, name: str) -> str:
    """Return a number for what a person sees of a cell in a graded notebook; empty where there is none.

    For a test it is that of the test and of all code that the student wrote.
    """
    try:
        cells = nbformat.read(course.autograded(record.student, homework) / f"{homework}.ipynb", as_version=4).cells
    except (OSError, ValueError):
        return ""
    flags = {cell.id: cell.metadata.get("nbgrader", {}) for cell in cells}
    own = next((cell for cell in cells if flags[cell.id].get("grade_id") == name), None)
    if own is None:
        return ""
    is_test = not (flags[own.id].get("solution") or flags[own.id].get("task"))
    written = [cell for cell in cells if cell.cell_type == "code" and not flags[cell.id].get("locked")]
    return number([[cell.source, cell.get("attachments")] for cell in ([own, *written] if is_test else [own])])


def tests_of(course: Course, homework: str) -> str:
    """Return a number for the tests that are in force; empty where the homework is not released."""
    with course.gradebook() as gradebook:
        try:
            cells = gradebook.find_notebook(homework, homework).source_cells
        except MissingEntry:
            return ""
        return number(sorted([cell.name, cell.source] for cell in cells if cell.locked))


def number(what: list) -> str:
    """Return a number by which what is the same is known."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


@cache
def kit() -> str:
    """Return the version of the course, and a number for the code of `helpers`, which tests call."""
    code = [(path.name, path.read_bytes()) for path in sorted((COURSE_ROOT / "helpers").rglob("*.py"))]
    version = tomllib.loads((COURSE_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return f"{version}, helpers {number([[name, data.decode()] for name, data in code])}"


def machine() -> str:
    """Return the name of this machine, and what runs on it."""
    return f"{platform.node()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def due(course: Course, homework: str) -> datetime | None:
    """Return when a homework is due, if the gradebook knows."""
    with course.gradebook() as gradebook:
        try:
            found = gradebook.find_assignment(homework).duedate
        except MissingEntry:
            return None
    return found and found.replace(tzinfo=UTC)


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
