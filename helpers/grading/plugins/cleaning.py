"""Small steps of nbgrader's pipelines: before a submission runs, after it ran, and before feedback goes out."""

import html
import json
import re
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from helpers.grading.canonical import canonical, read_release
from helpers.grading.plugins.execution import shortened

HIDDEN = re.compile(r"(?ms)^[^\n]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*\n?")
SHORTEST = 12  # characters of a line that tells something, as in the search for secrets before a release
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
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
    """Takes hidden tests out of feedback: their code, wherever it stands, and what their cells gave but for errors."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Redact every cell: one that is no test may have got hold of a test's code and show it."""
        self._hidden = _pattern(nb)
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple:
        """Redact a cell's outputs; of a test that has a hidden part, its code too."""
        if cell.cell_type != "code":
            return cell, resources
        for out in cell.outputs:
            self._redact(out)
        if _is_test(cell) and HIDDEN.search(cell.source):
            cell.source = HIDDEN.sub("# (hidden tests ran here)\n", cell.source)
            cell.outputs = [out for out in cell.outputs if out.output_type == "error"]
            for out in cell.outputs:
                out.traceback = [f"{out.ename}: {out.evalue}"]
        return cell, resources

    def _redact(self, out: NotebookNode) -> None:
        if out.output_type == "stream":
            out.text = self._without(out.text)
        elif out.output_type == "error":
            out.ename, out.evalue = self._without(out.ename), self._without(out.evalue)
            out.traceback = [self._without("\n".join(out.traceback))]
        else:
            out.data = {kind: self._without(value) for kind, value in out.data.items()}

    def _without(self, value: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value)
        plain = _COLOURS.sub("", text)
        return self._hidden.sub("(hidden test)", plain) if self._hidden.search(plain) else value


def _pattern(nb: NotebookNode) -> re.Pattern:
    """Return what finds each line of the hidden parts, quoted or not; one that is short or shown says nothing."""
    shown = "\n".join(HIDDEN.sub("", cell.source) for cell in nb.cells)
    parts = "\n".join(part for cell in nb.cells if _is_test(cell) for part in HIDDEN.findall(cell.source))
    lines = {line.strip() for line in parts.splitlines() if len(line.strip()) >= SHORTEST}
    secrets = sorted((line for line in lines if line not in shown), key=len, reverse=True)
    return re.compile("|".join(map(_anyhow, secrets)) or r"(?!)")


def _anyhow(line: str) -> str:
    """Return what matches a line, with the marks that `repr`, JSON and HTML put into it, and with other spaces."""
    letters = {letter: "|".join(map(re.escape, {letter, html.escape(letter)})) for letter in line}
    return r"(?:\s|\\+[nt])+".join("".join(rf"\\*(?:{letters[letter]})" for letter in word) for word in line.split())


def _is_test(cell: NotebookNode) -> bool:
    return utils.is_grade(cell) and not utils.is_solution(cell)


def _small(value: object) -> object:
    return value if len(str(value)) <= MOST_RICH else "(output removed: too large)"
