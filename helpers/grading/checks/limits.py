"""Limits for what depends on chance, such as the error after training; the self-test reads how far away they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from helpers.grading.checks.messages import mismatch
from helpers.grading.checks.values import numbers


class Limit(NamedTuple):
    """A number held against its limit.

    Attributes:
        what: the number is.
        found: the number.
        limit: that it must not pass.
        margin: how many times better than the limit it is; below 1 the check fails.
    """

    what: str
    found: float
    limit: float
    margin: float


_listeners: list[list[Limit]] = []


def at_most(what: str, found: object, limit: float, *, read: str) -> None:
    """Check that a positive number, such as an error, is not above its limit.

    Raises:
        Mismatch: it is, or is not one finite number.
    """
    number = _one(what, found, read)
    _note(Limit(what, number, limit, limit / max(number, 1e-12)))
    if number > limit:
        raise mismatch(what, expected=f"at most {limit:.4g}", got=f"{number:.4g}", read=read)


def at_least(what: str, found: object, limit: float, *, read: str) -> None:
    """Check that a number, such as an accuracy, is not below its limit, which is positive.

    Raises:
        Mismatch: it is, or is not one finite number.
    """
    number = _one(what, found, read)
    _note(Limit(what, number, limit, max(number, 0.0) / limit))
    if number < limit:
        raise mismatch(what, expected=f"at least {limit:.4g}", got=f"{number:.4g}", read=read)


@contextmanager
def recorded() -> Iterator[list[Limit]]:
    """Collect every number that is held against a limit in the block."""
    limits: list[Limit] = []
    _listeners.append(limits)
    try:
        yield limits
    finally:
        _listeners.remove(limits)


def _one(what: str, found: object, read: str) -> float:
    array = numbers(what, found, read=read)
    if array.size != 1:
        raise mismatch(what, expected="one number", got=f"shape {array.shape}", read=read)
    return float(array.reshape(()))


def _note(limit: Limit) -> None:
    for limits in _listeners:
        limits.append(limit)
