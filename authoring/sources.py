"""Percent scripts read as notebooks: stable ids, nbgrader's metadata from a shorthand, numbers from one file.

Prose may say <<name>> for a number of expected.toml, and [[term]] where a lecture introduces a term of the glossary.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode, ValidationError
from shorthand import SourceError, label

# Magics stand bare in a script. Otherwise jupytext takes the comment `# more layers` for a call of the program `more`.
FORMAT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
EXPECTED = "lectures/expected.toml"
ON_STAND_IN = "on_stand_in"  # its key that lists lectures
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},  # colours the code where nothing runs it, as on GitHub
}
MARKER = re.compile(r"^\s*#\s*%%(%*\s|$)")
NUMBER = re.compile(r"<<(\w[^<>:\n]*)(?::([^<>\n]*))?>>")
# Code and formulas come first, so that brackets in them are none of a term; nor are those of x[[i]].
TERM = re.compile(r"(?<!\\)(?P<quote>`+|\$\$?).*?(?P=quote)|(?<!\w)\[\[(?P<term>[^\W\d][^\[\]]*)\]\]", re.DOTALL)

Numbers = dict[str, dict]  # name -> value, tolerance, seeds


@dataclass(frozen=True)
class Source:
    """One percent script and the notebook that it builds.

    Attributes:
        name: the script as seen from the root, such as `authoring/lectures/01_simple.py`.
        lines: the script's lines.
        markers: for each cell, the line of its marker, from 1.
        notebook: what is built from it.
        numbers: its part of expected.toml.
        named: the expected numbers that its prose mentions.
    """

    name: Path
    lines: list[str]
    markers: list[int]
    notebook: NotebookNode
    numbers: Numbers
    named: set[str]

    @property
    def room(self) -> str:
        """The folder of the script: lectures, answers, pages or homework."""
        return self.name.parent.name

    def where(self, index: int | None = None) -> str:
        """Name the script, and the cell with this index (from 0) if there is one."""
        if index is None:
            return str(self.name)
        return f"{self.name}, cell {index + 1} (line {self.markers[index]})"


def read_expected(root: Path) -> dict[str, Numbers]:
    """Read the expected numbers of every notebook; none where the file is missing.

    Raises:
        SourceError: the file is not TOML, or an entry has no value.
    """
    expected = _parse_expected(root)
    expected.pop(ON_STAND_IN, None)
    for stem, numbers in expected.items():
        for name, entry in numbers.items():
            if not isinstance(entry, dict) or type(entry.get("value")) not in (int, float):
                raise SourceError(f'{EXPECTED}: "{stem}".{name} is {entry!r}; give it a line such as value = 0.5')
    return expected


def read_on_stand_in(root: Path) -> list[str]:
    """Read which lectures promise the numbers of their stand-in, for the course may not bring their real data along.

    Raises:
        SourceError: the file is not TOML, or its key is not a list of names.
    """
    stems = _parse_expected(root).get(ON_STAND_IN, [])
    if not isinstance(stems, list) or not all(isinstance(stem, str) for stem in stems):
        raise SourceError(f'{EXPECTED}: {ON_STAND_IN} is {stems!r}; make it a list such as ["10_aerial_tiles"]')
    return stems


def _parse_expected(root: Path) -> dict:
    path = root / EXPECTED
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{EXPECTED}: {error}; correct that line") from error


def read(root: Path, script: Path, numbers: Numbers) -> Source:
    """Read one percent script.

    Args:
        numbers: the expected numbers that its prose may name.

    Raises:
        SourceError: with one line for each cell that is not valid.
    """
    text = script.read_text(encoding="utf-8")
    lines = text.splitlines()
    markers = [number for number, line in enumerate(lines, 1) if MARKER.match(line)]
    try:
        notebook = jupytext.reads(text, fmt=FORMAT)
    except ValidationError as error:  # of tags, which Jupyter knows; it does not say of which cell
        raise SourceError(f'{script.relative_to(root)}: {error.message}; write tags as tags=["a-name"]') from error
    notebook.metadata = NotebookNode(METADATA)
    named = {match[1].partition(" ")[0] for cell in _markdown(notebook) for match in NUMBER.finditer(cell.source)}
    source = Source(script.relative_to(root), lines, markers, notebook, numbers, named)
    faults = _count_faults(source) or [*_finish(source), *_repeated_ids(source)]
    if faults:
        raise SourceError("\n".join(faults))
    return source


def fill(text: str, numbers: Numbers) -> str:
    """Replace each `<<name>>` or `<<name:format>>` by the number of that name, and `<<name seeds>>` by their range.

    Raises:
        SourceError: no such number, no seeds beside it, or a format that does not fit it.

    >>> found = {"loss": {"value": 0.0924, "seeds": [0.0924, 0.09212, 0.09244]}}
    >>> fill("<<loss>> (five seeds: <<loss seeds:.4f>>)", found)
    '0.0924 (five seeds: 0.0921 to 0.0924)'
    """

    def written(match: re.Match) -> str:
        name, _, what = match[1].partition(" ")
        form = match[2] or ""
        if name not in numbers:
            known = ", ".join(numbers) or "none for this notebook"
            raise SourceError(f"has the unknown number {match[0]}; {EXPECTED} has {known}: correct the name or add it")
        entry = numbers[name]
        if what not in ("", "seeds") or (what and not entry.get("seeds")):
            raise SourceError(f"has {match[0]}; write <<{name}>>, or <<{name} seeds>> for a number that was measured")
        try:
            if what:
                return f"{min(entry['seeds']):{form}} to {max(entry['seeds']):{form}}"
            return format(entry["value"], form)
        except ValueError as error:
            raise SourceError(f"has {match[0]}: {error}; write a Python format such as :.3f or :.0%") from error

    return NUMBER.sub(written, text)


def _link(found: re.Match) -> str:
    """Write a term in bold, with a link to its place in the glossary; code and formulas as they are."""
    if found["term"] is None:
        return found[0]
    words = found["term"].split()  # maybe on two lines
    return f"**[{' '.join(words)}](../docs/glossary.md#{'-'.join(words).lower()})**"


def _markdown(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def _count_faults(source: Source) -> list[str]:
    cells, markers = len(source.notebook.cells), len(source.markers)
    if cells == markers > 0:
        return []
    wanted = "begin the script with `# %% [markdown]` and keep lines that look like a marker out of strings"
    return [f"{source.where()}: has {markers} cell markers but {cells} cells; {wanted}"]


def _finish(source: Source) -> Iterator[str]:
    """Label and fill each cell in place; yield one line for each cell where that fails."""
    for index, cell in enumerate(source.notebook.cells):
        try:
            label(cell, index + 1, room=source.room)
            if cell.cell_type == "markdown":
                cell.source = TERM.sub(_link, fill(cell.source, source.numbers))
        except SourceError as fault:
            yield f"{source.where(index)}: {fault}"


def _repeated_ids(source: Source) -> Iterator[str]:
    first = {}
    for index, cell in enumerate(source.notebook.cells):
        if first.setdefault(cell.id, index) != index:
            earlier = first[cell.id] + 1
            yield f"{source.where(index)}: has the id {cell.id!r} of cell {earlier}; give one of them another name"
