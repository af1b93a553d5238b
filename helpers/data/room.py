"""Is there room on the disk? Asked before anything is written."""

import shutil
from pathlib import Path

from helpers.data import DataError


def check_room(folder: Path, needed: int, told: str) -> None:
    """See that a folder, which need not be there yet, has room.

    Args:
        folder: where files are to go.
        needed: bytes.
        told: what they are needed for, with a place for the gigabytes, such as "{:.1f} GB are to be copied".

    Raises:
        DataError: there is too little. The message says how much, and what to do.
    """
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        told = told.format(needed / 1e9)
        raise DataError(f"{folder} has {free / 1e9:.1f} GB free, and {told}. Make room, or name another folder.")
