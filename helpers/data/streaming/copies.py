"""Copies of files on a local disk, made when a file is first read. For data on a slow or shared file system.

Each file is copied by itself and whole (temporary name, then rename), so a run that is killed leaves nothing to clean
up, a copy does not depend on the order of reading, and several runs may share a folder. Only files that passed their
checksum are copied; a copy that is damaged is replaced, and so is, in the next run, that of a file that has changed.
"""

import contextlib
import hashlib
import os
import threading
import warnings
from pathlib import Path

import numpy as np

from helpers.data.streaming.npz import FileError, decode_array, read_array, read_file


class Copies:
    """A folder of copies.

    Args:
        folder: where they go; made when needed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        self._full = False
        self._current: set[str] = set()  # files whose copies this run has compared with them

    def read_array(self, path: str, key: str = "arr_0", *, most: int | None = None) -> np.ndarray:
        """Read one array from the copy of a file, or from the file, which is then copied; see `npz.read_array`."""
        copy = self.place(path)
        if self._is_current(copy, path):
            with contextlib.suppress(FileError):  # damaged
                return read_array(str(copy), key, most=most)
        before = _stamp(path)  # should the file change while it is read, the copy has a time that is not its
        raw = read_file(path)
        array = decode_array(raw, path, key, most=most)
        if before and not self._full:
            self._keep(path, copy, raw, before)
        return array

    def place(self, path: str) -> Path:
        """Tell where the copy of a file lies: files of the same name from different folders are kept apart."""
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - called for every sample
        return self.folder / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] / name

    def _is_current(self, copy: Path, path: str) -> bool:
        """Return whether there is a copy of a file as it is now, or, if that is out of reach, any copy; look once."""
        if path not in self._current and (there := _stamp(copy)) and there == (_stamp(path) or there):
            self._current.add(path)
        return path in self._current

    def _keep(self, path: str, copy: Path, raw: memoryview, stamp: tuple[int, int]) -> None:
        temporary = copy.with_name(f".{os.getpid()}-{threading.get_ident()}-{copy.name}")
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(raw)
            os.utime(temporary, ns=(stamp[1], stamp[1]))
            temporary.replace(copy)
            self._current.add(path)  # on a disk of coarser times, it would never look so
        except OSError as error:
            self._full = True
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            warnings.warn(f"{self.folder} takes no more copies ({error}); reading goes on without.", stacklevel=2)


def _stamp(path: str | Path) -> tuple[int, int] | None:
    """Return size and time of a file; None of one that is not there, or out of reach."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of every file
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
