"""Scripts for Slurm, written so that a student can read, change and submit them by hand: what they have in common."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.files import absolute, atomic_write
from helpers.slurm.sites import CONTROL, ClusterError, Request, Site

ROOT = Path(__file__).resolve().parents[2]
STAMP = ROOT / ".venv/course-stamp"  # written by the script `course`; its first word is cpu or gpu
WANTED = ("account", "qos", "constraint", "exclude", "reservation")  # options that a request names as `sbatch` does
PASSED_ON = ("COURSE_DATA", "COURSE_EXPERIMENTS")  # variables that name folders, joined by ":"


def script(heading: str, options: Mapping[str, str], blocks: Iterable[str]) -> str:
    """Put a script together.

    Args:
        heading: what it is, in one line.
        options: of `sbatch`, each with what it means, or "".
        blocks: shell code; between two of them stays an empty line.

    Raises:
        ClusterError: a line break or another control character is in the heading or an option.
    """
    if strange := next(filter(CONTROL.search, (heading, *options, *options.values())), None):
        raise ClusterError(
            f"{strange!r} would stand in a script for Slurm, which takes no control characters there. Give the file or "
            "folder that it names another name."
        )
    width = max(len(option) for option, meaning in options.items() if meaning)
    lines = [
        f"#SBATCH {option:{width}}  # {meaning}" if meaning else f"#SBATCH {option}"
        for option, meaning in options.items()
    ]
    return "\n".join(["#!/bin/bash", f"# {heading}", *lines, "", *blocks])


def write_script(path: Path, text: str) -> Path:
    """Write a script, and make the folder that its logs go to: Slurm makes none, and drops the logs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def log_option(folder: Path, name: str) -> str:
    """Return the option that names the log.

    Args:
        folder: where it is kept.
        name: of the file, with Slurm's patterns, such as "%A_%a.log".

    Raises:
        ClusterError: the folder's name has a backslash, behind which Slurm knows no pattern.
    """
    if "\\" in str(folder):
        raise ClusterError(f"{folder} has a backslash in its name: Slurm would write no log there. Rename the folder.")
    return "--output=" + shlex.quote(f"{folder}/".replace("%", "%%") + name)


def resources(request: Request, site: Site) -> dict[str, str]:
    """Return the options of `sbatch` that ask for time, cores, memory and GPUs, and what else the site wants."""
    partition = request.partition or (request.gpus and site.gpu_partition) or site.partition
    several = {f"--nodes={request.nodes}": "", "--ntasks-per-node=1": "each node is a worker"}
    options = {
        **(several if request.nodes > 1 else {}),
        f"--time={request.time}": "at most; short jobs start sooner",
        f"--cpus-per-task={request.cores}": "",
        f"--mem={request.memory}": "of each node",
    }
    gpus = f"{request.gpu_type}:{request.gpus}" if request.gpu_type else request.gpus
    options |= {site.gpu.format(gpus=gpus): ""} if request.gpus else {}
    options |= {f"--partition={partition}": ""} if partition else {}
    options |= {f"--{name}={shlex.quote(value)}": "" for name in WANTED if (value := getattr(request, name))}
    options |= dict.fromkeys(site.sbatch, f"wanted by {site.name}")
    return options | ({f"--mail-user={request.mail}": "", "--mail-type=END,FAIL": ""} if request.mail else {})


def environment(site: Site) -> str:
    """Return the block that brings Python and the course into reach."""
    passed = [f"export {name}={shlex.quote(absolute(os.environ[name]))}" for name in PASSED_ON if os.environ.get(name)]
    return "\n".join([*site.setup, *passed, f"cd {shlex.quote(str(ROOT))}", ""])


def check_environment(request: Request, site: Site) -> None:
    """Check that jobs with GPUs find an environment that uses them: training on the CPU would go unnoticed for hours.

    Raises:
        ClusterError: the environment of `./course` is one for the CPU. What another course command uses is not known.
    """
    if not request.gpus or site.course != Site.course:
        return
    flavour = STAMP.read_text(encoding="utf-8").partition(" ")[0] if STAMP.exists() else "cpu"
    if flavour != "gpu":
        raise ClusterError(
            f"the jobs ask for GPUs ({request.gpus} of each node), and the environment here is one for the CPU. Make "
            "the other one, once: ./course setup --gpu (8 GB; no job may be using this one). Or do without: --gpus 0."
        )


def seconds_of(time: str) -> int:
    """Return how many seconds a time limit is.

    Raises:
        ClusterError: it is not `hours:minutes:seconds` or `days-hours:minutes:seconds`, or no time at all.

    >>> seconds_of("1-02:00:30")
    93630
    """
    parts = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", time)
    if not parts:
        raise ClusterError(
            f"the time {time!r} is not hours:minutes:seconds, such as 04:00:00, or days before it: 1-12:00:00."
        )
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    found = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not found:
        raise ClusterError(f"the time {time} would be no limit for Slurm. Ask for as long as a job may take: 04:00:00.")
    return found
