"""Run the cells of a homework in this process, where TensorFlow is loaded already.

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
from helpers.grading.checks import Limit, recorded
from helpers.grading.checks.chance import shifted
from helpers.grading.mutants.variants import Cell


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
