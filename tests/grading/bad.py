"""Submissions with which something is wrong, and what they deserve: CASES. Used by test_bad_submissions.

Each case is a function of a course that returns the files of one student by name, without the platform's prefix.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from toycourse import FULL, HALVES, HOMEWORK, SQUARE, ZERO, answered, as_bytes, named, zipped
from tricks import BUILTINS, LIAR, NO_ASSERTS, NO_COMPARISON, NOT_PUT_BACK, SUM, TAMPERING, WITHIN, WRONG, ZEROS

from helpers.grading.pipeline import Course

Files = dict[str, bytes]
NAME = f"{HOMEWORK}.ipynb"
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


MANY = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = b'x' * 500_000_000\n"
MANY += "        time.sleep(60)\n        os._exit(0)\ntime.sleep(60)"
STUBBORN = "import time\nwhile True:\n    try:\n        time.sleep(0.2)\n    except BaseException:\n        pass"
SEND = "ip = get_ipython()\nsend = lambda kind, content: "
SEND += "ip.kernel.session.send(ip.kernel.iopub_socket, kind, content, parent=ip.parent_header)\n"
SHOW = "from IPython.display import display\n"
MALFORMED = {
    "raw_display": SHOW + "display({'text/plain': 5, 3: 4}, raw=True)",
    "raw_html": SHOW + "display({'text/html': {'a': [float('nan')]}, 'image/png': None}, raw=True)",
    "no_text": SEND + "send('stream', {'name': 'stdout'})",
    "text_5": SEND + "send('stream', {'name': 'stdout', 'text': 5})",
    "no_state": SEND + "send('status', {})",
    "count": SEND + "send('execute_input', {'code': '', 'execution_count': 'many'})",
    "update": SHOW + SEND + "display('x', display_id='mine')\n"
    "send('update_display_data', {'data': {'text/plain': 5}, 'metadata': {}, 'transient': {'display_id': 'mine'}})",
    "not_signed": "get_ipython().kernel.iopub_socket.send_multipart([b'x'])",
}
PATCHES = "import builtins, functools, textwrap\nbuiltins.print = functools.partial(print, flush=True)\n"
PATCHES += "np.mine, textwrap.dedent = 1, lambda text: text\nget_ipython().run_code = get_ipython().run_code"
OUR_NAMES = "list, dict, id, hash, exec = [1], {}, 5, 6, 7\ndef remember(x): return np.asarray(x)\n"
OUR_NAMES += "def restore(x): return remember(x) ** 2\ndef look(x): return restore(x)\ndef square(x): return look(x)"
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
    "garbled": Case(13, before_halves("import json\njson.dumps = lambda *a, **k: ''"), NO_HALVES, "nobody can read"),
    "sys_exit": Case(14, before_halves("import sys\nsys.exit()"), NO_HALVES, "SystemExit"),
    "input": Case(14, before_halves("name = input()"), NO_HALVES, "StdinNotImplementedError"),
    "syntax": Case(14, before_halves("def f(:"), NO_HALVES, "SyntaxError"),
    "long_line": Case(15, before_halves("print('x' * 15_000_000)"), FULL, ""),
    "huge_line": Case(15, before_halves("print('x' * 30_000_000)"), NO_HALVES, "printed more"),
    "flood": Case(15, before_halves("while True:\n    print('y' * 2000)"), NO_HALVES, "printed more"),
    **{name: Case(15, before_halves(code), FULL, "no notebook can hold") for name, code in MALFORMED.items()},
    "noisy": Case(16, answers(square="import warnings\nwarnings.warn('x')\n" + SQUARE), FULL, ""),
    "patches": Case(16, answers(square=f"{PATCHES}\n{SQUARE}"), FULL, ""),
    "our_names": Case(16, answers(square=OUR_NAMES), FULL, ""),
    **{name: Case(17, answers(square=f"{code}\n{WRONG}"), NO_SQUARE, "") for name, code in TAMPERING.items()},
    **{
        name: Case(17, answers(square=f"{code}\n{ZEROS}"), FULL | {"square_shape": 0}, "")
        for name, code in NO_COMPARISON.items()
    },
    **{name: Case(17, answers(square=code), NO_SQUARE, "the submission changed") for name, code in WITHIN.items()},
    **{
        name: Case(17, answers(square=f"{code}\n{ZEROS}"), ZERO, "the submission changed what")
        for name, code in NOT_PUT_BACK.items()
    },
    "builtins": Case(17, answers(square=BUILTINS), NO_SQUARE, ""),
    "shadowed": Case(
        17, answers(halves="len, sum = lambda x: 3, lambda x: 2\ndef halves(n):\n    return []"), NO_HALVES, ""
    ),
    "within_builtins": Case(17, answers(halves=SUM), NO_HALVES, "made of: builtins"),
    "liar": Case(17, answers(square=LIAR), NO_SQUARE, ""),
    "no_asserts": Case(17, answers(square=NO_ASSERTS + WRONG), NO_SQUARE, ""),
    "reaching": Case(18, reaching, FULL, ""),
    "numpy_py": Case(19, beside("numpy.py", "raise SystemExit"), FULL, "numpy.py: left out"),
    "helpers_py": Case(19, beside("helpers.py", "raise SystemExit"), FULL, "helpers.py: left out"),
}
