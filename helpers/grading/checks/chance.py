"""Seeds of the test cells. The self-test shifts them, to see how much of a score is luck."""

from collections.abc import Iterator
from contextlib import contextmanager

from helpers.training import seed_everything

_APART = 1000  # so that no two seeds of a homework meet when they are shifted
_shift = 0


def seed(number: int) -> int:
    """Seed Python, NumPy and Keras at the beginning of a test cell.

    Args:
        number: whole number of at least 0, below 1,000.

    Returns:
        The seed that was set, for the data of the test: `number`, except in the self-test.
    """
    shifted = number + _APART * _shift
    seed_everything(shifted)
    return shifted


@contextmanager
def shifted(by: int) -> Iterator[None]:
    """Let `seed` give other seeds for a while, the same ones for the same `by`; 0 for those of the grader."""
    global _shift
    before, _shift = _shift, by
    try:
        yield
    finally:
        _shift = before
