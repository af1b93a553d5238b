"""The contract of a data set whose samples are files, and the registry of those that fulfil it.

A data set is a card in `datasets/registry.toml` and the module that the card names, which has an object `DATA_SET` of a
class derived from `DataSet`: MNIST, Chesapeake and GRSS as well as one of your own. Nothing else need be changed:
`course data list`, `fetch`, `check`, `show`, `stats`, `make`, `pack` and `stage`, the loader, run files and lecture 00
ask the registry. datasets/README.md shows an example.
"""

import copy
import heapq
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from helpers.data import DataError, NoDataError, fetch, stand_in
from helpers.data.fetch import DataCard
from helpers.data.measuring import Facts, Moments, Warnings, facts_of, several, spread
from helpers.data.splits import FOLDS, Split, held_out_kind, sides_of
from helpers.data.streaming import Arrays, FileError, SampleRng, Samples, Spec
from helpers.data.streaming.npz import read_file
from helpers.data.streaming.shards import SUFFIX, checksum, open_shard, split_name
from helpers.tables import many

if TYPE_CHECKING:
    from helpers.figures import Figure

SHARD = re.compile(rf"/[^/]*{re.escape(SUFFIX)}/")  # left out when sorting: packed files come in the same order


class File(NamedTuple):
    """A file of a data set, or a record of a shard, and the kind of held-out folder it lies in; see `splits.Sample`."""

    path: str
    name: str
    held_out: str

    def __fspath__(self) -> str:
        return self.path


class Packed(NamedTuple):
    """What of a file goes into a shard: see `shards.Record`."""

    tag: int
    sections: Sequence[np.ndarray | bytes]
    content: int


class DataSet:
    """A data set whose samples are files, packed into shards or not. Needed are `pattern`, `arrays` and `read`.

    Attributes:
        name: its short name in the registry, which sets it.
        pattern: regular expression that fits the name of each of its files, and of no other data set's.
        arrays: shape and dtype of each array of one sample; "image" is what is drawn, and what models learn from.
        noun: what `data check` calls a file.
        sections: of a record in a shard; 0 if its files cannot be packed.
    """

    name = ""
    pattern = "(?!)"  # fits nothing
    arrays: Mapping[str, Spec]
    noun = "file"
    sections = 1

    @property
    def unit(self) -> str:
        """What `data stats` counts: here, files."""
        return self.noun

    @property
    def card(self) -> DataCard:
        """Return what the registry says."""
        return fetch.registry()[self.name]

    def find(self) -> Path | None:
        """Find the folder with its real files; None if it is not here."""
        return fetch.find(self.name)

    def fetch(self) -> Path | None:
        """Return where it is, after a download if its card has an address; None if a person must fetch it.

        Raises:
            FetchError: the download failed.
        """
        if folder := self.find():
            return folder
        return fetch.download(self.name) if self.card.url else None

    def stand_in(self, folder: Path, *, progress: bool = True) -> list[Path]:
        """Write what is missing of a stand-in, files in the same format that are made up; return all its files.

        Raises:
            DataError: none can be made.
        """
        raise DataError(f"nobody has written how a stand-in for {self.name} is made. {self.card.get}")

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
        from helpers.figures import Figure  # here, since whoever only reads needs no pictures

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

    def files(self, folder: Path, *, broken: list[FileError] | None = None) -> list[File]:
        """Find the files below a folder; see `scan`.

        Raises:
            FileError: the index of a shard is damaged, or a folder cannot be listed.
        """
        return scan(folder, self.claims, broken=broken)

    def draws(self, name: str) -> bool:
        """Return whether `plot` can draw a file of this name: here, whether it belongs to this data set."""
        return self.claims(name)

    def on_disk(self, path: str) -> list[str]:
        """Return the files that a sample is read from: itself, or the shard that it is a record of."""
        return [(split_name(path) or (path,))[0]]

    def pack(self, path: str) -> Packed:
        """Return what of a file goes into a shard, once it has been checked: here, all of it, as it is.

        Raises:
            DataError: it cannot be read.
        """
        self.check(path)
        raw = read_bytes(path)
        return Packed(1, [raw], checksum(raw))

    def content(self, path: str) -> int | None:
        """Return the checksum of what a file holds, to see whether it is packed already; None of one that is broken."""
        try:
            return checksum(read_bytes(path))
        except FileError:
            return None

    def room(self, size: int) -> int:
        """Return how many bytes of a shard a file of this size takes at most, if nothing is compressed."""
        return size

    def stats(self, files: Sequence[File], *, most: int) -> dict[str, Any]:
        """Count files, places and splits; of some files measure the channels of "image".

        Args:
            files: from `files`, at least one.
            most: look into so many, spread evenly.

        Returns:
            What `measuring.text` writes; every number may go into JSON.

        Raises:
            DataError: a file is broken.
        """
        some = spread([file.path for file in files], most)
        facts = facts_of(self._look, some, noun=self.noun)
        bands = self.arrays["image"].shape[-1] if "image" in self.arrays else 0
        return {
            many(self.unit): len(files),
            "places": len({self.place(file.path) for file in files}),
            "splits": self.splits(files),
            "stand-in": stand_in.is_stand_in(files[0].path),
            "looked into": len(some),
            "channels": facts.moments.summary([f"band {band + 1}" for band in range(bands)]) if facts.moments else {},
        }

    def _look(self, path: str) -> Facts:
        """Measure the last axis of "image"."""
        image = self.sample(path).get("image")
        return Facts(np.zeros(0), None if image is None else Moments.of(image.reshape(-1, image.shape[-1])))

    def splits(self, files: Sequence[File]) -> dict[str, dict[str, int] | str]:
        """Count the files on each side of every split, of folds the first; or say why a split is not possible."""
        return {split: self._counts(files, split) for split in get_args(Split)}

    def _counts(self, files: Sequence[File], split: Split) -> dict[str, int] | str:
        try:
            sides = self.sides(files, split, fold=0 if split == "folds" else None)
        except DataError as error:
            return f"not possible: {error}"
        return {side: len(part) for side, part in sides.items()}

    def sides(
        self, files: Sequence[File], split: Split = "tile", *, folds: int = FOLDS, fold: int | None = None
    ) -> dict[str, list[str]]:
        """Divide files into "train", "validation" and "test"; see `splits.sides_of`. Returns paths.

        Raises:
            DataError: a side would be empty.
            ValueError: options of the split that do not go together.
        """
        places = [self.place(file.path) for file in files]
        sides = sides_of(files, places, split, folds=folds, fold=fold)
        found = {
            name: [file.path for file, side in zip(files, sides, strict=True) if side == name]
            for name in ("train", "validation", "test")
        }
        if empty := [name for name, paths in found.items() if not paths]:
            raise DataError(
                f"no files are left for {empty[0]}: it has {len(files)} of {len(set(places))} places. Add some."
            )
        return found

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
        sides = self.sides(files, split, folds=folds, fold=fold)
        return {name: Files(self, paths) for name, paths in sides.items()}


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

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read one sample; nothing is drawn."""
        self.data_set.read(self.files[index], out)

    def finish(self, arrays: Arrays) -> Any:
        """Return the batch as the data set makes it."""
        return self.data_set.finish(arrays)


def scan(
    folder: str | Path,
    claims: Callable[[str], bool],
    *,
    leaves_out: Callable[[str], bool] = lambda name: False,
    broken: list[FileError] | None = None,
) -> list[File]:
    """Find files by their names below a folder, in shards as well, in the same order whether packed or not.

    No file is opened but shards, and none asked for its size. Names that begin with a dot are passed over: files being
    written, and what tools leave.

    Args:
        folder: anywhere; one that is not there has no files.
        claims: returns whether a file of a name is wanted.
        leaves_out: returns whether folders of a name are passed over.
        broken: a list that gets the errors of shards that cannot be opened and of folders that cannot be listed,
            which are left out. Default: they are raised.

    Raises:
        FileError: the index of a shard is damaged, or a folder cannot be listed.
    """
    found = _Scan(claims, leaves_out, broken).below(os.fspath(folder))
    return sorted(found, key=lambda file: SHARD.sub("/", file.path))


class _Scan(NamedTuple):
    """A walk through folders; see `scan`."""

    claims: Callable[[str], bool]
    leaves_out: Callable[[str], bool]
    broken: list[FileError] | None

    def below(self, top: str) -> Iterator[File]:
        """Yield the files below a folder, each folder once: by a link only where no other way leads to it."""
        seen = set[str]()
        waiting = [(False, top, "")]  # whether it is a link, path, held out; a heap, for the same choice every time
        while waiting:
            _, folder, held_out = heapq.heappop(waiting)
            real = os.path.realpath(folder)
            if real in seen:
                continue
            seen.add(real)
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if self.claims(entry.name) and not entry.is_dir(follow_symlinks=False):
                            yield File(entry.path, entry.name, held_out)
                        elif not _is_folder(entry):
                            yield from self._records(entry, held_out)
                        elif not self.leaves_out(entry.name):
                            inside = held_out or held_out_kind(entry.name)
                            heapq.heappush(waiting, (entry.is_symlink(), entry.path, inside))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._leave_out(FileError(folder, f"cannot be listed: {error.strerror or error}."))

    def _records(self, entry: os.DirEntry, held_out: str) -> Iterator[File]:
        """Yield the records of a shard; of another file, none."""
        try:
            names = open_shard(entry.path).names if entry.name.endswith(SUFFIX) else []
        except FileError as error:
            self._leave_out(error)
            return
        yield from (File(f"{entry.path}/{name}", name, held_out) for name in names if self.claims(name))

    def _leave_out(self, error: FileError) -> None:
        if self.broken is None:
            raise error
        self.broken.append(error)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def data_sets(**settings: Any) -> dict[str, DataSet]:
    """Return the data sets whose cards name a module, by their short names.

    Args:
        settings: attributes, such as `tile_size`, for those data sets that have them.

    Raises:
        DataError: a module cannot be imported, or defines no DATA_SET.
    """
    return {name: data_set(name, **settings) for name, card in fetch.registry().items() if card.module}


def data_set(name: str, **settings: Any) -> DataSet:
    """Return a data set by its short name; see `data_sets`. One whose card names no module has no files to read."""
    module = fetch.registry()[name].module
    found = _load(name, module) if module else DataSet()
    found.name = name
    if own := {key: value for key, value in settings.items() if hasattr(found, key)}:
        found = copy.copy(found)
        vars(found).update(own)
    return found


def _load(name: str, module: str) -> DataSet:
    try:
        return import_module(module).DATA_SET
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"the card [{name}] in datasets/registry.toml names the module {module}: {error}. It must lie beside the "
            "script `course` or in a folder on PYTHONPATH, and define DATA_SET."
        ) from error


def below(folder: Path, *, broken: list[FileError] | None = None, **settings: Any) -> list[tuple[DataSet, list[File]]]:
    """Find the files of every data set below a folder, in the order of the registry; those without any are left out.

    Args:
        folder: anywhere.
        broken: see `scan`; what several data sets cannot open is in it once.
        settings: see `data_sets`.

    Raises:
        FileError: a shard cannot be opened or a folder not listed, and `broken` is None.
    """
    found = list[tuple[DataSet, list[File]]]()
    errors = None if broken is None else list[FileError]()
    if not folder.is_dir():
        return found
    for each in data_sets(**settings).values():
        if files := each.files(folder, broken=errors):
            found.append((each, files))
    if broken is not None:
        broken += {error.path: error for error in errors or ()}.values()
    return found


def draw(path: str | Path) -> "Figure":
    """Draw what a file holds, as its data set does.

    Raises:
        DataError: the file is broken, or belongs to no data set of the registry.
    """
    name, sets = Path(path).name, data_sets().values()
    owner = next((each for each in sets if each.claims(name)), None)
    if found := owner or next((each for each in sets if each.draws(name)), None):
        return found.plot(str(path))
    nouns = ", ".join(each.noun for each in sets)
    raise DataError(f"{path} is no file of a data set of the course ({nouns}). See ./course data list.")


def no_files() -> str:
    """Return what a folder without data lacks: "no digit files, no patches and no tile files"."""
    nouns = [f"no {many(each.noun)}" for each in data_sets().values()]
    return several(nouns, most=len(nouns))


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
