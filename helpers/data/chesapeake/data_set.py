"""Patches as a data set of the registry."""

import numpy as np

from helpers.data.chesapeake.bands import CHANNELS, LABELS
from helpers.data.chesapeake.packed import LANDSAT, PackedPatch, is_original, read_original
from helpers.data.chesapeake.patches import MOST_BYTES, as_planes
from helpers.data.chesapeake.plausible import (
    Unusable,
    check_bytes,
    check_finite,
    check_labels,
    check_possible,
    oddities,
)
from helpers.data.plausible import Warnings
from helpers.data.streaming import FileError, read_array
from helpers.data.streaming.shards import open_shard, split_name


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
        check_bytes(patch, [channel for channel in range(len(CHANNELS)) if channel not in (LABELS, *LANDSAT)])
        check_labels(patch)
    except Unusable as error:
        raise FileError(path, str(error)) from None
    warnings: Warnings = {}
    for message, numbers in oddities(patch, missing):
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
