"""Many jobs side by side, with a bar."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from helpers.cores import usable_cores
from helpers.data import stand_in
from helpers.data.room import check_room

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
