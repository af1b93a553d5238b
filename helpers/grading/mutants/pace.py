"""How much slower than a quiet machine this one is at the moment, by a piece of work whose time is known."""

import os
import time

from helpers.backend import keras
from helpers.cores import usable_cores

REFERENCE_SECONDS = 1.9  # CPU time of `_work` on the machine that the budgets of the homework were set on, when quiet


def slowness() -> float:
    """Return the CPU time of a small training as a multiple of what it takes on a quiet machine, at least 1.

    Two processes that share a core's caches and units take up to twice the CPU time of one, for the same work. Where
    more threads want to run than there are processors, those of TensorFlow spin while they wait, for as long again.
    """
    _work()  # what Keras does only once in a process
    start = time.process_time()
    _work()
    waiting = max(1.0, os.getloadavg()[0] / usable_cores())
    return max(1.0, (time.process_time() - start) / REFERENCE_SECONDS) * waiting


def _work() -> None:
    """Train a network of the kind that homework trains, always the same."""
    import numpy as np

    images = np.random.default_rng(0).random((512, 28, 28, 1), dtype=np.float32)
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    model.compile("adam", "mse")
    model.fit(images, np.zeros((512, 10), np.float32), batch_size=32, epochs=4, verbose=0)
