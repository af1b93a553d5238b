"""What `./course data check` says of tiles that can be read but are unlike real ones."""

import numpy as np
import pytest
from grss_tiles import SIZE, pixels, write

from helpers import cli


def constant(value):
    return lambda tile: np.full_like(tile, value)


TILES = {
    "black": ("RGB", constant(0), 0, "one value at every pixel", "green: 0"),
    "dark": ("RGB", lambda tile: tile // 64, 0, "far darker", "red: mean 1.5"),
    "burnt": ("RGB", lambda tile: 255 - tile // 64, 0, "far brighter", "blue: mean 25"),
    "half": (
        "RGB",
        lambda tile: tile * (np.arange(SIZE) > 40)[:, None, None].astype(tile.dtype),
        0,
        "is empty",
        "RGB: 0",
    ),
    "empty": ("MSI", constant(0), 0, "one value at every pixel", "coastal: 0"),
    "missing": ("MSI", constant(65535), 1, "nothing but 65535", "coastal"),
    "some": (
        "MSI",
        lambda tile: np.where(tile < 99, 65535, tile).astype(tile.dtype),
        0,
        "a mark for",
        "coastal: 65535 at",
    ),
    "wrapped": ("MSI", lambda tile: tile % 256, 0, "remainder of 256", "coastal: 0 to 255"),
    "unlabelled": ("CLS", constant(65), 0, "no pixel has a class", "CLS: 65"),
    "unknown": ("AGL", constant(np.nan), 0, "no height is known", "AGL"),
    "flat": ("AGL", constant(0), 0, "one value at every pixel", "AGL: 0 m"),
    "flat_dsm": ("DSM", constant(7), 0, "one value at every pixel", "DSM: 7 m"),
}


@pytest.mark.parametrize("case", TILES)
def test_what_is_odd_about_a_tile_is_told_with_numbers(case, tmp_path, capsys):
    kind, change, status, wanted, numbers = TILES[case]
    tile = pixels(1)
    tile["DSM"] = tile["AGL"]
    write(tmp_path, "JAX_001_001", {kind: change(tile[kind])})
    assert cli.main(["data", "check", str(tmp_path), "--tile-size", str(SIZE)]) == status
    text = capsys.readouterr().out
    assert wanted in text and numbers in text and ("Warning, 1 file" in text) == (status == 0)
