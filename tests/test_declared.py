"""Every package that is imported is declared in pyproject.toml, for the people who run the code that imports it."""

import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from authoring.house import imports, name_of
from helpers.grading import student_edition

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
distributions = cache(packages_distributions)  # takes a second
NOT_OURS = {
    "jax": "jax",
    "wandb": "wandb",
    "torch": "torch",
    "grain": "grain",
    "zarr": "zarr",
}  # groups that few install


def declared(*extras: str, groups: Iterable[str] = ()) -> set[str]:
    """Return the names of what is declared for everybody, and for some."""
    project = PROJECT["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in ("cpu", *extras))]
    lists += [PROJECT["dependency-groups"][group] for group in groups]
    return {canonicalize_name(Requirement(one).name) for each in lists for one in each}


def imported(source: str) -> set[str]:
    """Return the first words of what a module imports, wherever in it."""
    return {name.partition(".")[0] for name in imports(source)}


@cache
def ours() -> frozenset[str]:
    """Return the names of our own modules, those of folders that are put on the path included."""
    folders = ("authoring", "tests", "benchmarks", "authoring/student/tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return frozenset({"helpers", *folders, *(path.stem for path in files), *(path.parent.name for path in files)})


def undeclared(paths: Iterable[Path], allowed: set[str]) -> dict[str, str]:
    """Return packages that are imported and not declared, each with a file that imports it."""
    found = {}
    for path in paths:
        for name in imported(path.read_text()) - ours() - sys.stdlib_module_names:
            names = {canonicalize_name(one) for one in distributions().get(name, [NOT_OURS.get(name, name)])}
            if not names & allowed:
                found[name] = path.relative_to(ROOT).as_posix()
    return found


@cache
def helpers(*, students: bool) -> list[Path]:
    """List the helpers that students get, or those that they do not get."""
    sources = {name_of(path): path for path in (ROOT / "helpers").rglob("*.py")}
    named = {name for path in released() for name in student_edition.imported_by(path.read_bytes())}
    kept = student_edition.for_students({name: path.read_text() for name, path in sources.items()}, named)
    return [path for name, path in sources.items() if (name in kept) == students]


def released() -> list[Path]:
    """List the notebooks that students get, answers to exercises included, which they get one by one."""
    patterns = ("lectures/[0-9]*.ipynb", "lectures/answers/[0-9]*.ipynb", "homework/hw*/*.ipynb")
    return [path for pattern in patterns for path in ROOT.glob(pattern)]


def test_students_have_what_their_helpers_import():
    # what few have: distributed trainings run on JAX, a loader can feed PyTorch, curves can be logged to wandb
    assert undeclared(helpers(students=True), declared(groups=["wandb"]) | {"jax", "torch"}) == {}


def test_teachers_have_what_grading_and_building_import():
    paths = [*helpers(students=False), *(ROOT / "authoring").rglob("*.py"), ROOT / "nbgrader_config.py"]
    assert undeclared(paths, declared("teacher")) == {}


def test_the_tests_have_what_they_import():
    paths = [*(ROOT / "tests").rglob("*.py"), *(ROOT / ".ci").glob("*.py"), ROOT / "conftest.py"]
    assert undeclared(paths, declared("teacher", "dev", groups=["jax"])) == {}


def test_the_benchmarks_have_what_they_import():
    assert undeclared((ROOT / "benchmarks").rglob("*.py"), declared("teacher", "dev", groups=["peers"])) == {}


def test_students_do_not_install_what_only_others_use():
    others = {"nbgrader", "playwright", "mypy", "ruff", "pytest-xdist", "jupytext", "sqlalchemy"}
    assert declared() & others == set()
    assert others <= declared("teacher", "dev")


@pytest.mark.parametrize("line", ["import requests", "from PIL import Image", "def f():\n    import sqlalchemy.exc"])
def test_a_package_that_is_not_declared_would_be_seen(line, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "new.py").write_text(line)
    assert list(undeclared([tmp_path / "new.py"], {"numpy"}).values()) == ["new.py"]
    assert undeclared([tmp_path / "new.py"], {"requests", "pillow", "sqlalchemy"}) == {}
