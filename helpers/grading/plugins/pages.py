"""How feedback and formgrader show a submission: whatever is in its Markdown and its outputs, the page is written.

`nbgrader_config.py` names these in the place of nbconvert's own, which raise for a picture that is not in the file.
"""

import html
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from nbconvert.exporters.html import contextfilter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

_WIDGET = "application/vnd.jupyter.widget-view+json"


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


@contextfilter
def markdown2html(context: Mapping[str, Any], source: Any) -> str:
    """Return Markdown as HTML; as it was written, where it cannot be read as Markdown."""
    attachments = context.get("cell", {}).get("attachments") or {}
    try:
        return MarkdownWithMath(renderer=_Renderer(escape=False, attachments=attachments)).render(str(source))
    except Exception:  # a parser may raise anything for what nobody would write
        return f"<pre>{html.escape(str(source))}</pre>"


class PresentableOutputs(NbGraderPreprocessor):
    """Leaves an output only such metadata and widgets as a page can show."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Drop what is of another shape than Jupyter's own."""
        for out in cell.get("outputs", []):
            if "metadata" in out:
                out.metadata = {kind: value for kind, value in out.metadata.items() if isinstance(value, dict)}
            if "data" in out and not _is_view(out.data.get(_WIDGET)):
                out.data.pop(_WIDGET, None)
        return cell, resources


def _is_view(data: Any) -> bool:
    return isinstance(data, dict) and "model_id" in data
