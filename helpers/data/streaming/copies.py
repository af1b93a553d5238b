"""Copies of files on a local disk, made when a file is first read. For data on a slow or shared file system.

Each file is copied by itself and whole (temporary name, then rename), so a run that is killed leaves nothing to clean
up, a copy does not depend on the order of reading, and several runs may share a folder. Only files that passed their
checksum are copied; a copy that is damaged is replaced. Files that change at their origin are not noticed: remove the
folder then.
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

    def read_array(self, path: str, key: str = "arr_0", *, most: int | None = None) -> np.ndarray:
        """Read one array from the copy of a file, or from the file, which is then copied; see `npz.read_array`."""
        copy = self.place(path)
        with contextlib.suppress(FileError):  # not there yet, or damaged
            return read_array(str(copy), key, most=most)
        raw = read_file(path)
        array = decode_array(raw, path, key, most=most)
        if not self._full:
            self._keep(copy, raw)
        return array

    def place(self, path: str) -> Path:
        """Tell where the copy of a file lies: files of the same name from different folders are kept apart."""
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - called for every sample
        return self.folder / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] / name

    def _keep(self, copy: Path, raw: memoryview) -> None:
        temporary = copy.with_name(f".{os.getpid()}-{threading.get_ident()}-{copy.name}")
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(raw)
            temporary.replace(copy)
        except OSError as error:
            self._full = True
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            warnings.warn(f"{self.folder} takes no more copies ({error}); reading goes on without.", stacklevel=2)
