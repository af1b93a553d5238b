"""What a run file may ask for: a module that the data card names loads and evaluates. Used by `course train`.

Data of your own are the task `OwnData`: what a function of yours returns is classified, segmented, predicted or
reconstructed, as follows from the labels. docs/own_model.md is the contract.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from helpers.backend import keras
from helpers.data import DataError, fetch
from helpers.data.sources import check_finite
from helpers.data.splits import Split
from helpers.data.stand_in import is_stand_in
from helpers.data.streaming import Arrays, Loader, SampleRng, Samples, Source, Spec, as_dataset
from helpers.errors import message_of
from helpers.experiments.own_code import EXAMPLE, Own, OwnCodeError, OwnFunction, own_functions
from helpers.experiments.run_file import STAND_IN, Run, RunError, UnknownRunError, home_of
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
SIDES = ("train", "validation", "test")
Kind = Literal["classification", "segmentation", "regression", "reconstruction"]
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
    task: Task = OwnData(own["data"]) if "data" in own else _registered(data)
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
    for side, other in task.shapes(parameters).items() if isinstance(task, OwnData) else ():
        try:
            model(keras.KerasTensor((None, *other), "float32"))
        except Exception as error:
            raise OwnCodeError(
                f'the model {name} takes samples of shape {tuple(shape)}, and those for "{side}" have {tuple(other)}: '
                f"{message_of(error)}"
            ) from error


def _tell_unloadable(model: keras.Model, function: OwnFunction) -> None:
    """Print why a model of your own could not be loaded once it is saved; nothing if it can be."""
    try:
        saved = keras.saving.serialize_keras_object(model)
        keras.saving.deserialize_keras_object(saved, custom_objects=function.objects)
    except Exception as error:  # of Keras, or of the code
        why = f"{type(error).__name__}: {message_of(error)}".strip().splitlines()[-1]  # Keras tells all before it
        print(
            f"{function.name}: this model can be trained and saved, and not loaded again. {why}\nA class needs "
            "get_config for what its __init__ takes, and stands by itself in its file, as docs/own_model.md has it.",
            file=sys.stderr,
        )


def _fits(found: Sequence[int | None], wanted: Sequence[int | None], *, either: bool = False) -> bool:
    """Return whether two shapes may be one: None and -1 are any length; with `either` so is the 1 of two classes."""
    any_length = {None, -1}
    same = len(found) == len(wanted) and all(
        a == b or a in any_length or b in any_length for a, b in zip(found[:-1], wanted[:-1], strict=True)
    )
    last = not found or found[-1] == wanted[-1] or any_length & {found[-1], wanted[-1]}
    return bool(same and (last or (either and found[-1] == 1)))


def rehearse(run: Run, folder: Path | None = None) -> str:
    """Check every experiment of a run, build every model that differs from others, and read a batch of the data.

    A job would do that first. Data that are not here are not read: jobs may find them elsewhere.

    Args:
        run: the run.
        folder: of the data; by default where they are found.

    Returns:
        How many models were built and batches read, in a sentence.

    Raises:
        RunError: one of them cannot be trained.
        DataError: the data are broken, or too few.
    """
    built, opened, told = set(), set(), set()
    for experiment in run.experiments:
        parameters = experiment.parameters
        own = own_functions(parameters, experiment.beside)
        task = task_of(parameters, run.where, own)
        aside = (TRAINING.keys() | SPLIT.keys()).difference(*(function.takes for function in own.values()))
        made = {name: value for name, value in parameters.items() if name not in aside}
        if (key := json.dumps(made, sort_keys=True)) not in built:
            model = build(parameters, task, own)
            built.add(key)
            if "model" in own and own["model"].name not in told:  # once for a file, not for each of its widths
                told.add(own["model"].name)
                _tell_unloadable(model, own["model"])
        asked = {name: value for name, value in parameters.items() if name in {*task.OPTIONS, "data", "batch_size"}}
        if (key := json.dumps(asked, sort_keys=True)) not in opened and (
            folder or "data" in own or fetch.find(parameters["data"])
        ):
            with sensible():
                next(iter(task.load({**TRAINING, **parameters}, folder).validation))
            opened.add(key)
    keras.utils.clear_session()
    read = f"{len(opened)} {'batches were' if len(opened) > 1 else 'batch was'} read" if opened else "no data are here"
    return f"{len(built)} {'models were' if len(built) > 1 else 'model was'} built, and {read}."


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


# ---- data of your own ----


class OwnData:
    """The task of data of your own.

    Args:
        function: that returns a source for each of `SIDES`.

    Attributes:
        OPTIONS: what the function takes.
    """

    def __init__(self, function: OwnFunction) -> None:
        self.function = function
        kinds = function.kinds
        self.OPTIONS: Mapping[str, Any] = kinds | ({"folder": str} if "folder" in kinds else {})
        self._folder: Path | None = None
        self._opened: tuple[dict[str, Any], dict[str, _Checked]] | None = None

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Nothing is known of how options go together."""

    def load(self, parameters: Mapping[str, Any], folder: Path | None) -> SplitLoaders:
        """Make loaders of (samples, labels), or of (samples, samples) where there are no labels.

        Args:
            parameters: of the experiment.
            folder: of the data, for a function that takes `folder`; by default what the run file says under `folder`,
                beside it.

        Raises:
            OwnCodeError: the function fails, or returns something else than sources.
            DataError: the first sample of a side is broken.
        """
        self._folder = folder
        sides = self._open(parameters)
        for side in sides.values():
            side.look()
        options = pick(parameters, "batch_size")
        about = [f"{len(side)} {name}" for name, side in sides.items()]
        if version := sides["train"].version:
            about.append(f"version {version}")
        return SplitLoaders(
            Loader(sides["train"], shuffle=True, drop_remainder=True, **options, **pick(parameters, "seed")),
            Loader(sides["validation"], **options),
            Loader(sides["test"], **options),
            f"{self.function.name}: {', '.join(about)}",
        )

    def shape(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the shape of a sample and, where there are classes, their number."""
        source = self._open(parameters)["train"]
        classes = {} if source.num_classes is None else {"num_classes": source.num_classes}
        return {"input_shape": source.x.shape, **classes}

    def outputs(self, parameters: Mapping[str, Any]) -> Shape:
        """Return what shape a model gives for a sample: a share for each class, values, or the sample again."""
        source = self._open(parameters)["train"]
        if source.y is None:
            return source.x.shape
        if source.kind == "regression":
            return source.y.shape or (1,)
        return (*source.y.shape, source.num_classes or -1)

    def shapes(self, parameters: Mapping[str, Any]) -> dict[str, Shape]:
        """Return the shape of a sample of each side, where it is not that of those to train on."""
        sides = self._open(parameters)
        return {name: side.x.shape for name, side in sides.items() if side.x.shape != sides["train"].x.shape}

    def compile_options(self, parameters: Mapping[str, Any], training: Loader) -> dict[str, Any]:
        """Return loss and metrics for a model that is not compiled.

        Returns:
            Cross-entropy of probabilities, and accuracy, for classes of samples or pixels; the mean squared error, and
            for values "mae" as well.
        """
        kind = self._open(parameters)["train"].kind
        if kind in ("classification", "segmentation"):
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
            return {"loss": keras.losses.SparseCategoricalCrossentropy(), "metrics": metrics}
        return {"loss": "mse"} | ({"metrics": ["mae"]} if kind == "regression" else {})

    def evaluate(self, model: keras.Model, test: Loader) -> EvaluationResult:
        """Measure a model on the test side.

        Returns:
            "accuracy" for classes, with "mean_iou" for those of pixels; else "mae", the mean absolute error of a
            number. Of a model that came compiled also what it measures itself, as "test loss" and so on.
        """
        kind = getattr(test.source, "kind", "reconstruction")
        seen = [(y, np.asarray(model.predict_on_batch(x))) for x, y in test]
        own = model.evaluate(as_dataset(test), return_dict=True, verbose=0) if model.compiled else {}
        told = {f"test {name}": float(np.mean(value)) for name, value in own.items()}
        if kind in ("classification", "segmentation"):
            pairs = [(y, p.argmax(-1) if p.shape[-1] > 1 else (p[..., 0] > 0.5).astype(y.dtype)) for y, p in seen]
            return EvaluationResult({**_scores(pairs, with_iou=kind == "segmentation"), **told})
        errors = [np.abs(p.reshape(y.shape) - y).reshape(len(y), -1).mean(axis=1) for y, p in seen]
        return EvaluationResult({"mae": float(np.concatenate(errors).mean()), **told})

    def _open(self, parameters: Mapping[str, Any]) -> dict[str, "_Checked"]:
        """Call the function, once for the same options."""
        options = pick({**TRAINING, **parameters}, *self.function.takes)
        if "folder" in self.function.takes:
            home = home_of(self.function.beside / "run.toml")  # of a frozen one, the folder of the file itself
            options["folder"] = (
                self._folder or home / Path(os.path.expandvars(parameters.get("folder", "."))).expanduser()
            )
        if self._opened is None or self._opened[0] != options:
            self._opened = options, self._sides(self.function(**options))
        return self._opened[1]

    def _sides(self, returned: Any) -> dict[str, "_Checked"]:
        is_named = isinstance(returned, Mapping)
        if not is_named or set(returned) != set(SIDES):
            raise OwnCodeError(
                f'{self.function.name} must return a source for each of "train", "validation" and "test"; it returned '
                f"{'a dictionary of ' + ', '.join(map(str, returned)) if is_named else _type_of(returned)}. "
                "helpers.data.sources.split(source) splits one source by chance."
            )
        sides = {side: _Checked(returned[side], side, self.function) for side in SIDES}
        known = sides["train"]
        for side, found in sides.items():
            more = known.num_classes is not None and (found.num_classes or 0) > known.num_classes
            if found.kind != known.kind or more:
                raise OwnCodeError(
                    f'{self.function.name} gives {known.told} for "train", and {found.told} for "{side}". Labels of '
                    "all sides must be of one kind; num_classes=4 tells ArraySource of classes that a side has not."
                )
        return sides


class _Checked(Samples):
    """A source of yours, whose samples are checked: a bug or a broken sample is told with what it is about."""

    def __init__(self, source: Source, side: str, function: OwnFunction) -> None:
        self.source, self.side, self.function = source, side, function
        with function.explained():
            for name in ("arrays", "__len__", "name", "fill", "finish"):
                if not hasattr(source, name):
                    raise OwnCodeError(
                        f'{function.name} returns {_type_of(source)} for "{side}", which has no {name}: it is no '
                        "source. Take ArraySource or FolderSource of helpers.data.sources, or derive from "
                        "helpers.data.streaming.Samples."
                    )
            if not len(source):
                raise OwnCodeError(f'{function.name} returns a source without samples for "{side}".')
            self.arrays: dict[str, Spec] = dict(source.arrays)
            self.num_classes: int | None = getattr(source, "num_classes", None)
            self.version: str = str(getattr(source, "version", ""))
            parts = self._parts({name: np.empty((1, *s.shape), s.dtype) for name, s in self.arrays.items()})
        self.x = _spec(parts[0])
        self.y = None if parts[1] is None else _spec(parts[1])

    @property
    def kind(self) -> Kind:
        """What is to be learned."""
        if self.y is None:
            return "reconstruction"
        if np.dtype(self.y.dtype).kind not in "iu":
            return "regression"
        return "segmentation" if self.y.shape else "classification"

    @property
    def told(self) -> str:
        """What is to be learned, in words."""
        return self.kind if self.num_classes is None else f"{self.kind} into {self.num_classes} classes"

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        """Name a sample as the source does."""
        return self.source.name(index)

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read a sample, and check it.

        Raises:
            DataError: it is broken: a number is not finite, or a class out of range.
            OwnCodeError: the source fails.
        """
        with self.function.explained():
            self.source.fill(index, rng, out)
        check_finite(out, self.name(index))
        labels = self._parts({name: array[None] for name, array in out.items()})[1]
        if self.num_classes is None or labels is None or labels.dtype.kind not in "iu":
            return
        if labels.min() < 0 or labels.max() >= self.num_classes:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise DataError(
                f"{self.name(index)} has the label {wrong}, where {self.num_classes} classes go from 0 to "
                f"{self.num_classes - 1}."
            )

    def finish(self, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Return (samples, labels), or (samples, samples) without labels."""
        x, y = self._parts(arrays)
        return x, x if y is None else y

    def look(self) -> None:
        """Read the first sample, so that what is wrong with all of them is told before training begins."""
        self[0]

    def _parts(self, arrays: Arrays) -> tuple[np.ndarray, np.ndarray | None]:
        batch = self.source.finish(arrays)
        parts = batch if isinstance(batch, tuple) else (batch,)
        if len(parts) not in (1, 2) or not all(isinstance(part, np.ndarray) for part in parts):
            raise OwnCodeError(
                f'the source of {self.function.name} for "{self.side}" gives {len(parts)} arrays a batch, '
                f"{', '.join(self.arrays)}; it must give samples, or samples and labels."
            )
        return parts[0], parts[1] if len(parts) == 2 else None


def _spec(batch: np.ndarray) -> Spec:
    return Spec(batch.shape[1:], batch.dtype.name)


def _type_of(value: object) -> str:
    return "nothing (None)" if value is None else f"a {type(value).__name__}"


def _scores(pairs: list[tuple[np.ndarray, np.ndarray]], *, with_iou: bool) -> dict[str, float]:
    """Return the share of labels that are predicted, and the mean IoU of the classes that there are."""
    true, predicted = (np.concatenate([each[part].ravel() for each in pairs]) for part in (0, 1))
    found = {"accuracy": float((true == predicted).mean())}
    if with_iou:
        count = int(max(true.max(), predicted.max())) + 1
        matrix = np.bincount(true * count + predicted, minlength=count**2).reshape(count, count)
        union = matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
        found["mean_iou"] = float((np.diag(matrix)[union > 0] / union[union > 0]).mean())
    return found
