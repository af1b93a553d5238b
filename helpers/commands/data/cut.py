"""`./course data cut SRC DST`: cut tiles into pieces under the names that the thesis gave them."""

import argparse

from helpers.data import DataError, grss, stand_in


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
