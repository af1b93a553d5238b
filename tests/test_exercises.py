"""Answers are built from their script and from their lecture, and what is wrong with them is told with its place."""

import shutil
from pathlib import Path

import nbformat
import pytest
from desk import LECTURE, notebooks, plant

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


GOOD = script(*NAMES)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    root = plant(tmp_path_factory.mktemp("answers"), {"lectures/01_good": TAGGED, "answers/01_good": GOOD})
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
        (
            script(*NAMES[:-1]),
            ["Change one line 2; wanted: Recall 1, Recall 2, Recall 3, Recall 4, Recall 5, Change one line 1, "],
        ),
        (
            script(*NAMES, "Recall 1").replace("# # 01", "# # 02"),
            ["Open end 1, Recall 1; wanted: Recall 1, ", "opens with '# 02"],
        ),
        (
            script(*NAMES, "Recall 6").replace('"square"', '"cube"'),
            [
                "cell 1 (line 1): answers Recall 6; its lecture has Recall 1, ",
                "cell 2 (line 42): wants the cells cube of its lecture, which has seeded, square",
            ],
        ),
        (
            GOOD.replace('["seeded", "square"]', '"square"').replace("# %%\ncube", '# %% tags=["a"]\ncube')
            + '\n# %% lecture=["seeded"]\nroot = 3\n',
            [
                "has lecture='square'; write lecture=[",
                "unknown key 'tags'",
                "cell 4 (line 43): has code beside lecture=",
            ],
        ),
    ],
)
def test_faults_of_answers_are_reported_with_their_place(project, text, said):
    (project / "authoring/answers/01_good.py").write_text(text, encoding="utf-8")
    status, lines = notebooks("check", project)
    assert status == 1
    for fault in said:
        assert any(line.startswith("authoring/answers/01_good.py") and fault in line for line in lines), lines


@pytest.mark.long
def test_answers_to_no_lecture_are_refused_and_those_whose_script_is_gone_removed(project):
    scripts = project / "authoring/answers"
    (scripts / "01_good.py").rename(scripts / "02_none.py")
    status, lines = notebooks("build", project)
    assert (status, lines[0]) == (1, "removed lectures/answers/01_good.ipynb: its script is gone")
    assert "authoring/answers/02_none.py: there is no lecture 02_none" in lines[1]
