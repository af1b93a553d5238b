"""The folder of a training that is under way, which one process has for itself. Used by `course train`."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers.experiments import Experiment, experiments_folder
from helpers.experiments.run_file import RunError
from helpers.files import LockedError, locked

LOCK = "lock"


def checkpoint_dir(experiment: Experiment) -> Path:
    """Return the checkpoint directory of an experiment, which lies beside the folder that it gets in the end."""
    return experiment.folder.with_name(f".training-{experiment.name}")


@contextmanager
def lock(experiment: Experiment) -> Iterator[Path]:
    """Lock the checkpoint directory of an experiment; the lock is released when the process exits, however it does.

    Yields:
        The folder, without what a process that was killed had half written.

    Raises:
        RunError: another process has it, or the folder cannot be written.
    """
    folder = checkpoint_dir(experiment)
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder / LOCK))
        except LockedError as error:
            raise RunError(
                f"{error} trains {experiment.name} already. "
                "Wait for it, or end it first; two at once would spoil each other's results."
            ) from None
        except OSError as error:
            raise RunError(
                f"{experiments_folder()} cannot be written: {error.strerror or error}. Free the disk, or name another "
                "folder: export COURSE_EXPERIMENTS=/scratch/$USER/experiments"
            ) from error
        _sweep(folder, experiment)
        yield folder


def _sweep(folder: Path, experiment: Experiment) -> None:
    """Remove what killed processes had begun to write, here and as an experiment."""
    for path in folder.glob(".*"):
        path.unlink(missing_ok=True)
    for path in experiment.folder.parent.glob(f".unfinished-*-{experiment.name}"):
        shutil.rmtree(path, ignore_errors=True)
