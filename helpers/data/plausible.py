"""What may be odd about a band, whatever its sensor, in words. Used by the data sets for `./course data check`.

A warning is about values that can be read and hardly are what was measured. Real land is various, so ranges are wide,
and a warning may still be wrong; what is impossible is an error and no matter of this module.
"""

from collections.abc import Sequence

import numpy as np

Warnings = dict[str, list[str]]
"""Sentences that say what is odd and what to do; for each of them the bands, with the numbers found there."""

CONSTANT = (
    "a band has one value at every pixel, where real ones vary. Either it was never filled, or there are no data for "
    "this place. Make the file again from its originals, or leave it out."
)
EMPTY = (
    "a part of the picture is empty: many pixels have the same extreme value in all bands. Probably it reaches beyond "
    "the original picture. Leave the file out, or cut it elsewhere."
)
MARKED = (
    "some pixels hold a mark for missing data, which a model takes for a measurement. Leave the file out, or fill "
    "these pixels, for instance with the mean of the band."
)
EIGHT_BITS = (
    "a band has nothing but whole numbers from 0 to 255 and uses all of that range; real ones go higher. Either it was "
    "saved as uint8, which keeps the remainder of 256, or stretched to be looked at. Make the file again from its "
    "originals, without either."
)
DARK = (
    "a band is far darker than real ones. Probably it was divided (by 255? by 10,000?) or comes from another sensor. "
    "Make the file again with the original values."
)
BRIGHT = (
    "a band is far brighter than real ones. A wrong scale or another sensor does that, and so do clouds. Look at it "
    "(./course data show FILE); if it is not what you expect, leave the file out or make it again."
)


def looks_eight_bit(values: np.ndarray) -> bool:
    """Return whether values are whole numbers from 0 to 255 and use most of that range.

    >>> [looks_eight_bit(np.array(values)) for values in ([3, 120, 251], [3, 120], [3, 256], [3, 120.5, 251])]
    [True, False, False, False]
    """
    low, high = values.min(), values.max()
    return bool(low >= 0 and high <= 255 and high - low >= 200 and (np.floor(values) == values).all())


def span(low: float, high: float) -> str:
    """Return two numbers as a range.

    >>> span(0, 274.5), span(7.0, 7.0)
    ('0 to 274.5', '7')
    """
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def several(names: Sequence[str], most: int = 3) -> str:
    """Return names as a list that does not fill the screen.

    >>> several(["a"]), several(["a", "b"]), several(list("abcdef"))
    ('a', 'a and b', 'a, b, c and 3 more')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
