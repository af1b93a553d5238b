"""Who takes the course: read from our own table, from Canvas' gradebook or from Moodle's grading worksheet."""

import csv
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.grading import GradingError, UnknownError

NAME = "roster.csv"
_ODD = re.compile(r"[^\w.@-]+")  # o'brien, DOMAIN\bob
_CANVAS_TEST = "Student, Test"  # who is nobody
_TERM = re.compile(r"\s*(extension|days[ _]late)s?(?:[ _:]+(\S.*?))?\s*", re.IGNORECASE)
# for each heading that tells a kind of table: the columns of id, name, e-mail and of the number in file names
_TABLES = {
    "student_id": ("student_id", "name", "email", "lms_id"),
    "SIS Login ID": ("SIS Login ID", "Student", "", "ID"),
    "Identifier": ("Email address", "Full name", "Email address", "Identifier"),
}


@dataclass(frozen=True)
class Term:
    """What an instructor added to a student's row; `policy` says what it means.

    Attributes:
        kind: "extension" or "days late".
        homework: for which; empty for all.
        text: as it stands.
        where: the file, the line and the column.
    """

    kind: str
    homework: str
    text: str
    where: str


@dataclass(frozen=True)
class Student:
    """One student.

    Attributes:
        id: what the gradebook calls them: letters, digits, `.`, `-`, `_`, `@`.
        name: as the learning platform writes it.
        email: may be empty.
        lms_id: the number that the platform puts into the names of their files.
        terms: columns such as `extension` or `extension hw1_dense`, where they are not empty.
    """

    id: str
    name: str
    email: str
    lms_id: str
    terms: tuple[Term, ...] = ()

    @property
    def first_and_last(self) -> tuple[str, str]:
        """Divide the name as the gradebook wants it.

        >>> Student("al", "Lovelace, Ada", "", "1").first_and_last
        ('Ada', 'Lovelace')
        >>> Student("al", "Ada King Lovelace", "", "1").first_and_last
        ('Ada King', 'Lovelace')
        """
        if "," in self.name:
            last, _, first = self.name.partition(",")
        else:
            first, _, last = self.name.rpartition(" ")
        return first.strip(), last.strip()


def read(path: Path) -> dict[str, Student]:
    """Read a roster.

    Returns:
        Students by the number that the platform puts into the names of their files.

    Raises:
        GradingError: the file is not there, is none of the tables that are known, names somebody twice or without a
            number, or has two columns for one extension.
    """
    if not path.exists():
        raise UnknownError(f"{path} is not there. Export it from Canvas (Grades) or Moodle (grading worksheet)")
    lines = numbered(path)
    rows = [row for _, row in lines]
    heading = next((name for name in _TABLES if rows and name in rows[0]), None)
    if heading is None:
        raise GradingError(
            f"{path} has none of the columns {', '.join(_TABLES)}, or no rows; wanted a roster with student_id, "
            "name, email and lms_id, Canvas' gradebook or Moodle's grading worksheet"
        )
    found = [(_student(row, _TABLES[heading]), _terms(path, number, row)) for number, row in lines]
    students = _named_apart([replace(student, terms=own) for student, own in found if student])
    _refuse_doubt(path, students)
    return {student.lms_id: student for student in students}


def table(path: Path) -> list[dict[str, str]]:
    """Read a table as a learning platform exports it: a row for each line, by the names of the columns.

    Raises:
        GradingError: it is no text in UTF-8, or no table.
    """
    return [row for _, row in numbered(path)]


def numbered(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a table, each row with the line on which it ends; its fields may be divided by semicolons.

    Raises:
        GradingError: it is no text in UTF-8, no table, or has two columns for one extension.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            heading = file.readline()
            file.seek(0)
            # as spreadsheets write it where numbers have a comma
            reader = csv.DictReader(file, delimiter=";" if heading.count(";") > heading.count(",") else ",")
            terms = Counter(filter(None, map(_term, reader.fieldnames or ())))
            if twice := [" ".join(term).strip() for term, count in terms.items() if count > 1]:
                raise GradingError(f"{path} has two columns for {', '.join(twice)}; keep one of them")
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        remedy = "Export it again, or save it in your spreadsheet as 'CSV UTF-8'"
        raise GradingError(
            f"{path} is no table in UTF-8, or was saved in another encoding ({error}). {remedy}"
        ) from None


def _student(row: dict[str, str], columns: tuple[str, ...]) -> Student | None:
    """Read one row, its id as it stands; None for rows that are no student, such as Canvas' "Points Possible"."""
    values = [(row.get(column) or "").strip() for column in columns]
    student, name, email, number = values[0], values[1], values[2], values[3].split()[-1:]
    if name == _CANVAS_TEST or not (number or student):
        return None
    return Student(student, name, email, number[0] if number else "")


def _terms(path: Path, line: int, row: dict[str, str]) -> tuple[Term, ...]:
    """Return what a row says of extensions and late days."""
    cells = {column: (value or "").strip() for column, value in row.items() if column and isinstance(value, str)}
    filled = [(_term(column), column, text) for column, text in cells.items() if text]
    return tuple(Term(*term, text, f"{path}, line {line}, column {column!r}") for term, column, text in filled if term)


def _term(column: str) -> tuple[str, str] | None:
    """Return what a column is about, and for which homework; None for those of platforms.

    >>> _term("Extension: hw1_dense"), _term("extension"), _term("Extension school (4711)"), _term("email")
    (('extension', 'hw1_dense'), ('extension', ''), None, None)
    """
    found = _TERM.fullmatch(column)
    if not found or re.search(r"\(\d+\)$", column):  # as Canvas names the columns of its assignments
        return None
    return found[1].lower().replace("_", " "), found[2] or ""


def _named_apart(students: list[Student]) -> list[Student]:
    """Return ids that can be a folder's name: of addresses what is before the @, where that is nobody else's as well.

    Where Moodle hides addresses, the number is the id.
    """
    firsts = Counter(student.id.split("@")[0] for student in students)
    short = [one.id if firsts[one.id.split("@")[0]] > 1 else one.id.split("@")[0] for one in students]
    return [
        replace(one, id=_ODD.sub("-", name).lstrip(".-@") or one.lms_id)
        for one, name in zip(students, short, strict=True)
    ]


def _refuse_doubt(path: Path, students: list[Student]) -> None:
    """Refuse a roster by which somebody's work would be lost or be another's."""
    lost = [student.name or student.id for student in students if not student.lms_id]
    if lost:
        raise GradingError(f"{path} has no number for {', '.join(lost)}: by it their files are known")
    ids, numbers = Counter(one.id for one in students), Counter(one.lms_id for one in students)
    twice = [f"{one.id} ({one.lms_id})" for one in students if ids[one.id] > 1 or numbers[one.lms_id] > 1]
    if twice:
        raise GradingError(f"{path} names a student or a number twice: {', '.join(twice)}; every student needs one row")
    if not students:
        raise GradingError(f"{path} has no students in it")
