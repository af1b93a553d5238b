"""Runs on data of your own: what a function of yours returns is classified, segmented, predicted or reconstructed.

Which of these follows from the labels: classes of samples, classes of pixels, other numbers, or none.
docs/own_model.md is the contract.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers.backend import keras
from helpers.data import DataError
from helpers.data.sources import check_finite
from helpers.data.streaming import Arrays, Loader, SampleRng, Samples, Source, Spec, as_dataset
from helpers.experiments.own_code import OwnCodeError, OwnFunction
from helpers.experiments.run_file import home_of
from helpers.experiments.tasks import TRAINING, EvaluationResult, Shape, SplitLoaders, pick

SIDES = ("train", "validation", "test")
Kind = Literal["classification", "segmentation", "regression", "reconstruction"]


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
                f"{'a dictionary of ' + ', '.join(map(str, returned)) if is_named else _kind(returned)}. "
                "helpers.data.sources.split(source) splits one source by chance."
            )
        return {side: _Checked(returned[side], side, self.function) for side in SIDES}


class _Checked(Samples):
    """A source of yours, whose samples are checked: a bug or a broken sample is told with what it is about."""

    def __init__(self, source: Source, side: str, function: OwnFunction) -> None:
        self.source, self.side, self.function = source, side, function
        with function.explained():
            for name in ("arrays", "__len__", "name", "fill", "finish"):
                if not hasattr(source, name):
                    raise OwnCodeError(
                        f'{function.name} returns {_kind(source)} for "{side}", which has no {name}: it is no source. '
                        "Take ArraySource or FolderSource of helpers.data.sources, or derive from "
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


def _kind(value: object) -> str:
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
