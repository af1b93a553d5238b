"""Copies of patches that are read faster: packed for reading over and over, staged on a local disk. Used by lecture 13.

`pack` writes the patches of a folder into shards (`*.pack`), about half an hour for the 32 GB of Pennsylvania on two
cores. All that reads a folder of patches reads its packed copy in the same way and gets the same batches in the same
order, bit for bit (`helpers.data.chesapeake.packed` says why). `stage` copies them, packed or not, to the disk of
the machine that computes; on OSCER that is `$LSCRATCH`.

Both can be killed at any time and go on where they were; a file appears when it is whole.
"""

import os
import shutil
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from helpers.cores import usable_cores
from helpers.data import DataError
from helpers.data.base import DataSet, owner_below, read_bytes
from helpers.data.chesapeake import find_patches, packed
from helpers.data.chesapeake.patches import MOST_BYTES, as_planes
from helpers.data.making import check_room
from helpers.data.stand_in import copy_mark
from helpers.data.streaming.npz import FileError, checksum_of, decode_array, read_file
from helpers.data.streaming.shards import (
    COMPRESSIONS,
    SUFFIX,
    Compression,
    Record,
    Shard,
    ShardWriter,
    checksum,
    split_name,
)
from helpers.files import sweep, whole

PER_SHARD = 200  # patches: 150 MB, which parallel file systems like and which are soon done again
LARGEST = 800_000  # bytes of a patch that is not compressed: 12 planes and 256 cells


@dataclass
class Summary:
    """What was packed.

    Attributes:
        patches: in the packed folder.
        originals: of them, those that went in as the `.npz` that they are, since they are not of the usual kind.
        broken: what is wrong with each patch that was left out, by its path.
        done_before: shards that were there already.
        source_bytes, packed_bytes: sizes on the disk, without what was left out.
    """

    patches: int = 0
    originals: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    done_before: int = 0
    source_bytes: int = 0
    packed_bytes: int = 0


class _Plan(NamedTuple):
    """A shard to be, and what goes into it: paths and sizes of files."""

    target: Path
    files: list[str]
    sizes: list[int]
    data_set: DataSet | None  # of the registry; None: patches


def pack(
    source: str | Path,
    destination: str | Path,
    *,
    compression: Compression = None,
    on_error: Literal["raise", "skip"] = "raise",
    workers: int | None = None,
    progress: bool = True,
    per_shard: int = PER_SHARD,
) -> Summary:
    """Pack all patches below a folder; shards that are there already are kept, unless a patch has changed meanwhile.

    Each patch is made again from what is to be written and compared bit for bit; each shard is read back and compared
    with its checksums before it takes its name.

    Args:
        source: folder of patches, in any layout that `chesapeake.find_patches` knows.
        destination: where the same folders with shards go; outside `source`.
        compression: None: a fifth larger than the `.npz` and quickest to read. "zstd": three quarters of the `.npz`.
        on_error: "raise" stops at a patch that cannot be read; "skip" leaves it out.
        workers: threads. Default: one a core.
        progress: whether to show a bar.
        per_shard: patches in a shard.

    Raises:
        DataError: no patches, a patch that cannot be read, a `destination` inside `source` or with shards of something
            else, too little room, or a disk that cannot be written to. What was written stays, and the same call goes
            on from there.
        ValueError: an option makes no sense.
    """
    source, destination = (Path(folder).expanduser().resolve() for folder in (source, destination))
    _check(source, destination, compression, on_error)
    plans = _plans(source, destination, per_shard)
    _refuse_strangers(destination, plans)
    summary = Summary()
    sweep(destination)
    waiting = [plan for plan in plans if not _is_done(plan, compression, on_error, summary)]
    summary.done_before = len(plans) - len(waiting)
    needed = sum(sum(plan.sizes) if compression or plan.data_set else LARGEST * len(plan.sizes) for plan in waiting)
    check_room(destination, needed, "about {:.1f} GB are needed")
    destination.mkdir(parents=True, exist_ok=True)
    copy_mark(source, destination)
    _write_all(waiting, compression, on_error, workers or usable_cores(), summary, progress)
    return _measured(summary, plans)


def _check(source: Path, destination: Path, compression: str | None, on_error: str) -> None:
    if compression not in COMPRESSIONS or on_error not in ("raise", "skip"):
        raise ValueError(
            f'compression must be None or "zstd", on_error "raise" or "skip"; got {compression!r}, {on_error!r}.'
        )
    if destination.is_relative_to(source) or source.is_relative_to(destination):
        raise DataError(f"{source} and {destination} lie in one another. Pack into a folder of its own.")


def _plans(source: Path, destination: Path, per_shard: int) -> list[_Plan]:
    data_set = owner_below(source)
    paths = [file.path for file in (data_set.files(source) if data_set else find_patches(source))]
    if shard := next(filter(None, map(split_name, paths)), None):
        raise DataError(f"{shard[0]} is packed already. Give the folder of the original patches.")
    plans = []
    for folder, members in groupby(sorted(paths, key=os.path.split), key=os.path.dirname):
        files, target = list(members), destination / Path(folder).relative_to(source)
        for number, start in enumerate(range(0, len(files), per_shard)):
            part = files[start : start + per_shard]
            plans.append(_Plan(target / f"patches-{number:05}{SUFFIX}", part, [_size(path) for path in part], data_set))
    return plans


def _size(path: str) -> int:
    """Count the bytes of a file; 0 of one that cannot be looked at: who reads it says why."""
    with suppress(OSError):
        return os.path.getsize(path)  # noqa: PTH202 - of every file
    return 0


def _refuse_strangers(destination: Path, plans: Sequence[_Plan]) -> None:
    """Refuse to mix: shards that this packing would not write would be read as part of it."""
    there = {path for path in destination.rglob(f"[!.]*{SUFFIX}") if path.is_file()}
    strangers = there - {plan.target for plan in plans}
    if strangers:
        raise DataError(f"{min(strangers)} is of another packing. Choose another folder, or remove that one.")


def _content(path: str, data_set: DataSet | None) -> int | None:
    """Return the CRC-32 of a patch's values, which the end of its file holds; None where it cannot be found.

    Of a file of another data set: of all of it.
    """
    if data_set:
        with suppress(FileError):
            return checksum(read_bytes(path))
        return None
    with suppress(Exception), zipfile.ZipFile(path) as archive:  # whoever reads the file says what is wrong
        return archive.getinfo("arr_0.npy").CRC
    return None


def _is_done(plan: _Plan, compression: Compression, on_error: str, summary: Summary) -> bool:
    """Tell whether the shard is there with all that can be read; patches that it lacks are looked at once more."""
    with suppress(FileError):
        shard = Shard(str(plan.target))
        there = dict(zip(shard.names, zip(shard.origins.tolist(), shard.contents.tolist(), strict=True), strict=True))
        pairs = zip(plan.files, plan.sizes, strict=True)
        rest = [
            (path, size)
            for path, size in pairs
            if there.pop(os.path.basename(path), None) != (size, _content(path, plan.data_set))  # noqa: PTH119
        ]
        if not there and shard.compression == compression:
            return not any(True for _ in _records(rest, plan.data_set, on_error, summary))
    return False


def _write_all(
    plans: Sequence[_Plan], compression: Compression, on_error: str, workers: int, summary: Summary, progress: bool
) -> None:
    stop = threading.Event()
    count = sum(len(plan.files) for plan in plans)
    with (
        tqdm(total=count, desc="packing", unit=" patches", disable=not progress) as bar,
        ThreadPoolExecutor(workers, thread_name_prefix="course-packing") as pool,
    ):
        tasks = [pool.submit(_write, plan, compression, on_error, summary, bar, stop) for plan in plans]
        try:
            for task in as_completed(tasks):
                task.result()
        finally:
            stop.set()  # an error or Ctrl-C: the other threads end after the patch that they are at
            pool.shutdown(cancel_futures=True)


def _write(
    plan: _Plan, compression: Compression, on_error: str, summary: Summary, bar: tqdm, stop: threading.Event
) -> None:
    try:
        plan.target.parent.mkdir(parents=True, exist_ok=True)
        sections = 1 if plan.data_set else packed.SECTIONS
        with ShardWriter(plan.target, sections=sections, compression=compression) as writer:
            for record in _records(zip(plan.files, plan.sizes, strict=True), plan.data_set, on_error, summary):
                if stop.is_set():
                    raise InterruptedError("stopped")
                writer.add(record)
                bar.update()
    except OSError as error:
        raise DataError(
            f"{plan.target} could not be written: {error.strerror or error}. Nothing is lost: shards that are whole "
            "stay, and the same command goes on from there."
        ) from error


def _records(
    files: Iterable[tuple[str, int]], data_set: DataSet | None, on_error: str, summary: Summary
) -> Iterator[Record]:
    for path, size in files:
        try:
            yield _whole_file(path, size, data_set) if data_set else _record(path, size)
        except DataError as error:
            if on_error == "raise":
                raise
            summary.broken[path] = error.problem if isinstance(error, FileError) else str(error)


def _record(path: str, size: int) -> Record:
    raw = read_file(path)
    encoded = packed.encode(as_planes(decode_array(raw, path, most=MOST_BYTES), path))
    if encoded is None:
        encoded = 0, [b""] * packed.ORIGINAL + [np.frombuffer(raw, np.uint8)]
    return Record(os.path.basename(path), size, *encoded, checksum_of(raw, path))  # noqa: PTH119


def _whole_file(path: str, size: int, data_set: DataSet) -> Record:
    """Make the record of a file that goes in as it is, once it can be read."""
    data_set.check(path)
    raw = read_bytes(path)
    return Record(os.path.basename(path), size, 1, [raw], checksum(raw))  # noqa: PTH119


def _measured(summary: Summary, plans: Sequence[_Plan]) -> Summary:
    for plan in plans:
        shard = Shard(str(plan.target))
        summary.patches += len(shard.names)
        summary.originals += int((shard.tags == 0).sum())
        summary.source_bytes += int(shard.origins.sum())
        summary.packed_bytes += plan.target.stat().st_size
    return summary


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
    _refuse_other_copies(copy, source, {pair.target for pair in pairs})
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


def _refuse_other_copies(copy: Path, source: Path, targets: set[Path]) -> None:
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
