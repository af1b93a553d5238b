"""`./course cluster cancel RUN.toml [INDEX …] [NAME=VALUE …]`: end the jobs of a run; what they have saved stays."""

import argparse

from helpers.commands.cluster.runs import run_of, take_indices
from helpers.experiments.run_file import array_string
from helpers.slurm import client
from helpers.slurm.jobs import label_of, results_name


def run(options: argparse.Namespace) -> int:
    """Cancel, and tell what was cancelled; with the last experiment goes the job that gathers the results."""
    indices = take_indices(options)
    label = label_of(run_of(options), options.overrides)
    queue = client.queue(label)
    chosen = [job for job in queue if job.index in indices or not indices]
    if not chosen:
        print(f"Nothing to cancel: no such job of {label} is in the queue.")
        return 0
    behind = client.queue(results_name(label)) if len(chosen) == len(queue) else []
    client.cancel([job.label for job in [*behind, *chosen]])
    print(f"cancelled: experiments {array_string(job.index for job in chosen)} of {label}")
    return 0
