"""`./course cluster submit RUN.toml`: from a run file to an array of jobs, by a script that can be read."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from helpers.commands.cluster.runs import queue_of, run_of, words_of
from helpers.experiments.run_file import array_string
from helpers.slurm import client
from helpers.slurm.jobs import Jobs
from helpers.slurm.scripts import check_environment, write_script
from helpers.slurm.sites import ClusterError, Request, load_site, merge


def requested(options: argparse.Namespace) -> dict[str, object]:
    """Return what the options ask for."""
    names = [each.name for each in fields(Request)]
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def run(options: argparse.Namespace) -> int:
    """Write the script and submit it, and behind it the job that gathers the results."""
    run, site = run_of(options), load_site(options.site)
    request = merge(site.request, run.cluster, where=f"[cluster] in {options.file}")
    request = _with_place(merge(request, requested(options), where="an option"))
    jobs = Jobs(options.file, run, request, site, options.overrides)
    queue = [] if options.dry_run else queue_of(jobs.label)
    indices = _indices(jobs, queue, only_missing=options.missing)
    if not indices:
        print(f"Nothing to submit: all {len(run.experiments)} experiments of {jobs.label} have finished or are queued.")
    elif options.dry_run:
        print(jobs.training(indices), end="")
    else:
        _submit(jobs, indices)
    return 0


def _with_place(request: Request) -> Request:
    """Write out where data are staged from: the job begins in another folder."""
    if not request.stage:
        return request
    return replace(request, stage=str(Path(os.path.expandvars(request.stage)).expanduser().absolute()))


def _indices(jobs: Jobs, queue: Sequence[client.Queued], *, only_missing: bool) -> list[int]:
    """Choose the experiments to submit; none that is queued, for two jobs would train the same."""
    queued = {job.index for job in queue}
    if only_missing:
        return [index for index in jobs.run.missing() if index not in queued]
    if queued:
        raise ClusterError(
            f"experiments {array_string(queued)} of {jobs.label} are in the queue (job {queue[0].job}). Wait, cancel "
            "them, or submit the others: --missing."
        )
    return list(range(len(jobs.run.experiments)))


def _submit(jobs: Jobs, indices: Sequence[int]) -> None:
    """Submit both jobs; what is in the queue is told at once, should the second be refused."""
    _check(jobs)
    words = words_of(jobs.path, jobs.overrides)
    training = client.submit(write_script(jobs.folder / "train.sbatch", jobs.training(indices)))
    print(f"job {training}: experiments {array_string(indices)} of {jobs.label}", flush=True)
    try:
        results = client.submit(write_script(jobs.folder / "results.sbatch", jobs.results()), after=training)
    except ClusterError as error:
        raise ClusterError(
            f"job {training} is in the queue all the same, but not the one that gathers its results: {error}\n"
            f"When job {training} has ended: ./course results {words}"
        ) from error
    print(f"job {results}: the results, once job {training} has ended")
    print(f"scripts and logs: {jobs.folder}")
    print(f"how far it is: ./course cluster status {words}")


def _check(jobs: Jobs) -> None:
    """Find out what every job would find out after hours in the queue.

    Raises:
        ClusterError, RunError: no Slurm, no data to copy, an environment without GPUs, a parameter that nobody knows.
    """
    client.check_here()
    if jobs.request.stage and not Path(jobs.request.stage).is_dir():
        raise ClusterError(f"there is no folder {jobs.request.stage} to copy the data from; stage names it.")
    check_environment(jobs.request, jobs.site)
    from helpers.experiments.tasks import task_of  # imports Keras: seconds, which --dry-run should not take

    for experiment in jobs.run.experiments:
        task_of(experiment.parameters)
