"""Lecture 01 shows what the helper builds, and tells what a longer training gives."""

import re
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import layers, ops

from helpers.models import dense, join
from helpers.notebooks import STAND_IN, execute

STEM = "01_simple"
LECTURE = Path(__file__).resolve().parents[2] / "lectures" / f"{STEM}.ipynb"


def test_the_code_shown_and_the_helper_build_the_same_model(run_cells):
    shown = run_cells(STEM, "autoencoder-by-hand", until="Table", keras=keras, layers=layers, join=join)
    ours, theirs = shown["autoencoder"], dense.build_autoencoder(32)
    theirs.set_weights(ours.get_weights())
    images = np.random.default_rng(0).random((5, 28, 28, 1), dtype=np.float32)
    np.testing.assert_allclose(ops.convert_to_numpy(ours(images)), ops.convert_to_numpy(theirs(images)), atol=1e-6)


@pytest.mark.deep
def test_fifty_epochs_give_what_the_text_says():
    text = "\n".join(cell.source for cell in nbformat.read(LECTURE, as_version=4).cells)
    promised = float(re.search(r"With `EPOCHS = 50` this notebook gives (0\.\d+)", text)[1])
    _, values, _ = execute(LECTURE, names=["test_bce", STAND_IN], replace={"EPOCHS = 15": "EPOCHS = 50"})
    if values[STAND_IN]:
        pytest.skip("the number holds for MNIST, which is not on this machine")
    assert values["test_bce"] == pytest.approx(promised, abs=0.0005)
