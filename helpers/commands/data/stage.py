"""`./course data stage`: a copy of a fold on the disk of the machine that computes."""

import argparse
from pathlib import Path

from helpers.commands.verbs import at_least
from helpers.data import packing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("source", type=Path, help="folder of patches, packed or not")
    parser.add_argument("--to", type=Path, help="where to; default: $LSCRATCH, $SLURM_TMPDIR or $TMPDIR")
    parser.add_argument("--fold", type=at_least(0), help="only this one of OU's folds")
    parser.add_argument("--states", nargs="+", help="only patches of these states, such as pa")


def run(options: argparse.Namespace) -> int:
    """Copy, and print the folder and nothing else: FOLDER=$(./course data stage …)."""
    print(packing.stage(options.source, options.to, fold=options.fold, states=options.states))
    return 0
