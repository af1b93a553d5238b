"""A run trains, judges and saves; a parameter that makes no sense is told."""

from pathlib import Path

import numpy as np
import pytest

from helpers.cluster import land_cover
from helpers.cluster import train as module
from helpers.cluster.claims import workplace
from helpers.cluster.runs import RunError, read_run
from helpers.cluster.tasks import task_of
from helpers.cluster.train import train
from helpers.data import chesapeake
from helpers.data.streaming import Loader
from helpers.models.variational.aerial import BOTTLENECKS
from helpers.training.resume import Resume

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RUNS = Path(__file__).resolve().parents[2] / "lectures/runs"
AERIAL = """
[data]
name = "grss"
tile_size = 128
[model]
name = "aerial_vae"
bottleneck = "2x2x256"
latent_dim = 3
[training]
epochs = 1
batch_size = 2
"""


def test_a_run_on_land_cover_is_saved_with_its_scores(experiment, patches):
    chosen = experiment()
    train(chosen, folder=patches)
    results, history = chosen.results(), chosen.history()
    labelled = 4 * 32 * 32 - sum_of_ignored(patches)
    assert np.sum(results["confusion"]) == labelled
    assert results["accuracy"] == np.trace(results["confusion"]) / labelled
    assert results["data"] == "Chesapeake patches: 12 for training, 4 for validation, 4 for testing"
    assert results["weights"] == chosen.load().count_params()
    assert len(history["val_mean_iou"]) == results["epochs"] <= 4
    assert not workplace(chosen).exists()


def sum_of_ignored(patches):
    """Count the pixels without a class in the middle of the test patches."""
    files = chesapeake.split_files(patches, fold=0).test
    return sum(int((labels == 0).sum()) for _, labels in chesapeake_batches(files))


def chesapeake_batches(files):
    return Loader(chesapeake.Patches(files, image_size=32), batch_size=4)


def test_the_weights_that_are_saved_are_those_of_the_best_epoch(experiment, patches):
    from helpers.segmentation import MaskedCrossentropy

    chosen = experiment("learning_rate=0.3", "epochs=6")  # far too much: the last epoch is not the best
    train(chosen, folder=patches)
    model, losses = chosen.load(), chosen.history()["val_loss"]
    files = chesapeake.split_files(patches, fold=0).validation
    (batch,) = chesapeake_batches(files)
    assert min(losses) < losses[-1]
    halves = [MaskedCrossentropy()(batch[1][part], model(batch[0][part])) for part in (slice(0, 2), slice(2, 4))]
    assert np.mean(halves) == pytest.approx(min(losses), rel=1e-4)


def test_windows_are_all_pieces_of_the_training_patches_and_no_others(patches):
    options = {"image_size": 32, "window": 16, "batch_size": 16, "bands": ["naip_new"]}
    training = land_cover.load(options, patches).training
    files = chesapeake.split_files(patches, fold=0).train
    whole = Loader(chesapeake.Patches(files, image_size=32, bands=["naip_new"]), batch_size=len(files))
    ((images, labels),) = whole
    quarters = [(i, rows, columns) for i in range(len(files)) for rows in (0, 16) for columns in (0, 16)]
    cut = [(np.s_[i, r : r + 16, c : c + 16]) for i, r, c in quarters]
    wanted = sorted(images[piece].tobytes() + labels[piece].tobytes() for piece in cut)
    found = sorted(image.tobytes() + label.tobytes() for batch in training for image, label in zip(*batch, strict=True))
    assert found == wanted
    assert [training.source.name(n) for n in (0, 3, 4)] == [files[0], files[0], files[1]]


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


def test_a_finished_experiment_is_left_alone(experiment, patches):
    chosen = experiment("epochs=1")
    train(chosen, folder=patches)
    before = (chosen.folder / "model.keras").stat().st_mtime_ns
    train(chosen, folder=patches)
    assert (chosen.folder / "model.keras").stat().st_mtime_ns == before


def test_a_run_on_aerial_tiles_keeps_codes_of_held_out_places(experiment, tiles):
    chosen = experiment(text=AERIAL, name="aerial")
    train(chosen, folder=tiles)
    codes, labels = chosen.codes()
    assert codes.shape == (3, 3) and set(labels) <= set(range(5))
    assert 0 < chosen.results()["mae"] < 1
    assert chosen.load("decoder")(codes).shape == (3, 128, 128, 3)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["droput=0.1"], r"'droput' is no parameter; 'dropout' may be meant\. Of training: epochs"),
        (["model=unett"], r"no model 'unett'; 'unet' may be meant"),
        (["data=cheasapeake"], r"no runs on 'cheasapeake'; 'chesapeake' may be meant"),
        (["filters=[3]"], "filters wants two or more whole numbers"),
        (["epochs=0"], "epochs must be a number above 0; received 0"),
        (["learning_rate=high"], "learning_rate must be a number above 0; received 'high'"),
        (["decay=linear"], "decay is \"cosine\", or is left out; received 'linear'"),
        (["window=16"], "window keeps patches in memory .* leave one of them out"),
        (["precision=float23"], "precision is float32 or mixed_bfloat16; received 'float23'"),
        (["loss=mse"], "loss is \"crossentropy\".*received 'mse'"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_told(experiment, patches, overrides, message):
    with pytest.raises(RunError, match=message):
        train(experiment(*overrides), folder=patches)


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
