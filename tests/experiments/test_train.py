"""A run trains, evaluates and saves; several workers leave nothing out; made-up data are named."""

import shutil
import socket
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from helpers import cli
from helpers.backend import keras
from helpers.data import chesapeake, stand_in
from helpers.data.streaming import Loader
from helpers.experiments import land_cover, short, write_json
from helpers.experiments import train as module
from helpers.experiments.attempt import checkpoint_dir
from helpers.experiments.checkpoint import Resume
from helpers.experiments.distributed import WorkerGroup
from helpers.experiments.results import rows
from helpers.experiments.run_file import RunError, read_run
from helpers.experiments.tasks import task_of
from helpers.experiments.train import train
from helpers.models.variational import BOTTLENECKS

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RUNS = Path(__file__).resolve().parents[2] / "lectures/runs"


def test_a_run_on_land_cover_is_saved_with_its_scores(experiment, patches):
    chosen = experiment()
    train(chosen, folder=patches, submitted={"commit": "abc"})
    results, history = chosen.results(), chosen.history()
    labelled = 4 * 32 * 32 - sum_of_ignored(patches)
    assert np.sum(results["confusion"]) == labelled
    assert results["accuracy"] == np.trace(results["confusion"]) / labelled
    assert results["source"] == "Chesapeake patches: 12 for training, 4 for validation, 4 for testing"
    assert results["weights"] == chosen.load().count_params()
    assert len(history["val_mean_iou"]) == results["epochs_trained"] <= 4
    made = results["provenance"]
    assert (made["host"], made["backend"]) == (socket.gethostname(), keras.backend.backend())
    assert made["submitted_commit"] == "abc" != made.get("commit")
    assert made["samples_per_second"] > 0 < made["memory_mb"]
    (row,) = rows([chosen])
    assert row["provenance course"] == version("autoencoder-course")
    asked = {name: short(value) for name, value in chosen.parameters.items()}
    assert row.items() >= asked.items(), "what came out does not hide what was asked for"
    assert not checkpoint_dir(chosen).exists()


def sum_of_ignored(patches):
    """Count the pixels without a class in the middle of the test patches."""
    files = chesapeake.split_files(patches, split="folds", fold=0).test
    return sum(int((labels == 0).sum()) for _, labels in chesapeake_batches(files))


def chesapeake_batches(files):
    return Loader(chesapeake.Patches(files, image_size=32), batch_size=4)


@pytest.mark.long
def test_the_weights_that_are_saved_are_those_of_the_best_epoch(experiment, patches):
    from helpers.segmentation import MaskedCrossentropy

    chosen = experiment("learning_rate=0.3", "epochs=6", "fold=3")  # far too much: the last epoch is not the best
    train(chosen, folder=patches)
    model, losses = chosen.load(), chosen.history()["val_loss"]
    files = chesapeake.split_files(patches, split="folds", fold=3).validation
    (batch,) = chesapeake_batches(files)
    assert min(losses) < losses[-1]
    halves = [MaskedCrossentropy()(batch[1][part], model(batch[0][part])) for part in (slice(0, 2), slice(2, 4))]
    assert np.mean(halves) == pytest.approx(min(losses), rel=1e-4)


def test_windows_are_all_pieces_of_the_training_patches_and_no_others(patches):
    options = {"image_size": 32, "window": 16, "batch_size": 16, "bands": ["naip_new"], "compact": False}
    training = land_cover.load(options, patches).training
    files = chesapeake.split_files(patches).train
    whole = Loader(chesapeake.Patches(files, image_size=32, bands=["naip_new"]), batch_size=len(files))
    ((images, labels),) = whole
    quarters = [(i, rows, columns) for i in range(len(files)) for rows in (0, 16) for columns in (0, 16)]
    cut = [(np.s_[i, r : r + 16, c : c + 16]) for i, r, c in quarters]
    wanted = sorted(images[piece].tobytes() + labels[piece].tobytes() for piece in cut)
    found = sorted(image.tobytes() + label.tobytes() for batch in training for image, label in zip(*batch, strict=True))
    assert found == wanted
    assert [training.source.name(n) for n in (0, 3, 4)] == [files[0], files[0], files[1]]


@pytest.mark.long
def test_the_learning_rate_falls_along_half_a_cosine(experiment, patches, monkeypatch):
    rates = []

    class Watched(Resume):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            rates.append(float(self.model.optimizer.learning_rate))  # of the step to come

    monkeypatch.setattr(module, "Resume", Watched)
    train(experiment("decay=cosine", "learning_rate=0.02", "epochs=4", "patience=9"), folder=patches)
    shares = np.arange(1, 21) / 20  # 4 epochs of 5 steps
    np.testing.assert_allclose(rates, 0.01 * (1 + np.cos(np.pi * shares)), atol=1e-6)


@pytest.mark.long
def test_a_finished_experiment_is_left_alone(experiment, patches):
    chosen = experiment("epochs=1")
    train(chosen, folder=patches)
    before = (chosen.folder / "model.keras").stat().st_mtime_ns
    train(chosen, folder=patches)
    assert (chosen.folder / "model.keras").stat().st_mtime_ns == before


@pytest.mark.long
def test_a_run_on_aerial_tiles_keeps_codes_of_held_out_places(aerial, tiles):
    chosen = aerial()
    train(chosen, folder=tiles)
    codes, labels = chosen.codes()
    assert codes.shape == (3, 3) and set(labels) <= set(range(5))
    assert 0 < chosen.results()["mae"] < 1
    assert chosen.load("decoder")(codes).shape == (3, 128, 128, 3)


# ---- made-up data ----


@pytest.fixture
def course(capsys):
    """Return a function that runs `course train` and gives what it printed."""

    def course(path, folder):
        assert cli.main(["train", str(path), "epochs=1", "fold=0", "--data", str(folder)]) == 0
        return capsys.readouterr().out

    return course


@pytest.mark.long
def test_results_on_a_stand_in_say_so_and_are_not_taken_for_those_of_real_data(experiment, patches, tmp_path, course):
    chosen, made_up = experiment("epochs=1"), tmp_path / "made_up"
    shutil.copytree(patches, made_up)
    stand_in.mark(made_up, {})
    course(tmp_path / "land.toml", made_up)
    assert chosen.results()["source"].startswith("STAND-IN, Chesapeake patches: 12 for training")
    assert "STAND-IN" not in course(tmp_path / "land.toml", made_up)
    again = course(tmp_path / "land.toml", patches)
    assert "is finished" in again and "STAND-IN, and here are real data. To train on them, remove that folder" in again


@pytest.mark.long
def test_real_data_are_looked_for_where_no_folder_is_given(experiment, patches, monkeypatch):
    chosen = experiment("epochs=1")
    train(chosen, folder=patches)
    monkeypatch.setattr(module, "find", lambda name: {"chesapeake": patches}[name])
    assert not module.is_outdated(chosen, None), "it has seen real data"
    results = {**chosen.results(), "source": "STAND-IN, Chesapeake patches"}
    write_json(chosen.folder / "results.json", results)
    assert module.is_outdated(chosen, None)
    monkeypatch.setattr(module, "find", lambda name: None)
    assert not module.is_outdated(chosen, None)


# ---- several workers ----


def validated(experiment, folder, workers):
    """Give the batches on which each of so many workers validates."""
    task = task_of(experiment.parameters)
    splits = task.load({**experiment.parameters}, folder)
    groups = [WorkerGroup(worker, workers) for worker in range(workers)]
    return [list(module._Training(experiment, task, splits, group)._validation()) for group in groups]


@pytest.mark.parametrize(("batch_size", "workers", "size"), [(8, 2, 4), (6, 2, 4), (3, 2, 2), (4, 4, 4), (3, 1, 3)])
def test_workers_validate_on_all_that_one_validates_on(experiment, patches, batch_size, workers, size):
    chosen = experiment(f"batch_size={batch_size}")  # of four patches
    (alone,), parts = validated(chosen, patches, 1), validated(chosen, patches, workers)
    together = [np.concatenate([labels for _, labels in batch]) for batch in zip(*parts, strict=True)]
    np.testing.assert_array_equal(np.concatenate(together), np.concatenate([labels for _, labels in alone]))
    assert len(together[0]) == size


def test_what_workers_cannot_share_evenly_is_left_out_and_told(experiment, patches, capsys):
    parts = validated(experiment("batch_size=4"), patches, 3)  # of four patches
    assert [sum(len(labels) for _, labels in part) for part in parts] == [1, 1, 1]
    assert capsys.readouterr().out.count("Validation leaves out 1 of 4 samples: 3 devices") == 1
    with pytest.raises(RunError, match=r"4 samples for validation, in batches of at most 8, are too few for 5 devices"):
        validated(experiment("batch_size=8"), patches, 5)


# ---- the run files of the lectures ----


@pytest.mark.parametrize("path", sorted(RUNS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_experiment_of_the_run_files_is_known(path):
    for experiment in read_run(path).experiments:
        task_of(experiment.parameters)


def test_the_grid_of_the_thesis_is_one_run():
    grid = [experiment.parameters for experiment in read_run(RUNS / "aerial_grid.toml").experiments]
    assert len(grid) == 5 * 2 * 4
    assert {each["bottleneck"] for each in grid} == set(BOTTLENECKS)
    assert {(each["kernel"], each["pooling"]) for each in grid} >= {(5, "replace"), (3, "strided")}
