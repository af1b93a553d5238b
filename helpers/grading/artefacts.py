"""What students bring from a cluster: the records of a run and one model. They are judged, never trained again."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.backend import keras
from helpers.grading.checks.messages import mismatch

LARGEST_MODEL = 20_000_000  # bytes
READ = "lecture 13; ./course train lectures/runs/land_cover.toml, then copy the run's folder"


class Trained(NamedTuple):
    """One experiment of a run.

    Attributes:
        fold: that it was tested on.
        filters: of its levels, which tell how deep it is.
        accuracy: on the labelled pixels of the test patches, as its confusion matrix has it.
        confusion: int64, (7, 7), pixels by true and predicted class; class 0 is no data.
    """

    fold: int
    filters: tuple[int, ...]
    accuracy: float
    confusion: np.ndarray


def read_run(folder: Path | str) -> list[Trained]:
    """Read every experiment of a run: `parameters.json` and `results.json` in folders below.

    Raises:
        Mismatch: there is none, a file is not what `./course train` writes, or an accuracy is not that of its matrix.
    """
    paths = sorted(Path(folder).glob("*/parameters.json"))
    if not paths:
        raise mismatch("your results", expected="folders with parameters.json", got=f"none in {folder}", read=READ)
    return [_read(path.parent) for path in paths]


def load_model(path: Path | str) -> keras.Model:
    """Load a model that somebody else made, without running any code that is in it.

    Raises:
        Mismatch: it is not there, is larger than 20 MB, or is no such model.
    """
    size = Path(path).stat().st_size if Path(path).exists() else 0
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
        found = Trained(int(parameters["fold"]), tuple(parameters["filters"]), _accuracy(matrix), matrix)
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
