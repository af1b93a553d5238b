"""What a change reaches, and what a test builds on."""

from helpers.grading.mutants import Cell, built_on, defined, reached
from helpers.grading.mutants.selftest import run


def test_a_change_reaches_what_mentions_it_directly_or_not():
    cells = [
        Cell("one", "solution", "def one(): return 1"),
        Cell("two", "solution", "import math as m\ndef two(): return one() + 1"),
        Cell("other", "solution", "x, (y, *z) = 1, (2, 3)"),
        Cell("test_one", "test", "one()"),
        Cell("test_two", "test", "two()"),
        Cell("test_other", "test", "m.sqrt(x)"),
    ]
    assert reached(cells, "one") == {"test_one", "test_two", "test_other"}  # m is defined where one is used
    assert reached(cells, "other") == {"test_other"}
    assert defined(cells[2].code) == {"x", "y", "z"}


def test_what_a_test_builds_on_runs_before_it_and_nothing_else():
    cells = [
        Cell("build", "solution", "def build(): return []"),
        Cell("train", "solution", "def train(x): x.append(1)"),
        Cell("other", "solution", "def other(): pass"),
        Cell("model", "given", "model = build()"),
        Cell("training", "given", "history = train(model)"),  # changes what the test looks at
        Cell("aside", "given", "thing = other()"),
        Cell("silent", "given", "print('hello')"),
        Cell("show", "free", "print(model)"),
        Cell("test_model", "test", "assert model"),
        Cell("test_other", "test", "other()"),
    ]
    assert built_on(cells, {"test_model"}) == {"build", "train", "model", "training", "silent", "test_model"}
    assert built_on(cells, {"test_other"}) == {"other", "silent", "test_other"}
    assert run(cells, wanted=built_on(cells, {"test_model"})).failures == {}
