"""`./course student-edition`: what students get, as a folder or a zip file."""

import argparse
from pathlib import Path

from helpers.grading.student_edition import make_edition

ROOT = Path(__file__).resolve().parents[2]


def run(options: argparse.Namespace) -> int:
    """Write the student edition, and say how many files are in it."""
    files = make_edition(ROOT, options.target)
    notebooks = [name for name in files if name.endswith(".ipynb")]
    homework = sum(name.startswith("homework/") for name in notebooks)
    print(
        f"{options.target}: {len(notebooks) - homework} lectures, {homework} homework, {len(files)} files in all; no "
        "solution, hidden test or mutant in them."
    )
    return 0
