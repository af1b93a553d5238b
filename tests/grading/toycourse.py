"""A small course to grade: one homework on squares, and what students hand in. Used by the tests of grading."""

import io
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.grading.pipeline import Course
from helpers.grading.pipeline.releasing import release

ROOT = Path(__file__).resolve().parents[2]
HOMEWORK = "hw0_squares"
ROLES = {
    "solution": {"grade": False, "solution": True, "locked": False, "task": False},
    "test": {"grade": True, "solution": False, "locked": True, "task": False},
    "written": {"grade": True, "solution": True, "locked": False, "task": False},
    "locked": {"grade": False, "solution": False, "locked": True, "task": False},
    "task": {"grade": False, "solution": False, "locked": True, "task": True},
}
SQUARE = "def square(x):\n    return np.asarray(x) ** 2"
OPEN = "assert isinstance(square(3), int | np.integer)\nassert square(3) == 9, 'the square of 3 is 9'"
HALVES = "def halves(n):\n    return [1 / 2**k for k in range(n)]"
ANSWERS = {"square": SQUARE, "halves": HALVES, "why": "Because a square is never negative."}
POINTS = {"square_small": 2.0, "square_shape": 3.0, "halves_sum": 4.0, "why": 5.0}
FULL = {"square_small": 2.0, "square_shape": 3.0, "halves_sum": 4.0}  # by tests
ZERO = dict.fromkeys(FULL, 0.0)

VARIANT = "TIMES = 2  # a factor\nLETTERS = ('a', 'b', 'c')\nSEED = 0"
CHOICES = """
TIMES = { from = 2, to = 9 }
LETTERS = { order = ["a", "b", "c"] }
SEED = { from = 0, to = 2147483647 }
"""


def cell(kind: str, source: str, role: str = "", name: str = "", points: float | None = None) -> NotebookNode:
    """Make a cell of a source notebook."""
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    made = make(source, id=name or f"free-{zlib.crc32(source.encode(errors='surrogatepass'))}")
    if role:
        flags = {"schema_version": 3, "grade_id": name, "cell_type": kind, **ROLES[role]}
        made.metadata["nbgrader"] = flags | ({"points": points} if points is not None else {})
    return made


def source() -> NotebookNode:
    """Make the notebook with solutions: numpy only, so that a kernel is up at once."""
    solved = {name: body.split("\n", 1) for name, body in (("square", SQUARE), ("halves", HALVES))}
    stub = {
        name: f'{head}\n    """Compute it."""\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION'
        for name, (head, body) in solved.items()
    }
    cells = [
        cell("markdown", "# Homework 0 · Squares"),
        cell("code", "import numpy as np", "locked", "given"),
        cell("code", stub["square"], "solution", "square"),
        cell(
            "code",
            OPEN,
            "test",
            "square_small",
            2,
        ),
        cell(
            "code",
            "assert square(np.ones((2, 3))).shape == (2, 3)\n### BEGIN HIDDEN TESTS\n"
            "np.testing.assert_allclose(square([1.5, 7]), [2.25, 49])\n### END HIDDEN TESTS",
            "test",
            "square_shape",
            3,
        ),
        cell("code", stub["halves"], "solution", "halves"),
        cell("code", "assert len(halves(3)) == 3\nassert sum(halves(20)) > 1.99", "test", "halves_sum", 4),
        cell("markdown", "Why does a square forget the sign?", "locked", "why_question"),
        cell("markdown", "For x and -x it is the same: MARK SCHEME none.", "written", "why", 5),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def varied() -> NotebookNode:
    """Make the notebook with solutions and with variants: one more question, worth 3 points, asks for their values."""
    notebook = source()
    notebook.cells[1:1] = [cell("code", VARIANT, "locked", "variant")]
    head, body = 'def coded(letter):\n    """Compute it."""', "    return TIMES * LETTERS.index(letter)"
    hidden = "\n".join(f"assert coded({letter!r}) == TIMES * LETTERS.index({letter!r})" for letter in "bc")
    notebook.cells += [
        cell("code", f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION", "solution", "coded"),
        cell("code", "assert coded('a') == TIMES * LETTERS.index('a')", "test", "coded_a", 1),
        cell(
            "code", f"# Other letters.\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS", "test", "coded_all", 2
        ),
    ]
    return notebook


def make_course(root: Path, notebook: NotebookNode | None = None, homework: str = HOMEWORK) -> Course:
    """Make a course with one homework, released."""
    course = Course(root)
    course.source(homework).mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    nbformat.write(notebook or source(), course.source(homework) / f"{homework}.ipynb")
    release(course, homework)
    return course


def named(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Return the cells that have a role, by name."""
    return {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}


def answered(course: Course, **answers: str) -> NotebookNode:
    """Fill in a student's copy: right, but for the answers given."""
    notebook = nbformat.read(course.released(HOMEWORK) / f"{HOMEWORK}.ipynb", 4)
    for name, text in (ANSWERS | answers).items():
        named(notebook)[name].source = text
    return notebook


def as_bytes(notebook: NotebookNode | dict | bytes | str) -> bytes:
    """Write out what is handed in."""
    if isinstance(notebook, bytes | str):
        return notebook if isinstance(notebook, bytes) else notebook.encode()
    return nbformat.writes(notebook).encode()


def zipped(files: Mapping[str, object], date: tuple = (2026, 11, 1, 12, 0, 0)) -> bytes:
    """Make a zip file of files by their name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            no_date = (1980, 0, 0, 0, 0, 0)
            archive.writestr(zipfile.ZipInfo(name, no_date if "no_date" in name else date), as_bytes(content))
    return buffer.getvalue()


def canvas(number: int, name: str = f"{HOMEWORK}.ipynb", *, late: bool = False) -> str:
    """Return the name that Canvas gives a file."""
    return f"student{number}_{'LATE_' * late}{number}_{90000 + number}_{name}"
