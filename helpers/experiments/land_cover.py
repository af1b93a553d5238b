"""Runs on Chesapeake patches: every pixel gets its class. Lectures 12 and 13, homework 7."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt

from helpers.backend import keras
from helpers.data import chesapeake
from helpers.data.splits import check_split
from helpers.data.streaming import Arrays, Draws, Loader, Spec
from helpers.data.synthetic import ensure
from helpers.experiments.run_file import RunError
from helpers.experiments.tasks import SPLIT, Judgement, Sides, pick, source
from helpers.experiments.validation import kinds
from helpers.segmentation import Dice, MaskedCrossentropy, MeanIoU, PixelAccuracy, confusion_matrix, scores, windows

_SPLIT = (*SPLIT, "ou_folder", "train_filter", "states", "augment")
_CUT = ("bands", "image_size")
OPTIONS = {
    **pick(kinds(chesapeake.create_loaders), *_SPLIT),
    **SPLIT,
    **pick(kinds(chesapeake.Patches.__init__), *_CUT),
    **{"window": NonNegativeInt, "loss": Literal["crossentropy", "dice"], "weight_power": NonNegativeFloat},
}


def check(parameters: Mapping[str, Any]) -> None:
    """Check that the options of the split go together, before anything is read; see `splits.check_split`.

    Raises:
        ValueError: they do not.
    """
    check_split(**pick(parameters, *SPLIT))


def load(parameters: Mapping[str, Any], folder: Path | None) -> Sides:
    """Make loaders of (images, labels); see `chesapeake.create_loaders`.

    Args:
        parameters: of the experiment; `OPTIONS` are options of `create_loaders` and `Patches`. `window` is for a few
            patches: those for training are read once, kept in memory and cut into windows of that many pixels, so that
            a batch holds many places.
        folder: of patches; by default those that are here, or their stand-in.

    Raises:
        RunError: `window` with `augment`, which wants patches to be read anew.
    """
    if parameters.get("window") and parameters.get("augment"):
        raise RunError("window keeps patches in memory as they are, and augment cuts them anew: leave one of them out.")
    path = folder or ensure("chesapeake", progress=False).path
    training, validation, test = chesapeake.create_loaders(
        path,
        **pick(parameters, *_SPLIT),
        patches=pick(parameters, *_CUT),
        **pick(parameters, "batch_size", "seed"),
        drop_remainder=not parameters.get("window"),  # patches, from which windows are cut
    )
    counts = ", ".join(f"{len(side.source)} {name}" for side, name in _named(training, validation, test))
    if size := parameters.get("window"):
        options = pick(parameters, "batch_size", "seed")
        training = Loader(_Windows(training.source, size), shuffle=True, drop_remainder=True, **options)
    return Sides(training, validation, test, source(path, f"Chesapeake patches: {counts}"))


def shape(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Let a model take images of any size and of the bands that are chosen."""
    bands = chesapeake.channels(parameters.get("bands") or chesapeake.COURSE_BANDS)
    return {"input_shape": (None, None, len(bands)), "num_classes": chesapeake.CLASSES}


def compile_options(parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
    """Give the loss over labelled pixels, and accuracy and mean IoU.

    Args:
        parameters: `loss` is "crossentropy" (the default) or "dice"; `weight_power` above 0 weighs rare classes up,
            see `chesapeake.class_weights`.
        training: whose classes are counted for the weights.
    """
    return {"loss": _loss(parameters, training), "metrics": [PixelAccuracy(), MeanIoU()]}


def judge(model: keras.Model, test: Loader) -> Judgement:
    """Count test pixels by true and predicted class, and score the counts."""
    matrix = np.zeros((chesapeake.CLASSES, chesapeake.CLASSES), np.int64)
    for images, labels in test:
        matrix += confusion_matrix(labels, model.predict_on_batch(images))
    found = scores(matrix)
    iou = {
        name: value if np.isfinite(value) else None  # JSON has no NaN
        for name, value in zip(chesapeake.CLASS_NAMES[1:], found.iou.tolist()[1:], strict=True)
    }
    numbers = {"accuracy": found.accuracy, "mean_iou": found.mean_iou, "kappa": found.kappa}
    return Judgement({**numbers, "iou": iou, "confusion": matrix.tolist()})


class _Windows:
    """Patches as they lie in memory, cut into windows: a source for `Loader`."""

    def __init__(self, patches: Any, size: int) -> None:
        self.files, self.size = patches.files, size
        parts = zip(*Loader(patches, batch_size=16), strict=True)
        self.images, self.labels = (windows(np.concatenate(part), size) for part in parts)

    @property
    def arrays(self) -> dict[str, Spec]:
        """Tell the shapes and types of a window and its labels."""
        both = {"images": self.images, "labels": self.labels}
        return {name: Spec(array.shape[1:], array.dtype.name) for name, array in both.items()}

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """Name a window by its patch."""
        return self.files[index * len(self.files) // len(self)]

    def fill(self, index: int, draws: Draws, out: Arrays) -> None:
        """Copy a window."""
        out["images"][...], out["labels"][...] = self.images[index], self.labels[index]

    def finish(self, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Give (images, labels)."""
        return arrays["images"], arrays["labels"]


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
