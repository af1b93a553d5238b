"""`./course results RUN.toml`: what a run has brought, as one table, one CSV file and figures."""

import argparse
import sys
from pathlib import Path

from helpers.cluster import results
from helpers.cluster.jobs import label_of
from helpers.cluster.runs import Run, RunError, read_run
from helpers.experiments import experiments_folder
from helpers.files import whole
from helpers.tables import Table

_SHOWN = ("accuracy", "mean_iou", "kappa", "mae", "kl", "val_loss", "best_epoch", "epochs_trained")


def main(arguments: list[str]) -> int:
    """Merge the experiments that have finished; return the exit status."""
    options = _parser().parse_intermixed_args(arguments)
    try:
        run = read_run(options.run, options.overrides)
        of = label_of(run, options.overrides).removeprefix(run.name)  # overrides do not replace what is without them
        _merge(run, of, options.to, options.figures)
    except (RunError, OSError) as error:
        print(f"course results: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "./course results", description="Merge what the experiments of a run have brought."
    )
    parser.add_argument("run", type=Path, metavar="RUN.toml", help="the run file, as for ./course train")
    parser.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help="as for ./course train")
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder for the files; default: the run's own")
    parser.add_argument("--no-figures", dest="figures", action="store_false", help="only the table and the CSV file")
    return parser


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
    from helpers.cluster.drawing import draw

    for name, figure in draw(experiments).items():
        picture = folder / f"{name}{of}.png"
        with whole(picture) as unfinished:
            figure.savefig(unfinished, format="png")
        print(picture)
