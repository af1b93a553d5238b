"""`./course data stage`: a copy of a fold on the disk of the machine that computes."""

import argparse

from helpers.data import packing


def run(options: argparse.Namespace) -> int:
    """Copy, and print the folder and nothing else: FOLDER=$(./course data stage …)."""
    print(packing.stage(options.source, options.to, fold=options.fold, states=options.states))
    return 0
