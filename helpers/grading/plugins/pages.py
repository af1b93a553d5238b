"""How feedback and formgrader show a submission: whatever is in its Markdown and its outputs, the page is written.

`nbgrader_config.py` names these in the place of nbconvert's own, which raise for a picture that is not in the file, and
whose pages ask other hosts for scripts and have colours that many cannot read.
"""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from nbconvert.exporters.html import HTMLExporter, contextfilter
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from traitlets import Dict, Unicode
from traitlets.config import Config

from helpers.grading import pages
from helpers.grading.plugins.clean import FRAME, code_in

_WIDGET = "application/vnd.jupyter.widget-view+json"
_RUNS = ("application/javascript", "application/x-javascript", "text/javascript")
_SHOWN = ["text/html", "text/markdown", "image/svg+xml", "text/latex", "image/png", "image/jpeg", "text/plain"]
_IN_WORDS = ("Mismatch", "NotRun", "Tampering", "DeadKernelError", "CellTimeoutError")  # errors that explain themselves
_READ = re.compile(r"""(?m)^read = (["'])(.*)\1$""")


class _Renderer(IPythonRenderer):
    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Return a picture, or a remark in its place."""
        kind, _, name = url.partition(":")
        if kind == "attachment":
            known = next((one for one in (name, unquote(name)) if self.attachments.get(one)), None)
            if known is None:
                return f"<em>(the picture {html.escape(unquote(name))} is not in the file that was handed in)</em>"
            url = f"attachment:{known}"
        return str(super().image(text, url, title))


class _OfflineRenderer(_Renderer):
    """Leaves formulas to `pages.accessible`, not to a script from another host."""

    def inline_math(self, body: str) -> str:
        """Return a formula in a line."""
        return f'<code class="math">{self.escape_html(body)}</code>'

    def block_math(self, body: str) -> str:
        """Return a formula on lines of its own."""
        return f'<code class="math block">{self.escape_html(body)}</code>'

    def latex_environment(self, name: str, body: str) -> str:
        """Return such as `align`."""
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def _rendered(kind: type[_Renderer], context: Mapping[str, Any], source: Any) -> str:
    attachments = context.get("cell", {}).get("attachments") or {}
    renderer = kind(escape=False, attachments=attachments, exclude_anchor_links=kind is _OfflineRenderer)
    try:
        return MarkdownWithMath(renderer=renderer).render(str(source))
    except Exception:  # a parser may raise anything for what nobody would write
        return f"<pre>{html.escape(str(source))}</pre>"


@contextfilter
def markdown2html(context: Mapping[str, Any], source: Any) -> str:
    """Return Markdown as HTML that runs nothing; as it was written, where it cannot be read as Markdown."""
    return pages.clean(_rendered(_Renderer, context, source))


@contextfilter
def _cleaned_markdown(context: Mapping[str, Any], source: Any) -> str:
    return pages.clean(_rendered(_OfflineRenderer, context, source))


class FeedbackExporter(HTMLExporter):
    """Writes a student's page: see `helpers/grading/pages`."""

    def __init__(self, **options: Any) -> None:
        folder = [str(pages.FOLDER)]
        options |= {"template_name": "feedback", "extra_template_basedirs": folder, "extra_template_paths": folder}
        filters = {"markdown2html": _cleaned_markdown, "clean": pages.clean, "explained": explained}
        super().__init__(filters=filters, **options)

    @property
    def default_config(self) -> Config:
        """Which of an output's forms a page shows."""
        config = Config(super().default_config)
        config.NbConvertBase.display_data_priority = _SHOWN
        return config

    def from_notebook_node(self, nb: NotebookNode, resources: dict | None = None, **options: Any) -> tuple:
        """Write a page."""
        page, resources = super().from_notebook_node(nb, resources, **options)
        return pages.accessible(page), resources


class Grades(GetGrades):
    """Fetches points, and whether a person is still to give them."""

    def _get_score(self, cell: NotebookNode, resources: dict) -> None:
        super()._get_score(cell, resources)
        names = cell.metadata.nbgrader.grade_id, self.notebook_id, self.assignment_id, self.student_id
        cell.metadata.nbgrader["needs_hand"] = self.gradebook.find_grade(*names).needs_manual_grade


class Remarks(NbGraderPreprocessor):
    """Puts on the page what `collect` mended, in the words that the instructor read, and what late work costs."""

    records = Unicode("", help="folder of the records, one folder for each homework").tag(config=True)
    late = Dict(help="by student, what late work costs").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Read the record of the submission; formgrader may have graded one that has none."""
        of = resources["nbgrader"]
        path = Path(self.records) / of["assignment"] / f"{of['student']}.json"
        record = json.loads(path.read_text()) if path.exists() else {}
        of["late"] = self.late.get(of["student"], "")
        of["remarks"] = [*record.get("notes", []), *record.get("repairs", [])]
        return nb, resources


class ExplainErrors(NbGraderPreprocessor):
    """Turns Python's errors into what was expected and what came, with the student's own line.

    It says it in the words of `helpers.grading.checks.explained`, which does the same where a notebook runs by itself.
    A line counts as the student's only if it stands in a cell that students write.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Explain the errors of a notebook."""
        written = [c for c in nb.cells if c.cell_type == "code" and not utils.is_locked(c)]
        self._lines = {line.strip() for cell in written for line in cell.source.splitlines()}
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Explain the errors of a cell; of a test, Python's own message tells a student nothing more."""
        is_test = utils.is_grade(cell) and utils.is_locked(cell)
        for out in [out for out in cell.get("outputs", []) if out.output_type == "error"]:
            text = None if out.ename in _IN_WORDS else self._explain(out, cell.source if is_test else None)
            if text:
                out.ename, out.evalue = "Mismatch", text
            if is_test and "\n  expected:" in out.evalue:
                out.traceback = []
        return cell, resources

    def _explain(self, error: NotebookNode, test: str | None) -> str | None:
        """Return what a mismatch would say, or None where there is nothing of the student's to point to."""
        trace = strip_ansi("\n".join(error.traceback))
        said = " ".join(strip_ansi(error.evalue).split())
        got = f"{error.ename}: {said[:300]}{'…' * (len(said) > 300)}".removesuffix(": ")
        read = _READ.search(test or "")
        tail = "" if test is None else f"\n  read:     {read[2] if read else 'the docstring of the question'}"
        for number, function, text in reversed(FRAME.findall(trace)):
            line = next((line for line in map(code_in, text.splitlines()) if line in self._lines), "")
            if not line:
                continue
            name = f"`{function}`" if function else "the answer"
            if error.ename == "NotImplementedError" and line.startswith("raise NotImplementedError"):
                got = f"`{line}`, as it was handed out"
                return f"{name} is still to be written\n  expected: your answer\n  got:      {got}{tail}"
            return f"{name}, line {number} of its cell: `{line}`\n  expected: no error\n  got:      {got}{tail}"
        if test is None or error.ename == "AssertionError":
            return None
        missing = re.fullmatch(r"name '(\w+)' is not defined.*", said) if error.ename == "NameError" else None
        if missing:
            expected, got = "a name that your answer defines", "none: its cell did not run, or failed"
            return f"`{missing[1]}`\n  expected: {expected}\n  got:      {got}{tail}"
        expected = "what the docstring asks for, which the test can go on with"
        return f"what your code gives\n  expected: {expected}\n  got:      {got}{tail}"


def explained(error: NotebookNode) -> dict[str, Any]:
    """Return the parts of an error: `what` is wrong, the `facts` by name, and Python's own message as `trace`."""
    what, facts = pages.parts(error.evalue)
    trace = strip_ansi("\n".join(error.traceback))
    what = what or "this cell" if error.ename in _IN_WORDS else f"{error.ename}: {what}".removesuffix(": ")
    return {"what": strip_ansi(what), "facts": facts, "trace": trace if "Cell In" in trace else ""}


class PresentableOutputs(NbGraderPreprocessor):
    """Leaves an output only what a page can show, and nothing that runs in the browser of who reads it."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Drop what is of another shape than Jupyter's own, scripts, and what HTML would run."""
        for out in cell.get("outputs", []):
            if "metadata" in out:
                out.metadata = {kind: value for kind, value in out.metadata.items() if isinstance(value, dict)}
            if "data" in out and not _is_view(out.data.get(_WIDGET)):
                out.data.pop(_WIDGET, None)
            for kind in [kind for kind in out.get("data", {}) if kind in _RUNS]:
                del out.data[kind]
            if "text/html" in out.get("data", {}):
                out.data["text/html"] = cleaned = pages.clean("".join(out.data["text/html"]))
                if "<img" not in cleaned and not re.sub("<[^>]*>", "", cleaned).strip():
                    del out.data["text/html"]  # of a drawing in SVG, say, whose description is in another kind
        return cell, resources


def _is_view(data: Any) -> bool:
    return isinstance(data, dict) and "model_id" in data
