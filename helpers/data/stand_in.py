"""Made-up files: written, marked by a note in their folder, announced where they are read. Used by lectures 10-12."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from helpers.cores import in_threads, usable_cores
from helpers.data import DataError, check_room
from helpers.files import atomic_write

NAME = "STAND_IN.txt"
_TEXT = """\
STAND-IN: these files are made up. They have the format of real data and show no real place.
Results on them say that a program works, never how well a method works on real land cover.
"""
_UNFINISHED = "UNFINISHED.txt"
_MOST_WORKERS = 8  # a job holds about 0.3 GB
_told: set[Path] = set()
Job = TypeVar("Job")


def mark(folder: Path, facts: dict[str, object]) -> None:
    """Write STAND_IN.txt into a folder, or check that the one there says the same.

    Raises:
        ValueError: the folder holds a stand-in that was made otherwise.
    """
    note = folder / NAME
    text = _TEXT + "".join(f"{key}: {value}\n" for key, value in facts.items())
    if note.exists() and note.read_text() != text:
        wanted = ", ".join(f"{key} {value}" for key, value in facts.items())
        raise ValueError(f"{note} tells of another stand-in than {wanted}. Choose another folder, or remove this one.")
    if note.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(note) as unfinished:
        unfinished.write_text(text)


def refuse_real(folder: Path) -> None:
    """Keep made-up files, and the note that calls all of them made up, from getting among real ones.

    Raises:
        DataError: the folder holds files that are no stand-in.
    """
    if folder.is_dir() and not is_stand_in(folder):
        there = next((path for suffix in ("npz", "pack", "tif") for path in folder.rglob(f"*.{suffix}")), None)
        if there:
            raise DataError(f"{folder} holds files that are no stand-in, such as {there}. Name another folder: --to.")


@contextlib.contextmanager
def making(folder: Path) -> Iterator[None]:
    """Mark a folder as one where files are missing, from before the first is written until the last one is there."""
    note = folder / _UNFINISHED
    with atomic_write(note) as unfinished:
        unfinished.write_text("Files of this stand-in are missing: it is being made, or that broke off.\n")
    yield
    note.unlink(missing_ok=True)


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
    if not jobs and not is_unfinished(folder):  # the folder may be read-only
        return
    check_room(folder, needed, f"the {unit}s that are missing take about {{}}")
    workers = workers or min(usable_cores(), _MOST_WORKERS)
    with making(folder):
        for _ in in_threads(task, jobs, verb="stand-in", unit=unit, workers=workers, progress=progress and bool(jobs)):
            pass


def is_unfinished(folder: Path) -> bool:
    """Return whether files of a stand-in are missing."""
    return (folder / _UNFINISHED).exists()


def marked(path: Path | str) -> Path | None:
    """Find the folder with STAND_IN.txt that a file or folder lies in, itself included; None for real data."""
    path = Path(path).resolve()
    return next((place for place in (path, *path.parents) if (place / NAME).is_file()), None)


def is_stand_in(path: Path | str) -> bool:
    """Return whether a file, or the files in a folder, are made up: whether STAND_IN.txt lies there or above.

    >>> is_stand_in("/")
    False
    """
    return marked(path) is not None


def copy_mark(source: Path, destination: Path) -> None:
    """Mark a copy of a stand-in as the original is marked; real data have no mark."""
    if folder := marked(source):
        with atomic_write(destination / NAME) as unfinished:
            unfinished.write_text((folder / NAME).read_text())


def announce(path: Path | str) -> None:
    """Print in capitals, once for each folder, that a file is made up; nothing for real data.

    On stderr, so that a program that prints JSON may read the stand-in too.
    """
    folder = marked(path)
    if folder is None or folder in _told:
        return
    _told.add(folder)
    print(
        f"STAND-IN DATA: made-up land from {folder}, not real places.\n"
        "Everything runs. What comes out says that a program works, never how well a method works on real land.\n"
        "What to do: `./course data list` tells how to get the real data.",
        file=sys.stderr,
    )
