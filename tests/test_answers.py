"""The answers to the lectures' exercises: none is missing, they run, and what they say is so."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from desk import LECTURE, PROJECT, notebooks, plant

from helpers.notebooks import STAND_IN, execute

ROOM = PROJECT / "lectures"
LECTURES = [path for path in sorted(ROOM.glob("*.ipynb")) if re.fullmatch(r"\d\d_\w+", path.stem)]
ANSWERS = sorted(ROOM.glob("answers/[0-9][0-9]_*.ipynb"))
# What the prose of an answer says of its own numbers, in their names; with the seed of the notebook, on the real data.
CLAIMS: dict[str, list[str]] = {}


def prose(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def exercises(lecture: Path) -> list[str]:
    """Return the kind and number of each exercise of a lecture, such as `Recall 1`."""
    kinds = re.split(r"^### ", prose(lecture).partition("## Exercises")[2].partition("\n## ")[0], flags=re.MULTILINE)
    return [
        f"{kind.partition(chr(10))[0]} {number}" for kind in kinds for number in re.findall(r"^(\d)\. ", kind, re.M)
    ]


# ---- those of this course ----


def test_all_lectures_but_these_are_answered():
    """A lecture that is taken off this list stays off."""
    later = [path.stem for path in LECTURES if path.stem not in {answer.stem for answer in ANSWERS}]
    assert later == [path.stem for path in LECTURES[len(ANSWERS) :]]
    assert {path.stem for path in ANSWERS} == CLAIMS.keys()


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda path: path.stem)
def test_each_exercise_of_a_lecture_has_its_question_and_its_answer(answers):
    parts = re.split(r"^### ", prose(answers), flags=re.MULTILINE)[1:]
    assert [part.partition("\n")[0] for part in parts] == exercises(ROOM / answers.name) and len(parts) == 8
    for part in parts:
        _, question, answer = part.split("\n\n", 2)
        assert question.startswith("> ") and len(answer.split()) > 15, part


@pytest.mark.long
@pytest.mark.turns
@pytest.mark.parametrize("answers", ANSWERS, ids=lambda path: path.stem)
def test_answers_run_and_what_they_say_is_so(answers, kernels):
    notebook, values, _ = execute(answers, names=[*CLAIMS[answers.stem], STAND_IN], **kernels)
    pictures = [
        output.metadata.get("image/png", {}).get("alt")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert pictures and all(pictures), "a figure without alt text: end its cell with .describe(…)"
    if values.pop(STAND_IN):
        pytest.skip("they run; what they say holds for the real data, which are not on this machine")
    assert [claim for claim, holds in values.items() if not holds] == []


# ---- how they are built ----

SCRIPT = """\
# %% [markdown]
# # 01 · A lecture that keeps every rule: answers
#
# ## Recall
#
{answers}

# %% lecture=["seeded", "square"]

# %%
cube = square * 3
"""
TAGGED = LECTURE.replace("# %%\nimport random", '# %% tags=["seeded"]\nimport random').replace(
    "# %%\n%time", '# %% tags=["square"]\n%time'
)
NAMES = [*(f"Recall {number}" for number in range(1, 6)), "Change one line 1", "Change one line 2", "Open end 1"]


def script(*names: str) -> str:
    return SCRIPT.format(answers="\n#\n".join(f"# ### {name}\n#\n# Because of {name}." for name in names))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    root = plant(tmp_path_factory.mktemp("answers"), {"lectures/01_good": TAGGED, "answers/01_good": script(*NAMES)})
    assert notebooks("build", root)[0] == 0
    return root


@pytest.fixture
def project(built, tmp_path) -> Path:
    return shutil.copytree(built, tmp_path / "project")


@pytest.mark.slow
def test_questions_and_cells_come_from_the_lecture(built):
    notebook = nbformat.read(built / "lectures/answers/01_good.ipynb", as_version=4)
    text, *code = [cell.source for cell in notebook.cells]
    assert "### Recall 2\n\n> Two?\n\nBecause of Recall 2." in text
    assert "### Change one line 1\n\n> Square 4.\n\nBecause" in text
    assert [cell.splitlines()[0] for cell in code] == ["# from lecture 01", "# from lecture 01", "cube = square * 3"]
    assert "seed_everything(0)" in code[0] and "square = 3**2" in code[1], "in the lecture's order"
    assert [cell.id for cell in notebook.cells] == ["cell-001", "cell-002", "cell-003", "cell-004"]
    assert notebooks("check", built) == (0, ["2 notebooks are current."])


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (script(*NAMES[:-1]), "answers Recall 1, Recall 2, Recall 3, Recall 4, Recall 5, Change one line 1, Change one "),
        (script(*NAMES, "Recall 1"), "Open end 1, Recall 1; wanted: Recall 1, "),
        (script(*NAMES, "Recall 6"), "cell 1 (line 1): answers Recall 6; its lecture has Recall 1, "),
        (script(*NAMES).replace('"square"', '"cube"'), "cell 2 (line 38): wants the cells cube of its lecture, which has"),
        (script(*NAMES).replace('["seeded", "square"]', '"square"'), "has lecture='square'; write lecture=["),
        (script(*NAMES).replace('# %% lecture', 'x = 1\n\n# %% lecture', 1).replace("\n# %%\ncube", "\ncube"), "has code"),
        (script(*NAMES).replace("# %%\ncube", '# %% tags=["a"]\ncube'), "unknown key 'tags'"),
        (script(*NAMES).replace("# # 01", "# # 02"), "opens with '# 02"),
    ],
)
def test_faults_of_answers_are_reported_with_their_place(project, text, said):
    (project / "authoring/answers/01_good.py").write_text(text, encoding="utf-8")
    status, lines = notebooks("check", project)
    assert status == 1
    assert any(line.startswith("authoring/answers/01_good.py") and said in line for line in lines), lines


@pytest.mark.long
def test_answers_to_no_lecture_are_refused_and_those_whose_script_is_gone_removed(project):
    scripts = project / "authoring/answers"
    (scripts / "01_good.py").rename(scripts / "02_none.py")
    status, lines = notebooks("build", project)
    assert (status, lines[0]) == (1, "removed lectures/answers/01_good.ipynb: its script is gone")
    assert "authoring/answers/02_none.py: there is no lecture 02_none" in lines[1]
