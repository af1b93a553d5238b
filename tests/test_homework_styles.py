"""Right solutions in other words than ours keep every point."""

from pathlib import Path

import pytest

from helpers.grading.mutants import Mutant, built_on, code_cells, mutated, reached, read_source
from helpers.grading.mutants.selftest import paths, run

ROOT = Path(__file__).resolve().parents[1]
STYLES = {
    "ReLU as a maximum, conditional": (
        "hw4_structured",
        "parts",
        'x = layers.Dense(hidden, activation="relu")(x)',
        "x = ops.maximum(layers.Dense(hidden)(x), 0)",
    ),
    "ReLU behind the reshaped map": (
        "hw5_aerial",
        "parts",
        'activation="relu")(codes)\n    x = layers.Reshape(shape)(x)',
        "activation=None)(codes)\n    x = layers.ReLU()(layers.Reshape(shape)(x))",
    ),
    "ReLU behind the pooling": (
        "hw7_land_cover",
        "unet",
        "x = layers.MaxPooling2D()(x)",
        "x = layers.ReLU()(layers.MaxPooling2D()(x))",
    ),
    "a mode that Keras infers": ("hw7_land_cover", "stopping", 'mode="max", ', ""),
}


@pytest.mark.long
@pytest.mark.parametrize("name", STYLES)
def test_another_style_keeps_all_points(name):
    homework, cell, old, new = STYLES[name]
    cells = code_cells(read_source(paths(ROOT, homework)[0]))
    changed = mutated(cells, Mutant(name, name, cell, old, new, frozenset()))
    assert run(changed, wanted=built_on(changed, reached(cells, cell))).failures == {}
