"""What students run before they hand in: their notebook in a clean kernel, put together as for grading."""

import ast
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from helpers.grading import GradingError, UnknownError, variants
from helpers.grading.canonical import canonical, is_as_handed_out, label_of, names_in, parse, read_release

PASSED, FAILED, HIDDEN, BY_HAND, BLANK = "passed", "FAILED", "hidden", "by hand", "to write"
SECONDS_PER_CELL = 120
MOST_RUNS = 4  # of a notebook in which cells without points end the kernel
_QUIET = ["--log-level=ERROR"]
_STOPPED = {"ename": "CellTimeoutError", "evalue": f"ran longer than {SECONDS_PER_CELL} s", "traceback": [""]}


@dataclass(frozen=True)
class Row:
    """One test.

    Attributes:
        test: its name.
        points: what it can give.
        outcome: "passed" if it ran without an error, or "FAILED"; "to write" if it fails because the answer is still
            to be written; "hidden" if its code comes with grading only; "by hand" if a person grades it.
        message: the error; for an open test that was not run, why; which cell is still to be written.
        seconds: that it took.
    """

    test: str
    points: float
    outcome: str
    message: str
    seconds: float = 0.0


def check(
    path: Path,
    release: Path | None = None,
    *,
    running: Callable[[str], None] = lambda name: None,
    done: Callable[[Row], None] = lambda row: None,
    note: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Run a student's notebook and list its tests; the file stays as it is.

    Args:
        path: the notebook.
        release: the notebook that was handed out, where it is another file; what grading would repair is repaired.
        running: is told the name of each cell that begins.
        done: is told each row as soon as it is known.
        note: is told what grading would repair.

    Raises:
        GradingError: it is not there, is no notebook, or has no tests.
    """
    if not path.exists():
        raise UnknownError(f"{path} is not there; name a homework such as hw1_dense, or the path of a notebook")
    notebook, changed = _read(path, release, note)
    if not any(map(_is_graded, notebook.cells)):
        raise GradingError(f"{path} has no tests: its cells have lost their labels. Copy your answers into a new copy")
    rows: dict[str, Row] = {}
    blank = {name for name, cell in _labelled(notebook).items() if cell.metadata.nbgrader.solution and _is_blank(cell)}

    def finished(cell: NotebookNode, seconds: float, fault: str = "") -> None:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if _is_graded(cell) and name not in rows:
            rows[name] = _row(cell, _answer_to(notebook, cell) & blank, name in changed, fault, seconds)
            done(rows[name])

    _run(notebook, path.parent, running, finished)
    return list(rows.values())


def _read(path: Path, release: Path | None, note: Callable[[str], None]) -> tuple[NotebookNode, set[str]]:
    """Return a notebook put together as for grading, and the tests in it that are not those that were handed out."""
    try:
        submission = parse(path.read_bytes())  # says what else a file may be
        if release and all(map(is_as_handed_out, _locked(ours := read_release(release)))):
            notebook, problems = canonical(_with_variant_of(submission, ours), submission)
            problems += _overwritten(notebook)
        else:
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook)
            changed = [cell.metadata.nbgrader.grade_id for cell in _locked(notebook) if not is_as_handed_out(cell)]
            problems = [
                f"{name}: was changed though it is locked; grading runs what was handed out" for name in changed
            ]
            return _noted(notebook, problems + _overwritten(notebook), note), set(changed)
    except (ValueError, TypeError, LookupError, AttributeError, nbformat.ValidationError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        remedy = "Save it again in JupyterLab, or copy your answers into a new copy"
        raise GradingError(f"{path} cannot be read: {reason}. {remedy}") from error
    return _noted(notebook, problems, note), set()


def _with_variant_of(submission: dict, ours: NotebookNode) -> NotebookNode:
    """Return what was handed out with the values of a student's own variant, where their cell was not changed."""
    own = variants.values_in(
        [cell for cell in submission["cells"] if label_of(cell) == variants.CELL and _is_ours(cell)]
    )
    return variants.put(ours, own) if own.keys() == variants.values_in(ours.cells).keys() else ours


def _is_ours(cell: dict) -> bool:
    """Return whether a student's cell still has the checksum that it was handed out with."""
    found = nbformat.from_dict(cell)
    return bool(found.metadata.nbgrader.get("checksum")) and is_as_handed_out(found)


def _overwritten(notebook: NotebookNode) -> list[str]:
    """Return a line if a cell gives a name of the variant another value."""
    names = variants.values_in(notebook.cells).keys()
    others = [cell.source for cell in notebook.cells if cell.cell_type == "code" and label_of(cell) != variants.CELL]
    found = sorted(names & {name for source in others for name in names_in(source)})
    line = f"{', '.join(found)}: was given another value; grading tests with that of the cell {variants.CELL}"
    return [line] if found else []


def _noted(notebook: NotebookNode, problems: list[str], note: Callable[[str], None]) -> NotebookNode:
    for problem in problems:
        note(problem)
    return notebook


def _labelled(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def _locked(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in _labelled(notebook).values() if cell.metadata.nbgrader.get("locked")]


def _is_graded(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def _is_blank(cell: NotebookNode) -> bool:
    """Return whether an answer is still to be written: as handed out, empty, or functions that do nothing."""
    if not cell.source.strip() or (cell.metadata.nbgrader.get("checksum") and is_as_handed_out(cell)):
        return True
    try:
        body = ast.parse(cell.source).body if cell.cell_type == "code" else []
    except SyntaxError:
        return False
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return bool(functions) and all(isinstance(node.body[-1], ast.Raise) and _does_nothing(node) for node in functions)


def _does_nothing(function: ast.FunctionDef) -> bool:
    *docstring, last = function.body
    is_unwritten = "NotImplementedError" in ast.unparse(last)
    return is_unwritten and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in docstring
    )


def _answer_to(notebook: NotebookNode, test: NotebookNode) -> set[str]:
    """Return the name of the answer that a test is about: its own, or the one before it."""
    if test.metadata.nbgrader.solution:
        return {test.metadata.nbgrader.grade_id}
    before = notebook.cells[: notebook.cells.index(test)]
    answers = [c.metadata.nbgrader.grade_id for c in before if c.metadata.get("nbgrader", {}).get("solution")]
    return set(answers[-1:])


def _run(
    notebook: NotebookNode,
    folder: Path,
    running: Callable[[str], None],
    finished: Callable[[NotebookNode, float, str], None],
) -> None:
    """Run all cells; where one that gives no points ends the kernel, run the others without it, as grading does."""
    fault, cells = "", list(notebook.cells)
    for _ in range(MOST_RUNS):
        fault, ended = _once(NotebookNode({**notebook, "cells": cells}), folder, running, finished)
        if ended is None or "nbgrader" in ended.metadata:
            break
        cells = [cell for cell in cells if cell is not ended]
    for cell in notebook.cells:
        finished(cell, 0.0, fault)


def _once(
    notebook: NotebookNode,
    folder: Path,
    running: Callable[[str], None],
    finished: Callable[[NotebookNode, float, str], None],
) -> tuple[str, NotebookNode | None]:
    """Run cells; return why the rest was not run and the cell at which it ended, if it did."""
    now: list = [None, 0.0]

    def begins(cell: NotebookNode, cell_index: int) -> None:
        now[:] = [cell, time.monotonic()]
        running(cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {cell_index + 1}")

    def ended(cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        seconds = time.monotonic() - now[1]
        if seconds > SECONDS_PER_CELL:
            cell.outputs = [nbformat.v4.new_output("error", **_STOPPED)]
        finished(cell, seconds, "")

    for cell in notebook.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        interrupt_on_timeout=True,
        error_on_timeout=_STOPPED,
        raise_on_iopub_timeout=True,
        allow_errors=True,
        extra_arguments=_QUIET,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=begins,
        on_cell_executed=ended,
    )
    try:
        client.execute()
    except CellTimeoutError:
        return f"not run: a cell before took longer than {SECONDS_PER_CELL} s", now[0]
    except DeadKernelError:
        return "not run: a cell before ended its own kernel", now[0]
    return "", None


def _row(cell: NotebookNode, blank: set[str], is_changed: bool, fault: str, seconds: float) -> Row:
    flags = cell.metadata.nbgrader
    to_write = f"the cell {next(iter(blank))} is still to be written" if blank else ""
    row = partial(Row, flags.grade_id, flags.points, seconds=seconds)
    if flags.solution:
        return row(BY_HAND, to_write)
    if not _has_code(cell.source):
        return row(HIDDEN, "")
    error = next((out for out in cell.outputs if out.output_type == "error"), None)
    if error and blank:
        return row(BLANK, to_write)
    if error:
        return row(FAILED, f"{error.ename}: {error.evalue}".strip(": "))
    if cell.execution_count is None:
        return row(FAILED, fault)
    if is_changed:
        return row(FAILED, "this test was changed; grading runs the one that was handed out")
    return row(PASSED, "")


def _has_code(source: str) -> bool:
    """Return whether a test is open: of one that is hidden as a whole, a release leaves a comment at most."""
    try:
        return bool(ast.parse(source).body)
    except SyntaxError:  # such as a magic
        return True
