"""Everything that the self-test of a homework finds wrong with it, and how far from its limits it is.

A margin is told by the worst solution of several seeds, and by the mutant that comes nearest. Cells run in this
process, where TensorFlow is loaded already. Only for the instructor's own code: nothing here protects the machine.
Submissions run in the pipeline's sandbox.
"""

import ast
import contextlib
import csv
import io
import linecache
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from matplotlib import pyplot
from nbformat import NotebookNode

from helpers.backend import keras
from helpers.cores import usable_cores
from helpers.files import atomic_write
from helpers.grading.checks import Limit, recorded, shifted
from helpers.grading.mutants import (
    Alternative,
    Cell,
    Mutant,
    built_on,
    code_cells,
    handed_in,
    leaks,
    mutated,
    otherwise,
    reached,
    student_version,
    with_variant,
)
from helpers.grading.variants import CELL, Values

SOLUTIONS_BY, MUTANTS_BY = 1.5, 1.2  # how far from a limit they must stay
SEEDS = 8
FEWEST_MUTANTS = 5
FEWEST_ALTERNATIVES = 3  # of each answer
QUICK = 1  # CPU seconds that another test may take
SECONDS_A_CELL, SECONDS = 20, 180  # CPU time on a quiet machine, which is more than the time on the clock if anything
REFERENCE_SECONDS = 1.9  # CPU time of `_work` on the machine that the budgets of the homework were set on, when quiet

Progress = Callable[[str], None]


# ---- how cells run, and how slow that is at the moment ----


@dataclass
class Run:
    """What came of the cells.

    Attributes:
        failures: for each test cell that failed, the last lines of its error; of other cells too.
        limits: for each test cell, the numbers that it held against limits.
        seconds: CPU time of each cell.
    """

    failures: dict[str, str] = field(default_factory=dict)
    limits: dict[str, list[Limit]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run(cells: list[Cell], *, wanted: Collection[str] | None = None, shift: int = 0) -> Run:
    """Run cells one after the other in a namespace of their own, in a folder of their own.

    Args:
        cells: of one homework, in order.
        wanted: names of those that are run; without it all are.
        shift: of the seeds; see `checks.seed`.
    """
    found, namespace = Run(), {"__name__": "__main__"}
    keras.utils.clear_session(free_memory=False)  # names of layers begin anew; collecting takes 2 s
    with shifted(shift), _elsewhere(), contextlib.redirect_stdout(io.StringIO()):
        for cell in cells if wanted is None else [cell for cell in cells if cell.name in wanted]:
            start = time.process_time()
            with recorded() as limits:
                failure = _failure(cell, namespace)
            found.seconds[cell.name], found.limits[cell.name] = time.process_time() - start, limits
            if failure:
                found.failures[cell.name] = failure
    pyplot.close("all")
    return found


def _failure(cell: Cell, namespace: dict) -> str | None:
    """Run one cell; return what its error says. Students' mistakes raise anything, and so do mutants."""
    name = f"<{cell.name}>"
    linecache.cache[name] = (len(cell.code), None, cell.code.splitlines(keepends=True), name)  # for tf.function
    try:
        exec(compile(cell.code, name, "exec"), namespace)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return None


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def slowness() -> float:
    """Return the CPU time of a small training as a multiple of what it takes on a quiet machine, at least 1.

    Two processes that share a core's caches and units take up to twice the CPU time of one, for the same work. Where
    more threads want to run than there are processors, those of TensorFlow spin while they wait, for as long again.
    """
    _work()  # what Keras does only once in a process
    start = time.process_time()
    _work()
    waiting = max(1.0, os.getloadavg()[0] / usable_cores())
    return max(1.0, (time.process_time() - start) / REFERENCE_SECONDS) * waiting


def _work() -> None:
    """Train a network of the kind that homework trains, always the same."""
    import numpy as np

    images = np.random.default_rng(0).random((512, 28, 28, 1), dtype=np.float32)
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    model.compile("adam", "mse")
    model.fit(images, np.zeros((512, 10), np.float32), batch_size=32, epochs=4, verbose=0)


# ---- what is found ----


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


def too_tight(found: list[Margin]) -> list[str]:
    """List the limits that a solution or a mutant comes too near to."""
    lines = []
    for one in found:
        if one.margin < SOLUTIONS_BY:
            lines.append(f"{one.test}: {one.what} has a margin of {one.margin:.2f}; wanted: {SOLUTIONS_BY}")
        if one.miss is not None and one.miss < MUTANTS_BY:
            lines.append(f"{one.test}: {one.mutant} misses {one.what} by {one.miss:.2f}; wanted: {MUTANTS_BY}")
    return lines


def write_margins(path: Path, found: list[Margin]) -> None:
    """Write the table, numbers to three digits."""
    with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Margin._fields)
        table.writerows(_rows(found))


def margins_are_current(path: Path, found: list[Margin]) -> bool:
    """Return whether a stored table has these limits. The numbers beside them may differ, as processors do."""
    if not path.exists():
        return False
    with path.open(newline="", encoding="utf-8") as file:
        stored = [(row["test"], row["what"], row["limit"]) for row in csv.DictReader(file)]
    return stored == [tuple(row[:3]) for row in _rows(found)]


def _margin(test: str, limit: Limit, miss: float | None, mutant: str) -> Margin:
    return Margin(test, limit.what, limit.limit, limit.found, limit.margin, mutant, miss)


def _rows(found: list[Margin]) -> list[list[str]]:
    return [["" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v) for v in one] for one in found]


@dataclass
class Report:
    """What was found.

    Attributes:
        problems: one line each; empty if the homework is good.
        margins: the table of limits.
        seconds: CPU time of the solution, free cells included.
        slowest: the cell that took longest, and how long.
        points: that tests give.
        mutants, alternatives: how many there are.
    """

    problems: list[str]
    margins: list[Margin] = field(default_factory=list)
    seconds: float = 0
    slowest: tuple[str, float] = ("", 0)
    points: float = 0
    mutants: int = 0
    alternatives: int = 0


def selftest(
    source: NotebookNode,
    mutants: list[Mutant],
    alternatives: list[Alternative],
    *,
    variants: Sequence[Values] = (),
    seeds: int = SEEDS,
    every_test: bool = True,
    progress: Progress = print,
) -> Report:
    """Run the solution, what students get, every alternative and every mutant.

    The alternatives run in notebooks: number k has the k-th of every answer, and its seeds are shifted by k.

    Where the homework has variants, they take turns: after the notebook's own, on which the solution runs first, other
    seeds, alternatives and mutants run with one of them each. So the margins are those of all.

    Args:
        source: the notebook with its solutions.
        mutants, alternatives: of this homework.
        variants: see `variants.corners`; none where it has none.
        seeds: how many for the solution; the first is the grader's. Where `every_test` is False, the alternatives
            take the place of the others.
        every_test: run a mutant against all tests that its change can reach. Otherwise against those that it is
            said to lose and one of the quick others, each in its turn, in a fraction of the time.
        progress: is told what runs next.
    """
    cells = code_cells(source)
    points = sum(cell.points for cell in cells)
    report = Report([], points=points, mutants=len(mutants), alternatives=len(alternatives))
    released = student_version(source)
    report.problems += [*_unreadable(released), *_leaking(source, released), *_unkilled(cells, mutants)]
    report.problems += _too_few(cells, alternatives)
    progress("the solution")
    first = run(cells)
    report.problems += [*_lost(cells, first, "the solution"), *_too_slow(first, lambda: run(cells))]
    report.seconds, report.slowest = sum(first.seconds.values()), max(first.seconds.items(), key=lambda one: one[1])
    progress("blank")
    blank = run(handed_in(cells, code_cells(released)), wanted={cell.name for cell in cells if cell.role != "free"})
    report.problems += [f"{name}: passes without a solution" for name in _tests(cells) if name not in blank.failures]
    varied = [with_variant(cells, values) for values in variants] or [cells]
    others = list(_alternatives(varied, alternatives, progress, report))
    least = len(variants) + 1  # so that the solution has run with all of them
    seeds = max(seeds, least) if every_test or not others else 1
    solutions = [first, *others, *_seeded(varied, seeds, progress, report)]
    quick = {name for name in _tests(cells) if first.seconds[name] <= QUICK}
    wrong = list(_mutants(varied, mutants, None if every_test else quick, progress, report))
    report.margins = _margins(solutions, wrong)
    report.problems += too_tight(report.margins)
    return report


def _tests(cells: list[Cell]) -> list[str]:
    return [cell.name for cell in cells if cell.role == "test"]


def _seeded(varied: list[list[Cell]], seeds: int, progress: Progress, report: Report) -> Iterator[Run]:
    """Run the solution with other seeds, and variants. A test that has neither gives what it gave before."""
    is_all = len(varied) > 1
    for shift in range(1, seeds):
        progress(f"the solution, seed {shift}")
        cells = varied[(shift - 1) % len(varied)]
        wanted = {cell.name for cell in cells if cell.role == "test" and (is_all or "checks.seed(" in cell.code)}
        found = run(cells, wanted=built_on(cells, wanted), shift=shift)
        report.problems += _lost(cells, found, f"the solution with seed {shift}{_variant_of(cells)}")
        yield found


def _variant_of(cells: list[Cell]) -> str:
    """Return what a message says of the values with which cells ran; nothing where there are none."""
    return next((f" and {' '.join(cell.code.split())}" for cell in cells if cell.name == CELL), "")


def _alternatives(
    varied: list[list[Cell]], alternatives: list[Alternative], progress: Progress, report: Report
) -> Iterator[Run]:
    """Run notebooks of alternatives. An answer that has fewer than another begins anew."""
    answers: dict[str, list[Alternative]] = {}
    for one in alternatives:
        answers.setdefault(one.cell, []).append(one)
    for k in range(max(map(len, answers.values()), default=0)):
        progress(f"alternatives {k + 1}")
        cells = varied[k % len(varied)]
        chosen = [of_a_cell[k % len(of_a_cell)] for of_a_cell in answers.values()]
        graded = {cell.name for cell in cells if cell.role != "free"}
        found = run(otherwise(cells, chosen), wanted=graded, shift=k + 1)
        for failed, error in found.failures.items():
            blamed = _to_blame(cells, chosen, failed, k + 1)
            report.problems.append(f"{blamed}{_variant_of(cells)} fails {failed}: {error}")
        yield found


def _to_blame(cells: list[Cell], chosen: list[Alternative], failed: str, shift: int) -> str:
    """Name the alternative that fails a cell alone, or all that took part."""
    suspects = [one for one in chosen if failed == one.cell or failed in reached(otherwise(cells, [one]), one.cell)]
    for one in suspects:
        changed = otherwise(cells, [one])
        if failed in run(changed, wanted=built_on(changed, {failed}), shift=shift).failures:
            return f"alternative {one.name} of {one.cell} ({one.how})"
    return f"with seed {shift}, one of the alternatives {', '.join(one.name for one in suspects)}"


def _mutants(
    varied: list[list[Cell]], mutants: list[Mutant], quick: set[str] | None, progress: Progress, report: Report
) -> Iterator[tuple[Mutant, Run]]:
    """Run mutants against all tests that they reach, or against theirs and one that is quick."""
    turns: dict[str, Iterator[str]] = {}
    for mutant, cells in zip(mutants, cycle(varied)):
        progress(mutant.name)
        changed, tests = mutated(cells, mutant), reached(cells, mutant.cell)
        if quick is not None:
            turn = turns.setdefault(mutant.cell, cycle(sorted(tests & quick)))
            others = (next(turn, "") for _ in tests)
            tests = {*mutant.loses, next((test for test in others if test not in mutant.loses), "")}
        found = run(changed, wanted=built_on(changed, tests))
        report.problems += _misjudged(mutant, {name for name in found.failures if name in _tests(cells)})
        yield mutant, found


def _misjudged(mutant: Mutant, lost: set[str]) -> Iterator[str]:
    if mutant.loses - lost:
        yield f"mutant {mutant.name} passes {', '.join(sorted(mutant.loses - lost))}"
    if lost - mutant.loses:
        yield f"mutant {mutant.name} also fails {', '.join(sorted(lost - mutant.loses))}"


def _lost(cells: list[Cell], found: Run, who: str) -> list[str]:
    return [f"{who} fails {cell.name}: {found.failures[cell.name]}" for cell in cells if cell.name in found.failures]


def _too_slow(found: Run, again: Callable[[], Run]) -> Iterator[str]:
    """Return which cells take too long.

    A busy machine takes more CPU time for the same work: what seems slow is timed once more, and held against the pace.
    """
    seconds = found.seconds
    if sum(seconds.values()) > SECONDS or max(seconds.values()) > SECONDS_A_CELL:
        second, times = again().seconds, slowness()
        seconds = {name: min(seconds[name], second[name] / times) for name in seconds}
    for name, taken in seconds.items():
        if taken > SECONDS_A_CELL:
            yield f"{name}: takes {taken:.0f} s; at most {SECONDS_A_CELL}"
    if sum(seconds.values()) > SECONDS:
        yield f"takes {sum(seconds.values()):.0f} s; at most {SECONDS}"


def _unreadable(released: NotebookNode) -> Iterator[str]:
    for cell in code_cells(released):
        try:
            compile(cell.code, cell.name, "exec")
        except SyntaxError as error:
            yield f"{cell.name}: does not parse as it is handed out: {error}"


def _leaking(source: NotebookNode, released: NotebookNode) -> Iterator[str]:
    for line in leaks(source, "\n".join(cell.source for cell in released.cells)):
        yield f"the release shows {line!r}"


def _unkilled(cells: list[Cell], mutants: list[Mutant]) -> Iterator[str]:
    tests, killed = set(_tests(cells)), {name for mutant in mutants for name in mutant.loses}
    if len(mutants) < FEWEST_MUTANTS:
        yield f"has {len(mutants)} mutants; at least {FEWEST_MUTANTS}"
    yield from (f"{name}: no mutant loses it" for name in sorted(tests - killed))
    yield from (f"mutants name {name}, which is no test cell" for name in sorted(killed - tests))


def _too_few(cells: list[Cell], alternatives: list[Alternative]) -> Iterator[str]:
    """Return which answers have too few alternatives, and which alternatives are the solution once more."""
    for cell in [cell for cell in cells if cell.role == "solution"]:
        own = [one for one in alternatives if one.cell == cell.name]
        if len(own) < FEWEST_ALTERNATIVES:
            yield f"{cell.name}: has {len(own)} alternatives; at least {FEWEST_ALTERNATIVES}"
        seen = {ast.dump(ast.parse(cell.code))}
        for one in own:
            tree = ast.dump(ast.parse(one.code))
            if tree in seen:
                yield f"alternative {one.name}: its code is written before; write the answer otherwise"
            seen.add(tree)


def _margins(solutions: list[Run], wrong: list[tuple[Mutant, Run]]) -> list[Margin]:
    good = [(test, limit) for found in solutions for test, limits in found.limits.items() for limit in limits]
    bad = [(m.name, test, limit) for m, found in wrong for test, limits in found.limits.items() for limit in limits]
    return margins(good, bad)


def paths(root: Path, homework: str) -> tuple[Path, Path, Path, Path]:
    """Return where a homework's notebook with solutions, its mutants, its margins and its alternatives are."""
    private = root / "homework" / "_instructor"
    mutants = private / "mutants"
    return (
        private / "source" / homework / f"{homework}.ipynb",
        mutants / f"{homework}.toml",
        mutants / f"{homework}.csv",
        private / "alternatives" / f"{homework}.toml",
    )
