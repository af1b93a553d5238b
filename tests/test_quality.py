"""The rules of the house, held against every module: imports point down, and what is public is typed and explained."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from authoring import house
from authoring.house import FLOOR_OF, imports, name_of

ROOT = Path(__file__).resolve().parents[1]
HELPERS = sorted((ROOT / "helpers").rglob("*.py"))
MODELS = sorted((ROOT / "helpers/models").rglob("*.py"))
NOTEBOOKS = sorted(
    path for room in ("lectures", "lectures/answers", "homework/*") for path in ROOT.glob(f"{room}/*.ipynb")
)
DESK = sorted((ROOT / "authoring").glob("*.py"))  # without its sub-folders, which hold notebooks

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tool(*command: str, source: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, text=True, capture_output=True, input=source)


def climbs(module: str, source: str) -> list[str]:
    """Return the imports of a helper that point up; a helper that has no floor yet fails."""
    own, others = module.split(".")[1], house.rooms_of(imports(source))
    unknown = ({own} | others) - FLOOR_OF.keys()
    assert not unknown, f"{module}: {unknown} has no floor; give it one in FLOORS of authoring/house.py"
    return sorted(other for other in others if FLOOR_OF[other] < FLOOR_OF[own])


def strangers(source: str) -> list[str]:
    """Return what a model module imports though it is for every Keras backend."""
    roots = {name.split(".")[0] for name in imports(source)} - sys.stdlib_module_names - {"keras", "numpy", "helpers"}
    helpers = {name for name in imports(source) if name.startswith("helpers.") and "helpers.models" not in name}
    return sorted(roots | helpers)


def public_functions(source: str) -> Iterator[Function]:
    """Yield the functions and methods that have a public name; those inside functions are nobody else's business."""
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    return (node for body in bodies for node in body if isinstance(node, Function) and not node.name.startswith("_"))


def is_typed(function: Function) -> bool:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return function.returns is not None and all(a.annotation or a.arg in ("self", "cls") for a in named if a)


def unfinished(source: str) -> list[str]:
    """Return the public functions that lack a docstring or a type."""
    return [f.name for f in public_functions(source) if not (ast.get_docstring(f) and is_typed(f))]


# ---- tools ----


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), pytest.param(("mypy",), marks=pytest.mark.long)],
    ids=str,
)
def test_the_tools_find_nothing(command):
    done = tool(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", ["import os\n", '"""Doc."""\n\n\ndef open(path):\n    return path\n'])
def test_ruff_would_find_something(source):
    assert tool("ruff", "check", "--stdin-filename", "helpers/new.py", "-", source=source).returncode == 1


def test_mypy_would_find_something(tmp_path):
    (tmp_path / "new.py").write_text("def double(number): return 2 * number\n")
    assert tool("mypy", str(tmp_path / "new.py")).returncode == 1


# ---- imports ----


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_models_run_on_every_backend(path):
    assert strangers(path.read_text()) == []


@pytest.mark.parametrize("line", ["import tensorflow as tf", "from helpers.data import digits", "import scipy.stats"])
def test_a_model_that_is_tied_to_something_would_be_seen(line):
    assert strangers(f"import math\nimport keras\nfrom helpers.models import dense\n{line}\n")


@pytest.mark.parametrize("path", HELPERS[1:], ids=name_of)  # the first is the package itself, on no floor
def test_imports_point_down(path):
    assert climbs(name_of(path), path.read_text()) == []


def test_an_import_that_points_up_would_be_seen():
    assert climbs("helpers.data.digits", "from helpers.files import atomic_write\nfrom helpers import models") == [
        "models"
    ]
    with pytest.raises(AssertionError, match="has no floor"):
        climbs("helpers.cellar.wine", "import math")


def cycle(sources: dict[str, str]) -> list[str]:
    """Return modules that import each other in a ring, or nothing."""
    try:
        TopologicalSorter({name: imports(text) & sources.keys() - {name} for name, text in sources.items()}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other():
    assert cycle({name_of(path): path.read_text() for path in HELPERS}) == []


def test_modules_that_import_each_other_would_be_seen():
    assert cycle({"helpers.a": "import helpers.b", "helpers.b": "from helpers import a"})


def from_the_desk(source: str) -> set[str]:
    """Return what a module imports from authoring/, be it as a package or as a folder on the path."""
    return {name for name in imports(source) if name.split(".")[0] in {"authoring", *(path.stem for path in DESK)}}


@pytest.mark.parametrize("path", HELPERS, ids=name_of)
def test_no_helper_imports_from_the_desk(path):
    assert from_the_desk(path.read_text()) == set()


@pytest.mark.parametrize("line", ["import authoring.notebooks", "from notebooks import build"])
def test_an_import_from_the_desk_would_be_seen(line):
    assert from_the_desk(line)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_import_nothing_of_the_command_line(path):
    assert "helpers.cli" not in path.read_text()


# ---- the map ----


def test_the_map_and_the_page_are_drawn_from_the_rules():
    remedy = "run ./course run python authoring/house.py"
    assert house.MAP.read_text() == house.drawing(), remedy
    page = house.PAGE.read_text()
    assert page == house.page(page), remedy


def test_every_room_is_there_and_on_one_floor():
    there = {name_of(path).split(".")[1] for path in HELPERS[1:]}
    assert there == house.FLOOR_OF.keys()
    assert sum(map(len, house.FLOORS)) == len(there)


def test_another_table_gives_another_map_and_page(monkeypatch):
    drawing, page = house.drawing(), house.PAGE.read_text()
    monkeypatch.setattr(house, "FLOORS", [{"files": "no > files & none"}])
    assert house.drawing() != drawing
    assert "no &gt; files &amp; none" in house.drawing()
    assert "no > files & none" in house.page(page) != page


# ---- contracts ----


@pytest.mark.parametrize("path", HELPERS, ids=name_of)
def test_public_functions_are_typed_and_explained(path):
    assert unfinished(path.read_text()) == []


@pytest.mark.parametrize("rest", ["(x: int):\n    'Doc.'", "(x) -> int:\n    'Doc.'", "(x: int) -> int:\n    pass"])
def test_a_function_without_type_or_docstring_would_be_seen(rest):
    assert unfinished(f"def f{rest}\n") == ["f"]
