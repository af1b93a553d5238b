"""`./course cluster status [RUN.toml]`: how far a run is, or what of ours is in the queue."""

import argparse
from collections import Counter

from helpers.commands.cluster.runs import queue_of, run_of, words_of
from helpers.slurm import client
from helpers.slurm.jobs import job_folder, label_of
from helpers.slurm.status import Progress, progress
from helpers.tables import Table


def run(options: argparse.Namespace) -> int:
    """Print a row for each experiment, or for each job; return 1 if experiments have stopped."""
    if options.file is None:
        _print_queue()
        return 0
    run = run_of(options)
    label = label_of(run, options.overrides)
    found = progress(run, queue_of(label), job_folder(options.file, label))
    print(Table([_row(each) for each in found]))
    counts = Counter(each.state for each in found)
    print(f"\n{label}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts["stopped"]:
        words = words_of(options.file, options.overrides)
        print(f"What they wrote: ./course cluster logs {words}")
        print(f"Once more:       ./course cluster submit {words} --missing")
    return 1 if counts["stopped"] else 0


def _print_queue() -> None:
    if queue := client.queue():
        print(
            Table(
                [
                    {
                        "job": job.label,
                        "name": job.name,
                        "state": job.state.lower(),
                        "node": job.node,
                        "time left": job.time_left,
                        "reason": job.reason,
                    }
                    for job in queue
                ]
            )
        )
    else:
        print("Nothing of yours is in the queue.")


def _row(found: Progress) -> dict[str, object]:
    return {"": found.index, "experiment": found.experiment, "state": found.state, "told": found.told[:80]}
