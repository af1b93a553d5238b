"""How long a submission may take: by what its processes compute, so that a busy machine costs nobody points.

What computes nothing ends too, but later: an endless sleep after some times its budget on the clock. Cells that give no
points have a budget of their own, so that a figure which takes long leaves the tests their time.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from traitlets import Integer, List, Unicode

LOOK = 5  # seconds between two looks at a cell that runs
WALL = 4  # how many times its budget may pass on the clock
_TICKS = os.sysconf("SC_CLK_TCK")


class Budget(Execute):
    """Bounds what cells take, each and together."""

    timeout = Integer(60, help="seconds of computing for a cell").tag(config=True)
    total_timeout = Integer(540, help="seconds of computing for a notebook").tag(config=True)
    skipped = List(Unicode(), help="ids of cells that are not run").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict, km: AsyncKernelManager | None = None) -> tuple:
        """Run a notebook."""
        self._waited = self._unpaid = 0.0
        self._last = time.monotonic()
        return super().preprocess(nb, resources, km)

    def execute_cell(self, cell: NotebookNode, cell_index: int, *args: Any, **options: Any) -> NotebookNode:
        """Run a cell, and give the notebook back the time in which others computed or which gives no points."""
        is_unpaid = "nbgrader" not in cell.metadata
        reason = "it ended the kernel" if cell.id in self.skipped else ""
        if is_unpaid and self._unpaid > self.total_timeout:
            reason = f"cells without points took more than {self.total_timeout} s"
        if reason:
            cell.outputs = [new_output("error", ename="NotRun", evalue=reason, traceback=[f"not run: {reason}"])]
            return cell
        self._began = time.monotonic(), self._computed()
        self._end += self._began[0] - self._last  # what the kernel took to start, and what looks between cells take
        self._allowed = max(1.0, min(self.timeout, self._end - self._began[0]))
        try:
            return super().execute_cell(cell, cell_index, *args, **options)
        finally:
            clock, computed = self._spent()
            waited = min(max(0.0, clock - computed), (WALL - 1) * self.total_timeout - self._waited)
            self._waited += 0 if is_unpaid else waited
            self._unpaid += min(clock, max(computed, clock / WALL)) if is_unpaid else 0
            self._end += clock if is_unpaid else waited
            self._last = self._began[0] + clock
            cell.metadata["seconds"] = round(computed, 2)

    def _get_timeout(self, cell: NotebookNode | None) -> int:
        """Return the seconds until the next look at a cell, or for what is asked of the kernel between two."""
        return max(1, int(min(LOOK, self._allowed))) if cell else self.timeout

    async def _async_handle_timeout(self, timeout: int, cell: NotebookNode | None = None) -> dict | None:
        """Interrupt a cell whose time is up; let others go on."""
        clock, computed = self._spent() if cell else (0.0, 0.0)
        if cell and clock < WALL * self._allowed and min(clock, computed) < self._allowed:
            await asyncio.sleep(0.1)
            return None
        return await super()._async_handle_timeout(timeout, cell)

    def _spent(self) -> tuple[float, float]:
        """Return the seconds that passed on the clock and in the submission's processes since its cell began."""
        return time.monotonic() - self._began[0], max(0.0, self._computed() - self._began[1])

    def _computed(self) -> float:
        """Return the seconds that the processes of the sandbox computed; without one, those on the clock."""
        watch = getattr(getattr(self.km, "provisioner", None), "watch", None)
        return sum(_seconds_in(watch.namespace)) if watch else time.monotonic()


def _seconds_in(namespace: Path) -> Iterator[float]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "ns/pid").readlink() == namespace:
                times = (process / "stat").read_text().rpartition(")")[2].split()[11:15]  # its own, its children's
                yield sum(map(int, times)) / _TICKS
