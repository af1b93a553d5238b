"""Patches as a source of the streaming engine: what is read, checked, cut, turned and converted."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers.data.chesapeake.bands import COURSE_BANDS, LABELS, PIXELS, channels, halves, runs
from helpers.data.chesapeake.convert import CLASSES, Unusable, to_bytes, to_float, to_halves, to_labels
from helpers.data.streaming import Arrays, Draws, FileError, Spec, read_array
from helpers.data.streaming.copies import Copies

PATCH_SHAPE = (29, PIXELS, PIXELS)
Target = Literal["labels", "season"]


class Patches:
    """Chesapeake patches, in the order of their files.

    Args:
        files: paths of `.npz` files.
        bands: channels of the input, by name; see `bands.GROUPS` and `bands.CHANNELS`.
        target: "labels", or "season": the same place leaf-off, for an input that is leaf-on.
        image_size: pixels along each side; a smaller number cuts, from the middle or with `augment` anywhere.
        augment: cut, flip and turn by quarters at random, image and target together.
        compact: give the input as `{"bytes": uint8, "halves": int16}`, channels first, for
            `helpers.models.compact.CompactToFloat`; labels as uint8.
        weights: a weight for each class, float, (7,); batches then have a third part, the weight of each pixel.
        cache_dir: a folder on a local disk that gets a copy of each file when it is first read.

    Batches are (input, target) or (input, target, weights):
        input: float32, (batch, image_size, image_size, channels), NAIP / 255, Landsat / 4000, not clipped.
        labels: int32, (batch, image_size, image_size), 1 to 6, and 0 where there is none (`IGNORE`).
        season: float32, (batch, image_size, image_size, 9).
        weights: float32, (batch, image_size, image_size).
    """

    def __init__(
        self,
        files: Sequence[str | Path],
        *,
        bands: Sequence[str] | None = None,
        target: Target = "labels",
        image_size: int = PIXELS,
        augment: bool = False,
        compact: bool = False,
        weights: Sequence[float] | np.ndarray | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        self.files = [os.fspath(path) for path in files]
        season = target == "season"
        chosen = channels(bands or (("landsat_leaf_on",) if season else COURSE_BANDS))
        self._target = channels(["landsat_leaf_off"]) if season else []
        _check_options(target, image_size, compact, chosen, self._target, weights)
        self._size, self._augment, self._compact = image_size, augment, compact
        self._halves = halves(chosen)
        self._bytes = [channel for channel in chosen if channel not in self._halves]
        self._runs, self._target_runs = runs(chosen), runs(self._target)
        self._weights = None if weights is None else np.asarray(weights, np.float32)
        self._read = Copies(cache_dir).read_array if cache_dir else read_array

    @property
    def arrays(self) -> dict[str, Spec]:
        """What one patch fills."""
        size = (self._size, self._size)
        count = len(self._bytes) + len(self._halves)
        found = {"image": Spec((*size, count), "float32")}
        if self._compact:
            found = {
                "bytes": Spec((len(self._bytes), *size), "uint8"),
                "halves": Spec((len(self._halves), *size), "int16"),
            }
        if self._target:
            found["season"] = Spec((*size, len(self._target)), "float32")
        else:
            found["labels"] = Spec(size, "uint8" if self._compact else "int32")
        if self._weights is not None:
            found["weights"] = Spec(size, "float32")
        return {name: spec for name, spec in found.items() if 0 not in spec.shape}

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Name a patch by its path."""
        return self.files[index]

    def fill(self, index: int, draws: Draws, out: Arrays) -> None:
        """Read, check, cut, turn and convert one patch.

        Raises:
            FileError: the file cannot be read, or does not hold a patch.
        """
        path = self.files[index]
        patch = self._cut(_planes(self._read(path), path), draws)
        turned = self._turn(out, draws)
        try:
            self._convert(patch, turned)
        except Unusable as error:
            raise FileError(path, str(error)) from None

    def finish(self, arrays: Arrays) -> tuple[Any, ...]:
        """Make (input, target) or (input, target, weights)."""
        rest = [arrays[name] for name in ("season", "labels", "weights") if name in arrays]
        compact = {name: arrays[name] for name in ("bytes", "halves") if name in arrays}
        return (compact or arrays["image"], *rest)

    def _convert(self, patch: np.ndarray, out: Arrays) -> None:
        if "image" in out:
            to_float(patch, self._runs, out["image"])
        if "bytes" in out:
            to_bytes(patch, self._bytes, out["bytes"])
        if "halves" in out:
            to_halves(patch, self._halves, out["halves"])
        if "season" in out:
            to_float(patch, self._target_runs, out["season"])
        if "labels" in out:
            to_labels(patch[LABELS], out["labels"])
        if self._weights is not None:
            out["weights"][...] = self._weights.take(out["labels"])

    def _cut(self, patch: np.ndarray, draws: Draws) -> np.ndarray:
        room = PIXELS - self._size
        top, left = (draws.below(room + 1), draws.below(room + 1)) if self._augment else (room // 2, room // 2)
        return patch[:, top : top + self._size, left : left + self._size]

    def _turn(self, out: Arrays, draws: Draws) -> Arrays:
        """Give views of the output through which what is written comes out flipped and turned."""
        if not self._augment:
            return out
        flip, quarters = draws.below(2), draws.below(4)
        return {name: _turned(array, flip, quarters, name in ("bytes", "halves")) for name, array in out.items()}


def _turned(array: np.ndarray, flip: int, quarters: int, channels_first: bool) -> np.ndarray:
    rows, columns = (1, 2) if channels_first else (0, 1)
    flipped = np.flip(array, columns) if flip else array
    return np.rot90(flipped, quarters, (rows, columns))


def _planes(array: np.ndarray, path: str) -> np.ndarray:
    """Drop an axis of length 1 in front, and refuse what is no patch."""
    planes = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
    if planes.shape != PATCH_SHAPE:
        raise FileError(path, f"holds an array of shape {array.shape}, not (29, 256, 256) or (1, 29, 256, 256).")
    return planes


def _check_options(
    target: str, image_size: int, compact: bool, chosen: list[int], wanted: list[int], weights: Any
) -> None:
    if target not in ("labels", "season"):
        raise ValueError(f'target must be "labels" or "season"; received {target!r}.')
    if not 1 <= image_size <= PIXELS:
        raise ValueError(f"image_size must be 1 to {PIXELS} pixels; received {image_size}.")
    if wanted and (compact or weights is not None or set(chosen) & set(wanted)):
        raise ValueError('target="season" goes with compact=False, weights=None and bands without leaf-off.')
    if weights is not None and np.shape(weights) != (CLASSES,):
        raise ValueError(f"weights must be {CLASSES} numbers, one a class from 0; received {weights}.")
