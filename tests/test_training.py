"""One seed decides everything, and progress is one small line."""

import random

import keras
import numpy as np
import pytest

from helpers import training
from helpers.models import dense

IMAGES = np.random.default_rng(0).random((64, 6, 6, 1), dtype=np.float32)


def train(seed, *callbacks):
    training.seed_everything(seed)
    model = dense.build_autoencoder(4, input_shape=(6, 6, 1))
    model.compile("adam", "mse")
    return model.fit(IMAGES, IMAGES, batch_size=16, epochs=3, verbose=0, callbacks=list(callbacks)).history["loss"]


def progress_of(epochs):
    progress = training.Progress("simple")
    progress.set_params({"epochs": epochs})
    model = dense.build_autoencoder(4, input_shape=(6, 6, 1))
    model.compile("adam", "mse")
    progress.set_model(model)
    return progress


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses_and_another_does_not():
    assert train(1) == train(1) != train(2)


def test_python_and_numpy_are_seeded_too():
    def draw():
        training.seed_everything(5)
        return random.random(), np.random.rand()  # noqa: NPY002 - the generator that is seeded

    assert draw() == draw()


def test_in_a_log_file_only_the_last_state_is_written(capsys):
    train(0, training.Progress("simple"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("simple epoch 3/3 · loss 0.") and " · took " in lines[0]


def test_in_a_terminal_one_line_is_rewritten(capsys, monkeypatch):
    monkeypatch.setattr(training.sys.stdout, "isatty", lambda: True, raising=False)
    train(0, training.Progress("simple"))
    written = capsys.readouterr().out
    assert written.count("\n") == 1 and written.count("\r") == 5  # start, three epochs, end
    assert "#" * 20 in written


@pytest.mark.parametrize("loss", [keras.losses.mean_squared_error, keras.losses.mean_absolute_error])
def test_a_step_is_traced_once(loss):
    traced = []
    model = dense.build_autoencoder(4, input_shape=(6, 6, 1))
    model.compile("adam", lambda y_true, y_pred: traced.append(1) or loss(y_true, y_pred), jit_compile=False)
    model.fit(IMAGES, IMAGES, batch_size=16, epochs=2, verbose=0, callbacks=[training.Progress()])
    assert len(traced) == 1


class Late(keras.Model):
    """A network that knows nothing of its input before it sees one, with a part that is built later still."""

    def __init__(self):
        super().__init__()
        self.parts = [
            keras.layers.Flatten(),
            keras.Sequential([keras.layers.Dense(36)]),
            keras.layers.Reshape((6, 6, 1)),
        ]
        self.built = True

    def call(self, images):
        """Flatten, map, fold."""
        for part in self.parts:
            images = part(images)
        return images


@pytest.mark.parametrize("make", [Late, lambda: keras.Sequential(Late().parts)])
def test_a_network_that_is_built_by_its_first_batch_trains_too(make):
    model = make()
    model.compile("adam", "mse")
    losses = model.fit(IMAGES, IMAGES, epochs=3, verbose=0, callbacks=[training.Progress()]).history["loss"]
    assert losses[-1] < losses[0]


def test_a_run_that_stops_early_says_at_which_epoch(capsys):
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", True))
    train(0, stop, training.Progress("simple"))
    assert "epoch 1/3" in capsys.readouterr().out


def test_a_resumed_run_judges_the_time_left_by_its_own_epochs(capsys, monkeypatch):
    monkeypatch.setattr(training.sys.stdout, "isatty", lambda: True, raising=False)
    clock = iter([0.0, 60.0, 120.0, 120.0])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock))
    progress = progress_of(100)
    progress.on_train_begin()
    for epoch in (90, 91):
        progress.on_epoch_end(epoch, {"loss": 0.5})
    progress.on_train_end()
    shown = capsys.readouterr().out
    assert "epoch 91/100 · loss 0.5000 · 540 s left" in shown and "epoch 92/100 · loss 0.5000 · 480 s left" in shown
    assert shown.rstrip("\x1b[K\n").endswith("epoch 92/100 · loss 0.5000 · took 120 s")


def test_a_run_of_which_nothing_is_left_says_so(capsys):
    progress = progress_of(3)
    progress.on_train_begin()
    progress.on_train_end()
    assert capsys.readouterr().out == "simple no epoch was left · took 0 s\n"


def test_in_a_notebook_one_output_is_updated_in_place(monkeypatch):
    import IPython.display

    drawn = []

    class Handle:
        def update(self, html):
            drawn.append(html.data)

    monkeypatch.setattr(training, "_in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda *args, display_id: Handle())
    train(0, training.Progress("simple"))
    assert '<progress value="0" max="3"' in drawn[0] and '<progress value="3" max="3"' in drawn[-1]
    assert "epoch 2/3" in drawn[2] and "s left" in drawn[2]


@pytest.mark.parametrize(("shell", "expected"), [("ZMQInteractiveShell", True), ("TerminalInteractiveShell", False)])
def test_a_notebook_is_told_from_a_terminal(monkeypatch, shell, expected):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: type(shell, (), {})())
    assert training._in_notebook() is expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "loss", "message"),
    [
        ((IMAGES * 255).astype(np.uint8), "binary_crossentropy", "binary_crossentropy cannot be for images in"),
        (IMAGES * 255, "mse", "mse cannot be"),
        (np.where(IMAGES > 0.99, np.nan, IMAGES), "mse", "loss is nan after epoch 1.*NaN in what is learnt from"),
    ],
    ids=["bytes", "255", "NaN"],
)
def test_a_loss_that_tells_of_wrong_images_ends_the_training(images, loss, message):
    training.seed_everything(0)
    ours = dense.build_autoencoder(4, input_shape=(6, 6, 1))
    model = keras.Model(ours.inputs, ours.outputs)  # of a student: ours looks at images before it trains
    model.compile("adam", loss)
    with pytest.raises(ValueError, match=message):
        model.fit(images, images, epochs=2, verbose=0, callbacks=[training.Progress()])
