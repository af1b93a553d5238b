"""Every homework: solutions have full marks, known mistakes lose their points and no others, and nothing leaks."""

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from helpers.grading.mutants import margins
from helpers.grading.mutants.reach import reached
from helpers.grading.mutants.selftest import paths, selftest
from helpers.grading.mutants.variants import code_cells, leaks, mutated, read_mutants, read_source, student_version

ROOT = Path(__file__).resolve().parents[1]
HOMEWORK = sorted(path.stem for path in ROOT.glob("homework/_instructor/source/*/*.ipynb"))
NOT_FOR_STUDENTS = ("homework/_instructor/", "authoring/homework/", "tests/")

each_homework = pytest.mark.parametrize("homework", HOMEWORK)


@pytest.mark.slow
@each_homework
def test_the_selftest_finds_nothing(homework):
    source, mutants, table = paths(ROOT, homework)
    report = selftest(read_source(source), read_mutants(mutants), progress=lambda doing: None)
    assert report.problems == []
    assert margins.is_current(table, report.margins), f"run ./course homework selftest {homework} --write"


@each_homework
def test_every_mutant_is_a_change_of_the_solution(homework):
    source, mutants, _ = paths(ROOT, homework)
    cells = code_cells(read_source(source))
    for mutant in read_mutants(mutants):
        compile("\n".join(cell.code for cell in mutated(cells, mutant)), mutant.name, "exec")
        assert mutant.mistake
        assert mutant.loses <= reached(cells, mutant.cell)


@each_homework
def test_what_is_released_is_what_the_source_gives(homework):
    """Students' notebooks are made by `./course homework release`; this one is made without a gradebook."""
    wanted = student_version(read_source(paths(ROOT, homework)[0]))
    found = nbformat.read(ROOT / "homework" / homework / f"{homework}.ipynb", as_version=4)
    assert [(c.id, c.source, c.metadata) for c in found.cells] == [(c.id, c.source, c.metadata) for c in wanted.cells]


def test_a_student_bundle_has_no_secret(tmp_path, require: Callable):
    """A bundle is made by `git archive`, which leaves out what .gitattributes says."""
    bundle = tmp_path / "bundle.tar"
    made = subprocess.run(["git", "-C", ROOT, "archive", "--worktree-attributes", "-o", bundle, "HEAD"], check=False)
    require(made.returncode == 0, "outside of a checkout there is no bundle")
    with tarfile.open(bundle) as archive:
        names = archive.getnames()
        files = [member for member in archive if member.isfile() and member.name.startswith("homework/hw")]
        texts = {member.name: archive.extractfile(member).read().decode(errors="replace") for member in files}
    assert {f"homework/{homework}/{homework}.ipynb" for homework in HOMEWORK} <= texts.keys()
    assert [name for name in names if name.startswith(NOT_FOR_STUDENTS)] == []
    assert "lectures/01_simple.ipynb" in names
    for homework in HOMEWORK:  # a hidden line of one may well stand in the open in another
        source, own = read_source(paths(ROOT, homework)[0]), f"homework/{homework}/"
        told = {name: leaks(source, text) for name, text in texts.items() if name.startswith(own)}
        assert not any(told.values()), told
