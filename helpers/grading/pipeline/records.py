"""What is known of each submission: which file, when, what was wrong, how its grading ended; its score, its history.

The score is in nbgrader's gradebook, the rest in one JSON file for each student and homework, written whole. Before a
submission is graded its record says so; a grading that is interrupted therefore leaves no score that could pass for a
new one.

The history is what changed about a grade after it was given: who changed what, when and why, before and after.
`history/HW/STUDENT.json` has a list for each student, oldest first. An entry is written before anything is changed, so
that one that was interrupted is there, without an end.
"""

import hashlib
import json
import platform
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedAssignment

from helpers.data.fetch import COURSE_ROOT
from helpers.errors import UsageError
from helpers.files import LockedError, atomic_write, locked
from helpers.grading import GradingError
from helpers.grading.pipeline import Course

COLLECTED, GRADING, GRADED, FAILED = "collected", "grading", "graded", "failed"
REGRADE, BY_HAND = "regrade", "points by hand"  # what changes a grade that was given
PATIENCE = 10  # seconds to wait for another process that notes a change, which takes it milliseconds


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
        variant: the student's own values by which it was graded, where the homework has variants.
        variant_of: whose variant was in the notebook that was handed in, where it is another student's.
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
    variant: str = ""
    variant_of: str = ""

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


# ---- what changed about a grade ----


@dataclass(frozen=True)
class Change:
    """One change of a student's grade.

    Attributes:
        when: in UTC.
        who: changed it.
        what: "regrade" or "points by hand".
        why: the reason that was given.
        before: the grade and what it was by; see `grade_of`.
        after: the same, afterwards; None where the change was interrupted.
    """

    when: str
    who: str
    what: str
    why: str
    before: dict[str, str]
    after: dict[str, str] | None = None

    def __str__(self) -> str:
        """Return the change on one line."""
        end = told(self.after) if self.after else "not finished; do it again"
        return f"{self.when}  {self.what} by {self.who}: {told(self.before)} -> {end} ({self.why})"


def told(grade: dict[str, str]) -> str:
    """Return the points of a grade, or why there are none."""
    return f"{grade['points']} of {grade['most']}" if "points" in grade else grade["state"]


def grade_of(course: Course, homework: str, student: str) -> dict[str, str]:
    """Return a grade and what it was by: the submission, the tests, the course's version and the machine."""
    record = load(course, homework, student).get(student)
    if record is None:
        return {"state": "not graded"}
    score = scores(course, homework, student).get(student)
    what = ("state", "version", "original", "submitted", "sha256", "variant", "tests")
    facts = (*what, "graded", "kit", "machine", "failure")
    grade = {fact: str(value) for fact in facts if (value := getattr(record, fact))}
    if score is None or record.state != GRADED:
        return grade
    return grade | {"points": f"{score.points:g}", "most": f"{score.most:g}"}


@contextmanager
def change(course: Course, homework: str, student: str, what: str, *, who: str, why: str) -> Iterator[None]:
    """Note a change that is made inside.

    Raises:
        UsageError: no reason was given.
        GradingError: the change could not be made; nothing is noted where the grade is what it was.
    """
    if not why.strip():
        raise UsageError("a change of a grade needs a reason; say --why, such as 'question 2 can be read both ways'")
    path = _history(course, homework, student)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    begun = Change(now, who, what, " ".join(why.split()), grade_of(course, homework, student))
    with _noting(path):
        _write_changes(path, [*_read_changes(path), begun])
    try:
        yield
    except GradingError:
        if grade_of(course, homework, student) == begun.before:
            _end(path, begun)
        raise
    _end(path, begun, replace(begun, after=grade_of(course, homework, student)))


def end_changes(course: Course, homework: str, student: str, what: str) -> None:
    """Note the end of changes of a kind that were interrupted: it was found that they had been made."""
    path = _history(course, homework, student)
    for one in _read_changes(path):
        if one.what == what and one.after is None:
            _end(path, one, replace(one, after=grade_of(course, homework, student)))


def changes(course: Course, homework: str) -> dict[str, list[Change]]:
    """Read all changes of a homework's grades, by student."""
    return {path.stem: _read_changes(path) for path in sorted(_history(course, homework, "").parent.glob("[!.]*.json"))}


def _history(course: Course, homework: str, student: str) -> Path:
    return course.grading / "history" / homework / f"{student}.json"


def _read_changes(path: Path) -> list[Change]:
    return [Change(**each) for each in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def _end(path: Path, begun: Change, *ended: Change) -> None:
    """Put the end of a change in its place; others may have been noted since it began."""
    with _noting(path):
        found = _read_changes(path)
        at = found.index(begun) if begun in found else len(found)
        _write_changes(path, [*found[:at], *ended, *found[at + 1 :]])


@contextmanager
def _noting(path: Path) -> Iterator[None]:
    """Wait until no other process notes a change of this grade: what one writes, the other would overwrite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + PATIENCE
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(path.with_suffix(".lock")))
                break
            except LockedError as error:
                if time.monotonic() > end:
                    raise GradingError(f"{path} is being written; do this again. It is: {error}") from None
                time.sleep(0.02)
        yield


def _write_changes(path: Path, found: list[Change]) -> None:
    if not found:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps([asdict(each) for each in found], indent=1), encoding="utf-8")
