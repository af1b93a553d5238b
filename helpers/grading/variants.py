"""Variants of a homework: numbers, names and a seed of a student's own, in one locked cell that text and tests use.

What each name may be stands in `homework/_instructor/variants/HW.toml`, a line for each:

    BATCH = { from = 48, to = 64 }             # a number, in steps of 1 where no `step` is given
    CLASSES = { order = ["ground", "trees"] }  # all of them, in any order
    LETTER = ["a", "b"]                        # one of them

The cell `variant` of the notebook gives each name one of these values, on a line of its own. All variants must be
equally difficult: the self-test runs solution, alternatives and mutants under their `corners`.
"""

import ast
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import accumulate, permutations
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from helpers.grading import GradingError
from helpers.grading.canonical import checksum, label_of, source_of

CELL = "variant"
MOST_ORDERED = 6  # names: all their orders are listed
Values = Mapping[str, Any]  # of one student, by name: what JSON can hold
Table = Mapping[str, Values]  # by student
Choices = Mapping[str, Sequence[Any]]  # the values that each name may have


def read(path: Path) -> Choices:
    """Read what the names of a homework's variants may be; nothing where there is no such file.

    Raises:
        GradingError: a line is none of the three kinds.
    """
    if not path.exists():
        return {}
    try:
        return {name: _options(line) for name, line in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, ArithmeticError) as error:
        raise GradingError(
            f"{path}: {error}. A line is NAME = {{ from = 1, to = 9, step = 2 }}, {{ order = [...] }} or [...], with "
            f"at least two values, all different; at most {MOST_ORDERED} names are ordered"
        ) from error


def _options(line: Any) -> Sequence[Any]:
    if not isinstance(line, list | dict):
        raise TypeError(f"{line} is no list of values")
    if isinstance(line, list):
        found: Sequence[Any] = line
    elif line.keys() == {"order"}:
        names = line["order"]
        found = [list(order) for order in permutations(names)] if len(names) <= MOST_ORDERED else []
    elif {"from", "to"} <= line.keys() <= {"from", "to", "step"}:
        first, last, step = line["from"], line["to"], line.get("step", 1)
        count = math.floor((last - first) / step + 1e-9) + 1  # never beyond the last one
        is_whole = all(isinstance(one, int) for one in (first, last, step))
        steps = range(max(count, 0))
        found = range(first, first + count * step, step) if is_whole else [round(first + n * step, 12) for n in steps]
    else:
        raise ValueError(f"{line} is neither from and to, with or without a step, nor order alone")
    if len(found) < 2:
        raise ValueError(f"{line} gives too few values: {list(found)}")
    if not isinstance(found, range) and len({json.dumps(one, allow_nan=False) for one in found}) < len(found):
        raise ValueError(f"{line} gives a value twice")
    return found


def read_table(folder: Path, homework: str) -> Table:
    """Read which values each student has; nothing where the homework has no variants.

    Raises:
        GradingError: variants were handed out, and the table is lost or damaged.
    """
    path, copies = folder / f"{homework}.json", folder / homework
    if not path.exists() and not copies.exists():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if not table or not all(isinstance(values, dict) for values in table.values()):
            raise ValueError("it does not have values of each student")
    except (OSError, ValueError, AttributeError) as error:
        raise GradingError(
            f"{path} cannot be read ({error}), which says what was handed out to whom. Bring it back from a backup; "
            f"{copies} has each student's notebook with the values"
        ) from error
    return table


def missing(homework: str, student: str) -> str:
    """Return a line about a student who is not in the table."""
    release = f"./course homework release {homework} --variants"
    return f"{student} has no variant of {homework}: do {release}, then collect and grade again"


def draw(choices: Choices, key: str) -> Values:
    """Choose one value for each name; the same key gives the same values, on every machine."""
    return {name: options[_number(f"{key}/{name}") % len(options)] for name, options in choices.items()}


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


def corners(choices: Choices) -> list[Values]:
    """List the variants in which each name has its first or its last value: all alike, and by turns.

    >>> corners({"A": [1, 2, 3], "B": "xy"})
    [{'A': 1, 'B': 'x'}, {'A': 3, 'B': 'y'}, {'A': 1, 'B': 'y'}, {'A': 3, 'B': 'x'}]
    """
    ends = ((0, 0), (-1, -1), (0, -1), (-1, 0))
    found = [{name: of[end[n % 2]] for n, (name, of) in enumerate(choices.items())} for end in ends]
    return [one for n, one in enumerate(found) if one not in found[:n]]


def told(values: Values) -> str:
    """Return values on one line.

    >>> told({"BATCH": 52, "RATE": 0.004})
    'BATCH = 52, RATE = 0.004'
    """
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())


def values_in(cells: Sequence[dict]) -> Values:
    """Return the values in a notebook's cell `variant`, whatever else a student wrote there; nothing without one."""
    return {name: value for cell in cells if label_of(cell) == CELL for name, value in _literals(source_of(cell))}


def put(notebook: NotebookNode, values: Values) -> NotebookNode:
    """Return a notebook with other values in its cell `variant`, as if it had been handed out so.

    Raises:
        GradingError: the cell does not have these names, or there is none.
    """
    names = values_in(notebook.cells).keys()
    if names != values.keys():
        there, wanted = (", ".join(sorted(some)) or "nothing" for some in (names, values))
        raise GradingError(f"the cell {CELL!r} of the notebook gives values to {there}; the variants, to {wanted}")
    changed = deepcopy(notebook)
    for cell in changed.cells:
        if label_of(cell) == CELL:
            cell.source = with_values(cell.source, values)
            if "checksum" in cell.metadata.nbgrader:
                cell.metadata.nbgrader["checksum"] = checksum(cell)
    return changed


def with_values(code: str, values: Values) -> str:
    r"""Return the code of a cell with other values behind its names, its comments kept.

    >>> print(with_values("A = 1  # apples\nB = ('x',\n     'y')", {"A": 7, "B": ["y", "x"]}))
    A = 7  # apples
    B = ('y', 'x')
    """
    text = code.encode()
    begins = list(accumulate((len(line.encode()) for line in code.splitlines(keepends=True)), initial=0))
    for node in reversed(_assignments(code)):
        first = begins[node.value.lineno - 1] + node.value.col_offset
        last = begins[(node.value.end_lineno or 0) - 1] + (node.value.end_col_offset or 0)
        value = values[_name(node)]
        written = repr(tuple(value) if isinstance(value, list) else value)  # a tuple, which no answer can change
        text = text[:first] + written.encode() + text[last:]
    return text.decode()


def _literals(code: str) -> list[tuple[str, Any]]:
    found = [(_name(node), ast.literal_eval(node.value)) for node in _assignments(code)]
    return [(name, list(value) if isinstance(value, tuple) else value) for name, value in found]


def _assignments(code: str) -> list[ast.Assign]:
    """List the statements that give one name a value that is written out."""
    try:
        nodes = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [
        node
        for node in nodes
        if isinstance(node, ast.Assign)
        and [type(one) for one in node.targets] == [ast.Name]
        and _is_literal(node.value)
    ]


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _name(node: ast.Assign) -> str:
    [target] = node.targets
    return target.id if isinstance(target, ast.Name) else ""
