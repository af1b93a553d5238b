"""Count how long things are and how the prose runs, for the writer. `notebooks.py check --report` prints it."""

import ast
import re
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from statistics import median

from lint import remarks
from lint_code import length
from lint_prose import cells, prose
from sources import Source

LONGEST = 5  # are named
SENTENCE = re.compile(r"(?<=[.!?:])[)*_\"'”’]*\s+|\n\s*\n|\n(?=[-*+] |\d+[.)] )")
WORD = re.compile(r"\S*\w\S*")

Counts = dict[str, int]  # what -> how many lines


def text(root: Path, sources: list[Source]) -> str:
    """Return the report on the modules of a project, its pages and its notebooks."""
    modules, functions = lines_of_code(root)
    parts = [
        summary("modules of helpers/", modules),
        summary("functions of helpers/", functions),
        summary("pages", pages(root)),
        table(sources),
    ]
    again = [each for source in sources for each in remarks(source)]
    parts += ["\n".join(["Worth a look:", *again])] if again else []
    return "\n\n".join(parts)


def lines_of_code(root: Path) -> tuple[Counts, Counts]:
    """Return the lines of each module below helpers/, and of each function without its docstring."""
    modules, functions = {}, {}
    for path in sorted(root.glob("helpers/**/*.py")):
        code, name = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        modules[name] = len(code.splitlines())
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions[f"{name}:{node.lineno} {node.name}"] = _lines(node)
    return modules, functions


def pages(root: Path) -> Counts:
    """Return the lines of each page that is not a notebook."""
    paths = [path for pattern in ("*.md", "docs/*.md", "*/README.md") for path in root.glob(pattern)]
    return {str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(paths)}


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno
    docstring = function.body[0].end_lineno - function.body[0].lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - docstring


def nine_of_ten(numbers: Sequence[int]) -> int:
    """Return the number that nine of ten do not exceed.

    >>> nine_of_ten([1, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    9
    """
    return sorted(numbers)[ceil(0.9 * len(numbers)) - 1] if numbers else 0


def summary(what: str, counts: Counts) -> str:
    """Return how many there are, how long they usually are, and the longest."""
    if not counts:
        return f"0 {what}"
    numbers = list(counts.values())
    usual = f"median {median(numbers):g} lines, 9 of 10 at most {nine_of_ten(numbers)}, {sum(numbers):,} in all"
    longest = sorted(counts, key=lambda name: -counts[name])[:LONGEST]
    return "\n".join([f"{len(counts)} {what}: {usual}", *(f"  {counts[name]:5}  {name}" for name in longest)])


def table(sources: list[Source]) -> str:
    """Return a row for each notebook: its code cells, its words, and how long its sentences are."""
    heads = ["code cells", "lines", "median", "9 of 10", "longest", "words", "a sentence", "9 of 10", "longest"]
    rows = [f"{'notebook':24}" + "".join(f"{head:>11}" for head in heads)]
    for source in sources:
        code = [length(each) for _, each in cells(source, "code")] or [0]
        said = [len(WORD.findall(sentence)) for sentence in sentences(source)] or [0]
        row = [len(code), sum(code), median(code), nine_of_ten(code), max(code)]
        row += [sum(said), median(said), nine_of_ten(said), max(said)]
        rows.append(f"{source.name.stem:24}" + "".join(f"{number:11g}" for number in row))
    return "\n".join(rows)


def sentences(source: Source) -> Iterator[str]:
    """Yield the sentences of a notebook's prose, each item of a list for itself."""
    for _, markdown in cells(source, "markdown"):
        yield from (sentence for sentence in SENTENCE.split(prose(markdown)) if WORD.search(sentence))
