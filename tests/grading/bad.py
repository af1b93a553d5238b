"""Submissions with which something is wrong, and what they deserve: CASES. Used by test_bad_submissions.

Each case is a function of a course that returns the files of one student by name, without the platform's prefix.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from toycourse import FULL, HALVES, HOMEWORK, SQUARE, ZERO, answered, as_bytes, named, zipped

from helpers.grading.pipeline.course import Course

Files = dict[str, bytes]
NAME = f"{HOMEWORK}.ipynb"
WRONG = "def square(x):\n    return 0"
NO_HALVES = FULL | {"halves_sum": 0}
NO_SQUARE = FULL | {"square_small": 0, "square_shape": 0}
NOTHING = None  # no score at all


@dataclass(frozen=True)
class Case:
    """One bad submission.

    Attributes:
        number: in the list of twenty.
        files: what is handed in.
        points: what each test gives; None where there is no score.
        line: stands in a line about it.
    """

    number: int
    files: Callable[[Course], Files]
    points: dict[str, float] | None
    line: str


def edited(change: Callable) -> Callable[[Course], Files]:
    """Hand in a right notebook after a change to it, given its cells by name."""

    def files(course: Course) -> Files:
        notebook = answered(course)
        change(notebook, named(notebook))
        return {NAME: as_bytes(notebook)}

    return files


def answers(**texts: str) -> Callable[[Course], Files]:
    """Hand in a notebook with these answers."""
    return lambda course: {NAME: as_bytes(answered(course, **texts))}


def before_halves(code: str) -> Callable[[Course], Files]:
    """Hand in a right notebook that does something else first in its second answer."""
    return answers(halves=f"{code}\n{HALVES}")


def raw(text: bytes | str, name: str = NAME) -> Callable[[Course], Files]:
    """Hand in a file that is no notebook."""
    return lambda course: {name: text.encode() if isinstance(text, str) else text}


def twice(name: str, *sources: str) -> Callable:
    """Put cells with the same label in the place of one, as copying and splitting do."""

    def change(notebook, cells) -> None:
        at = notebook.cells.index(cells[name])
        copies = [deepcopy(cells[name]) for _ in sources]
        for number, (copy, source) in enumerate(zip(copies, sources, strict=True)):
            copy.id, copy.source = f"{name}-{number}", source
        notebook.cells[at : at + 1] = copies

    return change


def without(name: str) -> Callable:
    return lambda notebook, cells: notebook.cells.remove(cells[name])


def flagged(name: str, **flags: object) -> Callable:
    return lambda notebook, cells: cells[name].metadata.nbgrader.update(flags)


def other_label(notebook, cells) -> None:
    cells["square"].metadata.nbgrader.grade_id = "mine"
    cells["square"].id = "mine"


def schema(version: int) -> Callable:
    return lambda notebook, cells: [cell.metadata.nbgrader.update(schema_version=version) for cell in cells.values()]


def to_markdown(notebook, cells) -> None:
    cells["square"].cell_type = "markdown"
    del cells["square"]["outputs"], cells["square"]["execution_count"]


def from_colab(course: Course) -> Files:
    """Hand in what is left after another program saved it: no labels, no ids, another format."""
    notebook = json.loads(as_bytes(answered(course)))
    for cell in notebook["cells"]:
        cell["metadata"] = {"id": "xyz"}
        del cell["id"]
    return {NAME: json.dumps(notebook | {"nbformat_minor": 0}).encode()}


def easy_test(notebook, cells) -> None:
    cells["square_small"].source = cells["square_shape"].source = "assert True"
    cells["square"].source = WRONG


def two_notebooks(course: Course) -> Files:
    return {NAME: as_bytes(answered(course)), "scratch.ipynb": as_bytes(answered(course, square=WRONG))}


def beside(name: str, text: str) -> Callable[[Course], Files]:
    return lambda course: {NAME: as_bytes(answered(course)), name: text.encode()}


def reaching(course: Course) -> Files:
    """Try to get at everything that lies outside of the sandbox; what succeeds is printed as REACHED."""
    code = f"""
import os, pathlib, socket, sqlite3, subprocess
private = pathlib.Path({str(course.root / "homework" / "_instructor")!r})
def attempt(what, action):
    try:
        found = action()
    except BaseException as error:
        print("refused", what, type(error).__name__)
    else:
        print("REACHED" if found else "nothing", what)
def rewrite():
    with sqlite3.connect(private / "grading" / "gradebook.db") as database:
        return database.execute("update grade set manual_score = 99").rowcount
attempt("gradebook", rewrite)
attempt("source", lambda: list(private.rglob("*")))
attempt("course", lambda: (private / "mine.txt").write_text("x"))
attempt("notebook", lambda: list(pathlib.Path.cwd().glob("*.ipynb")))
attempt("helpers", lambda: (pathlib.Path(__import__("helpers").__file__).parent / "mine.txt").write_text("x"))
attempt("network", lambda: socket.create_connection(("127.0.0.1", 22), timeout=2) or True)
attempt("processes", lambda: [p for p in os.listdir("/proc") if p.isdecimal() and int(p) > 500])
attempt("root", lambda: os.setuid(0) or True)
subprocess.Popen(["sleep", "987654"], start_new_session=True)
"""
    return {NAME: as_bytes(answered(course, square=code + SQUARE))}


def packed(course: Course) -> Files:
    """Hand in everything in one zip, in a folder, as a run of a cluster is; with paths that lead elsewhere."""
    inner = {f"mine/{NAME}": answered(course), "mine/run/fold=3/results.json": "{}", "../../../mine.txt": "x"}
    return {"everything.zip": zipped(inner)}


TAMPERING = {
    "ast": "import ast\nclass D(ast.NodeTransformer):\n    def visit_Assert(self, node):\n"
    "        return ast.copy_location(ast.Pass(), node)\nget_ipython().ast_transformers.append(D())",
    "transformers": "get_ipython().input_transformers_post.append("
    "lambda lines: ['pass\\n'] if any('assert' in line for line in lines) else lines)",
    "showtraceback": "get_ipython().showtraceback = lambda *a, **k: None",
    "custom_exc": "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)",
    "hook": "def h(info):\n    ip = get_ipython()\n    ip.displayhook.session.send(ip.displayhook.pub_socket, "
    "'execute_result', {'data': {'text/plain': '2'}, 'metadata': {}, 'execution_count': 1}, "
    "parent=ip.displayhook.parent_header)\nget_ipython().events.register('pre_run_cell', h)",
}
LIAR = "class Liar:\n    shape = (2, 3)\n    def __eq__(self, other):\n        return True\n"
LIAR += "    def __array__(self, dtype=None, copy=None):\n        return np.ones(2)\ndef square(x):\n    return Liar()"
NO_ASSERTS = """
import ast
ip = get_ipython()
run = ip.run_ast_nodes
async def lenient(nodes, *rest, **more):
    return await run([node for node in nodes if not isinstance(node, ast.Assert)], *rest, **more)
ip.run_ast_nodes = lenient
"""
NUMPY_TESTING = "np.testing.assert_allclose = lambda *a, **k: None\ndef square(x):\n"
NUMPY_TESTING += "    return np.zeros(np.shape(x)) if np.ndim(x) else np.int64(9)"
BUILTINS = """
import builtins
real = isinstance
builtins.isinstance = lambda *a: a[-1] == (int | np.integer) or real(*a)
def square(x):
    return 9.0
"""
SHADOWED = "len, sum = lambda x: 3, lambda x: 2\ndef halves(n):\n    return []"
MANY = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = b'x' * 500_000_000\n"
MANY += "        time.sleep(60)\n        os._exit(0)\ntime.sleep(60)"
STUBBORN = "import time\nwhile True:\n    try:\n        time.sleep(0.2)\n    except BaseException:\n        pass"
HELPER = "def helper(x):\n    return np.asarray(x) ** 2"

CASES = {
    "blank": Case(1, answers(square="", halves="", why=""), ZERO, ""),
    "test_twice": Case(2, edited(twice("square_small", "assert True", "assert square(3) == 9")), FULL, "2 times"),
    "answer_twice": Case(2, edited(twice("square", SQUARE, WRONG)), NO_SQUARE, "2 times"),
    "answer_split": Case(2, edited(twice("square", HELPER, "def square(x):\n    return helper(x)")), FULL, "2 times"),
    "no_test": Case(3, edited(without("square_shape")), FULL, "square_shape: was deleted"),
    "no_answer": Case(4, edited(without("halves")), NO_HALVES, "halves: was deleted"),
    "other_label": Case(5, edited(other_label), FULL, "square: lost its label"),
    "flags": Case(5, edited(flagged("square_small", grade=False)), FULL, "its grade had been changed"),
    "points": Case(5, edited(flagged("square_small", points=1000)), FULL, "its points had been changed"),
    "schema_2": Case(5, edited(schema(2)), FULL, "schema_version had been changed"),
    "schema_4": Case(5, edited(schema(4)), FULL, "schema_version had been changed"),
    "markdown": Case(5, edited(to_markdown), FULL, "turned into a markdown cell"),
    "colab": Case(6, from_colab, FULL, "lost its label"),
    "easy_test": Case(7, edited(easy_test), NO_SQUARE, "changed though it is locked"),
    "renamed": Case(8, lambda c: {f"{HOMEWORK} (1).ipynb": as_bytes(answered(c))}, FULL, ""),
    "other_name": Case(8, lambda c: {"final.ipynb": as_bytes(answered(c))}, FULL, "was named final.ipynb"),
    "two": Case(8, two_notebooks, FULL, "another notebook"),
    "packed": Case(8, packed, FULL, ""),
    "bad_date": Case(10, lambda c: {"no_date.ipynb": as_bytes(answered(c))}, FULL, "was named no_date"),
    "empty": Case(9, raw(""), NOTHING, "empty"),
    "html": Case(9, raw("<html>Please log in</html>"), NOTHING, "web page"),
    "cut_off": Case(9, lambda c: {NAME: as_bytes(answered(c))[:700]}, NOTHING, "cut off"),
    "merge": Case(9, raw('{"cells": [\n<<<<<<< HEAD\n=======\n>>>>>>> x\n]}'), NOTHING, "merge"),
    "pdf": Case(10, raw(b"%PDF-1.4", "homework.pdf"), NOTHING, "only "),
    "loop": Case(11, before_halves("while True:\n    pass"), NO_HALVES, "ran longer than 5 s"),
    "stubborn": Case(12, before_halves(STUBBORN), NO_HALVES, "could not be interrupted"),
    "exits": Case(13, before_halves("import os\nos._exit(1)"), NO_HALVES, "ended its own kernel"),
    "kills": Case(13, before_halves("import os\nos.kill(os.getpid(), 9)"), NO_HALVES, "ended its own kernel"),
    "memory": Case(13, before_halves("x = bytearray(3_000_000_000)"), NO_HALVES, "MemoryError"),
    "processes": Case(13, before_halves(MANY), NO_HALVES, "more than 1 GB of memory"),
    "sys_exit": Case(14, before_halves("import sys\nsys.exit()"), NO_HALVES, "SystemExit"),
    "input": Case(14, before_halves("name = input()"), NO_HALVES, "StdinNotImplementedError"),
    "syntax": Case(14, before_halves("def f(:"), NO_HALVES, "SyntaxError"),
    "long_line": Case(15, before_halves("print('x' * 15_000_000)"), FULL, ""),
    "huge_line": Case(15, before_halves("print('x' * 30_000_000)"), NO_HALVES, "printed more"),
    "flood": Case(15, before_halves("while True:\n    print('y' * 2000)"), NO_HALVES, "printed more"),
    "noisy": Case(16, answers(square="import warnings\nwarnings.warn('x')\n" + SQUARE), FULL, ""),
    **{name: Case(17, answers(square=f"{code}\n{WRONG}"), NO_SQUARE, "") for name, code in TAMPERING.items()},
    "numpy_testing": Case(17, answers(square=NUMPY_TESTING), FULL | {"square_shape": 0}, ""),
    "builtins": Case(17, answers(square=BUILTINS), NO_SQUARE, ""),
    "shadowed": Case(
        17, answers(halves="len, sum = lambda x: 3, lambda x: 2\ndef halves(n):\n    return []"), NO_HALVES, ""
    ),
    "liar": Case(17, answers(square=LIAR), NO_SQUARE, ""),
    "no_asserts": Case(17, answers(square=NO_ASSERTS + WRONG), ZERO, "an assertion that must fail did not"),
    "reaching": Case(18, reaching, FULL, ""),
    "numpy_py": Case(19, beside("numpy.py", "raise SystemExit"), FULL, "numpy.py: left out"),
    "helpers_py": Case(19, beside("helpers.py", "raise SystemExit"), FULL, "helpers.py: left out"),
}
