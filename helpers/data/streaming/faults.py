"""Faults of files: what may pass is tried again, what stays is told with its path. Used by `npz`, `shards`."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from helpers.data import DataError

Result = TypeVar("Result")
PAUSES = (0.1, 1.0)  # seconds, before a file is read once more
PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


class FileError(DataError):
    """A file that cannot be used. The message begins with its path and says what is wrong with it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.problem)


def trying_again(read: Callable[[], Result], path: str) -> Result:
    """Read, and read again where what failed may pass: a server that does not answer, too many open files.

    Raises:
        FileError: the last try failed as well, or what failed stays.
    """
    for seconds in (*PAUSES, None):
        try:
            return read()
        except OSError as error:
            if seconds is None or error.errno not in PASSING:
                raise FileError(path, f"cannot be read: {error.strerror or error}") from error
        time.sleep(seconds)
    raise AssertionError("the last pause is None")
