"""What a run file may ask for: a module for each data set knows how to load and judge. Used by `course train`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.backend import keras
from helpers.cluster.runs import RunError
from helpers.data.streaming import Loader
from helpers.models import catalogue

TASKS = {"chesapeake": "land_cover", "grss": "aerial"}  # data sets, and the modules beside this one
TRAINING: dict[str, Any] = {
    "epochs": 10,
    "batch_size": 32,  # of all workers and devices together
    "learning_rate": 1e-3,
    "decay": None,  # "cosine": the learning rate falls along half a cosine, to nothing at the end of the last epoch
    "patience": None,  # epochs without a better validation loss after which training ends; None: never
    "steps_per_epoch": None,  # batches after which to validate and to save; None: all that there are
    "precision": "float32",  # or mixed_bfloat16
    "deterministic": False,  # the same numbers twice on a GPU as well, which costs time
    "seed": 0,
}
"""Parameters of any training, and what they are unless a run file says otherwise."""


@dataclass(frozen=True)
class Sides:
    """The batches of a task; those for training are endless, shuffled and whole.

    Attributes:
        source: one sentence: which data.
    """

    training: Loader
    validation: Loader
    test: Loader
    source: str = ""


@dataclass(frozen=True)
class Judgement:
    """What a trained model is worth on the test side.

    Attributes:
        results: numbers, in what JSON can hold.
        codes: codes, float32 (n, latent_dim), and labels, integer (n,), of a model that has any.
    """

    results: dict[str, Any]
    codes: tuple[np.ndarray, np.ndarray] | None = None


class Task(Protocol):
    """What a module of `TASKS` has."""

    OPTIONS: frozenset[str]
    """Parameters of this data set, beside those of `TRAINING` and of the model."""

    def load(self, parameters: Mapping[str, Any], folder: Path | None) -> Sides:
        """Make the loaders; without a folder, of the data set that is here, or of its stand-in."""

    def shape(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Give the options of the model that follow from the data."""

    def compile_options(self, parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
        """Give loss and metrics, for `compile`."""

    def judge(self, model: keras.Model, test: Loader) -> Judgement:
        """Measure a trained model."""


def task_of(parameters: Mapping[str, Any]) -> Task:
    """Find the task of an experiment, and see that it knows every parameter.

    Raises:
        RunError: no such data set or model, or a parameter that nobody knows.
    """
    data, model = parameters["data"], parameters["model"]
    if data not in TASKS:
        raise RunError(f"There are no runs on {data!r}{catalogue.meant(data, TASKS)}. Data sets: {', '.join(TASKS)}.")
    task: Task = import_module(f"{__package__}.{TASKS[data]}")  # type: ignore[assignment]
    try:
        takes = catalogue.options(model)
    except ValueError as error:
        raise RunError(str(error)) from error
    known = {"data", "model", *TRAINING, *task.OPTIONS, *takes}
    if unknown := sorted(parameters.keys() - known):
        raise RunError(
            f"{unknown[0]!r} is no parameter{catalogue.meant(unknown[0], known)}. Of training: {', '.join(TRAINING)}; "
            f"of the data set {data}: {', '.join(sorted(task.OPTIONS))}; of the model {model}: {', '.join(takes)}."
        )
    return task


def build(parameters: Mapping[str, Any], task: Task) -> keras.Model:
    """Build the model of an experiment, not compiled.

    Raises:
        RunError: its options make no sense.
    """
    takes = catalogue.options(parameters["model"])
    options = {**TRAINING, **pick(task.shape(parameters), *takes), **parameters}
    try:
        return catalogue.from_experiment(options, training={"data", *TRAINING, *task.OPTIONS})
    except ValueError as error:
        raise RunError(str(error)) from error


def pick(parameters: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Choose those of some parameters that are given.

    >>> pick({"fold": 1, "epochs": 2}, "fold", "split")
    {'fold': 1}
    """
    return {name: parameters[name] for name in names if name in parameters}
