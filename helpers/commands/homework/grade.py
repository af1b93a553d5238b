"""`./course homework grade HW`: run what was collected, in sandboxes, and enter the points."""

import argparse
import sys

from tqdm import tqdm

from helpers.commands.homework import common
from helpers.grading.faults import UnknownError
from helpers.grading.pipeline import scores
from helpers.grading.pipeline.course import Course
from helpers.grading.pipeline.grading import grade, waiting
from helpers.grading.pipeline.records import Record

UNSAFE = (
    "course homework grade: WARNING: no sandbox. What students wrote runs with all of your rights: it can read hidden "
    "tests and change grades and files."
)


def run(options: argparse.Namespace) -> int:
    """Grade, with a bar in a terminal; return 1 if a submission has no score."""
    course = common.course(options)
    if options.unsafe:
        print(UNSAFE, file=sys.stderr)
    todo = _todo(course, options)
    with tqdm(total=len(todo), desc="graded", unit="", disable=None, leave=False) as bar:
        graded = grade(
            course,
            options.homework,
            todo,
            jobs=options.jobs,
            unsafe=options.unsafe,
            done=lambda record: bar.update(),
        )
    return _report(graded, scores.read(course, options.homework))


def _todo(course: Course, options: argparse.Namespace) -> list[Record]:
    """List what to grade; a name that nobody has is no reason to say that all went well."""
    todo = waiting(course, options.homework, again=options.again or bool(options.student))
    if options.student is None:
        return todo
    chosen = [record for record in todo if record.student == options.student]
    if not chosen:
        names = ", ".join(record.student for record in todo) or "nobody"
        raise UnknownError(f"there is nothing of {options.student} to grade; there is of: {names}")
    return chosen


def _report(graded: list[Record], points: dict[str, scores.Score]) -> int:
    failed = [record for record in graded if record.failure]
    for record in graded:
        score = points.get(record.student)
        shown = "-" if record.failure or score is None else f"{score.points:g} of {score.most:g}"
        print(f"{record.student:16} {shown:>12}  {'; '.join([*record.problems, record.failure]).strip('; ')}".rstrip())
    print(f"{len(graded) - len(failed)} graded, {len(failed)} without a score.")
    return 1 if failed else 0
