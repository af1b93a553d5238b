"""How many processor cores there are to use, and work in as many threads. Used by what reads or draws many files."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Count the cores that this process may use, which a batch system can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(
    task: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    verb: str,
    unit: str = "file",
    workers: int | None = None,
    progress: bool | None = None,
) -> Iterable[Result]:
    """Do a task for every item in threads, not processes: NumPy, SciPy and zlib release the GIL.

    Args:
        task: what is done.
        items: what it is done for.
        verb, unit: what the bar says.
        workers: threads. Default: one a core.
        progress: whether to show a bar. Default: in a terminal, where it goes when all is done.

    Yields:
        The results, in the order of the items. After an error or Ctrl-C only what was begun is finished.
    """
    from tqdm import tqdm  # here, so that cores are counted before there is an environment

    pool, is_hidden = ThreadPoolExecutor(workers or usable_cores()), None if progress is None else not progress
    try:
        yield from tqdm(pool.map(task, items), verb, len(items), unit=unit, disable=is_hidden, leave=bool(progress))
    finally:
        pool.shutdown(cancel_futures=True)
