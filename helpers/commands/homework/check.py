"""`./course homework check HW`: what a student runs before handing in."""

import argparse
from pathlib import Path

from helpers.commands.homework.common import ROOT
from helpers.grading.pipeline.checking import Row, check

_MARKS = {True: "passed", False: "FAILED", None: "by hand"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.add_argument("homework", metavar="HW", help="such as hw1_dense, or the path of a notebook")


def run(options: argparse.Namespace) -> int:
    """Run the notebook and show its tests; return 0 if all pass, 1 if some fail."""
    path = Path(options.homework)
    if path.suffix != ".ipynb":
        path = ROOT / "homework" / options.homework / f"{options.homework}.ipynb"
    rows = check(path)
    print("\n".join(map(_line, rows)))
    tests = [row for row in rows if row.passed is not None]
    passed = sum(bool(row.passed) for row in tests)
    print(f"\n{passed} of {len(tests)} open tests passed. Open tests only: hidden ones check other values.")
    return 0 if passed == len(tests) else 1


def _line(row: Row) -> str:
    line = f"{_MARKS[row.passed]:8} {row.points:4g} points  {row.test}"
    return line + "".join(f"\n           {part}" for part in row.message.splitlines() if row.passed is False)
