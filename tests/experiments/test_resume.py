"""An interrupted training goes on exactly; what stands in its way is told, and nothing is overwritten."""

import errno
import json
import os
import random
import resource
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import experiments
from helpers.backend import keras
from helpers.data import stand_in
from helpers.experiments import checkpoint
from helpers.experiments import train as module
from helpers.experiments.attempt import checkpoint_dir
from helpers.experiments.distributed import WorkerGroup
from helpers.experiments.run_file import RunError
from helpers.experiments.train import train
from helpers.models import convolutional, dense

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute


def interrupt(monkeypatch, steps):
    """Let the training fail after so many steps."""

    class Interrupted(checkpoint.Resume):
        done = 0

        def on_train_batch_end(self, batch, logs=None):
            self.done += 1
            if self.done == steps:
                raise KeyboardInterrupt

    monkeypatch.setattr(module, "Resume", Interrupted)


def outcome(experiment):
    return [*experiment.load().get_weights(), *map(np.array, experiment.history().values())]


def epoch_of(experiment):
    """Tell at which epoch a training stands."""
    state = checkpoint_dir(experiment) / module.STATE
    if not state.exists():
        return 0
    with np.load(state) as kept:
        return json.loads(str(kept["about"]))["epoch"]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_a_training_that_stops_early_does_so_at_the_same_epoch_when_it_is_interrupted(experiment, patches, monkeypatch):
    options = ["patience=1", "learning_rate=0.3", "epochs=9"]
    whole, broken = experiment(*options, name="whole"), experiment(*options, name="broken")
    train(whole, folder=patches)
    luck, begun = random.Random(8), []
    for _ in range(5):
        interrupt(monkeypatch, luck.randint(1, 9))
        try:
            train(broken, folder=patches)
        except KeyboardInterrupt:
            begun.append(epoch_of(broken))
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    train(broken, folder=patches)
    assert begun == sorted(begun) and begun[-1] > 0, "it was interrupted, and got on"
    assert_same(outcome(broken), outcome(whole))
    assert broken.results()["epochs_trained"] == whole.results()["epochs_trained"] < 9


@pytest.mark.long
def test_a_falling_learning_rate_goes_on_where_it_was(experiment, patches, monkeypatch):
    whole, broken = (experiment("decay=cosine", "patience=9", name=name) for name in ("whole", "broken"))
    train(whole, folder=patches)
    interrupt(monkeypatch, 8)
    with pytest.raises(KeyboardInterrupt):
        train(broken, folder=patches)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    train(broken, folder=patches)
    assert_same(outcome(broken), outcome(whole))


@pytest.mark.long
def test_without_the_state_of_the_random_generators_it_would_end_differently(experiment, patches, monkeypatch):
    whole, broken = experiment("patience=9", name="whole"), experiment("patience=9", name="broken")
    train(whole, folder=patches)
    kept = checkpoint.Resume._variables
    without = lambda self: {**kept(self), "model": self.model.weights}  # noqa: E731 - what Keras saves of a model
    monkeypatch.setattr(checkpoint.Resume, "_variables", without)
    interrupt(monkeypatch, 7)
    with pytest.raises(KeyboardInterrupt):
        train(broken, folder=patches)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    train(broken, folder=patches)
    assert any(not np.array_equal(one, other) for one, other in zip(outcome(broken), outcome(whole), strict=True))


@pytest.mark.long
def test_a_training_of_other_batches_is_not_continued(experiment, patches, monkeypatch):
    chosen = experiment()
    interrupt(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, folder=patches)
    other = experiment(change=("batch_size = 2", "batch_size = 3"))
    assert other.folder == chosen.folder
    with pytest.raises(RunError, match=r"begun with batch_size = 2; this one has batch_size = 3.*--fresh"):
        train(other, folder=patches)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    train(other, folder=patches, fresh=True)
    assert other.is_saved()


def begin(experiment, patches, monkeypatch):
    """Train one epoch, and be interrupted in the second."""
    interrupt(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, folder=patches)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("weight_power = 0.5", "weight_power = 0.5; this one has no weight_power"),
        ("learning_rate = 0.02", "learning_rate = 0.02; this one has learning_rate = 0.001"),
    ],
)
def test_a_training_that_lost_a_parameter_is_not_continued(experiment, patches, monkeypatch, line, told):
    begin(experiment(change=("[training]", f"[training]\n{line}")), patches, monkeypatch)
    with pytest.raises(RunError, match=rf"begun with {told}\. Make it as it was"):
        train(experiment(), folder=patches)


@pytest.mark.long
def test_a_parameter_that_is_what_it_would_be_anyway_may_go(experiment, patches, monkeypatch):
    begin(experiment("epochs=2", change=("[training]", "[training]\nseed = 0")), patches, monkeypatch)
    train(experiment("epochs=2"), folder=patches)
    assert experiment("epochs=2").is_saved()


@pytest.mark.long
def test_a_training_goes_on_with_its_own_engine_only(experiment, patches, monkeypatch):
    begin(experiment(), patches, monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"backend = 'tensorflow'; this one has .*'jax'"):
        patch.setattr(module.keras.backend, "backend", lambda: "jax")
        train(experiment(), folder=patches)
    two = SimpleNamespace(num_replicas_in_sync=2, scope=nullcontext)
    with pytest.raises(RunError, match="mirrors = 1; this one has mirrors = 2"):
        train(experiment(), folder=patches, group=WorkerGroup(strategy=two))


@pytest.mark.long
def test_a_training_on_a_stand_in_does_not_go_on_with_real_data(experiment, patches, tmp_path, monkeypatch):
    made_up = tmp_path / "made_up"
    shutil.copytree(patches, made_up)
    stand_in.mark(made_up, {})
    begin(experiment(), made_up, monkeypatch)
    with pytest.raises(RunError, match=r"begun with source = 'STAND-IN, Chesapeake.*this one has source = 'Chesapeake"):
        train(experiment(), folder=patches)


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write(b"PK and nothing"),
        lambda file: np.save(file, np.zeros(3)),
        lambda file: np.savez(file, weights=np.zeros(3)),
    ],
    ids=["cut", "array", "other arrays"],
)
def test_a_state_that_is_none_is_told(experiment, patches, write):
    chosen = experiment()
    checkpoint_dir(chosen).mkdir(parents=True)
    with (checkpoint_dir(chosen) / module.STATE).open("wb") as file:
        write(file)
    with pytest.raises(RunError, match=r"state\.npz cannot be read .*Remove it to begin anew"):
        train(chosen, folder=patches)


def test_a_step_is_traced_once(tmp_path):
    traced, rows = [], np.zeros((4, 3), np.float32)
    model = module.keras.Sequential([module.keras.layers.Input((3,)), module.keras.layers.Dense(3)])
    model.compile("adam", lambda y_true, y_pred: traced.append(1) or (y_true - y_pred) ** 2, jit_compile=False)
    model.fit(rows, rows, epochs=2, verbose=0, callbacks=[checkpoint.Resume(tmp_path / "state.npz", {})])
    assert len(traced) == 1


# ---- what makes a training this one ----


@pytest.mark.parametrize("build", [dense.build_autoencoder, convolutional.build_autoencoder])
def test_an_autoencoder_is_made_as_the_one_that_earlier_code_has_begun(build):
    ours = build(4)
    plain = keras.Model(ours.inputs[0], ours.outputs[0], name=ours.name)
    assert checkpoint.configuration(ours) == checkpoint.configuration(plain)


ROWS = np.zeros((4, 3), np.float32)


def network(*, units: int = 4, dropout: float = 0.2, activation: str = "relu") -> keras.Model:
    layers = [keras.Input((3,)), keras.layers.Dense(units, activation), keras.layers.Dropout(dropout)]
    return keras.Sequential([*layers, keras.layers.Dense(3)])


@pytest.fixture
def begun(tmp_path):
    """Give the file of a training of one epoch."""
    model, resume = network(), checkpoint.Resume(tmp_path / "state.npz", {"training_loop": 1})
    resume.check_model(model)
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(ROWS, ROWS, verbose=0, callbacks=[resume])
    return resume.path


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"dropout": 0.9}, r"Dropout 3: rate = 0\.2; this one has .*Dropout 3: rate = 0\.9\. Make it as.*--fresh"),
        ({"units": 5}, r"Dense 2: units = 4; this one has .*Dense 2: units = 5 \(\d+ more differ\)"),
        ({"activation": "tanh"}, r"Dense 2: activation = 'relu'; this one has .*Dense 2: activation = 'tanh'"),
    ],
)
def test_a_model_that_is_made_otherwise_does_not_go_on(begun, other, told):
    resume = checkpoint.Resume(begun, {"training_loop": 1})
    resume.check_model(network())  # another one of the same make: Keras calls its layers otherwise
    with pytest.raises(checkpoint.ResumeError, match=told):
        resume.check_model(network(**other))
    assert checkpoint.Resume(begun, {"training_loop": 1}, fresh=True).epoch == 0 < resume.epoch


def test_parts_may_have_layers_of_one_name():
    def parts(rate):
        each = [
            keras.Sequential([keras.Input((3,)), keras.layers.Dropout(rate, name="drop")], name=name)
            for name, rate in (("encoder", rate), ("decoder", 0.5))
        ]
        return keras.Sequential([keras.Input((3,)), *each])

    one, other = checkpoint.configuration(parts(0.1)), checkpoint.configuration(parts(0.9))
    assert [key for key in one if one[key] != other[key]] == ["Sequential 0 / Sequential 2 / Dropout 4: rate"]


def test_a_subclass_is_known_by_its_variables():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = keras.layers.Dense(3)

        def call(self, rows):
            return self.last(rows)

    own = Own()
    own(ROWS)
    made = checkpoint.configuration(own)
    assert made.items() >= {"class_name": "Own", "variable 0: shape": [3, 3], "variable 1: shape": [3]}.items()


def test_what_earlier_code_has_begun_goes_on(begun):
    with np.load(begun) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    about["identity"], about["model"] = {}, {}
    np.savez(begun, **{**arrays, "about": np.array(json.dumps(about))})
    resume = checkpoint.Resume(begun, {"training_loop": 1})
    resume.check_model(network())
    assert resume.epoch == 1
    with pytest.raises(checkpoint.ResumeError, match="begun with training_loop = 1; this one has training_loop = 2"):
        checkpoint.Resume(begun, {"training_loop": 2})


# ---- what goes wrong ----


def fails(number, *, half=False):
    """Give what stands for writing, and fails as a disk does."""

    def write(file, *rest, **arrays):
        if half:
            file.write(b"half")
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.long
def test_whatever_a_disk_does_is_told_and_what_was_kept_goes_on_exactly(experiment, patches, monkeypatch):
    whole, chosen = experiment(name="whole"), experiment(name="broken")
    train(whole, folder=patches)
    interrupt(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, folder=patches)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    state = checkpoint_dir(chosen) / module.STATE
    before = state.read_bytes()
    for told, (place, name, write) in {
        "No space left": (checkpoint.np, "savez", fails(errno.ENOSPC, half=True)),
        "Read-only file system": (checkpoint.np, "savez", fails(errno.EROFS)),
        "Disk quota exceeded": (Path, "replace", fails(errno.EDQUOT)),
    }.items():
        with (
            monkeypatch.context() as patch,
            pytest.raises(RunError, match=rf"epoch 2 could not be kept .*{told}.*make room"),
        ):
            patch.setattr(place, name, write)
            train(chosen, folder=patches)
        assert state.read_bytes() == before
        assert {path.name for path in checkpoint_dir(chosen).iterdir()} == {"lock", module.STATE}
    train(chosen, folder=patches)
    assert_same(outcome(chosen), outcome(whole))


@pytest.mark.long
def test_a_disk_that_is_full_in_the_end_costs_no_training(experiment, patches, monkeypatch, capsys):
    chosen, write = experiment("epochs=1"), experiments.write_history

    def disk_full(path, history):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(experiments, "write_history", disk_full)
    with pytest.raises(RunError, match=r"is trained, but could not be saved .*No space left on device\. Make room"):
        train(chosen, folder=patches)
    assert not chosen.folder.exists() and "5/5" in capsys.readouterr().out
    monkeypatch.setattr(experiments, "write_history", write)
    train(chosen, folder=patches)
    assert chosen.is_saved() and "5/5" not in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_read(experiment, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"cannot be written: Not a directory.*export COURSE_EXPERIMENTS="):
        train(experiment(), folder=tmp_path / "no data")


def test_a_full_disk_is_told_before_an_epoch_is_trained(experiment, tmp_path):
    """A limit on the size of files stands for the disk: a lock can be made, and nothing written into it."""
    chosen = experiment()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(
            RunError, match=r"cannot be written: File too large\. Free the disk, or name another folder"
        ):
            train(chosen, folder=tmp_path / "no data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint_dir(chosen).joinpath("lock").read_text() == ""
