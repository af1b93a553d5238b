"""Lecture 02 shows what the helpers compute: the KL divergence, its slopes, and the layer that adds it to a loss."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.models import dense

STEM = "02_sparse"


@pytest.fixture(scope="module")
def shown(run_cells) -> dict:
    """Return what the cells define that show an idea."""
    by_hand = ("l1-by-hand", "kl-by-hand", "kl-penalty-by-hand", "penalty-layer-by-hand")
    return run_cells(STEM, *by_hand, "slopes-of-penalties", until="figures", np=np, layers=layers, ops=ops)


def test_the_divergence_shown_is_that_of_the_helper(shown):
    rho_hat = np.linspace(0.001, 0.999, 500)
    for rho in (0.01, 0.05, 0.5, 0.9):
        theirs = ops.convert_to_numpy(dense.kl_bernoulli(rho, ops.convert_to_tensor(rho_hat)))
        np.testing.assert_allclose(shown["kl"](rho, rho_hat), theirs, rtol=1e-4, atol=1e-6)


def test_the_slopes_shown_are_those_of_the_penalties(shown):
    z, rho_hat, step = shown["z"], shown["active"], 1e-5
    nearby = [1 / (1 + np.exp(-(z + sign * step))) for sign in (1, -1)]
    penalties = {"KL": lambda p: shown["kl"](0.05, p), "squared error": lambda p: (0.05 - p) ** 2}
    assert penalties.keys() == shown["slopes"].keys()
    assert rho_hat[0] < 1e-4 < 1 - 1e-4 < rho_hat[-1], "the figure reaches units that are stuck"
    for name, penalty in penalties.items():
        measured = (penalty(nearby[0]) - penalty(nearby[1])) / (2 * step)
        np.testing.assert_allclose(shown["slopes"][name], measured, atol=1e-6)


def test_the_price_by_hand_is_that_of_keras(shown):
    assert float(shown["l1"].losses[0]) == pytest.approx(shown["by_hand"])


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_the_layer_shown_adds_what_the_helper_adds(shown, batch):
    codes = np.random.default_rng(batch).uniform(0.01, 0.99, (batch, 32)).astype("float32")
    added = []
    for layer in (shown["Penalty"](shown["kl_penalty"]), dense.KLSparsity(shown["RHO"], shown["WEIGHT"])):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(codes)), codes)
        added.append(float(layer.losses[0]))
    assert added[0] == pytest.approx(added[1], rel=1e-5)


def test_the_layer_shown_trains_as_the_helper_does(shown):
    images = np.random.default_rng(0).random((64, 28, 28, 1), dtype=np.float32)
    start, after = None, []
    for penalty in (shown["Penalty"](shown["kl_penalty"]), dense.KLSparsity(shown["RHO"], shown["WEIGHT"])):
        model = dense.build_autoencoder(8, code_activation="sigmoid", penalty=penalty)
        start = start or model.get_weights()
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(1.0), loss="binary_crossentropy")
        model.fit(images, images, batch_size=64, epochs=3, verbose=0)
        after.append(model.get_weights())
    assert not np.allclose(start[1], after[0][1]), "nothing was learned"
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    for text in ("RHO, WEIGHT = ", "keras.optimizers.SGD(1.0)", 'networks["KL"] = build('):
        assert code.count(text) == 1, f"{text!r} is named in an exercise"
