"""Answers to the exercises of a lecture: the questions, and the cells that the answers need, are the lecture's own.

A script authoring/answers/NN_name.py says what is new, and refers to the rest:

# ### Recall 1                     a heading in a markdown cell: the lecture's first exercise of this kind is quoted
# %% lecture=["setup", "train"]    an empty code cell: the lecture's cells with these tags come in its place
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lint_prose import EXERCISES, ITEM, Findings, cells, sections
from nbformat import NotebookNode
from shorthand import SourceError
from sources import Source, read

QUESTION = re.compile(rf"^### (?P<name>(?:{'|'.join(EXERCISES)}) \d+)$", re.MULTILINE)


def read_answers(root: Path, script: Path, lecture: Source) -> Source:
    """Read the script of the answers to a lecture, and fill in what it takes from the lecture.

    Raises:
        SourceError: with one line for each cell that names an exercise or a tag that the lecture does not have.
    """
    source, asked = read(root, script, {}), exercises(lecture)
    filled, markers, faults = [], [], []
    for index, cell in enumerate(source.notebook.cells):
        try:
            parts = [*_parts(cell, lecture, asked)]
        except SourceError as fault:
            faults.append(f"{source.where(index)}: {fault}")
            continue
        filled += parts
        markers += [source.markers[index]] * len(parts)
    if faults:
        raise SourceError("\n".join(faults))
    for number, cell in enumerate(filled, 1):
        cell.id = f"cell-{number:03d}"
    source.notebook.cells = filled
    return replace(source, markers=markers)


def exercises(lecture: Source) -> dict[str, str]:
    """Return the text of each exercise of a lecture, by its kind and number: `Recall 1`."""
    found: dict[str, str] = {}
    for section in sections(lecture):
        if section.level == 3 and section.title in EXERCISES:
            items: list[str] = []
            for line in section.text.splitlines():
                if ITEM.match(line):
                    items.append(line.partition(" ")[2].strip())
                elif items and line.strip():
                    items[-1] += f" {line.strip()}"
            found |= {f"{section.title} {number}": text for number, text in enumerate(items, 1)}
    return found


def unanswered(source: Source, lecture: Source) -> Findings:
    """Every exercise of the lecture is answered, once and in the lecture's order."""
    answered = [name for _, text in cells(source, "markdown") for name in QUESTION.findall(text)]
    wanted = [*exercises(lecture)]
    if answered != wanted:
        yield None, f"answers {', '.join(answered) or 'nothing'}; wanted: {', '.join(wanted)}, each as `### Recall 1`"


def _parts(cell: NotebookNode, lecture: Source, asked: dict[str, str]) -> Iterator[NotebookNode]:
    """Yield the cells that a cell of the script stands for.

    Raises:
        SourceError: the lecture has no such exercise or no such tag.
    """
    tags = cell.metadata.pop("lecture", None)
    if tags is None:
        if cell.cell_type == "markdown":
            cell.source = QUESTION.sub(lambda heading: _with_question(heading, asked), cell.source)
        yield cell
        return
    tagged = [(one, set(one.metadata.get("tags", []))) for one in lecture.notebook.cells]
    missing = set(tags).difference(*(own for _, own in tagged))
    if missing:
        known = ", ".join(sorted(set().union(*(own for _, own in tagged)))) or "no tags"
        raise SourceError(f"wants the cells {', '.join(sorted(missing))} of its lecture, which has {known}; tag them")
    for one, own in tagged:
        if own & set(tags):
            yield NotebookNode({**cell, "source": f"# from lecture {lecture.name.stem[:2]}\n{one.source}"})


def _with_question(heading: re.Match, asked: dict[str, str]) -> str:
    if heading["name"] not in asked:
        raise SourceError(f"answers {heading['name']}; its lecture has {', '.join(asked) or 'no exercises'}")
    return f"{heading[0]}\n\n> {asked[heading['name']]}"
