"""What the lectures' tests share: a built notebook's code, and `run_cells`, which runs the cells that have a tag."""

import ast
from collections.abc import Callable
from functools import cache
from itertools import takewhile
from pathlib import Path

import nbformat
import pytest

LECTURES = Path(__file__).resolve().parents[2] / "lectures"


@cache
def code_cells(stem: str) -> list[nbformat.NotebookNode]:
    """Return the code cells of a built lecture."""
    notebook = nbformat.read(LECTURES / f"{stem}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def cells(request) -> list[str]:
    """Return the code of the lecture that the test file is about, its `STEM`, as one text a cell."""
    return [cell.source for cell in code_cells(request.module.STEM)]


@pytest.fixture(scope="session")
def run_cells() -> Callable[..., dict]:
    """Return the function `run_cells(stem, *tags, until=None, **names)`, which is described below."""
    return _run_cells


def _run_cells(stem: str, /, *tags: str, until: str | None = None, **names: object) -> dict:
    """Run the cells of a built lecture that have any of these tags, in the notebook's order.

    Args:
        stem: the notebook, such as "01_simple".
        tags: as in `# %% tags=["encoder-by-hand"]` of its source; several cells may share one.
        until: a name. In each cell, the first statement that uses or sets it is left out, with all that follows:
            a figure at the end, or work for which a test has no data.
        names: what the cells find defined.

    Returns:
        All that is defined after the last of them.

    Raises:
        LookupError: no code cell has one of the tags, or none of the cells mentions `until`.
    """
    chosen = [(cell, ast.parse(cell.source).body) for cell in code_cells(stem) if {*tags} & {*_tags(cell)}]
    _check_tags(stem, set(tags).difference(*(_tags(cell) for cell, _ in chosen)))
    if until and not any(_mentions(statement, until) for _, statements in chosen for statement in statements):
        raise LookupError(
            f"no cell of {stem} tagged {', '.join(tags)} mentions {until!r}; correct or leave out `until`"
        )
    for cell, statements in chosen:
        wanted = list(takewhile(lambda statement: not _mentions(statement, until), statements))
        exec(compile(ast.Module(wanted, []), f"{stem}.ipynb, {cell.id}", "exec"), names)
    return names


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _check_tags(stem: str, missing: set[str]) -> None:
    if missing:
        known = sorted({tag for cell in code_cells(stem) for tag in _tags(cell)})
        raise LookupError(
            f"{stem} has no code cell tagged {', '.join(sorted(missing))}; it has {', '.join(known) or 'no tags'}. "
            f"Tag the cell in authoring/lectures/{stem}.py and run ./course build."
        )


def _mentions(statement: ast.stmt, name: str | None) -> bool:
    """Return whether a statement uses or sets a name; what stands in the body of a function is not run, so not seen."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return statement.name == name
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(statement))
