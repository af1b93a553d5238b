"""Which test cells can see a change in a solution cell: those that name something it defines, or what names that."""

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


def _mentions(cell: Cell, names: Collection[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(ast.parse(cell.code)))
