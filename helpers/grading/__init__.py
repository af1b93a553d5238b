"""Grading of homework: what its notebooks call, and what instructors run.

    checks, samples, artefacts     what test cells call
    checking                       what students run before they hand in
    pipeline, plugins, sandbox     the way of a submission, from the zip file to the table of grades
    canonical                      a submission rebuilt on what was handed out
    mutants                        proof that the tests are good

Here are only the errors that are no student's fault.
"""

from helpers.errors import CourseError, UsageError


class GradingError(CourseError):
    """Grading could not do its work. The message says why and what to do; nobody's score depends on it."""


class UnknownError(GradingError, UsageError):
    """A homework, a student, a file or a time that was named, and is not there or not understood."""
