"""The course works on this machine. `./course test` runs this file and the examples in the helpers' docstrings."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from helpers.notebooks import STAND_IN, TWO_BATCHES, execute, without_data

ROOT = Path(__file__).resolve().parents[1]
LECTURES = sorted((ROOT / "lectures").glob("[0-9][0-9]_*.ipynb"))
HOMEWORK = sorted((ROOT / "homework").glob("*/*.ipynb"))
HELPERS = sorted((ROOT / "helpers").rglob("*.py"))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory) -> Path:
    """Give a folder for lectures that find no data: what the first one makes, the others use."""
    return tmp_path_factory.mktemp("stand_ins")


def test_the_front_door_explains_itself():
    done = subprocess.run(
        [sys.executable, "-P", "-m", "helpers.cli", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0 and "./course lab" in done.stdout, done.stderr


@pytest.mark.parametrize("path", [p for p in HELPERS if p.stem != "__main__"], ids=module)
def test_every_helper_can_be_imported(path):
    importlib.import_module(module(path))


@pytest.mark.parametrize("path", HOMEWORK, ids=lambda path: path.stem)
def test_every_cell_of_a_homework_can_be_read(path):
    """As it is handed out or with your answers: a cell that Python cannot read loses its points."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            ast.parse(TransformerManager().transform_cell(cell.source))


@pytest.mark.slow
@pytest.mark.parametrize("path", LECTURES[:-1], ids=lambda path: path.stem)
def test_a_lecture_runs_without_data_and_network(path, stand_ins):
    """At reduced training. The last one trains in processes of its own: run it in JupyterLab."""
    _, values, _ = execute(path, names=[STAND_IN], env=without_data(stand_ins), first=TWO_BATCHES)
    assert values[STAND_IN], "no variable of the notebook has is_stand_in"
