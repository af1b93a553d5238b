"""How far from its limits a homework is: the worst solution of several seeds, and the mutant that comes nearest."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from helpers.files import whole
from helpers.grading.checks import Limit

SOLUTIONS_BY, MUTANTS_BY = 1.5, 1.2  # how far from a limit they must stay


class Margin(NamedTuple):
    """A limit and who comes near to it.

    Attributes:
        test: the cell.
        what: is limited.
        limit: that must not be passed.
        worst: number of the worst solution.
        margin: how many times better than the limit that is.
        mutant: which of those that pass the limit does so by least; empty if none does.
        miss: how many times worse than the limit it is.
    """

    test: str
    what: str
    limit: float
    worst: float
    margin: float
    mutant: str = ""
    miss: float | None = None


def margins(solutions: Iterable[tuple[str, Limit]], mutants: Iterable[tuple[str, str, Limit]]) -> list[Margin]:
    """Sum up the limits of all runs.

    Args:
        solutions: (test cell, limit) of the solution, several seeds.
        mutants: (mutant, test cell, limit).
    """
    worst: dict[tuple[str, str], Limit] = {}
    for test, limit in solutions:
        kept = worst.setdefault((test, limit.what), limit)
        worst[test, limit.what] = min(kept, limit, key=lambda one: one.margin)
    nearest: dict[tuple[str, str], tuple[float, str]] = {}
    for mutant, test, limit in mutants:
        if limit.margin < 1:
            miss = 1 / max(limit.margin, 1e-3), mutant
            nearest[test, limit.what] = min(miss, nearest.get((test, limit.what), miss))
    return [_margin(test, limit, *nearest.get((test, what), (None, ""))) for (test, what), limit in worst.items()]


def narrow(found: list[Margin]) -> list[str]:
    """List the limits that a solution or a mutant comes too near to."""
    lines = []
    for one in found:
        if one.margin < SOLUTIONS_BY:
            lines.append(f"{one.test}: {one.what} has a margin of {one.margin:.2f}; wanted: {SOLUTIONS_BY}")
        if one.miss is not None and one.miss < MUTANTS_BY:
            lines.append(f"{one.test}: {one.mutant} misses {one.what} by {one.miss:.2f}; wanted: {MUTANTS_BY}")
    return lines


def write(path: Path, found: list[Margin]) -> None:
    """Write the table, numbers to three digits."""
    with whole(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Margin._fields)
        table.writerows(_rows(found))


def is_current(path: Path, found: list[Margin]) -> bool:
    """Tell whether a stored table has these limits. The numbers beside them may differ, as processors do."""
    if not path.exists():
        return False
    with path.open(newline="", encoding="utf-8") as file:
        stored = [(row["test"], row["what"], row["limit"]) for row in csv.DictReader(file)]
    return stored == [tuple(row[:3]) for row in _rows(found)]


def _margin(test: str, limit: Limit, miss: float | None, mutant: str) -> Margin:
    return Margin(test, limit.what, limit.limit, limit.found, limit.margin, mutant, miss)


def _rows(found: list[Margin]) -> list[list[str]]:
    return [["" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v) for v in one] for one in found]
