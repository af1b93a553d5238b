"""The verbs `train` and `results`: their arguments, and what they print of what `helpers.experiments` does."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.cli.verbs import Parser, Verb, at_least, existing
from helpers.tables import Table

if TYPE_CHECKING:  # they need more than the standard library
    from helpers.experiments import Experiment
    from helpers.experiments.run_file import Run

RUN_FILE = existing("run file", "lectures/runs/ has those of the lectures.")
LAND_COVER = "lectures/runs/land_cover.toml"
_SHOWN = ("accuracy", "mean_iou", "kappa", "mae", "kl", "val_loss", "best_epoch", "epochs_trained")


def add_run(parser: Parser, told: str = "another value than the file's: epochs=2 'sweep.fold=[0, 1]'") -> None:
    """Add the run file and the overrides."""
    parser.add_argument("file", type=RUN_FILE, metavar="RUN.toml", help="the run file; see lectures/runs/")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help=told)


def _train(parser: Parser) -> None:
    add_run(parser)
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--index", type=at_least(0), metavar="N", help="train one element of the sweep: $SLURM_ARRAY_TASK_ID"
    )
    one.add_argument("--list", action="store_true", help="show the elements of the sweep, and which are finished")
    one.add_argument("--missing", action="store_true", help="print those not finished, for sbatch --array")
    one.add_argument(
        "--check", action="store_true", help="build every model and read a batch, as before jobs are submitted"
    )
    parser.add_argument(
        "--data", type=existing("folder"), metavar="DIR", help="folder of the data; default: where they are found"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew, without what an interrupted training has kept"
    )
    parser.add_argument("--tensorboard", action="store_true", help="write curves for TensorBoard while it trains")
    parser.add_argument("--wandb", action="store_true", help="log to Weights & Biases, offline unless WANDB_MODE says")


def _results(parser: Parser) -> None:
    add_run(parser, "as for ./course train")
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder for the files; default: the run's own")
    parser.add_argument("--parquet", type=Path, metavar="FILE", help="write the table as a Parquet file as well")
    parser.add_argument("--no-figures", dest="figures", action="store_false", help="only the table and the CSV file")


def read_known(path: Path, overrides: Sequence[str]) -> "Run":
    """Read a run file; an override that no task understands is a slip, and no other run.

    Tasks need Keras, which takes seconds to import, so they are asked only about what is unlike the file.

    Raises:
        RunError: the file or an override is not what it should be.
    """
    from helpers.experiments.run_file import read_run

    run = read_run(path, overrides)
    known = set().union(*map(_kinds, read_run(path).experiments)) if overrides else set()
    unlike = [each for each in run.experiments if overrides and not _kinds(each) <= known]
    if unlike and run.has_script:
        from helpers.experiments.own_script import check_names

        check_names(run)
    elif unlike:
        from helpers.experiments.own_code import own_functions
        from helpers.experiments.tasks import task_of

        with run.at_home():
            for each in unlike:
                task_of(each.parameters, run.where, own_functions(each.parameters, each.beside))
    return run


def _kinds(experiment: "Experiment") -> set[tuple[str, object]]:
    """Return each parameter with the type of its value, or with the value if that is text: a name of something."""
    return {(name, value if isinstance(value, str) else type(value)) for name, value in experiment.parameters.items()}


def run_train(options: argparse.Namespace) -> int:
    """Do what the options say; a training that Slurm ends leaves with status 75.

    Raises:
        RunError, DataError: the run or the data are not what they should be.
    """
    from helpers.experiments.own_script import check_names
    from helpers.experiments.rehearsal import rehearse
    from helpers.experiments.run_file import read_run
    from helpers.slurm.submissions import overrides_of

    options.overrides = overrides_of(options.file, options.overrides)
    if options.check:
        run = read_run(options.file, options.overrides)
        _check_options(run, options)
        told = rehearse(run, options.data and options.data.absolute())
        print(f"Every experiment of run {run.name} ({len(run.experiments)}) can begin. {told}")
    elif options.list:
        run = read_known(options.file, options.overrides)
        if run.has_script:  # what can be checked at once is
            check_names(run)
        print(_listed(run))
        tell_code(run)
    elif options.missing:
        _tell_changes(options)
        print(_missing(read_known(options.file, options.overrides)))
    else:
        run = read_run(options.file, options.overrides)
        (_run_scripts if run.has_script else _train_all)(run, options)
    return 0


def _tell_changes(options: argparse.Namespace) -> None:
    """Print how the run file differs from what jobs were given, if it does."""
    from helpers.slurm.submissions import remarks, submissions_of

    for found in submissions_of(options.file, options.overrides)[-1:]:
        for line in remarks(options.file, [found], found, None):
            print(line, file=sys.stderr)


def tell_code(run: "Run") -> None:
    """Print which finished experiments were trained with other files of your own, if some were."""
    from helpers.experiments.results import told_of_code

    if told := told_of_code(run):
        print(told, file=sys.stderr)


def _listed(run: "Run") -> str:
    missing = set(run.missing())
    lines = [f"{len(run.experiments)} experiments of run {run.name}, {len(missing)} of them not finished:"]
    for index, experiment in enumerate(run.experiments):
        lines.append(f"{index:5}  {'-' if index in missing else 'finished':8}  {experiment.name}")
    if missing:
        lines.append("Whether they can be trained was not tried: --check does.")
    return "\n".join(lines)


def _missing(run: "Run") -> str:
    from helpers.experiments.run_file import array_string

    missing = run.missing()
    if not missing:
        print(f"All {len(run.experiments)} experiments of run {run.name} are finished.", file=sys.stderr)
    return array_string(missing)


def _chosen(run: "Run", index: int | None) -> Sequence["Experiment"]:
    from helpers.experiments.run_file import UnknownRunError

    if index is None:
        return run.experiments
    if not 0 <= index < len(run.experiments):
        raise UnknownRunError(f"run {run.name} has the indices 0 to {len(run.experiments) - 1}; there is no {index}.")
    return [run.experiments[index]]


def _train_all(run: "Run", options: argparse.Namespace) -> None:
    """Train what is not finished, after a look at all of it: a slip in the last should not show after days."""
    experiments, data = _chosen(run, options.index), options.data and options.data.absolute()
    from helpers.experiments.distributed import assemble

    group = assemble()  # chooses the backend, so nothing may import Keras before
    from helpers.backend import keras
    from helpers.experiments.own_code import own_functions
    from helpers.experiments.results import changed_code
    from helpers.experiments.run_file import RunError
    from helpers.experiments.tasks import task_of
    from helpers.experiments.train import is_outdated, tensorboard_dir, train
    from helpers.slurm.submissions import code_changes, code_now, submitted_code

    with run.at_home():
        for experiment in experiments:
            task_of(experiment.parameters, run.where, own_functions(experiment.parameters, experiment.beside))
    if group.workers > 1 and len(experiments) > 1:
        raise RunError(f"{group.workers} workers train one experiment of {len(experiments)}: choose it by --index.")
    submitted = submitted_code(options.file)
    if submitted and group.is_main_process and (told := code_changes(submitted, code_now())):
        print(told, flush=True)
    if options.tensorboard and group.is_main_process:
        print(f"./course run tensorboard --logdir {shlex.quote(str(tensorboard_dir(experiments[0]).parent))}")
    more = {name: getattr(options, name) for name in ("fresh", "tensorboard", "wandb")} | {"submitted": submitted}
    for experiment in experiments:
        was_saved = experiment.is_saved()
        with run.at_home():
            train(experiment, folder=data, group=group, **more)
        keras.utils.clear_session()  # forget the model; not earlier, for it forgets the group's distribution as well
        if group.is_main_process:
            print(f"{experiment.name} {'is finished' if was_saved else 'is saved'}: {experiment.folder}")
            if was_saved and is_outdated(experiment, data):
                print(
                    "It was trained on a STAND-IN, and here are real data. To train on them, remove that folder first."
                )
            if was_saved and (files := changed_code(experiment)):
                print(f"It was trained with another {', '.join(files)}. To train with this, remove that folder first.")


def _check_options(run: "Run", options: argparse.Namespace) -> None:
    from helpers.experiments.run_file import UnknownRunError

    if run.has_script and (options.data or options.tensorboard or options.wandb):
        raise UnknownRunError("a program of your own takes no --data, --tensorboard or --wandb: it has its command.")


def _run_scripts(run: "Run", options: argparse.Namespace) -> None:
    """Run a program of your own for what is not finished, after a look at all of it."""
    from helpers.experiments.own_script import run_script
    from helpers.experiments.rehearsal import rehearse
    from helpers.experiments.results import changed_code
    from helpers.slurm.submissions import code_changes, code_now, submitted_code

    _check_options(run, options)
    _chosen(run, options.index)  # raises an error where there is no such index
    rehearse(run)
    submitted = submitted_code(options.file)
    if submitted and (told := code_changes(submitted, code_now())):
        print(told, flush=True)
    for index in range(len(run.experiments)) if options.index is None else [options.index]:
        experiment = run.experiments[index]
        was_saved = experiment.is_saved()
        run_script(experiment, index, fresh=options.fresh, submitted=submitted)
        print(f"{experiment.name} {'is finished' if was_saved else 'is saved'}: {experiment.folder}")
        if was_saved and (files := changed_code(experiment)):
            print(f"It was run with another {', '.join(files)}. To run this, remove that folder first.")


def run_results(options: argparse.Namespace) -> int:
    """Merge the experiments that have finished into a table, a CSV file and figures.

    Raises:
        RunError: the run is not what it should be, or none of its experiments has finished.
    """
    from helpers.experiments import experiments_folder, results
    from helpers.slurm.jobs import label_of
    from helpers.slurm.submissions import overrides_of

    options.overrides = overrides_of(options.file, options.overrides)
    _tell_changes(options)
    run = read_known(options.file, options.overrides)
    of = label_of(run, options.overrides).removeprefix(run.name)  # overrides do not replace what is without them
    tell_code(run)
    experiments, folder = results.finished(run), options.to or experiments_folder() / run.name
    table = folder / f"results{of}.csv"
    rows = results.rows(experiments)
    results.write_csv(rows, table)
    columns = results.varying(experiments) or ["experiment"]
    numbers = [column for column in rows[0] if any(isinstance(row[column], (int, float)) for row in rows)]
    columns += [column for column in (numbers if run.has_script else _SHOWN) if column in rows[0]]
    print(Table([{column: row[column] for column in columns} for row in rows], f"run {run.name}"))
    print(f"\n{Table(results.summary(experiments), 'mean ± standard deviation over folds and seeds')}\n")
    print(f"{len(experiments)} of {len(run.experiments)} experiments in {table}")
    if options.parquet:
        results.write_parquet(experiments, options.parquet)
        print(options.parquet)
    if made_up := results.made_up(rows):
        print(f"STAND-IN: {made_up} of them were trained and tested on made-up data, and say nothing about real ones.")
    if options.figures and not run.has_script:  # what there is to see, the program knows
        from helpers.experiments.plots import write

        for picture in write(experiments, folder, of):
            print(picture)
    return 0


TRAIN = Verb(
    "Train what a run file describes, or go on with it.",
    run_train,
    (
        (f"./course train {LAND_COVER} --list", "the experiments, and which are finished"),
        (f"./course train {LAND_COVER} --index 3 epochs=2", "train one of them, for two epochs"),
    ),
    _train,
    "The exit status is 75 if time ran out: the same command continues after the last complete epoch.",
)
RESULTS = Verb(
    "Merge what a run has brought into a table, a CSV file and figures.",
    run_results,
    (
        (f"./course results {LAND_COVER}", "all experiments that have finished"),
        (f"./course results {LAND_COVER} --to report --no-figures", "the table alone, in a folder of your own"),
    ),
    _results,
)
