"""`./course train RUN.toml`: train what a run file describes, all of it or one element of its sweep."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.commands.overrides import read_known
from helpers.experiments import Experiment
from helpers.experiments.run_file import Run, RunError, UnknownRunError, array_string, read_run


def run(options: argparse.Namespace) -> int:
    """Do what the options say; a training that Slurm ends leaves with status 75.

    Raises:
        RunError, DataError: the run or the data are not what they should be.
    """
    if options.list:
        print(_listed(read_known(options.file, options.overrides)))
    elif options.missing:
        print(_missing(read_known(options.file, options.overrides)))
    else:
        _train(_chosen(read_run(options.file, options.overrides), options.index), options.data)
    return 0


def _listed(run: Run) -> str:
    missing = set(run.missing())
    lines = [f"{len(run.experiments)} experiments of run {run.name}, {len(missing)} of them not finished:"]
    for index, experiment in enumerate(run.experiments):
        lines.append(f"{index:5}  {'-' if index in missing else 'finished':8}  {experiment.name}")
    return "\n".join(lines)


def _missing(run: Run) -> str:
    missing = run.missing()
    if not missing:
        print(f"All {len(run.experiments)} experiments of run {run.name} are finished.", file=sys.stderr)
    return array_string(missing)


def _chosen(run: Run, index: int | None) -> Sequence[Experiment]:
    if index is None:
        return run.experiments
    if not 0 <= index < len(run.experiments):
        raise UnknownRunError(f"run {run.name} has the indices 0 to {len(run.experiments) - 1}; there is no {index}.")
    return [run.experiments[index]]


def _train(experiments: Sequence[Experiment], data: Path | None) -> None:
    """Train what is not finished, after a look at all of it: a slip in the last should not show after days."""
    from helpers.experiments.distributed import assemble

    team = assemble()  # chooses the backend, so nothing may import Keras before
    from helpers.backend import keras
    from helpers.experiments.tasks import task_of
    from helpers.experiments.train import is_outdated, train

    for experiment in experiments:
        task_of(experiment.parameters)
    if team.workers > 1 and len(experiments) > 1:
        raise RunError(f"{team.workers} workers train one experiment of {len(experiments)}: choose it by --index.")
    for experiment in experiments:
        was_saved = experiment.is_saved()
        train(experiment, folder=data, team=team)
        keras.utils.clear_session()  # forget the model; not earlier, for it forgets the team's distribution as well
        if team.leads:
            print(f"{experiment.name} {'is finished' if was_saved else 'is saved'}: {experiment.folder}")
            if was_saved and is_outdated(experiment, data):
                print(
                    "It was trained on a STAND-IN, and here are real data. To train on them, remove that folder first."
                )
