"""From the planes of a patch to what a network takes: scaled and channels last, or compact. Used by `patches`.

Conversion goes by blocks of 16 rows, which stay in the processor's cache between scaling and transposing: five times
faster than plane by plane. Scaling multiplies by the float32 nearest to 1/255 or 1/4000 (not divides), since graph
compilers turn a division by a constant into that product: so the compact form, finished on a device, is bit-equal.
"""

import threading
from collections.abc import Sequence

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, Run

ROWS = 16
NO_DATA, IGNORE, CLASSES = 15, 0, 7


class Unusable(ValueError):
    """The values of a patch are not what they should be. The message says which."""


class _Space(threading.local):
    """Memory for one block, for each thread."""

    def __init__(self) -> None:
        self._block = np.empty(0, np.float32)

    def block(self, channels: int, columns: int) -> np.ndarray:
        """Give float32 (channels, ROWS, columns), overwritten by the next call."""
        size = channels * ROWS * columns
        if self._block.size < size:
            self._block = np.empty(size, np.float32)
        return self._block[:size].reshape(channels, ROWS, columns)


_SPACE = _Space()


def to_float(patch: np.ndarray, runs: Sequence[Run], out: np.ndarray) -> None:
    """Scale channels and write them last.

    Args:
        patch: (29, height, width), any numeric dtype.
        runs: which channels, where to, times what.
        out: float32, (height, width, channels); may be a turned view.

    Raises:
        Unusable: a value is not finite.
    """
    height, width, channels = out.shape
    block, total = _SPACE.block(channels, width), 0.0
    for first in range(0, height, ROWS):
        part = block[:, : min(ROWS, height - first)]
        for source, target, scale in runs:
            rows = patch[source, first : first + ROWS]
            np.multiply(rows, scale, out=part[target], dtype=np.float32, casting="unsafe")
        total += float(np.add.reduce(part, axis=None))
        out[first : first + ROWS] = part.transpose(1, 2, 0)
    if not np.isfinite(total):  # one NaN is enough; a sum may also be too large
        _refuse_unless_finite(out, [channel for run in runs for channel in range(run.source.start, run.source.stop)])


def to_bytes(patch: np.ndarray, chosen: Sequence[int], out: np.ndarray) -> None:
    """Copy channels that hold whole numbers from 0 to 255 into uint8, (channels, height, width).

    Raises:
        Unusable: a value is no such number.
    """
    for channel, plane in zip(chosen, out, strict=True):
        _exactly(patch[channel], patch[channel], plane, channel, "whole numbers from 0 to 255")


def to_halves(patch: np.ndarray, chosen: Sequence[int], out: np.ndarray) -> None:
    """Copy channels that hold whole and half numbers into int16 of twice the value, (channels, height, width).

    Raises:
        Unusable: a value is no such number, or beyond int16.
    """
    twice = np.empty(patch.shape[1:], np.float32)
    for channel, plane in zip(chosen, out, strict=True):
        np.multiply(patch[channel], 2, out=twice, dtype=np.float32, casting="unsafe")
        _exactly(patch[channel], twice, plane, channel, "multiples of 0.5 below 16,384")


def to_labels(patch: np.ndarray, out: np.ndarray) -> None:
    """Translate the label channel to classes: 1 to 6 stay, 0 and 15 become `IGNORE`.

    Args:
        patch: (height, width), any numeric dtype.
        out: integer, (height, width).

    Raises:
        Unusable: there are other values.
    """
    with np.errstate(invalid="ignore"):
        codes = patch.astype(np.uint8)
    classes = codes * (codes != NO_DATA)  # IGNORE is 0
    if (codes != patch).any() or classes.max() >= CLASSES:
        odd = patch[(codes != patch) | (classes >= CLASSES)]
        raise Unusable(
            f"has label {odd[0]:g} at {len(odd):,} pixels. Labels are 0 to {CLASSES - 1} and {NO_DATA} (no data)."
        )
    out[...] = classes


def _exactly(values: np.ndarray, given: np.ndarray, plane: np.ndarray, channel: int, wanted: str) -> None:
    with np.errstate(invalid="ignore"):
        np.copyto(plane, given, casting="unsafe")
    if not (plane == given).all():
        if not np.isfinite(values).all():
            raise Unusable(f"has values that are not finite in {CHANNELS[channel]}.")
        odd = values[plane != given][0]
        raise Unusable(
            f"has {odd:g} in {CHANNELS[channel]}; the compact form holds {wanted}. Read it with compact=False."
        )


def _refuse_unless_finite(out: np.ndarray, chosen: Sequence[int]) -> None:
    finite = np.isfinite(out).all(axis=(0, 1))
    if not finite.all():
        names = [CHANNELS[channel] for channel, good in zip(chosen, finite, strict=True) if not good]
        raise Unusable(f"has values that are not finite in {', '.join(names)}.")
