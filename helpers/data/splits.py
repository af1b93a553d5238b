"""Which side a sample is on: training, validation or test. One function decides it, for every data set.

Three splits: "tile", the publishers'; "folds", which tests every place once over all folds; and "digit", that of the OU
course, which leaks and is for comparison. Used by lectures 12 and 13.
"""

import fnmatch
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol, get_args

from helpers.data import DataError

PARTS = 10  # of the tiles, with "tile": one validates where no folder does, and one tests
FOLDS = 5
HELD_OUT = re.compile(r"(?:.*-)?(val|test)_(?:patches|tiles)|(val)(?:id)?|(test)")

Split = Literal["tile", "folds", "digit"]
Side = Literal["train", "validation", "test"]


class Sample(Protocol):
    """What is known of a sample: the name of its file, and the kind of held-out folder it lies in."""

    @property
    def name(self) -> str:
        """Return the name of the file, without folders."""

    @property
    def held_out(self) -> str:
        """Return "val", "test", or "" for a sample that lies in no held-out folder."""


def held_out_kind(folder: str) -> str:
    """Return what a folder of this name is held out for: "val", "test" or "".

    >>> held_out_kind("pa_1m_2013_extended-val_patches"), held_out_kind("valid"), held_out_kind("train")
    ('val', 'val', '')
    """
    match = HELD_OUT.fullmatch(folder)
    return match[match.lastindex or 0] if match else ""


def check_split(split: str = "tile", *, folds: int = FOLDS, fold: int | None = None) -> None:
    """Check that the options of a split go together.

    Raises:
        ValueError: an unknown split; a fold where there are none; or a fold that is missing or is not there.
    """
    if split not in get_args(Split):
        raise ValueError(f'split must be "tile", "folds" or "digit"; received {split!r}.')
    if split != "folds" and fold is not None:
        raise ValueError(
            f'fold={fold} needs split="folds", which tests every tile once; split="{split}" tests the same tiles '
            'whatever the fold. Choose one, or leave fold out. (OU\'s folder F0 is ou_folder="F0".)'
        )
    if split == "folds" and folds < 3:
        raise ValueError(f"folds must be 3 or more: one tests, one validates, the others train. Received {folds}.")
    if split == "folds" and (fold is None or not 0 <= fold < folds):
        raise ValueError(f'split="folds" with folds={folds} needs a fold from 0 to {folds - 1}; received fold={fold}.')


def sides_of(
    samples: Sequence[Sample],
    tiles: Sequence[str],
    split: Split = "tile",
    *,
    folds: int = FOLDS,
    fold: int | None = None,
) -> list[Side | None]:
    """Return the side of each sample; None for one that lies outside the held-out folder of its tile.

    Args:
        samples: what is divided.
        tiles: the place of each sample; samples of one tile may show the same ground.
        split: which samples test, validate and train.
            "tile": the publishers' split. Folders of test samples test and folders of validation samples validate; if
            only one of the two is there, as in LILA's patches and OU's, it tests. A tenth of the other tiles
            stands in for what is missing. No tile gives samples to two sides.
            "folds": the tiles, whatever folders they lie in, are dealt into `folds` parts: part `fold` tests, the
            next one validates, the others train. Over all folds every sample is tested once, so confusion matrices may
            be added. No tile gives samples to two sides.
            "digit": the split of the OU course, for comparison. Names ending 9 validate, the others train; held-out
            folders test. Its patches of one tile overlap, so it leaks: training pixels come back in validation.
        folds: number of parts, at least 3.
        fold: which part tests, from 0; with "folds" only.

    Raises:
        DataError: fewer tiles than folds.
        ValueError: see `check_split`.
    """
    check_split(split, folds=folds, fold=fold)
    if split == "digit":
        nine = [sample.name.partition(".")[0].endswith("9") for sample in samples]
        return [
            "test" if p.held_out else "validation" if is_nine else "train"
            for p, is_nine in zip(samples, nine, strict=True)
        ]
    if split == "tile":
        return _by_folder(samples, tiles)
    dealt = _shuffled(set(tiles))
    if len(dealt) < folds:
        mend = f"Lower folds to {len(dealt)}, or add some" if len(dealt) >= 3 else "Three are the least: add some"
        raise DataError(f"{folds} folds need {folds} tiles; there are {len(dealt)}. {mend}.")
    part = {tile: (number - fold) % folds for number, tile in enumerate(dealt)}  # type: ignore[operator]  # check_split saw a fold
    role: dict[int, Side] = {0: "test", 1: "validation"}
    return [role.get(part[tile], "train") for tile in tiles]


def matcher(patterns: str | Iterable[str]) -> Callable[[str], object]:
    """Compile file patterns into a function of a name. A string is one pattern, not a list of characters.

    >>> bool(matcher("*[012345678]")("a-17.npz")), bool(matcher("*[012345678]")("a-19.npz"))
    (True, False)
    """
    several = [patterns] if isinstance(patterns, str) else list(patterns)
    whole = [pattern if pattern.endswith(".npz") else f"{pattern}.npz" for pattern in several]
    return re.compile("|".join(map(fnmatch.translate, whole))).fullmatch


def _by_folder(samples: Sequence[Sample], tiles: Sequence[str]) -> list[Side | None]:
    """Return the sides of "tile"; the tiles of a held-out folder are on its side wherever else they lie."""
    folders = {sample.held_out for sample in samples}
    role: dict[str, Side] = {"test": "test", "val": "validation" if "test" in folders else "test"}
    side: dict[str, Side] = {}
    for kind in ("val", "test"):  # a tile that is in both tests
        side |= {tile: role[kind] for tile, sample in zip(tiles, samples, strict=True) if sample.held_out == kind}
    held_out, here = side.copy(), set(side.values())
    others = _shuffled(set(tiles) - set(side))
    parts = max(1, min(PARTS, len(others)))
    if "validation" not in here and len(others) > 1:
        side |= dict.fromkeys(others[::parts], "validation")
    if "test" not in here and len(others) > 2:
        side |= dict.fromkeys(others[1::parts], "test")
    return [
        None if tile in held_out and role.get(sample.held_out) != held_out[tile] else side.get(tile, "train")
        for tile, sample in zip(tiles, samples, strict=True)
    ]


def _shuffled(tiles: Iterable[str]) -> list[str]:
    """Order tiles neither by name nor by place, and on every machine alike."""
    return sorted(tiles, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
