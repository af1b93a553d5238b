"""GRSS DFC2019 aerial tiles, cut into windows on the way from the disk. Used by lecture 10 and homework 5.

Datasheet
    2,783 training tiles of 1024 x 1024 pixels: 1 to 43 satellite views each of 108 places in Jacksonville (JAX) and
    Omaha (OMA), from the 2019 Data Fusion Contest of the IEEE GRSS (Track 1, on the Urban Semantic 3D data of Bosch
    et al., 2019). About 0.3 m a pixel, without georeference. Files `{JAX|OMA}_{place}_{view}_{kind}.tif`:
    RGB  (1024, 1024, 3) uint8.
    MSI  (1024, 1024, 8) uint16; bands as WorldView-3 has them: coastal, blue, green, yellow, red, red edge, two near
         infrared (inferred, as are its 11 bits).
    CLS  (1024, 1024) uint8, LAS codes: 2 ground, 5 trees, 6 buildings, 9 water, 17 bridge or elevated road,
         65 unlabeled.
    AGL  (1024, 1024) float32, metres above ground; NaN where unknown. Small negative heights are real.
    Track 3 shows the same places at 2048 x 2048, with truth (DSM, CLS) of a place instead of a view.
    Access by hand: IEEE DataPort, DOI 10.21227/c6tm-vw12, free account. The contest's terms forbid passing it on.
    The contest's baseline reaches a mean IoU of 0.65.

Traps
    - Views of one place show the same houses: split by place (`split_tiles`), or the test set is known already. A
      split of tiles by hand has left a test set empty; ours cannot.
    - MSI was written so that GDAL, and all that builds on it, takes rows for bands. It must be read by tifffile.
    - Bridges have code 17, not 4: codes become 0 to 4 in the order of `CLASS_NAMES`. Code 65 becomes `IGNORE`.
    - A mean over heights with one NaN is NaN: heights come as zero with a mask beside them.
"""

from helpers.data.grss.data_set import DATA_SET
from helpers.data.grss.tiles import (
    CLASS_CODES,
    CLASS_NAMES,
    IGNORE,
    SHARES,
    UNLABELED,
    Format,
    Tile,
    TileCache,
    find_tiles,
    mean_height,
    predominant_class,
    read_format,
    split_by_place,
    split_tiles,
)
from helpers.data.grss.windows import Grid, Windows, write_pieces

__all__ = [
    "CLASS_CODES",
    "CLASS_NAMES",
    "DATA_SET",
    "IGNORE",
    "SHARES",
    "UNLABELED",
    "Format",
    "Grid",
    "Tile",
    "TileCache",
    "Windows",
    "find_tiles",
    "mean_height",
    "predominant_class",
    "read_format",
    "split_by_place",
    "split_tiles",
    "write_pieces",
]
