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
    task: Callable[[Item], Result], items: Sequence[Item], *, verb: str, unit: str = "file"
) -> Iterable[Result]:
    """Do a task for every item, in as many threads as there are cores, with a bar in a terminal.

    Yields:
        The results, in the order of the items. After Ctrl-C only what was begun is finished.
    """
    from tqdm import tqdm  # here, so that cores are counted before there is an environment

    pool = ThreadPoolExecutor(usable_cores())
    try:
        yield from tqdm(pool.map(task, items), verb, len(items), unit=unit, disable=None, leave=False)
    finally:
        pool.shutdown(cancel_futures=True)
