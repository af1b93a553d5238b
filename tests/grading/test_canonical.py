"""Submissions rebuilt on what was handed out, and zip files read: no kernel is started."""

import json
from datetime import UTC, datetime

import bad
import nbformat
import pytest
import toycourse
from toycourse import HOMEWORK, SQUARE, answered

from helpers.grading import canonical
from helpers.grading.canonical import UnreadableError, parse
from helpers.grading.faults import GradingError
from helpers.grading.pipeline import roster
from helpers.grading.pipeline.collecting import Handed, choose

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

READABLE = [name for name, case in bad.CASES.items() if case.points is not None and name != "packed"]  # in a zip


@pytest.fixture(scope="module")
def release(released):
    return canonical.read_release(released.released(HOMEWORK) / f"{HOMEWORK}.ipynb")


@pytest.fixture(params=READABLE)
def rebuilt(request, released, release):
    files = bad.CASES[request.param].files(released)
    data = next(data for name, data in files.items() if name.endswith(".ipynb"))
    return canonical.canonical(release, parse(data))


def locked(notebook) -> list[tuple]:
    """Return what no student may change, in order."""
    return [
        (cell.metadata.nbgrader, None if cell.metadata.nbgrader.solution else cell.source)
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    ]


def test_labels_tests_and_order_are_those_of_the_release(rebuilt, release):
    assert locked(rebuilt[0]) == locked(release)


def test_what_was_rebuilt_is_not_changed_when_rebuilt_again(rebuilt, release):
    once, _ = rebuilt
    twice, problems = canonical.canonical(release, once)
    assert [cell.source for cell in twice.cells] == [cell.source for cell in once.cells]
    assert [line for line in problems if "no answer was changed" not in line] == []


def test_a_right_notebook_needs_no_repair(released, release):
    notebook, problems = canonical.canonical(release, answered(released))
    assert problems == []
    assert toycourse.named(notebook)["square"].source == SQUARE


def test_cells_that_a_student_added_stay_behind_those_that_they_followed(released, release):
    notebook = answered(released)
    at = notebook.cells.index(toycourse.named(notebook)["square"])
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell("square(4)", id="mine"))
    sources = [cell.source for cell in canonical.canonical(release, notebook)[0].cells]
    assert sources[sources.index(SQUARE) + 1] == "square(4)"


@pytest.mark.parametrize(
    "data", [b"", b"  ", b"[]", b"{}", b'{"cells": 3}', b'{"worksheets": []}', b"\xff\xfe", b"<!DOCTYPE html>"]
)
def test_what_is_no_notebook_is_told(data):
    with pytest.raises(UnreadableError, match="file"):
        parse(data)


ODD = [{}, {"metadata": []}, {"metadata": {"nbgrader": 1}}, {"source": [1, 2]}, {"cell_type": 3}]


@pytest.mark.parametrize("cell", ODD)
def test_cells_of_any_shape_are_endured(release, cell):
    notebook, _ = canonical.canonical(release, {"cells": [cell]})
    assert locked(notebook)[0] == locked(release)[0]


def test_a_notebook_of_version_3_is_read(release):
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": [SQUARE]}]}]}
    notebook, _ = canonical.canonical(release, parse(json.dumps(old).encode()))
    assert toycourse.named(notebook)["square"].source == SQUARE


# ---- which file ----


def handed(name: str, *, minute: int = 0) -> Handed:
    return Handed("1", name, f"x_1_2_{name}", datetime(2026, 11, 1, 12, minute, tzinfo=UTC), False, 1)


NOTEBOOK = b'{"cells": []}'


def chosen(files: dict[Handed, bytes]) -> str:
    return choose(files, HOMEWORK)[0].name


def test_the_right_name_goes_before_the_newest():
    assert chosen({handed(f"{HOMEWORK}.ipynb"): NOTEBOOK, handed("b.ipynb", minute=5): NOTEBOOK}) == f"{HOMEWORK}.ipynb"
    assert chosen({handed("a.ipynb"): NOTEBOOK, handed("b.ipynb", minute=5): NOTEBOOK}) == "b.ipynb"


def test_one_that_can_be_read_goes_before_the_right_name():
    assert chosen({handed(f"{HOMEWORK}.ipynb"): b"", handed("b.ipynb"): NOTEBOOK}) == "b.ipynb"


# ---- roster ----


def read(tmp_path, text: str):
    (tmp_path / "roster.csv").write_text(text)
    return roster.read(tmp_path / "roster.csv")


def test_a_roster_is_read_from_canvas_moodle_or_our_own_table(tmp_path):
    canvas = '\ufeffStudent,ID,SIS Login ID\n    Points Possible,,\n"Lovelace, Ada",4711,ada\n"Student, Test",9,\n'
    assert {n: s.id for n, s in read(tmp_path, canvas).items()} == {"4711": "ada"}
    moodle = "Identifier,Full name,Email address\nParticipant 4711,Ada Lovelace,ada@example.org\n"
    assert {n: (s.id, s.name) for n, s in read(tmp_path, moodle).items()} == {"4711": ("ada", "Ada Lovelace")}
    assert read(tmp_path, "student_id,name,email,lms_id\nada,Ada,,4711\n")["4711"].name == "Ada"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name,mark\nAda,1\n", "none of the columns"),
        ("student_id,name,email,lms_id\nada,Ada,,1\nada,Ada,,2\n", "twice"),
        ("student_id,name,email,lms_id\nada,Ada,,1\nbob,Bob,,1\n", "twice"),
    ],
)
def test_a_roster_that_is_none_is_refused(tmp_path, text, fault):
    with pytest.raises(GradingError, match=fault):
        read(tmp_path, text)


def test_nobody_s_name_leads_out_of_the_folder(tmp_path):
    assert read(tmp_path, "student_id,name,email,lms_id\n../../x,Eve,,1\nada,Ada,,2\n").keys() == {"2"}
