"""`./course data cut SRC DST`: cut tiles into pieces under the names that the thesis gave them."""

import argparse
from pathlib import Path

from helpers.commands.verbs import at_least
from helpers.data import DataError, grss, stand_in
from helpers.data.grss.tiles import KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cut`."""
    parser.add_argument("source", type=Path, metavar="SRC", help="folder of tiles")
    parser.add_argument("target", type=Path, metavar="DST", help="folder for the pieces")
    parser.add_argument(
        "--size", type=at_least(1), default=128, metavar="N", help="pixels along an edge of a piece (128)"
    )
    parser.add_argument(
        "--tile-size", type=at_least(1), default=1024, metavar="N", help="pixels along a tile's edge (1024)"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["RGB"], help="which files to cut (RGB)")


def run(options: argparse.Namespace) -> int:
    """Write the pieces that are missing; pieces of a stand-in are marked as one.

    Raises:
        DataError: no tiles, broken or incomplete ones, a full disk, or a size that does not divide the tile.
    """
    tiles = grss.find_tiles(options.source, options.kinds)
    try:
        if stand_in.is_stand_in(next(iter(tiles[0].files.values()))):
            stand_in.mark(options.target, {"made by": "cut", "size": options.size})
        count = grss.write_pieces(tiles, options.target, options.kinds, size=options.size, tile_size=options.tile_size)
    except ValueError as error:
        raise DataError(str(error)) from error
    print(f"{count:,} pieces written to {options.target}; those that were there already were kept.")
    return 0
