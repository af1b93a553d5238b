"""How many points a class has, where they are and how far they spread on each axis. Used by the explorer."""

from collections.abc import Sequence

import numpy as np

from helpers.tables import Table


def class_statistics(coordinates: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count the points of each class, and measure their mean and their spread.

    Args:
        coordinates: float, (n, axes).
        labels: integer, (n,), 0 to classes - 1.
        classes: how many classes there are.

    Returns:
        float32, (classes, 1 + 2 * axes): count, mean on each axis, standard deviation on each axis (of the class as a
        whole: divided by n). A class without points has NaN for both.
    """
    axes = coordinates.shape[1]
    found = np.full((classes, 1 + 2 * axes), np.nan, np.float32)
    for label, row in enumerate(found):
        members = coordinates[labels == label]
        row[0] = len(members)
        if len(members):
            row[1 : axes + 1], row[axes + 1 :] = members.mean(axis=0), members.std(axis=0)
    return found


def as_table(
    statistics: np.ndarray, class_names: Sequence[str], axes: Sequence[str], *, shown: Sequence[int], caption: str = ""
) -> Table:
    """Write what `class_statistics` found as a table: a row per class, a column "mean ± spread" per axis in `shown`."""
    rows = []
    for name, (count, *numbers) in zip(class_names, statistics, strict=True):
        means, spreads = numbers[: len(axes)], numbers[len(axes) :]
        cells = {axes[at]: f"{means[at]:.2f} ± {spreads[at]:.2f}" if count else "" for at in shown}
        rows.append({"class": name, "count": int(count), **cells})
    return Table(rows, caption)
