"""What stands between a submission and the tests of it, in one kernel: before each test, things are put back.

Code in the kernel could undo this too. So a line is run that must fail; where it does not, tests mean nothing.
"""

import ast
import builtins
import secrets

from nbclient import NotebookClient
from nbformat import NotebookNode

TAMPERED = "an assertion that must fail did not: the submission changed how tests are run"
_REMEMBER = """
def remember(names):
    import builtins, importlib, sys
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            pass
    tested_with = ("numpy.testing", "helpers.grading")
    modules = [m for name, m in sys.modules.items() if name in ("builtins", "numpy") or name.startswith(tested_with)]
    get_ipython().kernel.course_modules = [(module, dict(vars(module))) for module in modules]
"""
_RESTORE = """
def restore(names):
    from IPython.core.inputtransformer2 import TransformerManager
    ip, fresh = get_ipython(), TransformerManager()
    for module, contents in ip.kernel.course_modules:
        vars(module).update(contents)
    for name in names:
        ip.user_ns.pop(name, None)
    ip.ast_transformers.clear()
    ip.input_transformers_post.clear()
    for name in ("cleanup_transforms", "line_transforms", "token_transformers"):
        getattr(ip.input_transformer_manager, name)[:] = getattr(fresh, name)
    ip.set_custom_exc((), None)
    vars(ip).pop("showtraceback", None)
    ours = ("IPython", "ipykernel", "matplotlib_inline", "matplotlib")
    for callbacks in ip.events.callbacks.values():
        callbacks[:] = [c for c in callbacks if str(getattr(c, "__module__", "")).split(".")[0] in ours]
"""


def remember(runner: NotebookClient) -> None:
    """Keep the modules that tests are made of as they are before the submission runs."""
    given = [line for cell in runner.nb.cells if _is_given(cell) for line in definitions(cell.source)]
    checks = ["helpers.grading.checks"] if any("helpers.grading" in line for line in given) else []  # imports Keras
    _reply(runner, f"{_REMEMBER}\nremember({['numpy.testing', *checks]})\ndel remember")


def before_test(runner: NotebookClient, cells: list[NotebookNode]) -> str:
    """Put things back, and try whether a test can fail.

    Args:
        runner: whose kernel runs the submission.
        cells: of the notebook, up to the test.

    Returns:
        What is wrong; empty if nothing is.

    Raises:
        DeadKernelError: the kernel is gone.
    """
    given = "\n".join(line for cell in cells if _is_given(cell) for line in definitions(cell.source))
    shadowed = sorted(names(cells[-1].source) & set(dir(builtins)))
    _reply(runner, f"{_RESTORE}\nrestore({shadowed})\ndel restore\n{given}")
    nonce = secrets.token_hex(8)
    found = _reply(runner, f"assert not {nonce!r}, {nonce!r}")
    return "" if found.get("status") == "error" and found.get("evalue") == nonce else TAMPERED


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


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:  # a cell with magics
        return ast.Module([], [])


def _reply(runner: NotebookClient, source: str) -> dict:
    assert runner.kc, "the kernel runs"
    reply = runner.wait_for_reply(runner.kc.execute(source, silent=True, store_history=False))
    return reply["content"] if reply else {}


def _is_given(cell: NotebookNode) -> bool:
    flags = cell.metadata.get("nbgrader", {})
    is_locked = flags.get("locked") and not flags.get("grade") and not flags.get("solution")
    return bool(is_locked and cell.cell_type == "code")
