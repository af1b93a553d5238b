"""The results of a run side by side: one row for each experiment that has finished. Used by `course results`."""

import csv
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from helpers.experiments import Experiment, UnreadableError, as_frame, row, short, undamaged
from helpers.experiments.own_code import EXAMPLE, OwnCodeError, hashes_of, is_own
from helpers.experiments.own_script import code_key, code_of
from helpers.experiments.run_file import STAND_IN, Run, RunError
from helpers.files import atomic_write

REPEATS = ("fold", "ou_folder", "seed")  # parameters that repeat an experiment rather than change it
SCORES = {"accuracy": True, "mean_iou": True, "kappa": True, "mae": False, "kl": False}  # whether more is better

Row = dict[str, Any]


def finished(run: Run) -> list[Experiment]:
    """List the experiments of a run that are saved; which are damaged, and left out, is printed.

    Raises:
        RunError: there is none.
    """
    there = [each for each in run.experiments if each.folder.exists()]
    found = undamaged(there, partial(print, file=sys.stderr))
    if not found:
        raise RunError(f"run {run.name} has no results: none of its {len(run.experiments)} experiments has finished.")
    return found


def changed_code(experiment: Experiment, known: dict[str, Mapping[str, str]] | None = None) -> list[str]:
    """List the files of its owner's code that have changed since a saved experiment was trained.

    Args:
        experiment: of `run_file.read_run`, that is saved.
        known: the hashes of files that were read for other experiments of the same run, and will be for this one.
    """
    known = {} if known is None else known
    if (key := code_key(experiment)) not in known:
        known[key] = hashes_of(code_of(experiment))
    if not (now := known[key]):
        return []
    then = experiment.results().get("provenance", {})
    return [name.removeprefix("SHA-256 of ") for name in now if then.get(name) != now[name]]


def told_of_code(run: Run) -> str:
    """Tell in one line which finished experiments were trained with other files of your own; "" if none was.

    A run of the same name in another folder keeps its experiments in the same place.
    """
    named = (each.parameters.get(key) for each in run.experiments for key in EXAMPLE)
    if not any(is_own(name) for name in named) and not run.has_script:
        return ""  # without a look at what is on disk: a sweep may be of thousands
    missing, files, count = set(run.missing()), set(), 0
    now: dict[str, Mapping[str, str]] = {}  # read once for what all experiments share
    for index, experiment in enumerate(run.experiments):
        with suppress(OwnCodeError, UnreadableError):  # a file that is not there is told where it is needed
            if index not in missing and (changed := changed_code(experiment, now)):
                files.update(changed)
                count += 1
    if not count:
        return ""
    return (
        f"{count} of the finished experiments of run {run.name} were trained with another {', '.join(sorted(files))}. "
        "To train them with this, remove their folders first, or give the run another name."
    )


def rows(experiments: Sequence[Experiment]) -> list[Row]:
    """Put parameters and results of experiments side by side, all with the same columns.

    Returns:
        For each experiment its name, its parameters, and its results; a result that consists of named numbers becomes
        a column for each, such as "iou water". Lists of lists (confusion matrices) are left out.
    """
    found = [row(each) for each in experiments]
    columns = list(dict.fromkeys(column for row in found for column in row))
    return [{column: row.get(column, "") for column in columns} for row in found]


def write_parquet(experiments: Sequence[Experiment], path: Path) -> None:
    """Write `as_frame` as a Parquet file; the file is there whole or not at all.

    A column that holds texts beside other values becomes one of texts: Parquet has one kind of value in each.
    """
    table = as_frame(experiments)
    table = table.astype({name: "string" for name in table if table[name].dtype.kind == "O"})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        table.to_parquet(unfinished, engine="pyarrow", index=False)


def write_csv(table: Sequence[Row], path: Path) -> None:
    """Write the rows, under a heading; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def groups(experiments: Sequence[Experiment]) -> dict[str, list[Experiment]]:
    """Put together what differs in `REPEATS` only.

    Returns:
        Experiments by what their group has in common and other groups have not, such as "skips=True".
    """
    differing = [key for key in varying(experiments) if key not in REPEATS]
    found: dict[str, list[Experiment]] = {}
    for each in experiments:
        label = ", ".join(f"{key}={short(each.parameters.get(key))}" for key in differing)
        found.setdefault(label or each.run, []).append(each)
    return found


def varying(experiments: Sequence[Experiment]) -> list[str]:
    """List the parameters that are not the same in all experiments."""
    keys = list(dict.fromkeys(key for each in experiments for key in each.parameters))
    return [key for key in keys if len({short(each.parameters.get(key)) for each in experiments}) > 1]


def summary(experiments: Sequence[Experiment]) -> list[Row]:
    """Average the scores of each group over its folds and seeds.

    Returns:
        For each group its size, and each score as "mean ± standard deviation" (the mean alone where there is one) of
        the experiments that have it; empty in a group where none has, for programs need not all give the same.
    """
    grouped = {label: [_scores(member) for member in members] for label, members in groups(experiments).items()}
    known = [name for name in SCORES if any(name in each for members in grouped.values() for each in members)]
    found = []
    for label, members in grouped.items():
        scores = {name: _spread([each[name] for each in members if name in each]) for name in known}
        found.append({"experiments": label, "number": len(members), **scores})
    return found


def made_up(table: Sequence[Row]) -> int:
    """Count the rows that come from a stand-in, not from real data."""
    return sum(str(row.get("source", "")).startswith(STAND_IN) for row in table)


def _scores(experiment: Experiment) -> dict[str, float]:
    """Return the scores of an experiment; what goes by such a name and is no number is none."""
    return {
        name: value
        for name, value in experiment.results().items()
        if name in SCORES and isinstance(value, (int, float))
    }


def _spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation, which are no numbers if a training has diverged; "" of no values."""
    if not values:
        return ""
    with np.errstate(invalid="ignore"):
        mean = f"{np.mean(values):.4g}"
        return f"{mean} ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else mean
