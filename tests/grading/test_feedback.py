"""Feedback pages hold no hidden test, whatever a submission does to get at one."""

import html
import json
import re
import zipfile
from urllib.parse import quote

import nbformat
import pytest
import toycourse
from bad import answers
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_bad_submissions import term
from toycourse import HOMEWORK, answered, as_bytes
from traitlets.config import Config

from helpers import cli
from helpers.grading.pipeline import reason, records
from helpers.grading.pipeline.exporting import feedback, page
from helpers.grading.pipeline.records import Record
from helpers.grading.plugins import pages
from helpers.grading.plugins.steps import RedactHiddenTests

LINE = "np.testing.assert_allclose(square([1.5, 7]), [2.25, 49])"
QUOTED = """assert message("it's") == 'a "b" \\\\ c' and 1 < 2"""
COLOURED = "\x1b[38;5;28mnp\x1b[39m.testing.\x1b[1massert_allclose\x1b[0m(square([1.5, \x1b[32m7\x1b[39m]), [2.25, 49])"
LINES = "import linecache\nprint([line for found in linecache.cache.values() for line in found[2]])"
STACK = "def square(x):\n    import linecache, sys\n    frame = sys._getframe(1)\n"
STACK += "    raise ValueError(''.join(linecache.getlines(frame.f_code.co_filename)))"


def redacted(*outputs) -> list:
    """Return outputs of a cell that is no test as feedback has them."""
    notebook = toycourse.source()
    test = toycourse.named(notebook)["square_shape"]
    test.source = test.source.replace("### END", f"{QUOTED}\n### END")
    notebook.cells.append(new_code_cell("In", outputs=list(outputs)))
    cleaned, _ = RedactHiddenTests().preprocess(notebook, {})
    return cleaned.cells[-1].outputs


def displayed(**data) -> nbformat.NotebookNode:
    return new_output("display_data", {kind.replace("_", "/"): value for kind, value in data.items()})


@pytest.mark.parametrize("line", [LINE, QUOTED])
@pytest.mark.parametrize(
    "shown",
    [str, repr, lambda line: repr([f"a'b{line}"]), json.dumps, html.escape, lambda line: line.replace(" ", "\n\t")],
)
def test_no_output_shows_a_line_of_a_hidden_test(line, shown):
    text = f"before {shown(line)} behind"
    stream, error, picture = redacted(
        new_output("stream", name="stdout", text=text),
        new_output("error", ename=text, evalue=text, traceback=["a", text]),
        displayed(text_html=text, application_json={"a": [text]}),
    )
    everything = [stream.text, error.ename, error.evalue, *error.traceback, *picture.data.values()]
    assert all("(hidden test)" in one and "before" in one and "behind" in one for one in everything)
    assert not [one for one in everything if "assert" in one]


def test_colours_do_not_help():
    [error] = redacted(new_output("error", ename="E", evalue="e", traceback=[COLOURED]))
    assert "square" not in error.traceback[0]


def test_other_outputs_stay_as_they_are():
    data = {"text_plain": "5", "application_json": {"a": [1]}, "image_png": "aGVsbG8="}
    stream, picture = redacted(new_output("stream", name="stdout", text="\x1b[1mloss\x1b[0m 3"), displayed(**data))
    assert stream.text == "\x1b[1mloss\x1b[0m 3"
    assert picture.data == displayed(**data).data


def test_a_line_that_is_shown_elsewhere_is_no_secret():
    [stream] = redacted(new_output("stream", name="stdout", text=toycourse.OPEN))
    assert stream.text == toycourse.OPEN


def with_cell(code: str):
    """Hand in a right notebook with another cell at its end."""

    def files(course) -> dict[str, bytes]:
        notebook = answered(course)
        notebook.cells.append(new_code_cell(code))
        return {f"{HOMEWORK}.ipynb": as_bytes(notebook)}

    return files


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
def test_no_page_shows_a_hidden_test(course):
    handed = {
        "inputs": with_cell("print('\\n'.join(In))"),
        "last_input": answers(square="def square(x):\n    raise ValueError(In[-1])"),
        "lines": with_cell(LINES),
        "stack": answers(square=STACK),
        "raises": answers(square="def square(x):\n    return x + 'a'"),
    }
    known = term(course, {name: files(course) for name, files in handed.items()})
    assert {record.state for record in known.values()} == {records.GRADED}
    feedback(course, HOMEWORK, list(known.values()))
    for name in handed:
        text = html.unescape(re.sub("<[^>]+>", "", page(course, HOMEWORK, name).read_text()))
        assert "[2.25, 49]" not in text, name
    assert "`square`, line 2 of its cell: `return x + 'a'`" in html.unescape(
        page(course, HOMEWORK, "raises").read_text()
    )
    inputs = nbformat.read(course.autograded("inputs", HOMEWORK) / f"{HOMEWORK}.ipynb", 4).cells[-1].outputs[0].text
    assert "def square" in inputs
    assert "assert" not in inputs  # tests are not among the inputs


# ---- whatever is in a submission, there is a page ----

PICTURE = {"image/png": "aGVsbG8="}
SHOWN = new_output("display_data", {"text/markdown": "![](attachment:x.png)"})
VIEW = "application/vnd.jupyter.widget-view+json"
ODD = {
    "missing": [new_markdown_cell("![](attachment:x.png)")],
    "by reference": [new_markdown_cell("![a][1]\n\n[1]: attachment:x.png")],
    "empty": [new_markdown_cell("![](attachment:x.png)", attachments={"x.png": {}})],
    "in an output": [new_code_cell("1", outputs=[SHOWN])],
    "size": [new_code_cell("1", outputs=[new_output("display_data", PICTURE, metadata={"image/png": 5})])],
    "widget": [new_code_cell("1", outputs=[new_output("display_data", {VIEW: {}, "text/plain": "x"})])],
}


def shown(exporter: type[HTMLExporter], *cells: nbformat.NotebookNode) -> str:
    """Return a page as feedback or formgrader make it, but for formgrader's template."""
    settings = {"preprocessors": [pages.PresentableOutputs]}
    if exporter is HTMLExporter:
        settings["filters"] = {"markdown2html": pages.markdown2html}
    return exporter(config=Config(HTMLExporter=settings)).from_notebook_node(new_notebook(cells=list(cells)))[0]


both = pytest.mark.parametrize("exporter", [HTMLExporter, pages.FeedbackExporter])


@both
@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_and_outputs_stop_no_page(exporter, name):
    said = shown(exporter, *ODD[name])
    assert ("the picture x.png is not in the file" in said) == (name not in ("size", "widget"))


@both
@pytest.mark.parametrize("name", ["x.png", "a b.png", "é.png"])
def test_pictures_are_shown_whatever_their_name(exporter, name):
    said = shown(exporter, new_markdown_cell(f"![](attachment:{quote(name)})", attachments={name: PICTURE}))
    assert "data:image/png;base64,aGVsbG8=" in said


@both
def test_markdown_that_cannot_be_parsed_is_shown_as_it_was_written(exporter, monkeypatch):
    monkeypatch.setattr(pages.MarkdownWithMath, "render", lambda self, source: 1 / 0)
    assert re.search("<pre[^>]*>5 &lt; 6</pre>", shown(exporter, new_markdown_cell("5 < 6")))


def test_the_reason_of_a_fault_is_found_whatever_it_is_called():
    log = "[X | ERROR] Traceback (most recent call last):\n  File 'x', line 1\n    y\n"
    assert reason({"log": f"{log}nbconvert.utils.exceptions.InvalidNotebook: no picture\nmore"}) == (
        "InvalidNotebook: no picture"
    )
    assert reason({"log": f"{log}StopIteration\n"}) == "StopIteration"


@pytest.mark.slow
def test_a_page_that_cannot_be_written_costs_nobody_else_theirs(course, capsys):
    handed = {
        "s1": as_bytes(answered(course)),
        "s2": b"{}",
        "s4": as_bytes(answered(course, why="![](attachment:x.png)")),
    }
    for student, data in handed.items():
        folder = course.autograded(student, HOMEWORK)
        folder.mkdir(parents=True)
        (folder / f"{HOMEWORK}.ipynb").write_bytes(data)
    with course.gradebook() as gradebook, gradebook.db.no_autoflush:
        for student in [*handed, "s3"]:  # the graded notebook of s3 is gone
            gradebook.update_or_create_student(student)
            gradebook.add_submission(HOMEWORK, student)
            known = Record(student, records.GRADED, original=f"{student}.ipynb", repairs=["square: lost its <label>"])
            records.save(course, HOMEWORK, known)
    assert cli.main(["homework", "feedback", HOMEWORK, "--course", str(course.root)]) == 1
    said = capsys.readouterr().out
    assert re.search(r"(?m)^s2 +no page: (?!no reason)", said)
    assert re.search(r"(?m)^s3 +no page: (?!no reason)", said)
    assert "2 pages" in said
    with zipfile.ZipFile(course.grading / "feedback" / f"{HOMEWORK}.zip") as archive:
        assert archive.namelist() == ["s1.html", "s4.html"]
    written = page(course, HOMEWORK, "s4").read_text()
    assert "the picture x.png is not in the file" in written
    assert f"<h1>{HOMEWORK}: 0 of 14 points</h1>" in written
    assert "<li>square: lost its &lt;label&gt;</li>" in written
