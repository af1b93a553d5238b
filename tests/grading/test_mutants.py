"""The self-test of homework finds every fault that a homework can have. Shown on one of a few lines, no networks."""

import csv
import dataclasses

import nbformat
import pytest

from helpers.grading.checks import Limit
from helpers.grading.mutants import (
    Alternative,
    Cell,
    Mutant,
    MutantError,
    code_cells,
    handed_in,
    leaks,
    mutated,
    read_alternatives,
    read_mutants,
    secrets,
    student_version,
)
from helpers.grading.mutants import selftest as selftests
from helpers.grading.mutants.selftest import Report, Run, run, selftest

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

ROLES = {  # grade, solution, locked
    "given": (False, False, True),
    "solution": (False, True, False),
    "test": (True, False, True),
}
SQUARE = "def square(x):\n    ### BEGIN SOLUTION\n    return x * x + 0 * len('secret')\n    ### END SOLUTION"
ROOT = "def root(x):\n    ### BEGIN SOLUTION\n    return x ** (1 / 2) + 0 * len('hidden')\n    ### END SOLUTION"
UNFINISHED = "def root(x):\n    return (\n    ### BEGIN SOLUTION\n    x ** (1 / 2)\n    ### END SOLUTION\n    )"
BELOW_ZERO = "checks.same('the square of -3', square(-3), 9, read='')"
HIDDEN = f"# Below zero.\n### BEGIN HIDDEN TESTS\n{BELOW_ZERO}\n### END HIDDEN TESTS"
OPEN = "checks.same('the square of 3', square(3), 9, read='')"
CHANCE = "n = checks.seed(1)\nchecks.at_most('error', 0.1 + 0 * root(n), 0.2, read='')"
CELLS = [
    ("setup", "given", "from helpers.grading import checks"),
    ("square", "solution", SQUARE),
    ("open", "test", OPEN),
    ("hidden", "test", HIDDEN),
    ("root", "solution", ROOT),
    ("chance", "test", CHANCE),
]
MUTANTS = [
    Mutant("double", "doubles", "square", "x * x", "2 * x", frozenset({"open", "hidden"})),
    Mutant("cube", "cubes", "square", "x * x", "x * x * x / 3", frozenset({"open", "hidden"})),
    Mutant("sign", "keeps the sign", "square", "x * x", "x * abs(x)", frozenset({"hidden"})),
    Mutant("crash", "divides by zero", "square", "x * x", "x / 0", frozenset({"open", "hidden"})),
    Mutant("far", "is far off", "root", "x ** (1 / 2)", "float('nan')", frozenset({"chance"})),
]
SQUARES = ("x**2", "pow(x, 2)", "abs(x) * abs(x)")
ROOTS = ("pow(x, 0.5)", "x**0.5", "(x * x) ** 0.25")


def answers(cell: str, *formulas: str) -> list[Alternative]:
    codes = [f"def {cell}(x):\n    return {formula}" for formula in formulas]
    return [Alternative(f"{cell}_{n}", "in other words", cell, code) for n, code in enumerate(codes)]


ALTERNATIVES = [*answers("square", *SQUARES), *answers("root", *ROOTS)]


def homework(cells: list[tuple[str, str, str]] = CELLS) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["language_info"] = {"name": "python"}
    for name, role, code in cells:
        cell = nbformat.v4.new_code_cell(code, id=name)
        if role != "free":
            flags = dict(zip(("grade", "solution", "locked"), ROLES[role], strict=True))
            points = {"points": 2} if role == "test" else {}
            cell.metadata["nbgrader"] = {"schema_version": 3, "task": False, "grade_id": name, **flags, **points}
        notebook.cells.append(cell)
    return notebook


def with_cell(name: str, code: str) -> list[tuple[str, str, str]]:
    return [(n, role, code if n == name else old) for n, role, old in CELLS]


def report(
    cells: list[tuple[str, str, str]] = CELLS,
    mutants: list[Mutant] = MUTANTS,
    alternatives: list[Alternative] = ALTERNATIVES,
    **effort,
) -> Report:
    return selftest(homework(cells), mutants, alternatives, **{"seeds": 2, "progress": lambda doing: None, **effort})


def test_a_good_homework_has_no_problems():
    found = report()
    assert found.problems == []
    assert (found.points, found.mutants, found.alternatives) == (6, 5, 6)
    assert [(one.test, one.what, round(one.margin, 3)) for one in found.margins] == [("chance", "error", 2.0)]


BAD = {
    "a solution that fails": (
        {"cells": with_cell("open", OPEN.replace("9", "8"))},
        "the solution fails open: Mismatch: the square of 3",
    ),
    "a test that cannot fail": (
        {"cells": with_cell("open", "checks.same('one', 1, 1, read='')")},
        "open: passes without a solution",
    ),
    "a mutant that is not found": (
        {"mutants": [*MUTANTS, Mutant("same", "nothing", "square", "x * x", "x ** 2", frozenset({"open"}))]},
        "mutant same passes open",
    ),
    "a mutant that loses more": (
        {"mutants": [*MUTANTS, Mutant("half", "halves", "square", "x * x", "x / 2", frozenset({"open"}))]},
        "mutant half also fails hidden",
    ),
    "a test that no mutant loses": ({"mutants": MUTANTS[:-1]}, "chance: no mutant loses it"),
    "too few mutants": ({"mutants": MUTANTS[1:]}, "has 4 mutants; at least 5"),
    "a narrow margin": (
        {"cells": with_cell("chance", CHANCE.replace("0.2", "0.11"))},
        "chance: error has a margin of 1.10",
    ),
    "a lucky seed": (
        {"cells": with_cell("chance", CHANCE.replace("0.1 + 0 * root(n)", "n / 1000 + 0 * root(n)"))},
        "the solution with seed 1 fails chance: Mismatch: error",
    ),
    "a stub that does not parse": (
        {"cells": with_cell("root", UNFINISHED)},
        "root: does not parse as it is handed out",
    ),
    "too few alternatives": ({"alternatives": ALTERNATIVES[1:]}, "square: has 2 alternatives; at least 3"),
    "no alternatives": ({"alternatives": []}, "square: has 0 alternatives; at least 3"),
    "an alternative that is the solution": (
        {"alternatives": [*ALTERNATIVES, Alternative("same", "", "square", f"{SQUARE}  # the same")]},
        "alternative same: its code is written before",
    ),
    "an alternative that loses points": (
        {"alternatives": [*answers("square", *SQUARES[:2], "x * abs(x)"), *answers("root", *ROOTS)]},
        "alternative square_2 of square (in other words) fails hidden: Mismatch: the square of -3",
    ),
    "an alternative that does not run": (
        {"alternatives": [*answers("square", *SQUARES), *answers("root", "x\n1 / 0", *ROOTS)]},
        "alternative root_0 of root (in other words) fails root: ZeroDivisionError",
    ),
    "an alternative that fails with another seed": (
        {
            "cells": with_cell("chance", CHANCE.replace("0.1 + 0 * root(n)", "root(n) / 1000")),
            "alternatives": [*answers("root", *ROOTS[:2], "x"), *answers("square", *SQUARES)],
        },
        "alternative root_2 of root (in other words) fails chance",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_fault_is_found(name):
    change, said = BAD[name]
    assert any(said in problem for problem in report(**change).problems)


def test_alternatives_that_only_fail_together_are_all_named():
    together = "checks.holds('both', square(2) + root(4) < 6.0005, expected='', got='', read='')"
    cells = [*CELLS, ("together", "test", together)]
    nearly = [*answers("square", "x * x + 0.0003"), *answers("root", "x**0.5 + 0.0003")]
    problems = report(cells, alternatives=nearly).problems
    assert any("seed 1, one of the alternatives square_0, root_0 fails together" in problem for problem in problems)


def test_sampled_alternatives_take_the_place_of_the_solution_s_other_seeds(monkeypatch):
    shifts = []
    monkeypatch.setattr(selftests, "run", lambda *cells, shift=0, **_: shifts.append(shift) or run(*cells, shift=shift))
    sampled = report(mutants=MUTANTS, seeds=3, every_test=False)
    assert sampled.problems == []
    assert [shift for shift in shifts if shift] == [1, 2, 3]
    shifts.clear()
    assert report(mutants=MUTANTS, seeds=3).problems == []
    assert [shift for shift in shifts if shift] == [1, 2, 3, 1, 2]


def test_alternatives_are_read_and_one_for_no_answer_is_refused(tmp_path):
    file = tmp_path / "hw.toml"
    assert read_alternatives(file) == []
    file.write_text("[power]\nhow = 'a power'\ncell = 'square'\ncode = 'square = 2 .__rpow__'\n")
    [found] = read_alternatives(file)
    assert found == Alternative("power", "a power", "square", "square = 2 .__rpow__")
    with pytest.raises(MutantError, match="alternative power: there is no solution cell 'nowhere'"):
        report(alternatives=[dataclasses.replace(found, cell="nowhere")])
    file.write_text("[power]\nhow = 'a power'\ncell = 'square'\ncode = 'x ='\n")
    with pytest.raises(MutantError, match="power: its code does not parse"):
        read_alternatives(file)
    file.write_text("[power]\nhow = 'a power'\n")
    with pytest.raises(MutantError, match=r"power: has how; wanted: cell, code, how"):
        read_alternatives(file)


def test_what_students_get_is_a_stub_and_the_first_comment_of_a_hidden_test():
    released = {cell.name: cell.code for cell in code_cells(student_version(homework()))}
    assert released["square"] == "def square(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert released["hidden"] == "# Below zero."
    assert released["open"] == OPEN


@pytest.mark.parametrize("secret", ["return x * x + 0 * len('secret')", "square(-3), 9, read='')", "BEGIN SOLUTION"])
def test_a_leak_is_found(secret):
    text = "\n".join(cell.source for cell in student_version(homework()).cells)
    assert leaks(homework(), text) == []
    line = next(line for line in f"{SQUARE}\n{HIDDEN}".splitlines() if secret in line)
    assert leaks(homework(), f"{text}\n{line}") != []


def test_a_line_that_is_shown_elsewhere_is_no_secret():
    cells = [*CELLS, ("example", "free", "y = 1  # " + BELOW_ZERO)]
    assert BELOW_ZERO in secrets(homework())
    assert BELOW_ZERO not in secrets(homework(cells))


def test_a_release_that_forgets_to_clear_is_found(monkeypatch):
    monkeypatch.setattr("helpers.grading.mutants.STEPS", ("ClearHiddenTests",))
    assert any("the release shows" in problem for problem in report().problems)


def test_a_submission_is_graded_by_our_own_tests():
    own, theirs = (
        code_cells(homework()),
        [Cell("square", "solution", "def square(x): return 9"), Cell("open", "test", "")],
    )
    assert [cell.code for cell in handed_in(own, theirs)][1:3] == ["def square(x): return 9", OPEN]


def test_a_cell_that_raises_is_told_and_the_others_run():
    cells = [Cell("a", "test", "raise SystemExit(3)"), Cell("b", "test", "b = 1 / 0"), Cell("c", "test", "b = 1")]
    assert run(cells).failures == {"a": "SystemExit: 3", "b": "ZeroDivisionError: division by zero"}


def test_cells_run_in_a_folder_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run([Cell("a", "test", "open('left_behind', 'w').write('x')")]).failures == {}
    assert list(tmp_path.iterdir()) == []


def test_variants_take_turns_and_what_fails_names_its_values(monkeypatch):
    seen = []
    monkeypatch.setattr(
        selftests,
        "run",
        lambda cells, **more: seen.append(cells[1].code if cells[1].name == "variant" else "") or run(cells, **more),
    )
    asks = ("asks", "test", "checks.at_most('n', square(0) + N / 10, 0.9, read='')")
    cells = [CELLS[0], ("variant", "given", "N = 1"), *CELLS[1:], asks]
    loses = Mutant("huge", "is huge", "square", "x * x", "9 + x * x", frozenset({"open", "hidden", "asks"}))
    found = report(cells, [*MUTANTS, loses], seeds=1, variants=[{"N": 2}, {"N": 4}])
    assert seen[:2] == ["N = 1", "N = 1"]  # the solution, and blank
    assert seen[2:] == [f"N = {n}" for n in (2, 4, 2, 2, 4, 2, 4, 2, 4, 2, 4)]  # alternatives, seeds, mutants
    assert {one.what: one.worst for one in found.margins}["n"] == 0.4  # of the worst variant
    tight = report(cells, [*MUTANTS, loses], seeds=1, variants=[{"N": 2}, {"N": 10}]).problems
    assert any("seed 2 and N = 10 fails asks" in problem for problem in tight)
    assert any("and N = 10 fails asks" in problem and problem.startswith("alternative") is False for problem in tight)


def test_sampled_a_mutant_meets_the_tests_that_it_loses_and_each_other_test_in_its_turn(monkeypatch):
    seen = []
    monkeypatch.setattr(
        selftests, "run", lambda cells, wanted=None, **_: seen.append(wanted) or run(cells, wanted=wanted)
    )
    twice = [Mutant(name, name, "square", "x * x", "x * abs(x)", frozenset({"hidden"})) for name in ("sign", "again")]
    third = [("third", "test", "checks.same('the square of 2', square(2), 4, read='')")]
    found = report([*CELLS, *third], [*MUTANTS, *twice], seeds=1, every_test=False)
    assert [problem for problem in found.problems if "sign" in problem or "again" in problem] == []
    others = [wanted & {"open", "third"} for wanted in seen[-2:]]
    assert all("hidden" in wanted for wanted in seen[-2:])
    assert sorted(map(len, others)) == [1, 1] and set().union(*others) == {"open", "third"}
    monkeypatch.setattr(selftests, "QUICK", -1)
    report([*CELLS, *third], [*MUTANTS, *twice], seeds=1, every_test=False)
    assert not any({"open", "third"} & wanted for wanted in seen[-2:])


@pytest.mark.parametrize("slower, second, problems", [(1, 40, 2), (3, 40, 0), (1, 13, 0), (1, 21, 1)])
def test_a_cell_that_takes_long_is_a_problem_unless_everything_does(monkeypatch, slower, second, problems):
    """A machine that does all work three times slower takes 40 s for a cell of 13 s; another one did so for once."""
    monkeypatch.setattr(selftests, "slowness", lambda: slower)
    monkeypatch.setattr(selftests, "SECONDS", 50)

    def taking(seconds):
        return Run(seconds={"setup": 1.0, "slow": float(seconds), "others": 17.0})

    assert len(list(selftests._too_slow(taking(40), lambda: taking(second)))) == problems
    assert list(selftests._too_slow(taking(19), lambda: pytest.fail("nothing seemed slow"))) == []


@pytest.mark.parametrize("load, wanted", [(0.3, 1), (2, 1), (5, 2.5)])
def test_work_takes_longer_by_the_threads_that_spin_while_they_wait(monkeypatch, load, wanted):
    monkeypatch.setattr(selftests, "_work", lambda: None)
    monkeypatch.setattr(selftests, "usable_cores", lambda: 2)
    monkeypatch.setattr(selftests.os, "getloadavg", lambda: (load, 0.0, 0.0))
    assert selftests.slowness() == wanted


@pytest.mark.parametrize("cell, old, said", [("nowhere", "x", "no solution cell"), ("square", "x", "3 times")])
def test_a_mutant_that_cannot_be_made_is_refused(cell, old, said):
    with pytest.raises(MutantError, match=said):
        mutated(code_cells(homework()), Mutant("m", "", cell, old, "y", frozenset()))


def test_a_table_with_another_key_is_refused(tmp_path):
    (tmp_path / "hw.toml").write_text('[double]\nmistake = "doubles"\ncells = "square"\n')
    with pytest.raises(MutantError, match=r"double: has mistake, cells; wanted: cell, loses, mistake, new, old"):
        read_mutants(tmp_path / "hw.toml")


def test_margins_name_the_worst_solution_and_the_nearest_mutant(tmp_path):
    def limit(found: float) -> Limit:
        return Limit("error", found, 0.5, 0.5 / found)

    solutions = [("test", limit(found)) for found in (0.1, 0.4, 0.2)]
    wrong = [("far", "test", limit(5)), ("near", "test", limit(0.55)), ("passes", "test", limit(0.3))]
    [found] = selftests.margins(solutions, wrong)
    assert (found.worst, found.margin, found.mutant, round(found.miss, 6)) == (0.4, 1.25, "near", 1.1)
    assert len(selftests.too_tight([found])) == 2
    table = tmp_path / "hw.csv"
    assert not selftests.margins_are_current(table, [found])
    selftests.write_margins(table, [found])
    assert next(csv.DictReader(table.open()))["worst"] == "0.4"
    assert selftests.margins_are_current(table, [found._replace(worst=0.1, miss=9.0)])
    assert not selftests.margins_are_current(table, [found._replace(limit=0.6)])
