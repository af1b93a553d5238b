"""`./course cluster cancel RUN.toml`: end the jobs of a run; what they have saved stays."""

import argparse
from pathlib import Path

from helpers.cluster import slurm
from helpers.cluster.jobs import results_name
from helpers.cluster.runs import array_string, read_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("file", type=Path, metavar="RUN.toml", help="run file that was submitted")
    parser.add_argument("indices", type=int, nargs="*", metavar="INDEX", help="only these experiments")


def run(options: argparse.Namespace) -> int:
    """Cancel, and tell what was cancelled; with the last experiment goes the job that gathers the results."""
    run = read_run(options.file)
    queue = slurm.queue(run.name)
    chosen = [job for job in queue if job.index in options.indices or not options.indices]
    if not chosen:
        print(f"Nothing to cancel: no such job of {run.name} is in the queue.")
        return 0
    behind = slurm.queue(results_name(run)) if len(chosen) == len(queue) else []
    slurm.cancel([job.label for job in [*behind, *chosen]])
    print(f"cancelled: experiments {array_string(job.index for job in chosen)} of {run.name}")
    return 0
