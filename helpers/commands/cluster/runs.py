"""What the verbs about a run have in common: the argument RUN.toml and what it stands for."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from helpers.cluster import slurm
from helpers.cluster.runs import Run, read_run


def add_run(parser: argparse.ArgumentParser) -> None:
    """Describe the run."""
    parser.add_argument("file", type=Path, metavar="RUN.toml", help="run file, as for ./course train")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help="parameters in place of those of the file")


def add_run_and_indices(parser: argparse.ArgumentParser) -> None:
    """Describe the run, and that experiments of it can be named; `take_indices` tells the two apart."""
    parser.add_argument("file", type=Path, metavar="RUN.toml", help="run file that was submitted")
    told = "only these experiments; and the overrides with which the run was submitted"
    parser.add_argument("words", nargs="*", metavar="INDEX|NAME=VALUE", help=told)


def take_indices(options: argparse.Namespace) -> list[int]:
    """Return the indices among the words; the others are the overrides."""
    options.overrides = [word for word in options.words if not word.isdecimal()]
    return [int(word) for word in options.words if word.isdecimal()]


def words_of(path: Path, overrides: Sequence[str]) -> str:
    """Write a run and its overrides as a shell takes them."""
    return shlex.join([str(path), *overrides])


def run_of(options: argparse.Namespace) -> Run:
    """Read the run that the options name.

    Raises:
        RunError: the file or an override is not what it should be.
    """
    return read_run(options.file, options.overrides)


def queue_of(label: str) -> list[slurm.Queued]:
    """List the jobs of a label that train experiments; none where there is no Slurm."""
    return [job for job in slurm.queue(label) if job.index >= 0] if slurm.is_here() else []
