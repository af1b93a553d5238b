"""Runs on Chesapeake patches: every pixel gets its class. Lectures 12 and 13, homework 7."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt

from helpers.backend import keras
from helpers.data import DataError, chesapeake
from helpers.data.splits import check_split
from helpers.data.streaming import Arrays, Loader, SampleRng, Spec
from helpers.data.synthetic import ensure
from helpers.experiments.run_file import RunError
from helpers.experiments.tasks import SPLIT, EvaluationResult, SplitLoaders, pick, source, taking
from helpers.experiments.validation import kinds
from helpers.segmentation import Dice, MaskedCrossentropy, MeanIoU, PixelAccuracy, confusion_matrix, scores, windows

_SPLIT = (*SPLIT, "ou_folder", "train_filter", "states", "augment")
_CUT = ("bands", "image_size", "compact")
LOOKED_AT = 32  # patches, before a run whose file does not say `compact`
OPTIONS = {
    **pick(kinds(chesapeake.create_loaders), *_SPLIT),
    **SPLIT,
    **pick(kinds(chesapeake.Patches.__init__), *_CUT),
    **{"window": NonNegativeInt, "loss": Literal["crossentropy", "dice"], "weight_power": NonNegativeFloat},
}


def check(parameters: Mapping[str, Any]) -> None:
    """Check options of the split and of `Patches`, before anything is read; see `splits.check_split`.

    Raises:
        ValueError: they do not go together, or there is no such band or size.
    """
    check_split(**pick(parameters, *SPLIT))
    if "bands" in parameters:
        chesapeake.channels(parameters["bands"])  # `Patches` takes no band for all
    chesapeake.Patches(["any.npz"], **pick(parameters, *_CUT))


def load(parameters: Mapping[str, Any], folder: Path | None) -> SplitLoaders:
    """Make loaders of (images, labels); see `chesapeake.create_loaders`.

    Args:
        parameters: of the experiment; `OPTIONS` are options of `create_loaders` and `Patches`, of which `compact` is
            true unless it is said: `tasks.taking` makes of the model one that takes such batches. `window` is for a few
            patches: those for training are read once, kept in memory and cut into windows of that many pixels, so that
            a batch holds many places.
        folder: of patches; by default those that are here, or their stand-in.

    Raises:
        RunError: `window` with `augment`, which wants patches to be read anew.
    """
    if parameters.get("window") and parameters.get("augment"):
        raise RunError("window keeps patches in memory as they are, and augment cuts them anew: leave one of them out.")
    path = folder or ensure("chesapeake", progress=False).path
    cells = {"cells": 0} if parameters.get("window") else {}  # those of a whole patch are not cut

    def loaders(compact: bool) -> tuple[Loader, Loader, Loader]:
        return chesapeake.create_loaders(
            path,
            **pick(parameters, *_SPLIT),
            patches={**pick(parameters, *_CUT), "compact": compact, **(cells if compact else {})},
            **pick(parameters, "batch_size", "seed"),
            drop_remainder=not parameters.get("window"),  # patches, from which windows are cut
        )

    training, validation, test = loaders(parameters.get("compact", True))
    if "compact" not in parameters and not _fit_compact([training, validation, test], parameters.get("bands")):
        training, validation, test = loaders(compact=False)
    counts = ", ".join(f"{len(side.source)} {name}" for side, name in _named(training, validation, test))
    if size := parameters.get("window"):
        options = pick(parameters, "batch_size", "seed")
        training = Loader(_Windows(training.source, size), shuffle=True, drop_remainder=True, **options)
    return SplitLoaders(training, validation, test, source(path, f"Chesapeake patches: {counts}"))


def _fit_compact(sides: list[Loader], bands: Sequence[str] | None) -> bool:
    """Return whether some of the patches fit the compact form: means of several years, for example, do not."""

    def is_read(path: str, compact: bool) -> bool:
        try:
            list(Loader(chesapeake.Patches([path], bands=bands, compact=compact), threads=1))
        except DataError:
            return False
        return True

    files = [path for side in sides for path in side.source.files]  # type: ignore[attr-defined]  # they are patches
    some = files[:: -(-len(files) // LOOKED_AT)]
    return all(is_read(path, compact=True) or not is_read(path, compact=False) for path in some)


def shape(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Let a model take images of any size and of the bands that are chosen."""
    bands = chesapeake.channels(parameters.get("bands") or chesapeake.COURSE_BANDS)
    return {"input_shape": (None, None, len(bands)), "num_classes": chesapeake.CLASSES}


def outputs(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Have a model give a share for each class of each pixel."""
    return (-1, -1, chesapeake.CLASSES)


def compile_options(parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
    """Return the loss over labelled pixels, and accuracy and mean IoU.

    Args:
        parameters: `loss` is "crossentropy" (the default) or "dice"; `weight_power` above 0 weighs rare classes up,
            see `chesapeake.class_weights`.
        training: whose classes are counted for the weights.
    """
    return {"loss": _loss(parameters, training), "metrics": [PixelAccuracy(), MeanIoU()]}


def evaluate(model: keras.Model, test: Loader) -> EvaluationResult:
    """Count test pixels by true and predicted class, and score the counts.

    Args:
        model: takes images, or what the batches hold.
        test: batches of images or of compact patches, and their labels.
    """
    model = taking(model, test)
    matrix = np.zeros((chesapeake.CLASSES, chesapeake.CLASSES), np.int64)
    for images, labels in test:
        matrix += confusion_matrix(labels, model.predict_on_batch(images))
    found = scores(matrix)
    iou = {
        name: value if np.isfinite(value) else None  # JSON has no NaN
        for name, value in zip(chesapeake.CLASS_NAMES[1:], found.iou.tolist()[1:], strict=True)
    }
    numbers = {"accuracy": found.accuracy, "mean_iou": found.mean_iou, "kappa": found.kappa}
    return EvaluationResult({**numbers, "iou": iou, "confusion": matrix.tolist()})


class _Windows:
    """Patches as they lie in memory, cut into windows: a source for `Loader`."""

    def __init__(self, patches: Any, size: int) -> None:
        self.files, self.finish, self.finishing = patches.files, patches.finish, patches.finishing
        batches = [
            {**(x if isinstance(x, dict) else {"image": x}), "labels": y} for x, y in Loader(patches, batch_size=16)
        ]
        self.kept = {n: _cut(np.concatenate([each[n] for each in batches]), size, n) for n in patches.arrays}
        self.arrays = {name: Spec(array.shape[1:], array.dtype.name) for name, array in self.kept.items()}
        channels = patches.identity["image"].shape[-1]
        self.identity = {"images": Spec((size, size, channels), "float32"), "labels": Spec((size, size), "int32")}

    def __len__(self) -> int:
        return len(self.kept["labels"])

    def name(self, index: int) -> str:
        """Name a window by its patch."""
        return self.files[index * len(self.files) // len(self)]

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Copy a window."""
        for name, array in self.kept.items():
            out[name][...] = array[index]


def _cut(array: np.ndarray, size: int, name: str) -> np.ndarray:
    """Cut patches, or their labels, into windows; compact ones have their channels first."""
    if name in ("bytes", "halves"):
        return np.moveaxis(windows(np.moveaxis(array, 1, -1), size), -1, 1)
    return windows(array, size)


def _loss(parameters: Mapping[str, Any], training: Loader) -> keras.losses.Loss:
    kind, power = parameters.get("loss", "crossentropy"), parameters.get("weight_power", 0)
    if kind == "dice" and power:
        raise RunError('the loss "dice" takes no weight_power: leave one of the two out, or choose "crossentropy".')
    if kind == "dice":
        return Dice()
    if not power:
        return MaskedCrossentropy()
    shares = chesapeake.class_shares(training.source.files)  # type: ignore[attr-defined]  # patches and windows have it
    return MaskedCrossentropy(class_weights=chesapeake.class_weights(shares, power=power))


def _named(*sides: Loader) -> list[tuple[Loader, str]]:
    return list(zip(sides, ("for training", "for validation", "for testing"), strict=True))
