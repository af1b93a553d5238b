"""Files made by several threads, where the disk has room for them, with a bar. Used by `packing` and `synthetic`."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from helpers.cores import usable_cores
from helpers.data import DataError, stand_in


def check_room(folder: Path, needed: int, told: str) -> None:
    """Check that a folder, which need not be there yet, has room.

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


_MOST = 8  # a job holds about 0.3 GB

Job = TypeVar("Job")


def do_all(task: Callable[[Job], None], jobs: Sequence[Job], *, workers: int | None, unit: str, progress: bool) -> None:
    """Do every job; after a failure or Ctrl-C, finish those begun, begin no other, and raise.

    Threads, not processes: NumPy, SciPy and zlib release the GIL, and a student's script needs no main guard.
    """
    pool = ThreadPoolExecutor(workers or min(usable_cores(), _MOST))
    try:
        for _ in tqdm(pool.map(task, jobs), "stand-in", len(jobs), unit=unit, disable=not progress or not jobs):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def fill(
    folder: Path,
    needed: int,
    task: Callable[[Job], None],
    jobs: Sequence[Job],
    *,
    workers: int | None,
    unit: str,
    progress: bool,
) -> None:
    """Do the jobs that write the missing files of a stand-in, if there is room; until all are done, it is unfinished.

    Raises:
        DataError: there is too little room for `needed` bytes. Nothing was written.
    """
    if not jobs and not stand_in.is_unfinished(folder):  # the folder may be read-only
        return
    check_room(folder, needed, f"the {unit}s that are missing take about {{:.2f}} GB")
    with stand_in.making(folder):
        do_all(task, jobs, workers=workers, unit=unit, progress=progress)
