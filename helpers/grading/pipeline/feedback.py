"""Feedback: a page for each student with scores, comments and errors, without hidden tests; and a zip to hand back."""

import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from helpers.files import whole
from helpers.grading.faults import GradingError
from helpers.grading.pipeline import records
from helpers.grading.pipeline.course import Course
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.releasing import reason


def graded(course: Course, homework: str) -> list[Record]:
    """List the submissions that have a score."""
    return [record for record in records.load(course, homework).values() if record.state == records.GRADED]


def feedback(
    course: Course, homework: str, submissions: list[Record], *, done: Callable[[Record], None] = lambda record: None
) -> Path:
    """Write the pages.

    Args:
        course: where.
        homework: which.
        submissions: see `graded`.
        done: is told each record whose page is written.

    Returns:
        A zip file with a page for each student under the name of what they handed in, as platforms take it back.

    Raises:
        GradingError: nbgrader could not write a page.
    """
    archive = course.grading / "feedback" / f"{homework}.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    api = course.api()
    with whole(archive) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as zipped:
        for record in submissions:
            result = api.generate_feedback(homework, record.student)
            if not result["success"]:
                raise GradingError(f"no feedback for {record.student}: {reason(result)}")
            zipped.write(page(course, homework, record.student), _name(homework, record))
            done(record)
    return archive


def page(course: Course, homework: str, student: str) -> Path:
    """Return where a student's page is."""
    return course.grading / "feedback" / student / homework / f"{homework}.html"


def _name(homework: str, record: Record) -> str:
    original = PurePosixPath(record.original or f"{record.student}/{homework}.ipynb")
    return str(original.with_suffix(".html"))
