"""Slurm's commands: submit, look into the queue, cancel. Used by `./course cluster`."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.slurm.sites import ClusterError

_SECONDS = 60  # a controller that is busy answers late
PATIENCE = 5  # seconds, to learn whether there is one at all


class RefusedError(ClusterError):
    """What Slurm has not done. The message is its own."""


@dataclass(frozen=True)
class Queued:
    """A job, or an element of an array, that waits or runs.

    Args:
        job: number that Slurm gave; all elements of an array share it.
        index: element of the array, or -1.
        state: as `squeue` writes it in full, such as "PENDING" or "RUNNING".
        node: where it runs; empty while it waits.
        time_left: hours:minutes:seconds until the time limit.
        reason: why it waits.
        name: what its script calls it.
        script: path of its script.
    """

    job: int
    index: int
    state: str
    node: str
    time_left: str
    reason: str
    name: str
    script: str = ""

    @property
    def label(self) -> str:
        """What Slurm's commands call it: `12_3`, or `12` if it is no element."""
        return f"{self.job}_{self.index}" if self.index >= 0 else str(self.job)


def is_here() -> bool:
    """Return whether this machine can submit to a Slurm."""
    return shutil.which("sbatch") is not None


def answers() -> bool:
    """Return whether a cluster answers soon."""
    try:
        done = subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def check_here() -> None:
    """Check that this machine can submit to a Slurm.

    Raises:
        ClusterError: it cannot.
    """
    if not is_here():
        raise ClusterError(
            "there is no Slurm on this machine. Log in to the cluster and say it there; --dry-run prints the script; "
            "`./course cluster practice` starts a Slurm to practise on."
        )


def submit(script: Path, *, after: int | None = None) -> int:
    """Submit a script.

    Args:
        after: job that must have ended first, in whatever way.

    Returns:
        The number of the job.

    Raises:
        RefusedError: Slurm refuses; the message is its own.
        ClusterError: there is no Slurm here, or it does not answer as it should: the job may be in the queue.
    """
    dependency = [f"--dependency=afterany:{after}"] if after else []
    answer = _run(["sbatch", "--parsable", *dependency, str(script)])
    if not (number := re.search(r"^(\d+)(;.*)?$", answer, re.MULTILINE)):  # among what else a centre has it say
        raise ClusterError(f"sbatch took {script} and told no number, but: {answer.strip()!r}. Look with: squeue --me")
    return int(number[1])


def queue(name: str | None = None) -> list[Queued]:
    """List our jobs that wait or run, each element of an array by itself.

    Args:
        name: only jobs of this name, which has no comma.
    """
    wanted = [f"--name={name}"] if name else []
    # %F job, %K element, %T state, %N nodes, %L time left, %r reason, %j name, %o script
    answer = _run(["squeue", "--me", "--array", "--noheader", "--format=%F|%K|%T|%N|%L|%r|%j|%o", *wanted])
    lines = filter(re.compile(r"\d+\|").match, answer.splitlines())  # not what else a centre has it say
    return [_queued(line) for line in lines]


def cancel(labels: Sequence[str]) -> None:
    """End jobs, or elements of arrays, named by `Queued.label`."""
    _run(["scancel", *labels])


def _queued(line: str) -> Queued:
    job, index, *rest = line.split("|", maxsplit=7)
    return Queued(int(job), int(index) if index.isdecimal() else -1, *rest)


def _run(command: list[str]) -> str:
    check_here()
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{command[0]} has not answered for {_SECONDS} s. Try again later.") from None
    if done.returncode:
        raise RefusedError(f"{command[0]}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
