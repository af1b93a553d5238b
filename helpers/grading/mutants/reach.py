"""Which test cells can see a change in a solution cell, and which cells a test cell builds on, told by their names."""

import ast
from collections.abc import Collection

from helpers.grading.mutants.variants import Cell


def reached(cells: list[Cell], changed: str) -> set[str]:
    """Name the test cells that may behave otherwise when a solution cell is changed.

    Args:
        cells: the code cells of a homework.
        changed: the solution cell.

    Returns:
        Names of test cells. The others mention nothing that the cell defines, nor anything that depends on it.
    """
    touched = defined(next(cell.code for cell in cells if cell.name == changed))
    lasting = [cell for cell in cells if cell.role in ("solution", "given")]
    while True:
        more = {name for cell in lasting if _mentions(cell, touched) for name in defined(cell.code)}
        if more <= touched:
            return {cell.name for cell in cells if cell.role == "test" and _mentions(cell, touched)}
        touched |= more


def built_on(cells: list[Cell], tests: Collection[str]) -> set[str]:
    """Name the cells that must have run before some test cells can, and those test cells.

    Args:
        cells: the code cells of a homework.
        tests: names of test cells.

    Returns:
        Names of cells: the tests; locked and solution cells that define what is wanted, or that work on a variable
        that is wanted (`history = train(model)` changes the model); and cells that define nothing, which are run for
        what else they do.
    """
    lasting = [cell for cell in cells if cell.role in ("solution", "given")]
    chosen = {cell.name for cell in cells if cell.name in tests}
    chosen |= {cell.name for cell in lasting if not defined(cell.code)}
    while True:
        wanted = {name for cell in cells if cell.name in chosen for name in _mentioned(ast.parse(cell.code))}
        more = {cell.name for cell in lasting if defined(cell.code) & wanted or _works_on(cell, wanted, lasting)}
        if more <= chosen:
            return chosen
        chosen |= more


def defined(code: str) -> set[str]:
    """Name what a cell defines for the cells after it."""
    names = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        else:
            names |= _stored(node)
    return names


def _stored(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _works_on(cell: Cell, wanted: Collection[str], lasting: list[Cell]) -> bool:
    """Tell whether statements outside functions mention a wanted variable of any cell."""
    variables = {name for one in lasting for node in _statements(one.code) for name in _stored(node)}
    return any(_mentioned(node) & variables & set(wanted) for node in _statements(cell.code))


def _statements(code: str) -> list[ast.stmt]:
    """Return what a cell does at once: neither definitions nor imports."""
    lasting = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return [node for node in ast.parse(code).body if not isinstance(node, lasting)]


def _mentions(cell: Cell, names: Collection[str]) -> bool:
    return not _mentioned(ast.parse(cell.code)).isdisjoint(names)


def _mentioned(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
