"""Looks into single files with the readers of the lectures. Used by `check`, and by `stats` to find patches."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from helpers.data import DataError, chesapeake, grss
from helpers.data.chesapeake.files import NoPatchesError, Patch
from helpers.data.grss.tiles import tiff_files
from helpers.data.streaming import Draws, FileError
from helpers.data.streaming.shards import SUFFIX

_LANDSAT = ("landsat_leaf_on", "landsat_leaf_off")
_WHOLE = ("naip_new", "naip_old", "nlcd", "buildings")  # must hold whole numbers from 0 to 255; so do the labels
_DIGITS = ("mnist.npz", "digits.npz")  # no patches; lectures check them by SHA-256 when they load them


@dataclass(frozen=True)
class Look:
    """One file, what it should be, and how to find out.

    Attributes:
        path: of the file.
        noun: "patch", "tile file", or "shard" or "folder" for one that cannot be opened.
        read: raises if the file is not what it should be.
    """

    path: str
    noun: str
    read: Callable[[], object]

    def problem(self) -> str:
        """Tell what is wrong with the file, without its path; "" if nothing is."""
        try:
            self.read()
        except DataError as error:
            return self._plain(error.problem if isinstance(error, FileError) else str(error))
        except Exception as error:  # one more kind of damage: the other files still want to be looked at
            return f"cannot be read: {type(error).__name__}: {error}"
        return ""

    def _plain(self, problem: str) -> str:
        """Leave out the name of the file, and what only a reader of the compact form wants to know."""
        nameless = problem.replace(self.path, "").replace(f" in {Path(self.path).name}", "").lstrip()
        return nameless.replace("; the compact form holds ", ", wanted ").removesuffix(" Read it with compact=False.")


def looks_below(folder: Path, *, tile_size: int) -> list[Look]:
    """List the patches and the tiles below a folder, and how each is checked; an empty list if there are none."""
    return [*_patches(folder), *_tiles(folder, tile_size)] if folder.is_dir() else []


def patches_below(folder: Path, broken: list[FileError] | None = None) -> list[Patch]:
    """List the patches below a folder; an empty list if there are none.

    Args:
        folder: anywhere.
        broken: see `chesapeake.find_patches`.

    Raises:
        DataError: a folder cannot be listed, or the index of a shard is damaged.
    """
    try:
        return [patch for patch in chesapeake.find_patches(folder, broken=broken) if patch.name not in _DIGITS]
    except NoPatchesError:
        return []


def _patches(folder: Path) -> list[Look]:
    broken: list[FileError] = []
    reader = _PatchReader([patch.path for patch in patches_below(folder, broken)])
    good = (Look(path, "patch", partial(reader.read, index)) for index, path in enumerate(reader.files))
    return [*map(_closed, broken), *good]


def _closed(error: FileError) -> Look:
    return Look(error.path, "shard" if error.path.endswith(SUFFIX) else "folder", partial(_raise, error))


def _raise(error: FileError) -> None:
    raise error


class _PatchReader:
    """Reads patches in the form that refuses most; only what that refuses is read in others as well."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self._strict = chesapeake.Patches(files, bands=(*_WHOLE, *_LANDSAT), compact=True)
        self._whole = chesapeake.Patches(files, bands=_WHOLE, compact=True)
        self._landsat = chesapeake.Patches(files, bands=_LANDSAT)

    def read(self, index: int) -> None:
        """Read a patch.

        Raises:
            DataError: it is broken.
        """
        try:
            _fill(self._strict, index)
        except DataError:  # Landsat may hold any finite number, for which only the float form has room
            _fill(self._whole, index)
            _fill(self._landsat, index)


def _fill(source: chesapeake.Patches, index: int) -> None:
    out = {name: np.empty(spec.shape, spec.dtype) for name, spec in source.arrays.items()}
    source.fill(index, Draws(seed=0, epoch=0, index=index), out)


def _tiles(folder: Path, tile_size: int) -> list[Look]:
    broken: list[FileError] = []

    def note(error: OSError) -> None:
        broken.append(FileError(os.fspath(error.filename), f"cannot be listed: {error.strerror}."))

    found = sorted(tiff_files(folder, onerror=note), key=lambda pair: pair[1])
    return [*map(_closed, broken), *_tile_looks(found, tile_size)]


def _tile_looks(found: list[tuple[re.Match[str], Path]], tile_size: int) -> list[Look]:
    return [Look(str(path), "tile file", partial(_read_tile, path, name, tile_size)) for name, path in found]


def _read_tile(path: Path, name: re.Match[str], tile_size: int) -> None:
    place, view, kind = name.groups("")
    grss.Windows(
        [grss.Tile(place, view, {kind: path})], (kind,), size=tile_size, tile_size=tile_size, native=True
    ).read([0])
