"""What changed about grades after they were given: who changed what, when and why, before and after.

`history/HW/STUDENT.json` has a list for each student, oldest first. An entry is written before anything is changed, so
that one that was interrupted is there, without an end.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from helpers.errors import UsageError
from helpers.files import atomic_write
from helpers.grading import GradingError
from helpers.grading.pipeline import Course, records

REGRADE, BY_HAND = "regrade", "points by hand"
Grade = dict[str, str]


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
    before: Grade
    after: Grade | None = None

    def __str__(self) -> str:
        """Return the change on one line."""
        end = told(self.after) if self.after else "not finished; do it again"
        return f"{self.when}  {self.what} by {self.who}: {told(self.before)} -> {end} ({self.why})"


def told(grade: Grade) -> str:
    """Return the points of a grade, or why there are none."""
    return f"{grade['points']} of {grade['most']}" if "points" in grade else grade["state"]


def grade_of(course: Course, homework: str, student: str) -> Grade:
    """Return a grade and what it was by: the submission, the tests, the course's version and the machine."""
    record = records.load(course, homework, student).get(student)
    if record is None:
        return {"state": "not graded"}
    score = records.scores(course, homework, student).get(student)
    facts = ("state", "version", "original", "submitted", "sha256", "tests", "graded", "kit", "machine", "failure")
    grade = {fact: str(value) for fact in facts if (value := getattr(record, fact))}
    if score is None or record.state != records.GRADED:
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
    path = _path(course, homework, student)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    begun = Change(now, who, what, " ".join(why.split()), grade_of(course, homework, student))
    _write(path, [*_read(path), begun])
    try:
        yield
    except GradingError:
        if grade_of(course, homework, student) == begun.before:
            _replace(path, begun)
        raise
    _replace(path, begun, replace(begun, after=grade_of(course, homework, student)))


def close(course: Course, homework: str, student: str, what: str) -> None:
    """Note the end of changes of a kind that were interrupted: it was found that they had been made."""
    path = _path(course, homework, student)
    for one in _read(path):
        if one.what == what and one.after is None:
            _replace(path, one, replace(one, after=grade_of(course, homework, student)))


def changes(course: Course, homework: str) -> dict[str, list[Change]]:
    """Read all changes of a homework's grades, by student."""
    return {path.stem: _read(path) for path in sorted(_path(course, homework, "").parent.glob("[!.]*.json"))}


def _path(course: Course, homework: str, student: str) -> Path:
    return course.grading / "history" / homework / f"{student}.json"


def _read(path: Path) -> list[Change]:
    return [Change(**each) for each in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def _replace(path: Path, begun: Change, *ended: Change) -> None:
    """Put the end of a change in its place; others may have been noted since it began."""
    found = _read(path)
    at = found.index(begun) if begun in found else len(found)
    _write(path, [*found[:at], *ended, *found[at + 1 :]])


def _write(path: Path, found: list[Change]) -> None:
    if not found:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps([asdict(each) for each in found], indent=1), encoding="utf-8")
