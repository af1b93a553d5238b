"""What the verbs about a run have in common: the argument RUN.toml and what it stands for."""

import argparse
from pathlib import Path

from helpers.cluster import slurm
from helpers.cluster.runs import Run, read_run


def add_run(parser: argparse.ArgumentParser) -> None:
    """Describe the run."""
    parser.add_argument("file", type=Path, metavar="RUN.toml", help="run file, as for ./course train")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help="parameters in place of those of the file")


def run_of(options: argparse.Namespace) -> Run:
    """Read the run that the options name.

    Raises:
        RunError: the file or an override is not what it should be.
    """
    return read_run(options.file, options.overrides)


def queue_of(run: Run) -> list[slurm.Queued]:
    """List the jobs that train experiments of a run; none where there is no Slurm."""
    return [job for job in slurm.queue(run.name) if job.index >= 0] if slurm.is_here() else []
