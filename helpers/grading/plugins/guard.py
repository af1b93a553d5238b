"""What stands between a submission and the tests of it, in one kernel: before each test, things are put back.

Code in the kernel could undo this too. So each test ends with a line that must fail, and what tests are made of is
looked at once more behind it: where the line did not fail, or something changed, the test means nothing.
"""

import ast
import builtins
import inspect
from collections.abc import Iterable
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode, ValidationError

from helpers.grading import GradingError
from helpers.grading.plugins import inside

TAMPERED = "an assertion that must fail did not: the submission changed how tests are run"
CHANGED = "the submission changed what tests are made of: "
UNDONE = "the submission changed what puts tests right"
MALFORMED = (AttributeError, LookupError, RecursionError, TypeError, ValueError, ValidationError)  # messages
_RUN = """
import builtins as _course
_course.exec({source!r}, {{"__name__": "course"}})
del _course
"""


class GarbledError(DeadKernelError):
    """A kernel replies what nobody can read; it is as good as gone."""


class Guard:
    """Keeps the tests of one notebook right.

    Args:
        runner: whose kernel runs the submission.
    """

    def __init__(self, runner: NotebookClient) -> None:
        self.runner = runner
        self._first: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._fixed: list[str] = []

    def remember(self) -> None:
        """Keep the modules that tests are made of as they are before the submission runs.

        Raises:
            GradingError: they cannot be looked at; nobody's fault, since nothing of a submission has run.
        """
        given = [line for cell in self.runner.nb.cells if _is_given(cell) for line in definitions(cell.source)]
        checks = ["helpers.grading.checks"] if any("helpers.grading" in line for line in given) else []  # imports Keras
        self._do("remember", ["numpy.testing", *checks])
        self._first = self._look()
        if not self._first:
            raise GradingError("what tests are made of cannot be looked at")

    def prepare(self, cells: list[NotebookNode]) -> str:
        """Put things back before a test.

        Args:
            cells: of the notebook, up to the test.

        Returns:
            What is wrong; empty if nothing is.

        Raises:
            DeadKernelError: the kernel is gone.
        """
        given = "\n".join(line for cell in cells if _is_given(cell) for line in definitions(cell.source))
        test = cells[-1].source
        if self._do("restore", sorted(names(test) & set(dir(builtins)))).get("status") != "ok":
            return UNDONE
        if given:
            self._reply(given)
        ours = {*dir(builtins), *_bound(_tree(given).body)} - _bound(ast.walk(_tree(test)))
        self._fixed = sorted(ours & names(test))
        self._before = self._look()
        return _changed(self._first, self._before)

    def verdict(self, cell: NotebookNode, secret: str) -> str:
        """Return whether a test that ran with an `ending` means what it says; take away what the ending left.

        Returns:
            What is wrong; empty if nothing is, or if the test failed of itself.

        Raises:
            DeadKernelError: the kernel is gone.
        """
        errors = [out for out in cell.outputs if out.output_type == "error"]
        reached = [out for out in errors if out.evalue == secret]
        cell.outputs = [out for out in cell.outputs if out not in reached]
        for error in errors:  # a traceback shows the lines below the one that failed
            lines = "\n".join(error.traceback).split("\n")
            error.traceback = ["\n".join(line for line in lines if secret not in line)]
        if len(errors) > len(reached):
            return ""
        return _changed(self._before, self._look()) if reached else TAMPERED

    def _look(self) -> dict[str, int]:
        payloads = self._do("look", self._fixed).get("payload", [])
        return next((one["seen"] for one in payloads if one.get("source") == "course"), {})

    def _do(self, what: str, about: list[str]) -> dict[str, Any]:
        """Run a function of `inside` apart from the submission's names."""
        return self._reply(_RUN.format(source=f"{inspect.getsource(inside)}\n{what}({about})"))

    def _reply(self, source: str) -> dict[str, Any]:
        assert self.runner.kc, "the kernel runs"
        try:
            reply = self.runner.wait_for_reply(self.runner.kc.execute(source, silent=True, store_history=False))
        except MALFORMED as error:
            raise GarbledError("a reply that nobody can read") from error
        return reply["content"] if reply else {}


def ending(source: str, secret: str) -> str:
    r"""Return the code of a test with a line behind it that must fail, so that nothing can tell one from the other.

    >>> ending("assert square(3) == 9", "1f0c")
    "assert square(3) == 9\nassert not '1f0c', '1f0c'"
    """
    return f"{source}\nassert not {secret!r}, {secret!r}"


def definitions(source: str) -> list[str]:
    r"""List the imports, functions and classes at the top level of a cell.

    >>> definitions("import numpy as np\nx = 1\nfrom helpers import tables")
    ['import numpy as np', 'from helpers import tables']
    """
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    return [ast.unparse(node) for node in _tree(source).body if isinstance(node, kinds)]


def names(source: str) -> set[str]:
    """Return the names that a cell uses.

    >>> sorted(names("assert len(code) == 8"))
    ['code', 'len']
    """
    return {node.id for node in ast.walk(_tree(source)) if isinstance(node, ast.Name)}


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


def _changed(before: dict[str, int], now: dict[str, int]) -> str:
    """Return what is another thing now; empty if nothing is."""
    changed = [name for name, number in before.items() if now.get(name) != number]
    return f"{CHANGED}{', '.join(changed[:3])}{' and more' * (len(changed) > 3)}" if changed else ""


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:  # a cell with magics
        return ast.Module([], [])


def _is_given(cell: NotebookNode) -> bool:
    flags = cell.metadata.get("nbgrader", {})
    is_locked = flags.get("locked") and not flags.get("grade") and not flags.get("solution")
    return bool(is_locked and cell.cell_type == "code")
