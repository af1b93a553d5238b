"""Copies patches to the disk of the machine that computes. On OSCER that is `$LSCRATCH`."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from helpers.data import DataError
from helpers.data.base import owner_below
from helpers.data.chesapeake import find_patches
from helpers.data.room import check_room
from helpers.data.stand_in import copy_mark
from helpers.data.streaming.shards import SUFFIX, split_name
from helpers.files import sweep, whole

SCRATCH = ("LSCRATCH", "SLURM_TMPDIR", "TMPDIR")  # variables that name a local disk, best first
THREADS = 8  # a parallel file system answers several readers at once


def scratch_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Find the folder for files that only this job needs.

    Raises:
        DataError: no variable names one that is there.
    """
    for name in SCRATCH:
        folder = Path(environment.get(name) or "/nowhere")
        if folder.is_dir():
            return folder
    raise DataError(f"no local scratch: none of {', '.join(SCRATCH)} names a folder. Say where to copy to: --to DIR.")


def stage(
    source: str | Path,
    destination: str | Path | None = None,
    *,
    ou_folder: str | None = None,
    states: Sequence[str] | None = None,
    progress: bool = True,
) -> Path:
    """Copy patches, or shards of them, into a folder of the same name; copies that are there already are kept.

    A file is taken for a copy if it has the size and the time of the original: a shard that was packed anew is copied
    anew, though it may be as long as the old one.

    Args:
        source: folder of patches, packed or not.
        destination: where the copy goes. Default: `scratch_folder()`.
        ou_folder, states: copy only these; see `chesapeake.find_patches`.
        progress: whether to show a bar.

    Returns:
        The copy, to be used in place of `source`.

    Raises:
        DataError: no patches, no scratch, a copy onto itself or among other patches, too little room, or a file that
            cannot be read or written. What was copied stays, and the same call goes on from there.
    """
    source = Path(source).expanduser().resolve()
    copy = (Path(destination).expanduser() if destination else scratch_folder()).resolve() / source.name
    if copy == source:
        raise DataError(f"{source} would be copied onto itself. Say where to copy to: --to DIR.")
    pairs = [_Pair(path, copy / path.relative_to(source), _status(path)) for path in _files(source, ou_folder, states)]
    sweep(copy)
    _refuse_strangers(copy, source, {pair.target for pair in pairs})
    missing = [pair for pair in pairs if not pair.is_copied()]
    check_room(copy, sum(pair.status.st_size for pair in missing), "{:.1f} GB are to be copied")
    copy.mkdir(parents=True, exist_ok=True)
    copy_mark(source, copy)
    _copy_all(missing, progress)
    return copy


class _Pair(NamedTuple):
    """A file, where its copy goes, and what the system says of the file."""

    path: Path
    target: Path
    status: os.stat_result

    def is_copied(self) -> bool:
        """Tell whether a file of this size and time is there."""
        if not self.target.exists():
            return False
        there = self.target.stat()
        return (there.st_size, there.st_mtime_ns) == (self.status.st_size, self.status.st_mtime_ns)

    def copy(self) -> None:
        """Copy the file with its time.

        Raises:
            DataError: it cannot be read, or the copy not written.
        """
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with whole(self.target) as unfinished:
                shutil.copyfile(self.path, unfinished)
                os.utime(unfinished, ns=(self.status.st_atime_ns, self.status.st_mtime_ns))
        except OSError as error:
            told = f"{self.path} could not be copied to {self.target}: {error.strerror or error}."
            raise DataError(told) from error


def _copy_all(pairs: Sequence[_Pair], progress: bool) -> None:
    total = sum(pair.status.st_size for pair in pairs)
    with (
        tqdm(total=total, desc="staging", unit="B", unit_scale=True, disable=not progress) as bar,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for pair, _ in zip(pairs, pool.map(_Pair.copy, pairs), strict=True):
            bar.update(pair.status.st_size)


def _files(source: Path, ou_folder: str | None, states: Sequence[str] | None) -> list[Path]:
    """List the files that hold the patches, each once."""
    data_set = None if ou_folder or states else owner_below(source)
    found = data_set.files(source) if data_set else find_patches(source, ou_folder=ou_folder, states=states)
    paths = (file.path for file in found)
    return [Path(path) for path in dict.fromkeys((split_name(path) or (path,))[0] for path in paths)]


def _refuse_strangers(copy: Path, source: Path, targets: set[Path]) -> None:
    """Refuse to mix: patches of another source would be read as part of this one."""
    kinds = {".npz", SUFFIX, *(path.suffix for path in targets if path.suffix)}
    there = {path for kind in kinds for path in copy.rglob(f"[!.]*{kind}") if path.is_file()}
    strangers = [path for path in there - targets if not (source / path.relative_to(copy)).exists()]
    if strangers:
        raise DataError(
            f"{min(strangers)} is no copy from {source}. Choose another folder (--to DIR), or remove {copy}."
        )


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be copied: {error.strerror or error}. Mend or remove it.") from error
