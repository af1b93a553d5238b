"""Lecture 09 shows what the helpers build, and what it says of boxes, memory and columns holds for any weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.datasets import load_diabetes

from helpers.models import join, sequence
from helpers.models.variational import build_table_vae
from helpers.training import seed_everything

STEM = "09_sequences"
RANDOM = np.random.default_rng(0)
IMPORTED = {"keras": keras, "layers": layers, "np": np}


def test_the_networks_shown_are_the_helpers(run_cells):
    seed_everything(1)
    shown = run_cells(STEM, "autoencoder-by-hand", **IMPORTED)
    ours = join(shown["encoder"], shown["decoder"])
    seed_everything(1)
    theirs = sequence.build_autoencoder(32, steps=20, features=20, units=64)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    sequences = RANDOM.random((3, 20, 20), dtype=np.float32)
    outputs = [ops.convert_to_numpy(model(sequences)) for model in (ours, theirs)]
    np.testing.assert_allclose(*outputs, atol=1e-6)


@pytest.mark.parametrize(
    ("top", "left", "height", "width"), [(0, 0, 20, 20), (8, 8, 20, 20), (3, 12, 20, 7), (27, 0, 1, 3)]
)
def test_the_box_holds_all_ink_in_its_middle(run_cells, top, left, height, width):
    images = np.zeros((1, 28, 28, 1), np.float32)
    images[0, top : top + height, left : left + width] = RANDOM.uniform(0.1, 1, (height, width, 1))
    (boxed,) = run_cells(STEM, "digits-as-sequences", **IMPORTED)["as_sequences"](images)
    assert boxed.shape == (20, 20)
    assert boxed.sum() == pytest.approx(images.sum())
    if top == 3:
        np.testing.assert_array_equal(
            np.flatnonzero(boxed.any(axis=0)), np.arange(7, 14), "6 or 7 empty columns on each side"
        )


def test_paper_without_ink_is_a_box_too(run_cells):
    as_sequences = run_cells(STEM, "digits-as-sequences", **IMPORTED)["as_sequences"]
    assert not as_sequences(np.zeros((2, 28, 28, 1), np.float32)).any()


def test_the_longer_memory_sets_the_forget_gate_and_nothing_else(run_cells):
    lengthen_memory = run_cells(STEM, "longer-memory", **IMPORTED)["lengthen_memory"]
    model = sequence.build_autoencoder(3, steps=5, features=4, units=6)
    before = [weights.copy() for weights in model.get_weights()]
    lengthen_memory(model)
    changed = [index for index, (a, b) in enumerate(zip(before, model.get_weights(), strict=True)) if (a != b).any()]
    biases = [index for index, weight in enumerate(model.weights) if weight.path.endswith("lstm_cell/bias")]
    assert changed == biases
    for index in biases:
        after = model.get_weights()[index]
        np.testing.assert_allclose(after[6:12], np.linspace(1, 5, 6))
        np.testing.assert_array_equal(np.delete(after, range(6, 12)), np.delete(before[index], range(6, 12)))
    # The first step stays in the memory: with all gates but forget shut, c = c * sigmoid(bias).
    lstm = model.get_layer("encoder").get_layer("reader")
    kernel, recurrent, bias = lstm.get_weights()
    bias[:6] = -50
    lstm.set_weights([0 * kernel, 0 * recurrent, bias])
    start = np.ones((1, 6), np.float32)
    _, (_, memory) = lstm.cell(np.zeros((1, 4), np.float32), [start, start])
    np.testing.assert_allclose(ops.convert_to_numpy(memory)[0], 1 / (1 + np.exp(-np.linspace(1, 5, 6))), rtol=1e-5)


def test_the_influence_of_a_row_is_seen_where_it_is(run_cells):
    class Reads:
        """An encoder whose code is row 3 with weight 1, and row 7 with weight 0.5."""

        def predict(self, sequences, verbose=0):
            return sequences[:, 3] + 0.5 * sequences[:, 7]

    test = RANDOM.random((40, 20, 20), dtype=np.float32)
    found = run_cells(STEM, "influence-of-rows", **IMPORTED, test=test)["influence"](Reads(), count=20)
    assert found[3] == 1
    assert found[7] == pytest.approx(0.5, abs=0.05)
    assert not np.delete(found, [3, 7]).any()


def test_the_errors_shown_are_those_of_the_helper(run_cells):
    errors_by_column = run_cells(STEM, "errors-by-hand", **IMPORTED)["errors_by_column"]
    vae = build_table_vae(5, numbers=9, categories=(2,), hidden=(64,))
    rows = np.hstack([RANDOM.standard_normal((6, 9)), np.eye(2)[[0, 1, 1, 0, 1, 0]]]).astype("float32")
    found = vae.reconstruct(rows)
    theirs = ops.convert_to_numpy(vae.errors_by_column(rows, found))
    np.testing.assert_allclose(errors_by_column(rows, found), theirs, rtol=1e-4, atol=1e-6)


def test_the_table_has_the_columns_and_the_formula_of_the_text(run_cells):
    shown = run_cells(STEM, "patients", **IMPORTED, load_diabetes=load_diabetes, Table=list)
    numbers, names = shown["numbers"], shown["NUMBERS"]
    assert numbers.shape == (442, len(names))
    named = dict(zip(names, numbers.T, strict=True))
    friedewald = named["chol."] - named["HDL"] - np.exp(named["trigl."]) / 5
    assert (np.abs(friedewald - named["LDL"]) < 0.5).all()
    assert np.abs(named["ratio"] - named["chol."] / named["HDL"]).max() < 1, (
        "the table rounds it, often to a whole number"
    )
    assert set(shown["sex"]) == {0, 1}


def test_slips_exchange_the_last_two_digits_and_stay_ordinary(run_cells):
    table = load_diabetes(scaled=False)
    numbers = np.delete(table.data, 1, axis=1)
    names = {
        "numbers": numbers,
        "held_out": np.arange(442),
        "mean": numbers.mean(axis=0),
        "spread": numbers.std(axis=0),
    }
    shown = run_cells(
        STEM,
        "slips",
        sex=table.data[:, 1].astype(int) - 1,
        as_rows=lambda numbers, sex: numbers,
        errors_by_column=lambda rows, found: None,
        vae=type("Copies", (), {"reconstruct": staticmethod(lambda rows: rows)}),
        **IMPORTED,
        **names,
    )
    pairs = zip(shown["true"][shown["slips"]], shown["wrong"][:, 3].astype(int), strict=True)
    for true, typed in pairs:
        assert f"{true:03d}" == f"{typed:03d}"[0] + f"{typed:03d}"[2] + f"{typed:03d}"[1]
        assert abs(true - typed) >= 25
    assert (np.abs(shown["wrong"][:, 3] - names["mean"][3]) < 2 * names["spread"][3]).all()
    assert shown["slips"].sum() > 100


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert code.count("    lengthen_memory(model)\n") == 1
    assert code.count("beta=0.1") == 1
