"""Data sets: found on disk, checked, and handed over as arrays or batches.

The only floor that may know `tf.data`. Each module is one data set and begins with its datasheet; `fetch` says where
data sets lie and brings what may be brought.
"""

import shutil
from pathlib import Path

from helpers.errors import CourseError, UsageError
from helpers.tables import size


class DataError(CourseError):
    """Data that are there but not what they should be. The message names the file and says what to do."""


class NoDataError(DataError, UsageError):
    """A folder that was named for its data, and has none."""


def check_room(folder: Path, needed: int, told: str) -> None:
    """Check that a folder, which need not be there yet, has room.

    Args:
        folder: where files are to go.
        needed: bytes.
        told: what they are needed for, with a place for their number, such as "{} are to be copied".

    Raises:
        DataError: there is too little. The message says how much, and what to do.
    """
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        told = told.format(size(needed))
        raise DataError(f"{folder} has {size(free)} free, and {told}. Make room, or name another folder.")
