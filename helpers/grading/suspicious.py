"""Code of a submission that a person should look at, because attacks on tests need it. It is never scored.

Much of it has good uses too, and who wants to hide something can: no name that is built at run time is seen here.
"""

import ast
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

MOST = 20  # lines about one submission
UNREAD = "could not be looked through"
_LIBRARIES = {"keras", "numpy", "tensorflow", "sklearn", "helpers", "builtins", "sys", "IPython"}
_MODULES = {"atexit", "builtins", "ctypes", "importlib", "_thread"}
_NAMES = {  # of frames, tracers, the garbage collector, the kernel, import hooks and threads, wherever they stand
    *("_getframe", "_current_frames", "currentframe", "getouterframes", "f_back", "f_code", "f_globals", "f_locals"),
    *("f_lineno", "f_trace", "tb_frame", "settrace", "setprofile", "settrace_all_threads", "monitoring"),
    *("get_objects", "get_referrers", "get_referents", "__code__", "__globals__", "__subclasses__", "__builtins__"),
    *("meta_path", "path_hooks", "import_module", "Thread", "Timer", "start_new_thread", "addaudithook"),
    *("__array_ufunc__", "__array_function__", "exec", "eval", "__import__"),
}
_DOTTED = {"inspect.stack", "inspect.trace", "sys.modules"}
_HARMLESS = {"run_line_magic", "run_cell_magic", "system", "getoutput"}  # what magics become
_ALWAYS = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__bool__", "__contains__", "__instancecheck__"}


def suspicious(cells: list[NotebookNode]) -> list[str]:
    """List what to look at in a submission, once for a line: "cell 5 line 3: sys._getframe"; at most `MOST` lines.

    Args:
        cells: of the whole notebook; those that are locked are not the student's.
    """
    trees = {number: _parsed(cell.source) for number, cell in enumerate(cells, 1) if _is_own(cell)}
    given = {number: _parsed(cell.source) for number, cell in enumerate(cells, 1) if cell.cell_type == "code"}
    libraries = {name for tree in given.values() for node in ast.walk(tree) for name in _names_of_libraries(node)}
    found = [line for number, tree in trees.items() for line in _listed(number, tree, libraries)]
    return found if len(found) <= MOST else [*found[:MOST], f"and {len(found) - MOST} more"]


def _listed(number: int, tree: ast.Module, libraries: set[str]) -> list[str]:
    try:
        by_line = dict(sorted(_all_in(tree, libraries), reverse=True))
    except (RecursionError, ValueError) as error:  # a very long expression, a letter that is half of one
        return [f"cell {number}: {UNREAD} ({type(error).__name__})"]
    return [f"cell {number} line {line}: {what}" for line, what in sorted(by_line.items())]


def _is_own(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("locked")


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
        is_known = name in _NAMES or ast.unparse(node) in _DOTTED
        if is_known or (isinstance(node, ast.Attribute) and _is_of_kernel(node)):
            yield line, ast.unparse(node).splitlines()[0]
    elif isinstance(node, ast.Import):
        yield from ((line, f"import {one.name}") for one in node.names if one.name.split(".")[0] in _MODULES)
    elif isinstance(node, ast.ImportFrom):
        whole = (node.module or "").split(".")[0] in _MODULES
        names = [one.name for one in node.names if whole or one.name in _NAMES]
        yield from ((line, f"from {node.module} import {name}") for name in names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "/proc/" in node.value:
        yield line, repr(node.value)
    elif isinstance(node, ast.FunctionDef) and (node.name in _NAMES or _says_yes(node)):
        yield line, f"def {node.name}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "vars"):
        if node.args and _root(node.args[0]) in libraries:
            yield line, ast.unparse(node)
    elif isinstance(node, ast.Call) and any(ast.unparse(one) == "os.environ" for one in node.args):
        yield line, ast.unparse(node)
    for target in _targets(node):
        if isinstance(target, ast.Attribute) and _root(target) in libraries:
            yield line, f"{ast.unparse(target)} = ..."


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
