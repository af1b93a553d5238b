"""The 29 channels of a patch: their names, what they are divided by, how a choice is converted, what they may hold.

Conversion to scaled and channels last goes by blocks of rows, which stay in the processor's cache: all planes are
scaled along their rows, which the processor does many numbers at a time, and then written pixel by pixel. To scale and
write in one step, a pixel apart, takes nearly twice as long. Scaling multiplies by the float32 nearest to 1/255 or
1/4000 (not divides), since graph compilers turn a division by a constant into that product: so the compact form,
finished on a device, is bit-equal.

What must be is looked at once, when a patch is read first: later the checksum of its file vouches for it, as long as it
stays the same, and looking again would take a tenth of the time of reading. What is merely unlike real patches training
does not ask, it takes whatever numbers it is given: so `./course data check` is where a wrong scale, an empty band or a
patch without labels is seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from helpers.data.measuring import BRIGHT, CONSTANT, DARK, EIGHT_BITS, EMPTY, MARKED, looks_eight_bit, several, span

PIXELS = 256  # along each side of a patch
COLOURS = ("red", "green", "blue", "nir")
_BANDS = (*map(str, range(1, 8)), "10", "11")  # of Landsat: surface reflectance 1-7, thermal 10 and 11
CHANNELS = (
    *(f"naip_new_{colour}" for colour in COLOURS),
    *(f"naip_old_{colour}" for colour in COLOURS),
    "labels",
    "nlcd",
    *(f"landsat_leaf_on_{band}" for band in _BANDS),
    *(f"landsat_leaf_off_{band}" for band in _BANDS),
    "buildings",
)
LABELS = CHANNELS.index("labels")
LANDSAT = range(10, 28)
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
    return 1 / 4000 if channel in LANDSAT else 1.0


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
    return [channel for channel in chosen if channel in LANDSAT]


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


ROWS = 16  # that are converted at once
APART = 16  # numbers between two planes of a block: with none, all begin at the same place of the cache
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
    height, width, count = out.shape
    room = np.empty((count, ROWS * width + APART), np.float32)
    for first in range(0, height, ROWS):
        block = out[first : first + ROWS]
        planes = room[:, : len(block) * width].reshape(count, len(block), width)
        for source, target, scale in runs:
            scaled = planes[target]
            np.multiply(patch[source, first : first + ROWS], scale, out=scaled, dtype=np.float32, casting="unsafe")
        for target in _neighbours(runs):
            block[..., target] = planes[target].transpose(1, 2, 0)


def _neighbours(runs: Sequence[Run]) -> list[slice]:
    """Join the targets of runs that are neighbours, since pixels with more channels are written faster."""
    found: list[slice] = []
    for _, target, _ in runs:
        if found and found[-1].stop == target.start:
            target = slice(found.pop().start, target.stop)
        found.append(target)
    return found


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


# ---- what a patch must hold ----

# What Landsat 8 can give: reflectance from -0.2 (too much was taken off for haze) to 2 (the detector is full), and 150
# to 350 K, as the guide to its products says.
_REFLECTANCES, _TEMPERATURES = (-2000, 20_000), (1500, 3500)
# Numbers that stand for missing data, if they are impossible otherwise.
MARKS = [0, -9999, -99999, -32768, 32767, 65535, float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)]
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


class InvalidSampleError(ValueError):
    """The values of a patch are not what they should be. The message says which."""


def check_finite(patch: np.ndarray, chosen: Iterable[int]) -> None:
    """Check that channels hold neither NaN nor infinity.

    Args:
        patch: (29, height, width), any numeric dtype.
        chosen: numbers of channels.

    Raises:
        InvalidSampleError: they do; the message names the channels.
    """
    names = [CHANNELS[channel] for channel in chosen if not np.isfinite(patch[channel]).all()]
    if names:
        raise InvalidSampleError(f"has values that are not finite in {', '.join(names)}.")


def check_bytes(patch: np.ndarray, chosen: Iterable[int]) -> None:
    """Check that channels hold whole numbers from 0 to 255.

    Raises:
        InvalidSampleError: a value is no such number.
    """
    for channel in chosen:
        _check_fits(patch, channel, 1, np.uint8, "whole numbers from 0 to 255")


def check_halves(patch: np.ndarray, chosen: Iterable[int]) -> None:
    """Check that channels hold whole and half numbers whose double fits int16.

    Raises:
        InvalidSampleError: a value is no such number.
    """
    for channel in chosen:
        _check_fits(patch, channel, 2, np.int16, "multiples of 0.5 below 16,384")


def check_labels(labels: np.ndarray) -> None:
    """Check that labels, (height, width), are 0 to 6 and 15.

    Raises:
        InvalidSampleError: there are others.
    """
    with np.errstate(invalid="ignore"):
        codes = labels.astype(np.uint8)
    bad = (codes != labels) | ((codes >= CLASSES) & (codes != NO_DATA))
    if bad.any():
        raise InvalidSampleError(
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
        InvalidSampleError: a dtype too small for Landsat, a channel with nothing but marks, or impossible values.
    """
    if patch.dtype.itemsize == 1:
        raise InvalidSampleError(
            f"holds {patch.dtype}, which has room for 256 values; Landsat has values of 5,000 and more, so they were "
            "cut off. Make the patch again as float32."
        )
    missing, impossible = {}, []
    for channel in LANDSAT:
        plane, (low, high) = patch[channel], _TEMPERATURES if channel in THERMAL else _REFLECTANCES
        if low <= plane.min() and plane.max() <= high:
            continue
        outside = (plane < low) | (plane > high)
        if outside.all() or not np.isin(plane[outside], MARKS).all():
            impossible.append(channel)
        else:
            missing[channel] = float(outside.mean())
    if impossible:
        raise InvalidSampleError(_impossible(patch, impossible))
    return missing


def _impossible(patch: np.ndarray, channels: list[int]) -> str:
    """Return what is impossible in the first of some channels, in which others it is so, and what may have happened."""
    low, high = (float(end) for end in (patch[channels[0]].min(), patch[channels[0]].max()))
    if low == high and low in MARKS:
        same = [CHANNELS[other] for other in LANDSAT if (patch[other] == low).all()]
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
    plane = patch[channel]
    for first in range(0, len(plane), ROWS):
        values = np.multiply(plane[first : first + ROWS], times, dtype=np.float32, casting="unsafe")
        with np.errstate(invalid="ignore"):
            odd = values.astype(dtype) != values
        if odd.any():
            check_finite(patch, [channel])
            raise InvalidSampleError(
                f"has {plane[first : first + ROWS][odd][0]:g} in {CHANNELS[channel]}; the compact form holds {wanted}. "
                "Read it with compact=False, in a run file compact = false."
            )


# ---- what real patches hold ----

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


def oddities(patch: np.ndarray, missing: dict[int, float]) -> Iterator[tuple[str, str]]:
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
    if channel in LANDSAT and max(-low, high) <= 2:
        return FRACTIONS
    if channel in LANDSAT and looks_eight_bit(patch[channel]):
        return EIGHT_BITS
    if on_land is None or darkest <= on_land[channel] <= brightest:
        return ""
    return DARK if on_land[channel] < darkest else BRIGHT_LANDSAT if channel in LANDSAT else BRIGHT


def _limits(channel: int) -> tuple[float, float]:
    """Return the means on land between which a channel is not odd."""
    _, _, darkest, brightest = _REAL[channel]
    leaf_on = channel in _PICTURES["landsat_leaf_on"]
    most = min(_DESERT * brightest, _SNOW) if leaf_on else _SNOW if channel in LANDSAT else _WHITE
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
