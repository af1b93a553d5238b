"""Points that people give in a spreadsheet: a table to fill in, read back as a whole or not at all."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import nearest
from helpers.grading import GradingError
from helpers.grading.pipeline import Course, records, roster

ANSWERS = "answers"  # the column that tells for which answers points are given
ABOUT = ("student_id", "name", "email", "homework", ANSWERS)  # columns that are no points
_CELL = re.compile(r"\s*(\S+?)\s*(?:\(of [\d.]+\))?\s*")
Points = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Given:
    """What the gradebook has of one cell of a student's.

    Attributes:
        most: points that it can give.
        by_hand: that a person gave; None where nobody did, or for an answer that has changed since.
        is_written: whether only a person can grade it.
    """

    most: float
    by_hand: float | None
    is_written: bool


def sheet(course: Course, homework: str, students: Mapping[str, roster.Student]) -> list[dict[str, str]]:
    """Return a table to give points in: a row for each student who is graded, a column for each written answer.

    Raises:
        GradingError: nothing is graded yet.
    """
    names = {student.id: student.name for student in students.values()}
    known = records.load(course, homework)
    table = [
        {"student_id": student, "name": names.get(student, "")}
        | {ANSWERS: _answers(course, homework, known[student], cells)}
        | {f"{cell} (of {one.most:g})": _text(one.by_hand) for cell, one in cells.items() if one.is_written}
        for student, cells in _given(course, homework).items()
    ]
    if not table:
        raise GradingError(f"nothing of {homework} is graded yet. Do: ./course homework grade {homework}")
    return table


def read(course: Course, homework: str, path: Path) -> Points:
    """Read points by student and cell; an empty field leaves what is there.

    Args:
        course: where.
        homework: which.
        path: a table with the column student_id and columns named like cells; those of tests overrule the tests. Where
            it has the column `answers` of `sheet`, points are for these answers only.

    Raises:
        GradingError: there are students who have no grade, columns that are no cells or for the same one, points out of
            range or for an answer that has changed since. The message names the file and the lines.
    """
    given, lines, known = _given(course, homework), roster.numbered(path), records.load(course, homework)
    if not lines or "student_id" not in lines[0][1]:
        raise GradingError(f"{path} has no column student_id, or no rows; `export --by-hand` writes a table to fill in")
    cells = {cell for one in given.values() for cell in one}
    columns = {column: found[1] for column in lines[0][1] if column and (found := _CELL.fullmatch(column))}
    faults = [
        f"line 1: there is no cell {cell!r}.{nearest(cell, cells)} There are: {', '.join(sorted(cells))}"
        for column, cell in columns.items()
        if column not in ABOUT and cell not in cells
    ]
    twice = [cell for cell, count in Counter(columns.values()).items() if count > 1]
    faults += [f"line 1: there are two columns for {cell!r}; keep one of them" for cell in twice]
    points: Points = {}
    for number, row in lines:
        student = (row["student_id"] or "").strip()
        fields = {cell: (row[column] or "").strip() for column, cell in columns.items() if column not in ABOUT}
        fields = {cell: text for cell, text in fields.items() if text and cell in cells}
        faults += [f"line {number}: {fault}" for fault in _faults(student, row, fields, given, points)]
        seen = (row.get(ANSWERS) or "").strip()
        if fields and seen and student in given and seen != _answers(course, homework, known[student], given[student]):
            faults.append(f"line {number}: the answer of {student} changed since; export again, or remove the line")
        if student in given:
            points[student] = {cell: value for cell, text in fields.items() if (value := _number(text)) is not None}
    if faults:
        raise GradingError("\n".join([f"{path} was not read, and nothing was changed:", *faults]))
    return points


def _faults(student: str, row: dict, fields: dict[str, str], given: Mapping, points: Points) -> Iterator[str]:
    if None in row:
        yield f"more fields than columns: {', '.join(row[None])}. Write 1.5 with a dot, or in quotes"
    if student in points:
        yield f"{student} has a row already"
    if student not in given:
        if fields:
            yield f"nobody called {student!r} has a grade.{nearest(student, given)}"
        return
    for cell, text in fields.items():
        value, most = _number(text), given[student][cell].most
        if value is None or not 0 <= value <= most:
            yield f"column {cell}: {text!r} of {student}; wanted is a number from 0 to {most:g}, or nothing"


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))  # as spreadsheets write numbers in some countries
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def enter(course: Course, homework: str, points: Points, *, who: str, why: str) -> list[str]:
    """Enter points as given by hand, and keep who gave them and why.

    Returns:
        The students whose points changed.

    Raises:
        GradingError: the homework is being collected or graded now.
    """
    changed = []
    with records.alone(course, homework):
        given = _given(course, homework)
        for student, cells in points.items():
            new = {cell: value for cell, value in cells.items() if given[student][cell].by_hand != value}
            if not new:
                records.end_changes(course, homework, student, records.BY_HAND)  # where an import was killed
                continue
            with records.change(course, homework, student, records.BY_HAND, who=who, why=why):
                records.give_by_hand(course, homework, student, new)
            changed.append(student)
    return changed


def _given(course: Course, homework: str) -> dict[str, dict[str, Given]]:
    """Return what students who have a grade have, by student and cell."""
    graded = {name for name, record in records.load(course, homework).items() if record.state == records.GRADED}
    flags = [cell.metadata.get("nbgrader", {}) for cell in course.read_source(homework).cells]
    written = {one["grade_id"] for one in flags if one.get("task") or (one.get("grade") and one.get("solution"))}
    with course.gradebook() as gradebook:
        return {
            one.student_id: {
                grade.name: Given(
                    grade.max_score, None if grade.needs_manual_grade else grade.manual_score, grade.name in written
                )
                for notebook in one.notebooks
                for grade in notebook.grades
            }
            for one in sorted(gradebook.assignment_submissions(homework), key=lambda one: one.student_id)
            if one.student_id in graded
        }


def _answers(course: Course, homework: str, record: records.Record, cells: Mapping[str, Given]) -> str:
    """Return a number for the written answers of a student; no spreadsheet takes it for one to compute with."""
    written = sorted(cell for cell, one in cells.items() if one.is_written)
    return f"a{records.number([records.answer_in(course, homework, record, cell) for cell in written])[:8]}"


def _text(points: float | None) -> str:
    return "" if points is None else f"{points:g}"
