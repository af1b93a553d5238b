"""What students bring from a cluster: the records of a run and its models.

Records are text that anybody can write. What counts is what the models can do on patches that they were not trained on.
"""

import json
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.backend import keras
from helpers.data import DataError, chesapeake, fetch
from helpers.data.streaming import Loader
from helpers.grading import samples
from helpers.grading.checks import layers_in, mismatch

LARGEST_MODEL = 20_000_000  # bytes
PLACES, PIXELS = 16, 128  # that a model is tried on, and rows and columns of each: seconds for the largest models
READ = "lecture 13; ./course train lectures/runs/land_cover.toml, then copy the run's folder"


class Trained(NamedTuple):
    """One experiment of a run.

    Attributes:
        fold: that it was tested on.
        filters: of its levels, which tell how deep it is.
        accuracy: on the labelled pixels of the test patches, as its confusion matrix has it.
        confusion: int64, (7, 7), pixels by true and predicted class; class 0 is no data.
        folder: where its files are.
    """

    fold: int
    filters: tuple[int, ...]
    accuracy: float
    confusion: np.ndarray
    folder: Path


def read_run(folder: Path | str) -> list[Trained]:
    """Read every experiment of a run: `parameters.json` and `results.json` in folders below.

    Raises:
        Mismatch: there is none, a file is not what `./course train` writes, an accuracy is not that of its matrix, or
            two experiments of one fold were not tested on the same pixels.
    """
    paths = sorted(Path(folder).glob("*/parameters.json"))
    if not paths:
        raise mismatch("your results", expected="folders with parameters.json", got=f"none in {folder}", read=READ)
    run = [_read(path.parent) for path in paths]
    for fold, members in groupby(sorted(run, key=lambda one: one.fold), key=lambda one: one.fold):
        pixels = {tuple(one.confusion.sum(axis=1).tolist()) for one in members}
        if len(pixels) > 1:
            got = " and ".join(map(str, sorted(pixels)))
            expected = "the same pixels of each class in every matrix, as the test patches are the same"
            raise mismatch(f"the test pixels of fold {fold}", expected=expected, got=got, read=READ)
    return run


def load_model(path: Path | str) -> keras.Model:
    """Load the trained model of an experiment that somebody else made, without running any code that is in it.

    Args:
        path: of the model, in the folder of its experiment.

    Raises:
        Mismatch: it is not there, is larger than 20 MB, is no such model, has other filters than the experiment, or
            was never trained.
    """
    model, filters = _load(Path(path)), _read(Path(path).parent).filters
    convolutions = [layer for layer in layers_in(model) if isinstance(layer, keras.layers.Conv2D)]
    found = tuple(dict.fromkeys(layer.filters for layer in convolutions if layer.kernel_size != (1, 1)))
    if found != tuple(dict.fromkeys(filters)):
        expected = f"the filters of its experiment, {filters}"
        raise mismatch(f"the convolutions of the model {path}", expected=expected, got=str(found), read=READ)
    if not any(np.any(weight) for weight in model.trainable_weights if weight.path.endswith(("/bias", "/beta"))):
        got = "all biases are 0, as before the first step"
        raise mismatch(f"the model {path}", expected="a model that was trained", got=got, read=READ)
    return model


def held_out_accuracy(model: keras.Model, fold: int, *, seed: int) -> float:
    """Return how much of the land a model gets right where it was not trained, whatever its records claim.

    A model knows only what it was trained on: made-up patches, or real ones. Where the real ones are on this machine
    (COURSE_DATA), it is tried on both, and the better accuracy counts; elsewhere, on made-up patches only.

    Args:
        model: of `load_model`.
        fold: of the real patches, split by `split="folds"`, on which its experiment was tested.
        seed: of the made-up patches; not 0, the seed of the stand-in.

    Returns:
        The share of labelled pixels that are right.
    """
    made_up = samples.land_cover(PLACES, seed=seed, size=PIXELS)
    found = [_right(model, made_up)]
    if folder := fetch.find("chesapeake"):
        with suppress(DataError):  # too few tiles to be split into folds, such as a sample
            files = chesapeake.split_files(folder, split="folds", fold=fold).test
            some = files[:: -(-len(files) // PLACES)]
            found.append(_right(model, *Loader(chesapeake.Patches(some, image_size=PIXELS), batch_size=PLACES)))
    return max(found)


def _right(model: keras.Model, *batches: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the share of labelled pixels that are right."""
    hits = [(np.argmax(model(images), axis=-1) == labels)[labels > 0] for images, labels in batches]
    return float(np.concatenate(hits).mean())


def _load(path: Path) -> keras.Model:
    size = path.stat().st_size if path.exists() else 0
    if not 0 < size <= LARGEST_MODEL:
        raise mismatch(f"the model {path}", expected="a file of at most 20 MB", got=f"{size:,} bytes", read=READ)
    try:
        from helpers.models import catalogue  # noqa: F401 - makes the course's own layers known

        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a broken or hostile file makes Keras raise
        got = f"{type(error).__name__}: {error}"
        raise mismatch(f"the model {path}", expected="a model that Keras can load", got=got, read=READ) from error


def _read(folder: Path) -> Trained:
    try:
        record = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        parameters = {**record["defaults"], **record["parameters"]}
        matrix = np.array(results["confusion"], np.int64).reshape(7, 7)
        claimed = float(results["accuracy"])
        found = Trained(int(parameters["fold"]), tuple(parameters["filters"]), _accuracy(matrix), matrix, folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise mismatch(f"the files in {folder}", expected="those of ./course train", got=got, read=READ) from error
    if abs(found.accuracy - claimed) > 1e-3:
        got = f"{claimed:.4f} beside a confusion matrix that has {found.accuracy:.4f}"
        raise mismatch(f"the accuracy in {folder}", expected="that of its matrix", got=got, read=READ)
    return found


def _accuracy(matrix: np.ndarray) -> float:
    labelled = matrix[1:]
    return float(np.trace(labelled, offset=1) / max(labelled.sum(), 1))
