"""That every loader delivers the same: a number for each patch, whatever form it comes in.

The pixels of a patch are whole and half numbers, so their counts can be had back from scaled float32: `image * 255` is
a whole number, but for rounding. A float32 counts as right if it is, to the last bit, the product with the float32
nearest to 1/255 (as ours), or the quotient by 255, whichever the loader computes. One row in sixteen is looked at, and
all labels.
"""

import zlib
from typing import Any

import numpy as np

ROWS = slice(3, None, 16)
SCALES = np.repeat(np.float32([255, 4000]), (8, 18))
UNITS = np.repeat(np.float32([1, 0.5]), (8, 18))  # Landsat comes in halves


def digest_batch(image: Any, labels: Any) -> list[int]:
    """Digest the patches of a batch.

    Args:
        image: float32, (batch, 256, 256, 26), or a compact form of it.
        labels: (batch, 256, 256).
    """
    counts = compact_counts if isinstance(image, dict) else float_counts
    arrays = {name: np.asarray(part) for name, part in image.items()} if isinstance(image, dict) else np.asarray(image)
    planes = (plane.astype(np.uint8, copy=False) for plane in np.asarray(labels))  # one by one: memory is measured
    return [zlib.crc32(plane.tobytes(), zlib.crc32(counts(arrays, at).tobytes())) for at, plane in enumerate(planes)]


def float_counts(image: np.ndarray, at: int) -> np.ndarray:
    """Have back the numbers of one patch of a batch, int16, (16, 256, 26).

    Raises:
        ValueError: a float32 is neither the product nor the quotient.
    """
    scaled = image[at, ROWS]
    counts = np.rint(scaled * (SCALES / UNITS))
    numbers = counts * UNITS
    if image.dtype != np.float32 or not ((scaled == numbers * (1 / SCALES)) | (scaled == numbers / SCALES)).all():
        raise ValueError(f"pixels are not the patch's own numbers scaled to float32 (dtype {image.dtype}).")
    return counts.astype(np.int16)


def compact_counts(parts: dict[str, np.ndarray], at: int) -> np.ndarray:
    """The same from bytes and halves, or from bytes and cells with the number of each pixel's cell."""
    if "cells" in parts:
        landsat = parts["cells"][at][parts["index"][at][ROWS]]
    else:
        landsat = parts["halves"][at][:, ROWS].transpose(1, 2, 0)
    naip = parts["bytes"][at][:, ROWS].transpose(1, 2, 0)
    return np.concatenate([naip.astype(np.int16), landsat], axis=-1)
