"""The files of GRSS tiles: found by name in any folder, paired by place and view, split by place."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers.data import DataError, NoDataError, fetch, stand_in
from helpers.data.base import File
from helpers.data.splits import FOLDS, Split, check_split, held_out_kind, sides_of
from helpers.files import files_below

SHARES = (0.7, 0.15, 0.15)  # of the tiles: training, validation, test
KINDS = ("RGB", "MSI", "CLS", "AGL", "DSM")
NAME = re.compile(rf"((?:JAX|OMA)_\d+)(?:_(\d+))?_({'|'.join(KINDS)})\.(?i:tiff?)")


@dataclass(frozen=True, order=True)
class Tile:
    """One view of one place, and the files that show it, which lie pixel over pixel.

    Attributes:
        place: city and place, as in `"JAX_004"`.
        view: number of the view, as in `"006"`; empty for truth that belongs to the place and to none of its views.
        files: the path of each kind there is: RGB, MSI, CLS, AGL, DSM.
    """

    place: str
    view: str
    files: Mapping[str, Path] = field(compare=False)

    @property
    def name(self) -> str:
        """Place and view as the files have them, `"JAX_004_006"`."""
        return "_".join(filter(None, (self.place, self.view)))

    def missing(self, kinds: Sequence[str]) -> list[str]:
        """Return those of `kinds` that this tile has no file of."""
        return [kind for kind in kinds if kind not in self.files]


def find_tiles(
    folder: Path | str | None = None, kinds: Sequence[str] = ("RGB",), *, drop_incomplete: bool = False
) -> list[Tile]:
    """Find the tiles below a folder, however deep, and pair their files by place and view.

    Only names count: `JAX_004_006_RGB.tif`; other files, such as pieces that were cut before, are passed over.

    Args:
        folder: any folder above the files; default: where the data folder has them.
        kinds: what every tile must have; tiles that have none of these are passed over.
        drop_incomplete: leave out tiles that have some of `kinds` but not all, as the contest's validation tiles
            lack truth, instead of stopping.

    Returns:
        The tiles in the order of their names, each with all files found, also those of other kinds.

    Raises:
        DataError: no tile, an incomplete one, or two files of one name.
        FetchError: no folder given, and none in the data folder.
    """
    check_kinds(kinds)
    folder = Path(folder or _data_folder())
    candidates = [tile for tile in paired(tiff_files(folder)) if len(tile.missing(kinds)) < len(kinds)]
    complete = [tile for tile in candidates if not tile.missing(kinds)]
    if not candidates or (drop_incomplete and not complete):
        raise NoDataError(
            f"{folder} has no tile with {', '.join(kinds)} ({len(candidates)} with some of them). Wanted: files like "
            "JAX_004_006_RGB.tif, in this folder or any folder below. datasets/README.md says how to get them."
        )
    if len(complete) < len(candidates) and not drop_incomplete:
        raise _incomplete(folder, candidates, kinds)
    stand_in.announce(complete[0].files[kinds[0]])
    return complete


def split_by_place(tiles: Sequence[Tile], shares: Sequence[float] | int, *, seed: int = 0) -> list[list[Tile]]:
    """Split tiles so that no place is on two sides: views of one place are nearly the same picture.

    The same tiles and seed give the same split on every machine, whatever the order of the tiles. The sides come as
    close to their shares as whole places allow (a place has up to 43 views).

    Args:
        tiles: tiles of at least as many places as there are sides.
        shares: of each side, relative to each other, as in `(0.7, 0.15, 0.15)`; or a number of folds of equal shares.
        seed: another number, another split.

    Returns:
        One list of tiles for each side, in the order of `tiles`; none is empty.

    Raises:
        ValueError: a share that is not above 0, or fewer than two sides.
        DataError: fewer places than sides.
    """
    wanted = [1.0] * shares if isinstance(shares, int) else list(shares)
    if len(wanted) < 2 or min(wanted) <= 0:
        raise ValueError(f"shares must be two or more numbers above 0, or a number of folds from 2; received {shares}.")
    views = _views_by_place(tiles)
    if len(views) < len(wanted):
        raise DataError(
            f"{len(wanted)} sides need tiles of at least {len(wanted)} places; these {len(tiles)} tiles show "
            f"{len(views)}: {', '.join(views)}. Views of one place must stay together. Add tiles of other places, or "
            "ask for fewer sides."
        )
    places = sorted(views, key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).digest())
    side_of = _deal({place: views[place] for place in places}, wanted)
    sides: list[list[Tile]] = [[] for _ in wanted]
    for tile in tiles:
        sides[side_of[tile.place]].append(tile)
    return sides


def split_tiles(
    tiles: Sequence[Tile], split: Split = "tile", *, folds: int = FOLDS, fold: int | None = None, seed: int = 0
) -> dict[str, list[Tile]]:
    """Divide tiles into "train", "validation" and "test".

    Args:
        tiles: of several places.
        split: "tile": by `SHARES`, no place on two sides; see `split_by_place`. "folds": every place tests once over
            all folds. "digit": views ending 9 validate, which leaks, for other views of the same places are trained on;
            held-out folders test. See `splits.sides_of`.
        folds, fold: of "folds"; seed: of "tile".

    Raises:
        DataError: too few places, or a side would be empty.
        ValueError: options of the split that do not go together.
    """
    names = ("train", "validation", "test")
    check_split(split, folds=folds, fold=fold)
    if split == "tile":
        return dict(zip(names, split_by_place(tiles, SHARES, seed=seed), strict=True))
    parents = [next(iter(tile.files.values())).parent for tile in tiles]
    base = Path(os.path.commonpath(parents)) if parents else Path()  # folders above the data say nothing of them
    samples = [
        File("", tile.name, next(filter(None, map(held_out_kind, parent.relative_to(base).parts)), ""))
        for tile, parent in zip(tiles, parents, strict=True)
    ]
    sides = sides_of(samples, [tile.place for tile in tiles], split, folds=folds, fold=fold)
    found = {name: [tile for tile, side in zip(tiles, sides, strict=True) if side == name] for name in names}
    if empty := [name for name, part in found.items() if not part]:
        raise DataError(
            f"no tiles are left for {empty[0]}: there are {len(tiles)} of {len(_views_by_place(tiles))} places."
        )
    return found


def _deal(views: Mapping[str, int], shares: Sequence[float]) -> dict[str, int]:
    """Deal places out in their order, each to the side that lacks most; the last ones to sides that have none yet."""
    room = [share / sum(shares) * sum(views.values()) for share in shares]
    empty, side_of = set(range(len(shares))), dict[str, int]()
    for dealt, (place, count) in enumerate(views.items()):
        open_to = empty if len(empty) == len(views) - dealt else range(len(shares))
        side = max(open_to, key=lambda number: (room[number], -number))
        side_of[place] = side
        room[side] -= count
        empty.discard(side)
    return side_of


def _views_by_place(tiles: Sequence[Tile]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tile in tiles:
        counts[tile.place] = counts.get(tile.place, 0) + 1
    return dict(sorted(counts.items()))


def _data_folder() -> Path:
    if (folder := fetch.find("grss")) is None:
        wanted = fetch.data_folders()[0] / fetch.registry()["grss"].folder
        raise fetch.FetchError(f"There are no GRSS tiles in {wanted}. {fetch.registry()['grss'].get}")
    return folder


def tiff_files(folder: Path) -> Iterator[tuple[re.Match[str], Path]]:
    """Find the files whose names are those of tiles, below a folder and where links lead, but in no folder twice.

    Yields:
        The parts of the name (place, view, kind), and the path.

    Raises:
        DataError: the folder is not there, or one cannot be listed.
    """
    if not folder.is_dir():
        raise NoDataError(f"{folder} is not a folder. Name the one that the tiles were unpacked into.")
    for path in files_below(folder, onerror=_unreadable):
        if match := NAME.fullmatch(path.name):
            yield match, path


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed: {error.strerror}. Ask whoever owns it, or move it away.")


def paired(files: Iterable[tuple[re.Match[str], Path]]) -> list[Tile]:
    """Put the files of each view together: parts of the names, and paths.

    Raises:
        DataError: two files of one name.
    """
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for match, path in files:
        partners = found.setdefault((match[1], match[2] or ""), {})
        if (other := partners.setdefault(match[3], path)) != path:
            first, second = sorted((other, path))
            raise DataError(
                f"Two files are the {match[3]} of one view: {first} and {second}. Tracks 1 and 3 use the same names "
                "for different pictures: name the folder of one track, or remove the copy."
            )
    return [Tile(*key, files=dict(sorted(partners.items()))) for key, partners in sorted(found.items())]


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise ValueError unless `kinds` are kinds of files, each once."""
    if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS) or len(set(kinds)) < len(kinds):
        raise ValueError(f"kinds must be some of {', '.join(KINDS)}, as in ('RGB', 'CLS'); received {kinds!r}.")


def _incomplete(folder: Path, candidates: Sequence[Tile], kinds: Sequence[str]) -> DataError:
    gaps = [f"{tile.name} lacks {', '.join(lacks)}" for tile in candidates if (lacks := tile.missing(kinds))]
    hint = " Truth without a view (Track 3) lies over no view." if any(not tile.view for tile in candidates) else ""
    return DataError(
        f"{len(gaps)} of {len(candidates)} tiles below {folder} are incomplete: {'; '.join(gaps[:5])}"
        f"{'; …' if len(gaps) > 5 else ''}.{hint} Copy the missing files, ask for other kinds than "
        f"{', '.join(kinds)}, or leave these tiles out with drop_incomplete=True."
    )
