"""Trained models on disk, found again by the parameters that made them. Used by lectures 03 and 08.

    experiments/RUN/NAME/   model.keras  encoder.keras  decoder.keras  history.csv  parameters.json  codes.npz

NAME tells the parameters that differ from the run's defaults, as in `latent_dim=4,l1=1e-05`. Every file is of a plain
format; none is a pickle. A folder appears only when everything in it is written.
"""

import csv
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.backend import keras
from helpers.models import catalogue  # noqa: F401 - makes the course's own models known to load_model

Value = Any  # str, int, float, bool, None or a list of these: what JSON can say
PARTS = ("encoder", "decoder")


def experiments_folder() -> Path:
    """Return where runs are kept: `COURSE_EXPERIMENTS`, or `experiments/` beside the package."""
    default = Path(__file__).resolve().parents[1] / "experiments"
    return Path(os.environ.get("COURSE_EXPERIMENTS") or default).expanduser()


@dataclass(frozen=True)
class Experiment:
    """One training, known by its run and its parameters.

    Args:
        run: name of a group of experiments that are compared; letters, digits, `_`, `.` and `-`.
        parameters: what this experiment sets; values that JSON can hold (tuples become lists).
        defaults: what the experiments of this run share unless they say otherwise. Not repeated in the name.

    Raises:
        ValueError: a name that is no folder name, or a value that JSON cannot hold.

    >>> Experiment("depth", {"latent_dim": 4, "hidden": (128, 64)}, defaults={"latent_dim": 32, "epochs": 5}).name
    'hidden=128-64,latent_dim=4'
    """

    run: str
    parameters: Mapping[str, Value]
    defaults: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]*\w[\w.-]*", self.run):
            raise ValueError(f"A run is named by letters, digits, '_', '.' and '-'; received {self.run!r}.")
        defaults = _plain(self.defaults)
        object.__setattr__(self, "defaults", defaults)
        object.__setattr__(self, "parameters", {**defaults, **_plain(self.parameters)})

    @property
    def name(self) -> str:
        """The parameters that differ from the defaults, sorted by name; "defaults" if none does."""
        differing = sorted(_differing(self.parameters, self.defaults))
        return ",".join(f"{key}={_short(self.parameters[key])}" for key in differing) or "defaults"

    @property
    def folder(self) -> Path:
        """Where this experiment is kept."""
        return experiments_folder() / self.run / self.name

    def save(
        self,
        model: keras.Model,
        history: Mapping[str, Sequence[float]],
        *,
        codes: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Path:
        """Write everything into `folder`, in place of an earlier training with the same parameters.

        Args:
            model: an autoencoder with the parts "encoder" and "decoder".
            history: one list per quantity, one number per epoch: `fit(...).history`.
            codes: the codes, float32 (n, latent_dim), and their labels, integer (n,), to keep as well.

        Returns:
            The folder.

        Raises:
            FileExistsError: the folder holds an experiment with other parameters.
            ValueError: as many labels as codes are wanted, and there are not.
        """
        self._refuse_other_parameters()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.folder.with_name(f".unfinished-{os.getpid()}-{self.name}")
        temporary.mkdir()
        try:
            self._write(temporary, model, history)
            if codes is not None:
                _write_codes(temporary / "codes.npz", *codes)
            _swap(temporary, self.folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return self.folder

    def load(self, part: str = "model") -> keras.Model:
        """Load the whole autoencoder, or its part "encoder" (images to codes) or "decoder" (codes to images)."""
        return keras.saving.load_model(self._file(f"{part}.keras"))

    def history(self) -> dict[str, list[float]]:
        """Read the history: one list per quantity, one number per epoch."""
        with self._file("history.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {key: [float(row[key]) for row in rows] for key in rows[0] if key != "epoch"}

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the codes, float32 (n, latent_dim), and their labels, integer (n,)."""
        with np.load(self._file("codes.npz"), allow_pickle=False) as archive:
            return archive["codes"], archive["labels"]

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if path.exists():
            return path
        if self.folder.exists():
            found = ", ".join(sorted(p.name for p in self.folder.iterdir()))
            raise FileNotFoundError(f"{self.folder} has no {name}; it has {found}. Save the experiment again with it.")
        raise FileNotFoundError(
            f"No experiment {self.name!r} in run {self.run!r}. {_known_experiments(self.run)} Train it and call save()."
        )

    def _write(self, folder: Path, model: keras.Model, history: Mapping[str, Sequence[float]]) -> None:
        model.save(folder / "model.keras")
        for part in PARTS:
            model.get_layer(part).save(folder / f"{part}.keras")
        _write_history(folder / "history.csv", history)
        record = {"parameters": self.parameters, "defaults": self.defaults}
        (folder / "parameters.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _refuse_other_parameters(self) -> None:
        if not self.folder.exists():
            return
        differing = _differing(_read(self.folder).parameters, self.parameters)
        if differing:
            raise FileExistsError(
                f"{self.folder} holds an experiment that differs in {', '.join(sorted(differing))}, because the "
                f"defaults of run {self.run!r} have changed. Give the run another name, or remove that folder."
            )


def load_experiments(run: str, where: Mapping[str, Value] | None = None) -> list[Experiment]:
    """Find the experiments of a run, by their parameters if wanted.

    Args:
        run: the name under which they were saved.
        where: parameters that must have exactly these values, such as `{"latent_dim": 4}`.

    Returns:
        The experiments, sorted by name; never an empty list.

    Raises:
        LookupError: no such run, no such parameter, or no experiment with that value. The message says which there are.
    """
    folder = experiments_folder() / run
    found = [_read(path.parent) for path in sorted(folder.glob("[!.]*/parameters.json"))]
    if not found:
        raise LookupError(f"No run {run!r} in {experiments_folder()}. {_known_runs()}")
    wanted = _plain(where or {})
    for key in wanted:
        _check_known(key, wanted[key], found, run)
    chosen = [e for e in found if all(key in e.parameters and e.parameters[key] == wanted[key] for key in wanted)]
    if not chosen:
        raise LookupError(f"No experiment in run {run!r} has all of {wanted}. {_known_experiments(run)}")
    return chosen


def _check_known(key: str, value: Value, experiments: Sequence[Experiment], run: str) -> None:
    values = {json.dumps(e.parameters[key]) for e in experiments if key in e.parameters}
    if not values:
        keys = sorted({key for e in experiments for key in e.parameters})
        raise LookupError(f"No experiment in run {run!r} has a parameter {key!r}. There are: {', '.join(keys)}.")
    if json.dumps(value) not in values:
        raise LookupError(
            f"No experiment in run {run!r} has {key}={json.dumps(value)}. There are: {', '.join(sorted(values))}."
        )


def _read(folder: Path) -> Experiment:
    record = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    return Experiment(folder.parent.name, record["parameters"], record["defaults"])


def _known_runs() -> str:
    runs = sorted({path.parent.parent.name for path in experiments_folder().glob("*/[!.]*/parameters.json")})
    return f"There are: {', '.join(runs)}." if runs else "There is none yet: train a model and call Experiment.save()."


def _known_experiments(run: str) -> str:
    names = sorted(p.parent.name for p in (experiments_folder() / run).glob("[!.]*/parameters.json"))
    return f"There are: {'; '.join(names)}." if names else _known_runs()


def _plain(parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters as JSON gives them back, or say which one JSON cannot hold."""
    plain = {}
    for key, value in parameters.items():
        try:
            plain[key] = json.loads(json.dumps(value))
        except TypeError as error:
            raise ValueError(
                f"Parameter {key!r} is a {type(value).__name__}, which parameters.json cannot hold. "
                "Use a number, a text, True, False, None or a list of these."
            ) from error
    return plain


def _differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    """List the parameters that only one side has, or that have another value there."""
    missing = object()
    return [key for key in {**one, **other} if one.get(key, missing) != other.get(key, missing)]


def _short(value: Value) -> str:
    """Write a value as part of a folder name."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"[^\w.+-]+", "_", text)


def _write_codes(path: Path, codes: np.ndarray, labels: np.ndarray) -> None:
    if len(codes) != len(labels):
        raise ValueError(f"Every code has one label, but there are {len(codes)} codes and {len(labels)} labels.")
    np.savez_compressed(path, codes=codes, labels=labels)


def _write_history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history])
        writer.writerows([epoch, *row] for epoch, row in enumerate(zip(*history.values(), strict=True), start=1))


def _swap(new: Path, target: Path) -> None:
    """Put a finished folder in place of an earlier one, which is kept until then."""
    if not target.exists():
        new.rename(target)
        return
    old = target.rename(target.with_name(f".replaced-{os.getpid()}-{target.name}"))
    new.rename(target)
    shutil.rmtree(old)
