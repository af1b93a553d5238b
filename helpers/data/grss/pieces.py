"""GRSS tiles cut into files, under the names that the thesis gave them. Windows need no files: see `Windows`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import DataError
from helpers.data.grss.grid import Grid
from helpers.data.grss.tiff import read_tile
from helpers.data.grss.tiles import Tile
from helpers.data.grss.values import format_of
from helpers.files import whole


def write_pieces(
    tiles: Sequence[Tile],
    folder: Path | str,
    kinds: Sequence[str] = ("RGB",),
    *,
    size: int = 128,
    tile_size: int = 1024,
    progress: bool = True,
) -> int:
    """Write every window of every tile as a TIFF of its own, `<stem>_128x128_<k>split8.tif`, pixels unchanged.

    A piece is there whole or not at all. Pieces that are there are kept: run it again to go on where it stopped.

    Args:
        tiles: from `find_tiles`; each must have all of `kinds`.
        folder: where the pieces go; made if need be.
        kinds: which files to cut.
        size: pixels along an edge of a piece, a divisor of `tile_size`.
        tile_size: pixels along an edge of a tile.
        progress: show a bar.

    Returns:
        The number of pieces written now.

    Raises:
        DataError: a tile is incomplete, broken or gone, or the disk is full; what was written before stays.
    """
    folder, grid = Path(folder), Grid(tile_size, size)
    if gaps := [tile.name for tile in tiles if tile.missing(kinds)]:
        raise DataError(f"{len(gaps)} tiles lack some of {', '.join(kinds)}: {', '.join(gaps[:5])}. Ask for others.")
    folder.mkdir(parents=True, exist_ok=True)
    files = [(kind, tile.files[kind]) for tile in tiles for kind in kinds]
    bar = tqdm(files, desc=f"pieces of {size} x {size}", unit="tile", disable=not progress)
    return sum(_cut(path, kind, folder, grid) for kind, path in bar)


def _cut(path: Path, kind: str, folder: Path, grid: Grid) -> int:
    """Write the pieces of one file that are not there; open it only if there are any."""
    size = "x".join(map(str, grid.window))
    names = {k: f"{path.stem}_{size}_{k}split{grid.across}.tif" for k in range(1, grid.count + 1)}
    missing = {k: folder / name for k, name in names.items() if not (folder / name).exists()}
    if missing:
        tile = read_tile(path, format_of(kind, grid.edges[0]))
    for k, target in missing.items():
        _write(target, tile[grid.box(k)])
    return len(missing)


def _write(target: Path, piece: np.ndarray) -> None:
    """Write one piece with its bands where GDAL looks for them too: the tiles themselves hide them from it."""
    piece, colours = np.ascontiguousarray(piece), "rgb" if piece.shape[2:] == (3,) else "minisblack"
    try:
        with whole(target) as temporary:
            tifffile.imwrite(temporary, piece, photometric=colours, planarconfig="contig", metadata=None)
    except OSError as error:
        raise DataError(
            f"{target} could not be written: {error.strerror or error}. Make room or name another folder, then run "
            "this again: it goes on with the pieces that are missing."
        ) from error
