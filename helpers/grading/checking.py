"""What students run before they hand in: their notebook in a clean kernel, and a row for each test."""

import ast
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from helpers.grading import GradingError, UnknownError
from helpers.grading.canonical import parse

PASSED, FAILED, HIDDEN, BY_HAND = "passed", "FAILED", "hidden", "by hand"
SECONDS_PER_CELL = 120
_QUIET = ["--log-level=ERROR"]


@dataclass(frozen=True)
class Row:
    """One test.

    Attributes:
        test: its name.
        points: what it can give.
        outcome: "passed" if it ran without an error, or "FAILED"; "hidden" if its code comes with grading only;
            "by hand" if a person grades it.
        message: the error; for an open test that was not run, why.
    """

    test: str
    points: float
    outcome: str
    message: str


def check(path: Path) -> list[Row]:
    """Run a student's notebook and list its tests; the file stays as it is.

    Raises:
        GradingError: it is not there, is no notebook, or has no tests.
    """
    if not path.exists():
        raise UnknownError(f"{path} is not there; name a homework such as hw1_dense, or the path of a notebook")
    notebook = _read(path)
    tests = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    if not tests:
        raise GradingError(f"{path} has no tests: its cells have lost their labels. Copy your answers into a new copy")
    return [_row(cell, fault) for fault in [_run(notebook, path.parent)] for cell in tests]


def _read(path: Path) -> NotebookNode:
    try:
        parse(path.read_bytes())  # says what else a file may be
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except (ValueError, TypeError, LookupError, AttributeError, nbformat.ValidationError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        remedy = "Save it again in JupyterLab, or copy your answers into a new copy"
        raise GradingError(f"{path} cannot be read: {reason}. {remedy}") from error
    return notebook


def _run(notebook: NotebookNode, folder: Path) -> str:
    """Run all cells; return why the rest was not run, if the kernel died or a cell took too long."""
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        allow_errors=True,
        extra_arguments=_QUIET,
        resources={"metadata": {"path": str(folder)}},
    )
    for cell in notebook.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    try:
        client.execute()
    except CellTimeoutError:
        return f"not run: a cell before took longer than {SECONDS_PER_CELL} s"
    except DeadKernelError:
        return "not run: a cell before ended its own kernel"
    return ""


def _row(cell: NotebookNode, fault: str) -> Row:
    flags = cell.metadata.nbgrader
    if flags.solution:
        return Row(flags.grade_id, flags.points, BY_HAND, "")
    if not _has_code(cell.source):
        return Row(flags.grade_id, flags.points, HIDDEN, "")
    error = next((out for out in cell.outputs if out.output_type == "error"), None)
    if error:
        return Row(flags.grade_id, flags.points, FAILED, f"{error.ename}: {error.evalue}".strip(": "))
    was_run = cell.execution_count is not None
    return Row(flags.grade_id, flags.points, PASSED if was_run else FAILED, "" if was_run else fault)


def _has_code(source: str) -> bool:
    """Say whether a test is open: of one that is hidden as a whole, a release leaves a comment at most."""
    try:
        return bool(ast.parse(source).body)
    except SyntaxError:  # such as a magic
        return True
