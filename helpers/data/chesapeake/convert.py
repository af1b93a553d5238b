"""From the planes of a patch to what a network takes: scaled and channels last, or compact. Used by `patches`.

Conversion goes by blocks of 32 rows, which stay in the processor's cache until all channels are written. Each plane is
read along its rows and written a pixel apart; NumPy's own order, a pixel's channels first, takes half as long again.
Scaling multiplies by the float32 nearest to 1/255 or 1/4000 (not divides), since graph compilers turn a division by a
constant into that product: so the compact form, finished on a device, is bit-equal.
"""

from collections.abc import Sequence

import numpy as np

from helpers.data.chesapeake.bands import Run

ROWS = 32
NO_DATA, IGNORE, CLASSES = 15, 0, 7


def to_float(patch: np.ndarray, runs: Sequence[Run], out: np.ndarray) -> None:
    """Scale channels and write them last.

    Args:
        patch: (channels, height, width), any numeric dtype.
        runs: which channels, where to, times what.
        out: float32, (height, width, channels); may be a turned view.
    """
    for first in range(0, len(out), ROWS):
        rows = slice(first, first + ROWS)
        for source, target, scale in runs:
            turned = out[rows, :, target].transpose(2, 0, 1)
            np.multiply(patch[source, rows], scale, out=turned, dtype=np.float32, casting="unsafe")


def to_bytes(patch: np.ndarray, chosen: Sequence[int], out: np.ndarray) -> None:
    """Copy channels that hold whole numbers from 0 to 255 into uint8, (channels, height, width)."""
    for channel, plane in zip(chosen, out, strict=True):
        np.copyto(plane, patch[channel], casting="unsafe")


def to_halves(patch: np.ndarray, chosen: Sequence[int], out: np.ndarray) -> None:
    """Copy channels that hold whole and half numbers into int16 of twice the value, (channels, height, width)."""
    for channel, plane in zip(chosen, out, strict=True):
        np.multiply(patch[channel], 2, out=plane, dtype=np.float32, casting="unsafe")


def to_labels(codes: np.ndarray, out: np.ndarray) -> None:
    """Translate labels to classes: 1 to 6 stay, 0 and 15 become `IGNORE`.

    Args:
        codes: (height, width), any numeric dtype.
        out: integer, (height, width).
    """
    np.multiply(codes, codes != NO_DATA, out=out, casting="unsafe")  # IGNORE is 0
