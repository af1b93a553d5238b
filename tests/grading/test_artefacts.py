"""What students bring from a cluster is judged by what it holds, and runs no code of theirs."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.data import chesapeake, fetch
from helpers.grading import artefacts, samples
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
@pytest.mark.parametrize("filters", [(4, 6), pytest.param((4, 4), marks=pytest.mark.long)])
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


# ---- what a model can do ----


def right_where(first_band: float):
    """Return a model that says the labels of `land` where an image begins with this number, and class 6 elsewhere."""

    def model(images):
        images = np.asarray(images)
        known = np.isclose(images[..., 0], first_band)
        return np.eye(7)[np.where(known, np.rint(images[..., 1] * 255).astype(int), 6)]

    return model


def land(count: int, *, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw places of which a quarter has no label, and whose second band tells the label."""
    labels = np.tile([0, 1, 2, 3], (count, size, size // 4)).astype(np.int32)
    images = np.stack([np.full(labels.shape, seed / 255), labels / 255], axis=-1)
    return images, labels


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(samples, "land_cover", land)
    monkeypatch.setattr(fetch, "find", lambda name: None)


@pytest.mark.parametrize(("number", "accuracy"), [(61, 1.0), (62, 0.0)])
def test_a_model_is_tried_on_places_of_the_seed_that_is_asked_for(made_up, number, accuracy):
    assert artefacts.held_out_accuracy(right_where(number / 255), 0, seed=61) == accuracy


def test_a_model_of_real_patches_is_tried_on_those_that_test_its_fold(made_up, monkeypatch, tmp_path):
    """Of ten patches, the two that test fold 3 are read, one of which is right."""
    files = write_patches(tmp_path)
    monkeypatch.setattr(fetch, "find", lambda name: tmp_path)
    tested = chesapeake.split_files(tmp_path, split="folds", fold=3).test
    assert len(tested) == 2
    number = files.index(tested[0])
    found = [artefacts.held_out_accuracy(right_where(n / 255), 3, seed=61) for n in (number, 61, 99)]
    assert found == [0.5, 1.0, 0.0]
    assert artefacts.held_out_accuracy(right_where(number / 255), 2, seed=61) == 0.0
    for path in files[2:]:
        Path(path).unlink()  # a sample has too few tiles for folds: it is not looked at
    assert artefacts.held_out_accuracy(right_where(61 / 255), 3, seed=61) == 1.0


def write_patches(folder: Path) -> list[str]:
    """Write ten patches of ten tiles as they are released: band 0 is the number of the patch, band 1 its labels."""
    files = []
    for number in range(10):
        patch = np.zeros((1, 29, 256, 256), np.float32)
        patch[0, 0], patch[0, 8] = number, 2
        patch[0, 1] = 2
        files.append(str(folder / f"pa_1m_2013-m_39{number:05d}_sw_18_1-1.npz"))
        np.savez_compressed(files[-1], patch)
    return files


def test_made_up_places_are_as_the_stand_in_has_them():
    images, labels = samples.land_cover(2, seed=61, size=64)
    assert (images.shape, labels.shape) == ((2, 64, 64, 26), (2, 64, 64))
    assert images.min() >= -0.1
    assert 0.2 < images.mean() < 0.6
    assert set(np.unique(labels)) <= set(range(7))
    assert not np.array_equal(images[0], images[1])
    assert samples.land_cover(2, seed=61, size=64)[0] is images
