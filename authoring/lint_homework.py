"""The style's rules about homework: stub, open test, hidden test. Each rule yields as those of `lint_prose` do."""

import ast
import builtins
import re
from collections.abc import Iterator

from lint_code import LONGEST, length, tree
from lint_prose import Findings, cells, promise, prose
from nbformat import NotebookNode
from sources import Source

POINTS = (20, 100)
TOTAL = 450  # lines of code, without docstrings
TESTS = "checks"


def role(cell: NotebookNode) -> str:
    """Tell what a cell is for: solution, test, hidden, written, task, locked or free."""
    flags = cell.metadata.get("nbgrader")
    if flags is None:
        return "free"
    if flags.task:
        return "task"
    if flags.grade and flags.solution:
        return "written"
    if flags.grade:
        return "hidden" if "### BEGIN HIDDEN TESTS" in cell.source else "test"
    return "solution" if flags.solution else "locked"


def of_role(source: Source, *roles: str) -> list[tuple[int, str]]:
    """List the code cells of these roles, each with its index."""
    found = source.notebook.cells
    return [(index, code) for index, code in cells(source, "code") if role(found[index]) in roles]


def title(source: Source) -> Findings:
    """Cell 1 opens with the number in the file's name and a title, and asks a question."""
    number = re.match(r"hw(\d+)(_[a-z0-9]+)*$", source.name.stem)
    if not number:
        yield None, f"is named {source.name.stem!r}; wanted: a name such as hw1_dense"
    elif not re.match(rf"# Homework {number[1]} · \S", promise(source)):
        yield 0, f"opens with {promise(source).partition(chr(10))[0]!r}; wanted: `# Homework {number[1]} · Title`"
    if "?" not in prose(promise(source)):
        yield 0, "asks no question; wanted: the one that the notebook answers"


def total_points(source: Source) -> float:
    """Return how many points there are in all."""
    return sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in source.notebook.cells)


def range_of_points(source: Source) -> Findings:
    """There are between 20 and 100 points."""
    total = total_points(source)
    if not POINTS[0] <= total <= POINTS[1]:
        yield None, f"has {total:g} points; wanted: {POINTS[0]} to {POINTS[1]}"


def points(source: Source) -> Findings:
    """Cell 1 says how many points there are."""
    total = total_points(source)
    if not re.search(rf"^\| *{total:g} *\|", promise(source), re.MULTILINE):
        yield 0, f"does not say its {total:g} points; wanted: a table that begins with them"


def lengths(source: Source) -> Findings:
    """No code cell is too long to be read at once, and the notebook for one sitting; docstrings do not count."""
    counts = {index: length(code) - _docstring_lines(code) for index, code in cells(source, "code")}
    for index, count in counts.items():
        if count > LONGEST:
            yield index, f"has {count} lines of code; at most {LONGEST}: split it"
    if sum(counts.values()) > TOTAL:
        yield None, f"has {sum(counts.values())} lines of code; at most {TOTAL}: ask less, or import what is plumbing"


def contracts(source: Source) -> Findings:
    """What students write has a docstring that says what goes in and what comes out."""
    for index, code in of_role(source, "solution"):
        for node in tree(code).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                wanted = ["Args:"] + ["Returns:"] * isinstance(node, ast.FunctionDef)
                missing = [word for word in wanted if word not in (ast.get_docstring(node) or "")]
                if missing:
                    yield index, f"asks for {node.name} without saying {' and '.join(missing)} in its docstring"


def triad(source: Source) -> Findings:
    """Behind each stub come an open test and a hidden one; what a task asks for is graded by hand."""
    roles = [role(cell) for cell in source.notebook.cells if role(cell) not in ("free", "locked")]
    places = [index for index, cell in enumerate(source.notebook.cells) if role(cell) not in ("free", "locked")]
    for number, here in enumerate(roles):
        if here == "solution" and "task" not in roles[number - 1 : number]:
            rest = roles[number + 1 :]
            own = rest[: rest.index("solution")] if "solution" in rest else rest
            for wanted in {"test", "hidden"} - set(own):
                article = "an open" if wanted == "test" else "a hidden"
                yield places[number], f"is a solution without {article} test behind it; students learn from both"


def teaching(source: Source) -> Findings:
    """A test says what was expected, what came and where to read; it never gives a part of its points by accident."""
    for index, code in of_role(source, "test", "hidden"):
        body = tree(code).body
        if any(isinstance(node, ast.Assert) for node in ast.walk(tree(code))) or f"{TESTS}." not in code:
            yield index, "tests by assert, or not at all; use helpers.grading.checks, whose messages teach"
        elif body and isinstance(body[-1], ast.Expr) and not ast.unparse(body[-1]).startswith(f"{TESTS}."):
            yield index, f"ends with {ast.unparse(body[-1])!r}, which nbgrader may take for partial credit; assign it"


def independent(source: Source) -> Findings:
    """A test builds on solutions and given cells only, not on other tests or on cells that students may change."""
    lasting = {name for _, code in of_role(source, "solution", "locked") for name in _bound(code)}
    for index, code in of_role(source, "test", "hidden"):
        strangers = _used(code) - _bound(code) - lasting - set(dir(builtins))
        for name in sorted(strangers):
            yield index, f"uses {name}, which no solution and no locked cell defines; make it in the test itself"


def _docstring_lines(code: str) -> int:
    kinds = ast.FunctionDef | ast.ClassDef
    texts = [ast.get_docstring(node) for node in ast.walk(tree(code)) if isinstance(node, kinds)]
    return sum(length(text) for text in texts if text)


def _used(code: str) -> set[str]:
    return {node.id for node in _names(code) if isinstance(node.ctx, ast.Load)}


def _bound(code: str) -> set[str]:
    """Return the names that a cell assigns, imports, defines, matches, catches or takes as an argument."""
    names = {node.id for node in _names(code) if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree(code)):
        named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
        if isinstance(node, named) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names


def _names(code: str) -> Iterator[ast.Name]:
    return (node for node in ast.walk(tree(code)) if isinstance(node, ast.Name))
