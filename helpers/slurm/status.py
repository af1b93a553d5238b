"""How far the jobs of a run are, from what has been saved, from the queue and from the logs; accounting is not needed.

Used by `./course cluster status` and `logs`.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.experiments.run_file import Run
from helpers.slurm.client import Queued

REASONS = {  # Slurm's words for why a job waits, and what they mean
    "None": "was submitted a moment ago",
    "Resources": "no node is free",
    "Priority": "others come first",
    "Dependency": "another job must end first",
    "JobArrayTaskLimit": "as many run as at_once allows",
    "BeginTime": "a next attempt, in a moment",
    "ReqNodeNotAvail": "the nodes are reserved or down",
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
    "JobHeldUser": "is held by you: scontrol release JOB",
    "JobHeldAdmin": "is held by an administrator: ask why",
    "JobHoldMaxRequeue": "came back into the queue too often: cancel it, and read its log",
    "launch failed requeued held": "could not start and is held: scontrol release JOB",
    "DependencyNeverSatisfied": "waits for a job that failed, and will never start: cancel it",
    "Licenses": "no licence is free",
}
LIMITS = ("Assoc", "QOS", "MaxJob", "MaxCpu", "MaxMem", "MaxGRES")  # how the names of limits begin


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
    """Find the log of each experiment's latest job, by index."""
    logs = [path for path in folder.glob("*_*.log") if path.stem.replace("_", "", 1).isdecimal()]
    in_order = sorted(logs, key=lambda path: int(path.stem.partition("_")[0]))  # by job
    return {int(path.stem.partition("_")[2]): path for path in in_order}


def last_lines(path: Path, count: int) -> list[str]:
    """Read the last lines of a log that are not empty; a progress bar counts as what it shows last."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * count - 10_000))
        text = file.read().decode(errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return [line for line in lines if line.strip()][-count:]


def shorten(line: str, most: int = 160) -> str:
    """Return a line, without its middle if it is long: how an error ends, such as "No space left", is the point."""
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
    if queued and queued.state == "PENDING":
        return "waiting", why(queued.reason)
    if queued:
        return "running", f"on {queued.node}, {queued.time_left} left"
    if log is None and not taken:
        return "not submitted", ""
    told = "".join(last_lines(log, 1)) or "wrote nothing" if log else "has not begun"
    if log is None and asked:
        told = "left the queue before it began: was it cancelled?"
    return "stopped" if asked else "not finished", told
