"""What can go wrong in grading that no student did. Used by everything below `grading`."""


class GradingError(RuntimeError):
    """Grading could not do its work. The message says why and what to do; nobody's score depends on it."""
