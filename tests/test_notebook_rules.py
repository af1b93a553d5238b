"""Every rule of the desk passes a good notebook and reports a bad one: lint rules, homework shorthand, numbers.

All samples are checked in one run. Each changes the good sample at one place, and exactly the lines named must be
printed: a rule that fires too often fails as well as one that never fires. What is only counted, such as lengths and
words, fails nothing: it stands in the report for the writer.
"""

from pathlib import Path

import pytest
from desk import HOMEWORK, LECTURE, notebooks, plant

pytestmark = pytest.mark.long  # for those who write notebooks: two hundred notebooks are built and checked

SEED = "seed_everything(0)\n"
WHY = "# A square forgets the sign."
FENCED = "# ```python\n# mean = 1\n# ```"
TRY = LECTURE[LECTURE.index("try:") : LECTURE.index("\n# %% [markdown]\n# ## Exercises")]
FIRST_CODE = "# %%\nimport"
INPUT, FLAT = "# (28, 28, 1)\n", "# (batch, 28, 28, 1) -> (batch, 784)\n"
ASSERTION = 'checks.same("the square of 3"'
NAMES = """\
try:
    match [3, 9]:
        case [_, *rest] as both:
            print(rest, both)
except ValueError as error:
    print(error)
"""
OPEN_END = "# ### Open end\n# - What is a root?\n"


def cells(*lengths: int) -> str:
    """Return the seeding line and, after it, code cells of these lengths."""
    return SEED + "".join("\n# %%\n" + "pass\n" * length for length in lengths)


# name: what is replaced in the good lecture, by what
GOOD = {
    "the_sample": (SEED, SEED),
    "eighty_words": (WHY, "# " + "word " * 66),
    "long_cell": (SEED, cells(25, *[1] * 10)),
    "fifteen_lines": (SEED, cells(15, 15, *[1] * 10)),
    "three_hundred_lines": (SEED, cells(*[6] * 46, 5)),
    "other_words": (WHY, "# Adjusted, justly: a two-dimensional space of low dimensionality has two dimensions."),
    "proper_noun": ("## Square a number", "## PCA of a Kullback-Leibler `Number`"),
    "code_in_backticks": (WHY, "# Set `x = 1` or $$\n# x = 1\n# $$ Loss: 3"),
    "heading_fails": ("**Fails on purpose.**", "## Fails on purpose\n#\n#"),
    "batch_in_input": (INPUT, "# (batch, 28, 28, 1)\n"),
    "tags": (FIRST_CODE, '# %% tags=["a-name", "name-2"]\nimport'),
    "computed_shape": (FLAT, "# (batch, rows, columns, 1) -> (batch, rows * columns)\n"),
}

# name: what is replaced in the good lecture, by what, and what each line says that `check` prints, or `check --report`
BAD_LECTURES = {
    "number": ("# 01 ·", "# 02 ·", "opens with '# 02 · A lecture"),
    "title": ("# 01 ·", "# 01 -", "wanted: `# 01 · Title`"),
    "no_question": ("of its square?", "of its square.", "asks no question"),
    "two_questions": ("of its square?", "of it? Or not?", "report: asks 2 questions"),
    "no_promises": ("You will", "You may", "promises nothing", "recalls 3 things; wanted: 0"),
    "two_promises": ("# - square a number,\n# - take", "# - take", "report: promises 2 things", "recalls 3 things"),
    "know_before": ("What to know before", "What to read", "what to know before"),
    "no_times": ("| CPU | GPU |", "| here | there |", "no time table"),
    "empty_times": ("# | run all | 5 s | 5 s |\n", "", "no time table"),
    "no_recap": ("## Recap", "## Summary", "ends with the section 'Summary'"),
    "early_recap": ("# - and saw what fails.", "# - and saw.\n#\n# ## More", "ends with the section 'More'"),
    "short_recap": ("# - took a root,\n", "", "recalls 2 things; wanted: 3"),
    "long_why": (WHY, "# " + "word " * 67, "report: has 81 words before a code cell; at most 80"),
    "no_source": ("arxiv.org/abs/", "arxiv.org/pdf/", "links no source"),
    "no_prediction": ("**Predict.**", "Predict:", "asks for no prediction"),
    "predicts_nothing": ("in code count?", "in code count.", "asks for no prediction"),
    "see_nothing": ("**What you should see.**", "See:", "never says **What you should see.**"),
    "four_recalls": ("# 5. Five?\n", "", "report: has 4 exercises under `### Recall`; wanted: 5"),
    "no_open_end": (OPEN_END, "", "has no exercises under `### Open end`"),
    "two_open_ends": (OPEN_END, OPEN_END + "# - And?\n", "report: has 2 exercises under `### Open end`; wanted: 1"),
    "one_change": ("# - Square 5.\n", "", "report: has 1 exercises under `### Change one line`; wanted: 2"),
    "no_exercises": ("## Exercises", "## Tasks", "no section `## Exercises`"),
    "simply": (
        WHY,
        "# It is simply so. Just see.",
        "report: says 'simply'; leave it out",
        "report: says 'Just'; leave it out",
    ),
    "simply_in_comment": (
        "# (batch, 784) -> (batch, 32): the",
        "# (batch, 784) -> (batch, 32): just a",
        "report: says 'just'",
    ),
    "dimension": (WHY, "# Along the last dimension.", "report: says 'last dimension'; say axis"),
    "title_case": ("## Square a number", "## Square a Number", "report: has 'Number' in the heading"),
    "unmentioned": ("<<square>>", "nine", "never says <<square>>"),
    "long_cell": (SEED, cells(26, *[1] * 10), "report: has 26 lines of code; at most 25"),
    "many_long_cells": (SEED, cells(16, 16, *[1] * 10), "report: has 2 of 16 code cells over 15 lines"),
    "typical_cell": (SEED, cells(7, 7, 7), "report: has code cells of 7 lines in the median; at most 6"),
    "long_notebook": (SEED, cells(*[6] * 47), "report: has 301 lines of code; at most 300"),
    "two_seeds": (SEED, SEED * 2, "seeds by ['seed_everything(0)', 'seed_everything(0)']"),
    "other_seed": (SEED, "seed_everything(1)\n", "seeds by ['seed_everything(1)']"),
    "no_seed": (SEED, "\n", "seeds by nothing"),
    "silent_input": (INPUT, "# an image (or not)\n", "calls Input on line 3 and does not say the shape"),
    "silent_layer": (FLAT, "\n", "calls Flatten on line 4 and does not say the shape"),
    "shape_without_batch": (FLAT, "# (28, 28, 1) -> (784,)\n", "calls Flatten on line 4"),
    "never_fails": ("**Fails on purpose.**", "Note:", "never fails on purpose"),
    "nothing_caught": (TRY, "print(1)\n", "the next code cell catches nothing"),
    "does_not_compile": ("square = 3**2", "square = 3**", "does not compile"),
    "code_under_prose": (FENCED, "\nimport os", "takes line 24 ('import os') for prose", "has code in its prose"),
    "code_in_prose": (FENCED, "# mean = 1", "has code in its prose ('mean = 1')"),
    "call_in_prose": (FENCED, "# model.fit(x)", "has code in its prose ('model.fit(x)')"),
    "unknown_number": (
        "<<loss:.1f>>",
        "<<los:.1f>>",
        "unknown number <<los:.1f>>; lectures/expected.toml has square, loss",
    ),
    "number_format": ("<<loss:.1f>>", "<<loss:.1q>>", "has <<loss:.1q>>"),
    "role": (FIRST_CODE, '# %% locked="a"\nimport', "unknown key 'locked'"),
    "tag_as_text": (FIRST_CODE, '# %% tags="a-name"\nimport', "'a-name' is not of type 'array'; write tags as"),
    "no_tags": (FIRST_CODE, "# %% tags=[]\nimport", "has tags=[]; write"),
    "tag_of_two_words": (FIRST_CODE, '# %% tags=["a-name", "a name"]\nimport', "has tags=['a-name', 'a name']"),
    "tag_on_prose": (
        "# %% [markdown]\n# ## Square",
        '# %% [markdown] tags=["a-name"]\n# ## Square',
        "is a markdown cell with tags",
    ),
    "no_marker": ("# %% [markdown]\n# # 01", "# # 01", "has 9 cell markers but 10 cells"),
}

BAD_HOMEWORK = {
    "unknown_key": ('solution="square"', 'solution="square" colour="red"', "unknown key 'colour' ('red')"),
    "bare_role": ('solution="square"', "solution", "unknown key 'title' ('solution')"),
    "tags": ('solution="square"', 'solution="square" tags=["a-name"]', "unknown key 'tags' (['a-name'])"),
    "two_roles": ('solution="square"', 'solution="square" locked="b"', "has 2 roles, solution and locked"),
    "id": ('solution="square"', 'solution="a square"', "has the id 'a square'"),
    "no_points": (" points=2\n", "\n", "is graded (test) but has no points"),
    "idle_points": ('solution="square"', 'solution="square" points=1', "has points=1 but nothing grades it"),
    "negative_points": ("points=2\n", "points=-2\n", "has points=-2; write a number of at least 0"),
    "points_in_quotes": ("points=2\n", 'points="2"\n', "has points='2'; write a number"),
    "same_id": ('locked="why_question"', 'locked="square"', "has the id 'square' of cell 3"),
    "written_code": ("[markdown] written", "written", "is a code cell with the role written"),
    "markdown_test": ("# %% test", "# %% [markdown] test", "is a markdown cell with the role test"),
    "no_region": (
        "    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION",
        "    return x * x",
        "all of it would be wiped",
    ),
    "open_region": ("    ### END SOLUTION\n", "", "each ### BEGIN SOLUTION wants one ### END SOLUTION"),
    "leak": ('# %% solution="square"', "# %%", "has ### BEGIN SOLUTION but is no solution cell"),
    "empty_hidden": ("# Numbers below zero.\n", "", "is a hidden test without a first comment"),
    "hidden_twice": ("# Numbers below", "### BEGIN HIDDEN TESTS\n# Below", "is no test cell"),
    "code_task": ("[markdown] task", "task", "is a code cell with the role task"),
    "no_scheme": ("### BEGIN MARK SCHEME", "### BEGIN", "each ### BEGIN MARK SCHEME wants one"),
    "scheme_leak": ("[markdown] task", "[markdown] locked", "has points=6 but nothing grades it"),
    "long_cell": ("    return x * x\n", "    x\n" * 22, "report: has 26 lines of code; at most 25"),
    "long_notebook": (
        "# %% [markdown] task",
        "# %%\nx = 1\n\n" * 440 + "# %% [markdown] task",
        "report: has 451 lines of code",
    ),
    "number": ("# Homework 1 ·", "# Homework 2 ·", "opens with '# Homework 2 · Squares'"),
    "no_question": ("forget?*", "forget.*", "asks no question"),
    "few_points": (
        "points=10",
        "points=9",
        "report: has 19.5 points; wanted: 20 to 100",
        "does not say its 19.5 points",
    ),
    "untold_points": ("# | 20.5 |", "# | 20 |", "does not say its 20.5 points"),
    "no_contract": ("    Returns:\n", "    Gives:\n", "asks for square without saying Returns:"),
    "no_open_test": ('test="square_of_3"', 'hidden="square_of_3"', "without a first comment"),
    "assert": ('9, read="lecture 01")', '9, read="lecture 01")\nassert True', "tests by assert"),
    "partial_credit": ('9, read="lecture 01")', '9, read="lecture 01")\n0.5', "ends with '0.5'"),
    "dependent_test": ("square(-2), 4", "square(-2), four", "uses four, which no solution"),
    "does_not_compile": ("return x * x", "return x x", "does not compile", "uses square", "uses square"),
    "code_in_prose": ("# Why does", "# x = 1\n# Why does", "has code in its prose"),
}

CASES = {
    **{f"lectures/01_good_{name}": (LECTURE, case) for name, case in GOOD.items()},
    **{f"lectures/01_{name}": (LECTURE, case) for name, case in BAD_LECTURES.items()},
    "lectures/good": (LECTURE, (SEED, SEED, "is named 'good'; wanted: a name such as 01_simple")),
    "homework/hw1_good": (HOMEWORK, ("square", "square")),
    "homework/hw1_good_names": (HOMEWORK, (ASSERTION, NAMES + ASSERTION)),
    "homework/hw10_good": (HOMEWORK, ("# Homework 1 ·", "# Homework 10 ·")),
    **{f"homework/hw1_{name}": (HOMEWORK, case) for name, case in BAD_HOMEWORK.items()},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    scripts = {name: text.replace(old, new) for name, (text, (old, new, *_)) in CASES.items()}
    return plant(tmp_path_factory.mktemp("rules"), scripts)


@pytest.fixture(scope="module")
def problems(root) -> list[str]:
    assert notebooks("build", root)[0] == 1, "scripts that cannot be read fail the build"
    status, lines = notebooks("check", root)
    assert status == 1
    return lines


@pytest.fixture(scope="module")
def report(root) -> list[str]:
    module = root / "helpers/models/dense.py"
    module.parent.mkdir(parents=True)
    module.write_text('def build():\n    """Return\n\n    nothing.\n    """\n    pass\n')
    (root / "README.md").write_text("# A page\n\nWords.\n")
    status, lines = notebooks("check", root, "--report")
    assert status == 0, "what is counted fails nothing"
    return lines


@pytest.mark.parametrize("name", CASES)
def test_each_rule_passes_the_good_and_reports_the_bad(name, problems, report):
    text, (old, _, *wanted) = CASES[name]
    assert old in text, "the sample no longer has what this case replaces"
    own = (f"authoring/{name}.py:", f"authoring/{name}.py,")
    found = [line for line in problems if line.startswith(own)]
    found += [f"report: {line}" for line in report if line.startswith(own)]
    assert len(found) == len(wanted), found
    for line, said in zip(found, sorted(wanted, key=lambda said: said.startswith("report: ")), strict=True):
        assert said.removeprefix("report: ") in line
        assert said.startswith("report: ") == line.startswith("report: ")


def test_every_line_of_the_check_belongs_to_a_case(problems):
    names = [f"authoring/{name}.py" for name in CASES]
    assert [line for line in problems if not line.startswith(tuple(names))] == []


def test_a_problem_names_the_cell_and_the_line_of_its_script(problems):
    marker = LECTURE[: LECTURE.index("from keras")].count("\n")
    assert any(line.startswith(f"authoring/lectures/01_silent_layer.py, cell 7 (line {marker}): ") for line in problems)


def test_the_report_counts_modules_functions_cells_and_sentences(report):
    assert report[0] == "1 modules of helpers/: median 6 lines, 9 of 10 at most 6, 6 in all"
    assert "1 functions of helpers/: median 2 lines, 9 of 10 at most 2, 2 in all" in report, "docstrings do not count"
    assert "1 pages: median 3 lines, 9 of 10 at most 3, 3 in all" in report
    rows = {line.split()[0]: line.split()[1:] for line in report if line.startswith("01_good_")}
    usual, long = rows["01_good_the_sample"], rows["01_good_long_cell"]
    assert (int(long[0]) - int(usual[0]), int(long[1]) - int(usual[1]), long[4]) == (11, 35, "25")
    assert int(rows["01_good_eighty_words"][5]) - int(usual[5]) == 66 - 5, "words"
    assert int(rows["01_good_eighty_words"][8]) >= 66, "the longest sentence"


def test_the_report_names_what_it_cannot_count(report):
    assert any(line.startswith("not counted: authoring/lectures/01_no_marker.py") for line in report)
