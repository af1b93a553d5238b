"""`./course data stage`: a copy of patches on the disk of the machine that computes."""

import argparse

from helpers.data import packing


def run(options: argparse.Namespace) -> int:
    """Copy, and print the folder and nothing else: FOLDER=$(./course data stage …)."""
    print(packing.stage(options.source, options.to, ou_folder=options.ou_folder, states=options.states))
    return 0
