"""Exact resume: a training that was killed goes on as if nothing had happened. Used by `course train`; lecture 13.

After each epoch everything that decides what comes next is written into one file, which is there whole or not at all:
weights, the optimizer's moments, the states of the random generators (dropout, samples of a VAE), the counters and the
best weights of early stopping, and the history. (Keras' BackupAndRestore leaves out the last three, and so continues
another training.) The order of the data needs no file: it is a function of seed and epoch.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from helpers.backend import keras
from helpers.errors import CourseError
from helpers.experiments import differing
from helpers.files import atomic_write
from helpers.models import Autoencoder

# What each callback would have to remember, in numbers; `best_weights` is kept as arrays.
COUNTERS = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch"),
    "ReduceLROnPlateau": ("wait", "best", "cooldown_counter"),
}
EARLIER = {"training_loop": 1}  # what a file of earlier code does not say of its training
PLACES = {"module", "registered_name", "build_config"}  # parts of a configuration that say where code is found


class ResumeError(CourseError):
    """A training cannot go on, or cannot be kept on disk. The message says what to do."""


class Resume(keras.callbacks.Callback):
    """Keep a training on disk after each epoch, and begin where an earlier process stopped.

    List it after all other callbacks, and give `fit` what it found:
    `fit(..., initial_epoch=resume.epoch, epochs=resume.last_epoch(epochs), callbacks=[*others, resume])`.

    Args:
        path: the file, `….npz`.
        identity: what makes this training this one, in values that JSON can hold. A file of another one is refused.
        others: callbacks that have a memory of their own; see `COUNTERS`.
        write: whether this process writes; of several workers one does.
        fresh: whether to begin anew, whatever is in the file.

    Attributes:
        epoch: number of epochs that are done.
        history: one list per quantity, one number per epoch, from the first on.
        seconds: that training has taken so far, all processes together.

    Raises:
        ResumeError: the file belongs to another training, or is none.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        *,
        others: Sequence[keras.callbacks.Callback] = (),
        write: bool = True,
        fresh: bool = False,
    ) -> None:
        super().__init__()
        self.path, self.others, self.writes = path, list(others), write
        self.identity = json.loads(json.dumps(identity))
        self.history: dict[str, list[float]] = {}
        self.epoch, self.seconds, self._stopped = 0, 0.0, False
        self._made: dict[str, Any] = {}
        self._found = None if fresh else _read(path)
        if self._found:
            self._take_over(self._found)

    def check_model(self, model: keras.Model) -> None:
        """Check that a model is made as the one that the file belongs to, so far as the file says.

        Raises:
            ResumeError: it is not; the message names what differs.
        """
        self._made = configuration(model)
        if self._found and self._found["about"].get("model"):  # earlier code did not say
            self._check(self._found["about"]["model"], self._made)

    def last_epoch(self, epochs: int) -> int:
        """Return `epochs` for `fit`: none is left where early stopping had ended the training."""
        return self.epoch if self._stopped else epochs

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Put everything back, after the other callbacks have set themselves to their beginning."""
        self._began = time.monotonic()
        variables = self._variables()  # builds the optimizer, without which TensorFlow would trace the first step twice
        if self._found is None:
            return
        for name, group in variables.items():
            for number, variable in enumerate(group):
                variable.assign(self._found[f"{name}_{number}"])
        for callback in self.others:
            _restore(callback, self._found)
        self._found = None  # as large as the model

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write.

        Raises:
            ResumeError: the disk is full or cannot be written. What was written before is still there.
        """
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(float(value))
        self.epoch = epoch + 1
        now = time.monotonic()
        self.seconds, self._began = self.seconds + now - self._began, now
        self._unite()
        if self.writes:
            self._write()

    def _unite(self) -> None:
        """Give all devices the same numbers: each has averages of its own for batch normalisation, and one is kept."""
        strategy = getattr(self.model, "distribute_strategy", None)
        if strategy is not None and strategy.num_replicas_in_sync > 1:
            for variable in self.model.non_trainable_variables:
                variable.assign(keras.ops.convert_to_numpy(variable))

    def _variables(self) -> dict[str, list[Any]]:
        """Return every variable of model (random generators included) and optimizer."""
        self.model.optimizer.build(self.model.trainable_variables)
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}

    def _take_over(self, found: Mapping[str, Any]) -> None:
        about = found["about"]
        earlier = {key: value for key, value in EARLIER.items() if key in self.identity}
        self._check(earlier | about["identity"], self.identity)
        self.epoch, self.history, self.seconds = about["epoch"], about["history"], about["seconds"]
        self._stopped = about["stopped"]

    def _check(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Check that what a training has begun with is what it goes on with."""
        if keys := differing(begun, now):
            told = f"{_said(begun, keys[0])}; this one has {_said(now, keys[0])}"
            more = f" ({len(keys) - 1} more differ)" if len(keys) > 1 else ""
            raise ResumeError(
                f"{self.path.parent} holds a training that has begun with {told}{more}. Make it as it was, or begin "
                "anew: --fresh, or remove that folder."
            )

    def _write(self) -> None:
        arrays: dict[str, Any] = {**self._arrays(), "about": np.array(json.dumps(self._about()))}
        try:
            with atomic_write(self.path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())  # should the machine fail right after the rename
        except OSError as error:
            raise ResumeError(
                f"epoch {self.epoch} could not be kept in {self.path.parent}: {error.strerror or error}. What was kept "
                "before is still there: make room (or name another folder in COURSE_EXPERIMENTS) and run this again."
            ) from error

    def _arrays(self) -> dict[str, np.ndarray]:
        found = {
            f"{name}_{number}": keras.ops.convert_to_numpy(variable)
            for name, variables in self._variables().items()
            for number, variable in enumerate(variables)
        }
        for callback in self.others:
            found |= _best_weights(callback)
        return found

    def _about(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "model": self._made,
            "epoch": self.epoch,
            "history": self.history,
            "seconds": self.seconds,
            "stopped": bool(self.model.stop_training),
            "callbacks": {type(callback).__name__: _counters(callback) for callback in self.others},
        }


def configuration(model: keras.Model) -> dict[str, Any]:
    """Return how a model is made: each setting of its layers, and the shapes of its variables.

    Layers go by their kind and number, for Keras counts on in the names that it gives: a second model in a process has
    other ones. What a subclass without `get_config` does is known by its variables alone.
    """
    try:
        settings = model.get_config()
    except NotImplementedError:
        settings = {}
    # what earlier code has begun with a model of Keras' own class goes on with ours
    kind = "Functional" if isinstance(model, Autoencoder) else type(model).__name__
    config = json.loads(json.dumps({"class_name": kind, "config": settings}, default=repr))
    calls: dict[str, str] = {}
    for kind, name in _layers(config):
        calls.setdefault(name, f"{kind} {len(calls)}")
    shapes = {f"variable {number}: shape": list(variable.shape) for number, variable in enumerate(model.variables)}
    return dict(_settings(config, calls)) | shapes


def _layers(config: Any) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each layer in a configuration."""
    own = config.get("config") if isinstance(config, Mapping) else None
    if isinstance(own, Mapping) and "name" in own and config["class_name"] != "DTypePolicy":
        yield str(config["class_name"]), str(own["name"])
    parts = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    for part in parts:
        yield from _layers(part)


def _settings(config: Any, calls: Mapping[str, str], where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting in a configuration with where it stands, such as ("Dropout 3: rate", 0.2)."""
    if isinstance(config, Mapping):
        if isinstance(own := config.get("config"), Mapping) and own.get("name") in calls:
            # parts of a model may have layers of one name
            where = f"{where.rpartition(':')[0]} / {calls[own['name']]}:".removeprefix(" / ")
        for key, value in config.items():
            if key not in PLACES and not (key == "name" and value in calls):
                yield from _settings(value, calls, where if key in ("config", "layers") else f"{where} {key}")
    elif isinstance(config, list):
        for number, part in enumerate(config):
            yield from _settings(part, calls, f"{where} {number}")
    elif isinstance(config, str):
        yield where.strip(), calls.get(config, re.sub(r" at 0x\w+", "", config))
    else:
        yield where.strip(), config


def _said(identity: Mapping[str, Any], key: str) -> str:
    return f"{key} = {identity[key]!r}" if key in identity else f"no {key}"


def _counters(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return what a callback remembers in numbers."""
    values = {name: getattr(callback, name) for name in COUNTERS.get(type(callback).__name__, ())}
    return {name: value if value is None or isinstance(value, int) else float(value) for name, value in values.items()}


def _best_weights(callback: keras.callbacks.Callback) -> dict[str, np.ndarray]:
    return {f"best_{number}": array for number, array in enumerate(getattr(callback, "best_weights", None) or ())}


def _restore(callback: keras.callbacks.Callback, found: Mapping[str, Any]) -> None:
    """Give a callback its memory back."""
    for name, value in found["about"]["callbacks"].get(type(callback).__name__, {}).items():
        setattr(callback, name, value)
    if hasattr(callback, "best_weights") and "best_0" in found:
        count = sum(name.startswith("best_") for name in found)
        callback.best_weights = [found[f"best_{number}"] for number in range(count)]


def _read(path: Path) -> dict[str, Any] | None:
    """Read the file, if there is one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            found: dict[str, Any] = dict(archive)
        return {**found, "about": json.loads(str(found["about"]))}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:  # TypeError: a `.npy`
        raise ResumeError(f"{path} cannot be read ({error}). Remove it to begin anew.") from error
