"""What the experiments of a run used of what their jobs asked for, as Slurm's `seff` shows it. For `cluster report`.

Slurm knows it where the centre keeps accounts (`sacct`). Elsewhere it is what the course measured itself: the seconds
of the training alone, and the most memory that its process had.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from helpers.experiments import Experiment
from helpers.slurm.client import PATIENCE
from helpers.slurm.scripts import seconds_of
from helpers.slurm.sites import Request

_UNITS = {"K": 1 / 1024, "M": 1, "": 1, "G": 1024, "T": 1024**2}  # megabytes; without a unit Slurm takes megabytes
MARGIN = 1.5  # so much more than was used is wise to ask for
WASTEFUL, TIGHT = 3.0, 0.9  # asked for so many times what was used; used so large a part of what was asked for


@dataclass(frozen=True)
class Usage:
    """What one experiment used.

    Attributes:
        experiment: its name.
        job: that trained it last, such as "12_3"; empty outside Slurm.
        seconds: that it took.
        megabytes: most memory at a time; None where it is not known.
        measured_by: "sacct" or "course".
    """

    experiment: str
    job: str
    seconds: float
    megabytes: float | None
    measured_by: str


def usages(experiments: Sequence[Experiment]) -> list[Usage]:
    """Return what experiments that have finished used."""
    results = [each.results() for each in experiments]
    jobs = [str(found.get("provenance", {}).get("job", "")) for found in results]
    accounts = parse(_sacct(filter(None, jobs)))
    found = []
    for experiment, result, job in zip(experiments, results, jobs, strict=True):
        memory = result.get("provenance", {}).get("memory_mb")
        measured = (float(result.get("seconds", 0)), None if memory is None else float(memory), "course")
        found.append(Usage(experiment.name, job, *accounts.get(job, measured)))
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


def megabytes_of(memory: str) -> float | None:
    """Return how many megabytes Slurm means; None if that is no amount.

    >>> megabytes_of("16G"), megabytes_of("512000K"), megabytes_of("")
    (16384.0, 500.0, None)
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", memory, re.IGNORECASE)
    return float(parts[1]) * _UNITS[parts[2].upper()] if parts else None


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
    return f"Ask for {'; and for '.join(told)}." if told else "What was asked for fits what was used."


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
        done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
