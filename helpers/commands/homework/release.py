"""`./course homework release HW`: what students open, without solutions."""

import argparse

from helpers.commands.homework import common
from helpers.grading.pipeline.releasing import release


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `release`."""
    common.add_homework(parser)
    parser.add_argument("--due", default="", metavar="TIME", help='such as "2026-11-30 23:59 UTC"; later is late')


def run(options: argparse.Namespace) -> int:
    """Release, and say where."""
    folder = release(common.course(options), options.homework, due=options.due)
    print(f"{options.homework} is in {folder}: no solution, hidden test or mark scheme in it.")
    return 0
