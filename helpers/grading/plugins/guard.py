"""What stands between a submission and the tests of it, in one kernel: before each test, things are put back.

A test runs as it was written. It has passed if the kernel says so once, if a line that must fail then fails, and if
what tests are made of is what it was: where the kernel says it twice, the line does not fail, or something changed, the
test means nothing. Nor does it where it passes once more when all is over, with the answers that it uses thrown away.
"""

import ast
import base64
import builtins
import inspect
import marshal
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from IPython.core.inputtransformer2 import TransformerManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode, ValidationError

from helpers.grading import GradingError, variants
from helpers.grading.canonical import label_of
from helpers.grading.plugins import inside

FORGED = "the submission answered in the place of the kernel: it said twice how a test ended"
TAMPERED = "an assertion that must fail did not: the submission changed how tests are run"
USELESS = "it also passes with its answer thrown away: the submission changed how tests are run"
CHANGED = "the submission changed what tests are made of: "
LIED = (
    "the submission changed what == or - means: its answer is equal to anything, or computes otherwise than it should"
)
UNDONE = "the submission changed what puts tests right"
MALFORMED = (AttributeError, LookupError, RecursionError, TypeError, ValueError, ValidationError)  # messages
MOST_LINES = 20  # about one submission
UNREAD = "could not be looked through"
_LIBRARIES = {"keras", "numpy", "tensorflow", "sklearn", "helpers", "builtins", "sys", "IPython"}
_MODULES = {"atexit", "builtins", "ctypes", "importlib", "marshal", "_thread"}
_NAMES = {  # of frames, tracers, the garbage collector, the kernel, import hooks and threads, wherever they stand
    *("_getframe", "_current_frames", "currentframe", "getouterframes", "f_back", "f_code", "f_globals", "f_locals"),
    *("f_lineno", "f_trace", "tb_frame", "__self__", "settrace", "setprofile", "settrace_all_threads", "monitoring"),
    *("get_objects", "get_referrers", "get_referents", "__code__", "__globals__", "__subclasses__", "__builtins__"),
    *("meta_path", "path_hooks", "import_module", "Thread", "Timer", "start_new_thread", "addaudithook"),
    *("exec", "eval", "__import__"),
}
_OPERATIONS = {  # by which an object may answer otherwise than the value that it stands for
    *(f"__{side}{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow") for side in ("", "r")),
    *("__neg__", "__abs__", "__round__", "__array__", "__array_ufunc__", "__array_function__", "__getattribute__"),
    *("__lt__", "__le__", "__gt__", "__ge__", "__float__", "__class__"),
}
_DOTTED = {"inspect.stack", "inspect.trace", "sys.modules"}
_HARMLESS = {"run_line_magic", "run_cell_magic", "system", "getoutput"}  # what magics become
_ALWAYS = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__bool__", "__contains__", "__instancecheck__"}
# Compiled here, and as a short text without escapes: a kernel would take longer to read it than to do what it says.
_CODE = compile(f"{inspect.getsource(inside)}\nglobals()[what](*about)", "<course>", "exec", optimize=2)
_INSIDE = base64.b64encode(zlib.compress(marshal.dumps(_CODE))).decode()
_RUN = """
import builtins as _course
import binascii as _course_text, marshal as _course_code, zlib as _course_bytes
_course.exec(
    _course_code.loads(_course_bytes.decompress(_course_text.a2b_base64({code!r}))),
    {{"__name__": "course", "what": {what!r}, "about": {about}}},
)
del _course, _course_text, _course_code, _course_bytes
"""
# A traceback, which nobody reads, would take IPython longer than all else that is asked.
_MUST_FAIL = """
try:
    assert False, {nonce!r}
except AssertionError as _course:
    _course._render_traceback_ = [].copy
    raise
"""


class GarbledError(DeadKernelError):
    """A kernel replies what nobody can read; it is as good as gone."""


class SilentError(DeadKernelError):
    """A kernel replies nothing any more; it is as good as gone."""


class Runner(Protocol):
    """What runs a notebook: nbclient's client, that keeps in `strays` to which other requests the kernel replied."""

    nb: NotebookNode
    kc: Any
    strays: list[str]
    wait_for_reply: Any


class Guard:
    """Keeps the tests of one notebook right.

    Args:
        runner: whose kernel runs the submission.

    Attributes:
        has_just_looked: whether a look has said that all is as it was, and nothing has run since.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.has_just_looked = False
        self._first: dict[str, tuple[int, ...]] = {}  # the numbers that mean that nothing changed, by what they are of
        self._before: dict[str, tuple[int, ...]] = {}
        self._fixed: list[str] = []

    def remember(self) -> None:
        """Keep the modules that tests are made of as they are before the submission runs.

        Raises:
            GradingError: they cannot be looked at; nobody's fault, since nothing of a submission has run.
        """
        given = [line for cell in self.runner.nb.cells if _is_given(cell) for line in definitions(cell.source)]
        self._do("remember", ["numpy.testing", *imported(given)])
        short, whole = (_seen(self._do("look", [], is_whole)) for is_whole in (False, True))
        if not short or not whole:
            raise GradingError("what tests are made of cannot be looked at")
        self._first = {name: (short[name], whole[name]) for name in short}

    def prepare(self, cells: list[NotebookNode], *, is_looked_at: bool = True) -> str:
        """Put things back before a test.

        Args:
            cells: of the notebook, up to the test.
            is_looked_at: whether what else changed since is looked for. Before a control run it is not: where something
                does not stay as it was put back, the looks within the run show it.

        Returns:
            What is wrong; empty if nothing is.

        Raises:
            DeadKernelError: the kernel is gone.
        """
        given = "\n".join(line for cell in cells if _is_given(cell) for line in _put_back(cell))
        test = cells[-1].source
        ours = {*dir(builtins), *_bound(_tree(given).body), *variants.values_in(cells)} - _bound(ast.walk(_tree(test)))
        self._fixed = sorted(ours & names(test))
        shadowed = sorted(names(test) & set(dir(builtins)))
        is_searched, self.has_just_looked = not (self.has_just_looked and is_looked_at), False
        if self._do("restore", shadowed, given, is_searched).get("status") != "ok":
            return UNDONE
        seen = _seen(self._do("look", self._fixed)) if is_looked_at else {}
        self._before = self._first | _fixed(seen)
        return _changed(self._first, seen) if is_looked_at else ""

    def verdict(self, test: str) -> str:
        """Return whether a test that has passed means what it says.

        Args:
            test: the id of the request that it was.

        Returns:
            What is wrong; empty if nothing is.

        Raises:
            DeadKernelError: the kernel is gone.
        """
        nonce = secrets.token_hex(16)
        reply = self._do("look", self._fixed, then=_MUST_FAIL.format(nonce=nonce))
        if test in self.runner.strays:
            return FORGED
        if reply.get("status") != "error" or reply.get("evalue") != nonce:
            return TAMPERED
        fault = _changed(self._before, _seen(reply))
        self.has_just_looked = not fault
        return fault

    def lose(self, cells: list[NotebookNode], *, is_called: bool) -> bool:
        """Throw away the answers that a test uses, after `prepare`: what it needs is there, and of no use.

        Args:
            cells: of the notebook, up to the test.
            is_called: whether functions do what they do before their results are thrown away. Code in them that
                changes how tests are run does so again then; what takes long is spared that.

        Returns:
            Whether there was something to throw away, and it is.

        Raises:
            DeadKernelError: the kernel is gone.
        """
        wanted = answers(cells)
        unseen = 10**6 + secrets.randbelow(10**9)
        reply = self._do("lose", thrown_away(cells, wanted), wanted, self._fixed, is_called, unseen)
        self._before = self._first | _fixed(_seen(reply))
        return bool(reply.get("status") == "ok")

    def exposed(self, reply: dict[str, Any], *, passes: bool) -> str:
        """Return what is wrong with a test, by its control run.

        Args:
            reply: of the kernel to the run.
            passes: whether the test passes with its answers thrown away.
        """
        changes = [_changed(self._before, one["seen"]) for one in _sent(reply)]
        lies = [LIED for one in reply.get("payload", []) if one.get("source") == "course: a lie"]
        return next(filter(None, [*changes, *lies]), USELESS * passes)

    def threads(self) -> list[str]:
        """List the threads that the submission has left running."""
        return list(_seen(self._do("threads")))

    def _do(self, what: str, *about: object, then: str = "") -> dict[str, Any]:
        """Run a function of `inside` apart from the submission's names; then more code in the same cell."""
        return self._reply(_RUN.format(code=_INSIDE, what=what, about=about) + then)

    def _reply(self, source: str) -> dict[str, Any]:
        assert self.runner.kc, "the kernel runs"
        try:
            reply = self.runner.wait_for_reply(self.runner.kc.execute(source, silent=True, store_history=False))
        except MALFORMED as error:
            raise GarbledError("a reply that nobody can read") from error
        if not reply:
            raise SilentError("no reply")
        return reply["content"]


def _put_back(cell: NotebookNode) -> list[str]:
    """List what a test finds as a locked cell gave it; the values of a variant too, which others would make easier."""
    return [cell.source] if label_of(cell) == variants.CELL else definitions(cell.source)


def definitions(source: str) -> list[str]:
    r"""List the imports, functions and classes at the top level of a cell.

    >>> definitions("import numpy as np\nx = 1\nfrom helpers import tables")
    ['import numpy as np', 'from helpers import tables']
    """
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    return [ast.unparse(node) for node in _tree(source).body if isinstance(node, kinds)]


def imported(lines: list[str]) -> list[str]:
    """List the modules that lines of `definitions` import, and what they import from them, which may be modules.

    >>> imported(["import numpy as np", "from helpers.grading import checks"])
    ['helpers.grading', 'helpers.grading.checks', 'numpy']
    """
    trees = [ast.parse(line).body[0] for line in lines]
    plain = {alias.name for tree in trees if isinstance(tree, ast.Import) for alias in tree.names}
    parts = [
        (tree.module or "", alias.name) for tree in trees if isinstance(tree, ast.ImportFrom) for alias in tree.names
    ]
    return sorted(plain | {module for module, _ in parts} | {f"{module}.{name}" for module, name in parts})


def names(source: str) -> set[str]:
    """Return the names that a cell uses.

    >>> sorted(names("assert len(code) == 8"))
    ['code', 'len']
    """
    return {node.id for node in ast.walk(_tree(source)) if isinstance(node, ast.Name)}


def answers(cells: list[NotebookNode]) -> list[str]:
    """List the names that a test takes from the answers: it uses them, itself or in given functions; nobody gives them.

    Args:
        cells: of the notebook, up to the test.
    """
    locked = [_tree(cell.source) for cell in cells if cell.cell_type == "code" and _flags(cell).get("locked")]
    given = {name for tree in locked for name in _bound(_at_module_level(tree))}
    functions = {node.name: node for tree in locked for node in tree.body if isinstance(node, ast.FunctionDef)}
    used, inner = set[str](), _free(_tree(cells[-1].source))
    while new := inner - used:
        used |= new
        inner = {name for one in new & functions.keys() for name in _free(functions[one])}
    return sorted(used - given - set(dir(builtins)))


def thrown_away(cells: list[NotebookNode], wanted: list[str]) -> str:
    """Return the functions among answers, so changed that they do all that they did and then return `_lost(…)`.

    It is given what they would return. There is no other function around them: code in them that looks for its caller
    finds the test.
    """
    found = {}
    for cell in cells:
        if cell.cell_type == "code" and not _flags(cell).get("locked"):
            for node in _tree(cell.source).body:
                if isinstance(node, ast.FunctionDef) and node.name in wanted and not _yields(node):
                    for one in _at_module_level(node):
                        if isinstance(one, ast.Return):
                            one.value = _lost(one.value)
                    last = ast.Return(_lost(None))
                    node.decorator_list, node.body = [], [ast.Try(node.body, [], [], [last])]
                    with suppress(RecursionError):  # of a very long expression; it is thrown away as other answers are
                        found[node.name] = ast.unparse(ast.fix_missing_locations(node))
    return "\n".join(found.values())


def _lost(value: ast.expr | None) -> ast.Call:
    return ast.Call(ast.Name("_lost", ast.Load()), [value] if value else [], [])


def _free(tree: ast.AST) -> set[str]:
    """Return the names that a piece of code uses and does not bind itself."""
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - arguments - _bound(ast.walk(tree))


def _yields(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _at_module_level(function))


def _at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a piece of code, but for what is in functions and classes in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _at_module_level(child)


def _bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Return what code gives a name to."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def _seen(reply: dict[str, Any]) -> dict[str, int]:
    return next((one["seen"] for one in _sent(reply)), {})


def _sent(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what functions of `inside` send with a reply."""
    return [one for one in reply.get("payload", []) if one.get("source") == "course"]


def _fixed(seen: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Return of what was seen what names stand for, as what they are to stand for."""
    return {name: (number,) for name, number in seen.items() if name.startswith(inside.NAMED)}


def _changed(before: dict[str, tuple[int, ...]], now: dict[str, int]) -> str:
    """Return what is another thing now; empty if nothing is."""
    changed = [name for name, numbers in before.items() if now.get(name) not in numbers]
    return f"{CHANGED}{', '.join(changed[:3])}{' and more' * (len(changed) > 3)}" if changed else ""


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # magics; a zero byte; a very long expression
        return ast.Module([], [])


def _is_given(cell: NotebookNode) -> bool:
    flags = _flags(cell)
    is_locked = flags.get("locked") and not flags.get("grade") and not flags.get("solution")
    return bool(is_locked and cell.cell_type == "code")


def _flags(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


# ---- code that a person should look at ----


def suspicious(cells: list[NotebookNode]) -> list[str]:
    """List code to look at, once for a line: "cell 5 line 3: sys._getframe"; at most `MOST_LINES` lines.

    Attacks on tests need such code. It is never scored: much of it has good uses too, and who wants to hide something
    can, as no name that is built at run time is seen here.

    Args:
        cells: of the whole notebook; those that are locked are not the student's.
    """
    trees = {number: _parsed(cell.source) for number, cell in enumerate(cells, 1) if _is_theirs(cell)}
    given = {number: _parsed(cell.source) for number, cell in enumerate(cells, 1) if cell.cell_type == "code"}
    libraries = {name for tree in given.values() for node in ast.walk(tree) for name in _names_of_libraries(node)}
    found = [line for number, tree in trees.items() for line in _listed(number, tree, libraries)]
    return found if len(found) <= MOST_LINES else [*found[:MOST_LINES], f"and {len(found) - MOST_LINES} more"]


def _listed(number: int, tree: ast.Module, libraries: set[str]) -> list[str]:
    try:
        by_line = dict(sorted(_all_in(tree, libraries), reverse=True))
    except (RecursionError, ValueError) as error:  # a very long expression, a letter that is half of one
        return [f"cell {number}: {UNREAD} ({type(error).__name__})"]
    return [f"cell {number} line {line}: {what}" for line, what in sorted(by_line.items())]


def _is_theirs(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and not _flags(cell).get("locked")


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the first fails when it runs, too
        return ast.Module([], [])


def _names_of_libraries(node: ast.AST) -> Iterator[str]:
    """Yield the names that an import gives to libraries and their parts."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] in _LIBRARIES:
                yield (alias.asname or alias.name).split(".")[0]
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _LIBRARIES:
        yield from (alias.asname or alias.name for alias in node.names)


def _all_in(tree: ast.Module, libraries: set[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        yield from _found_in(node, libraries)


def _found_in(node: ast.AST, libraries: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a piece of code, and what stands there."""
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        is_operation = name in _OPERATIONS and isinstance(node.ctx, ast.Store)
        is_known = name in _NAMES or is_operation or ast.unparse(node) in _DOTTED
        if is_known or (isinstance(node, ast.Attribute) and _is_of_kernel(node)):
            yield line, ast.unparse(node).splitlines()[0]
    elif isinstance(node, ast.Import):
        yield from ((line, f"import {one.name}") for one in node.names if one.name.split(".")[0] in _MODULES)
    elif isinstance(node, ast.ImportFrom):
        whole = (node.module or "").split(".")[0] in _MODULES
        names = [one.name for one in node.names if whole or one.name in _NAMES]
        yield from ((line, f"from {node.module} import {name}") for name in names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_telling(node.value):
        yield line, repr(node.value)
    elif isinstance(node, ast.FunctionDef) and (node.name in _NAMES | _OPERATIONS or _says_yes(node)):
        yield line, f"def {node.name}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "vars"):
        if node.args and _root(node.args[0]) in libraries:
            yield line, ast.unparse(node)
    elif isinstance(node, ast.Call) and any(ast.unparse(one) == "os.environ" for one in node.args):
        yield line, ast.unparse(node)
    for target in _targets(node):
        if isinstance(target, ast.Attribute) and _root(target) in libraries:
            yield line, f"{ast.unparse(target)} = ..."


def _is_telling(text: str) -> bool:
    return "/proc/" in text or text in _OPERATIONS


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return [inner for one in node.targets for inner in (one.elts if isinstance(one, ast.Tuple) else [one])]
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


def _is_of_kernel(node: ast.Attribute) -> bool:
    return ast.unparse(node.value) == "get_ipython()" and node.attr not in _HARMLESS


def _says_yes(function: ast.FunctionDef) -> bool:
    """Return whether a comparison always says the same."""
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return function.name in _ALWAYS and bool(returns) and all(isinstance(value, ast.Constant) for value in returns)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
