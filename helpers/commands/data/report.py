"""What the verbs have in common: work in threads with a bar, sizes and JSON as text."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from helpers.cores import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    task: Callable[[Item], Result], items: Sequence[Item], *, verb: str, unit: str = "file"
) -> Iterable[Result]:
    """Do a task for every item, in as many threads as there are cores, with a bar in a terminal.

    Yields:
        The results, in the order of the items. After Ctrl-C only what was begun is finished.
    """
    pool = ThreadPoolExecutor(usable_cores())
    try:
        yield from tqdm(pool.map(task, items), verb, len(items), unit=unit, disable=None, leave=False)
    finally:
        pool.shutdown(cancel_futures=True)


def size(count: float) -> str:
    """Write a number of bytes for people.

    >>> size(0), size(999), size(11_594_722), size(32e9)
    ('0 B', '999 B', '11.6 MB', '32.0 GB')
    """
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.1f} {units[0]}"


def plural(count: int, noun: str) -> str:
    """Write a number and a noun.

    >>> plural(1, "patch"), plural(2000, "patch"), plural(0, "file")
    ('1 patch', '2,000 patches', '0 files')
    """
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}"


def print_json(facts: object) -> None:
    """Print facts as one JSON object; paths as text."""
    print(json.dumps(facts, indent=2, default=str))
