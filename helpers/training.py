"""Seeds and progress for training in a notebook. Used by every lecture."""

import math
import sys
import time
from collections.abc import Callable

from helpers.backend import keras
from helpers.models import is_in_unit_range


def seed_everything(seed: int = 0) -> None:
    """Seed Python, NumPy and the Keras backend, so that a second run gives the same numbers.

    Args:
        seed: whole number of at least 0.
    """
    keras.utils.set_random_seed(seed)


_MOST = {"binary_crossentropy": 17, "mse": 10, "mean_squared_error": 10, "mae": 10, "mean_absolute_error": 10}
"""More than a loss can be, by its name, where images and what is decoded lie in [0, 1]: Keras bounds logarithms."""


class Progress(keras.callbacks.Callback):
    """Show one line that follows the training: a bar, the epoch, the losses, the time left.

    A loss that says that something is wrong ends the training with a ValueError at the end of the epoch: NaN,
    infinity, or a reconstruction error that images in [0, 1] cannot have.

    In a notebook the line is one output that is updated in place: it survives saving and stays small. In a terminal it
    is rewritten in place; in a log file only the last state is written. Use with `fit(..., verbose=0)`.

    Args:
        label: what is being trained, shown before the bar.
    """

    def __init__(self, label: str = "training") -> None:
        super().__init__()
        self.label = label

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Draw the empty bar, and build the optimizer, without which TensorFlow would trace the first step twice."""
        if all(layer.built for layer in self.model._flatten_layers()):  # else more variables will come, as Keras asks
            self.model.optimizer.build(self.model.trainable_variables)
        self._epochs = self.params["epochs"]
        self._start = time.monotonic()
        self._show = _notebook_line() if _in_notebook() else _terminal_line
        self._done, self._here, self._state = 0, 0, "starting"
        self._draw()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Move the bar, with the losses of this epoch and an estimate of the time left."""
        self._done, self._here = epoch + 1, self._here + 1  # with `initial_epoch`, others were done before
        _check_loss(self.model, (logs or {}).get("loss", 0.0), epoch + 1)
        losses = " · ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        left = (time.monotonic() - self._start) / self._here * (self._epochs - self._done)
        self._state = f"epoch {self._done}/{self._epochs} · {losses} · {left:.0f} s left"
        self._draw()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Replace the time left by the time taken; a run that stopped early says at which epoch."""
        elapsed = f"{time.monotonic() - self._start:.0f} s"
        told = self._state.rpartition(" · ")[0] if self._here else "no epoch was left"
        self._state = f"{told} · took {elapsed}"
        self._draw(last=True)

    def _draw(self, *, last: bool = False) -> None:
        self._show(self.label, self._done, self._epochs, self._state, last)


def _check_loss(model: keras.Model, loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise ValueError(
            f"The loss is {loss} after epoch {epoch}, and will stay so. Look for NaN in what is learnt from, for "
            "labels beyond the number of classes, for images that are not in [0, 1]; or lower the learning rate. Then "
            "build the model anew: its weights are spoilt."
        )
    most = _MOST.get(model.loss) if isinstance(model.loss, str) and not model.losses else None
    if most and not 0 <= loss <= most and is_in_unit_range(model):
        raise ValueError(
            f"The loss is {loss:.4g} after epoch {epoch}, which {model.loss} cannot be for images in [0, 1]. Turn "
            'bytes into such: images.astype("float32") / 255. Then build the model anew.'
        )


def _in_notebook() -> bool:
    """Return whether a Jupyter kernel shows our output, without importing IPython where nobody has."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ in ("ZMQInteractiveShell", "Shell")  # Jupyter, Colab


def _notebook_line() -> Callable[[str, int, int, str, bool], None]:
    """Open one line of output and return the function that redraws it; its arguments are `_terminal_line`'s."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)

    def draw(label: str, done: int, total: int, state: str, last: bool) -> None:
        bar = f'<progress value="{done}" max="{total}" aria-label="{label}"></progress>'
        handle.update(HTML(f"<code>{label} {bar} {state}</code>"))

    return draw


def _terminal_line(label: str, done: int, total: int, state: str, last: bool) -> None:
    if sys.stdout.isatty():
        print(f"\r{label} {done * 20 // total * '#':<20} {state}\033[K", end="\n" if last else "", flush=True)
    elif last:
        print(f"{label} {state}")
