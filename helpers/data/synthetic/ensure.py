"""The data set if it is here, and otherwise its stand-in, made on the spot."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers.data import DataError, fetch, stand_in
from helpers.data.synthetic.patches import make_patches
from helpers.data.synthetic.tiles import make_tiles

COUNTS = {"chesapeake": 100, "grss": 8}
"""Patches, and places, of a stand-in: enough for tiles of five folds, held-out folders, names that end in 9, and places
on three sides. The lectures' numbers on a stand-in are those of so many."""
_MAKERS: dict[str, Callable[[Path, bool], object]] = {
    "chesapeake": lambda folder, progress: make_patches(folder, COUNTS["chesapeake"], progress=progress),
    "grss": lambda folder, progress: make_tiles(
        folder, COUNTS["grss"], 2, kinds=("RGB", "AGL", "CLS"), progress=progress
    ),
}


@dataclass(frozen=True)
class DataFolder:
    """Where a data set lies.

    Attributes:
        path: the folder.
        source: one sentence: which data, from where.
        is_stand_in: True if they are made up.
    """

    path: Path
    source: str
    is_stand_in: bool


def ensure(name: str, *, progress: bool = True) -> DataFolder:
    """Find a data set; where there is none, make its stand-in, which takes about 20 seconds, once, and say so.

    Args:
        name: "chesapeake" (100 patches of 10 tiles, 70 MB) or "grss" (2 views each of 8 places, 134 MB).
        progress: show a bar while the stand-in is made.

    Returns:
        The folder of the real data, or of the stand-in, which lies in `stand_in/` of the data folder; where that
        cannot be written, in a temporary folder.

    Raises:
        ValueError: there is no stand-in of that name.
        DataError, OSError: there is room for a stand-in nowhere.
    """
    if name not in _MAKERS:
        raise ValueError(f'there are stand-ins for "chesapeake" and "grss"; received {name!r}.')
    if folder := fetch.find(name):
        source = f"{fetch.registry()[name].title}, real data from {folder}."
        print(source)
        return DataFolder(folder, source, is_stand_in=False)
    folder = _made(name, progress)
    stand_in.announce(folder)
    return DataFolder(folder, f"A stand-in for {fetch.registry()[name].title} from {folder}.", is_stand_in=True)


def _made(name: str, progress: bool) -> Path:
    """Make what is missing of the stand-in; what is there already is kept."""
    found = fetch.find_stand_in(name)
    folder = found or fetch.folder_to_fill() / fetch.registry()[name].stand_in
    try:
        _MAKERS[name](folder, progress)
    except ValueError:  # somebody made another one there, of another seed or number: as good
        return folder
    except (OSError, DataError):  # a read-only or full disk, and files are missing
        folder = Path(tempfile.mkdtemp(prefix="course-stand-in-"))
        _MAKERS[name](folder, progress)
    return folder
