"""One attempt at a training: the folder that it has for itself, and its end when its time is up. Lecture 13.

An attempt that Slurm ends leaves at once: what the next one needs to go on is on the disk already. Keras is not needed.
"""

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers.experiments import Experiment, experiments_folder
from helpers.experiments.run_file import RunError
from helpers.files import LockedError, locked

LOCK = "lock"
AGAIN = 75  # the status that asks a job script to queue the job again (EX_TEMPFAIL of sysexits.h)
STUCK = 1
ADVICE = (
    "\nNot one epoch was completed in the time of this job, so another would not get further: ask for more time, or "
    "let an epoch be shorter (steps_per_epoch=100)."
)
SIGNALS = (signal.SIGUSR1, signal.SIGTERM)  # Slurm: the time is nearly up; the job is to go


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


@contextmanager
def on_preemption(
    message: Callable[[], str], has_progressed: Callable[[], bool], *, advice: str = ADVICE
) -> Iterator[None]:
    """Within the block, end this process when Slurm says so: status 75, or 1 if another attempt would not help.

    A thread waits for the signal: the main thread may be inside a long computation, or wait for a worker that has left.

    Args:
        message: what to tell then; called first, and may end what runs.
        has_progressed: whether this process has kept something to go on from, such as an epoch. One that has used its
            whole time without it would do so again and again.
        advice: is told to one that has not.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    earlier_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    earlier = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    threading.Thread(
        target=_watch, args=(reader, message, has_progressed, advice), daemon=True, name="course-preemption"
    ).start()
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_fd)
        writer.close()  # the thread ends


def _watch(reader: socket.socket, message: Callable[[], str], has_progressed: Callable[[], bool], advice: str) -> None:
    """Wait for the numbers of signals; the end of the stream is the end of the block."""
    with reader:
        while heard := reader.recv(1):
            if heard[0] in SIGNALS:
                told = message()  # which may have a program end, that keeps what it has only then
                stuck = heard[0] == signal.SIGUSR1 and not has_progressed()
                print(told + (advice if stuck else ""), file=sys.stderr, flush=True)
                sys.stdout.flush()
                os._exit(STUCK if stuck else AGAIN)
