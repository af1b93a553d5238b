"""The contract of a data set whose samples are files, and the registry of those that fulfil it.

A data set is a card in `datasets/registry.toml` and the module that the card names, which has an object `DATA_SET` of a
class derived from `DataSet`. Nothing else need be changed: `course data list`, `fetch`, `check`, `show`, `pack` and
`stage`, the loader, run files and the table of lecture 00 ask the registry. datasets/README.md shows an example.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from helpers.data import DataError, NoDataError, fetch
from helpers.data.plausible import Warnings
from helpers.data.splits import FOLDS, Split, held_out_kind, sides_of
from helpers.data.streaming import Arrays, Draws, FileError, Samples, Spec
from helpers.data.streaming.npz import read_file
from helpers.data.streaming.shards import SUFFIX, open_shard, split_name
from helpers.files import files_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class File(NamedTuple):
    """A file of a data set, or a record of a shard; see `splits.Sample`."""

    path: str
    name: str
    held_out: str


class DataSet:
    """A data set whose samples are files, packed into shards or not. Needed are `pattern`, `arrays` and `read`.

    Attributes:
        pattern: regular expression that fits the name of each of its files, and of no other data set's.
        arrays: shape and dtype of each array of one sample; "image" is what is drawn, and what models learn from.
        noun: what `data check` calls a file.
    """

    pattern: str
    arrays: Mapping[str, Spec]
    noun = "file"

    def read(self, path: str, out: Arrays) -> None:
        """Read one sample into arrays of the shapes and dtypes of `arrays`; `read_bytes` gives what the file holds.

        Raises:
            DataError: the file is broken. The message names it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how a file is read: it needs read.")

    def place(self, path: str) -> str:
        """Return the place that a file shows; files of one place are never on two sides. Default: each is its own."""
        return os.path.basename(path)  # noqa: PTH119 - of every file

    def finish(self, arrays: Arrays) -> Any:
        """Return the batch that is made of whole arrays: a tuple, in the order of `arrays`."""
        return tuple(arrays.values())

    def check(self, path: str) -> Warnings:
        """Check a file by reading it; return what is odd about it, which here is nothing.

        Raises:
            DataError: it is not what it should be.
        """
        for name, array in self.sample(path).items():
            if not np.isfinite(array).all():
                raise FileError(path, f"has numbers in {name} that are not finite.")
        return {}

    def plot(self, path: str) -> "Figure":
        """Draw the first three bands of a file, or the only one, between dark and bright."""
        from matplotlib.figure import Figure  # here, since whoever only reads needs no pictures

        image = self.sample(path)["image"].astype(np.float64)
        bands = image[..., :3] if image.shape[-1] >= 3 else image[..., :1]
        low, high = np.percentile(bands, [1, 99])
        figure = Figure(figsize=(4, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.imshow(np.clip((bands - low) / max(high - low, 1e-9), 0, 1), cmap="gray", interpolation="nearest")
        axes.set(title=os.path.basename(path), xticks=[], yticks=[])  # noqa: PTH119 - may be a record
        return figure

    def sample(self, path: str) -> Arrays:
        """Read one sample into new arrays; raises as `read` does."""
        arrays = {name: np.empty(spec.shape, spec.dtype) for name, spec in self.arrays.items()}
        self.read(path, arrays)
        return arrays

    def claims(self, name: str) -> bool:
        """Return whether a file of this name belongs to this data set."""
        return re.fullmatch(self.pattern, name) is not None

    def files(self, folder: Path, *, onerror: Callable[[OSError], None] | None = None) -> list[File]:
        """Find the files below a folder, in shards as well, sorted by path.

        Raises:
            FileError: the index of a shard is damaged.
        """
        found = []
        for path in files_below(folder, onerror=onerror):
            kinds = map(held_out_kind, path.relative_to(folder).parts[:-1])
            held_out = next(filter(None, kinds), "")
            records = open_shard(str(path)).names if path.name.endswith(SUFFIX) else []
            here = [(str(path), path.name), *((f"{path}/{record}", record) for record in records)]
            found += [File(*each, held_out) for each in here if self.claims(each[1])]
        return sorted(found)

    def open(
        self, folder: Path, *, split: Split = "tile", folds: int = FOLDS, fold: int | None = None
    ) -> dict[str, "Files"]:
        """Return sources of batches for `streaming.Loader`: "train", "validation" and "test", each sorted by path.

        Args:
            folder: of the data set, packed or not.
            split, folds, fold: see `splits.sides_of`; a tile is a `place`.

        Raises:
            DataError: there are no files, or a side would be empty.
            ValueError: options of the split that do not go together.
        """
        files = self.files(folder)
        if not files:
            raise NoDataError(f"{folder} has no files of this data set: none has a name like {self.pattern}.")
        places = [self.place(file.path) for file in files]
        sides = sides_of(files, places, split, folds=folds, fold=fold)
        found = {
            name: [file.path for file, side in zip(files, sides, strict=True) if side == name]
            for name in ("train", "validation", "test")
        }
        if empty := [name for name, paths in found.items() if not paths]:
            raise DataError(
                f"no files are left for {empty[0]}: {folder} has {len(files)} of {len(set(places))} places. Add some."
            )
        return {name: Files(self, paths) for name, paths in found.items()}


class Files(Samples):
    """Files of a data set as a source of batches for `streaming.Loader`."""

    def __init__(self, data_set: DataSet, files: Sequence[str]) -> None:
        self.data_set, self.files = data_set, list(files)
        self.arrays: dict[str, Spec] = dict(data_set.arrays)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Return the path of a sample's file."""
        return self.files[index]

    def fill(self, index: int, draws: Draws, out: Arrays) -> None:
        """Read one sample; nothing is drawn."""
        self.data_set.read(self.files[index], out)

    def finish(self, arrays: Arrays) -> Any:
        """Return the batch as the data set makes it."""
        return self.data_set.finish(arrays)


def data_sets() -> dict[str, DataSet]:
    """Return the data sets whose cards name a module, by their short names.

    Raises:
        DataError: a module cannot be imported, or defines no DATA_SET.
    """
    return {name: _load(name, card.module) for name, card in fetch.registry().items() if card.module}


def _load(name: str, module: str) -> DataSet:
    try:
        return import_module(module).DATA_SET
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"the card [{name}] in datasets/registry.toml names the module {module}: {error}. It must lie beside the "
            "script `course` or in a folder on PYTHONPATH, and define DATA_SET."
        ) from error


def owner(name: str) -> DataSet | None:
    """Return the data set that a file of this name belongs to, or None."""
    return next((each for each in data_sets().values() if each.claims(name)), None)


def owner_below(folder: Path) -> DataSet | None:
    """Return the data set whose files lie below a folder, the first if there are several, or None."""
    return next((each for each in data_sets().values() if each.files(folder)), None)


def read_bytes(path: str) -> bytes:
    """Return what a file holds, or a record that is a packed file.

    Raises:
        FileError: it is not there, cannot be read, or is damaged.
    """
    record = split_name(path)
    if record is None:
        return bytes(read_file(path))
    shard = open_shard(record[0])
    row = shard.row(record[1])
    raw = np.empty(shard.size(row, 0), np.uint8)
    shard.read(row, 0, raw)
    return raw.tobytes()
