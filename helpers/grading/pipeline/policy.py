"""What late work costs and who has more time: `course.toml` and the roster, applied whenever grades are shown.

The gradebook keeps the points that tests and people gave. An extension, or another policy, therefore changes the next
table without grading anything again.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from helpers.errors import nearest
from helpers.experiments.validation import kinds, place_in, validate
from helpers.grading import GradingError, UnknownError
from helpers.grading.pipeline import Course, records
from helpers.grading.pipeline.records import Record, Score
from helpers.grading.pipeline.roster import Student, Term

NAME = "course.toml"
WANTED = 'a day, a time and its zone, such as "2026-11-30 23:59 UTC", "... +0100" or "... Europe/Berlin"'
DAY = timedelta(days=1)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?(?:\s*(Z|UTC|[+-]\d\d:?\d\d)|\s+([A-Za-z][\w+-]*(?:/[\w+-]+)*))?"
)
_LENGTH = re.compile(r"\+?\s*(\d+(?:\.\d+)?)\s*(d|days?|h|hours?)?", re.IGNORECASE)
_validate = partial(validate, wrong=GradingError, unknown=UnknownError)
_EXTENSION = "a number of days (3, 0.5), of hours (12 h), or the day until which there is time (2026-12-03 23:59 UTC)"


@dataclass(frozen=True)
class Late:
    """What late work costs.

    Attributes:
        percent: taken off for each day that has begun.
        days: so many are accepted; what comes later has no points.
        grace: minutes after the due date that do not count, nor after each day.
        cap: the most that is taken off, in percent, of what is accepted.
        of: whether these are percent of the points that can be had, or of those that a student has.
    """

    percent: Annotated[float, Field(ge=0, le=100)] = 0
    days: Annotated[float, Field(ge=0)] = math.inf
    grace: Annotated[float, Field(ge=0)] = 0
    cap: Annotated[float, Field(ge=0, le=100)] = 100
    of: Literal["maximum", "score"] = "maximum"

    def days_late(self, due: datetime, handed_in: datetime, zone: tzinfo | None = None) -> int:
        """Return how many days have begun, from noon to noon even where a clock is changed between.

        >>> due = datetime(2026, 11, 30, 12, tzinfo=UTC)
        >>> [Late(grace=15).days_late(due, due + timedelta(minutes=late)) for late in (15, 16, 1455, 1456)]
        [0, 1, 1, 2]
        """
        counted = handed_in - timedelta(minutes=self.grace)
        days = max(0, math.ceil((counted - due) / DAY) - 1)  # a change of the clock makes one day more or less
        while later(due, days, zone) < counted:
            days += 1
        return days

    def taken_off(self, days: int, points: float, most: float) -> float:
        """Return how many points work loses that is some days late.

        >>> late = Late(percent=10, days=7, cap=50)
        >>> [late.taken_off(days, 36.0, 40) for days in (0, 2, 6, 8)]
        [0.0, 8.0, 20.0, 36.0]
        """
        if days > self.days:
            return max(0.0, points)
        share = min(self.percent * days, self.cap) / 100
        return round(max(0.0, min(points, share * (most if self.of == "maximum" else points))), 2)


@dataclass(frozen=True)
class Standing:
    """How a student stands by the policy.

    Attributes:
        days_late: that have begun.
        taken_off: points.
        final: what is left of the points.
        due: for this student; None where nobody said when.
        extension: as the roster has it.
        notes: what a person should know.
    """

    days_late: int
    taken_off: float
    final: float
    due: datetime | None
    extension: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """What holds for one homework.

    Attributes:
        due: when it is due for those who have no extension; None where nobody said.
        late: what late work costs; None leaves it to nbgrader's own setting, which by default takes nothing off.
        extensions: by student: the time until which a homework may come; and how the roster says it. None where there
            is more time than until nobody knows when.
        known_late: by student: the days that the roster gives.
        zone: by whose clock days are counted; UTC if None.
        enrolled: who is on the roster; None where there is none.
    """

    due: datetime | None = None
    late: Late | None = None
    extensions: Mapping[str, tuple[datetime | None, str]] = field(default_factory=dict)
    known_late: Mapping[str, int] = field(default_factory=dict)
    zone: tzinfo | None = None
    enrolled: frozenset[str] | None = None

    def due_for(self, student: str) -> datetime | None:
        """Return when a homework is due for a student."""
        return self.extensions.get(student, (self.due, ""))[0]

    def deadline(self, student: str) -> datetime | None:
        """Return until when the work of a student is not late."""
        due = self.due_for(student)
        return due and due + timedelta(minutes=self.late.grace if self.late else 0)

    def excuses(self, student: str) -> bool:
        """Return whether what the platform calls late is not, as far as the roster says."""
        return student in self.extensions or self.known_late.get(student) == 0

    def standing(self, student: str, record: Record | None, score: Score | None) -> Standing:
        """Return what a student has.

        Args:
            student: who.
            record: of the submission that counts.
            score: of it; None where there is none.
        """
        extension = self.extensions.get(student, (None, ""))[1]
        days, notes = self._days_late(student, record, score)
        points, most, penalty = (score.points, score.most, score.penalty) if score else (0.0, 0.0, 0.0)
        off = self.late.taken_off(days, points, most) if self.late else min(points, penalty)
        if off and self.enrolled is not None and student not in self.enrolled:  # another roster may give more time
            off, notes = 0.0, ["not on this roster: nothing taken off for late work"]
        newer = self._in_time_now(student, record)
        notes += [f"version {newer} came within the extension; collect the zip again to grade it"] if newer else []
        return Standing(days, off, max(0.0, points - off), self.due_for(student), extension, tuple(notes))

    def _days_late(self, student: str, record: Record | None, score: Score | None) -> tuple[int, list[str]]:
        if student in self.known_late:
            return self.known_late[student], []
        due, handed_in = self.due_for(student), _handed_in(record)
        if handed_in is None and self.due and score and score.late_seconds > 0:  # came another way than `collect`
            handed_in = self.due + timedelta(seconds=score.late_seconds)
        if due and handed_in:
            return (self.late or Late()).days_late(due, handed_in, self.zone), []
        if not (record and record.late):
            return 0, []
        unknown = "the platform marks it late but gives no time"
        if student in self.extensions:
            return 0, [f"{unknown}; the extension is taken to cover it"]
        column = "a column 'days late HW' of the roster can say how many"
        return 1, [f"{unknown}; counted as 1 day, and {column}"] if self.late else []

    def _in_time_now(self, student: str, record: Record | None) -> str:
        """Return the newest version that is not graded because it was late and would not be any more; "" if none."""
        deadline = self.deadline(student)
        if student not in self.extensions or not record or record.by_hand:
            return ""
        rows = [row for row in record.versions if row["why"] == "late"]
        found = [row["version"] for row in rows if _is_in_time(row["handed in"], deadline)]
        return max(found, key=int, default="")


def _is_in_time(handed_in: str, deadline: datetime | None) -> bool:
    """Return whether a version is in time; an extension is taken to cover what came at a time that nobody knows."""
    return not handed_in or bool(deadline and _parsed(handed_in) <= deadline)


def later(due: datetime, days: float, zone: tzinfo | None) -> datetime:
    """Return a time some days later: whole days at the same time by the clock of a zone, parts of them in hours.

    >>> f"{later(datetime(2026, 10, 24, 10, tzinfo=UTC), 1.5, ZoneInfo('Europe/Berlin'))}"  # 25 and 12 hours
    '2026-10-25 23:00:00+00:00'
    """
    whole, part = divmod(days, 1)
    return (due.astimezone(zone or UTC) + whole * DAY).astimezone(UTC) + part * DAY


def _handed_in(record: Record | None) -> datetime | None:
    return _parsed(record.submitted) if record and record.submitted else None


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC)


def read(course: Course, homework: str, students: Mapping[str, Student]) -> Policy:
    """Read what holds for a homework: its due date, `course.toml` and the roster's columns.

    Args:
        course: where.
        homework: which.
        students: by their number; see `roster.read`. Who is not among them loses nothing for late work, unless nobody
            is.

    Raises:
        GradingError: a value is not understood; the message says where it stands and what is allowed.
    """
    known = [path.name for path in course.source(homework).parent.glob("*/")]
    late = _late(course, homework, known)
    due, here = records.due(course, homework), zone(course)
    extensions, known_late = {}, {}
    for student in students.values():
        for term in _in_order(student.terms, homework, known):
            if term.kind == "extension":
                extensions[student.id] = (_extension(term, here, due), term.text)
            else:
                known_late[student.id] = _days(term, homework)
    enrolled = frozenset(student.id for student in students.values()) or None
    return Policy(due, late, extensions, known_late, here, enrolled)


def zone(course: Course) -> tzinfo | None:
    """Return the time zone of times that name none; None where `course.toml` does not say.

    Raises:
        GradingError: there is no such zone, or another setting is not known.
    """
    found = _settings(course)
    return ZoneInfo(found["zone"]) if "zone" in found else None


def _settings(course: Course) -> dict[str, Any]:
    path = course.grading / NAME
    for stray in (course.root / NAME, course.root / "homework" / NAME, course.grading.parent / NAME):
        if stray.exists():
            raise GradingError(f"{stray} is not read; move it to {path}")
    if not path.exists():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GradingError(f"{path} is no TOML: {error}. Put texts in quotes, and each setting on a line") from None
    known = {"zone": Annotated[str, AfterValidator(_zone)], "late": dict}
    _validate(found, known, partial(place_in, path))
    return found


def _late(course: Course, homework: str, known: list[str]) -> Late | None:
    """Read what late work costs: the table `late`, and for one homework a table such as `late.hw1_dense`."""
    path, found = course.grading / NAME, _settings(course)
    table = dict(found.get("late", {}))
    _validate(table, kinds(Late) | dict.fromkeys(known, dict), lambda key: place_in(path, f"late.{key}"))
    own = {name: table.pop(name) for name in known if name in table}
    for name, settings in own.items():
        _validate(settings, kinds(Late), lambda key, name=name: place_in(path, f"late.{name}.{key}"))  # type: ignore[misc]
    return Late(**table | own.get(homework, {})) if "late" in found else None


def _zone(name: str) -> str:
    try:
        return str(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        raise ValueError('the name of a time zone, such as "Europe/Berlin" or "UTC"') from None


def _in_order(terms: tuple[Term, ...], homework: str, known: list[str]) -> list[Term]:
    """Return the terms that hold for a homework; those that name it come last, and therefore count."""
    for term in terms:
        if term.homework and term.homework not in known:
            names = ", ".join(sorted(known))
            raise UnknownError(
                f"{term.where}: there is no homework {term.homework!r}.{nearest(term.homework, known)} "
                f"There are: {names}."
            )
    return sorted((one for one in terms if one.homework in ("", homework)), key=lambda one: one.homework)


def _extension(term: Term, zone: tzinfo | None, due: datetime | None) -> datetime | None:
    length = _LENGTH.fullmatch(term.text)
    in_hours = length and (length[2] or "d")[0] in "hH"
    if length and float(length[1]) <= 366 * (24 if in_hours else 1):
        more = float(length[1])
        return due and (due + timedelta(hours=more) if in_hours else later(due, more, zone))
    if not term.homework and _TIME.fullmatch(term.text):
        raise GradingError(
            f"{term.where}: {term.text!r} is a time, which is for one homework; "
            "put it into a column such as 'extension hw1_dense', or write a number of days"
        )
    until = read_time(term.text, zone, f"{term.where}: {term.text!r}", wanted=f"{_EXTENSION}; leave it empty for none")
    if due and until < due:
        raise GradingError(f"{term.where}: {term.text!r} is before the homework is due, {due:%Y-%m-%d %H:%M} UTC")
    return until


def _days(term: Term, homework: str) -> int:
    if not term.homework:
        raise GradingError(f"{term.where}: name the homework: 'days late {homework}'")
    if re.fullmatch(r"\d{1,3}", term.text):
        return int(term.text)
    raise GradingError(f"{term.where}: {term.text!r} is not understood; wanted is a whole number of days, such as 2")


def read_time(text: str, zone: tzinfo | None, what: str, *, wanted: str = WANTED) -> datetime:
    """Read a time, or a day for its end; a guess of the zone would make students late.

    Args:
        text: what came.
        zone: of a time that has none; None where nobody said.
        what: the beginning of the message about a time that is not understood.
        wanted: the end of it.

    Returns:
        The time in UTC.

    Raises:
        GradingError: it is no time, or no zone that is known.

    >>> f"{read_time('2026-11-30 23:59 +0100', None, '--due')}", f"{read_time('2026-07-01', ZoneInfo('CET'), '--due')}"
    ('2026-11-30 22:59:00+00:00', '2026-07-01 21:59:59+00:00')
    """
    try:
        day, clock, offset, name = _TIME.fullmatch(text.strip()).groups()  # type: ignore[union-attr]  # None is caught
        shift = {None: "", "Z": "+00:00", "UTC": "+00:00"}.get(offset, offset)
        found = datetime.fromisoformat(f"{day}T{clock or '23:59:59'}{shift}")
        found = found.replace(tzinfo=ZoneInfo(name)) if name else found
    except (AttributeError, ValueError, KeyError, OSError):  # no time; the last two are unknown zones
        raise UnknownError(f"{what} is not understood; wanted is {wanted}") from None
    if not (found.tzinfo or zone):
        raise UnknownError(
            f'{what} has no time zone; write it behind the time, or zone = "Europe/Berlin" into {NAME}. '
            f"Wanted is {wanted}"
        )
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
