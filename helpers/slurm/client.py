"""Slurm's commands: submit, look into the queue, cancel. Used by `./course cluster`."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from helpers.slurm.sites import ClusterError, Request, Site, megabytes_of, partition_of, seconds_of

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


@dataclass(frozen=True)
class Partition:
    """One kind of node in a partition, as `sinfo` has it.

    Args:
        name: of the partition.
        is_default: whether jobs that name none go there.
        limit: of time, as Slurm writes it: "2-00:00:00", "30:00", "infinite".
        cores, megabytes: of each node.
        gres: GPUs and the like, such as "gpu:a100:2"; "(null)" for none.
    """

    name: str
    is_default: bool
    limit: str
    cores: int
    megabytes: int
    gres: str

    @property
    def gpus(self) -> int:
        """How many GPUs each node has."""
        return sum(int(count) for count in re.findall(r"\bgpu(?::[^:,(]+)?:(\d+)", self.gres))

    @property
    def seconds(self) -> int | None:
        """The limit of time; None where there is none."""
        if not re.fullmatch(r"[\d:-]+", self.limit):
            return None
        return seconds_of(f"00:{self.limit}" if self.limit.count(":") == 1 else self.limit)


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


def submit(script: Path, *, after: Sequence[int] = (), dependency: str = "") -> int:
    """Submit a script.

    Args:
        after: jobs that must have ended first, in whatever way.
        dependency: on other jobs besides, as `sbatch` takes it.

    Returns:
        The number of the job.

    Raises:
        RefusedError: Slurm refuses; the message is its own.
        ClusterError: there is no Slurm here, or it does not answer as it should: the job may be in the queue.
    """
    ended = ":".join(map(str, ["afterany", *after]))
    options = [f"--dependency={','.join(filter(None, [dependency, ended]))}"] if after else []
    answer = _run(["sbatch", "--parsable", *options, str(script)])
    numbers = set(re.findall(r"^(\d+)(?:;.*)?$", answer, re.MULTILINE))  # among what else a centre has it say
    if len(numbers) != 1:
        raise ClusterError(
            f"sbatch took {script}, and which number it gave is not told by: {answer.strip()!r}. Look with: squeue --me"
        )
    return int(numbers.pop())


def queue(name: str | None = None) -> list[Queued]:
    """List our jobs that wait or run, each element of an array by itself.

    Args:
        name: only jobs of this name, which has no comma.
    """
    wanted = [f"--name={name}"] if name else []
    # %F job, %K element, %T state, %N nodes, %L time left, %r reason, %j name, %o script
    answer = _run(["squeue", "--me", "--array", "--noheader", "--format=%F|%K|%T|%N|%L|%r|%j|%o", *wanted])
    lines = filter(re.compile(r"\d+\|([^|]*\|){6}").match, answer.splitlines())  # not what else a centre has it say
    return [_queued(line) for line in lines]


def array_size() -> int | None:
    """Return how many elements an array of this cluster may have: indices are below; None where nobody says."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _run(["scontrol", "show", "config"]), re.MULTILINE)
    except (ClusterError, OSError):
        return None
    return int(found[1]) if found and int(found[1]) else None


def partitions() -> list[Partition]:
    """List the partitions of this cluster, a row for each kind of node in it; none where nobody says."""
    # %P name, %l time limit, %c cores, %m megabytes, %G GPUs and the like
    try:
        answer = _run(["sinfo", "--noheader", "--format=%P|%l|%c|%m|%G"])
    except (ClusterError, OSError):
        return []
    rows = re.findall(r"^([^|\n*]+)(\*?)\|([^|]+)\|(\d+)\+?\|(\d+)\+?\|(.*)$", answer, re.MULTILINE)
    return [
        Partition(name, bool(star), limit, int(cores), int(memory), gres)
        for name, star, limit, cores, memory, gres in rows
    ]


def accounts() -> list[str]:
    """List the accounts that may be charged for our jobs.

    Raises:
        ClusterError: Slurm keeps no accounts, or does not tell.
    """
    answer = _run(["sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={getuser()}", "format=account"])
    return sorted({line.strip() for line in answer.splitlines() if re.fullmatch(r"[\w.-]+", line.strip())})


def check_fits(request: Request, site: Site) -> None:
    """Check that a job can run at some time: one that asks for too much may wait for ever; print it if nobody tells.

    Raises:
        ClusterError: no node of its partition has so much, or the partition gives no such time.
    """
    name = partition_of(request, site)
    known = partitions()
    if not known:
        print(
            f"sinfo does not tell whether a node has {request.cores} cores and {request.memory}, or for how long. "
            "Should the jobs wait: ./course cluster status says why.",
            file=sys.stderr,
        )
    nodes = [each for each in known if each.name in name.split(",") or (each.is_default and not name)]
    if not nodes:  # a partition that is not known Slurm refuses itself
        return
    where = f"partition {nodes[0].name}"
    for what, asked, most in (
        ("cores", request.cores, max(each.cores for each in nodes)),
        ("MB of memory", megabytes_of(request.memory) or 0, max(each.megabytes for each in nodes)),
        ("GPUs", request.gpus, max(each.gpus for each in nodes)),
    ):
        if asked > most:
            raise ClusterError(
                f"no node of {where} has {asked:.0f} {what}; at most {most}. Ask for less, or elsewhere."
            )
    limits = [seconds for each in nodes if (seconds := each.seconds)]
    if len(limits) == len(nodes) and seconds_of(request.time) > max(limits):
        longest = max(nodes, key=lambda each: each.seconds or 0).limit
        raise ClusterError(f"{where} gives no more time than {longest}; asked for are {request.time}.")


def cancel(labels: Sequence[str]) -> None:
    """End jobs, or elements of arrays, named by `Queued.label`."""
    _run(["scancel", *labels])


def _queued(line: str) -> Queued:
    job, index, *rest = line.split("|", maxsplit=7)
    return Queued(int(job), int(index) if index.isdecimal() else -1, *rest)


def _run(command: list[str]) -> str:
    check_here()
    try:
        # a centre's greeting may be in any encoding
        done = subprocess.run(command, text=True, errors="replace", capture_output=True, timeout=_SECONDS)
    except FileNotFoundError:
        raise ClusterError(f"there is no {command[0]} on this machine, though there is a Slurm.") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{command[0]} has not answered for {_SECONDS} s. Try again later.") from None
    if done.returncode:
        raise RefusedError(f"{command[0]}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
