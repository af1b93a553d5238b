"""What students bring from a cluster is judged by what it holds, and runs no code of theirs."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.grading import artefacts
from helpers.grading.checks import Mismatch


@pytest.fixture
def one(tmp_path) -> Path:
    """Write one experiment as `./course train` does: 90 of 100 labelled pixels are right, 50 have no label."""
    confusion = np.zeros((7, 7), int)
    confusion[2, 2], confusion[3, 2], confusion[0, 2] = 90, 10, 50
    folder = tmp_path / "run" / "fold=3"
    folder.mkdir(parents=True)
    record = {"parameters": {"fold": 3}, "defaults": {"filters": [4, 6], "fold": 0}}
    (folder / "parameters.json").write_text(json.dumps(record))
    (folder / "results.json").write_text(json.dumps({"accuracy": 0.9, "confusion": confusion.tolist()}))
    return folder


def test_an_experiment_is_read_with_the_accuracy_of_its_matrix(one):
    [found] = artefacts.read_run(one.parent)
    assert (found.fold, found.filters, found.accuracy) == (3, (4, 6), 0.9)
    assert found.confusion.sum() == 150


def test_a_folder_without_experiments_is_told(tmp_path):
    with pytest.raises(Mismatch, match=r"expected: folders with parameters.json"):
        artefacts.read_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "JSONDecodeError"),
        ("{}", "KeyError"),
        ("[]", "TypeError"),
        ('{"accuracy": 0.9, "confusion": [[1]]}', "ValueError"),
        ('{"accuracy": "high", "confusion": []}', "ValueError"),
    ],
)
def test_results_that_are_no_results_are_told(one, text, said):
    (one / "results.json").write_text(text)
    with pytest.raises(Mismatch, match=said):
        artefacts.read_run(one.parent)


def test_an_accuracy_that_is_not_that_of_its_matrix_is_told(one):
    results = json.loads((one / "results.json").read_text())
    (one / "results.json").write_text(json.dumps({**results, "accuracy": 0.95}))
    with pytest.raises(Mismatch, match=r"0\.9500 beside a confusion matrix that has 0\.9000"):
        artefacts.read_run(one.parent)


def test_a_model_is_loaded(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(tmp_path / "model.keras")
    assert artefacts.load_model(tmp_path / "model.keras").count_params() == 9


def test_a_model_with_code_in_it_is_refused(tmp_path):
    code = keras.layers.Lambda(lambda x: x + 1, output_shape=(2,))
    keras.Sequential([keras.Input((2,)), code]).save(tmp_path / "model.keras")
    with pytest.raises(Mismatch, match="expected: a model that Keras can load"):
        artefacts.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_file_that_is_no_model_is_told(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(Mismatch, match=r"model\.keras"):
        artefacts.load_model(tmp_path / "model.keras")


def test_a_model_that_is_too_large_is_refused(tmp_path):
    with (tmp_path / "model.keras").open("wb") as file:
        file.truncate(artefacts.LARGEST_MODEL + 1)
    with pytest.raises(Mismatch, match="got:      20,000,001 bytes"):
        artefacts.load_model(tmp_path / "model.keras")
