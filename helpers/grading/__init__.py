"""Grading of homework: what test cells call, what proves that the tests are good, and the way of a submission."""

from helpers.errors import CourseError, UsageError


class GradingError(CourseError):
    """Grading could not do its work. The message says why and what to do; nobody's score depends on it."""


class UnknownError(GradingError, UsageError):
    """A homework, a student, a file or a time that was named, and is not there or not understood."""
