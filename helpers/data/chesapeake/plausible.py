"""What real patches hold, band by band, and what a given patch holds otherwise. Used by `./course data check`.

Training does not ask: it takes whatever numbers it is given. So this is the place where a wrong scale, an empty band or
a patch without labels is seen.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, LABELS, THERMAL, halves
from helpers.data.chesapeake.checks import Unusable, check_bytes, check_finite, check_labels, check_possible
from helpers.data.chesapeake.convert import NO_DATA
from helpers.data.chesapeake.packed import PackedPatch, is_original, read_original
from helpers.data.chesapeake.patches import MOST_BYTES, as_planes
from helpers.data.plausible import (
    BRIGHT,
    CONSTANT,
    DARK,
    EIGHT_BITS,
    EMPTY,
    MARKED,
    Warnings,
    looks_eight_bit,
    several,
    span,
)
from helpers.data.streaming import FileError, read_array
from helpers.data.streaming.shards import open_shard, split_name

# By channel: smallest and largest value; the lowest and the highest mean that a class has, water left out. Measured on
# eight patches of West Virginia, and on a tile with all six classes that its publishers thinned out to 260 x 260 pixels
# (Chesapeake Land Cover, Robinson et al. 2019; both from calebrob6/land-cover). Numbers, no pixels.
_REAL = {
    0: (12, 251, 88, 197),
    1: (36, 249, 105, 198),
    2: (32, 245, 89, 196),
    3: (0, 220, 85, 149),
    4: (0, 255, 71, 173),
    5: (4, 255, 105, 180),
    6: (5, 253, 114, 174),
    7: (2, 255, 155, 202),
    10: (16, 2655, 243, 450),
    11: (110, 3303, 257, 579),
    12: (274.5, 3849, 466, 913),
    13: (123, 4385, 277, 926),
    14: (216, 5577, 2692, 3906),
    15: (109, 9530, 1743, 2517),
    16: (86, 10144, 724, 1574),
    17: (2916, 3063, 2942, 3000),
    18: (2898.5, 3027.5, 2920, 2970),
    19: (41, 5788, 277, 451),
    20: (75, 6195, 323, 555),
    21: (100, 6349, 460, 810),
    22: (73, 6742.5, 565, 953),
    23: (114, 6846.5, 1811, 2749),
    24: (80, 4866, 1834, 2562),
    25: (66, 4370.5, 1159, 1638),
    26: (2610.5, 2914.5, 2811, 2834),
    27: (2607, 2914.5, 2805, 2830),
}
_LANDSAT = halves([*_REAL])
_PICTURES = {  # channels that one camera takes at once
    "naip_new": range(0, 4),
    "naip_old": range(4, 8),
    "landsat_leaf_on": range(10, 17),
    "landsat_leaf_off": range(19, 26),
}
# These places are few, so warnings begin far from them. A mean on land below a tenth of the darkest class's is no shade
# but a wrong scale. Leaf-on, five times the brightest class's leaves room for a desert; leaf-off there may be snow,
# which reflects nearly all light (10,000). An aerial image may be all but white.
_DARKEST, _DESERT, _SNOW, _WHITE = 0.1, 5, 10_000, 250
_COLD, _HOT = 2330, 3330  # tenths of a kelvin: -40 and 60 degrees Celsius
_LAND_ENOUGH = 0.25  # share of a patch that must be land to be compared with land: water may be as dark as it likes
_EMPTY = {0: 0.01, 255: 0.5}  # share of pixels that may be so in all bands: shade is not black, but roofs are white
_WATER = 1  # its label; those above are land
_EVERY = 8  # a mean is taken over every eighth row and column
_NLCD = (0, 11, 12, 21, 22, 23, 24, 31, 41, 42, 43, 51, 52, 71, 72, 73, 74, 81, 82, 90, 95)
_CODES = {"nlcd": (_NLCD, 0), "buildings": ((0, 1), 1)}  # the codes there are, and the one that no whole patch has

FRACTIONS = (
    "Landsat lies between -2 and 2, where reflectance times 10,000 is wanted. If it is reflectance, multiply it; if it "
    "is an index such as NDVI, put the original band in its place."
)
BRIGHT_LANDSAT = (
    "Landsat is far brighter on land than real patches. Either there are clouds (look: ./course data show FILE), or "
    "the scale is another: of the numbers of Collection 2, make (n x 0.0000275 - 0.2) x 10,000."
)
TEMPERATURES = (
    "a thermal band is colder than -40 or hotter than 60 degrees Celsius on the average. It is given in tenths of a "
    "kelvin, 2932 for 20 degrees: look for a wrong scale, or for clouds."
)
UNLABELLED = (
    "no pixel has a class: the labels are 0 or 15 (no data) everywhere. Nothing can be learned from this patch, and no "
    "score be computed. Leave it out, unless you want its images only."
)
CODES = (
    "a layer has codes that do not exist: buildings knows 0 and 1, nlcd those of NLCD 2011, from 11 (open water) to "
    "95. Do not use this band, or make the file again."
)


class _Levels(NamedTuple):
    """What is compared with real patches: by channel the smallest value, the largest, the mean, and that on land.

    The last is None where there is little land.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    on_land: np.ndarray | None


def check_patch(path: str) -> Warnings:
    """Check a patch, packed or not, and return what is odd about it.

    Args:
        path: as `find_patches` gives it.

    Raises:
        FileError: the file cannot be read, or holds what no patch can.
    """
    patch = _read(path)
    try:
        check_finite(patch, range(len(CHANNELS)))
        missing = check_possible(patch)
        check_bytes(patch, [channel for channel in range(len(CHANNELS)) if channel not in (LABELS, *_LANDSAT)])
        check_labels(patch)
    except Unusable as error:
        raise FileError(path, str(error)) from None
    warnings: Warnings = {}
    for message, numbers in _oddities(patch, missing):
        warnings.setdefault(message, []).append(numbers)
    return warnings


def _read(path: str) -> np.ndarray:
    """Load all channels of a patch, (29, 256, 256), into memory of the calling thread."""
    record = split_name(path)
    if record is None:
        return as_planes(read_array(path, most=MOST_BYTES), path)
    shard = open_shard(record[0])
    row = shard.row(record[1])
    if is_original(shard, row):
        return as_planes(read_original(shard, row), path)
    return PackedPatch(shard, row, slice(None), slice(None)).to_planes()


def _oddities(patch: np.ndarray, missing: dict[int, float]) -> Iterator[tuple[str, str]]:
    """Yield warnings, and where what was found."""
    yield from ((MARKED, f"{CHANNELS[channel]}: at {share:.2%} of the pixels") for channel, share in missing.items())
    levels, odd = _measure(patch), set(missing)
    for channel in _REAL:
        if channel not in missing and (message := _odd_band(patch, channel, levels)):
            odd.add(channel)
            yield message, f"{CHANNELS[channel]}: {_compared(channel, message, levels)}"
    for name, channels in _PICTURES.items():
        if not odd.issuperset(channels):
            own = slice(channels.start, channels.stop)
            yield from _empty(name, patch[own], levels.low[own], levels.high[own])
    yield from _odd_codes(patch, levels)


def _measure(patch: np.ndarray) -> _Levels:
    flat = patch.reshape(len(patch), -1)
    some = patch[:, ::_EVERY, ::_EVERY].astype(np.float64)
    land = (some[LABELS] > _WATER) & (some[LABELS] != NO_DATA)
    on_land = some[:, land].mean(1) if land.mean() >= _LAND_ENOUGH else None
    return _Levels(flat.min(1).astype(np.float64), flat.max(1).astype(np.float64), some.mean((1, 2)), on_land)


def _odd_band(patch: np.ndarray, channel: int, levels: _Levels) -> str:
    """Return what is odd about a channel: the first thing that is, or ""."""
    low, high, on_land = levels.low[channel], levels.high[channel], levels.on_land
    darkest, brightest = _limits(channel)
    if channel in THERMAL:
        if low == high and on_land is not None:  # calm water may have one temperature
            return CONSTANT
        return "" if _COLD <= levels.mean[channel] <= _HOT else TEMPERATURES
    if low == high:
        return CONSTANT
    if channel in _LANDSAT and max(-low, high) <= 2:
        return FRACTIONS
    if channel in _LANDSAT and looks_eight_bit(patch[channel]):
        return EIGHT_BITS
    if on_land is None or darkest <= on_land[channel] <= brightest:
        return ""
    return DARK if on_land[channel] < darkest else BRIGHT_LANDSAT if channel in _LANDSAT else BRIGHT


def _limits(channel: int) -> tuple[float, float]:
    """Return the means on land between which a channel is not odd."""
    _, _, darkest, brightest = _REAL[channel]
    leaf_on = channel in _PICTURES["landsat_leaf_on"]
    most = min(_DESERT * brightest, _SNOW) if leaf_on else _SNOW if channel in _LANDSAT else _WHITE
    return _DARKEST * darkest, most


def _compared(channel: int, message: str, levels: _Levels) -> str:
    """Return the numbers that a warning is about, and those of real patches."""
    low, high, darkest, brightest = _REAL[channel]
    if message in (DARK, BRIGHT, BRIGHT_LANDSAT) and levels.on_land is not None:
        return f"mean on land {levels.on_land[channel]:.4g} (means of real classes: {span(darkest, brightest)})"
    found = span(levels.low[channel], levels.high[channel])
    return f"{found} (real patches: {span(low, high)})"


def _empty(name: str, picture: np.ndarray, low: np.ndarray, high: np.ndarray) -> Iterator[tuple[str, str]]:
    for value, most in _EMPTY.items():
        if low.max() <= value <= high.min():  # rarely so, and looking closer takes time
            share = (picture == value).all(0).mean()
            if share > most:
                yield EMPTY, f"{name}: {value} in all bands of {share:.1%} of the pixels"


def _odd_codes(patch: np.ndarray, levels: _Levels) -> Iterator[tuple[str, str]]:
    labels = patch[LABELS]
    if not ((labels > 0) & (labels != NO_DATA)).any():
        yield UNLABELLED, f"labels: {span(labels.min(), labels.max())}"
    for name, (known, never) in _CODES.items():
        channel = CHANNELS.index(name)
        strange = ~_among(known)[patch[channel].astype(np.uint8)]
        if strange.any():
            codes = [f"{code:g}" for code in np.unique(patch[channel][strange])]
            yield CODES, f"{name}: {several(codes)} at {strange.mean():.1%} of the pixels"
        elif levels.low[channel] == levels.high[channel] == never:
            yield CONSTANT, f"{name}: {never}"


def _among(codes: Sequence[int]) -> np.ndarray:
    """Return a table of which numbers from 0 to 255 are among the codes: bool, (256,)."""
    table = np.zeros(256, bool)
    table[list(codes)] = True
    return table
