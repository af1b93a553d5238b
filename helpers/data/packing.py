"""Copies of patches that are read faster: packed for reading over and over, staged on a local disk. Used by lecture 13.

`pack` writes the patches of a folder into shards (`*.pack`), about half an hour for the 32 GB of Pennsylvania on two
cores. All that reads a folder of patches reads its packed copy in the same way and gets the same batches in the same
order, bit for bit (`helpers.data.chesapeake.patches` says why). `stage` copies them, packed or not, to the disk of
the machine that computes; on OSCER that is `$LSCRATCH`.

Both can be killed at any time and go on where they were; a file appears when it is whole.
"""

import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from tqdm import tqdm

from helpers.cores import usable_cores
from helpers.data import DataError, NoDataError, check_room, stand_in
from helpers.data.base import DataSet, File, below, data_sets, no_files
from helpers.data.streaming.npz import FileError
from helpers.data.streaming.shards import COMPRESSIONS, SUFFIX, Compression, Record, Shard, ShardWriter, split_name
from helpers.files import atomic_write, files_below, sweep
from helpers.tables import plural

PER_SHARD = 200  # patches: 150 MB, which parallel file systems like and which are soon done again
SCRATCH = ("LSCRATCH", "SLURM_TMPDIR", "TMPDIR")  # variables that name a local disk, best first
THREADS = 8  # a parallel file system answers several readers at once
Found = list[tuple[DataSet, list[File]]]


@dataclass
class Summary:
    """What was packed.

    Attributes:
        counts: files in the packed folder by what they are, such as "patch".
        originals: of them, patches that went in as the `.npz` that they are, since they are not of the usual kind.
        broken: what is wrong with each file that was left out, by its path.
        left_out: a sentence about files that are not for shards, or "".
        done_before: shards that were there already.
        source_bytes, packed_bytes: sizes on the disk, without what was left out; windows of tiles have none.
    """

    counts: Counter[str] = field(default_factory=Counter)
    originals: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    left_out: str = ""
    done_before: int = 0
    source_bytes: int = 0
    packed_bytes: int = 0


class _Plan(NamedTuple):
    """A shard to be, and what goes into it: paths and sizes of files."""

    target: Path
    files: list[str]
    sizes: list[int]
    data_set: DataSet


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
    """Pack all files below a folder that can be; shards that are there are kept, unless a file has changed meanwhile.

    A patch is made again from what is to be written and compared bit for bit; each shard is read back and compared
    with its checksums before it takes its name.

    Args:
        source: folder of one data set or of several, in any layout that they know.
        destination: where the same folders with shards go; outside `source`.
        compression: None: a fifth larger than the `.npz` and quickest to read. "zstd": three quarters of the `.npz`.
        on_error: "raise" stops at a file that cannot be read; "skip" leaves it out.
        workers: threads. Default: one a core.
        progress: whether to show a bar.
        per_shard: files in a shard.

    Raises:
        DataError: nothing to pack, a file that cannot be read, a `destination` inside `source` or with shards of
            something else, too little room, or a disk that cannot be written to. What was written stays, and the same
            call goes on from there.
        ValueError: an option makes no sense.
    """
    source, destination = (Path(folder).expanduser().resolve() for folder in (source, destination))
    _check(source, destination, compression, on_error)
    found = below(source)
    plans = _plans(source, destination, per_shard, found)
    _refuse_strangers(destination, plans)
    summary = Summary(left_out=_left_out(source, {path for plan in plans for path in plan.files}, found))
    sweep(destination)
    waiting = [plan for plan in plans if not _is_done(plan, compression, on_error, summary)]
    summary.done_before = len(plans) - len(waiting)
    needed = sum(size if compression else plan.data_set.room(size) for plan in waiting for size in plan.sizes)
    check_room(destination, needed, "about {} are needed")
    destination.mkdir(parents=True, exist_ok=True)
    stand_in.copy_mark(source, destination)
    _write_all(waiting, compression, on_error, workers or usable_cores(), summary, progress)
    return _measured(summary, plans)


def _check(source: Path, destination: Path, compression: str | None, on_error: str) -> None:
    if compression not in COMPRESSIONS or on_error not in ("raise", "skip"):
        raise ValueError(
            f'compression must be None or "zstd", on_error "raise" or "skip"; got {compression!r}, {on_error!r}.'
        )
    if destination.is_relative_to(source) or source.is_relative_to(destination):
        raise DataError(f"{source} and {destination} lie in one another. Pack into a folder of its own.")


def _plans(source: Path, destination: Path, per_shard: int, found: Found) -> list[_Plan]:
    sets = {file.path: each for each, files in found if each.sections for file in files}
    if shard := next(filter(None, map(split_name, sets)), None):
        raise DataError(f"{shard[0]} is packed already. Give the folder of the original files.")
    if not sets:
        there = f"{_listed(found)}, which cannot be packed" if found else no_files()
        raise NoDataError(f"{source} has {there}. ./course data list tells where data are.")
    order = {each.name: number for number, (each, _) in enumerate(found)}
    paths = sorted(sets, key=lambda path: (os.path.dirname(path), order[sets[path].name], path))  # noqa: PTH120
    plans = []
    for folder, members in groupby(paths, key=os.path.dirname):
        target, parts = destination / Path(folder).relative_to(source), list[list[str]]()
        for _, own in groupby(members, key=lambda path: sets[path].name):
            files = list(own)
            parts += [files[start : start + per_shard] for start in range(0, len(files), per_shard)]
        for number, part in enumerate(parts):
            place = target / f"patches-{number:05}{SUFFIX}"
            plans.append(_Plan(place, part, [_size(path) for path in part], sets[part[0]]))
    return plans


def _left_out(source: Path, taken: set[str], found: Found) -> str:
    """Write what lies below a folder and is not taken, by what it is, or ""; notes of stand-ins do not count."""
    left = [(each, [file for file in files if file.path not in taken]) for each, files in found]
    known = taken | {path for each, files in found for file in files for path in each.on_disk(file.path)}
    files = [path for path in files_below(source) if not path.name.startswith(".") and path.name != stand_in.NAME]
    others = [str(path) for path in files if str(path) not in known]
    names = [file.path for _, files in left for file in files] + others
    kinds = [_listed([pair for pair in left if pair[1]]), plural(len(others), "other file") if others else ""]
    return f"left out: {' and '.join(filter(None, kinds))}, such as {names[0]}" if names else ""


def _listed(found: Found) -> str:
    return " and ".join(plural(len(files), each.noun) for each, files in found)


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


def _is_done(plan: _Plan, compression: Compression, on_error: str, summary: Summary) -> bool:
    """Return whether the shard is there with all that can be read; files that it lacks are looked at once more."""
    with suppress(FileError):
        shard = Shard(str(plan.target))
        there = dict(zip(shard.names, zip(shard.origins.tolist(), shard.contents.tolist(), strict=True), strict=True))
        pairs = zip(plan.files, plan.sizes, strict=True)
        rest = [
            (path, size)
            for path, size in pairs
            if there.pop(os.path.basename(path), None) != (size, plan.data_set.content(path))  # noqa: PTH119
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
        tqdm(total=count, desc="packing", unit=" files", disable=not progress) as bar,
        ThreadPoolExecutor(workers, thread_name_prefix="course-packing") as pool,
    ):
        tasks = [pool.submit(_write, plan, compression, on_error, summary, bar, stop) for plan in plans]
        try:
            for task in as_completed(tasks):
                task.result()
        finally:
            stop.set()  # an error or Ctrl-C: the other threads end after the file that they are at
            pool.shutdown(cancel_futures=True)


def _write(
    plan: _Plan, compression: Compression, on_error: str, summary: Summary, bar: tqdm, stop: threading.Event
) -> None:
    try:
        plan.target.parent.mkdir(parents=True, exist_ok=True)
        with ShardWriter(plan.target, sections=plan.data_set.sections, compression=compression) as writer:
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


def _records(files: Iterable[tuple[str, int]], data_set: DataSet, on_error: str, summary: Summary) -> Iterator[Record]:
    for path, size in files:
        try:
            yield Record(os.path.basename(path), size, *data_set.pack(path))  # noqa: PTH119 - of every file
        except DataError as error:
            if on_error == "raise":
                raise
            summary.broken[path] = error.problem if isinstance(error, FileError) else str(error)


def _measured(summary: Summary, plans: Sequence[_Plan]) -> Summary:
    for plan in plans:
        shard = Shard(str(plan.target))
        summary.counts[plan.data_set.noun] += len(shard.names)
        summary.originals += int((shard.tags == 0).sum())
        summary.source_bytes += int(shard.origins.sum())
        summary.packed_bytes += plan.target.stat().st_size
    return summary


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
    """Copy the files of data sets, packed or not, into a folder of the same name; copies that are there are kept.

    A file is taken for a copy if it has the size and the time of the original: a shard that was packed anew is copied
    anew, though it may be as long as the old one.

    Args:
        source: folder of one data set or of several. What of it is not copied is named on stderr.
        destination: where the copy goes. Default: `scratch_folder()`.
        ou_folder, states: copy only what data sets that can be chosen from so have of them, and nothing else.
        progress: whether to show a bar.

    Returns:
        The copy, to be used in place of `source`.

    Raises:
        DataError: no files, no scratch, a copy onto itself or among those of another source, too little room, or a file
            that cannot be read or written. What was copied stays, and the same call goes on from there.
    """
    source = Path(source).expanduser().resolve()
    copy = (Path(destination).expanduser() if destination else scratch_folder()).resolve() / source.name
    if copy == source:
        raise DataError(f"{source} would be copied onto itself. Say where to copy to: --to DIR.")
    pairs = [_Pair(path, copy / path.relative_to(source), _status(path)) for path in _files(source, ou_folder, states)]
    sweep(copy)
    _refuse_other_copies(copy, source, {pair.target for pair in pairs})
    missing = [pair for pair in pairs if not pair.is_copied()]
    check_room(copy, sum(pair.status.st_size for pair in missing), "{} are to be copied")
    copy.mkdir(parents=True, exist_ok=True)
    stand_in.copy_mark(source, copy)
    _copy_all(missing, progress)
    return copy


class _Pair(NamedTuple):
    """A file, where its copy goes, and what the system says of the file."""

    path: Path
    target: Path
    status: os.stat_result

    def is_copied(self) -> bool:
        """Return whether a file of this size and time is there."""
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
            with atomic_write(self.target) as unfinished:
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
    """List the files to copy, each once, a shard for all its records; print what is left out."""
    choice = {name: value for name, value in (("ou_folder", ou_folder), ("states", states)) if value}
    found = below(source, broken=[] if choice else None)  # what is not chosen may be broken
    chosen = found
    if choice:
        sets = [each for each in data_sets(**choice).values() if all(hasattr(each, name) for name in choice)]
        chosen = [(each, files) for each in sets if (files := each.files(source))]
    if not chosen:
        told = "".join(f" for {name}={value}" for name, value in choice.items())
        raise NoDataError(f"{source} has {no_files()}{told}. See ./course data list.")
    copied = dict.fromkeys(path for each, files in chosen for file in files for path in each.on_disk(file.path))
    along = {file.path for each, files in found for file in files if copied.keys() >= {*each.on_disk(file.path)}}
    if left := _left_out(source, along | copied.keys(), found):
        print(left, file=sys.stderr)
    return [Path(path) for path in copied]


def _refuse_other_copies(copy: Path, source: Path, targets: set[Path]) -> None:
    """Refuse to mix: files of another source would be read as part of this one."""
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
