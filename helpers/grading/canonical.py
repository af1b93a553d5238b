"""A submission rebuilt on the notebook that was released: whatever happened to its cells, each answer is in its place.

Only answers are taken from students; text, tests, points and order are those of the release. Cells that students
added stay behind the cell that they followed, and a cell without a label that they changed is theirs. A cell may have
several answers in it, and what a student imported or defined in a cell of ours stands behind it.
"""

import ast
import codecs
import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

import nbformat
from nbformat import NotebookNode

from helpers.grading import GradingError

_DEFINED = re.compile(r"(?m)^(?:def|class)\s+(\w+)")
_MERGE = re.compile(r"(?m)^<<<<<<< ")
_DEFINITIONS = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Try | ast.If
_KINDS = ("code", "markdown", "raw")
_PICTURE = re.compile(r"attachment:([^\s()<>\"']+)")
_ADDED = "added"
_KEPT = ("points", "grade", "solution", "locked", "schema_version")


class UnreadableError(ValueError):
    """A file that is no notebook. The text says what it is instead."""


@dataclass
class Found:
    """Which of a student's cells stand for which of ours.

    Attributes:
        cells: all of the student's, in order.
        owner: the name of our cell that each stands for, by its position; None for one that the student added.
        shared: for each answer that stands in a cell together with others, the position of that cell.
        given: for each of our cells the names that locked cells before it define.
        problems: what was not as it was handed out.
    """

    cells: list[dict]
    owner: dict[int, str | None] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[int]:
        """List the positions of the cells that stand for one of ours."""
        return [position for position, owner in self.owner.items() if owner == name]


def read_release(path: Path) -> NotebookNode:
    """Read a released notebook.

    Raises:
        GradingError: it is not there.
    """
    if not path.exists():
        raise GradingError(f"{path} is not there. Make it: ./course homework release {path.stem}")
    return nbformat.read(path, as_version=4)


def parse(data: bytes) -> dict:
    """Read what was handed in as a notebook, whatever its version.

    Raises:
        UnreadableError: it has no cells.
    """
    text = _decoded(data).strip()
    try:
        notebook = json.loads(text)
        found = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        return {"cells": [cell for cell in found if isinstance(cell, dict)]}
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UnreadableError(_instead(text)) from error


def _decoded(data: bytes) -> str:
    """Read text as editors on any system write it: some put a mark before it."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return data.decode(encoding, errors="replace")


def _instead(text: str) -> str:
    """Return what a text is that is no notebook."""
    if not text:
        return "the file is empty"
    if text[:1] == "<":
        return "the file is a web page, not a notebook"
    if _MERGE.search(text):
        return "the file has marks of a merge (<<<<<<<) in it"
    return "the file is cut off or no notebook"


def canonical(release: NotebookNode, submission: dict) -> tuple[NotebookNode, list[str]]:
    """Rebuild a submission on the release.

    Args:
        release: the notebook that was handed out.
        submission: what came back, with a list `cells`; nothing else of it matters.

    Returns:
        A valid notebook with exactly the release's graded and locked cells, and a line for each repair.
    """
    found = Found(list(submission["cells"]))
    _match(release, found)
    notebook = deepcopy(release)
    notebook.cells = list(_rebuilt(release, found))
    if _answers(notebook) == _answers(release):
        found.problems.append("no answer was changed: the notebook is as it was handed out")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"added-{number}" if cell.id == _ADDED else cell.id
    nbformat.validate(notebook)
    return notebook, _grouped(found.problems)


def _grouped(problems: list[str]) -> list[str]:
    """Say once what is wrong with several cells.

    >>> _grouped(["a: lost its label", "b: lost its label", "c: was deleted"])
    ['a, b: lost its label', 'c: was deleted']
    """
    groups: dict[str, list[str]] = {}
    for problem in problems:
        name, colon, what = problem.partition(": ")
        groups.setdefault(colon + what if colon else "", []).append(name)
    return [
        line
        for what, names in groups.items()
        for line in (
            [", ".join(names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3) + what] if what else names
        )
    ]


def has_work(release: NotebookNode, submission: dict) -> bool:
    """Return whether some answer is neither as it was handed out nor empty."""
    pairs = zip(_answers(canonical(release, submission)[0]), _answers(release), strict=True)
    return any(_is_written(answer, stub) for answer, stub in pairs)


def _answers(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]


def _match(release: NotebookNode, found: Found) -> None:
    """Find the owner of each cell: by its name, then by its id, its text, and where it stands."""
    ours = {cell.metadata.nbgrader.grade_id: cell for cell in release.cells if "nbgrader" in cell.metadata}
    by_id = {cell.id: name for name, cell in ours.items()}
    by_text = {_plain(cell.source): name for name, cell in ours.items()}
    for position, cell in enumerate(found.cells):
        name = label_of(cell)
        if name in ours:
            found.owner[position] = name
            continue
        owner = by_id.get(str(cell.get("id"))) or by_text.get(_plain(source_of(cell)))
        found.owner[position] = owner
        if name or owner:
            found.problems.append(f"{owner or name}: " + ("lost its label" if owner else "is no cell of this homework"))
    _match_by_names(ours, found)
    _match_by_place(ours, found)
    _tell_order(list(ours), found)


def _match_by_names(ours: dict[str, NotebookNode], found: Found) -> None:
    """Find code that answers a question in another cell: a student's own, or one that two were merged into."""
    code = {name: cell for name, cell in ours.items() if cell.cell_type == "code"}
    answers = {name: cell for name, cell in code.items() if cell.metadata.nbgrader.solution}
    defined = [names_in(source_of(cell)) if kind_of(cell) == "code" else set() for cell in found.cells]
    for name, cell in answers.items():
        if any(_is_written(source_of(found.cells[p]), cell.source) for p in found.of(name)):
            continue
        wanted = set(_DEFINED.findall(cell.source)) or names_in(cell.source)
        places = [p for p, names in enumerate(defined) if wanted and wanted <= names and p not in found.of(name)]
        if not places:
            continue
        place = max(places, key=lambda p: (found.owner[p] is None, found.owner[p] in answers, p))
        if found.owner[place] is None:
            found.problems.append(f"{name}: {'was answered in another cell' if found.of(name) else 'lost its label'}")
            found.owner[place] = name
        else:
            found.shared[name] = place
    shared = found.shared | {owner: p for p in found.shared.values() if (owner := found.owner[p]) in answers}
    found.shared = {name: shared[name] for name in ours if name in shared}
    given: set[str] = set()
    for name, cell in code.items():
        found.given[name] = set(given)
        given |= names_in(cell.source) if cell.metadata.nbgrader.locked and not cell.metadata.nbgrader.grade else set()


def _is_written(text: str, stub: str) -> bool:
    """Return whether an answer is neither empty nor as it was handed out."""
    return bool(text.strip()) and _plain(text) != _plain(stub)


def _match_by_place(ours: dict[str, NotebookNode], found: Found) -> None:
    """Assign to each answer without a cell the most similar unowned cell between its neighbours."""
    names = list(ours)
    for name in names:
        if found.of(name) or name in found.shared or not ours[name].metadata.nbgrader.solution:
            continue
        place = names.index(name)
        before = [p for other in names[:place] for p in found.of(other)]
        after = [p for other in names[place + 1 :] for p in found.of(other)]
        gap = range(max(before, default=-1) + 1, min(after, default=len(found.cells)))
        free = [p for p in gap if found.owner[p] is None and kind_of(found.cells[p]) == ours[name].cell_type]
        best = max(free, key=lambda p: _similarity(ours[name].source, source_of(found.cells[p])), default=None)
        if best is not None and _similarity(ours[name].source, source_of(found.cells[best])) > 0:
            found.owner[best] = name
            found.problems.append(f"{name}: lost its label; found by its place")


def _similarity(stub: str, text: str) -> float:
    """Return how well a text may be what a stub became: 2 if it defines the same, else how much of the stub is left."""
    wanted = set(_DEFINED.findall(stub))
    if wanted:
        return 2.0 if wanted <= set(_DEFINED.findall(text)) else 0.0
    return difflib.SequenceMatcher(None, stub, text, autojunk=False).ratio()


def _tell_order(names: list[str], found: Found) -> None:
    order = [owner for owner in dict.fromkeys(found.owner[p] for p in range(len(found.cells))) if owner]
    if order != [name for name in names if name in order]:
        found.problems.append("the cells were in another order; each is back in its place")


def _rebuilt(release: NotebookNode, found: Found) -> Iterator[NotebookNode]:
    free = {cell.id: cell for cell in release.cells if "nbgrader" not in cell.metadata}
    prose = {_plain(cell.source) for cell in free.values()}
    added: dict[str | None, list[NotebookNode]] = {}
    edited: dict[str, list[dict]] = {}
    last = None
    for position, cell in enumerate(found.cells):
        last = found.owner[position] or last
        if found.owner[position] or _plain(source_of(cell)) in prose:
            continue
        ours = free.get(str(cell.get("id")))
        if ours and kind_of(cell) == ours.cell_type:
            edited.setdefault(str(cell["id"]), []).append(cell)
        elif kind_of(cell) in _KINDS:
            added.setdefault(last, []).append(_added(cell))
    yield from added.get(None, [])
    for cell in map(deepcopy, release.cells):
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        yield from _filled(cell, found) if name else _free(cell, edited.get(cell.id, []), found)
        yield from added.get(name, []) if name else []


def _free(cell: NotebookNode, theirs: list[dict], found: Found) -> Iterator[NotebookNode]:
    """Yield one of our cells without a label as the student left it: an answer may use what was written there."""
    if theirs:
        first = next((line for line in cell.source.splitlines() if line.strip()), "empty")
        found.problems.append(f"the cell {first[:40]!r} was changed; the student's text is kept")
        *parts, last = theirs
        yield from map(_added, parts)
        found.problems += _write(cell, [last])
    yield cell


def _filled(cell: NotebookNode, found: Found) -> Iterator[NotebookNode]:
    """Yield one of our cells with the student's answer, and beside it what else the student wrote there."""
    flags, name = cell.metadata.nbgrader, cell.metadata.nbgrader.grade_id
    theirs = [found.cells[position] for position in found.of(name)]
    written = [one for one in theirs if _plain(source_of(one)) != _plain(cell.source)]
    found.problems += _relabelled(cell, theirs)
    if len(theirs) > 1:
        found.problems.append(
            f"{name}: was there {len(theirs)} times (copied or split); all answers are kept, in order"
        )
    if name in found.shared:
        yield from _with_others(cell, written, found)
    elif not theirs:
        found.problems.append(f"{name}: was deleted; it is back as it was handed out")
        yield cell
    elif not flags.solution:
        if written:
            found.problems.append(f"{name}: was changed though it is locked; it is back as it was handed out")
        yield cell
        yield from _beyond(cell, written)
    elif written:
        *parts, answer = written
        if cell.cell_type == "code":
            yield from map(_added, parts)
            cell.source = source_of(answer)
        else:
            found.problems += _write(cell, written)
        yield cell
    else:
        yield cell


def _with_others(cell: NotebookNode, written: list[dict], found: Found) -> Iterator[NotebookNode]:
    """Yield an answer that stands in one cell with others: the whole cell is in the place of the first of them."""
    name = cell.metadata.nbgrader.grade_id
    together = found.cells[found.shared[name]]
    first = next(other for other, position in found.shared.items() if position == found.shared[name])
    yield from (_added(one) for one in written if one is not together)
    is_ready = name != first and not _uses(source_of(together), found.given[name] - found.given[first])
    cell.source = f"# answered in the cell {first}" if is_ready else source_of(together)
    yield cell


def _uses(source: str, names: set[str]) -> bool:
    """Return whether code uses some names as it runs, not only in functions."""
    nodes = [node for node in _tree(source).body if not isinstance(node, ast.FunctionDef)]
    return any(isinstance(one, ast.Name) and one.id in names for node in nodes for one in ast.walk(node))


def _beyond(cell: NotebookNode, written: list[dict]) -> Iterator[NotebookNode]:
    """Yield a cell of what a student imported and defined in a locked cell beyond what is ours; answers may use it."""
    had = names_in(cell.source)
    kinds = _DEFINITIONS if cell.metadata.nbgrader.grade else _DEFINITIONS | ast.Assign | ast.AnnAssign
    kept = [
        text
        for one in written
        for node in _tree(source_of(one)).body
        if isinstance(node, kinds) and (text := _without(node, had))
    ]
    if kept and cell.cell_type == "code":
        yield nbformat.v4.new_code_cell("\n".join(kept), id=_ADDED)


def _without(node: ast.stmt, had: set[str]) -> str:
    """Return a statement as far as it gives names that are not there; empty where it gives none.

    >>> _without(ast.parse("import numpy as np, math, keras.ops").body[0], {"np", "keras"})
    'import math, keras.ops'
    >>> _without(ast.parse("def f(x): pass").body[0], {"f"})
    ''
    """
    if isinstance(node, ast.Import | ast.ImportFrom):
        node.names = [one for one in node.names if (one.asname or one.name) not in had]
        return ast.unparse(node) if node.names else ""
    if isinstance(node, ast.Try | ast.If):
        return ast.unparse(node) if any(isinstance(one, ast.Import | ast.ImportFrom) for one in ast.walk(node)) else ""
    return "" if _bound(node) & had else ast.unparse(node)


def _relabelled(cell: NotebookNode, theirs: list[dict]) -> Iterator[str]:
    flags = cell.metadata.nbgrader
    for one in theirs:
        if kind_of(one) != cell.cell_type:
            yield f"{flags.grade_id}: was turned into a {kind_of(one)} cell; it is {cell.cell_type} again"
        had = flags_of(one)
        changed = [key for key in _KEPT if had and had.get(key) != flags.get(key)]
        if changed:
            yield f"{flags.grade_id}: its {', '.join(changed)} had been changed"


def _added(cell: dict) -> NotebookNode:
    make = {"code": nbformat.v4.new_code_cell, "raw": nbformat.v4.new_raw_cell}
    made = make.get(kind_of(cell), nbformat.v4.new_markdown_cell)("", id=_ADDED)
    _write(made, [cell])
    return made


def _write(cell: NotebookNode, theirs: list[dict]) -> list[str]:
    """Write into a cell what stands in the student's cells, with the pictures that were pasted there.

    Returns:
        A line, if it shows a picture that is not in the file.
    """
    texts: list[str] = []
    pictures: dict[str, dict[str, str]] = {}
    for number, one in enumerate(theirs):
        text = source_of(one)
        for name, picture in attachments_of(one).items():
            free = name if pictures.get(name, picture) == picture else f"{number}-{name}"
            pictures[free] = picture
            for old in {name, quote(name)} if free != name else ():
                text = text.replace(f"attachment:{old}", f"attachment:{quote(free)}")
        texts.append(text)
    cell.source = "\n\n".join(texts)
    if cell.cell_type == "code":
        return []
    cell.pop("attachments", None)
    cell.update({"attachments": pictures} if pictures else {})
    shown = {name: unquote(name) for name in _PICTURE.findall(cell.source)}
    missing = sorted({plain for name, plain in shown.items() if not {name, plain} & pictures.keys()})
    where = cell.metadata.get("nbgrader", {}).get("grade_id", "a cell")
    return [f"{where}: the picture {name} is not in the file; the student may paste it again" for name in missing[:1]]


def is_as_handed_out(cell: NotebookNode) -> bool:
    """Return whether a cell has the text that nbgrader's checksum was made of; where there is none, nobody knows."""
    made_of = checksum(cell)
    return cell.metadata.nbgrader.get("checksum", made_of) == made_of


def checksum(cell: NotebookNode) -> str:
    """Return the number by which nbgrader knows what was handed out."""
    flags = cell.metadata.nbgrader
    facts = [source_of(cell), cell.cell_type, *(str(bool(flags.get(key))) for key in ("grade", "solution", "locked"))]
    facts += [flags.grade_id, *([str(float(flags.points))] if flags.get("grade") else [])]
    return hashlib.md5("".join(facts).encode(), usedforsecurity=False).hexdigest()  # as nbgrader makes it


# ---- what code defines ----


def names_in(source: str) -> set[str]:
    r"""Return the names that a cell defines, imports or assigns at its top level.

    >>> sorted(names_in("import numpy as np\n%time\ndef f(x):\n    y = x\ng = a, b = f, 1"))
    ['a', 'b', 'f', 'g', 'np']
    """
    return {name for node in _tree(source).body for name in _bound(node)} | set(_DEFINED.findall(source))


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {one.id for target in targets if target for one in ast.walk(target) if isinstance(one, ast.Name)}


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(_code(source))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _code(source: str) -> str:
    return re.sub(r"(?m)^[%!].*$", "", source)  # what IPython alone understands


def _plain(source: str) -> str:
    """Return a text without what editors change in passing: spaces at the ends of lines, forms of letters."""
    return "\n".join(line.rstrip() for line in unicodedata.normalize("NFC", source).strip().splitlines())


# ---- cells as they come back, of whatever shape ----


def flags_of(cell: dict) -> dict:
    """Return nbgrader's metadata of a cell; empty where they are anything else than a mapping."""
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def label_of(cell: dict) -> str | None:
    """Return the name that nbgrader knows a cell by."""
    name = flags_of(cell).get("grade_id")
    return _text(name) if isinstance(name, str) else None


def kind_of(cell: dict) -> str:
    """Return the type of a cell, such as "code"."""
    return _text(cell.get("cell_type"))


def source_of(cell: dict) -> str:
    """Return what was written into a cell."""
    text = cell.get("source", cell.get("input", ""))  # `input` in notebooks of version 3
    text = _text("".join(map(str, text)) if isinstance(text, list) else text)
    return re.sub(r"\r\n?|\u2028", "\n", text).replace("\ufeff", "")  # as other systems end lines and begin files


def attachments_of(cell: dict) -> dict[str, dict[str, str]]:
    """Return the pictures that were pasted into a cell, as far as they are pictures."""
    metadata = cell.get("metadata")
    for place in (cell, metadata if isinstance(metadata, dict) else {}):  # the second is that of some editors
        found = place.get("attachments")
        if isinstance(found, dict):
            return {_text(name): kinds for name, one in found.items() if (kinds := _kinds(one))}
    return {}


def _kinds(picture: object) -> dict[str, str]:
    items = picture.items() if isinstance(picture, dict) else ()
    lines = {_text(kind): "".join(map(str, data)) if isinstance(data, list) else data for kind, data in items}
    return {kind: _text(data) for kind, data in lines.items() if isinstance(data, str)}


def _text(value: object) -> str:
    r"""Write as text what can be stored: JSON may hold halves of characters, which no file takes.

    >>> _text("a\ud800b")
    'a?b'
    """
    return str(value).encode("utf-8", errors="replace").decode()
