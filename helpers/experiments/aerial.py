"""Runs on GRSS aerial tiles: variational autoencoders of windows. Lectures 10 and 13."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import NonNegativeInt

from helpers.backend import keras
from helpers.data import grss
from helpers.data.splits import check_split
from helpers.data.streaming import Arrays, Loader
from helpers.data.synthetic import ensure
from helpers.experiments.tasks import SPLIT, EvaluationResult, SplitLoaders, pick, source
from helpers.experiments.validation import kinds
from helpers.models.variational import kl_standard_normal

_CUT = ("size", "tile_size", "resize")
OPTIONS = {**pick(kinds(grss.Windows.__init__), *_CUT), **SPLIT, "split_seed": NonNegativeInt}
MOST_CODES = 2000  # that are kept with an experiment


def check(parameters: Mapping[str, Any]) -> None:
    """Check that the options of the split go together; see `splits.check_split`.

    Raises:
        ValueError: they do not.
    """
    check_split(**pick(parameters, *SPLIT))


def load(parameters: Mapping[str, Any], folder: Path | None) -> SplitLoaders:
    """Make loaders of images, by default split by place; test batches are images and, where there are classes, labels.

    Args:
        parameters: of the experiment; `OPTIONS` are those of `grss.Windows` and `grss.split_tiles`.
        folder: of tiles; by default those that are here, or their stand-in.
    """
    path = folder or ensure("grss", progress=False).path
    tiles = grss.find_tiles(path)
    seed = parameters.get("split_seed", 0)
    sides = list(grss.split_tiles(tiles, **pick(parameters, *SPLIT), seed=seed).values())
    cut, batches = pick(parameters, *_CUT), pick(parameters, "batch_size")
    training, validation = (grss.Windows(side, finish=_images, **cut) for side in sides[:2])
    labelled = not any(tile.missing(["CLS"]) for tile in sides[2])
    test = grss.Windows(sides[2], ("RGB", "CLS") if labelled else ("RGB",), **cut)
    counts = f"{len(training)} for training, {len(validation)} for validation, {len(test)} for testing"
    return SplitLoaders(
        training.loader(**batches, seed=parameters.get("seed", 0), drop_remainder=True),
        Loader(validation, **batches),
        Loader(test, **batches),
        source(path, f"GRSS windows: {counts}"),
    )


def shape(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing follows: a model for aerial images takes windows of 128 x 128 pixels."""
    return {}


def outputs(parameters: Mapping[str, Any]) -> None:
    """Nothing is asked for: a VAE has its loss itself."""


def compile_options(parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
    """Nothing is asked for: a VAE brings its loss and its metrics."""
    return {}


def evaluate(model: keras.Model, test: Loader) -> EvaluationResult:
    """Measure reconstructions of held-out places, made without noise, and keep codes with the class around them.

    Returns:
        "mae", mean absolute error of a number in [0, 1]; "kl", nats per image; and codes of up to `MOST_CODES` windows,
        labelled with the predominant class, or with `grss.IGNORE`.
    """
    errors, nats, codes, labels = [], [], [], []
    for arrays in test:
        z_mean, z_log_var, _ = model.encoder.predict_on_batch(arrays["RGB"])
        found = model.decoder.predict_on_batch(z_mean)
        errors += np.abs(found - arrays["RGB"]).mean(axis=(1, 2, 3)).tolist()
        nats += np.sum(kl_standard_normal(z_mean, z_log_var), axis=1).tolist()
        codes.append(z_mean)
        labels.append(_classes(arrays))
    kept = np.concatenate(codes)[:MOST_CODES], np.concatenate(labels)[:MOST_CODES]
    return EvaluationResult({"mae": float(np.mean(errors)), "kl": float(np.mean(nats))}, kept)


def _images(arrays: Arrays) -> np.ndarray:
    return arrays["RGB"]


def _classes(arrays: Arrays) -> np.ndarray:
    if "CLS" in arrays:
        return grss.predominant_class(arrays["CLS"])[0]
    return np.full(len(arrays["RGB"]), grss.IGNORE)
