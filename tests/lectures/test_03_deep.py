"""Lecture 03 shows what the helpers build: the deep autoencoder, and one step of growing."""

from types import SimpleNamespace

import keras
import numpy as np
from keras import layers, ops

from helpers.models import dense, join
from helpers.models.dense import add_stage
from helpers.training import seed_everything

STEM = "03_deep"
IMAGES = np.random.default_rng(0).random((5, 28, 28, 1), dtype=np.float32)
IMPORTED = {"keras": keras, "np": np, "layers": layers, "dense": dense, "join": join}


def assert_same(ours, theirs):
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    outputs = [ops.convert_to_numpy(model(IMAGES)) for model in (ours, theirs)]
    np.testing.assert_allclose(*outputs, atol=1e-6)


def test_the_deep_network_shown_is_the_helpers(run_cells):
    seed_everything(1)
    shown = run_cells(STEM, "deep-by-hand", until="Table", **IMPORTED)
    seed_everything(1)
    assert_same(shown["deep"], dense.build_autoencoder(32, hidden=(128, 64), code_activation="linear"))


def test_one_step_of_growing_shown_is_the_helpers(run_cells, capsys):
    stage_1 = dense.build_autoencoder(128)
    data = SimpleNamespace(test=SimpleNamespace(images=IMAGES))
    seed_everything(1)
    shown = run_cells(STEM, "growing-by-hand", **IMPORTED, stage_1=stage_1, data=data)
    seed_everything(1)
    assert_same(shown["stage_2"], add_stage(stage_1.get_layer("encoder"), 64))
    assert capsys.readouterr().out == "same as the code of stage 1: True\n"


def test_the_lecture_grows_on_with_the_helper(cells):
    text = "\n".join(cells)
    assert "from helpers.models.dense import add_stage" in text
    assert 'add_stage(stage_2.get_layer("encoder"), 32, code_activation="linear"' in text
