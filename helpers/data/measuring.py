"""How many patches, tiles, states and classes there are below a folder, and what the channels hold.

Used by `./course data stats`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any, get_args

import numpy as np

from helpers.cores import in_threads
from helpers.data import DataError, chesapeake, grss, stand_in
from helpers.data.checking import patches_below
from helpers.data.chesapeake.bands import CHANNELS, LABELS, scale
from helpers.data.chesapeake.files import NAME, Patch
from helpers.data.chesapeake.patches import PENNSYLVANIA
from helpers.data.grss.tiff import BAND_NAMES
from helpers.data.grss.tiles import KINDS, tiff_files
from helpers.data.splits import Split
from helpers.data.streaming import Draws
from helpers.tables import Table, plural

_NAMES = {
    "RGB": [*BAND_NAMES["RGB"]],
    "MSI": [f"MSI {band}" for band in BAND_NAMES["MSI"]],
    "AGL": ["AGL"],
    "DSM": ["DSM"],
}


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
        """Give mean, standard deviation, smallest and largest value of each channel, to six digits."""
        mean = self.total / self.count
        spread = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        columns = {"mean": mean, "sd": spread, "min": self.least, "max": self.most}
        return {
            name: {key: float(f"{column[index]:.6g}") for key, column in columns.items()}
            for index, name in enumerate(names)
        }


@dataclass(frozen=True)
class _Facts:
    """What is kept of one file or of several: pixels of each label, and moments of its channels if it has any."""

    labels: np.ndarray
    moments: Moments | None

    def __add__(self, other: "_Facts") -> "_Facts":
        some = [facts.moments for facts in (self, other) if facts.moments]
        return _Facts(self.labels + other.labels, reduce(Moments.__add__, some) if some else None)


def summaries(folder: Path, *, most: int, tile_size: int) -> dict[str, dict[str, Any]]:
    """Summarise the patches and the tiles below a folder; nothing if there are none.

    Args:
        folder: anywhere.
        most: look into so many files of a kind, spread evenly.
        tile_size: pixels along an edge of a tile.

    Raises:
        DataError: a file is broken.
    """
    found = {}
    if patches := patches_below(folder):
        stand_in.announce(patches[0].path)
        found["patches"] = summarise_patches(patches, folder, most=most)
    tiles = sorted((f"{name[1]}_{name[2] or ''}", name[3], path) for name, path in tiff_files(folder))
    if tiles:
        stand_in.announce(tiles[0][2])
        found["tiles"] = summarise_tiles(tiles, most=most, tile_size=tile_size)
    return found


def text(noun: str, facts: dict[str, Any]) -> str:
    """Write the counts of a summary as lines, classes and channels as tables."""
    count = plural(facts[noun], {"patches": "patch", "tiles": "tile"}[noun])
    lines = [f"{count}, looked into {plural(facts['looked into'], 'file')}"]
    for key in ("tiles", "places", "states", "files"):
        if key in facts and key != noun:
            lines.append(f"{key}: {_listed(facts[key])}")
    for kind, sides in facts.get("splits", {}).items():
        lines.append(f"split by {kind}{' (the first of five)' if kind == 'folds' else ''}: {_listed(sides)}")
    tables: list[Table | str] = []
    if facts["classes"]:
        tables.append(Table([{"class": name, **_percent(row)} for name, row in facts["classes"].items()]))
        tables.append(f"no class (ignored): {facts['ignored']:.2%} of all pixels")
    if facts["channels"]:
        tables.append(Table([{"channel": name, **row} for name, row in facts["channels"].items()]))
    return "\n\n".join(["\n".join(lines), *map(str, tables)])


def summarise_patches(patches: Sequence[Patch], folder: Path, *, most: int) -> dict[str, Any]:
    """Count patches, tiles, states and splits; of some patches count the classes and measure the channels.

    Args:
        patches: all patches below `folder`.
        folder: where the splits are made.
        most: look into so many, spread evenly.

    Raises:
        DataError: a patch is broken.
    """
    files = [patch.path for patch in patches]
    some = _spread(files, most)
    names = [name for number, name in enumerate(CHANNELS) if number != LABELS]
    source = chesapeake.Patches(some, bands=names)
    facts = _sum(in_threads(partial(_look_at_patch, source), range(len(some)), verb="patches"))
    states = Counter(match["state"] if (match := NAME.fullmatch(patch.name)) else "?" for patch in patches)
    return {
        "patches": len(files),
        "tiles": len({chesapeake.tile_of(patch.name) for patch in patches}),
        "states": dict(sorted(states.items())),
        "splits": {kind: _split(folder, kind) for kind in get_args(Split)},
        "stand-in": stand_in.is_stand_in(files[0]),
        "looked into": len(some),
        "classes": _shares(chesapeake.CLASS_NAMES[1:], facts.labels[1:], PENNSYLVANIA[1:]),
        "ignored": float(facts.labels[0] / facts.labels.sum()),
        "channels": facts.moments.summary(names) if facts.moments else {},
    }


def summarise_tiles(files: Sequence[tuple[str, str, Path]], *, most: int, tile_size: int) -> dict[str, Any]:
    """Count tiles, places and kinds; of some files of each kind count the classes and measure the channels.

    Args:
        files: of each file the place with the view, the kind and the path.
        most: look into so many of each kind, spread evenly.
        tile_size: pixels along an edge of a tile.

    Raises:
        DataError: a file is broken.
    """
    kinds = {kind: [(name, path) for name, other, path in files if other == kind] for kind in KINDS}
    some = {kind: _spread(found, most) for kind, found in kinds.items() if found}
    facts = {kind: _sum_tiles(kind, tile_size, found) for kind, found in some.items()}
    channels = [fact.moments.summary(_NAMES[kind]) for kind, fact in facts.items() if fact.moments]
    labels = facts["CLS"].labels if "CLS" in facts else np.zeros(len(grss.CLASS_NAMES) + 1)
    return {
        "tiles": len({name for name, _, _ in files}),
        "places": len({name.rpartition("_")[0] for name, _, _ in files}),
        "files": {kind: len(found) for kind, found in kinds.items() if found},
        "stand-in": stand_in.is_stand_in(files[0][2]),
        "looked into": sum(map(len, some.values())),
        "classes": _shares(grss.CLASS_NAMES, labels[:-1]) if labels.any() else {},
        "ignored": float(labels[-1] / max(1, labels.sum())),
        "channels": dict(row for summary in channels for row in summary.items()),
    }


def _sum_tiles(kind: str, tile_size: int, found: Sequence[tuple[str, Path]]) -> _Facts:
    return _sum(in_threads(partial(_look_at_tile, kind, tile_size), found, verb=kind))


def _look_at_patch(source: chesapeake.Patches, index: int) -> _Facts:
    out = {name: np.empty(spec.shape, spec.dtype) for name, spec in source.arrays.items()}
    source.fill(index, Draws(seed=0, epoch=0, index=index), out)
    factors = [scale(number) for number in range(len(CHANNELS)) if number != LABELS]
    labels = np.bincount(out["labels"].ravel(), minlength=chesapeake.CLASSES)
    return _Facts(labels, Moments.of(out["image"].reshape(-1, len(factors)) / np.array(factors)))


def _look_at_tile(kind: str, tile_size: int, found: tuple[str, Path]) -> _Facts:
    place, _, view = found[0].rpartition("_")
    tile = grss.Tile(place, view, {kind: found[1]})
    arrays = grss.Windows([tile], (kind,), size=tile_size, tile_size=tile_size, native=True).read([0])
    if kind == "CLS":
        counts = np.bincount(arrays["CLS"].ravel(), minlength=grss.IGNORE + 1)
        return _Facts(np.append(counts[: len(grss.CLASS_NAMES)], counts[grss.IGNORE]), None)
    values = arrays[kind].reshape(-1, len(_NAMES[kind]))
    known = values[arrays[f"{kind}_valid"].ravel()] if f"{kind}_valid" in arrays else values
    return _Facts(np.zeros(0), Moments.of(known) if len(known) else None)


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    return list(items[:: max(1, -(-len(items) // max(1, most)))])


def _sum(facts: Iterable[_Facts]) -> _Facts:
    return reduce(_Facts.__add__, facts)


def _split(folder: Path, kind: Split) -> dict[str, int] | str:
    try:
        splits = chesapeake.split_files(folder, split=kind, fold=0 if kind == "folds" else None)
        return {side: len(files) for side, files in vars(splits).items()}
    except DataError as error:
        return f"not possible: {error}"


def _shares(
    names: Sequence[str], counts: np.ndarray, elsewhere: np.ndarray | None = None
) -> dict[str, dict[str, float]]:
    """Give the share of each class among the labelled pixels, and what it is in Pennsylvania where that is known."""
    here = counts / max(1, counts.sum())
    found = {name: {"here": float(share)} for name, share in zip(names, here, strict=True)}
    for row, share in zip(found.values(), [] if elsewhere is None else elsewhere, strict=False):
        row["Pennsylvania"] = float(share)
    return found


def _percent(shares: dict[str, float]) -> dict[str, str]:
    return {f"% {where}": f"{100 * share:.2f}" for where, share in shares.items()}


def _listed(value: Any) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in value.items()) if isinstance(value, dict) else str(value)
