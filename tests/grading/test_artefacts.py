"""What students bring from a cluster is judged by what it holds, and runs no code of theirs."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.grading import artefacts
from helpers.grading.checks import Mismatch
from helpers.models import unet


@pytest.fixture
def one(tmp_path) -> Path:
    """Write one experiment as `./course train` does: 90 of 100 labelled pixels are right, 50 have no label."""
    return write(tmp_path / "run" / "fold=3", fold=3, right=60)


def write(folder: Path, *, fold: int, right: int, filters: tuple[int, ...] = (4, 6)) -> Path:
    """Write an experiment that was tested on 60 pixels of class 2, 40 of class 3 and 50 without a label."""
    confusion = np.zeros((7, 7), int)
    confusion[2, 2], confusion[3, 3], confusion[3, 2], confusion[0, 2] = right, 30, 10, 50
    confusion[2, 4] = 60 - right
    folder.mkdir(parents=True)
    record = {"parameters": {"fold": fold, "filters": filters}, "defaults": {"filters": [1], "fold": 0}}
    (folder / "parameters.json").write_text(json.dumps(record))
    results = {"accuracy": (right + 30) / 100, "confusion": confusion.tolist()}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def trained(*filters: int) -> keras.Model:
    """Build a U-Net as `./course train` does, and train it for a step."""
    model = unet.build_unet(3, input_shape=(None, None, 2), filters=filters)
    model.compile(loss="mse")
    model.train_on_batch(np.ones((1, 8, 8, 2)), np.ones((1, 8, 8, 3)))
    return model


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


def test_experiments_of_one_fold_are_tested_on_the_same_pixels(one):
    write(one.parent / "deep,fold=3", fold=3, right=60, filters=(4, 6, 8))
    other = write(one.parent / "fold=4", fold=4, right=55)
    results = json.loads((other / "results.json").read_text())
    results["confusion"][5][2] = 7  # fold 4 has other pixels than fold 3
    (other / "results.json").write_text(json.dumps({**results, "accuracy": 85 / 107}))
    assert [found.fold for found in artefacts.read_run(one.parent)] == [3, 3, 4]


def test_made_up_matrices_with_pixels_of_their_own_are_told(one):
    deep = write(one.parent / "deep,fold=3", fold=3, right=60, filters=(4, 6, 8))
    results = json.loads((deep / "results.json").read_text())
    results["confusion"][2][2], results["confusion"][3][2] = 65, 5  # more pixels are right, and of another class
    (deep / "results.json").write_text(json.dumps({**results, "accuracy": 0.95}))
    with pytest.raises(Mismatch, match=r"the test pixels of fold 3\n.*\n.*\(50, 0, 60, 40.* and \(50, 0, 65, 35"):
        artefacts.read_run(one.parent)


@pytest.mark.slow
@pytest.mark.parametrize("filters", [(4, 6), (4, 4)])
def test_a_trained_model_is_loaded(tmp_path, filters):
    folder = write(tmp_path / "fold=0", fold=0, right=60, filters=filters)
    model = trained(*filters)
    model.save(folder / "model.keras")
    assert artefacts.load_model(folder / "model.keras").count_params() == model.count_params()


@pytest.mark.slow
def test_a_model_of_another_depth_than_its_folder_is_told(one):
    trained(4, 6, 8).save(one / "model.keras")
    with pytest.raises(Mismatch, match=r"expected: the filters of its experiment, \(4, 6\)\n  got:      \(4, 6, 8\)"):
        artefacts.load_model(one / "model.keras")


def test_a_model_that_was_never_trained_is_told(one):
    unet.build_unet(3, input_shape=(None, None, 2), filters=(4, 6)).save(one / "model.keras")
    with pytest.raises(Mismatch, match="expected: a model that was trained"):
        artefacts.load_model(one / "model.keras")


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
