"""The 29 channels of a patch: their names, what they are divided by, how a choice of them is laid out and converted.

Conversion, to scaled and channels last or to the compact form, goes by blocks of 32 rows, which stay in the processor's
cache until all channels are written. Each plane is read along its rows and written a pixel apart; NumPy's own order, a
pixel's channels first, takes half as long again. Scaling multiplies by the float32 nearest to 1/255 or 1/4000 (not
divides), since graph compilers turn a division by a constant into that product: so the compact form, finished on a
device, is bit-equal.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PIXELS = 256  # along each side of a patch
COLOURS = ("red", "green", "blue", "nir")
LANDSAT = (*map(str, range(1, 8)), "10", "11")  # surface reflectance 1-7, thermal 10 and 11
CHANNELS = (
    *(f"naip_new_{colour}" for colour in COLOURS),
    *(f"naip_old_{colour}" for colour in COLOURS),
    "labels",
    "nlcd",
    *(f"landsat_leaf_on_{band}" for band in LANDSAT),
    *(f"landsat_leaf_off_{band}" for band in LANDSAT),
    "buildings",
)
LABELS = CHANNELS.index("labels")
THERMAL = [number for number, name in enumerate(CHANNELS) if name.endswith(("_10", "_11"))]
GROUPS = {
    "naip_new": range(0, 4),
    "naip_new_rgb": range(0, 3),
    "naip_old": range(4, 8),
    "naip_old_rgb": range(4, 7),
    "landsat_leaf_on": range(10, 19),
    "landsat_leaf_off": range(19, 28),
}
COURSE_BANDS = ("naip_new", "naip_old", "landsat_leaf_on", "landsat_leaf_off")
"""The 26 channels of the course, in the order of the patch."""


class Run(NamedTuple):
    """Neighbouring channels of a patch that stay neighbours and have the same scale."""

    source: slice
    target: slice
    scale: np.float32


def channels(bands: Sequence[str]) -> list[int]:
    """Translate names of groups and of single channels to channel numbers, in the order given.

    Raises:
        ValueError: a name is unknown, is the labels', or brings a channel for the second time.

    >>> channels(["naip_old_nir", "naip_new_rgb", "buildings"])
    [7, 0, 1, 2, 28]
    """
    names = [bands] if isinstance(bands, str) else list(bands)
    found: list[int] = []
    for name in names:
        if name not in GROUPS and name not in CHANNELS:
            raise ValueError(f'there is no band "{name}". Bands: {", ".join([*GROUPS, *CHANNELS])}.')
        found += GROUPS[name] if name in GROUPS else [CHANNELS.index(name)]
    if not found or len(set(found)) < len(found) or LABELS in found:
        raise ValueError(f"bands must name channels, each once, and not the labels; received {', '.join(names)}.")
    return found


def scale(channel: int) -> float:
    """Return what a channel is multiplied by: NAIP 1/255, Landsat 1/4000, NLCD codes and buildings 1.

    >>> round(1 / scale(CHANNELS.index("landsat_leaf_off_11")))
    4000
    """
    if channel < LABELS:
        return 1 / 255
    return 1 / 4000 if CHANNELS[channel].startswith("landsat") else 1.0


def runs(chosen: Sequence[int]) -> list[Run]:
    """Divide chosen channels into runs that can be converted at once.

    >>> [(run.source.start, run.source.stop, run.target.start) for run in runs(channels(COURSE_BANDS))]
    [(0, 8, 0), (10, 28, 8)]
    """
    found: list[Run] = []
    for target, channel in enumerate(chosen):
        factor = np.float32(scale(channel))
        last = found[-1] if found else None
        if last and last.source.stop == channel and last.scale == factor:
            found[-1] = Run(slice(last.source.start, channel + 1), slice(last.target.start, target + 1), factor)
        else:
            found.append(Run(slice(channel, channel + 1), slice(target, target + 1), factor))
    return found


def halves(chosen: Sequence[int]) -> list[int]:
    """List those of the chosen channels that are kept as int16 of twice the value (Landsat); the rest fits uint8."""
    return [channel for channel in chosen if CHANNELS[channel].startswith("landsat")]


def compact_config(bands: Sequence[str] = COURSE_BANDS) -> dict[str, list]:
    """Return the arguments of `helpers.models.compact.CompactToFloat` for a choice of bands.

    Returns:
        byte_scales and half_scales: what each compact channel is multiplied by; order: where each channel of the
        choice is found among the compact ones, bytes first.
    """
    chosen = channels(bands)
    in_halves = halves(chosen)
    in_bytes = [channel for channel in chosen if channel not in in_halves]
    return {
        "byte_scales": [scale(channel) for channel in in_bytes],
        "half_scales": [scale(channel) / 2 for channel in in_halves],
        "order": [(in_bytes + in_halves).index(channel) for channel in chosen],
    }


ROWS = 32
NO_DATA, IGNORE, CLASSES = 15, 0, 7
CLASS_NAMES = ["no class", "water", "trees", "low vegetation", "barren", "impervious", "road"]
PALETTE = ["#000000", "#00c5ff", "#267300", "#a3ff73", "#ffaa00", "#9c9c9c", "#000000"]
"""Colours of the classes (as torchgeo draws them; the ignored class 0 is to be masked, not drawn)."""


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
