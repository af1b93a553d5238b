"""Small steps of nbgrader's pipelines: before a submission runs, after it ran, and before feedback goes out."""

import re
from pathlib import Path

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from helpers.grading.canonical import canonical, read_release
from helpers.grading.plugins.execution import shortened

HIDDEN = re.compile(r"(?ms)^[^\n]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*\n?")
MOST_RICH = 2_000_000  # characters of a picture or a table
MOST_OUTPUTS = 50  # of a cell


class Canonicalise(NbGraderPreprocessor):
    """Rebuilds a submission on the notebook that was released; `collect` did so before, other ways in do not."""

    released = Unicode("", help="folder of the released homeworks").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Rebuild; log what had to be repaired."""
        names = resources["nbgrader"]
        release = read_release(Path(self.released) / names["assignment"] / f"{names['notebook']}.ipynb")
        rebuilt, problems = canonical(release, nb)
        for problem in problems:
            self.log.warning("%s: %s", names["student"], problem)
        return rebuilt, resources


class AllOrNothing(NbGraderPreprocessor):
    """Leaves a test nothing but its errors and what it printed, so that it gives all of its points or none.

    nbgrader would read the value of a test's last line as points: `False` and NaN as full marks, and any number that
    the submission sends in its place.
    """

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Drop results and displays."""
        if cell.cell_type == "code" and _is_test(cell):
            cell.outputs = [out for out in cell.outputs if out.output_type in ("error", "stream")]
        return cell, resources


class LimitCharacters(NbGraderPreprocessor):
    """Keeps outputs small; nbgrader's own step counts lines only."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Shorten what is long; errors are kept."""
        if cell.cell_type != "code":
            return cell, resources
        errors = [out for out in cell.outputs[MOST_OUTPUTS:] if out.output_type == "error"]
        cell.outputs = cell.outputs[:MOST_OUTPUTS] + errors
        for out in cell.outputs:
            if out.output_type == "stream":
                out.text = shortened(out.text)
            elif out.output_type == "error":
                out.evalue, out.traceback = shortened(out.evalue), [shortened("\n".join(out.traceback))]
            else:
                out.data = {kind: _small(value) for kind, value in out.data.items()}
        return cell, resources


class RedactHiddenTests(NbGraderPreprocessor):
    """Takes hidden tests out of feedback: their code, and what their cells printed but the error's own words."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Redact a test that has a hidden part."""
        if cell.cell_type == "code" and _is_test(cell) and HIDDEN.search(cell.source):
            cell.source = HIDDEN.sub("# (hidden tests ran here)\n", cell.source)
            cell.outputs = [out for out in cell.outputs if out.output_type == "error"]
            for out in cell.outputs:
                out.traceback = [f"{out.ename}: {out.evalue}"]
        return cell, resources


def _is_test(cell: NotebookNode) -> bool:
    return utils.is_grade(cell) and not utils.is_solution(cell)


def _small(value: object) -> object:
    return value if len(str(value)) <= MOST_RICH else "(output removed: too large)"
