"""What bands hold, and what may be odd about them, whatever the sensor. Used by the data sets.

A warning is about values that can be read and hardly are what was measured. Real land is various, so ranges are wide,
and a warning may still be wrong; what is impossible is an error and no matter of this module.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from helpers.cores import in_threads
from helpers.tables import Table, plural

Item = TypeVar("Item")
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


@dataclass(frozen=True)
class Moments:
    """What is kept of many values of some channels: every array is float64, (channels,).

    >>> both = Moments.of(np.array([[1.0], [3.0]])) + Moments.of(np.array([[5.0]]))
    >>> both.summary(["height"])
    {'height': {'mean': 3.0, 'sd': 1.63299, 'min': 1.0, 'max': 5.0}}
    """

    count: int
    total: np.ndarray
    squares: np.ndarray
    least: np.ndarray
    most: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Measure values, (n, channels), n of at least 1."""
        exact = values.astype(np.float64)
        return cls(len(exact), exact.sum(0), (exact**2).sum(0), exact.min(0), exact.max(0))

    def __add__(self, other: "Moments") -> "Moments":
        least, most = np.minimum(self.least, other.least), np.maximum(self.most, other.most)
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares, least, most)

    def summary(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return mean, standard deviation, smallest and largest value of each channel, to six digits."""
        mean = self.total / self.count
        spread = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        columns = {"mean": mean, "sd": spread, "min": self.least, "max": self.most}
        return {
            name: {key: float(f"{column[index]:.6g}") for key, column in columns.items()}
            for index, name in enumerate(names)
        }


@dataclass(frozen=True)
class Facts:
    """What is kept of one file or of several: pixels of each label, and moments of its channels if it has any."""

    labels: np.ndarray
    moments: Moments | None

    def __add__(self, other: "Facts") -> "Facts":
        some = [facts.moments for facts in (self, other) if facts.moments]
        return Facts(self.labels + other.labels, reduce(Moments.__add__, some) if some else None)


def facts_of(look: Callable[[Item], Facts], items: Sequence[Item], *, noun: str) -> Facts:
    """Look into items, of which there must be some, in threads with a bar, and add up what is found."""
    found: Iterable[Facts] = in_threads(look, items, verb=noun)
    return reduce(Facts.__add__, found)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Choose at most so many items, spread evenly."""
    return list(items[:: max(1, -(-len(items) // max(1, most)))])


def shares(names: Sequence[str], counts: np.ndarray, **elsewhere: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the share of each class among the labelled pixels, "here", and what it is elsewhere where that is known.

    >>> shares(["water", "trees"], np.array([1, 3]), Pennsylvania=np.array([0.01, 0.65]))["trees"]
    {'here': 0.75, 'Pennsylvania': 0.65}
    """
    columns = {"here": counts / max(1, counts.sum()), **elsewhere}
    return {name: {key: float(column[row]) for key, column in columns.items()} for row, name in enumerate(names)}


def text(noun: str, facts: dict[str, Any]) -> str:
    """Write what `DataSet.stats` counts as lines, classes and channels as tables.

    Args:
        noun: what is counted first, in the singular.
        facts: its number, how many files were "looked into", other counts, "splits", "classes", "channels".
    """
    (_, number), *others = facts.items()
    lines = [f"{plural(number, noun)}, looked into {plural(facts['looked into'], 'file')}"]
    tables: list[Table | str] = []
    for key, value in others:
        if key == "splits":
            for kind, sides in value.items():
                lines.append(f"split by {kind}{' (the first of five)' if kind == 'folds' else ''}: {_listed(sides)}")
        elif key == "classes" and value:
            tables.append(Table([{"class": name, **_percent(row)} for name, row in value.items()]))
        elif key == "ignored" and facts["classes"]:
            tables.append(f"no class (ignored): {value:.2%} of all pixels")
        elif key == "channels" and value:
            tables.append(Table([{"channel": name, **row} for name, row in value.items()]))
        elif key not in ("stand-in", "looked into", "classes", "ignored", "channels"):
            lines.append(f"{key}: {_listed(value)}")
    return "\n\n".join(["\n".join(lines), *map(str, tables)])


def _percent(row: dict[str, float]) -> dict[str, str]:
    return {f"% {where}": f"{100 * share:.2f}" for where, share in row.items()}


def _listed(value: Any) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in value.items()) if isinstance(value, dict) else str(value)
