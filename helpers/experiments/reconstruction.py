"""Runs on any data set of the registry: autoencoders of its images. A card names it as its `task`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.backend import keras
from helpers.data import fetch
from helpers.data.base import Files, data_sets
from helpers.data.splits import check_split
from helpers.data.streaming import Arrays, Loader
from helpers.experiments.run_file import RunError
from helpers.experiments.tasks import SPLIT, EvaluationResult, SplitLoaders, pick, source

OPTIONS = SPLIT


def check(parameters: Mapping[str, Any]) -> None:
    """Check that the options of the split go together; see `splits.check_split`.

    Raises:
        ValueError: they do not.
    """
    check_split(**pick(parameters, *SPLIT))


def load(parameters: Mapping[str, Any], folder: Path | None) -> SplitLoaders:
    """Make loaders of (images, images).

    Args:
        parameters: of the experiment; `OPTIONS` are options of `DataSet.open`.
        folder: of the data set; by default where it is, or its stand-in.

    Raises:
        RunError: it is not here.
        DataError: it has too few files.
    """
    name = parameters["data"]
    path = folder or fetch.find(name) or fetch.find_stand_in(name)
    if path is None:
        raise RunError(f"{name} is not here. ./course data fetch {name} says how to get it; or name a folder: --data.")
    sources = data_sets()[name].open(path, **pick(parameters, *SPLIT))
    train, validation, test = (_Pairs(files) for files in sources.values())
    options = pick(parameters, "batch_size")
    counts = f"{len(train)} files for training, {len(validation)} for validation, {len(test)} for testing"
    return SplitLoaders(
        Loader(train, shuffle=True, drop_remainder=True, **options, **pick(parameters, "seed")),
        Loader(validation, **options),
        Loader(test, **options),
        source(path, f"{fetch.registry()[name].title}: {counts}"),
    )


def shape(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Have a model take images as they are."""
    return {"input_shape": tuple(data_sets()[parameters["data"]].arrays["image"].shape)}


def outputs(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Have a model give an image as it takes one."""
    return shape(parameters)["input_shape"]


def compile_options(parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
    """Return the loss: the mean squared error of the reconstruction."""
    return {"loss": "mse"}


def evaluate(model: keras.Model, test: Loader) -> EvaluationResult:
    """Return "mae", the mean absolute error of a number of a test image."""
    errors = [np.abs(model.predict_on_batch(images) - images).mean(axis=(1, 2, 3)) for images, _ in test]
    return EvaluationResult({"mae": float(np.concatenate(errors).mean())})


class _Pairs(Files):
    """Images, which are what an autoencoder takes and what it is to give."""

    def __init__(self, files: Files) -> None:
        super().__init__(files.data_set, files.files)

    def finish(self, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Return (images, images)."""
        return arrays["image"], arrays["image"]
