"""Patches as a source of the streaming engine: read, checked, cut, turned, converted; class shares and weights."""

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers.data.chesapeake.bands import (
    CLASSES,
    COURSE_BANDS,
    IGNORE,
    LABELS,
    PIXELS,
    Run,
    channels,
    compact_config,
    halves,
    runs,
    to_bytes,
    to_float,
    to_halves,
    to_labels,
)
from helpers.data.chesapeake.packed import PackedPatch, is_original, most_cells, read_original
from helpers.data.chesapeake.plausible import InvalidSampleError, check_bytes, check_finite, check_halves, check_labels
from helpers.data.streaming import Arrays, FileError, Loader, SampleRng, Samples, Spec, read_array
from helpers.data.streaming.npz import SCRATCH, Copies
from helpers.data.streaming.shards import open_shard, split_name

PATCH_SHAPE = (29, PIXELS, PIXELS)
MOST_BYTES = prod(PATCH_SHAPE) * 8  # float64 and int64
COMPACT = ("bytes", "halves", "cells", "index")
Target = Literal["labels", "season", "clean"]


class Patches(Samples):
    """Chesapeake patches, in the order of their files.

    Args:
        files: paths of `.npz` files, or of patches in shards (`…/NAME.pack/PATCH.npz`) as `find_patches` gives them.
        bands: channels of the input, by name; see `bands.GROUPS` and `bands.CHANNELS`.
        target: "labels"; "season": the same place leaf-off, for an input that is leaf-on; "clean": the input itself,
            before `noise` was added.
        noise: standard deviation of the Gaussian noise that an input with target "clean" gets, in units of the scaled
            channels; other noise in every epoch.
        image_size: pixels along each side; a smaller number cuts, from the middle or with `augment` anywhere.
        augment: cut, flip and turn by quarters at random, image and target together.
        compact: give the input as `{"bytes": uint8, "halves": int16}`, channels first, for
            `helpers.models.compact.CompactToFloat`; labels as uint8. Where all patches are packed, Landsat comes as the
            cells of its own grid and the number of each pixel's cell: `{"bytes", "cells": int16, "index": uint8}`.
        cells: with `compact`, room for so many cells of a patch, or 0 for halves. Default: what `files` need, see
            `packed.most_cells`. Splits that one model reads must have the same.
        weights: a weight for each class, float, (7,); batches then have a third part, the weight of each pixel.
        cache_dir: a folder on a local disk that gets a copy of each `.npz` when it is first read. Shards are copied by
            `helpers.data.packing.stage`.

    Batches are (input, target) or (input, target, weights):
        input: float32, (batch, image_size, image_size, channels), NAIP / 255, Landsat / 4000, not clipped.
        labels: int32, (batch, image_size, image_size), 1 to 6, and 0 where there is none (`IGNORE`).
        season: float32, (batch, image_size, image_size, 9).
        clean: float32, like the input.
        weights: float32, (batch, image_size, image_size).
    """

    def __init__(
        self,
        files: Sequence[str | Path],
        *,
        bands: Sequence[str] | None = None,
        target: Target = "labels",
        noise: float = 0.0,
        image_size: int = PIXELS,
        augment: bool = False,
        compact: bool = False,
        cells: int | None = None,
        weights: Sequence[float] | np.ndarray | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        self.files = [os.fspath(path) for path in files]
        season = target == "season"
        self._bands = bands or (("landsat_leaf_on",) if season else COURSE_BANDS)
        chosen = channels(self._bands)
        target_channels = {"labels": [], "season": channels(["landsat_leaf_off"]), "clean": chosen}.get(target)
        _check_options(target, target_channels, chosen, image_size, compact, noise, weights)
        self._target, self._noise = target, noise
        self._size, self._augment, self._compact = image_size, augment, compact
        self._halves = halves(chosen)
        self._bytes = [channel for channel in chosen if channel not in self._halves]
        self._floats = [*([] if compact else chosen), *(target_channels or [])]
        self._runs, self._target_runs = runs(chosen), runs(target_channels or [])
        self._weights = None if weights is None else np.asarray(weights, np.float32)
        self._cells = (most_cells(self.files) if cells is None else cells) if compact else 0
        self._read = Copies(cache_dir).read_array if cache_dir else read_array
        self._checked: dict[int, int] = {}  # checksums by index

    @property
    def arrays(self) -> dict[str, Spec]:  # type: ignore[override]  # depends on the options
        """What one patch fills."""
        return self._arrays(self._compact)

    @property
    def identity(self) -> dict[str, Spec]:
        """What a patch is in either form: `arrays` as they are without `compact`. For `Loader.fingerprint`."""
        return self._arrays(compact=False)

    @property
    def finishing(self) -> dict[str, list] | None:
        """The arguments of the `CompactToFloat` that makes images of the input; None where it is images already."""
        return compact_config(self._bands) if self._compact else None

    def _arrays(self, compact: bool) -> dict[str, Spec]:
        size, count = (self._size, self._size), len(self._bytes) + len(self._halves)
        found = self._compact_arrays() if compact else {"image": Spec((*size, count), "float32")}
        if self._target == "labels":
            found["labels"] = Spec(size, "uint8" if compact else "int32")
        else:
            found[self._target] = Spec(
                (*size, sum(r.source.stop - r.source.start for r in self._target_runs)), "float32"
            )
        if self._weights is not None:
            found["weights"] = Spec(size, "float32")
        return found

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Name a patch by its path."""
        return self.files[index]

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read, check (the first time), cut, turn and convert one patch.

        Raises:
            FileError: the file cannot be read, or does not hold a patch.
        """
        room = PIXELS - self._size
        top, left = (rng.below(room + 1), rng.below(room + 1)) if self._augment else (room // 2, room // 2)
        flip, quarters = (rng.below(2), rng.below(4)) if self._augment else (0, 0)
        patch = self._open(index, slice(top, top + self._size), slice(left, left + self._size))
        self._convert(patch, {name: _turned(name, array, flip, quarters) for name, array in out.items()})
        if self._noise:
            noise = np.random.default_rng(rng.below(2**63)).standard_normal(out["image"].shape, np.float32)
            out["image"] += noise * np.float32(self._noise)

    def finish(self, arrays: Arrays) -> tuple[Any, ...]:
        """Make (input, target) or (input, target, weights)."""
        rest = [arrays[name] for name in (self._target, "weights") if name in arrays]
        compact = {name: arrays[name] for name in COMPACT if name in arrays}
        return (compact or arrays["image"], *rest)

    def _compact_arrays(self) -> dict[str, Spec]:
        size, count = (self._size, self._size), len(self._halves)
        found = {"bytes": Spec((len(self._bytes), *size), "uint8"), "halves": Spec((count, *size), "int16")}
        if self._cells and count:
            del found["halves"]
            found |= {"cells": Spec((self._cells, count), "int16"), "index": Spec(size, "uint8")}
        return {name: spec for name, spec in found.items() if 0 not in spec.shape}

    def _open(self, index: int, rows: slice, columns: slice) -> "ArrayPatch | PackedPatch":
        path = self.files[index]
        record = split_name(path)
        if record is None:
            return ArrayPatch(self._good(index, self._read(path, most=MOST_BYTES))[:, rows, columns])
        shard = open_shard(record[0])
        row = shard.row(record[1])
        if is_original(shard, row):
            return ArrayPatch(self._good(index, read_original(shard, row))[:, rows, columns])
        return PackedPatch(shard, row, rows, columns)

    def _good(self, index: int, array: np.ndarray) -> np.ndarray:
        """Return the planes of a patch; check their values unless the same array has been checked before."""
        planes = as_planes(array, self.files[index])
        checksum = SCRATCH.checksum  # the file may have been replaced, or written again, since it was read first
        if self._checked.get(index) != checksum:
            try:
                check_finite(planes, self._floats)
                if self._compact:
                    check_bytes(planes, self._bytes)
                    check_halves(planes, self._halves)
                if self._target == "labels":
                    check_labels(planes)
            except InvalidSampleError as error:
                raise FileError(self.files[index], str(error)) from None
            self._checked[index] = checksum
        return planes

    def _convert(self, patch: "ArrayPatch | PackedPatch", out: Arrays) -> None:
        if "image" in out:
            patch.to_float(self._runs, out["image"])
        if "bytes" in out:
            patch.to_bytes(self._bytes, out["bytes"])
        if "halves" in out:
            patch.to_halves(self._halves, out["halves"])
        if "cells" in out and isinstance(patch, PackedPatch):
            patch.to_cells(self._halves, out)
        if "labels" in out:
            patch.to_labels(out["labels"])
        else:
            patch.to_float(self._target_runs, out[self._target])
        if self._weights is not None:
            out["weights"][...] = self._weights.take(out["labels"])


class ArrayPatch:
    """A patch that was read whole, cut to a window: (29, height, width), any numeric dtype. As `PackedPatch` does."""

    def __init__(self, planes: np.ndarray) -> None:
        self._planes = planes

    def to_float(self, runs: Sequence[Run], out: np.ndarray) -> None:
        """See `bands.to_float`."""
        to_float(self._planes, runs, out)

    def to_bytes(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """See `bands.to_bytes`."""
        to_bytes(self._planes, chosen, out)

    def to_halves(self, chosen: Sequence[int], out: np.ndarray) -> None:
        """See `bands.to_halves`."""
        to_halves(self._planes, chosen, out)

    def to_labels(self, out: np.ndarray) -> None:
        """See `bands.to_labels`."""
        to_labels(self._planes[LABELS], out)


def _turned(name: str, array: np.ndarray, flip: int, quarters: int) -> np.ndarray:
    """Return a view through which what is written comes out turned back by quarters and then flipped."""
    if name == "cells" or not (flip or quarters):
        return array
    rows, columns = (1, 2) if name in ("bytes", "halves") else (0, 1)
    flipped = np.flip(array, columns) if flip else array
    return np.rot90(flipped, quarters, (rows, columns))


def as_planes(array: np.ndarray, path: str) -> np.ndarray:
    """Drop an axis of length 1 in front.

    Raises:
        FileError: the array has not the shape of a patch, or no numbers.
    """
    planes = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
    if planes.shape != PATCH_SHAPE:
        raise FileError(path, f"holds an array of shape {array.shape}, not (29, 256, 256) or (1, 29, 256, 256).")
    if planes.dtype == bool:
        raise FileError(path, "holds only true and false (bool); a patch has numbers. Make it again as float32.")
    return planes


def _check_options(
    target: str, wanted: list[int] | None, chosen: list[int], image_size: int, compact: bool, noise: float, weights: Any
) -> None:
    if wanted is None:
        raise ValueError(f'target must be "labels", "season" or "clean"; received {target!r}.')
    if not 1 <= image_size <= PIXELS:
        raise ValueError(f"image_size must be 1 to {PIXELS} pixels; received {image_size}.")
    if weights is not None and np.shape(weights) != (CLASSES,):
        raise ValueError(f"weights must be {CLASSES} numbers, one a class from 0; received {weights}.")
    if weights is not None and target != "labels":
        raise ValueError(f'weights are those of classes and go with target="labels"; received target={target!r}.')
    if target == "season" and set(chosen) & set(wanted):
        raise ValueError('target="season" is leaf-off, which is among the bands of the input already.')
    if noise < 0 or (noise and target != "clean"):
        raise ValueError(f'noise must not be negative and goes with target="clean"; received {noise}, {target!r}.')
    if compact and target == "clean":
        raise ValueError('target="clean" goes with compact=False: a compact input is made clean on the device.')


PENNSYLVANIA = np.array([0, 1.20, 65.11, 29.29, 0.53, 2.78, 1.09]) / 100
"""Shares of the classes in 2,241 tiles of Pennsylvania; class 0 is the ignored one."""


def class_shares(files: Sequence[str], *, most: int = 1000) -> np.ndarray:
    """Count the pixels of each class.

    Args:
        files: paths of patches.
        most: look into so many, spread evenly over the list.

    Returns:
        float64, (7,): the share of each class among the pixels that have one; 0 for `IGNORE`.
    """
    some = list(files[:: max(1, -(-len(files) // most))])
    counts: np.ndarray = np.zeros(CLASSES, np.int64)
    for _, labels in Loader(Patches(some, bands=["buildings"], compact=True), batch_size=32):
        counts += np.bincount(labels.ravel(), minlength=CLASSES)
    counts[IGNORE] = 0
    return counts / max(1, counts.sum())


def class_weights(shares: Sequence[float] | np.ndarray, *, power: float = 1.0) -> np.ndarray:
    """Weigh rare classes up, so that the mean weight of a labelled pixel is 1.

    Args:
        shares: of the classes, (7,), from `class_shares`.
        power: 1 gives every class the same sum of weights, 0.5 goes half the way, 0 gives every pixel the same.

    Returns:
        float32, (7,): proportional to share ** -power; 0 for `IGNORE` and for classes that do not occur.

    >>> class_weights([0, 0.5, 0.25, 0.25, 0, 0, 0]).round(2).tolist()
    [0.0, 0.6700000166893005, 1.3300000429153442, 1.3300000429153442, 0.0, 0.0, 0.0]
    """
    given = np.array(shares, np.float64)
    given[IGNORE] = 0
    occurs = given > 0
    weights = np.zeros(len(given))
    weights[occurs] = given[occurs] ** -power
    return (weights * given.sum() / (weights * given).sum()).astype(np.float32)
