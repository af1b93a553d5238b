"""What the verbs of an instructor have in common: which homework, in which course, and its roster."""

import argparse
from pathlib import Path

from helpers.grading.pipeline import roster
from helpers.grading.pipeline.course import Course
from helpers.grading.pipeline.roster import Student

ROOT = Path(__file__).resolve().parents[3]


def add_homework(parser: argparse.ArgumentParser) -> None:
    """Add what every verb takes."""
    parser.add_argument("homework", metavar="HW", help="such as hw1_dense")
    parser.add_argument("--course", type=Path, default=ROOT, metavar="DIR", help="another course than this one")


def add_roster(parser: argparse.ArgumentParser) -> None:
    """Add where the roster is."""
    parser.add_argument("--roster", type=Path, metavar="CSV", help="default: homework/_instructor/grading/roster.csv")


def course(options: argparse.Namespace) -> Course:
    """Return the course that is meant.

    Raises:
        GradingError: it has no homework of this name.
    """
    found = Course(options.course.resolve())
    found.read_source(options.homework)
    return found


def students(course: Course, options: argparse.Namespace) -> dict[str, Student]:
    """Read the roster that is meant."""
    return roster.read(options.roster or course.grading / roster.NAME)
