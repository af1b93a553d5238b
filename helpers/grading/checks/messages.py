"""How a check says what is wrong, so that a student at midnight knows what to do."""

import numpy as np


class Mismatch(AssertionError):
    """What a student's code gave is not what was asked for; lines for what, expected, got and where to read."""


def mismatch(what: str, *, expected: str, got: str, read: str) -> Mismatch:
    """Make the error of a check that fails.

    Args:
        what: is looked at, such as "the code for 4 images".
        expected, got: what was asked for and what came.
        read: where it is explained: a lecture and its section.
    """
    return Mismatch(f"{what}\n  expected: {expected}\n  got:      {got}\n  read:     {read}")


def holds(what: str, condition: object, *, expected: str, got: object, read: str) -> None:
    """Check a condition that no other check is for.

    Args:
        condition: True or False, of Python or of NumPy; an object that only passes for true does not.
        what, expected, got, read: as in `mismatch`.

    Raises:
        Mismatch: the condition is not True.
    """
    if not (type(condition) in (bool, np.bool_) and condition):
        raise mismatch(what, expected=expected, got=str(got), read=read)
