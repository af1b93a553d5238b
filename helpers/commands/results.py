"""`./course results RUN.toml`: what a run has brought, as one table, one CSV file and figures."""

import argparse
from pathlib import Path

from helpers.commands.overrides import read_known
from helpers.experiments import experiments_folder, results
from helpers.experiments.run_file import Run
from helpers.files import whole
from helpers.slurm.jobs import label_of
from helpers.tables import Table

_SHOWN = ("accuracy", "mean_iou", "kappa", "mae", "kl", "val_loss", "best_epoch", "epochs_trained")


def run(options: argparse.Namespace) -> int:
    """Merge the experiments that have finished.

    Raises:
        RunError: the run is not what it should be, or none of its experiments has finished.
    """
    run = read_known(options.file, options.overrides)
    of = label_of(run, options.overrides).removeprefix(run.name)  # overrides do not replace what is without them
    _merge(run, of, options.to, options.figures)
    return 0


def _merge(run: Run, of: str, folder: Path | None, figures: bool) -> None:
    experiments, folder = results.finished(run), folder or experiments_folder() / run.name
    table = folder / f"results{of}.csv"
    rows = results.rows(experiments)
    results.write_csv(rows, table)
    columns = results.varying(experiments) or ["experiment"]
    columns += [column for column in _SHOWN if column in rows[0]]
    print(Table([{column: row[column] for column in columns} for row in rows], f"run {run.name}"))
    print(f"\n{Table(results.summary(experiments), 'mean ± standard deviation over folds and seeds')}\n")
    print(f"{len(experiments)} of {len(run.experiments)} experiments in {table}")
    if made_up := results.made_up(rows):
        print(f"STAND-IN: {made_up} of them were trained and tested on made-up data, and say nothing about real ones.")
    if figures:
        _draw(experiments, folder, of)


def _draw(experiments: list, folder: Path, of: str) -> None:
    """Write the figures as pictures."""
    from helpers.experiments.plots import draw

    for name, figure in draw(experiments).items():
        picture = folder / f"{name}{of}.png"
        with whole(picture) as unfinished:
            figure.savefig(unfinished, format="png")
        print(picture)
