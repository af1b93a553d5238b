"""Submissions of a homework that are copies of each other, whatever names, order and layout their code was given.

Every statement of a student's answers is cut into features: runs of five tokens, in which all names that the student
chose are the same. What was handed out, and what the solution says, is no evidence. Of the rest a feature counts the
more, the fewer submissions have it (as inverse document frequency): what half the class writes proves nothing.
"""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
from nbformat import NotebookNode
from scipy import sparse

from helpers.grading import pages, variants
from helpers.grading.canonical import label_of

RUN = 5  # tokens, or words
LEAST = 20  # features that a submission must have of its own, or there is too little to tell it from others
ABOVE = 0.75  # of the smaller one's evidence; 288 made-up works by themselves reach 0.69, disguised copies 0.85


@dataclass(frozen=True)
class Work:
    """What one student wrote.

    Attributes:
        name: the student; of an earlier term, the path of the file.
        answers: text of each cell that the student wrote or changed, and whether it is code.
        names: see `imported`.
        features: of all answers, without those of what was handed out and of the solution.
        is_earlier: whether it is of an earlier term.
    """

    name: str
    answers: list[tuple[str, bool]]
    names: Mapping[str, str]
    features: frozenset[str]
    is_earlier: bool = False


@dataclass(frozen=True)
class Pair:
    """Two works that have more in common than chance explains.

    Attributes:
        first, second: the works; the second may be of an earlier term.
        share: in [0, 1], of the evidence in the smaller work, how much is in the other too.
        common: features that both have.
    """

    first: Work
    second: Work
    share: float
    common: frozenset[str]


def read_works(
    submitted: Mapping[str, Path], earlier: Iterable[Path], given: Iterable[NotebookNode]
) -> tuple[list[Work], list[str]]:
    """Read what was handed in, this time and in earlier terms.

    Args:
        submitted: the notebook of each student.
        earlier: notebooks of other terms.
        given: the released notebook and the one with solutions; what stands there is nobody's own.

    Returns:
        The works, and a line for each file that is no notebook.
    """
    works, problems = [], []
    handed_out = _HandedOut([cell for notebook in given for cell in notebook.cells])
    named = [(name, path, False) for name, path in submitted.items()]
    for name, path, is_earlier in [*named, *((str(path), path, True) for path in earlier)]:
        try:
            works.append(handed_out.work(name, nbformat.read(path, as_version=4), is_earlier))
        except Exception as error:  # what students hand in, or what is left of an old term, may be anything
            problems.append(f"{path}: cannot be read ({type(error).__name__}); not compared")
    return works, problems


class _HandedOut:
    """The cells that everybody has."""

    def __init__(self, cells: list[NotebookNode]) -> None:
        self._sources = {cell.source.strip() for cell in cells}
        self._names = _imported(cells)
        self._features = _features(cells, self._names)

    def work(self, name: str, notebook: NotebookNode, is_earlier: bool) -> Work:
        """Return what a student wrote."""
        cells = [cell for cell in notebook.cells if label_of(cell) != variants.CELL]  # whose values are given, too
        own = [cell for cell in cells if cell.source.strip() not in {"", *self._sources}]
        names = self._names | _imported(own)
        answers = [(cell.source, cell.cell_type == "code") for cell in own]
        return Work(name, answers, names, _features(own, names) - self._features, is_earlier)


def _imported(cells: list[NotebookNode]) -> dict[str, str]:
    return imported(cell.source for cell in cells if cell.cell_type == "code")


def _features(cells: list[NotebookNode], names: Mapping[str, str]) -> frozenset[str]:
    every = (features(c.source, names) if c.cell_type == "code" else _features_of_text(c.source) for c in cells)
    return frozenset[str]().union(*every)


def similar(works: list[Work], *, above: float = ABOVE) -> list[Pair]:
    """Return the pairs that have much in common, the most first. Two works of earlier terms are no pair.

    Args:
        works: of one homework.
        above: share of the evidence, in [0, 1], from which a pair is returned.
    """
    works = [work for work in works if len(work.features) >= LEAST]
    if len(works) < 2:
        return []
    has, weights = _weighted(works)
    common = (has.multiply(weights) @ has.T).toarray()
    evidence = common.diagonal()
    shares = common / np.maximum(np.minimum.outer(evidence, evidence), 1e-12)
    pairs = [
        Pair(works[i], works[j], float(shares[i, j]), works[i].features & works[j].features)
        for i, j in zip(*np.nonzero(np.triu(shares >= above, k=1)), strict=True)
        if not (works[i].is_earlier and works[j].is_earlier)
    ]
    pairs = [pair for pair in pairs if len(pair.common) >= LEAST]
    return sorted(pairs, key=lambda pair: (-pair.share, pair.first.name, pair.second.name))


def _weighted(works: list[Work]) -> tuple[sparse.csr_array, np.ndarray]:
    """Return which work has which feature, (works, features), and what a feature weighs, (features,)."""
    counts = Counter(feature for work in works for feature in work.features)
    number = {feature: column for column, feature in enumerate(counts)}
    rows, columns = zip(*((row, number[each]) for row, work in enumerate(works) for each in work.features), strict=True)
    has = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(works), len(number)))
    return has, np.log((len(works) + 1) / np.fromiter(counts.values(), float))


def features(source: str, names: Mapping[str, str]) -> frozenset[str]:
    r"""Return the features of a code cell: runs of each statement's tokens.

    Args:
        source: of the cell.
        names: see `imported`.

    >>> features("def mean(a, b): return (a + b) / 2", {}) == features("def f(x, y):\n  return (x+y)/2  # half", {})
    True
    >>> features("total = a + b", {}) == features("total = a - b", {})
    False
    """
    return frozenset(" ".join(run) for _, tokens in _statements(source, names) for run in _runs(tokens))


def _features_of_text(source: str) -> frozenset[str]:
    """Return the features of a text: runs of words."""
    return frozenset(_prose(run) for run in _runs(_words(source.lower())) if len(run) == RUN)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _prose(run: list[str]) -> str:
    return f"text: {' '.join(run)}"


def _runs(tokens: list) -> Iterator[list]:
    for start in range(max(1, len(tokens) - RUN + 1)):
        yield tokens[start : start + RUN]


def _statements(source: str, names: Mapping[str, str]) -> list[tuple[range, list[str]]]:
    """Return the lines of each statement, from 0, and its tokens; those of code that does not parse, by line."""
    tree = _parsed(source)
    if tree is None:
        lines = enumerate(source.split("\n"))
        return [(range(number, number + 1), _tokens(line)) for number, line in lines if line.strip()]
    _rename(tree, names)
    found = [(_lines_of(node), _header(node)) for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return [(lines, _tokens(text)) for lines, text in found if text]


def _lines_of(node: ast.stmt) -> range:
    """Return the lines of a statement, from 0, without those of the statements in it."""
    inside = [child.lineno for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return range(node.lineno - 1, max(node.lineno, min(inside) - 1) if inside else node.end_lineno or node.lineno)


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _header(node: ast.stmt) -> str:
    """Return a statement as Python itself would write it, without the statements inside it and without docstrings."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return ""
    inside = [name for name, value in ast.iter_fields(node) if isinstance(value, list) and _are_blocks(value)]
    if not inside:
        return ast.unparse(node)
    empty = copy(node)
    for name in inside:
        setattr(empty, name, [])
    return ast.unparse(empty).rstrip(": \n")


def _are_blocks(nodes: list) -> bool:
    return any(isinstance(node, ast.stmt | ast.excepthandler | ast.match_case) for node in nodes)


def _rename(tree: ast.Module, imported: Mapping[str, str]) -> None:
    """Rename all that students may name to one name; built-in and imported things keep their own."""
    kept = {name: name for name in dir(builtins)} | dict(imported)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = kept.get(node.id, "_")
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = "_", None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.name = "_"


def imported(sources: Iterable[str]) -> dict[str, str]:
    """Return what imported things are called in some cells, and their own names.

    >>> imported(["import numpy as np", "from keras import layers"])
    {'np': 'numpy', 'layers': 'layers'}
    """
    nodes = [node for source in sources for node in ast.walk(_parsed(source) or ast.Module([], []))]
    imports = [alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return {alias.asname or alias.name.split(".")[0]: alias.name for alias in imports}


def _parsed(source: str) -> ast.Module | None:
    """Return the tree of a cell without its magics; None if it does not parse."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n")]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return None


def write_page(path: Path, homework: str, pairs: list[Pair], counted: int) -> None:
    """Write a page that needs no network: the pairs side by side, with what both have marked.

    Args:
        path: of the page.
        homework: its name.
        pairs: see `similar`.
        counted: how many submissions were compared.
    """
    pages.write(path, "similar.html.j2", homework=homework, pairs=pairs, counted=counted, marked=marked)


def marked(work: Work, common: Collection[str]) -> list[list[tuple[str, bool]]]:
    """Return the lines of each answer, and whether some of what they say is in `common`."""
    return [
        [(line, number in shared) for number, line in enumerate(text.split("\n"))]
        for text, is_code in work.answers
        for shared in [set(_lines_in(common, text, work.names if is_code else None))]
    ]


def _lines_in(common: Collection[str], text: str, names: Mapping[str, str] | None) -> Iterator[int]:
    """Yield the numbers of lines with something in common; `names` of code, None for prose."""
    if names is not None:
        for lines, tokens in _statements(text, names):
            if any(" ".join(run) in common for run in _runs(tokens)):
                yield from lines
        return
    words = [(number, word) for number, line in enumerate(text.lower().split("\n")) for word in _words(line)]
    for run in _runs(words):
        if _prose([word for _, word in run]) in common:
            yield from (number for number, _ in run)
