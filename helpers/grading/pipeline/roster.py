"""Who takes the course: read from our own table, from Canvas' gradebook or from Moodle's grading worksheet."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from helpers.grading.faults import GradingError

NAME = "roster.csv"
_STUDENT = re.compile(r"\w[\w.@-]*")
# for each heading that tells a kind of table: the columns of id, name, e-mail and of the number in file names
_TABLES = {
    "student_id": ("student_id", "name", "email", "lms_id"),
    "SIS Login ID": ("SIS Login ID", "Student", "", "ID"),
    "Identifier": ("Email address", "Full name", "Email address", "Identifier"),
}


@dataclass(frozen=True)
class Student:
    """One student.

    Attributes:
        id: what the gradebook calls them: letters, digits, `.`, `-`, `_`.
        name: as the learning platform writes it.
        email: may be empty.
        lms_id: the number that the platform puts into the names of their files.
    """

    id: str
    name: str
    email: str
    lms_id: str

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
        GradingError: the file is not there, is none of the tables that are known, or names somebody twice.
    """
    if not path.exists():
        raise GradingError(f"{path} is not there. Export it from Canvas (Grades) or Moodle (grading worksheet)")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    heading = next((name for name in _TABLES if rows and name in rows[0]), None)
    if heading is None:
        raise GradingError(
            f"{path} has none of the columns {', '.join(_TABLES)}; wanted a roster with student_id, "
            "name, email and lms_id, Canvas' gradebook or Moodle's grading worksheet"
        )
    students = [student for row in rows if (student := _student(row, _TABLES[heading]))]
    found = {student.lms_id: student for student in students}
    if len(found) < len(students) or len({student.id for student in students}) < len(students):
        raise GradingError(f"{path} names a student or a number twice; every student wants one row")
    return found


def _student(row: dict[str, str], columns: tuple[str, ...]) -> Student | None:
    """Read one row; None for rows that are no student, such as Canvas' "Points Possible" and its test student."""
    values = [(row.get(column) or "").strip() for column in columns]
    student, name, email, number = values[0].split("@")[0], values[1], values[2], values[3].split()[-1:]
    if not number or not _STUDENT.fullmatch(student):
        return None
    return Student(student, name, email, number[0])
