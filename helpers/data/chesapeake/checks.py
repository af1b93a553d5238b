"""What the values of a patch must be, for the form that it is read in. Used by `patches` and `packed`.

Apart from `convert`, because a patch is looked at once, when it is read first: later the checksum of its file vouches
for it, and looking again would take a tenth of the time of reading.
"""

from collections.abc import Iterable

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, LABELS
from helpers.data.chesapeake.convert import CLASSES, NO_DATA


class Unusable(ValueError):
    """The values of a patch are not what they should be. The message says which."""


def check_finite(patch: np.ndarray, chosen: Iterable[int]) -> None:
    """See that channels hold neither NaN nor infinity.

    Args:
        patch: (29, height, width), any numeric dtype.
        chosen: numbers of channels.

    Raises:
        Unusable: they do; the message names the channels.
    """
    names = [CHANNELS[channel] for channel in chosen if not np.isfinite(patch[channel]).all()]
    if names:
        raise Unusable(f"has values that are not finite in {', '.join(names)}.")


def check_bytes(patch: np.ndarray, chosen: Iterable[int]) -> None:
    """See that channels hold whole numbers from 0 to 255.

    Raises:
        Unusable: a value is no such number.
    """
    for channel in chosen:
        _check_fits(patch, channel, 1, np.uint8, "whole numbers from 0 to 255")


def check_halves(patch: np.ndarray, chosen: Iterable[int]) -> None:
    """See that channels hold whole and half numbers whose double fits int16.

    Raises:
        Unusable: a value is no such number.
    """
    for channel in chosen:
        _check_fits(patch, channel, 2, np.int16, "multiples of 0.5 below 16,384")


def check_labels(patch: np.ndarray) -> None:
    """See that the labels are 0 to 6 and 15.

    Raises:
        Unusable: there are others.
    """
    labels = patch[LABELS]
    with np.errstate(invalid="ignore"):
        codes = labels.astype(np.uint8)
    bad = (codes != labels) | ((codes >= CLASSES) & (codes != NO_DATA))
    if bad.any():
        raise Unusable(
            f"has label {labels[bad][0]:g} at {bad.sum():,} pixels. Labels are 0 to {CLASSES - 1} and {NO_DATA} (no "
            "data)."
        )


def _check_fits(patch: np.ndarray, channel: int, times: int, dtype: type, wanted: str) -> None:
    values = np.multiply(patch[channel], times, dtype=np.float32, casting="unsafe")
    with np.errstate(invalid="ignore"):
        odd = values.astype(dtype) != values
    if odd.any():
        check_finite(patch, [channel])
        raise Unusable(
            f"has {patch[channel][odd][0]:g} in {CHANNELS[channel]}; the compact form holds {wanted}. Read it with "
            "compact=False."
        )
