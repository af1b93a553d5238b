"""Where patches lie, which tile each is cut from, and how they are divided into training, validation and test.

Layouts, recognised by the names of folders at any depth:

- LILA: `{state}_1m_{year}_extended-{train,val}_patches/`
- OU: `{state}/{train,valid}/F0 … F9/`
- any folder of patches, with or without sub-folders

In each of them the files may be packed into shards (`*.pack`); see `helpers.data.packing`.
"""

import fnmatch
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from helpers.data import DataError, NoDataError
from helpers.data.chesapeake.scan import Patch, Scan
from helpers.data.streaming.npz import FileError
from helpers.data.streaming.shards import SUFFIX

NAME = re.compile(r"(?P<state>[a-z]{2})_1m_(?P<year>\d{4})-(?P<tile>.+)-(?P<number>\d+)\.npz")
SHARD = re.compile(rf"/[^/]*{re.escape(SUFFIX)}/")  # left out when sorting: packed patches come in the same order
PARTS = 10  # one of them for validation, one for test where no folder is
TRAINING_DIGITS, VALIDATION_DIGIT = "*[012345678]", "*9"

Split = Literal["tile", "digit"]


@dataclass(frozen=True)
class Splits:
    """Paths of patches for training, validation and test, each sorted."""

    train: list[str]
    validation: list[str]
    test: list[str]


class NoPatchesError(NoDataError):
    """A folder has no patches."""


def tile_of(name: str) -> str:
    """Tell the tile of a patch by its file name. Neighbouring states share tiles, so the state is left out.

    >>> tile_of("pa_1m_2013-m_3907506_sw_18_1-499.npz")
    'm_3907506_sw_18_1'
    """
    match = NAME.fullmatch(name)
    return match["tile"] if match else name.removesuffix(".npz").rpartition("-")[0] or name


def find_patches(
    base_dir: str | Path,
    *,
    fold: int | None = None,
    states: Sequence[str] | None = None,
    broken: list[FileError] | None = None,
) -> list[Patch]:
    """Find all patches below a folder, sorted by path; no `.npz` is opened or asked for its size.

    Args:
        base_dir: the folder.
        fold: of OU's folders F0 to F9, only look into this one.
        states: only patches whose name begins with one of these, such as `["pa"]`.
        broken: a list that gets the errors of shards that cannot be opened and of folders that cannot be listed,
            which are left out. Default: they are raised.

    Raises:
        NoPatchesError: there are none. The message says what is there.
        DataError: a folder cannot be listed, or a shard cannot be opened.
    """
    base = os.fspath(Path(base_dir).expanduser())
    wanted = tuple(f"{state}_" for state in ([states] if isinstance(states, str) else states or ())) or ""
    found = sorted(Scan(fold, broken).below(base), key=lambda patch: SHARD.sub("/", patch.path))
    kept = [patch for patch in found if patch.name.startswith(wanted)]
    if not kept and not broken:
        beside = sorted(os.listdir(base))[:8] if os.path.isdir(base) else "no such folder"  # noqa: PTH112, PTH208
        raise NoPatchesError(
            f"{base} has no patches (*.npz) for fold={fold}, states={states}. There is: {beside}. Give the folder "
            "above pa/train/F0, above pa_1m_2013_extended-train_patches, or one with patches in it."
        )
    return kept


def split_files(
    base_dir: str | Path,
    *,
    split: Split = "tile",
    fold: int = 0,
    train_filter: str | Iterable[str] | None = None,
    states: Sequence[str] | None = None,
) -> Splits:
    """Divide the patches below a folder into training, validation and test.

    Args:
        base_dir: see `find_patches`.
        split: "tile": no tile gives patches to two sides. A tenth of the tiles validates (another one for each fold);
            the held-out folders test, or where there are none another tenth of the tiles. "digit": as at OU: of the
            training folder, names ending 0 to 8 train and names ending 9 validate; the held-out folders test.
            Patches of one tile overlap, so the digits leak: training patches come back in validation.
        fold: OU's folder F`fold`, and with "tile" the part of the tiles that validates.
        train_filter: a pattern for names of training patches, or several, of which one must fit; `.npz` may be left
            out. Default: `*[012345678]` for "digit", all for "tile".
        states: see `find_patches`.

    Raises:
        DataError: a side would be empty.
        ValueError: unknown `split`, or the filter takes patches that validate.
    """
    if split not in ("tile", "digit"):
        raise ValueError(f'split must be "tile" or "digit"; received {split!r}.')
    patches = find_patches(base_dir, fold=fold, states=states)
    sides = _by_tile(patches, fold) if split == "tile" else _by_digit(patches)
    passes = matcher(train_filter or (TRAINING_DIGITS if split == "digit" else "*"))
    if split == "digit" and (both := next((p.name for p in sides[1] if passes(p.name)), None)):
        raise ValueError(f"train_filter={train_filter!r} also takes {both}, which is for validation.")
    if sides[0] and not any(passes(patch.name) for patch in sides[0]):
        raise DataError(f"train_filter={train_filter!r} fits no name of a training patch, such as {sides[0][0].name}.")
    sides[0] = [patch for patch in sides[0] if passes(patch.name)]
    for name, side in zip(("training", "validation", "test"), sides, strict=True):
        if not side:
            raise DataError(_nothing_left(name, split, patches))
    return Splits(*([patch.path for patch in side] for side in sides))


def some_patches(patches: Sequence[Patch], *, tiles: int, per_tile: int) -> list[str]:
    """Choose a few whole neighbourhoods: some tiles, spread evenly over all, and the first patches of each.

    Args:
        patches: from `find_patches`.
        tiles: how many tiles, at most.
        per_tile: how many patches of each, at most.

    Returns:
        Paths, tile by tile.
    """
    by_tile: dict[str, list[str]] = {}
    for patch in patches:
        by_tile.setdefault(tile_of(patch.name), []).append(patch.path)
    every = list(by_tile)
    chosen = every if len(every) <= tiles else [every[round(step * len(every) / tiles)] for step in range(tiles)]
    return [path for tile in chosen for path in by_tile[tile][:per_tile]]


def matcher(patterns: str | Iterable[str]) -> Callable[[str], object]:
    """Compile file patterns into a function of a name. A string is one pattern, not a list of characters.

    >>> bool(matcher("*[012345678]")("a-17.npz")), bool(matcher("*[012345678]")("a-19.npz"))
    (True, False)
    """
    several = [patterns] if isinstance(patterns, str) else list(patterns)
    whole = [pattern if pattern.endswith(".npz") else f"{pattern}.npz" for pattern in several]
    return re.compile("|".join(map(fnmatch.translate, whole))).fullmatch


def _by_digit(patches: list[Patch]) -> list[list[Patch]]:
    ends_in_nine = matcher(VALIDATION_DIGIT)
    pool = [patch for patch in patches if not patch.held_out]
    return [
        [patch for patch in pool if not ends_in_nine(patch.name)],
        [patch for patch in pool if ends_in_nine(patch.name)],
        [patch for patch in patches if patch.held_out],
    ]


def _by_tile(patches: list[Patch], fold: int) -> list[list[Patch]]:
    """Deal the tiles round in an order that is neither alphabetical nor geographical."""
    tile = {patch.name: tile_of(patch.name) for patch in patches}
    testing = {tile[patch.name] for patch in patches if patch.held_out}
    tiles = set(tile.values()) - testing
    dealt = sorted(tiles, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
    parts = max(1, min(PARTS, len(dealt)))
    validating = set(dealt[fold % parts :: parts]) if len(dealt) > 1 else set()
    if not testing and len(dealt) > 2:
        testing = set(dealt[(fold + 1) % parts :: parts])
    sides = [[p for p in patches if tile[p.name] in side] for side in (tiles - validating - testing, validating)]
    return [*sides, [p for p in patches if tile[p.name] in testing and (p.held_out or tile[p.name] in tiles)]]


def _nothing_left(side: str, split: str, patches: list[Patch]) -> str:
    tiles = len({tile_of(patch.name) for patch in patches})
    held = sum(patch.held_out for patch in patches)
    hint = {
        "tile": "A split by tile needs three tiles, or two beside the held-out folders",
        "digit": 'A split by digit needs names ending 9 and a held-out folder (valid/, …-val_patches/); split="tile" '
        "does without",
    }
    return (
        f"no patches are left for {side}: {len(patches)} patches of {tiles} tiles were found, {held} of them in "
        f"held-out folders. {hint[split]}."
    )
