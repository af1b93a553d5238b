"""What a run file may ask for: a module that the data card names loads and evaluates. Used by `course train`."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from helpers.backend import keras
from helpers.data import fetch
from helpers.data.splits import Split
from helpers.data.stand_in import is_stand_in
from helpers.data.streaming import Loader
from helpers.experiments.run_file import STAND_IN, Run, RunError, UnknownRunError
from helpers.experiments.validation import kinds, validate
from helpers.models import catalogue
from helpers.models.compact import CompactInput, CompactToFloat


@dataclass(frozen=True)
class Training:
    """Parameters of any training, and what they are unless a run file says otherwise."""

    epochs: PositiveInt = 10
    batch_size: PositiveInt = 32  # of all workers and devices together
    learning_rate: PositiveFloat = 1e-3
    decay: Literal["cosine"] | None = None  # the learning rate falls along half a cosine, to nothing at the end
    patience: PositiveInt | None = None  # stop after so many epochs without a better validation loss; None: never
    steps_per_epoch: PositiveInt | None = None  # batches after which to validate and to save; None: all that there are
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    deterministic: bool = False  # the same numbers twice on a GPU as well, which costs time
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


TRAINING: dict[str, Any] = asdict(Training())
SPLIT: dict[str, Any] = {"split": Split, "folds": Annotated[int, Field(ge=3)], "fold": NonNegativeInt | None}


@dataclass(frozen=True)
class SplitLoaders:
    """The batches of a task; those for training are endless, shuffled and whole.

    Attributes:
        source: which data, by `source`.
    """

    training: Loader
    validation: Loader
    test: Loader
    source: str = ""


@dataclass(frozen=True)
class EvaluationResult:
    """What a trained model is worth on the test split.

    Attributes:
        results: numbers, in what JSON can hold.
        codes: codes, float32 (n, latent_dim), and labels, integer (n,), of a model that has any.
    """

    results: dict[str, Any]
    codes: tuple[np.ndarray, np.ndarray] | None = None


class Task(Protocol):
    """What a module that is a task has; `reconstruction` is one for any data set of the registry."""

    OPTIONS: Mapping[str, Any]
    """Parameters of this data set, beside those of `TRAINING` and of the model, and what kind of value each takes."""

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Raise a ValueError if options of the data set do not go together; nothing is read."""

    def load(self, parameters: Mapping[str, Any], folder: Path | None) -> SplitLoaders:
        """Make the loaders; without a folder, of the data set that is here, or of its stand-in."""

    def shape(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the model that follow from the data."""

    def compile_options(self, parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
        """Return loss and metrics, for `compile`."""

    def evaluate(self, model: keras.Model, test: Loader) -> EvaluationResult:
        """Measure a trained model."""


def task_of(parameters: Mapping[str, Any], where: Callable[[str], str] = lambda name: "") -> Task:
    """Find the task of an experiment, and see that it knows every parameter and can use its value.

    Args:
        parameters: of the experiment.
        where: returns where a parameter was set, for messages: `Run.where`.

    Raises:
        RunError: no such data set or model, a parameter that nobody knows, a value of a wrong kind or range, or options
            that do not go together.
    """
    parameters = catalogue.with_names_of_today(parameters)
    data, model = parameters["data"], parameters["model"]
    errors: Any = {"wrong": RunError, "unknown": UnknownRunError}
    validate({"data": data, "model": model}, {"data": str, "model": str}, where, **errors)
    modules = {name: card.task for name, card in fetch.registry().items() if card.task}
    if data not in modules:
        raise UnknownRunError(
            f"There are no runs on {data!r}{catalogue.meant(data, modules)}. Data sets: {', '.join(modules)}."
        )
    task: Task = import_module(modules[data])  # type: ignore[assignment]  # a module has what Task says
    with sensible():
        takes = dict.fromkeys(catalogue.options(model), Any)
    takes |= pick(kinds(*catalogue.BUILDERS[model]), *takes)
    known = {"data": str, "model": str, **takes, **task.OPTIONS, **kinds(Training)}
    validate(parameters, known, where, **errors)
    with sensible():
        task.check(parameters)
    return task


def build(parameters: Mapping[str, Any], task: Task) -> keras.Model:
    """Build the model of an experiment, not compiled.

    Raises:
        RunError: its options make no sense.
    """
    takes = catalogue.options(parameters["model"])
    options = {**TRAINING, **pick(task.shape(parameters), *takes), **parameters}
    with sensible():
        return catalogue.from_experiment(options, training={"data", *TRAINING, *task.OPTIONS})


def rehearse(run: Run) -> None:
    """Check every experiment of a run, and build every model that differs from others: what a job would do first.

    Raises:
        RunError: one of them cannot be trained.
    """
    built = set()
    for experiment in run.experiments:
        parameters = experiment.parameters
        task = task_of(parameters, run.where)
        made = {name: value for name, value in parameters.items() if name not in TRAINING.keys() | SPLIT.keys()}
        if (key := json.dumps(made, sort_keys=True)) not in built:
            build(parameters, task)
            built.add(key)
    keras.utils.clear_session()


def taking(model: keras.Model, batches: Loader) -> keras.Model:
    """Return a model that takes the batches of a loader.

    Args:
        model: that takes images.
        batches: of images, or of compact patches: their source says in `finishing` how images are made of them.

    Returns:
        The model itself, or one with the same weights that finishes compact patches first.
    """
    finishing = getattr(batches.source, "finishing", None)
    if finishing is None or isinstance(model, CompactInput) or isinstance(getattr(model, "input", None), dict):
        return model
    return CompactInput(model, CompactToFloat(**finishing))


@contextmanager
def sensible() -> Iterator[None]:
    """Raise what cannot be done with the parameters, in the words of who found out.

    Raises:
        RunError: in place of a ValueError or TypeError.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        in_bold = re.search("\x1b\\[1m(.+?)\x1b\\[0m", str(error), re.DOTALL)  # how Keras shows what a layer said
        raise RunError(in_bold[1].strip() if in_bold else str(error)) from error


def source(folder: Path, what: str) -> str:
    """Return which data a training saw; if they are made up, `STAND_IN` stands before it."""
    return f"{STAND_IN}, {what}" if is_stand_in(folder) else what


def pick(parameters: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Choose those of some parameters that are given.

    >>> pick({"fold": 1, "epochs": 2}, "fold", "split")
    {'fold': 1}
    """
    return {name: parameters[name] for name in names if name in parameters}
