"""What the values of a patch must be, for the form that it is read in. Used by `patches` and `packed`.

Apart from `convert`, because a patch is looked at once, when it is read first: later the checksum of its file vouches
for it, as long as it stays the same, and looking again would take a tenth of the time of reading.
"""

from collections.abc import Iterable

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, LABELS, THERMAL, halves
from helpers.data.chesapeake.convert import CLASSES, NO_DATA
from helpers.data.plausible import several

_LANDSAT = halves(range(len(CHANNELS)))
# What Landsat 8 can give: reflectance from -0.2 (too much was taken off for haze) to 2 (the detector is full), and 150
# to 350 K, as the guide to its products says.
_REFLECTANCES, _TEMPERATURES = (-2000, 20_000), (1500, 3500)
# Numbers that stand for missing data, if they are impossible otherwise.
_MARKS = [0, -9999, -99999, -32768, 32767, 65535, float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)]
_THERMAL_HINTS = [  # smallest and largest value, and what they look like; the first two are never whole numbers
    (-2, 2, "They seem to be scaled to 0 to 1: make the patch again without that."),
    (-100, 100, "They seem to be degrees Celsius: (t + 273.15) x 10 is wanted."),
    (
        0,
        255,
        "They seem to have been saved as uint8, which keeps remainders of 256: make the patch again as float32.",
    ),
    (150, 350, "They seem to be in kelvin: ten times that is wanted."),
    (20_000, 65_535, "They seem to be from Landsat's Collection 2: (n x 0.00341802 + 149) x 10 is wanted."),
]
_REFLECTANCE_HINTS = [
    (5_000, 65_535, "They seem to be from Landsat's Collection 2: (n x 0.0000275 - 0.2) x 10,000 is wanted."),
    (0, 65_535, "Negative values seem to have been saved as uint16: take 65,536 off those above 32,767."),
]


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


def check_possible(patch: np.ndarray) -> dict[int, float]:
    """Check that Landsat channels hold what the sensor can give; the others are whole numbers from 0 to 255.

    Args:
        patch: (29, height, width), any numeric dtype, finite.

    Returns:
        By channel, the share of pixels that hold a mark for missing data, if there are some.

    Raises:
        Unusable: a dtype too small for Landsat, a channel with nothing but marks, or values that are impossible.
    """
    if patch.dtype.itemsize == 1:
        raise Unusable(
            f"holds {patch.dtype}, which has room for 256 values; Landsat has values of 5,000 and more, so they were "
            "cut off. Make the patch again as float32."
        )
    missing, impossible = {}, []
    for channel in _LANDSAT:
        plane, (low, high) = patch[channel], _TEMPERATURES if channel in THERMAL else _REFLECTANCES
        if low <= plane.min() and plane.max() <= high:
            continue
        outside = (plane < low) | (plane > high)
        if outside.all() or not np.isin(plane[outside], _MARKS).all():
            impossible.append(channel)
        else:
            missing[channel] = float(outside.mean())
    if impossible:
        raise Unusable(_impossible(patch, impossible))
    return missing


def _impossible(patch: np.ndarray, channels: list[int]) -> str:
    """Say what is impossible in the first of some channels, in which others it is so, and what may have happened."""
    low, high = (float(end) for end in (patch[channels[0]].min(), patch[channels[0]].max()))
    if low == high and low in _MARKS:
        same = [CHANNELS[other] for other in _LANDSAT if (patch[other] == low).all()]
        return (
            f"has nothing but {low:g}, a mark for missing data, in {several(same)}. Leave the patch out, or "
            "cut it again from pictures that cover it."
        )
    thermal = channels[0] in THERMAL
    alike = several([CHANNELS[channel] for channel in channels if (channel in THERMAL) == thermal])
    if thermal:
        wanted = "thermal bands are tenths of a kelvin, 1,500 to 3,500"
        hints = [*_THERMAL_HINTS[: 2 if (patch[channels[0]] % 1).any() else 0], *_THERMAL_HINTS[2:]]
    else:
        wanted, hints = "reflectance is given times 10,000 and reaches from -2,000 to 20,000", _REFLECTANCE_HINTS
    hint = next((f" {hint}" for least, most, hint in hints if least <= low and high <= most), "")
    return f"has {low:g} to {high:g} in {alike}; {wanted}.{hint}"


def _check_fits(patch: np.ndarray, channel: int, times: int, dtype: type, wanted: str) -> None:
    values = np.multiply(patch[channel], times, dtype=np.float32, casting="unsafe")
    with np.errstate(invalid="ignore"):
        odd = values.astype(dtype) != values
    if odd.any():
        check_finite(patch, [channel])
        raise Unusable(
            f"has {patch[channel][odd][0]:g} in {CHANNELS[channel]}; the compact form holds {wanted}. Read it with "
            "compact=False, in a run file compact = false."
        )
