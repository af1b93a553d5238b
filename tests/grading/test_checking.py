"""`check`, as students run it: what passes, what fails, what only grading will tell, and a file that is no notebook."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import toycourse
from toycourse import answered

from helpers import cli
from helpers.cli import homework
from helpers.grading.checking import BY_HAND, FAILED, PASSED, _is_blank, check

HIDDEN = "# Other numbers, and their types."  # all that a release leaves of a test whose code is hidden
BROKEN = {
    "no notebook": "hello",
    "merge": '{"cells": [\n<<<<<<< HEAD\n=======\n>>>>>>> x\n]}',
    "empty": "",
    "cut off": '{"cells": [',
    "strange cells": '{"cells": [{"source": 5}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "strange version": '{"cells": [], "metadata": {}, "nbformat": "new", "nbformat_minor": 5}',
}
# as handed out: answers that nobody has written
BLANK = {"square": "def square(x):\n    raise NotImplementedError", "halves": "def halves(n):\n    return []"}


@pytest.fixture
def notebook(released, tmp_path):
    """Give a function that writes a student's copy, in which one test is hidden as a whole."""

    def write(**answers: str) -> Path:
        copy = answered(released, **answers)
        at = copy.cells.index(toycourse.named(copy)["halves"])
        copy.cells.insert(at, toycourse.cell("code", HIDDEN, "test", "square_others", 3))
        nbformat.write(copy, tmp_path / "mine.ipynb")
        return tmp_path / "mine.ipynb"

    return write


@pytest.mark.slow
def test_it_tells_which_open_tests_pass(notebook, capsys):
    assert cli.main(["homework", "check", str(notebook(square="def square(x):\n    return 9"))]) == 1
    said = capsys.readouterr().out
    assert re.search(r"passed +2 points +square_small", said)
    assert re.search(r"FAILED +3 points +square_shape.*\n +AttributeError", said)
    assert re.search(r"by hand +5 points +why", said)
    assert "2 of 3 open tests passed" in said


@pytest.mark.slow
def test_a_hidden_test_has_not_passed(notebook, capsys):
    assert cli.main(["homework", "check", str(notebook(**BLANK))]) == 1
    said = capsys.readouterr().out
    assert re.search(r"hidden +3 points +square_others", said)
    assert "passed " not in said.replace("tests passed", "")
    assert "0 of 3 open tests passed. Hidden tests that grading adds: 1," in said
    assert re.search(r"to write +2 points +square_small.*\n +the cell square is still to be written", said)
    assert re.search(r"FAILED +4 points +halves_sum", said)  # it was written, and is wrong
    assert "Next: the test halves_sum." in said


@pytest.mark.slow
def test_what_is_right_passes_and_stays_as_it_is(notebook, capsys):
    path = notebook()
    before = path.read_bytes()
    assert cli.main(["homework", "check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "3 of 3 open tests passed. Hidden tests that grading adds: 1," in said
    assert path.read_bytes() == before
    assert f"Next: read what the comments of hidden tests announce, save, and hand in {path}." in said


@pytest.mark.slow
def test_what_grading_mends_is_mended_and_what_it_takes_back_is_told(released, tmp_path):
    """An import in the set-up, answers in an own cell, a test made easy, a cell that ends the kernel."""
    handed_out = released.released(toycourse.HOMEWORK) / f"{toycourse.HOMEWORK}.ipynb"
    answers = "def square(x):\n    return mine.multiply(x, x)\n\n\n" + toycourse.HALVES
    theirs = answered(released, why="")
    cells = toycourse.named(theirs)
    theirs.cells = [cell for cell in theirs.cells if cell not in (cells["square"], cells["halves"])]
    theirs.cells.insert(2, nbformat.v4.new_code_cell(answers))
    theirs.cells.insert(3, nbformat.v4.new_code_cell("import os\nos._exit(1)"))
    cells["given"].source += "\nimport numpy as mine"
    cells["halves_sum"].source = "assert True"
    nbformat.write(theirs, tmp_path / "mine.ipynb")
    order, notes = [], []
    with_release = check(tmp_path / "mine.ipynb", handed_out, done=order.append, note=notes.append)
    assert [row.outcome for row in with_release] == [PASSED, PASSED, PASSED, BY_HAND]
    assert order == with_release
    assert with_release[-1].message == "the cell why is still to be written"
    assert with_release[0].seconds > 0
    assert "given, halves_sum: was changed though it is locked; it is back as it was handed out" in notes
    notes.clear()
    without = check(tmp_path / "mine.ipynb", note=notes.append)
    assert [row.outcome for row in without] == [PASSED, PASSED, FAILED, BY_HAND]
    assert without[2].message == "this test was changed; grading runs the one that was handed out"
    assert notes == [
        f"{name}: was changed though it is locked; grading runs what was handed out" for name in ("given", "halves_sum")
    ]


def test_an_answer_is_to_be_written_until_something_is(released):
    release = nbformat.read(released.released(toycourse.HOMEWORK) / f"{toycourse.HOMEWORK}.ipynb", 4)
    stub = toycourse.named(release)["square"].source
    for source, wanted in {
        stub: True,
        stub.replace("\n", "\r\n"): True,
        " \n": True,
        "def square(x):\n    raise NotImplementedError": True,
        "def square(x):\n    'Compute it.'\n    raise NotImplementedError()": True,
        "def square(x):\n    if x < 0:\n        raise NotImplementedError\n    return x": False,
        "def square(x):\n    return 0": False,
        "square = 5": False,
        "def square(:": False,
    }.items():
        cell = toycourse.named(answered(released, square=source))["square"]
        assert _is_blank(cell) == wanted, source


def test_a_test_behind_a_dead_kernel_was_not_run(notebook, capsys):
    assert cli.main(["homework", "check", str(notebook(square="import os\nos._exit(1)"))]) == 1
    said = capsys.readouterr().out
    assert "0 of 3 open tests passed" in said
    assert "ended its own kernel" in said


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_notebook_is_called_that(tmp_path, capsys, text):
    (tmp_path / "mine.ipynb").write_text(text)
    assert cli.main(["homework", "check", str(tmp_path / "mine.ipynb")]) == 1
    assert re.search(r"mine\.ipynb cannot be read: .+\. Save it again", capsys.readouterr().err)


def test_a_download_is_compared_with_what_was_handed_out(tmp_path, monkeypatch):
    monkeypatch.setattr(homework, "ROOT", tmp_path)
    ours = tmp_path / "homework" / "hw1_dense" / "hw1_dense.ipynb"
    ours.parent.mkdir(parents=True)
    for path in [ours, *(tmp_path / f"hw1_dense{copy}.ipynb" for copy in ("", " (1)", "-2", "-Copy1", "_mine"))]:
        path.write_text("{}")
    found = {path.name: homework._handed_out(path) for path in tmp_path.glob("*.ipynb")}
    assert [name for name, path in found.items() if path != ours] == ["hw1_dense_mine.ipynb"]
    assert homework._handed_out(ours) is None  # what a student edits in place is no measure of itself


def test_students_need_nothing_of_the_instructor_s():
    code = "import sys, helpers.grading.checking as _; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert not [name for name in done.stdout.split() if name.startswith(("nbgrader", "helpers.grading.pipeline"))]
