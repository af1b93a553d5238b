"""A stand-in for the Chesapeake patches and the DFC2019 tiles: made-up land in exactly their formats.

**Datasheet.** Nothing here was photographed. Terrain, rivers, fields, roads and villages are drawn from a seed; colours
follow the class means, deviations and correlations that were measured on real patches (`channel_statistics.json`,
numbers only); class shares follow 2,241 tiles of Pennsylvania. Every folder that is written holds `STAND_IN.txt`,
and `is_stand_in` finds it. Figures measured on the stand-in say that a program works, not how well a method maps land.

- Patches (`make_patches`): npz, key `arr_0`, float32, (1, 29, 256, 256), 1 m a pixel: aerial images of two years (red,
  green, blue, near infrared, whole numbers 0 to 255), the label (1 water, 2 forest, 3 field, 4 barren, 5 built, 6
  road, 15 no data), NLCD codes, Landsat leaf-on and leaf-off (9 bands each, whole numbers and halves, in blocks of
  about 23 x 30 pixels), a building mask. Ten overlapping patches a tile, so that patches of one tile on both sides of
  a split leak as the real ones do.
- Tiles of the same land (`land_tiles.make_land_tiles`): seven GeoTIFF layers, from which patches can be cut.
- Tiles (`make_tiles`): RGB, MSI, AGL and CLS of made-up blocks of houses, as in DFC2019 Track 1.
- What it lacks: clouds, seams between images, mistakes of the people or programs that drew the labels, and change
  between the two years.
- Licence: that of the course. Formats and statistics: Robinson et al., CVPR 2019 (Chesapeake Land Cover).

`ensure` finds the best data that are here or makes the stand-in, and says in one line which; `available` makes none.
Used by lectures 10-12, homework 5-7 and the tests.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from helpers.data import DataError, fetch, stand_in
from helpers.data.base import DataSet, data_set
from helpers.data.stand_in import is_stand_in
from helpers.data.synthetic.patches import draw_place, make_patches
from helpers.data.synthetic.tiles import make_tiles
from helpers.tables import plural

__all__ = ["DataFolder", "available", "draw_place", "ensure", "in_folder", "is_stand_in", "make_patches", "make_tiles"]

COUNTS = {"chesapeake": 100, "grss": 8}
"""Patches, and places, of a stand-in: enough for tiles of five folds, held-out folders, names that end in 9, and places
on three sides. The lectures' numbers on a stand-in are those of so many."""


@dataclass(frozen=True)
class DataFolder:
    """Where a data set lies.

    Attributes:
        path: the folder.
        source: one line: how many files of which data, from where, and the command that gets better ones.
        is_stand_in: True if they are made up.
    """

    path: Path
    source: str
    is_stand_in: bool


def ensure(name: str, *, progress: bool = True) -> DataFolder:
    """Find the best data that are here; where there are none, make a stand-in. Say in one line which they are.

    Best are real files that were brought along, then those that `./course data fetch` has fetched, then its sample, and
    last a stand-in; see `fetch.find`. Making one takes about 15 seconds, once.

    Args:
        name: of the registry: "chesapeake" (100 patches of 10 tiles, 80 MB), "grss" (2 views each of 8 places, 134 MB),
            or another that makes a stand-in.
        progress: show a bar while the stand-in is made.

    Returns:
        The folder of the real data, or of the stand-in, which lies in `stand_in/` of the data folder; where that
        cannot be written, in a temporary folder.

    Raises:
        ValueError: there is no stand-in of that name.
        DataError, OSError: there is room for a stand-in nowhere.
    """
    known = [key for key, card in fetch.registry().items() if card.stand_in]
    if name not in known:
        raise ValueError(f"there are stand-ins for {', '.join(known)}; received {name!r}.")
    found = data_set(name)
    return in_folder(name, found.find() or _made(found, progress))


def available(name: str, *, pattern: str = "*") -> DataFolder | None:
    """Find the best data that are here, as `ensure` does, and say in one line which; None if there are none.

    Args:
        name: of the registry.
        pattern: that the name of a file must fit, such as "*.npz" for patches that are not packed; folders without such
            files are passed over.
    """
    folders = (fetch.find(name), fetch.find_stand_in(name))
    for folder in filter(None, folders):
        if next(folder.rglob(pattern), None):
            return in_folder(name, folder)
    print(f"{fetch.registry()[name].title}: none here. Real ones: {fetch.better(name, {})}")
    return None


def in_folder(name: str, folder: Path) -> DataFolder:
    """Return what lies in the folder of a data set, and say it in one line; a stand-in is announced in capitals too."""
    found, card, is_made_up = data_set(name), fetch.registry()[name], is_stand_in(folder)
    files = found.files(folder, broken=[])
    if is_made_up:
        said = f"{plural(len(files), f'made-up {found.noun}')}, a stand-in,"
        more = f" Real ones: {fetch.better(name, {})}"
    else:
        counts = fetch.count_origins(card, (os.path.relpath(file.path, folder) for file in files))
        said = f"{plural(len(files), f'real {found.noun}')}{fetch.told_origins(counts)}"
        more = f" More of them: {command}" if (command := fetch.better(name, counts)) else ""
    source = f"{card.title}: {said} in {folder}.{more}"
    print(source)
    if is_made_up:
        stand_in.announce(folder)
    return DataFolder(folder, source, is_stand_in=is_made_up)


def _made(found: DataSet, progress: bool) -> Path:
    """Make what is missing of the stand-in, and return its folder; what is there already is kept."""
    folder = fetch.find_stand_in(found.name) or fetch.folder_to_fill() / found.card.stand_in
    try:
        found.stand_in(folder, progress=progress)
    except ValueError:  # somebody made another one there, of another seed or number: as good
        return folder
    except (OSError, DataError):  # a read-only or full disk, and files are missing
        folder = Path(tempfile.mkdtemp(prefix="course-stand-in-"))
        found.stand_in(folder, progress=progress)
    return folder
