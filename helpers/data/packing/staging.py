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
from helpers.data.streaming.shards import split_name
from helpers.files import whole

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
    """Copy patches, or shards of them, into a folder of the same name; files that are there already are kept.

    Args:
        source: folder of patches, packed or not.
        destination: where the copy goes. Default: `scratch_folder()`.
        fold, states: copy only these; see `chesapeake.find_patches`.
        progress: whether to show a bar.

    Returns:
        The copy, to be used in place of `source`.

    Raises:
        DataError: no patches, no scratch, a copy onto itself, too little room, or a file that cannot be read or
            written. What was copied stays, and the same call goes on from there.
    """
    source = Path(source).expanduser().resolve()
    copy = (Path(destination).expanduser() if destination else scratch_folder()).resolve() / source.name
    if copy == source:
        raise DataError(f"{source} would be copied onto itself. Say where to copy to: --to DIR.")
    sizes = {path: path.stat().st_size for path in _files(source, fold, states)}
    targets = {path: copy / path.relative_to(source) for path in sizes}
    missing = [
        path for path, target in targets.items() if not (target.exists() and target.stat().st_size == sizes[path])
    ]
    total = sum(sizes[path] for path in missing)
    check_room(copy, total, "{:.1f} GB are to be copied")
    copy.mkdir(parents=True, exist_ok=True)
    copy_mark(source, copy)
    with (
        tqdm(total=total, desc="staging", unit="B", unit_scale=True, disable=not progress) as bar,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for path, _ in zip(missing, pool.map(_copy, missing, [targets[path] for path in missing]), strict=True):
            bar.update(sizes[path])
    return copy


def _files(source: Path, fold: int | None, states: Sequence[str] | None) -> list[Path]:
    """List the files that hold the patches, each once."""
    paths = (patch.path for patch in find_patches(source, fold=fold, states=states))
    return [Path(path) for path in dict.fromkeys((split_name(path) or (path,))[0] for path in paths)]


def _copy(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as unfinished:
            shutil.copyfile(path, unfinished)
    except OSError as error:
        raise DataError(f"{path} could not be copied to {target}: {error.strerror or error}.") from error
