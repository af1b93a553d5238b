"""Lecture 06 shows what the helpers compute: the sample, the KL divergence, the sums of the ELBO, the network."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.stats import norm

from helpers.models.variational import VAE, Sampling, build_dense_vae, kl_standard_normal
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

STEM = "06_variational"
IMAGES = np.random.default_rng(0).random((6, 28, 28, 1), dtype=np.float32)
IMPORTED = {"keras": keras, "np": np, "layers": layers, "ops": ops, "norm": norm, "VAE": VAE}


@pytest.fixture(scope="module")
def shown(run_cells) -> dict:
    """Return what is defined from the encoder to the untrained VAE, without the figures."""
    seed_everything(1)
    data = SimpleNamespace(test=SimpleNamespace(images=IMAGES))
    chance = ("draw-by-numpy", "slopes-of-a-draw", "kl-by-sampling")
    return run_cells(
        STEM, "vae-by-hand", "kl-by-hand", "elbo-by-hand", "elbo-of-helper", *chance, **IMPORTED, data=data
    )


def test_the_sample_shown_is_the_helpers(shown):
    mean, log_var = (np.random.default_rng(seed).standard_normal((50, 3)).astype("float32") for seed in (1, 2))
    found = [ops.convert_to_numpy(layer((mean, log_var))) for layer in (shown["Sampling"](seed=4), Sampling(seed=4))]
    np.testing.assert_array_equal(*found)
    assert not np.allclose(found[0], mean)


def test_the_model_shown_is_saved_and_loads(shown, tmp_path):
    shown["vae"].save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded.reconstruct(IMAGES), shown["vae"].reconstruct(IMAGES))


def test_the_network_shown_is_the_helpers(shown):
    theirs = build_dense_vae(2, hidden=(256, 64))
    theirs.set_weights(shown["vae"].get_weights())  # of the same shapes in the same order, or this fails
    np.testing.assert_allclose(theirs.reconstruct(IMAGES), shown["vae"].reconstruct(IMAGES), atol=1e-6)
    for mine, other in zip(shown["encoder"](IMAGES)[:2], theirs.encoder(IMAGES)[:2], strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(mine), ops.convert_to_numpy(other), atol=1e-6)


def test_the_divergence_shown_is_the_helpers(shown):
    z_mean, z_log_var = np.random.default_rng(0).standard_normal((2, 100)).astype("float32")
    theirs = ops.convert_to_numpy(kl_standard_normal(z_mean, z_log_var))
    np.testing.assert_allclose(shown["kl"](z_mean, z_log_var), theirs, rtol=1e-4, atol=1e-6)
    assert shown["kl_sampled"] == pytest.approx(shown["kl_closed"], abs=0.01)


def test_both_slopes_are_right_on_average_and_one_is_surer(shown):
    for name in ("through", "weighed"):
        error = shown[name].std() / np.sqrt(len(shown[name]))
        assert shown[name].mean() == pytest.approx(2, abs=4 * error)
    assert 4 < shown["spread_weighed"] / shown["spread_through"] < 5, "squared, the twenty times of the text"


def test_numpy_fails_for_the_reason_that_is_told(run_cells, shown, capsys):
    run_cells(STEM, "draw-by-numpy", **shown)
    assert "to a NumPy call, which is not supported" in capsys.readouterr().out


def test_the_sums_by_hand_are_those_of_the_loss(shown):
    logs = shown["vae"].evaluate(IMAGES, verbose=0, return_dict=True)
    assert logs["kl"] == pytest.approx(float(shown["summed_kl"]), rel=1e-4)
    assert logs["reconstruction"] == pytest.approx(float(shown["summed_bce"]), rel=0.02)  # another draw of z
    assert float(shown["averaged_kl"]) == pytest.approx(float(shown["summed_kl"]) / 2, rel=1e-6)


def test_on_a_line_the_bound_and_the_gap_add_up_to_the_evidence(run_cells):
    found = run_cells(STEM, "elbo-on-a-line", np=np, norm=norm)
    assert found["posterior"].sum() * 0.005 == pytest.approx(1, abs=1e-6)
    assert found["q"].sum() * 0.005 == pytest.approx(1, abs=1e-6)
    assert found["to_prior"] == pytest.approx((1.1**2 + 0.7**2 - 1) / 2 - np.log(0.7), abs=1e-6)
    assert found["expected"] - found["to_prior"] + found["gap"] == pytest.approx(found["log_evidence"], abs=1e-6)
    assert 0.005 < found["gap"] < 0.1, "near to the posterior, and not equal"


def test_averaging_over_sixteen_axes_is_a_beta_of_a_sixteenth():
    vae = build_dense_vae(16, beta=1 / 16)
    vae.compile()
    z_mean, z_log_var, _ = vae.encoder(IMAGES)
    averaged = float(ops.mean(kl_standard_normal(z_mean, z_log_var)))
    logs = vae.evaluate(IMAGES, verbose=0, return_dict=True)
    assert logs["loss"] - logs["reconstruction"] == pytest.approx(averaged, rel=1e-3)


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    for text in ('kernel_size=4, upsampling="transpose"', "build_dense_vae(16, beta=1 / 16)"):
        assert code.count(text) == 1, f"{text!r} is named in an exercise"
