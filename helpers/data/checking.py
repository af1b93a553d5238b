"""Every file of a data set below a folder, read as lectures read them: which are broken, or unlike real ones.

Used by `./course data check`.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from helpers.cores import in_threads
from helpers.data import DataError
from helpers.data.base import below
from helpers.data.measuring import Warnings
from helpers.data.streaming import FileError
from helpers.data.streaming.shards import SUFFIX
from helpers.tables import plural

_NUMBER = re.compile(r"(?<!\w)-?\d+(?:[.,]\d+)*")
_MOST_NAMES, _MOST_BANDS = 5, 3


class Result(NamedTuple):
    """What is wrong with a file, without its path, or ""; and what is odd about one that can be read."""

    problem: str
    warnings: Warnings


@dataclass(frozen=True)
class Look:
    """One file, what it should be, and how to find out.

    Attributes:
        path: of the file.
        noun: "patch", "tile file", or "shard" or "folder" for one that cannot be opened.
        read: returns what is odd about the file, and raises if it is not what it should be.
    """

    path: str
    noun: str
    read: Callable[[], Warnings]

    def result(self) -> Result:
        """Read the file and return what was found."""
        try:
            return Result("", self.read())
        except DataError as error:
            return Result(self._plain(error.problem if isinstance(error, FileError) else str(error)), {})
        except Exception as error:  # one more kind of damage: the other files still want to be looked at
            return Result(f"cannot be read: {type(error).__name__}: {error}", {})

    def _plain(self, problem: str) -> str:
        """Leave out the name of the file, and what only a reader of the compact form wants to know."""
        nameless = problem.replace(self.path, "").replace(f" in {Path(self.path).name}", "").lstrip()
        return nameless.replace("; the compact form holds ", ", wanted ").split(" Read it with compact=False")[0]


@dataclass(frozen=True)
class Report:
    """What was found below a folder.

    Attributes:
        folder: that was looked through.
        counts: files by what they are, such as "patch"; empty if there are none.
        broken: what is wrong with a file, by its path.
        warnings: what is odd about a file that can be read, by its path.
    """

    folder: Path
    counts: Counter[str]
    broken: dict[str, str]
    warnings: dict[str, Warnings]

    def __str__(self) -> str:
        total = " and ".join(plural(count, noun) for noun, count in self.counts.items())
        if not self.broken and not self.warnings:
            return f"{self.folder}: {total}, all good."
        odd = f", {len(self.warnings)} with warnings." if self.warnings else "."
        lines = [f"{self.folder}: {total}, {len(self.broken) or 'none'} broken{odd}"]
        if self.broken:
            lines += [*_errors(self.broken), "", "Copy these again from where they came, or move them away."]
        if self.warnings:
            advice = "A warning is no error: the file can be read. Look at it before you use it."
            lines += [*_warnings(self.warnings), "", advice]
        return "\n".join(lines)


def check(folder: Path, *, tile_size: int) -> Report:
    """Check every file below a folder.

    Args:
        folder: anywhere.
        tile_size: pixels along an edge of a tile.

    Raises:
        DataError: a folder cannot be listed.
    """
    looks = looks_below(folder, tile_size=tile_size)
    found = dict(zip((look.path for look in looks), in_threads(Look.result, looks, verb="checked"), strict=True))
    return Report(
        folder,
        Counter(look.noun for look in looks),
        {path: result.problem for path, result in found.items() if result.problem},
        {path: result.warnings for path, result in found.items() if result.warnings},
    )


def looks_below(folder: Path, *, tile_size: int) -> list[Look]:
    """List the files of every data set below a folder, and how each is checked; an empty list if there are none."""
    closed: list[FileError] = []
    found = below(folder, broken=closed, tile_size=tile_size)
    looks = [Look(file.path, each.noun, partial(each.check, file.path)) for each, files in found for file in files]
    nouns = ("folder", "shard")
    return [*(Look(error.path, nouns[error.path.endswith(SUFFIX)], partial(_raise, error)) for error in closed), *looks]


def _raise(error: FileError) -> Warnings:
    raise error


def group(problems: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Put files together whose problems differ in numbers only, the most frequent first.

    Args:
        problems: what is wrong, by path.

    Returns:
        What is wrong with the first file of each group, and the paths.

    >>> group({"a": "has label 7 at 1 pixels.", "b": "is gone.", "c": "has label 200 at 30 pixels."})
    [('has label 7 at 1 pixels.', ['a', 'c']), ('is gone.', ['b'])]
    """
    groups: dict[str, list[str]] = {}
    for path, problem in problems.items():
        groups.setdefault(_NUMBER.sub("0", problem), []).append(path)
    return [(problems[paths[0]], paths) for paths in sorted(groups.values(), key=len, reverse=True)]


def _errors(broken: dict[str, str]) -> list[str]:
    lines = []
    for problem, paths in group(broken):
        lines += ["", f"{plural(len(paths), 'file')}: {problem}" + (" (the first)" if len(paths) > 1 else "")]
        lines += [*(f"    {path}" for path in paths[:_MOST_NAMES]), *_rest(len(paths) - _MOST_NAMES)]
    return lines


def _warnings(odd: dict[str, Warnings]) -> list[str]:
    paths_of: dict[str, list[str]] = {}
    for path, warnings in odd.items():
        for message in warnings:
            paths_of.setdefault(message, []).append(path)
    lines = []
    for message, paths in sorted(paths_of.items(), key=lambda pair: -len(pair[1])):
        lines += ["", f"Warning, {plural(len(paths), 'file')}: {message}"]
        for path in paths[:_MOST_NAMES]:
            lines += [f"    {path}", *(f"        {line}" for line in _first(odd[path][message]))]
        lines += _rest(len(paths) - _MOST_NAMES)
    return lines


def _first(bands: list[str]) -> list[str]:
    """Return the first few bands, and how many there are besides."""
    rest = len(bands) - _MOST_BANDS
    return [*bands[:_MOST_BANDS], *([f"… and {plural(rest, 'band')} more"] if rest > 0 else [])]


def _rest(count: int) -> list[str]:
    return [f"    … and {count:,} more (--json names all)"] if count > 0 else []
