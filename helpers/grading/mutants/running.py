"""Run the cells of a homework in this process, where TensorFlow is loaded already; and how slow that is at the moment.

Only for the instructor's own code: nothing here protects the machine. Submissions run in the pipeline's sandbox.
"""

import contextlib
import io
import linecache
import os
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib import pyplot

from helpers.backend import keras
from helpers.cores import usable_cores
from helpers.grading.checks import Limit, recorded, shifted
from helpers.grading.mutants import Cell

REFERENCE_SECONDS = 1.9  # CPU time of `_work` on the machine that the budgets of the homework were set on, when quiet


@dataclass
class Run:
    """What came of the cells.

    Attributes:
        failures: for each test cell that failed, the last lines of its error; of other cells too.
        limits: for each test cell, the numbers that it held against limits.
        seconds: CPU time of each cell.
    """

    failures: dict[str, str] = field(default_factory=dict)
    limits: dict[str, list[Limit]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run(cells: list[Cell], *, wanted: Collection[str] | None = None, shift: int = 0) -> Run:
    """Run cells one after the other in a namespace of their own, in a folder of their own.

    Args:
        cells: of one homework, in order.
        wanted: names of those that are run; without it all are.
        shift: of the seeds; see `checks.seed`.
    """
    found, namespace = Run(), {"__name__": "__main__"}
    keras.utils.clear_session(free_memory=False)  # names of layers begin anew; collecting takes 2 s
    with shifted(shift), _elsewhere(), contextlib.redirect_stdout(io.StringIO()):
        for cell in cells if wanted is None else [cell for cell in cells if cell.name in wanted]:
            start = time.process_time()
            with recorded() as limits:
                failure = _failure(cell, namespace)
            found.seconds[cell.name], found.limits[cell.name] = time.process_time() - start, limits
            if failure:
                found.failures[cell.name] = failure
    pyplot.close("all")
    return found


def _failure(cell: Cell, namespace: dict) -> str | None:
    """Run one cell; return what its error says. Students' mistakes raise anything, and so do mutants."""
    name = f"<{cell.name}>"
    linecache.cache[name] = (len(cell.code), None, cell.code.splitlines(keepends=True), name)  # for tf.function
    try:
        exec(compile(cell.code, name, "exec"), namespace)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return None


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


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
