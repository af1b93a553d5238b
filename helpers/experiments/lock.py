"""The folder of a training that is under way, which one process has for itself. Used by `course train`."""

import fcntl
import os
import shutil
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from helpers.experiments import Experiment, experiments_folder
from helpers.experiments.run_file import RunError

LOCK = "lock"


def workplace(experiment: Experiment) -> Path:
    """Return the checkpoint directory of an experiment, which lies beside the folder that it gets in the end."""
    return experiment.folder.with_name(f".training-{experiment.name}")


@contextmanager
def claim(experiment: Experiment) -> Iterator[Path]:
    """Lock the checkpoint directory of an experiment; the lock is released when the process exits, however it does.

    Yields:
        The folder, without what a process that was killed had half written.

    Raises:
        RunError: another process has it, or the folder cannot be written.
    """
    folder = workplace(experiment)
    with _writable():
        file = _open_lock(folder)
    with file:
        _lock(file, folder)
        with _writable():
            _sign(file)
        _sweep(folder, experiment)
        yield folder


@contextmanager
def _writable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{experiments_folder()} cannot be written: {error.strerror or error}. Free the disk, or name another "
            "folder: export COURSE_EXPERIMENTS=/scratch/$USER/experiments"
        ) from error


def _open_lock(folder: Path) -> FileIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / LOCK).open("ab+", buffering=0)  # a full disk is told at once, not when the file is closed


def _lock(file: FileIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read().decode().strip() or "Another process"
        raise RunError(
            f"{who} trains {folder.name.removeprefix('.training-')} already. "
            "Wait for it, or end it first; two at once would spoil each other's results."
        ) from None
    except OSError as error:  # a file system without locks
        told = f"{folder} cannot be locked ({error.strerror}): see that no other job trains the same."
        warnings.warn(told, stacklevel=4)


def _sign(file: FileIO) -> None:
    """Write who has the workplace."""
    job = os.environ.get("SLURM_JOB_ID")
    file.truncate(0)
    file.write(f"Process {os.getpid()} on {socket.gethostname()}{f' (job {job})' if job else ''}\n".encode())
    os.fsync(file.fileno())  # some disks say only now that they are full


def _sweep(folder: Path, experiment: Experiment) -> None:
    """Remove what killed processes had begun to write, here and as an experiment."""
    for path in folder.glob(".*"):
        path.unlink(missing_ok=True)
    for path in experiment.folder.parent.glob(f".unfinished-*-{experiment.name}"):
        shutil.rmtree(path, ignore_errors=True)
