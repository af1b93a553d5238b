"""Small tiles in the formats of GRSS DFC2019, for the tests."""

from pathlib import Path

import numpy as np
import tifffile

SIZE = 64
CODES = np.array([2, 5, 6, 9, 17, 65], np.uint8)
# How a file may lie on the disk. A plain MSI is what the contest wrote: tifffile makes a page of every row of it.
LAYOUTS = {
    "plain": {},
    "strips": {"rowsperstrip": 7},
    "lzw": {"compression": "lzw", "rowsperstrip": 7},
    "deflate": {"compression": "deflate", "predictor": True},
    "tiled": {"tile": (32, 32)},
    "tiled_lzw": {"tile": (32, 16), "compression": "lzw"},
    "big_endian": {"byteorder": ">"},
}


def pixels(seed: int, size: int = SIZE) -> dict[str, np.ndarray]:
    """Draw one tile of each kind: every class, and heights that are negative or unknown here and there."""
    random = np.random.default_rng(seed)
    heights = random.normal(5, 4, (size, size)).astype(np.float32)
    heights[random.random((size, size)) < 0.1] = np.nan
    return {
        "RGB": random.integers(0, 256, (size, size, 3), dtype=np.uint8),
        "MSI": random.integers(0, 2048, (size, size, 8), dtype=np.uint16),
        "CLS": random.choice(CODES, (size, size)),
        "AGL": heights,
    }


def write(folder: Path, name: str, kinds: dict[str, np.ndarray], **layout) -> dict[str, Path]:
    """Write the files of one tile; without a layout, as the contest did."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{name}_{kind}.tif" for kind in kinds}
    for kind, path in paths.items():
        colours = {"photometric": "rgb" if kind == "RGB" else "minisblack"} if layout else {}
        tifffile.imwrite(path, kinds[kind], **colours, **layout)
    return paths


def write_many(folder: Path, views: dict[str, int], kinds: tuple[str, ...] = ("RGB", "CLS", "AGL"), **layout) -> dict:
    """Write some views of some places; return the pixels by name of tile."""
    written = {}
    for place, count in views.items():
        for view in range(1, count + 1):
            name = f"{place}_{view:03d}"
            tile = pixels(len(written))
            written[name] = {kind: tile[kind] for kind in kinds}
            write(folder, name, written[name], **layout)
    return written
