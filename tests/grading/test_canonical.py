"""Submissions rebuilt on what was handed out, and zip files read: no kernel is started."""

import json
from copy import deepcopy
from datetime import UTC, datetime

import bad
import nbformat
import pytest
import toycourse
from toycourse import HOMEWORK, SQUARE, answered

from helpers.grading import canonical
from helpers.grading.canonical import UnreadableError, parse
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


@pytest.mark.parametrize("name", [name for name in READABLE if "label" in bad.CASES[name].line])
def test_what_lost_its_label_is_told(released, release, name):
    data = bad.CASES[name].files(released)[bad.NAME]
    assert bad.CASES[name].line in "; ".join(canonical.canonical(release, parse(data))[1])


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


@pytest.fixture
def tried(release, released):
    """Give a release with a cell to try things in, and a right notebook made of it."""
    notebooks = [deepcopy(release), answered(released)]
    for notebook in notebooks:
        notebook.cells.insert(2, nbformat.v4.new_code_cell("# Try it here\nsquare(3)", id="free"))
    return notebooks


def test_a_cell_without_label_is_the_student_s_once_it_was_changed(tried):
    ours, theirs = tried
    theirs.cells[2].source = "def my_power(x, n):\n    return x**n"
    rebuilt, problems = canonical.canonical(ours, theirs)
    assert [cell.source for cell in rebuilt.cells] == [cell.source for cell in theirs.cells]
    assert problems == ["the cell '# Try it here' was changed; the student's text is kept"]


def test_a_cell_without_label_that_was_copied_and_changed_is_there_twice(tried):
    ours, theirs = tried
    theirs.cells[2].source = "first = 1"
    theirs.cells.insert(3, deepcopy(theirs.cells[2]))
    theirs.cells[3].source = "second = 2"
    rebuilt, _ = canonical.canonical(ours, theirs)
    assert [cell.source for cell in rebuilt.cells[2:4]] == ["first = 1", "second = 2"]


def test_a_cell_without_label_that_was_not_changed_is_ours(tried):
    ours, theirs = tried
    rebuilt, problems = canonical.canonical(ours, theirs)
    assert [cell.source for cell in rebuilt.cells] == [cell.source for cell in theirs.cells]
    assert problems == []


@pytest.mark.parametrize(
    "data", [b"", b"  ", b"[]", b"{}", b'{"cells": 3}', b'{"worksheets": []}', b"\xff\xfe", b"<!DOCTYPE html>"]
)
def test_what_is_no_notebook_is_told(data):
    with pytest.raises(UnreadableError, match="file"):
        parse(data)


BANNER = {"cell_type": "code", "source": "print('<<<<<<< >>>>>>>>> start')", "outputs": ["<<<<<<< x\n>>>>>>> y"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_notebook_is_read_whatever_the_editor_did_to_its_text(encoding):
    mark = "\ufeff" * (encoding == "utf-16-be")
    data = (mark + json.dumps({"cells": [BANNER]}, ensure_ascii=False)).encode(encoding)
    assert parse(data)["cells"] == [BANNER]


def test_marks_of_a_merge_are_told_by_their_place():
    with pytest.raises(UnreadableError, match="merge"):
        parse(b'{"cells": [\n<<<<<<< HEAD\n{},\n=======\n>>>>>>> x\n]}')
    with pytest.raises(UnreadableError, match="cut off"):
        parse(json.dumps({"cells": [BANNER]})[:-1].encode())


ODD = [{}, {"metadata": []}, {"metadata": {"nbgrader": 1}}, {"source": [1, 2]}, {"cell_type": 3}]


@pytest.mark.parametrize("cell", ODD)
def test_cells_of_any_shape_are_endured(release, cell):
    notebook, _ = canonical.canonical(release, {"cells": [cell]})
    assert locked(notebook)[0] == locked(release)[0]


def test_a_notebook_of_version_3_is_read(release):
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": [SQUARE]}]}]}
    notebook, _ = canonical.canonical(release, parse(json.dumps(old).encode()))
    assert toycourse.named(notebook)["square"].source == SQUARE


# ---- whose answer, and where ----

MERGED = f"{toycourse.HALVES}\n\n\n{SQUARE}"


def cells_without(released, *names: str, **answers: str):
    """Hand in a right notebook without some cells."""
    notebook = answered(released, **answers)
    notebook.cells = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in names]
    return notebook


def ran(notebook) -> dict:
    """Run what is no test, and return what is defined."""
    names: dict = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade"):
            exec(cell.source, names)
    return names


def test_all_answers_in_one_cell_of_the_student_s_own(release, released):
    for at in (1, 3, 99):  # at the beginning, between tests, at the end
        for text in (MERGED, f"square = lambda x: x * x\n{toycourse.HALVES}"):
            theirs = cells_without(released, "square", "halves")
            theirs.cells.insert(at, nbformat.v4.new_code_cell(text))
            rebuilt, problems = canonical.canonical(release, theirs)
            assert toycourse.named(rebuilt)["square"].source == text
            assert toycourse.named(rebuilt)["halves"].source == "# answered in the cell square"
            assert ran(rebuilt)["square"](3) == 9
            assert len(problems) <= 2  # that it lost its label, and where it stood
            again, _ = canonical.canonical(release, rebuilt)
            assert [cell.source for cell in again.cells] == [cell.source for cell in rebuilt.cells]


@pytest.mark.parametrize("kept", ["square", "halves", "square_small"])
def test_answers_that_were_merged_into_one_cell(release, released, kept):
    theirs = cells_without(released, *{"square", "halves", "square_small"} - {kept})
    toycourse.named(theirs)[kept].source = MERGED
    rebuilt, _ = canonical.canonical(release, theirs)
    assert ran(rebuilt)["square"](3) == 9
    assert ran(rebuilt)["halves"](2) == [1, 0.5]
    assert locked(rebuilt) == locked(release)


def test_answers_in_an_own_cell_while_theirs_are_as_handed_out_or_empty(release, released):
    stubs = toycourse.named(release)
    for blank in ("", stubs["square"].source, stubs["square"].source.replace("\n", "  \r\n")):
        theirs = answered(released, square=blank)
        theirs.cells.append(nbformat.v4.new_code_cell(SQUARE))
        assert toycourse.named(canonical.canonical(release, theirs)[0])["square"].source == SQUARE


def test_merged_code_that_needs_what_is_given_later_runs_there_once_more(release, released):
    ours, theirs = deepcopy(release), cells_without(released, "square", "halves")
    given = toycourse.cell("code", "data = 5", "locked", "data")
    for notebook, at in ((ours, toycourse.named(ours)["halves"]), (theirs, toycourse.named(theirs)["halves_sum"])):
        notebook.cells.insert(notebook.cells.index(at), deepcopy(given))
    theirs.cells.append(nbformat.v4.new_code_cell(f"{MERGED}\nprint(data)"))
    cells = toycourse.named(canonical.canonical(ours, theirs)[0])
    assert cells["square"].source == cells["halves"].source


BEFORE = "%matplotlib inline\nimport numpy as np, math, numpy.linalg\nif True:\n    import keras\n"
BEHIND = "\ndef helper():\n    return math.pi\nsize = 8\nprint(size)\nnp = 3"
STAY = "import math, numpy.linalg\nif True:\n    import keras\ndef helper():\n    return math.pi"


@pytest.mark.parametrize(("name", "stays"), [("given", f"{STAY}\nsize = 8"), ("square_small", STAY)])
def test_what_was_imported_or_defined_in_locked_cells_stays(release, released, name, stays):
    theirs = answered(released)
    cell = toycourse.named(theirs)[name]
    cell.source = BEFORE + cell.source + BEHIND
    rebuilt, problems = canonical.canonical(release, theirs)
    assert locked(rebuilt) == locked(release)
    after = rebuilt.cells[rebuilt.cells.index(toycourse.named(rebuilt)[name]) + 1]
    assert after.source == (stays if name == "given" else stays.replace("import math", "import numpy as np, math"))
    assert problems == [f"{name}: was changed though it is locked; it is back as it was handed out"]


def test_what_locked_cells_define_is_not_replaced(release, released):
    theirs = answered(released)
    toycourse.named(theirs)["given"].source = "import math as np"
    rebuilt, _ = canonical.canonical(release, theirs)
    assert [cell.source for cell in rebuilt.cells] == [cell.source for cell in answered(released).cells]


# ---- what editors do in passing ----


def rewritten(notebook, change) -> dict:
    """Change the text of every cell."""
    theirs = json.loads(nbformat.writes(notebook))
    for cell in theirs["cells"]:
        cell["source"] = change("".join(cell["source"]))
    return theirs


EDITORS = {
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "cr": lambda text: text.replace("\n", "\r"),
    "mark": lambda text: "\ufeff" + text,
    "spaces at ends": lambda text: text.replace("\n", "  \n") + "\n\n",
    "no end": lambda text: text.rstrip(),
}


@pytest.mark.parametrize("name", EDITORS)
def test_what_editors_do_to_a_text_is_no_change(release, released, name):
    rebuilt, problems = canonical.canonical(
        release, parse(json.dumps(rewritten(answered(released), EDITORS[name])).encode())
    )
    assert problems == []
    assert "\r" not in toycourse.named(rebuilt)["square"].source
    blank, problems = canonical.canonical(release, rewritten(deepcopy(release), EDITORS[name]))
    assert [cell.source for cell in blank.cells] == [cell.source for cell in release.cells]
    assert problems == ["no answer was changed: the notebook is as it was handed out"]


def test_one_kind_of_change_is_one_line(release, released):
    unlabelled = json.loads(nbformat.writes(answered(released)))
    moved, trailing = answered(released), answered(released)
    for cell in unlabelled["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    moved.cells = moved.cells[3:] + moved.cells[:3]
    trailing.cells += [nbformat.v4.new_code_cell(text) for text in ("", "square(2)", "")]
    assert len(canonical.canonical(release, unlabelled)[1]) <= 2  # by their text, and by their place
    assert canonical.canonical(release, moved)[1] == ["the cells were in another order; each is back in its place"]
    assert canonical.canonical(release, trailing)[1] == []


# ---- pictures ----

PICTURE, OTHER = {"image/png": "aGVsbG8="}, {"image/png": "b3RoZXI="}


def why_with(released, text: str, **extra: object):
    """Hand in a written answer with pictures in it."""
    notebook = answered(released, why=text)
    toycourse.named(notebook)["why"].update(extra)
    return notebook


def test_pictures_of_a_written_answer_are_kept(release, released):
    theirs = why_with(released, "![](attachment:a%20b.png)", attachments={"a b.png": PICTURE})
    rebuilt, problems = canonical.canonical(release, theirs)
    assert toycourse.named(rebuilt)["why"].attachments == {"a b.png": PICTURE}
    assert problems == []


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_pictures_of_cells_that_a_student_added_are_kept(release, released, kind):
    make = {"markdown": nbformat.v4.new_markdown_cell, "raw": nbformat.v4.new_raw_cell}[kind]
    theirs = answered(released)
    theirs.cells.append(make("![](attachment:a.png)", attachments={"a.png": PICTURE}))
    rebuilt, _ = canonical.canonical(release, theirs)
    assert rebuilt.cells[-1].attachments == {"a.png": PICTURE}


def test_pictures_in_a_cell_of_ours_that_a_student_changed_are_kept(release, released):
    theirs = answered(released)
    theirs.cells[0].source += "\n![](attachment:a.png)"
    theirs.cells[0].attachments = {"a.png": PICTURE}
    rebuilt, _ = canonical.canonical(release, theirs)
    assert rebuilt.cells[0].attachments == {"a.png": PICTURE}


def test_two_pictures_of_one_name_in_a_split_answer_stay_two(release, released):
    theirs = why_with(released, "![](attachment:image.png)", attachments={"image.png": PICTURE})
    theirs.cells.append(deepcopy(toycourse.named(theirs)["why"]))
    theirs.cells[-1].update(attachments={"image.png": OTHER}, source="then ![](attachment:image.png)", id="second")
    why = toycourse.named(canonical.canonical(release, theirs)[0])["why"]
    assert why.source == "![](attachment:image.png)\n\nthen ![](attachment:1-image.png)"
    assert why.attachments == {"image.png": PICTURE, "1-image.png": OTHER}


def test_a_picture_that_is_not_in_the_file_is_told(release, released):
    _, problems = canonical.canonical(release, why_with(released, "![](attachment:a%20b.png)"))
    assert problems == ["why: the picture a b.png is not in the file; the student may paste it again"]


@pytest.mark.parametrize("odd", [5, [], {"a.png": 5}, {"a.png": {}}, {"a.png": {"image/png": None}}, {"a": ["b"]}])
def test_pictures_of_any_shape_are_endured(release, released, odd):
    rebuilt, _ = canonical.canonical(release, why_with(released, "text", attachments=odd))
    assert "attachments" not in toycourse.named(rebuilt)["why"]


def test_pictures_that_an_editor_keeps_among_metadata_or_in_lines_are_kept(release, released):
    theirs = why_with(released, "![](attachment:a.png)")
    toycourse.named(theirs)["why"].metadata["attachments"] = {"a.png": {"image/png": ["aGVs", "bG8="]}}
    assert toycourse.named(canonical.canonical(release, theirs)[0])["why"].attachments == {"a.png": PICTURE}


# ---- which file ----


def handed(name: str, *, minute: int = 0) -> Handed:
    return Handed("1", name, f"x_1_2_{name}", datetime(2026, 11, 1, 12, minute, tzinfo=UTC), False, 1)


NOTEBOOK = b'{"cells": []}'


@pytest.fixture
def chosen(release):
    return lambda files: choose(files, release, HOMEWORK)[0].name


def test_the_right_name_goes_before_the_newest(chosen):
    assert chosen({handed(f"{HOMEWORK}.ipynb"): NOTEBOOK, handed("b.ipynb", minute=5): NOTEBOOK}) == f"{HOMEWORK}.ipynb"
    assert chosen({handed("a.ipynb"): NOTEBOOK, handed("b.ipynb", minute=5): NOTEBOOK}) == "b.ipynb"


def test_one_that_can_be_read_goes_before_the_right_name(chosen):
    assert chosen({handed(f"{HOMEWORK}.ipynb"): b"", handed("b.ipynb"): NOTEBOOK}) == "b.ipynb"
