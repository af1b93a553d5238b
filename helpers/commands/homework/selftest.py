"""`./course homework selftest HW`: prove that a homework's tests are good. CI runs it for every one."""

import argparse
import sys
from pathlib import Path

from helpers.errors import UsageError, nearest
from helpers.grading.mutants import margins
from helpers.grading.mutants.selftest import Report, paths, selftest
from helpers.grading.mutants.variants import read_mutants, read_source

ROOT = Path(__file__).resolve().parents[3]


def run(options: argparse.Namespace) -> int:
    """Test a homework; return 0 if it is good, 1 if not.

    Raises:
        UsageError: there is none of this name.
    """
    source, mutants, table = paths(ROOT, options.homework)
    if not source.exists() or not mutants.exists():
        known = sorted(path.stem for path in mutants.parent.glob("*.toml"))
        near, names = nearest(options.homework, known), ", ".join(known)
        raise UsageError(f"there is no homework {options.homework!r}.{near} There are: {names}.")
    report = selftest(
        read_source(source), read_mutants(mutants), seeds=options.seeds, every_test=not options.sample, progress=_show
    )
    _show("")
    if options.write:
        margins.write(table, report.margins)
    elif not margins.is_current(table, report.margins):
        report.problems.append(f"{table.name} has other limits; run ./course homework selftest {table.stem} --write")
    print(_said(options.homework, report))
    return 1 if report.problems else 0


def _show(doing: str) -> None:
    """Say on one line of a terminal what runs; in a log file say nothing."""
    if sys.stderr.isatty():
        print(f"\r{doing}\033[K", end="", file=sys.stderr, flush=True)


def _said(homework: str, report: Report) -> str:
    rows = [f"{'margin':>8} {'miss':>6}  limit"]
    for one in report.margins:
        miss = "" if one.miss is None else f"{min(one.miss, 999):.1f}"
        rows.append(f"{one.margin:8.2f} {miss:>6}  {one.test}: {one.what}, {one.worst:.3g} against {one.limit:.3g}")
    slowest, seconds = report.slowest
    summary = (
        f"{homework}: {report.points:g} points by tests, {report.mutants} mutants, {report.seconds:.0f} s of CPU time "
        f"for the solution ({slowest}: {seconds:.0f} s)."
    )
    return "\n".join([*rows, "", *report.problems, "", summary + (" All good." if not report.problems else "")])
