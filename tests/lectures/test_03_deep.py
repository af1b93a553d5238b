"""Lecture 03 shows what the helpers build: the deep autoencoder, and one step of growing."""

from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from keras import ops

from helpers.models import dense
from helpers.models.growing import add_stage
from helpers.training import seed_everything

LECTURE = Path(__file__).resolve().parents[2] / "lectures" / "03_deep.ipynb"
IMAGES = np.random.default_rng(0).random((5, 28, 28, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def cells():
    return [cell.source for cell in nbformat.read(LECTURE, as_version=4).cells if cell.cell_type == "code"]


def run(cells, first, last, **names):
    """Execute the cells from the one that has `first` to the one that has `last`, as far as they build a model."""
    start, end = (next(i for i, cell in enumerate(cells) if text in cell) for text in (first, last))
    exec("import keras\nimport numpy as np\nfrom keras import layers\nfrom helpers.models import dense, join", names)
    for cell in cells[start : end + 1]:
        exec(cell.partition("\nTable(")[0], names)
    return names


def assert_same(ours, theirs):
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    outputs = [ops.convert_to_numpy(model(IMAGES)) for model in (ours, theirs)]
    np.testing.assert_allclose(*outputs, atol=1e-6)


def test_the_deep_network_shown_is_the_helpers(cells):
    seed_everything(1)
    shown = run(cells, "layers.Flatten()", "deep = join(")
    seed_everything(1)
    assert_same(shown["deep"], dense.build_autoencoder(32, hidden=(128, 64), code_activation="linear"))


def test_one_step_of_growing_shown_is_the_helpers(cells, capsys):
    stage_1 = dense.build_autoencoder(128)
    data = SimpleNamespace(test=SimpleNamespace(images=IMAGES))
    seed_everything(1)
    shown = run(cells, "old_code =", "stage_2 = join(", stage_1=stage_1, data=data)
    seed_everything(1)
    assert_same(shown["stage_2"], add_stage(stage_1.get_layer("encoder"), 64))
    assert capsys.readouterr().out == "same as the code of stage 1: True\n"


def test_the_lecture_grows_on_with_the_helper(cells):
    text = "\n".join(cells)
    assert "from helpers.models.growing import add_stage" in text
    assert 'add_stage(stage_2.get_layer("encoder"), 32, code_activation="linear"' in text
