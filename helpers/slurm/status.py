"""How far the jobs of a run are, and what those that have finished used: `./course cluster status`, `logs`, `report`.

How far they are follows from what has been saved, from the queue and from the logs. What they used of what was asked
for, as Slurm's `seff` shows it, Slurm knows where the centre keeps accounts (`sacct`). Elsewhere it is what the course
measured itself: the seconds of the training alone, and the most memory that its process had.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.experiments import Experiment
from helpers.experiments.run_file import Run
from helpers.slurm.client import PATIENCE, Queued
from helpers.slurm.sites import Request, megabytes_of, seconds_of

REASONS = {  # Slurm's words for why a job waits, and what they mean
    "None": "was submitted a moment ago",
    "Resources": "no node is free",
    "Priority": "others come first",
    "Dependency": "another job must end first",
    "JobArrayTaskLimit": "as many run as at_once allows",
    "BeginTime": "a next attempt, in a moment",
    "ReqNodeNotAvail": "the nodes are reserved or down",
    "Nodes required for job are DOWN": "the nodes are reserved or down",
    "QOSMaxJobsPerUserLimit": "you run as many jobs as you may",
    "AssocGrpGRES": "your group uses as many GPUs as it may",
    "PartitionTimeLimit": "asks for more time than this partition gives: cancel it and submit with less",
    "PartitionNodeLimit": "asks for more nodes than this partition has: cancel it and submit with fewer",
    "PartitionConfig": "asks for what this partition does not give: another partition, or less",
    "PartitionDown": "this partition takes no jobs now",
    "PartitionInactive": "this partition takes no jobs now",
    "NodeDown": "a node that it needs is down",
    "BadConstraints": "no node has what constraint asks for: cancel it and submit with another",
    "Reservation": "its reservation has not begun",
    "InvalidAccount": "the account is not known: cancel it and submit with another",
    "InvalidQOS": "the qos is not known: cancel it and submit with another",
    "QOSNotAllowed": "this partition takes no jobs of that qos: cancel it and submit with another",
    "JobHeldUser": "is held by you: scontrol release JOB",
    "JobHeldAdmin": "is held by an administrator: ask why",
    "JobHoldMaxRequeue": "came back into the queue too often: cancel it, and read its log",
    "launch failed requeued held": "could not start and is held: scontrol release JOB",
    "job requeued in held state": "came back into the queue and is held: scontrol release JOB",
    "DependencyNeverSatisfied": "waits for a job that failed, and will never start: cancel it",
    "Licenses": "no licence is free",
}
LIMITS = ("Assoc", "QOS", "MaxJob", "MaxCpu", "MaxMem", "MaxGRES")  # how the names of limits begin

MARGIN = 1.5  # so much more than was used is wise to ask for
WAITING, IDLE = 0.2, 0.5  # shares of the time that say what is too slow
WASTEFUL, TIGHT = 3.0, 0.9  # asked for so many times what was used; used so large a part of what was asked for


@dataclass(frozen=True)
class Progress:
    """How far one experiment of a run is.

    Attributes:
        index: of the experiment.
        experiment: its name.
        state: "finished", "running", "waiting", "stopped" or "not submitted"; without the queue "not finished" stands
            for those that may run.
        told: time left, why it waits, or the last line that it wrote.
        log: of its latest job, or None.
    """

    index: int
    experiment: str
    state: str
    told: str
    log: Path | None


def progress(
    run: Run, queued: Mapping[int, Queued] | None, logs: Mapping[int, Path], taken: Collection[int] = ()
) -> list[Progress]:
    """Return how far each experiment of a run is.

    Args:
        run: what its file and the overrides say.
        queued: our jobs that wait or run, by the index of what they train; None if nobody could be asked.
        logs: the latest of each experiment, by index.
        taken: indices of the experiments that Slurm has taken at some time, as far as that is known.
    """
    missing = set(run.missing())
    found = []
    for index, experiment in enumerate(run.experiments):
        log = logs.get(index)
        if index not in missing:
            state, told = "finished", ""
        elif experiment.folder.exists():
            state, told = "stopped", f"cannot be read: remove {experiment.folder}, and submit it once more"
        else:
            job = queued.get(index) if queued else None
            state, told = _state(job, log, asked=queued is not None, taken=index in taken)
        found.append(Progress(index, experiment.name, state, told, log))
    return found


def latest_logs(folder: Path) -> dict[int, Path]:
    """Find the log of each experiment's latest job, by index; `JOB_3+1000.log` is that of experiment 1003."""
    found = [(re.fullmatch(r"(\d+)_(\d+)(?:\+(\d+))?", path.stem), path) for path in folder.glob("*_*.log")]
    logs = sorted((int(name[1]), int(name[2]) + int(name[3] or 0), path) for name, path in found if name)
    return {index: path for _, index, path in logs}


def last_lines(path: Path, count: int) -> list[str]:
    """Read the last lines of a log that are not empty; a progress bar counts as what it shows last."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * count - 10_000))
        text = file.read().decode(errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return [line for line in lines if line.strip()][-count:]


def shorten(line: str, most: int = 240) -> str:
    """Return a line, without its middle if it is long: the point, "No space left" and what to do, is at its end."""
    return line if len(line) <= most else f"{line[: most // 4]} … {line[-(3 * most // 4) :]}"


def why(reason: str) -> str:
    """Return why a job waits, in words.

    Args:
        reason: as Slurm says it, with names of nodes behind it if it likes.
    """
    word, _, rest = reason.strip("()").partition(",")
    if word in REASONS:
        return REASONS[word] + (f" ({rest.strip()})" if rest else "")
    return f"at a limit of your account: {reason}" if word.startswith(LIMITS) else reason


def _state(queued: Queued | None, log: Path | None, *, asked: bool, taken: bool) -> tuple[str, str]:
    if queued and (queued.state == "PENDING" or not queued.node):  # such as REQUEUE_HOLD
        return "waiting", why(queued.reason)
    if queued:
        return "running", f"on {queued.node}, {queued.time_left} left"
    if log is None and not taken:
        return "not submitted", ""
    told = "".join(last_lines(log, 1)) or "wrote nothing" if log else "has not begun"
    if log is None and asked:
        told = "left the queue before it began: was it cancelled?"
    return "stopped" if asked else "not finished", told


# ---- what was used ----


@dataclass(frozen=True)
class Usage:
    """What one experiment used.

    Attributes:
        experiment: its name.
        job: that trained it last, such as "12_3"; empty outside Slurm.
        seconds: that it took.
        megabytes: most memory at a time; None where it is not known.
        measured_by: "sacct" or "course", of time and memory.
        gpu_share: of the time in which its GPUs computed, from 0 to 1; None without `nvidia-smi`.
        data_wait: share of the time in which training waited for data; None where it is not known.
    """

    experiment: str
    job: str
    seconds: float
    megabytes: float | None
    measured_by: str
    gpu_share: float | None = None
    data_wait: float | None = None


def usages(experiments: Sequence[Experiment]) -> list[Usage]:
    """Return what experiments that have finished used."""
    results = [each.results() for each in experiments]
    jobs = [str(found.get("provenance", {}).get("job", "")) for found in results]
    accounts = parse(_sacct(filter(None, jobs)))
    found = []
    for experiment, result, job in zip(experiments, results, jobs, strict=True):
        made = result.get("provenance", {})
        memory = made.get("memory_mb")
        measured = (float(result.get("seconds", 0)), None if memory is None else float(memory), "course")
        shares = (made.get("gpu_share"), made.get("data_wait"))
        found.append(Usage(experiment.name, job, *accounts.get(job, measured), *shares))
    return found


def parse(lines: str) -> dict[str, tuple[float, float | None, str]]:
    """Read what `sacct` wrote: seconds and megabytes by job.

    Args:
        lines: `JobID|ElapsedRaw|MaxRSS`, where the steps of a job, "12_3.batch", have its memory.

    >>> parse('''12_3|90|
    ... 12_3.batch|90|2048K
    ... 12_3.0|80|3M''')
    {'12_3': (90.0, 3.0, 'sacct')}
    """
    found: dict[str, tuple[float, float | None, str]] = {}
    for job, step, seconds, memory in re.findall(r"^([\d_]+)(?:\.(\w+))?\|(\d+)\|(\S*)$", lines, re.MULTILINE):
        before = found.get(job, (0.0, None, "sacct"))
        most = max((each for each in (before[1], megabytes_of(memory)) if each is not None), default=None)
        found[job] = (before[0] if step else float(seconds), most, "sacct")
    return found


def gpu_hours(found: Iterable[Usage], request: Request) -> float:
    """Return for how long GPUs were held, those of each node counted."""
    return sum(each.seconds for each in found) * request.gpus * request.nodes / 3600


def advice(found: Sequence[Usage], request: Request) -> str:
    """Return one line on what to ask for next time."""
    told = []
    asked, used = megabytes_of(request.memory), max((each.megabytes or 0 for each in found), default=0)
    wise = -(-used * MARGIN // 1024)  # whole gigabytes
    if asked and used and used > TIGHT * asked:
        told.append(f"{wise:.0f} GB, for {request.memory} is nearly all used")
    elif asked and used and asked > WASTEFUL * used and wise * 1024 < asked:
        told.append(f"{wise:.0f} GB, not {request.memory}")
    limit, longest = seconds_of(request.time), max((each.seconds for each in found), default=0)
    minutes = -(-longest * MARGIN // 600) * 10
    if limit > WASTEFUL * longest and minutes * 60 < limit:
        told.append(f"{clock(minutes * 60)}, not {request.time}: short jobs start sooner")
    words = f"Ask for {'; and for '.join(told)}." if told else "What was asked for fits what was used."
    waits, busy = (_mean([getattr(each, name) for each in found]) for name in ("data_wait", "gpu_share"))
    if waits is not None and waits > WAITING:
        words += f" Training waits for data {waits:.0%} of the time: more cores, packed data, or stage."
    elif request.gpus and busy is not None and busy < IDLE:
        hint = "a larger batch_size, or several experiments on one" if busy else "ask for none, or see why"
        words += f" The GPUs compute {busy:.0%} of the time: {hint}."
    return words


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def clock(seconds: float) -> str:
    """Write seconds as hours:minutes:seconds.

    >>> clock(4000)
    '01:06:40'
    """
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours:02}:{rest // 60:02}:{rest % 60:02}"


def _sacct(jobs: Iterable[str]) -> str:
    """Ask Slurm's accounts; "" where there are none."""
    wanted = ",".join(sorted(set(jobs)))
    if not wanted or not shutil.which("sacct"):
        return ""
    command = ["sacct", "--noheader", "--parsable2", "--format=JobID,ElapsedRaw,MaxRSS", f"--jobs={wanted}"]
    try:
        done = subprocess.run(command, text=True, errors="replace", capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
