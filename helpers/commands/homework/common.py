"""What the verbs of an instructor have in common: which homework, in which course, and its roster."""

import argparse

from helpers.grading.pipeline import roster
from helpers.grading.pipeline.course import Course
from helpers.grading.pipeline.roster import Student


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
