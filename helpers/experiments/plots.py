"""Figures of a run: curves of each fold, confusion matrices, one network against another, classes. Lecture 13."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from helpers import figures
from helpers.data import chesapeake
from helpers.experiments import Experiment
from helpers.experiments.results import REPEATS, SCORES, groups
from helpers.figures import Figure
from helpers.files import atomic_write
from helpers.segmentation import plots

MOST_CURVES = 8  # in one panel
_NAMES = chesapeake.CLASS_NAMES


def draw(experiments: Sequence[Experiment]) -> dict[str, Figure]:
    """Draw what there is to see in the results of a run.

    Returns:
        Figures by name: "curves" and "scores" always; "confusion" and "iou" where classes were predicted; "against"
        where two groups of experiments share their folds.
    """
    grouped = groups(experiments)
    found = {"curves": curves(grouped), "scores": scores(grouped)}
    if "confusion" in experiments[0].results():
        found["confusion"] = plots.confusion({label: pooled(members) for label, members in grouped.items()}, _NAMES)
        found["iou"] = iou(grouped)
        if figure := against(grouped):
            found["against"] = figure
    return found


def write(experiments: Sequence[Experiment], folder: Path, of: str = "") -> Iterator[Path]:
    """Draw the figures, and write each as a picture.

    Args:
        experiments: see `draw`.
        folder: where to.
        of: stands behind the name of each figure.

    Yields:
        The path of each picture, as soon as it is there.
    """
    for name, figure in draw(experiments).items():
        picture = folder / f"{name}{of}.png"
        with atomic_write(picture) as unfinished:
            figure.savefig(unfinished, format="png")
        yield picture


def curves(grouped: dict[str, list[Experiment]]) -> Figure:
    """Draw what each epoch brought, training above validation: a column for each group, a line for each fold."""
    if all(len(members) == 1 for members in grouped.values()):
        return _best_curves([members[0] for members in grouped.values()])
    quantity = "accuracy" if "accuracy" in next(iter(grouped.values()))[0].history() else "loss"
    figure, axes = figures.subplots(2, len(grouped), (3.4 * len(grouped) + 1, 4.6), sharex=True, sharey=True)
    for column, (label, members) in zip(axes.T, grouped.items(), strict=True):
        for ax, part in zip(column, ("", "val_"), strict=True):
            for member in members:
                values = member.history()[part + quantity]
                ax.plot(range(1, len(values) + 1), values, label=_repeat(member))
        column[0].set_title(label)
        column[1].set_xlabel("epoch")
    for ax, part in zip(axes[:, 0], ("training", "validation"), strict=True):
        ax.set_ylabel(f"{part} {quantity}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    return figure


def _best_curves(experiments: Sequence[Experiment]) -> Figure:
    """Draw the validation loss of the best few of many experiments."""
    best = sorted(experiments, key=_lowest_loss)[:MOST_CURVES]
    return figures.curves({each.name: each.history()["val_loss"] for each in best}, ylabel="validation loss")


def scores(grouped: dict[str, list[Experiment]]) -> Figure:
    """Draw the first score of every experiment, best group on top: a point for each, a bar at the mean."""
    name = next(score for score in SCORES if score in next(iter(grouped.values()))[0].results())
    values = {label: [each.results()[name] for each in members] for label, members in grouped.items()}
    means = {label: float(np.mean(numbers)) * (1 if SCORES[name] else -1) for label, numbers in values.items()}
    order = sorted(means, key=lambda label: (not np.isnan(means[label]), means[label]))  # the best last: on top
    figure, ((ax,),) = figures.subplots(1, 1, (6.4, 0.28 * len(order) + 0.9))
    for place, label in enumerate(order):
        ax.plot(values[label], [place] * len(values[label]), "o", color="C0", markersize=4)
        ax.plot([np.mean(values[label])], [place], "|", color="black", markersize=12)
    ax.set(yticks=range(len(order)), yticklabels=order, ylim=(-0.6, len(order) - 0.4))
    ax.set_xlabel(f"{name} on the test split (bar: mean)")
    return figure


def pooled(members: Sequence[Experiment]) -> np.ndarray:
    """Add up the confusion matrices of several folds: int64, (classes, classes), true classes in rows."""
    return np.array([member.results()["confusion"] for member in members], np.int64).sum(axis=0)


def iou(grouped: dict[str, list[Experiment]]) -> Figure:
    """Draw the intersection over union of each class, over all folds together."""
    heights = {}
    for label, members in grouped.items():
        matrix = pooled(members)
        union = matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
        heights[label] = (np.diag(matrix) / np.maximum(union, 1))[1:].tolist()  # without the ignored class
    return figures.bars(heights, _NAMES[1:], ylabel="intersection over union", numbers=len(grouped) <= 2)


def against(grouped: dict[str, list[Experiment]]) -> Figure | None:
    """Draw the accuracy of the second group against that of the first, fold by fold."""
    if len(grouped) < 2:
        return None
    (xlabel, first), (ylabel, second) = list(grouped.items())[:2]
    x, y = ({_repeat(each): each.results()["accuracy"] for each in members} for members in (first, second))
    shared = [name for name in x if name in y]
    if not shared:
        return None
    pairs = [x[name] for name in shared], [y[name] for name in shared]
    return plots.against(*pairs, xlabel=f"accuracy, {xlabel}", ylabel=f"accuracy, {ylabel}", names=shared)


def _repeat(experiment: Experiment) -> str:
    """Return what tells an experiment from others of its group: its fold or its seed."""
    known = experiment.parameters
    return ", ".join(f"{key} {known[key]}" for key in REPEATS if key in known) or experiment.name


def _lowest_loss(experiment: Experiment) -> float:
    """Return the lowest validation loss; what has diverged comes last."""
    return min(filter(np.isfinite, experiment.history()["val_loss"]), default=np.inf)
