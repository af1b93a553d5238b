"""Every homework: solutions have full marks, known mistakes lose their points and no others, and nothing leaks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from helpers.grading.mutants import (
    code_cells,
    mutated,
    reached,
    read_alternatives,
    read_mutants,
    read_source,
    student_version,
)
from helpers.grading.mutants.selftest import SEEDS, margins_are_current, paths, selftest
from helpers.grading.pipeline.issuing import choices_path
from helpers.grading.variants import corners, read

ROOT = Path(__file__).resolve().parents[1]
HOMEWORK = sorted(path.stem for path in ROOT.glob("homework/_instructor/source/*/*.ipynb"))
QUICKEST = "hw5_aerial"  # to test, and the one that newcomers run

SECTION = re.compile(r"^##+ (.+)$", re.MULTILINE)

each_homework = pytest.mark.parametrize("homework", HOMEWORK)


def told_to_read(code: str) -> Iterator[str]:
    """Yield each text that is assigned to `read` or handed over as `read=`; * stands for what an f-string fills in."""
    nodes = list(ast.walk(ast.parse(code)))
    values = [node.value for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "read"]
    values += [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "read"]
    for value in values:
        if not isinstance(value, ast.Name):
            parts = value.values if isinstance(value, ast.JoinedStr) else [value]
            yield "".join(part.value if isinstance(part, ast.Constant) else "*" for part in parts)


def sections() -> dict[str, list[str]]:
    """List the headings of each lecture, by its number."""
    found = {}
    for path in sorted(ROOT.glob("lectures/*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        found[path.name[:2]] = SECTION.findall(prose)
    return found


def leads_nowhere(place: str, homework: str, headings: dict[str, list[str]]) -> bool:
    """Say whether neither a section of a lecture nor a question of this homework is where a test sends students."""
    number = re.match(r"hw(\d+)", homework)[1]
    if place.startswith(f"homework {number}, question "):
        return False
    lecture = re.match(r"lecture (\d\d), ", place)
    rest = place[lecture.end() :] if lecture else ""
    own = headings.get(lecture[1], []) if lecture else []
    return not any(re.match(rf"{re.escape(heading)}([:;,]|$)", rest) for heading in own)


@pytest.mark.parametrize(
    "homework",
    [
        pytest.param(one, marks=[pytest.mark.slow] if one == QUICKEST else [pytest.mark.long, pytest.mark.turns])
        for one in HOMEWORK
    ],
)
def test_the_selftest_finds_nothing(homework, pytestconfig):
    """With eight seeds, and every mutant against all tests that it can reach, where the run is --deep."""
    source, mutants, table, alternatives = paths(ROOT, homework)
    deep = pytestconfig.getoption("deep")
    effort = {"seeds": SEEDS if deep else 3, "every_test": deep}
    known = read_mutants(mutants), read_alternatives(alternatives)
    found = corners(read(choices_path(ROOT, homework)))
    report = selftest(read_source(source), *known, variants=found, **effort, progress=lambda doing: None)
    assert report.problems == []
    assert margins_are_current(table, report.margins), f"run ./course homework selftest {homework} --write"


@pytest.mark.slow
@each_homework
def test_every_mutant_is_a_change_of_the_solution(homework):
    source, mutants, *_ = paths(ROOT, homework)
    cells, known = code_cells(read_source(source)), read_mutants(mutants)
    within = {name: reached(cells, name) for name in {mutant.cell for mutant in known}}
    for mutant in known:
        compile("\n".join(cell.code for cell in mutated(cells, mutant)), mutant.name, "exec")
        assert mutant.mistake
        assert mutant.loses <= within[mutant.cell]


@each_homework
def test_what_is_released_is_what_the_source_gives(homework):
    """Students' notebooks are made by `./course homework release`; this one is made without a gradebook."""
    wanted = student_version(read_source(paths(ROOT, homework)[0]))
    found = nbformat.read(ROOT / "homework" / homework / f"{homework}.ipynb", as_version=4)
    assert [(c.id, c.source, c.metadata) for c in found.cells] == [(c.id, c.source, c.metadata) for c in wanted.cells]


@each_homework
def test_students_are_sent_to_sections_that_exist(homework):
    headings = sections()
    codes = [cell.code for cell in code_cells(read_source(paths(ROOT, homework)[0]))]
    places = {place for code in codes for place in told_to_read(code)}
    assert places
    assert sorted(place for place in places if leads_nowhere(place, homework, headings)) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("lecture 05, The trap", True),
        ("lecture 05, The trap: clean images in the test", False),
        ("lecture 05, The trap: clean images in the test; and why", False),
        ("lecture 04, The trap: clean images in the test", True),
        ("lecture 5, Noise", True),
        ("homework 2, question 1", False),
        ("homework 1, question 1", True),
    ],
)
def test_a_section_that_is_not_there_would_be_found(place, wrong):
    headings = {"05": ["The trap: clean images in the test"]}
    assert leads_nowhere(place, "hw2_convolutional", headings) is wrong
    assert leads_nowhere(place.replace("homework 2", "homework 12"), "hw12_later", headings) is wrong
    assert list(told_to_read(f"read = {place!r}\ncheck(1, read=read)\ncheck(2, read=f'{place}, {{n}}')")) == [
        place,
        f"{place}, *",
    ]


@each_homework
def test_the_setup_imports_the_helpers_first(homework):
    """They quiet TensorFlow, which otherwise greets every student with lines in red."""
    setup = next(cell.source for cell in read_source(paths(ROOT, homework)[0]).cells if cell.id == "setup")
    roots = [line.split()[1].split(".")[0] for line in setup.splitlines() if line.startswith(("import ", "from "))]
    assert all(roots.index("helpers") < roots.index(name) for name in ("keras", "tensorflow") if name in roots)
