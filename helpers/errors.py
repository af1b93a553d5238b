"""Errors that a user can do something about. Every floor raises them; `helpers.cli` shows one as a message."""

import difflib
import re
from collections.abc import Iterable

FAILED, ASKED_WRONGLY, STOPPED = 1, 2, 130  # exit statuses of `./course`, beside 0; the last is that of Ctrl-C


class CourseError(RuntimeError):
    """Something is not as it should be. The message says what came, what was wanted and what to do.

    Attributes:
        status: exit status of a command that ends with this error.
    """

    status = FAILED


class UsageError(CourseError):
    """A command that nobody can carry out as it was given: a word that is not known, a file that is not there."""

    status = ASKED_WRONGLY


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return a question that names the known word nearest to one that is not known; "" if none is near.

    Args:
        word: what came.
        known: what is known.
        cutoff: how like it a word must be, from 0 to 1.

    >>> nearest("chekc", ["check", "fetch"])
    " Did you mean 'check'?"
    >>> nearest("Mnist", ["mnist", "grss"]), nearest("zebra", ["mnist"])
    (" Did you mean 'mnist'?", '')
    """
    near = closest(word, known, cutoff=cutoff)
    return f" Did you mean {near!r}?" if near else ""


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known word nearest to one that is not known; "" if none is near."""
    by_lower = {each.lower(): each for each in known}
    begun = [name for name in by_lower if name.startswith(word.lower())]
    if word and len(begun) == 1:  # a shortened one
        return by_lower[begun[0]]
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else ""


def message_of(error: BaseException) -> str:
    """Return what an error says; of one that went through a layer of Keras, what was said first."""
    in_bold = re.search("\x1b\\[1m(.+?)\x1b\\[0m", str(error), re.DOTALL)  # how Keras shows it
    return in_bold[1].strip() if in_bold else str(error)
