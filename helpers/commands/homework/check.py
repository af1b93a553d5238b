"""`./course homework check HW`: what a student runs before handing in."""

import argparse

from helpers.grading.pipeline.checking import FAILED, HIDDEN, PASSED, Row, check


def run(options: argparse.Namespace) -> int:
    """Run the notebook and show its tests; return 0 if all open ones pass, 1 if some fail."""
    rows = check(options.notebook)
    print("\n".join(map(_line, rows)))
    passed, failed, hidden = (sum(row.outcome == one for row in rows) for one in (PASSED, FAILED, HIDDEN))
    print(f"\n{passed} of {passed + failed} open tests passed. ", end="")
    print(f"Hidden tests that grading adds: {hidden}, and hidden parts of open ones.")
    return 1 if failed else 0


def _line(row: Row) -> str:
    line = f"{row.outcome:8} {row.points:4g} points  {row.test}"
    return line + "".join(f"\n           {part}" for part in row.message.splitlines())
