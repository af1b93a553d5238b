"""Where patches lie, which tile each is cut from, and how they are divided into training, validation and test.

Layouts, recognised by the names of folders at any depth:

- the publishers': `{state}_1m_{year}_extended-{train,val,test}_patches/`
- OU: `{state}/{train,valid}/F0 … F9/`
- any folder of patches, with or without sub-folders

In each of them the files may be packed into shards (`*.pack`); see `helpers.data.packing`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.data import DataError, NoDataError
from helpers.data.base import SHARD, File
from helpers.data.splits import FOLDS, Side, Split, check_split, held_out_kind, matcher, sides_of
from helpers.data.streaming.npz import FileError
from helpers.data.streaming.shards import SUFFIX, open_shard

NAME = re.compile(r"(?P<state>[a-z]{2})_1m_(?P<year>\d{4})-(?P<tile>.+)-(?P<number>\d+)\.npz")
OU_FOLDER = re.compile(r"F\d+")
TRAINING_DIGITS = "*[012345678]"


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
    ou_folder: str | None = None,
    states: Sequence[str] | None = None,
    broken: list[FileError] | None = None,
) -> list[File]:
    """Find all patches below a folder, sorted by path; no `.npz` is opened or asked for its size.

    Args:
        base_dir: the folder.
        ou_folder: of OU's folders F0 to F9, only look into this one, such as "F0".
        states: only patches whose name begins with one of these, such as `["pa"]`.
        broken: a list that gets the errors of shards that cannot be opened and of folders that cannot be listed,
            which are left out. Default: they are raised.

    Raises:
        NoPatchesError: there are none. The message says what is there.
        DataError: a folder cannot be listed, or a shard cannot be opened.
    """
    base = os.fspath(Path(base_dir).expanduser())
    wanted = tuple(f"{state}_" for state in ([states] if isinstance(states, str) else states or ())) or ""
    found = sorted(_Scan(ou_folder, broken).below(base), key=lambda patch: SHARD.sub("/", patch.path))
    kept = [patch for patch in found if patch.name.startswith(wanted)]
    if not kept and not broken:
        beside = sorted(os.listdir(base))[:8] if os.path.isdir(base) else "no such folder"  # noqa: PTH112, PTH208
        raise NoPatchesError(
            f"{base} has no patches (*.npz) for ou_folder={ou_folder}, states={states}. There is: {beside}. Give the "
            "folder above pa/train/F0, above pa_1m_2013_extended-train_patches, or one with patches in it."
        )
    return kept


def split_files(
    base_dir: str | Path,
    *,
    split: Split = "tile",
    folds: int = FOLDS,
    fold: int | None = None,
    ou_folder: str | None = None,
    train_filter: str | Iterable[str] | None = None,
    states: Sequence[str] | None = None,
) -> Splits:
    """Divide the patches below a folder into training, validation and test.

    Args:
        base_dir, ou_folder, states: see `find_patches`.
        split, folds, fold: see `splits.sides_of`.
        train_filter: a pattern for names of training patches, or several, of which one must fit; `.npz` may be left
            out. Default: `*[012345678]` for "digit", all for the others.

    Raises:
        DataError: a side would be empty.
        ValueError: options of the split that do not go together, or the filter takes patches that validate.
    """
    check_split(split, folds=folds, fold=fold)
    patches = find_patches(base_dir, ou_folder=ou_folder, states=states)
    return split_patches(patches, split, folds=folds, fold=fold, train_filter=train_filter)


def split_patches(
    patches: Sequence[File],
    split: Split = "tile",
    *,
    folds: int = FOLDS,
    fold: int | None = None,
    train_filter: str | Iterable[str] | None = None,
) -> Splits:
    """Divide patches that were found; see `split_files`."""
    sides: dict[Side | None, list[File]] = {"train": [], "validation": [], "test": [], None: []}
    tiles = [tile_of(patch.name) for patch in patches]
    for patch, side in zip(patches, sides_of(patches, tiles, split, folds=folds, fold=fold), strict=True):
        sides[side].append(patch)
    passes = matcher(train_filter or (TRAINING_DIGITS if split == "digit" else "*"))
    if split == "digit" and (both := next((p.name for p in sides["validation"] if passes(p.name)), None)):
        raise ValueError(f"train_filter={train_filter!r} also takes {both}, which is for validation.")
    first, training = sides["train"][:1], [patch for patch in sides["train"] if passes(patch.name)]
    if first and not training:
        raise DataError(f"train_filter={train_filter!r} fits no name of a training patch, such as {first[0].name}.")
    sides["train"] = training
    for name in ("train", "validation", "test"):
        if not sides[name]:
            raise DataError(_nothing_left(name, split, patches))
    return Splits(*([patch.path for patch in sides[name]] for name in ("train", "validation", "test")))


def some_patches(patches: Sequence[File], *, tiles: int, per_tile: int) -> list[str]:
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


class _Scan:
    """A walk through folders; see `find_patches`."""

    def __init__(self, ou_folder: str | None, broken: list[FileError] | None) -> None:
        self._ou_folder, self._broken = ou_folder, broken

    def below(self, folder: str, held_out: str = "", above: frozenset[str] = frozenset()) -> Iterator[File]:
        """Yield the patches below a folder; `above` are those that lead to it, into which a link may lead back."""
        real = os.path.realpath(folder)
        if real in above:
            return
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):  # files being written, and what tools leave
                        continue
                    if entry.name.endswith(".npz") and not entry.is_dir(follow_symlinks=False):
                        yield File(entry.path, entry.name, held_out)
                    else:
                        yield from self._of(entry, held_out, above | {real})
        except FileNotFoundError:
            return
        except OSError as error:
            if self._broken is None:
                raise DataError(f"{folder} cannot be listed: {error.strerror or error}.") from error
            self._broken.append(FileError(folder, f"cannot be listed: {error.strerror or error}."))

    def _of(self, entry: os.DirEntry, held_out: str, above: frozenset[str]) -> Iterator[File]:
        """Yield the patches of a shard, or of a folder, whatever it is called."""
        name = entry.name
        if not _is_folder(entry):
            records = self._records(entry.path) if name.endswith(SUFFIX) else []
            yield from (
                File(f"{entry.path}/{record}", record, held_out) for record in records if record.endswith(".npz")
            )
        else:
            if self._ou_folder in (None, name) or not OU_FOLDER.fullmatch(name):
                yield from self.below(entry.path, held_out or held_out_kind(name), above)

    def _records(self, path: str) -> list[str]:
        try:
            return open_shard(path).names
        except FileError as error:
            if self._broken is None:
                raise
            self._broken.append(error)
            return []


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _nothing_left(side: Side, split: Split, patches: Sequence[File]) -> str:
    name = "training" if side == "train" else side
    tiles = len({tile_of(patch.name) for patch in patches})
    held = sum(bool(patch.held_out) for patch in patches)
    hint = {
        "tile": "A split by tile needs three tiles, or two beside the held-out folders",
        "folds": "Each fold needs patches to learn from",
        "digit": 'A split by digit needs names ending 9 and a held-out folder (valid/, …-val_patches/); split="tile" '
        "does without",
    }
    return (
        f"no patches are left for {name}: {len(patches)} patches of {tiles} tiles were found, {held} of them in "
        f"held-out folders. {hint[split]}."
    )
