"""The steps of nbgrader's pipelines that are ours: before a submission runs, how it runs, after it, before feedback.

A submission runs in a sandbox, within budgets, each test as it was written. What it does becomes an error in one of its
cells; work done before keeps its points. What goes wrong with us, such as a kernel that does not start, is a
`GradingError` and gives no score.

What counts is what its processes compute, so that a busy machine costs nobody points. What computes nothing ends too,
but later: an endless sleep after some times its budget on the clock. Cells that give no points have a budget of their
own, so that a figure which takes long leaves the tests their time.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async, run_sync
from nbformat import NotebookNode, ValidationError
from nbformat.v4 import new_output, output_from_msg
from nbgrader import utils
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Bool, Integer, List, Unicode

from helpers.grading import GradingError, sandbox, variants
from helpers.grading.canonical import canonical, read_release
from helpers.grading.plugins import guard
from helpers.grading.sandbox.kernels import SandboxKernelManager

MOST_OUTPUT = 20_000_000  # characters of one cell; a cell that sends more is interrupted
KEPT_OUTPUT = 20_000  # characters of one stream in the graded notebook
_OUTPUTS = ("execute_result", "display_data", "update_display_data", "stream", "error")
MOST_RICH = 2_000_000  # characters of a picture or a table
MOST_OUTPUTS = 50  # of a cell
CALLED = 2  # seconds that a test computed, above which its control run does not call what the student wrote
CONTROL, CONTROLS = 5, 60  # seconds for a control run, and for all of a notebook
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


def _seconds_in(namespace: str) -> Iterator[float]:
    for process in sandbox.processes(namespace):
        with suppress(OSError):
            times = (process / "stat").read_text().rpartition(")")[2].split()[11:15]  # its own, its children's
            yield sum(map(int, times)) / _TICKS


class SandboxExecute(Budget):
    """Runs every cell, and never raises for what a submission does."""

    allow_errors = Bool(True, help="go on after a cell that failed").tag(config=True)
    judged = Bool(True, help="whether what passes is proven; a run that gives no points needs no proof").tag(
        config=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("kernel_manager_class", SandboxKernelManager)
        super().__init__(*args, **kwargs)
        self.shutdown_kernel = "immediate"

    def preprocess(self, nb: NotebookNode, resources: dict, km: AsyncKernelManager | None = None) -> tuple:
        """Run a notebook; its metadata list what befell it, `course.problems`, and `course.flags` for a person."""
        self._end, self._over = time.monotonic() + self.total_timeout, ""
        self._notes: list[str] = []
        self._guard = guard.Guard(self)
        self._passed: list[int] = []  # the places of the tests that have passed
        self._flags: list[str] = []
        self._reply: dict[str, Any] = {}
        self.strays: list[str] = []  # the requests that were replied to when another was waited for
        self._started = False
        try:
            super().preprocess(nb, resources, km)
        except Exception as error:
            if not self._started:
                raise GradingError(f"the kernel did not start: {error}") from error
            if not self._over:  # the kernel died between two cells, or would not end
                raise
        nb.metadata["course"] = {"problems": list(dict.fromkeys(self._notes)), "flags": self._flags}
        return nb, resources

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Run one cell, unless the kernel is gone or the time is up; after the last, the control runs."""
        if not self._started:
            self._guard.remember()
            self._started = True
        cell, resources = self._preprocess_cell(cell, resources, index)
        if index == len(self.nb.cells) - 1:
            self._control()
        return cell, resources

    def _preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        if cell.cell_type != "code":
            return cell, resources
        if not self._over and time.monotonic() > self._end:
            self._stop(f"took more than {self.total_timeout} s")
        if self._over:
            self._fail(cell, "NotRun", f"not run: the notebook {self._over}")
            return cell, resources
        try:
            self._run(cell, resources, index)
        except (DeadKernelError, CellTimeoutError) as error:
            self._stop(self._reason(error, cell, index))
            self._fail(cell, type(error).__name__, f"the notebook {self._over}")
        return cell, resources

    def _run(self, cell: NotebookNode, resources: dict, index: int) -> None:
        self._printed = 0
        is_test = _is_test(cell)
        if is_test:
            self._test(cell, index)
        else:
            self._guard.has_just_looked = False
            super().preprocess_cell(cell, resources, index)
        for error in [out for out in cell.outputs if out.output_type == "error"]:
            if error.ename == "CellTimeoutError":
                self._notes.append(f"cell {index + 1}: ran longer than {self.timeout} s and was stopped")
            elif not is_test:
                self._notes.append(shortened(f"cell {index + 1}: {error.ename}: {error.evalue}", 200).strip())

    def _test(self, cell: NotebookNode, index: int) -> None:
        """Run a test, which submissions shall not find among their inputs."""
        if not self.judged:
            self._passes(cell, index)
            return
        fault = self._guard.prepare(self.nb.cells[: index + 1])
        if not fault and self._passes(cell, index):
            fault = self._guard.verdict(self._reply["parent_header"]["msg_id"])
            self._passed += [] if fault else [index]
        self._tampered(cell, index, fault)

    def _tampered(self, cell: NotebookNode, index: int, fault: str) -> None:
        if fault:
            self._notes.append(f"cell {index + 1}: {fault}")
            self._fail(cell, "Tampering", fault)

    def _control(self) -> None:
        """Run each test that has passed once more with the answers that it uses thrown away; hardly one passes now.

        When all is over, since it may change anything. A test that uses no answer has no such run. Points are settled:
        whatever goes wrong with these runs is told to a person, and costs nothing.
        """
        if not self.judged:
            return
        end = time.monotonic() + CONTROLS
        todo = [index for index in self._passed if guard.answers(self.nb.cells[: index + 1])]
        try:
            if not self._over:
                self._flags += [f"the thread {name} was left running" for name in self._guard.threads()]
            while todo and not self._over and time.monotonic() < end:
                self._control_run(todo.pop(0))
        except Exception as error:
            self._over = self._over or f"could not be run so: {str(error).strip().partition(chr(10))[0]}"
        if todo:
            why = self._over or f"took more than {CONTROLS} s in control runs"
            self._flags.append(f"{len(todo)} tests passed and had no control run: the notebook {why}")

    def _control_run(self, index: int) -> None:
        cell = self.nb.cells[index]
        cells = self.nb.cells[: index + 1]
        fault = self._guard.prepare(cells, is_looked_at=False)
        if not fault:
            if not self._guard.lose(cells, is_called=cell.metadata.get("seconds", 0) < CALLED):
                if guard.answers(cells):
                    self._flags.append(f"cell {index + 1}: the answer could not be thrown away for a control run")
                return
            self._last, self._end = time.monotonic(), time.monotonic() + CONTROL
            try:
                passes = self._passes(NotebookNode({**cell, "metadata": NotebookNode(cell.metadata)}), index)
            finally:
                self.nb.cells[index] = cell
            fault = self._guard.exposed(self._reply.get("content", {}), passes=passes)
        if fault == guard.USELESS and all(guard.UNREAD in line for line in guard.suspicious(self.nb.cells)):
            # there is no code that attacks need, and a test may look at what an answer does
            self._flags.append(f"cell {index + 1}: the test passes with its answer thrown away, too")
        else:
            self._tampered(cell, index, fault)

    def _passes(self, cell: NotebookNode, index: int) -> bool:
        """Run a test and return whether it passes; where it does not, an error of its cell says so."""
        self._reply, self.strays, self._printed = {}, [], 0
        self.execute_cell(cell, index, store_history=False)
        has_failed = any(out.output_type == "error" for out in cell.outputs)
        reply = self._reply.get("content", {})
        if reply.get("status") != "ok" and not has_failed:
            self._fail(cell, reply.get("ename", "NotPassed"), reply.get("evalue", "the test did not end"))
        return reply.get("status") == "ok" and not has_failed

    async def async_wait_for_reply(self, msg_id: str, cell: NotebookNode | None = None) -> dict | None:
        """Wait for the reply to what is asked between cells; keep in `strays` to what else the kernel replies."""
        assert self.kc, "the kernel runs"
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            try:
                message = await ensure_async(self.kc.shell_channel.get_msg(timeout=self.shell_timeout_interval))
            except Empty:
                await self._async_check_alive()
                continue
            parent = message["parent_header"].get("msg_id")
            if parent == msg_id:
                return message
            self.strays.append(parent)
        return None

    wait_for_reply = run_sync(async_wait_for_reply)

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: NotebookNode, cell_index: int) -> None:
        """Take the messages of a kernel for a cell, but for those that are none."""
        while True:
            try:
                return await super()._async_poll_output_msg(parent_msg_id, cell, cell_index)
            except guard.MALFORMED:
                self._notes.append(f"cell {cell_index + 1}: sent an output that no notebook can hold; it was left out")

    async def _async_poll_for_reply(self, msg_id: str, cell: NotebookNode, *rest: Any) -> dict:
        """Wait until a kernel says that a cell is done.

        Raises:
            GarbledError: nobody can read what it says.
        """
        try:
            self._reply = await super()._async_poll_for_reply(msg_id, cell, *rest)
        except guard.MALFORMED as error:
            rest[-1].cancel()  # the look whether the kernel is alive
            raise guard.GarbledError("a reply that nobody can read") from error
        return self._reply

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Take a message.

        Raises:
            ValidationError: it would make an invalid cell.
        """
        if msg["msg_type"] in _OUTPUTS:
            kind = msg["msg_type"].replace("update_display", "display")
            nbformat.validate(output_from_msg({**msg, "msg_type": kind}), ref="output", version=4, version_minor=5)
        elif not isinstance(msg["content"].get("execution_count"), int | None):
            raise ValidationError("execution_count is not a whole number")
        return super().process_message(msg, cell, cell_index)

    def output(self, outs: list, msg: dict, display_id: str, cell_index: int) -> NotebookNode | None:
        """Take an output of the kernel, unless the cell has sent too much."""
        self._printed += len(str(msg["content"]))
        if self._printed > MOST_OUTPUT:
            self._interrupt(cell_index)
            return None
        kept = super().output(outs, msg, display_id, cell_index)
        for out in outs[-1:]:
            if out.output_type == "stream" and len(out.text) > 2 * KEPT_OUTPUT:
                out.text = shortened(out.text)
        return kept

    def _interrupt(self, index: int) -> None:
        note = f"cell {index + 1}: printed more than {MOST_OUTPUT:,} characters and was stopped"
        if note not in self._notes:
            self._notes.append(note)
            provisioner = getattr(self.km, "provisioner", None)
            if provisioner and provisioner.process:
                provisioner.process.kill()

    def _reason(self, error: Exception, cell: NotebookNode, index: int) -> str:
        verdict = getattr(self.km, "verdict", "")
        if verdict:
            return f"used {verdict} in cell {index + 1}, where its kernel was ended"
        if self._notes and "printed more" in self._notes[-1]:
            return self._notes.pop().split(": ", 1)[1] + f" in cell {index + 1}"
        if isinstance(error, guard.GarbledError):
            return f"made its kernel reply what nobody can read in cell {index + 1}"
        if isinstance(error, guard.SilentError):
            return f"made its kernel reply nothing any more in cell {index + 1}"
        if isinstance(error, DeadKernelError):
            return f"ended its own kernel in cell {index + 1}"
        return f"could not be interrupted in cell {index + 1} after {self.timeout} s"

    def _stop(self, reason: str) -> None:
        """Run nothing more; the kernel may still be busy, and is killed with its sandbox at the end."""
        self._over = reason
        self._notes.append(f"{reason}; what came after was not run")

    @staticmethod
    def _fail(cell: NotebookNode, name: str, text: str) -> None:
        cell.outputs = [*cell.get("outputs", []), new_output("error", ename=name, evalue=text, traceback=[text])]


def shortened(text: str, most: int = KEPT_OUTPUT) -> str:
    r"""Keep the beginning of a text and say that there was more.

    >>> shortened("abcdef", most=3)
    'abc\n… output shortened …\n'
    """
    return text if len(text) <= most else text[:most] + "\n… output shortened …\n"


class Canonicalise(NbGraderPreprocessor):
    """Rebuilds a submission on the notebook that was released; `collect` did so before, other ways in do not."""

    released = Unicode("", help="folder of the released homeworks").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Rebuild; log what had to be repaired."""
        names = resources["nbgrader"]
        release = read_release(Path(self.released) / names["assignment"] / f"{names['notebook']}.ipynb")
        rebuilt, problems = canonical(release, nb)
        for problem in problems:
            self.log.warning("%s: %s", names["student"], problem)
        return rebuilt, resources


class PutVariant(NbGraderPreprocessor):
    """Puts a student's own values into the cell `variant`, where the homework has variants; after `OverwriteCells`."""

    tables = Unicode("", help="folder of the tables of variants").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Put them there.

        Raises:
            GradingError: the homework has variants, and the student none.
        """
        names = resources["nbgrader"]
        table = variants.read_table(Path(self.tables), names["assignment"])
        if not table:
            return nb, resources
        if names["student"] not in table:
            raise GradingError(variants.missing(names["assignment"], names["student"]))
        return variants.put(nb, table[names["student"]]), resources


class AllOrNothing(NbGraderPreprocessor):
    """Leaves a test nothing but its errors and what it printed, so that it gives all of its points or none.

    nbgrader would read the value of a test's last line as points: `False` and NaN as full marks, and any number that
    the submission sends in its place.
    """

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Drop results and displays."""
        if cell.cell_type == "code" and _is_test(cell):
            cell.outputs = [out for out in cell.outputs if out.output_type in ("error", "stream")]
        return cell, resources


class LimitCharacters(NbGraderPreprocessor):
    """Keeps outputs small; nbgrader's own step counts lines only."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Shorten what is long; errors are kept."""
        if cell.cell_type != "code":
            return cell, resources
        errors = [out for out in cell.outputs[MOST_OUTPUTS:] if out.output_type == "error"]
        cell.outputs = cell.outputs[:MOST_OUTPUTS] + errors
        for out in cell.outputs:
            if out.output_type == "stream":
                out.text = shortened(out.text)
            elif out.output_type == "error":
                out.evalue, out.traceback = shortened(out.evalue), [shortened("\n".join(out.traceback))]
            else:
                out.data = {kind: _small(value) for kind, value in out.data.items()}
        return cell, resources


def _is_test(cell: NotebookNode) -> bool:
    return utils.is_grade(cell) and not utils.is_solution(cell)


def _small(value: object) -> object:
    return value if len(str(value)) <= MOST_RICH else "(output removed: too large)"
