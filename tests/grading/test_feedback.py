"""There is a page of feedback, whatever is in a submission; what it must not hold: test_feedback_secrets."""

import re
import zipfile
from urllib.parse import quote

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from toycourse import HOMEWORK, answered, as_bytes
from traitlets.config import Config

from helpers import cli
from helpers.grading.pipeline import reason, records
from helpers.grading.pipeline.exporting import page
from helpers.grading.pipeline.records import Record
from helpers.grading.plugins import pages

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
