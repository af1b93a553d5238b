"""The desk builds the same bytes at every build, tells stale notebooks apart, and measures what the prose promises."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from desk import HOMEWORK, LECTURE, PROJECT, notebooks, plant, run
from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

GOOD = {"lectures/01_good": LECTURE.replace("# %%\nimport", '# %% tags=["seeded"]\nimport'), "homework/hw1": HOMEWORK}
BUILT_HOMEWORK = "homework/_instructor/source/hw1/hw1.ipynb"

TERMS = {  # those that the first edition had no word for
    **dict.fromkeys(["bottleneck", "overfitting", "generalisation", "unsupervised", "self-supervised"], "01"),
    **dict.fromkeys(["out of distribution", "anomaly", "learning curve", "early stopping"], "01"),
    **dict.fromkeys(["interpolation", "prior", "likelihood", "posterior"], "06"),
    **{"baseline": "00", "receptive field": "04", "clipping": "05", "score function": "05", "annealing": "07"},
    **{"data leakage": "10", "ground truth": "11", "class imbalance": "12"},
}
SEVERAL = ["01_missing", "02_changed", "03_run", "04_run_and_changed", "05_broken", "06_resaved", "07_longer"]
STALE = [
    ("01_missing", "is missing"),
    ("02_changed", "differs from its script, first in cell 5"),
    ("03_run", "has outputs"),
    ("04_run_and_changed", "differs from its script, first in cell 5"),
    ("05_broken", "is not a notebook"),
    ("06_resaved", "differs from its script in its metadata or layout"),
    ("07_longer", "differs from its script, first in cell 11"),
    ("09_gone", "no script builds it"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Two good notebooks, built once; read only."""
    root = plant(tmp_path_factory.mktemp("built"), GOOD)
    assert notebooks("build", root)[0] == 0
    return root


@pytest.fixture(scope="module")
def built_several(tmp_path_factory) -> Path:
    root = plant(tmp_path_factory.mktemp("several"), {f"lectures/{name}": sample(name) for name in SEVERAL})
    assert notebooks("build", root)[0] == 0
    return root


@pytest.fixture
def project(built, tmp_path) -> Path:
    return shutil.copytree(built, tmp_path / "project")


@pytest.fixture
def several(built_several, tmp_path) -> Path:
    return shutil.copytree(built_several, tmp_path / "project")


def sample(name: str) -> str:
    """Return the good lecture with the number of another name."""
    return LECTURE.replace("# 01 ·", f"# {name[:2]} ·")


def stale(name: str, reason: str, remedy: str = "run ./course build, then") -> str:
    """Return the line that a stale notebook gets."""
    return f"lectures/{name}.ipynb: {reason}; {remedy} git add lectures/{name}.ipynb"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def as_if_run(path: Path) -> None:
    """Save a notebook as a student does who ran it."""
    notebook = nbformat.read(path, 4)
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.execution_count, code.outputs = 1, [nbformat.v4.new_output("stream", text="9\n")]
    notebook.metadata.language_info.version = "3.12.1"
    nbformat.write(notebook, path)


def git(root: Path, *arguments: str) -> str:
    result = run("git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.long
def test_two_builds_give_the_same_bytes(built, tmp_path):
    notebooks("build", plant(tmp_path, GOOD))
    for name in ["lectures/01_good.ipynb", BUILT_HOMEWORK]:
        assert (built / name).read_bytes() == (tmp_path / name).read_bytes()
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".py", ".toml", ".ipynb"}


@pytest.mark.long
def test_a_second_build_writes_nothing(built):
    before = (built / "lectures/01_good.ipynb").stat().st_mtime_ns
    assert notebooks("build", built) == (0, ["2 notebooks are current."])
    assert (built / "lectures/01_good.ipynb").stat().st_mtime_ns == before


def test_a_built_lecture_is_valid_and_has_not_been_run(built):
    notebook = nbformat.read(built / "lectures/01_good.ipynb", 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in notebook.cells[:2]] == ["cell-001", "cell-002"]
    assert all(
        cell.outputs == [] and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code"
    )


def test_code_is_taken_as_it_is_written(built):
    """By default, jupytext makes a call of the program `more` out of the comment."""
    code = nbformat.read(built / "lectures/01_good.ipynb", 4).cells[4].source
    assert code.startswith('%time print("magic")\n# more than 3 is not needed\nsquare = 3**2\n')


def test_numbers_stand_in_the_prose(built):
    prose = "\n".join(cell.source for cell in nbformat.read(built / "lectures/01_good.ipynb", 4).cells)
    assert "The square is 9, and the loss about 0.8," in prose
    assert "<<" not in prose


def test_the_shorthand_becomes_metadata_that_nbgrader_accepts(built):
    notebook = nbformat.read(built / BUILT_HOMEWORK, 4)
    MetadataValidatorV3().validate_nb(notebook)
    graded = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert {entry.grade_id: (entry.grade, entry.solution, entry.locked, entry.get("points")) for entry in graded} == {
        "setup": (False, False, True, None),
        "why_question": (False, False, True, None),
        "why": (True, True, False, 2.5),
        "square": (False, True, False, None),
        "square_of_3": (True, False, True, 2),
        "square_of_others": (True, False, True, 10),
        "drawing": (False, False, True, 6),
    }
    assert [entry.grade_id for entry in graded if entry.task] == ["drawing"]
    assert all(cell.id == cell.metadata.nbgrader.grade_id for cell in notebook.cells[1:])


def test_nbgrader_makes_a_release_without_solutions(built):
    from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions

    notebook = nbformat.read(built / BUILT_HOMEWORK, 4)
    for step in (ClearSolutions(), ClearHiddenTests(), ClearMarkScheme()):
        notebook, _ = step.preprocess(notebook, {})
    released = json.dumps(notebook)
    assert all(shown in released for shown in ["def square(x)", "square(3)", "# Numbers below zero.", "Draw a square."])
    assert not any(secret in released for secret in ["x * x", "square(-2)", "x^2 = x^2", "four corners"])


def test_tags_become_metadata_and_leave_the_ids_alone(built):
    cells = nbformat.read(built / "lectures/01_good.ipynb", 4).cells
    assert [(cell.id, cell.metadata.get("tags")) for cell in cells[1:4]] == [
        ("cell-002", None),
        ("cell-003", ["seeded"]),
        ("cell-004", None),
    ]


def test_a_page_is_built_beside_the_lectures_without_their_rules(tmp_path):
    root = plant(tmp_path, {"pages/look": "# %% [markdown]\n# # Look\n\n# %%\nprint(1)\n"})
    assert notebooks("build", root) == (0, ["built lectures/look.ipynb", "1 notebooks are current."])
    assert notebooks("check", root) == (0, ["1 notebooks are current."])
    edit(root / "authoring/pages/look.py", "# %%\nprint", '# %% tags=["one"]\nprint')
    status, (line,) = notebooks("build", root)
    assert status == 1 and "has the unknown key 'tags' (['one']) in its marker; a page's have none" in line


@pytest.mark.long
def test_stale_notebooks_are_told_apart(several):
    path = {name: several / f"lectures/{name}.ipynb" for name in SEVERAL}
    (several / "lectures/09_gone.ipynb").write_bytes(path["01_missing"].read_bytes())
    path["01_missing"].unlink()
    edit(path["02_changed"], "square = 3**2", "square = 4**2")
    as_if_run(path["03_run"])
    as_if_run(path["04_run_and_changed"])
    edit(path["04_run_and_changed"], "square = 3**2", "square = 4**2")
    edit(path["05_broken"], '"cells"', '<<<<<<< HEAD\n "cells"')
    edit(path["06_resaved"], '"name": "python3"', '"name": "py"')
    with (several / "authoring/lectures/07_longer.py").open("a") as longer:
        longer.write("\n# %%\nprint(1)\n")
    assert notebooks("check", several) == (1, [stale(name, *rest) for name, *rest in STALE])
    status, lines = notebooks("build", several)
    assert (status, lines[-2]) == (0, "removed lectures/09_gone.ipynb: its script is gone")
    assert "square = 3**2" in path["02_changed"].read_text()
    assert path["05_broken"].read_bytes() == path["03_run"].read_bytes().replace(b"# 03", b"# 05")


@pytest.mark.needs("git")
def test_in_a_checkout_what_is_committed_counts(several):
    """A student may run, save, copy and delete notebooks; an author must add what was built."""
    path = {name: several / f"lectures/{name}.ipynb" for name in SEVERAL}
    own = several / "lectures/03_run-Copy1.ipynb"
    own.write_text("{}")
    as_if_run(path["05_broken"])
    git(several, "init", "--quiet")
    git(several, "add", *path.values())
    edit(several / "authoring/lectures/02_changed.py", "square = 3**2", "square = 4**2")
    (several / "authoring/lectures/06_resaved.py").unlink()
    edit(several / "lectures/expected.toml", "06_resaved", "07_longer_")
    notebooks("build", several)
    assert own.exists()
    assert not path["06_resaved"].exists()
    as_if_run(path["03_run"])
    path["01_missing"].unlink()
    assert notebooks("check", several)[1] == [
        stale("02_changed", "differs from its script, first in cell 5", "run"),
        stale("05_broken", "has outputs", "run"),
        stale("06_resaved", "no script builds it"),
        'lectures/expected.toml: no lecture is named "07_longer_"; correct its name or delete its tables',
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ('["hw1".loss]\nvalue = 1', 'no lecture is named "hw1"'),
        ('["01_good".loss]\nvalue = "1"', "give it a line such as value = 0.5"),
        ('["01_good".loss]\nvalue = ', "Invalid value"),
        (
            'on_stand_in = ["02_gone"]\n["01_good".loss]\nvalue = 1',
            '"02_gone"; correct on_stand_in',
        ),
        ('on_stand_in = "01_good"\n["01_good".loss]\nvalue = 1', "make it a list"),
    ],
)
def test_faults_in_the_file_of_numbers_are_reported(project, numbers, said):
    edit(project / "authoring/lectures/01_good.py", "<<square>>, and the loss about <<loss:.1f>>", "nine")
    (project / "lectures/expected.toml").write_text(numbers)
    status, lines = notebooks("check", project)
    assert status == 1
    assert any(line.startswith("lectures/expected.toml") and said in line for line in lines)


@pytest.mark.long
def test_one_bad_script_does_not_stop_the_others(project):
    edit(project / "authoring/homework/hw1.py", " points=2\n", "\n")
    edit(project / "authoring/lectures/01_good.py", "square = 3**2", "square = 9")
    status, lines = notebooks("build", project)
    assert (status, len(lines)) == (1, 2)
    assert "is graded (test) but has no points" in lines[1]
    assert "square = 9" in (project / "lectures/01_good.ipynb").read_text()


@pytest.mark.long
def test_a_root_without_a_desk_is_refused(tmp_path):
    result = run(sys.executable, PROJECT / "authoring/notebooks.py", "check", "--root", tmp_path)
    assert result.returncode == 2
    assert "has no folder authoring/" in result.stderr


@pytest.mark.needs("git")
def test_the_committed_notebooks_are_current(require: Callable):
    require((PROJECT / ".git").exists(), "outside of a checkout nothing is committed")
    status, lines = notebooks("check", PROJECT)
    assert status == 0, "\n".join(lines)


# ---- the glossary ----


def script_with(*prose: str) -> dict[str, str]:
    """Return good lectures, each with a paragraph of its own before the exercises."""
    mark = "# %% [markdown]\n# ## Exercises"
    return {
        f"lectures/{number:02}_good": sample(f"{number:02}_good").replace(mark, f"# %% [markdown]\n# {text}\n\n{mark}")
        for number, text in enumerate(prose, start=1)
    }


@pytest.mark.long
def test_the_glossary_has_each_term_with_its_sentence_and_its_lecture(tmp_path):
    root = plant(
        tmp_path, script_with("First. A [[deep\n# pot]] is deep. So? [[Clipping]] cuts.", "A [[lid]] is flat.")
    )
    assert notebooks("build", root)[0] == notebooks("check", root)[0] == 0
    page = (root / "docs/glossary.md").read_text(encoding="utf-8")
    assert page.split("\n## ")[1:] == [
        "Clipping\n\n**Clipping** cuts. (Lecture [01](../lectures/01_good.ipynb))\n",
        "deep pot\n\nA **deep pot** is deep. (Lecture [01](../lectures/01_good.ipynb))\n",
        "lid\n\nA **lid** is flat. (Lecture [02](../lectures/02_good.ipynb))\n",
    ]
    prose = (root / "lectures/01_good.ipynb").read_text(encoding="utf-8")
    assert "A **[deep pot](../docs/glossary.md#deep-pot)** is deep." in prose
    edit(root / "docs/glossary.md", "deep.", "shallow.")
    (line,) = notebooks("check", root)[1]
    assert line.startswith("docs/glossary.md: is not what the lectures say; run ./course build")


@pytest.mark.long
def test_a_term_that_is_introduced_twice_is_reported(tmp_path):
    root = plant(tmp_path, script_with("A [[lid]] is flat.", "A [[lid]] is round."))
    status, lines = notebooks("build", root)
    assert status == 1
    assert any("introduces 'lid' again; 01_good does so before" in line for line in lines)


@pytest.mark.long
def test_a_term_whose_sentence_has_no_end_is_reported(tmp_path):
    for prose in ("A [[lid]] obeys\n#\n# $$x = 1.$$", "Scores of a [[lid]]:"):
        root = plant(tmp_path, script_with(prose))
        status, lines = notebooks("build", root)
        assert status == 1
        assert any("01_good.py: the sentence that introduces 'lid' does not end" in line for line in lines)


@pytest.mark.long
def test_brackets_in_code_and_formulas_are_no_terms(tmp_path):
    kept = ["x[[names]] picks.", "`[[a]]` and $[[b]]$.", "$$[[c]]$$", "``[[`d`]]``", "```\n# [[e]]\n# ```"]
    root = plant(
        tmp_path, script_with(*(f"At \\$5. {prose}\n#\n# A [[pot{i}]] is deep." for i, prose in enumerate(kept)))
    )
    assert notebooks("build", root)[0] == 0
    for number, written in enumerate(kept):
        cells = nbformat.read(root / f"lectures/{number + 1:02}_good.ipynb", as_version=4).cells
        (text,) = (cell.source for cell in cells if "At \\$5" in cell.source)
        assert text.startswith("At \\$5. " + written.replace("# ", "")) and f"**[pot{number}](" in text


def test_the_terms_of_the_field_are_in_the_glossary_with_the_lecture_that_has_their_idea():
    entries = (PROJECT / "docs/glossary.md").read_text(encoding="utf-8").split("\n## ")[1:]
    lectures = {entry.partition("\n")[0].lower(): re.search(r"lectures/(\d\d)", entry)[1] for entry in entries}
    assert TERMS.items() <= lectures.items()
    for entry in entries:
        term, _, text = entry.partition("\n")
        assert f"**{term}**" in text, "its own sentence"
