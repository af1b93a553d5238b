"""Proof that the tests of a homework are good: solutions pass, mistakes that students make lose exactly their points.

A mutant is the instructor's solution with one such mistake, an alternative a right answer that is written otherwise.
`./course homework selftest` runs them all.

Here are the cells of a homework as the solution, as the student gets it, with one mistake in it and with other
answers; and which test cells can see a change in a solution cell.
"""

import ast
import tomllib
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.grading.variants import CELL, Values, with_values

STEPS = ("LockCells", "ClearSolutions", "ClearOutput", "ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums")


class MutantError(Exception):
    """A mutant that cannot be made; the text says which, why and what to do."""


@dataclass(frozen=True)
class Mutant:
    """A mistake in one cell of the solution.

    Attributes:
        name: the mistake in a word or two.
        mistake: what the student did, as a sentence without subject: "adds the noise to the target too".
        cell: the solution cell.
        old, new: the text that it has in the solution, once, and what stands there instead.
        loses: the test cells that it fails; it passes all others.
    """

    name: str
    mistake: str
    cell: str
    old: str
    new: str
    loses: frozenset[str]


@dataclass(frozen=True)
class Alternative:
    """A right answer that is written otherwise than the solution.

    Attributes:
        name: of its table.
        how: in what it differs, in a few words: "subclass of keras.Model".
        cell: the solution cell that it takes the place of.
        code: of the whole cell.
    """

    name: str
    how: str
    cell: str
    code: str


@dataclass(frozen=True)
class Cell:
    """A code cell as the self-test runs it.

    Attributes:
        name: its grade_id; of a cell without one, its id.
        role: "test", "solution", "given" (locked) or "free".
        code: what runs.
        points: of a test.
    """

    name: str
    role: str
    code: str
    points: float = 0


def code_cells(notebook: NotebookNode) -> list[Cell]:
    """List the code cells."""
    return [_cell(cell) for cell in notebook.cells if cell.cell_type == "code"]


def student_version(source: NotebookNode) -> NotebookNode:
    """Take out solutions, hidden tests and mark schemes, as nbgrader's own steps do when they make a release."""
    from nbgrader import preprocessors  # takes two seconds

    notebook = deepcopy(source)
    for step in STEPS:
        notebook, _ = getattr(preprocessors, step)().preprocess(notebook, {})
    return notebook


def mutated(cells: list[Cell], mutant: Mutant) -> list[Cell]:
    """Put a mistake into the solution.

    Raises:
        MutantError: there is no such cell, or its code does not have the text to be replaced exactly once.
    """
    found = next((cell for cell in cells if cell.name == mutant.cell and cell.role == "solution"), None)
    if found is None:
        raise MutantError(f"{mutant.name}: there is no solution cell {mutant.cell!r}; correct `cell`")
    count = found.code.count(mutant.old)
    if count != 1:
        raise MutantError(f"{mutant.name}: {mutant.cell} has its `old` {count} times; make it occur exactly once")
    changed = Cell(found.name, found.role, found.code.replace(mutant.old, mutant.new))
    return [changed if cell is found else cell for cell in cells]


def otherwise(cells: list[Cell], alternatives: Collection[Alternative]) -> list[Cell]:
    """Put alternatives in the place of the solution cells that they answer.

    Raises:
        MutantError: there is no such solution cell.
    """
    answers = {one.cell: one for one in alternatives}
    known = {cell.name for cell in cells if cell.role == "solution"}
    for cell, one in answers.items():
        if cell not in known:
            raise MutantError(f"alternative {one.name}: there is no solution cell {cell!r}; correct `cell`")
    return [Cell(c.name, c.role, answers[c.name].code) if c.name in answers else c for c in cells]


def with_variant(cells: list[Cell], values: Values) -> list[Cell]:
    """Give the locked cell `variant` other values."""
    return [Cell(c.name, c.role, with_values(c.code, values)) if c.name == CELL else c for c in cells]


def handed_in(cells: list[Cell], submitted: list[Cell]) -> list[Cell]:
    """Put somebody's solution cells between our own cells, hidden tests included, as nbgrader does."""
    answers = {cell.name: cell for cell in submitted if cell.role == "solution"}
    return [answers.get(cell.name, cell) for cell in cells]


def read_mutants(path: Path) -> list[Mutant]:
    """Read the mutants of a homework: a TOML table for each.

    Raises:
        MutantError: a table lacks a key or has one too many.
    """
    tables = _tables(path, {"mistake", "cell", "old", "new", "loses"})
    return [Mutant(**{**table, "name": name, "loses": frozenset(table["loses"])}) for name, table in tables.items()]


def read_alternatives(path: Path) -> list[Alternative]:
    """Read the alternatives of a homework: a TOML table for each; none where there is no file.

    Raises:
        MutantError: a table lacks a key or has one too many, or its code does not parse.
    """
    if not path.exists():
        return []
    found = [Alternative(name, **table) for name, table in _tables(path, {"how", "cell", "code"}).items()]
    for one in found:
        try:
            ast.parse(one.code)
        except SyntaxError as error:
            raise MutantError(f"{path.name}, {one.name}: its code does not parse: {error}") from error
    return found


def _tables(path: Path, keys: set[str]) -> dict[str, dict]:
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, table in tables.items():
        if table.keys() != keys:
            raise MutantError(f"{path.name}, {name}: has {', '.join(table)}; wanted: {', '.join(sorted(keys))}")
    return tables


def read_source(path: Path) -> NotebookNode:
    """Read the notebook with its solutions."""
    return nbformat.read(path, as_version=4)


def secrets(source: NotebookNode) -> set[str]:
    """Return the lines of a homework that no student may see: of solutions, hidden tests, mark schemes and answers.

    A line of fewer than 12 characters, such as `return x`, says nothing; one that is shown elsewhere is no secret.
    """
    lines = [part for cell in source.cells for part in _lines(cell)]
    shown = "\n".join(line for line, secret in lines if not secret)
    return {line for line, secret in lines if secret and len(line) >= 12 and line not in shown}


def leaks(source: NotebookNode, text: str) -> list[str]:
    """List the secrets of a homework that stand in a text, and the marks around them."""
    marks = {f"{end} {name}" for end in ("BEGIN", "END") for name in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")}
    return sorted(secret for secret in secrets(source) | marks if secret in text)


def _lines(cell: NotebookNode) -> Iterator[tuple[str, bool]]:
    """Yield each line of a cell without its margin, and whether it is a secret."""
    role = cell.metadata.get("nbgrader", {})
    secret = bool(cell.cell_type == "markdown" and role.get("solution"))
    for line in cell.source.splitlines():
        if "### BEGIN " in line or "### END " in line:
            secret = "### BEGIN " in line
        else:
            yield line.strip(), secret


def _cell(cell: NotebookNode) -> Cell:
    flags = cell.metadata.get("nbgrader")
    if flags is None:
        return Cell(cell.id, "free", cell.source)
    role = "test" if flags.grade and not flags.solution else "solution" if flags.solution else "given"
    return Cell(flags.grade_id, role, cell.source, flags.get("points", 0))


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
    """Return whether statements outside functions mention a wanted variable of any cell."""
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
