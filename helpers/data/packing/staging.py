"""Copies a fold to the disk of the machine that computes. On OSCER that is `$LSCRATCH`."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from helpers.data import DataError
from helpers.data.chesapeake import find_patches
from helpers.data.packing.room import check_room
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
    fold: int | None = None,
    states: Sequence[str] | None = None,
    progress: bool = True,
) -> Path:
    """Copy patches, or shards of them, into a folder of the same name; copies that are there already are kept.

    A file is taken for a copy if it has the size and the time of the original: a shard that was packed anew is copied
    anew, though it may be as long as the old one.

    Args:
        source: folder of patches, packed or not.
        destination: where the copy goes. Default: `scratch_folder()`.
        fold, states: copy only these; see `chesapeake.find_patches`.
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
    originals = {path: _status(path) for path in _files(source, fold, states)}
    targets = {path: copy / path.relative_to(source) for path in originals}
    sweep(copy)
    _refuse_strangers(copy, source, set(targets.values()))
    missing = [path for path, target in targets.items() if not _is_copy(target, originals[path])]
    total = sum(originals[path].st_size for path in missing)
    check_room(copy, total, "{:.1f} GB are to be copied")
    copy.mkdir(parents=True, exist_ok=True)
    copy_mark(source, copy)
    with (
        tqdm(total=total, desc="staging", unit="B", unit_scale=True, disable=not progress) as bar,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        copies = pool.map(lambda path: _copy(path, targets[path], originals[path]), missing)
        for path, _ in zip(missing, copies, strict=True):
            bar.update(originals[path].st_size)
    return copy


def _files(source: Path, fold: int | None, states: Sequence[str] | None) -> list[Path]:
    """List the files that hold the patches, each once."""
    paths = (patch.path for patch in find_patches(source, fold=fold, states=states))
    return [Path(path) for path in dict.fromkeys((split_name(path) or (path,))[0] for path in paths)]


def _refuse_strangers(copy: Path, source: Path, targets: set[Path]) -> None:
    """Refuse to mix: patches of another source would be read as part of this one."""
    there = {path for pattern in ("*.npz", f"*{SUFFIX}") for path in copy.rglob(f"[!.]{pattern}")}
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


def _is_copy(target: Path, original: os.stat_result) -> bool:
    if not target.exists():
        return False
    there = target.stat()
    return (there.st_size, there.st_mtime_ns) == (original.st_size, original.st_mtime_ns)


def _copy(path: Path, target: Path, original: os.stat_result) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as unfinished:
            shutil.copyfile(path, unfinished)
            os.utime(unfinished, ns=(original.st_atime_ns, original.st_mtime_ns))
    except OSError as error:
        raise DataError(f"{path} could not be copied to {target}: {error.strerror or error}.") from error
