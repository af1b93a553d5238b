"""Looks into single files with the readers of the lectures. Used by `check`, and by `stats` to find patches."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from helpers.data import DataError, chesapeake
from helpers.data.base import data_sets, owner
from helpers.data.chesapeake.files import NoPatchesError, Patch
from helpers.data.chesapeake.plausible import check_patch
from helpers.data.grss.plausible import check_tile
from helpers.data.grss.tiles import tiff_files
from helpers.data.plausible import Warnings
from helpers.data.streaming import FileError
from helpers.data.streaming.shards import SUFFIX

_DIGITS = ("mnist.npz", "digits.npz")  # no patches; lectures check them by SHA-256 when they load them


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
        return nameless.replace("; the compact form holds ", ", wanted ").removesuffix(" Read it with compact=False.")


def looks_below(folder: Path, *, tile_size: int) -> list[Look]:
    """List the patches and the tiles below a folder, and how each is checked; an empty list if there are none."""
    return [*_patches(folder), *_tiles(folder, tile_size), *_registered(folder)] if folder.is_dir() else []


def _registered(folder: Path) -> list[Look]:
    """List the files of the data sets of the registry."""
    sets = data_sets().values()
    return [Look(file.path, each.noun, partial(each.check, file.path)) for each in sets for file in each.files(folder)]


def patches_below(folder: Path, broken: list[FileError] | None = None) -> list[Patch]:
    """List the patches below a folder; an empty list if there are none.

    Args:
        folder: anywhere.
        broken: see `chesapeake.find_patches`.

    Raises:
        DataError: a folder cannot be listed, or the index of a shard is damaged.
    """
    try:
        return [patch for patch in chesapeake.find_patches(folder, broken=broken) if not _is_other(patch.name)]
    except NoPatchesError:
        return []


def _is_other(name: str) -> bool:
    return name in _DIGITS or owner(name) is not None


def _patches(folder: Path) -> list[Look]:
    broken: list[FileError] = []
    paths = [patch.path for patch in patches_below(folder, broken)]
    return [*map(_closed, broken), *(Look(path, "patch", partial(check_patch, path)) for path in paths)]


def _closed(error: FileError) -> Look:
    return Look(error.path, "shard" if error.path.endswith(SUFFIX) else "folder", partial(_raise, error))


def _raise(error: FileError) -> Warnings:
    raise error


def _tiles(folder: Path, tile_size: int) -> list[Look]:
    broken: list[FileError] = []

    def note(error: OSError) -> None:
        broken.append(FileError(os.fspath(error.filename), f"cannot be listed: {error.strerror}."))

    found = sorted(tiff_files(folder, onerror=note), key=lambda pair: pair[1])
    return [*map(_closed, broken), *_tile_looks(found, tile_size)]


def _tile_looks(found: list[tuple[re.Match[str], Path]], tile_size: int) -> list[Look]:
    return [Look(str(path), "tile file", partial(check_tile, path, name, tile_size)) for name, path in found]
