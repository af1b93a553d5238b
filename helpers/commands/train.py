"""`./course train RUN.toml`: train what a run file describes, all of it or one element of its sweep."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.cluster.runs import Run, RunError, array_string, read_run
from helpers.data import DataError
from helpers.experiments import Experiment


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit status: 0 all is trained, 75 run it again, 1 something is wrong."""
    options = _parser().parse_intermixed_args(arguments)
    try:
        run = read_run(options.run, options.overrides)
        if options.list:
            print(_listed(run))
        elif options.missing:
            print(_missing(run))
        else:
            _train(_chosen(run, options.index), options.data)
    except (RunError, DataError, OSError) as error:
        print(f"course train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("course train: stopped. The same command goes on after the last whole epoch.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./course train", description="Train what a run file describes.")
    parser.add_argument("run", type=Path, metavar="RUN.toml", help="the run file; see lectures/runs/")
    parser.add_argument(
        "overrides", nargs="*", metavar="NAME=VALUE", help="another value than the file's: epochs=2 'sweep.fold=[0, 1]'"
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--index", type=int, metavar="N", help="train one element of the sweep: $SLURM_ARRAY_TASK_ID")
    one.add_argument("--list", action="store_true", help="show the elements of the sweep, and which are finished")
    one.add_argument("--missing", action="store_true", help="print those not finished, for sbatch --array")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data; default: where they are found")
    return parser


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
        raise RunError(f"run {run.name} has the indices 0 to {len(run.experiments) - 1}; there is no {index}.")
    return [run.experiments[index]]


def _train(experiments: Sequence[Experiment], data: Path | None) -> None:
    """Train what is not finished, after a look at all of it: a slip in the last should not show after days."""
    from helpers.cluster.team import assemble

    team = assemble()  # chooses the backend, so nothing may import Keras before
    from helpers.backend import keras
    from helpers.cluster.tasks import task_of
    from helpers.cluster.train import is_outdated, train

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
