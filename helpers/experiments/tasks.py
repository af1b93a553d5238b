"""What a run file may ask for: a module that the data card names loads and evaluates. Used by `course train`."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from helpers.errors import message_of
from helpers.experiments.own_code import EXAMPLE, Own, OwnCodeError, OwnFunction, own_functions
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


Shape = tuple[int, ...]
TRAINING: dict[str, Any] = asdict(Training())
NOTHING: Own = {}
OWN_DATA = "helpers.experiments.own_data"  # by its name, as the modules that cards name: all of them need this one
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

    def outputs(self, parameters: Mapping[str, Any]) -> Shape | None:
        """Return what shape a model must give for a sample; -1 for an axis of any length, None for anything at all."""

    def compile_options(self, parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
        """Return loss and metrics, for `compile`."""

    def evaluate(self, model: keras.Model, test: Loader) -> EvaluationResult:
        """Measure a trained model."""


def task_of(parameters: Mapping[str, Any], where: Callable[[str], str] = lambda name: "", own: Own = NOTHING) -> Task:
    """Find the task of an experiment, and see that it knows every parameter and can use its value.

    Args:
        parameters: of the experiment.
        where: returns where a parameter was set, for messages: `Run.where`.
        own: functions that the parameters name: `own_functions`.

    Raises:
        RunError: no such data set or model, a parameter that nobody knows, a value of a wrong kind or range, or options
            that do not go together.
        OwnCodeError: a function of `own` cannot be loaded.
    """
    parameters = catalogue.with_names_of_today(parameters)
    data, model = parameters["data"], parameters["model"]
    errors: Any = {"wrong": RunError, "unknown": UnknownRunError}
    validate({"data": data, "model": model}, {"data": str, "model": str}, where, **errors)
    task: Task = import_module(OWN_DATA).OwnData(own["data"]) if "data" in own else _registered(data)
    if "model" in own:
        takes = own["model"].kinds
    else:
        with sensible():
            takes = dict.fromkeys(catalogue.options(model), Any)
        takes |= pick(kinds(*catalogue.BUILDERS[model]), *takes)
    known = {**takes, **task.OPTIONS, **kinds(Training), "data": str, "model": str}
    validate(parameters, known, where, **errors)
    with sensible():
        task.check(parameters)
    return task


def _registered(data: str) -> Task:
    modules = {name: card.task for name, card in fetch.registry().items() if card.task}
    if data not in modules:
        raise UnknownRunError(
            f"There are no runs on {data!r}{catalogue.meant(data, modules)}. Data sets: {', '.join(modules)}. For data "
            f"of your own: source = {EXAMPLE['data']!r}."
        )
    return import_module(modules[data])  # type: ignore[return-value]  # a module has what Task says


def build(parameters: Mapping[str, Any], task: Task, own: Own = NOTHING) -> keras.Model:
    """Build the model of an experiment; it is compiled if a function of your own has compiled it.

    Raises:
        RunError: its options make no sense.
        OwnCodeError: a function of `own` fails, or makes no model for these data.
    """
    options = {**TRAINING, **task.shape(parameters), **parameters}
    if "model" in own:
        model = own["model"](**pick(options, *own["model"].takes))
        if not isinstance(model, keras.Model):
            raise OwnCodeError(
                f"{own['model'].name} must return a model of Keras (keras.Model); it returned {_kind(model)}."
            )
        _check_compiled(own["model"], model, parameters)
    else:
        takes = catalogue.options(parameters["model"])
        options = {**TRAINING, **pick(task.shape(parameters), *takes), **parameters}
        with sensible():
            model = catalogue.from_experiment(options, training={"data", *TRAINING, *task.OPTIONS})
    if own:
        _check_shapes(model, parameters, task, own)
    return model


def _kind(value: object) -> str:
    return "None: its last line may lack a return" if value is None else f"a {type(value).__name__}"


def _check_compiled(function: OwnFunction, model: keras.Model, parameters: Mapping[str, Any]) -> None:
    """Check that a run file sets nothing that a model which is compiled passes over."""
    for name in ("learning_rate", "decay"):
        is_set = parameters.get(name, TRAINING[name]) != TRAINING[name]
        if model.compiled and is_set and name not in function.takes:
            raise OwnCodeError(
                f"{function.name} returns a compiled model, which has its own optimizer, and the run file sets {name}. "
                f"Leave one of the two out, or have the function take {name}."
            )


def _check_shapes(model: keras.Model, parameters: Mapping[str, Any], task: Task, own: Own) -> None:
    """Check that a model takes and gives what the data have; one that was not built yet is built by it."""
    name, shape = parameters["model"], task.shape(parameters).get("input_shape")
    if shape is None:
        return
    takes = getattr(model, "input_shape", None) if model.built else None
    if isinstance(takes, tuple) and not _fits(takes[1:], shape):
        raise OwnCodeError(
            f"the model {name} takes samples of shape {takes[1:]}, and those of {parameters['data']} have "
            f"{tuple(shape)}. A function that takes input_shape is told the shape of the data."
        )
    with own["model"].explained() if "model" in own else sensible():
        output = model(keras.KerasTensor((None, *shape), "float32"))
    wanted = task.outputs(parameters)
    if wanted is None:
        return
    gives = getattr(output, "shape", None)
    if gives is None or not _fits(gives[1:], wanted, either=model.compiled):
        told = f"shape {tuple(gives[1:])}" if gives is not None else "several arrays"
        raise OwnCodeError(
            f"the model {name} gives {told} for a sample, and {parameters['data']} wants "
            f"{str(tuple(wanted)).replace('-1', 'any')}. A function that takes num_classes is told how many classes "
            "there are; without labels a model gives what it takes."
        )


def _fits(found: Sequence[int | None], wanted: Sequence[int | None], *, either: bool = False) -> bool:
    """Return whether two shapes may be one: None and -1 are any length; with `either` so is the 1 of two classes."""
    any_length = {None, -1}
    same = len(found) == len(wanted) and all(
        a == b or a in any_length or b in any_length for a, b in zip(found[:-1], wanted[:-1], strict=True)
    )
    last = not found or found[-1] == wanted[-1] or any_length & {found[-1], wanted[-1]}
    return bool(same and (last or (either and found[-1] == 1)))


def rehearse(run: Run) -> None:
    """Check every experiment of a run, and build every model that differs from others: what a job would do first.

    Raises:
        RunError: one of them cannot be trained.
    """
    built = set()
    for experiment in run.experiments:
        parameters = experiment.parameters
        own = own_functions(parameters, experiment.beside)
        task = task_of(parameters, run.where, own)
        aside = (TRAINING.keys() | SPLIT.keys()).difference(*(function.takes for function in own.values()))
        made = {name: value for name, value in parameters.items() if name not in aside}
        if (key := json.dumps(made, sort_keys=True)) not in built:
            build(parameters, task, own)
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
        raise RunError(message_of(error)) from error


def source(folder: Path, what: str) -> str:
    """Return which data a training saw; if they are made up, `STAND_IN` stands before it."""
    return f"{STAND_IN}, {what}" if is_stand_in(folder) else what


def pick(parameters: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Choose those of some parameters that are given.

    >>> pick({"fold": 1, "epochs": 2}, "fold", "split")
    {'fold': 1}
    """
    return {name: parameters[name] for name in names if name in parameters}
