"""Small data sets for the tests of the engine: what they deliver says where it came from."""

import threading
import time

import numpy as np

from helpers.data import DataError
from helpers.data.streaming import Spec


class Numbers:
    """Sample `i` is an image full of `i`, with a number drawn for it; some can be broken, slow or buggy."""

    def __init__(self, length, *, shape=(4, 4, 1), broken=(), buggy=(), seconds=0.0):
        self.length, self.shape, self.broken, self.buggy, self.seconds = length, shape, set(broken), set(buggy), seconds
        self.reads, self.lock = [], threading.Lock()

    @property
    def arrays(self):
        """Say what one sample fills."""
        return {"image": Spec(self.shape, "float32"), "drawn": Spec((), "int64")}

    def __len__(self):
        return self.length

    def name(self, index):
        """Name a sample."""
        return f"file-{index}"

    def fill(self, index, rng, out):
        """Fill in a sample, or fail as asked."""
        with self.lock:
            self.reads.append(index)
        time.sleep(self.seconds)
        if index in self.buggy:
            raise ZeroDivisionError("a bug")
        if index in self.broken:
            raise DataError(f"{self.name(index)}: is broken.")
        out["image"][...] = index
        out["drawn"][...] = rng.below(1 << 30)

    def finish(self, arrays):
        """Make a batch."""
        return arrays["image"], arrays["drawn"]


def indices(batch):
    """Return which samples a batch has, having checked that each is whole."""
    images = np.asarray(batch[0])
    assert (images == images[:, :1, :1]).all()
    return images[:, 0, 0, 0].astype(int).tolist()


def streaming_threads():
    """Return the threads of the engine that are alive, after those that are about to end have ended."""
    for _ in range(400):
        alive = [thread for thread in threading.enumerate() if thread.name == "course-streaming"]
        if not alive:
            break
        time.sleep(0.005)
    return alive
