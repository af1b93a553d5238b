"""A walk through folders of patches, whatever else lies there. Used by `files`, which says which layouts there are."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from helpers.data import DataError
from helpers.data.splits import held_out_kind
from helpers.data.streaming.npz import FileError
from helpers.data.streaming.shards import SUFFIX, open_shard

OU_FOLDER = re.compile(r"F\d+")


class Patch(NamedTuple):
    """A file, its name, and the kind of held-out folder it lies in: "val", "test", or "" for none. Opens as a path."""

    path: str
    name: str
    held_out: str

    def __fspath__(self) -> str:
        return self.path


class Scan:
    """A walk through folders; see `find_patches`."""

    def __init__(self, ou_folder: str | None, broken: list[FileError] | None) -> None:
        self._ou_folder, self._broken = ou_folder, broken

    def below(self, folder: str, held_out: str = "", above: frozenset[str] = frozenset()) -> Iterator[Patch]:
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
                        yield Patch(entry.path, entry.name, held_out)
                    else:
                        yield from self._of(entry, held_out, above | {real})
        except FileNotFoundError:
            return
        except OSError as error:
            if self._broken is None:
                raise DataError(f"{folder} cannot be listed: {error.strerror or error}.") from error
            self._broken.append(FileError(folder, f"cannot be listed: {error.strerror or error}."))

    def _of(self, entry: os.DirEntry, held_out: str, above: frozenset[str]) -> Iterator[Patch]:
        """Yield the patches of a shard, or of a folder, whatever it is called."""
        name = entry.name
        if not _is_folder(entry):
            records = self._records(entry.path) if name.endswith(SUFFIX) else []
            yield from (
                Patch(f"{entry.path}/{record}", record, held_out) for record in records if record.endswith(".npz")
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
