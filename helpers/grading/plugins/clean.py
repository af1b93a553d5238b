"""What a page shows of a submission: what a run gave in which no hidden test was present, and how grading ended.

A submission can read whatever is in its kernel and print it in any encoding, which no search finds. So nothing that
came out of the kernel that was graded goes onto a page, but for what `told` makes of a failed test. Points are of the
graded run; the page's own run is `pipeline.clean_runs`'.
"""

import hashlib
import json
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode, ValidationError
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Unicode

from helpers.grading.plugins.told import said, told

HERE = "# (hidden tests ran here)"
SECOND_RUN = "What your cells print and draw here is of a second run, without hidden tests. Points are of the first."
NO_RUN = "Your notebook could not be run again for this page, so it shows nothing that your cells print and draw."
LUCKY = "This test passed when it was graded, which counts. It failed when this page was made:"
UNLUCKY = (
    "This test failed when it was graded, which counts. It passed when this page was made: does it depend on chance?"
)
_KEPT = ("nbgrader", "alt")  # of a cell's metadata


def without_hidden(graded: NotebookNode) -> NotebookNode:
    """Return a graded notebook as the student has it: no hidden test, and nothing that a kernel sent."""
    cells = []
    for cell in graded.cells:
        kept = {key: deepcopy(cell.metadata[key]) for key in _KEPT if key in cell.metadata}
        made = NotebookNode(id=cell.id, cell_type=cell.cell_type, source=cell.source, metadata=NotebookNode(kept))
        if cell.cell_type == "code":
            made |= {"outputs": [], "execution_count": None}
        if "attachments" in cell:
            made["attachments"] = deepcopy(cell.attachments)
        if is_test(cell):
            shown, _ = ClearHiddenTests().preprocess_cell(deepcopy(made), {}, 0)
            made.source = shown.source if shown.source == cell.source else f"{shown.source.rstrip()}\n{HERE}".strip()
        cells.append(NotebookNode(made))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def is_test(cell: NotebookNode) -> bool:
    """Return whether a cell gives points for how it runs."""
    return cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell)


def number(shown: NotebookNode) -> str:
    """Return a number by which a run is known to be of this notebook; see `without_hidden`."""
    cells = [[cell.id, cell.cell_type, cell.source] for cell in shown.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def read(path: Path, shown: NotebookNode) -> NotebookNode | None:
    """Read a run, if there is one of this notebook."""
    try:
        run = nbformat.read(path, as_version=4)
    except (OSError, ValueError, ValidationError):
        return None
    return run if run.metadata.get("course", {}).get("of") == number(shown) else None


def page_of(graded: NotebookNode, run: NotebookNode | None) -> NotebookNode:
    """Return what a page shows.

    Args:
        graded: the notebook as it was graded.
        run: the same without hidden tests, run; None if it could not be.
    """
    page = without_hidden(graded)
    ran = {cell.id: cell.outputs for cell in run.cells if cell.cell_type == "code"} if run else {}
    seen = {said(out) for outputs in ran.values() for out in _errors(outputs)}
    own = [cell for cell in page.cells if cell.cell_type == "code" and not utils.is_locked(cell)]
    public = "\n".join(cell.source for cell in page.cells)
    for before, cell in zip(graded.cells, page.cells, strict=True):
        if cell.cell_type != "code":
            continue
        cell.outputs = deepcopy(ran.get(cell.id, []))
        if not is_test(cell):
            continue
        failed, fails = _errors(before.outputs), _errors(cell.outputs)
        if failed and not fails:
            cell.outputs += [told(error, before.source, own, seen, public) for error in failed[:1]]
            if run and HERE not in cell.source:
                cell.metadata["remark"] = UNLUCKY
        elif fails and not failed:
            cell.metadata["remark"] = LUCKY
    return page


def _errors(outputs: list[NotebookNode]) -> list[NotebookNode]:
    return [out for out in outputs if out.output_type == "error"]


class CleanOutputs(NbGraderPreprocessor):
    """Puts in the place of a graded notebook what a page shows of it; the first step, so that no other sees more."""

    runs = Unicode("", help="folder of the runs without hidden tests, one folder for each homework").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Read the run of the submission; formgrader may want a page of one that has none."""
        of = resources["nbgrader"]
        run = read(Path(self.runs) / of["assignment"] / f"{of['student']}.ipynb", without_hidden(nb))
        of["outputs"] = SECOND_RUN if run else NO_RUN
        return page_of(nb, run), resources
