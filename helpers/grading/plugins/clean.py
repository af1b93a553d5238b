"""What a page shows of a submission: what a run gave in which no hidden test was present, and how grading ended.

A submission can read whatever is in its kernel and print it in any encoding, which no search finds. So nothing that
came out of the kernel that was graded goes onto a page, but for what `told` makes of a failed test. Points are of the
graded run; the page's own run is `pipeline.grading.run_clean`'s.

The kernel that fails a hidden test is the student's: what it says can hold the test, in whatever encoding. So of its
words only those are told that stand in a closed vocabulary:

* what is looked at, what is expected and where to read, where an author wrote these words: in the test, or in
  `helpers.grading.checks`. A number in them is told if it stands in the test, and else left out;
* what came, where it has the form of a check's message; of its values at most `MOST` numbers of 4 digits, names of
  well-known types, True, False and None;
* an exception's type, if it is well known; its message only if the page's own run, which has no hidden test, gave it;
* one line of the student's own answer, looked up in what was handed in.

A submission that knows the test and wants to tell it can choose among these: 4 numbers of at most 19 bits, and some 25
bits for the words, the type and the line. That is about a hundred bits, or twelve letters, for each test that it gives
up; for a number in `what` or `expected` it can choose one that stands in the test.
"""

import ast
import builtins
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import nbformat
from nbconvert.filters.ansi import strip_ansi
from nbformat import NotebookNode, ValidationError
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Unicode

from helpers.grading import pages

HERE = "# (hidden tests ran here)"
SECOND_RUN = "What your cells print and draw here is of a second run, without hidden tests. Points are of the first."
NO_RUN = "Your notebook could not be run again for this page, so it shows nothing that your cells print and draw."
LUCKY = "This test passed when it was graded, which counts. It failed when this page was made:"
UNLUCKY = (
    "This test failed when it was graded, which counts. It passed when this page was made: does it depend on chance?"
)
_KEPT = ("nbgrader", "alt")  # of a cell's metadata
MOST = 4  # numbers of what came
LONGEST = 300  # characters of a message that is looked at
LEFT_OUT, ELSE = "…", "something else; what your code gives to the part of the test that you see is a first clue"
UNSEEN = "a part of the test that is not shown"
READ = "the docstring of the question"
# What grading itself says of a test that did not end, by what it begins with; how much of what is left out.
_OF_GRADING = (
    ("not run", "this test did not run: the notebook was ended before"),
    ("ended its own kernel", "the notebook ended its own kernel"),
    ("used more", "the notebook used more memory or processes than it may"),
    ("took more", "the notebook took more time than it may"),
    ("could not be interrupted", "the notebook took more time than it may, and could not be interrupted"),
    ("printed more", "the notebook printed more than it may"),
    ("changed", "the submission changed how tests are run; write to your instructor if you did not mean to"),
    ("", "the test was stopped"),
)
ENDED = ("NotRun", "Tampering", "DeadKernelError", "CellTimeoutError", "GarbledError")
FRAME = re.compile(r"(?m)^ *Cell In ?\[\d*\], line (\d+)(?:, in ([\w.<>]+))?.*\n((?:(?! *(?:Cell In|File )).*\n?)*)")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:,\d{3})*(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf)")
_SHAPE = re.compile(r"\(\d*(?:, ?\d+){0,4},?\)")
_MORE = ("{} at [{}], and {} of {} values are off",)  # of `checks.close`, which puts it together
_EXCEPTIONS = {
    *(name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)),
    *("InvalidArgumentError", "ResourceExhaustedError", "UnimplementedError", "NotFoundError", "InternalError"),
    *("FailedPreconditionError", "OutOfRangeError", "OperatorNotAllowedInGraphError", "UFuncTypeError"),
    *("AxisError", "LinAlgError", "NotFittedError"),
}
_TYPES = {
    *("NoneType", "bool", "int", "float", "complex", "str", "bytes", "list", "tuple", "dict", "set", "function"),
    *("method", "generator", "type", "module", "range", "ndarray", "DataFrame", "Series", "Tensor", "EagerTensor"),
    *("SymbolicTensor", "KerasTensor", "Variable", "ResourceVariable", "Sequential", "Functional", "Model", "Layer"),
    *("Dense", "Conv2D", "Conv2DTranspose", "History", "BatchDataset", "PrefetchDataset", "float16", "float32"),
    *("float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "object"),
}
_WORDS = _TYPES | {"True", "False", "None"}


def without_hidden(graded: NotebookNode) -> NotebookNode:
    """Return a graded notebook as the student has it: no hidden test, and nothing that a kernel sent."""
    cells = []
    for cell in graded.cells:
        kept = {key: deepcopy(cell.metadata[key]) for key in _KEPT if key in cell.metadata}
        made = NotebookNode(id=cell.id, cell_type=cell.cell_type, source=cell.source, metadata=NotebookNode(kept))
        if cell.cell_type == "code":
            made |= {"outputs": [], "execution_count": None}
        if "attachments" in cell:
            made["attachments"] = deepcopy(cell.attachments)
        if is_test(cell):
            shown, _ = ClearHiddenTests().preprocess_cell(deepcopy(made), {}, 0)
            made.source = shown.source if shown.source == cell.source else f"{shown.source.rstrip()}\n{HERE}".strip()
        cells.append(NotebookNode(made))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def is_test(cell: NotebookNode) -> bool:
    """Return whether a cell gives points for how it runs."""
    return cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell)


def number(shown: NotebookNode) -> str:
    """Return a number by which a run is known to be of this notebook; see `without_hidden`."""
    cells = [[cell.id, cell.cell_type, cell.source] for cell in shown.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def read(path: Path, shown: NotebookNode) -> NotebookNode | None:
    """Read a run, if there is one of this notebook."""
    try:
        run = nbformat.read(path, as_version=4)
    except (OSError, ValueError, ValidationError):
        return None
    return run if run.metadata.get("course", {}).get("of") == number(shown) else None


def page_of(graded: NotebookNode, run: NotebookNode | None) -> NotebookNode:
    """Return what a page shows.

    Args:
        graded: the notebook as it was graded.
        run: the same without hidden tests, run; None if it could not be.
    """
    page = without_hidden(graded)
    ran = {cell.id: cell.outputs for cell in run.cells if cell.cell_type == "code"} if run else {}
    seen = {said(out) for outputs in ran.values() for out in _errors(outputs)}
    own = [cell for cell in page.cells if cell.cell_type == "code" and not utils.is_locked(cell)]
    public = "\n".join(cell.source for cell in page.cells)
    for before, cell in zip(graded.cells, page.cells, strict=True):
        if cell.cell_type != "code":
            continue
        cell.outputs = deepcopy(ran.get(cell.id, []))
        if not is_test(cell):
            continue
        failed, fails = _errors(before.outputs), _errors(cell.outputs)
        if failed and not fails:
            cell.outputs += [told(error, before.source, own, seen, public) for error in failed[:1]]
            if run and HERE not in cell.source:
                cell.metadata["remark"] = UNLUCKY
        elif fails and not failed:
            cell.metadata["remark"] = LUCKY
    return page


def _errors(outputs: list[NotebookNode]) -> list[NotebookNode]:
    return [out for out in outputs if out.output_type == "error"]


class CleanOutputs(NbGraderPreprocessor):
    """Puts in the place of a graded notebook what a page shows of it; the first step, so that no other sees more."""

    runs = Unicode("", help="folder of the runs without hidden tests, one folder for each homework").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Read the run of the submission; formgrader may want a page of one that has none."""
        of = resources["nbgrader"]
        run = read(Path(self.runs) / of["assignment"] / f"{of['student']}.ipynb", without_hidden(nb))
        of["outputs"] = SECOND_RUN if run else NO_RUN
        return page_of(nb, run), resources


# ---- what is told of a failure that only grading saw ----


def told(
    error: NotebookNode, test: str, own: Collection[NotebookNode], seen: Collection[str], public: str
) -> NotebookNode:
    """Return an error of grading as a page may show it.

    Args:
        error: an output of the test.
        test: its source, with the hidden part.
        own: the cells that the student wrote.
        seen: what the errors of the page's own run said; see `said`.
        public: all code that the student sees.
    """
    name, text = strip_ansi(error.ename), said(error)
    if name in ENDED:
        return _mismatch(next(phrase for sign, phrase in _OF_GRADING if sign in text))
    what, facts = pages.parts(text)
    if facts or name == "Mismatch":
        return _of_check(what, facts, _tree(test))
    if name == "AssertionError":
        return _of_assertion(text, _tree(test))
    if text not in seen:
        missing = re.fullmatch(r"name '(\w+)' is not defined.*", text)
        is_public = missing and re.search(rf"\b{missing[1]}\b", public)
        text = f"name '{missing[1]}' is not defined" if missing and is_public else ""
    known = name if name in _EXCEPTIONS else "an error"
    return new_output("error", ename=known, evalue=text, traceback=_line_of(error, own))


def said(error: NotebookNode) -> str:
    """Return the message of an error, without colors, and not without end."""
    return strip_ansi(error.evalue)[: 4 * LONGEST]


def _tree(source: str) -> ast.Module:
    """Return the tree of a cell; an empty one where it is not Python alone."""
    try:
        return ast.parse(source)
    except SyntaxError:  # such as a magic
        return ast.Module([], [])


def _mismatch(what: str, **facts: str) -> NotebookNode:
    lines = [what, *(f"  {name + ':':9} {text}" for name, text in facts.items() if text)]
    return new_output("error", ename="Mismatch", evalue="\n".join(lines), traceback=[])


def _of_check(what: str, facts: dict[str, str], test: ast.Module) -> NotebookNode:
    """Return the message of a check, as far as authors wrote it."""
    literals = _literals(test)
    expected = facts.get("expected", "")
    written = _as_written(expected, [*_texts(test, "expected"), *_of_checks("expected")], literals)
    return _mismatch(
        _as_written(what, _texts(test, "what"), literals) or UNSEEN,
        expected=written or _known(expected, literals).strip(LEFT_OUT),
        got=_value_told(facts.get("got", ""), [*_texts(test, "got"), *_of_checks("got"), *_MORE]),
        read=_as_written(facts.get("read", ""), _texts(test, "read"), literals) or READ,
    )


def _of_assertion(said: str, test: ast.Module) -> NotebookNode:
    """Return the message of an `assert`, or of NumPy's; how far off values are is told, and which they are is not."""
    literals = _literals(test)
    written = _as_written(said, _texts(test, "message"), literals)
    off = re.search(r"Mismatched elements: (\d+) / (\d+)", said)
    shapes = re.search(r"\(shapes (\([\d, ]*\)), (\([\d, ]*\)) mismatch\)", said)
    got = ""
    if shapes:
        got = f"shape {_value(shapes[1], _Budget())}"
    elif off:
        budget = _Budget()
        got = f"{_value(off[1], budget)} of {_value(off[2], budget)} values are off"
        largest = re.search(rf"Max absolute difference[\w ]*: ({_NUMBER.pattern})", said)
        got += f", by up to {_value(largest[1], budget)}" if largest else ""
    return _mismatch(written or UNSEEN, expected="" if written else "what the docstring asks for", got=got, read=READ)


# ---- what authors wrote ----


def _texts(tree: ast.Module, role: str) -> list[str]:
    """List the texts that a cell has in a role: as an argument of a check, or under that name; `{}` for what varies."""
    found: list[ast.expr] = []
    names = {role}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += [keyword.value for keyword in node.keywords if keyword.arg == role]
            is_check = isinstance(node.func, ast.Attribute) and ast.unparse(node.func).startswith("checks.")
            found += node.args[:1] if role == "what" and is_check else []
        elif isinstance(node, ast.Assert) and node.msg and role == "message":
            found.append(node.msg)
    names |= {node.id for node in found if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            found += [node.value for target in node.targets if isinstance(target, ast.Name) and target.id in names]
        elif isinstance(node, ast.For):
            found += _looped(node, names)
    return [text for node in found for text in _written(node)]


def _looped(loop: ast.For, names: set[str]) -> Iterator[ast.expr]:
    """Yield what a loop over a tuple or a list, as it is written, puts under names."""
    rows = loop.iter.elts if isinstance(loop.iter, ast.Tuple | ast.List) else []
    if isinstance(loop.target, ast.Name) and loop.target.id in names:
        yield from rows
    elif isinstance(loop.target, ast.Tuple):
        places = [n for n, one in enumerate(loop.target.elts) if isinstance(one, ast.Name) and one.id in names]
        yield from (row.elts[n] for row in rows if isinstance(row, ast.Tuple) for n in places if n < len(row.elts))


def _written(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_written(node.body), *_written(node.orelse))


@cache
def _of_checks(role: str) -> tuple[str, ...]:
    """Return what `checks` itself says, without importing it, for it imports Keras."""
    return tuple(_texts(ast.parse((Path(__file__).parents[1] / "checks.py").read_text(encoding="utf-8")), role))


def _filled(text: str, templates: Iterable[str]) -> tuple[str, list[str]] | None:
    """Return the template that a text was made of, the most telling one that fits, and what fills it."""
    if len(text) > LONGEST:
        return None
    for template in sorted(set(templates), key=lambda one: len(one.replace("{}", "")), reverse=True):
        pattern = "(.*?)".join(map(re.escape, template.split("{}")))
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found and re.search(r"\w\w", template):
            return template, list(found.groups())
    return None


def _as_written(text: str, templates: Iterable[str], literals: Collection[str]) -> str:
    """Return a text if authors wrote it, without what varies in it but for numbers of the test; else nothing."""
    found = _filled(text, templates)
    return _put(found[0], [_known(value, literals) for value in found[1]]) if found else ""


def _known(value: str, literals: Collection[str]) -> str:
    """Return a number or a shape as far as it stands in the test; `LEFT_OUT` for anything else."""
    if _NUMBER.fullmatch(value) or _SHAPE.fullmatch(value):
        number = r"\d+" if value.startswith("(") else _NUMBER
        return re.sub(number, lambda one: one[0] if _rounded(one[0]) in literals else LEFT_OUT, value)
    return LEFT_OUT


def _literals(test: ast.Module) -> set[str]:
    """Return the numbers that stand in a test."""
    found = [node.value for node in ast.walk(test) if isinstance(node, ast.Constant)]
    return {_rounded(str(value)) for value in found if isinstance(value, int | float) and not isinstance(value, bool)}


def _put(template: str, values: list[str]) -> str:
    first, *rest = template.split("{}")
    return first + "".join(value + text for value, text in zip(values, rest, strict=True))


# ---- what came ----


class _Budget:
    """How many numbers may still be told."""

    def __init__(self) -> None:
        self.left = MOST

    def __call__(self, text: str) -> str:
        """Return a number with 4 digits, or what stands in its place."""
        self.left -= 1
        return _rounded(text) if self.left >= 0 else LEFT_OUT


def _value_told(text: str, templates: Iterable[str]) -> str:
    """Return what came, as far as the vocabulary goes."""
    kind = re.match(r"(\w+): ", text)  # an exception with its message
    found = None if kind and kind[1] in _EXCEPTIONS else _filled(text, templates)
    budget = _Budget()
    if found:
        return _put(found[0], [_value(value, budget) for value in found[1]])
    if kind and kind[1] in _EXCEPTIONS:
        return kind[1]
    alone = _value(text, budget)
    return ELSE if alone == LEFT_OUT else alone


def _value(text: str, budget: _Budget) -> str:
    """Return a number, a shape or a word of the vocabulary; `LEFT_OUT` for others."""
    if len(text) <= LONGEST:
        if _NUMBER.fullmatch(text):
            return budget(text)
        if _SHAPE.fullmatch(text):
            return re.sub(r"\d+", lambda one: budget(one[0]), text)
        if text.removeprefix("a ").removeprefix("an ") in _WORDS:
            return text
    return LEFT_OUT


def _rounded(text: str) -> str:
    """Return a number with 4 digits, as one form of several; very large and very small ones are not told apart.

    >>> [_rounded(text) for text in ("9", "100,480", "0.1234567", "-3e-9", "1e300", "nan")]
    ['9', 'about 100500', '0.1235', 'nearly 0', 'beyond 1e9', 'nan']
    """
    value = float(text.replace(",", ""))
    if value != value:
        return "nan"
    if abs(value) > 1e9:
        return "beyond 1e9" if value > 0 else "beyond -1e9"
    if 0 < abs(value) < 1e-6:
        return "nearly 0"
    rounded = float(f"{value:.4g}")
    is_whole = value == int(value)
    return f"{'about ' if is_whole and rounded != value else ''}{rounded:.10g}"


# ---- the student's own line ----


def _line_of(error: NotebookNode, own: Collection[NotebookNode]) -> list[str]:
    """Return a traceback of one frame: the last that stands in a cell that the student wrote, looked up there."""
    trace = strip_ansi("\n".join(error.traceback))
    for number, _, text in reversed(FRAME.findall(trace)):
        lines = [line for line in map(code_in, text.splitlines()) if line]
        for cell in own:
            source = cell.source.splitlines()
            place = int(number[:6])
            if 0 < place <= len(source) and source[place - 1].strip() in lines:
                name = _function_around(cell.source, place)
                around = f", in {name}" if name else ""
                return [f"Cell In[1], line {place}{around}", f"----> {place} {source[place - 1]}", ""]
    return []


def code_in(line: str) -> str:
    """Return the code in a line of a traceback, if it is the one that raised or the only one."""
    return re.sub(r"^-+> \d+ ", "", line).strip() if line.startswith("-") or not line[:8].strip().isdigit() else ""


def _function_around(source: str, number: int) -> str:
    """Return the name of the innermost function that has a line; empty if none has."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    around = [n for n in ast.walk(_tree(source)) if isinstance(n, kinds) and n.lineno <= number <= (n.end_lineno or 0)]
    return max(around, key=lambda node: node.lineno).name if around else ""
