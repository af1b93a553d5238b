"""The importance-weighted bound: against a linear-Gaussian model whose likelihood is known, and against the ELBO."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.stats import multivariate_normal

from helpers.models.variational import VAE, Sampling, build_conditional_vae, build_dense_vae, importance_weighted_bound

WEIGHTS = np.array([[1.2, 0.0], [0.0, -0.7], [0.9, 0.0]], np.float32)  # of x = W z + b; its columns are orthogonal
BIAS = np.array([0.3, -0.5, 1.0], np.float32)
IMAGES = np.random.default_rng(3).standard_normal((40, 1, 3, 1)).astype("float32")
# p(x | z) has variance 1/2, so the posterior has precision I + 2 W'W, a diagonal, and mean 2 W'(x - b) / precision.
PRECISION = 1 + 2 * (WEIGHTS**2).sum(axis=0)
LIKELIHOOD = multivariate_normal(BIAS, WEIGHTS @ WEIGHTS.T + np.eye(3) / 2)


def linear_gaussian(slope, shift, log_var):
    """Build a VAE with the decoder W z + b, and an encoder of this mean, slope (x - b) + shift, and log-variance."""
    images, codes = keras.Input((1, 3, 1)), keras.Input((2,))
    z_mean_layer, z_log_var_layer, decode = layers.Dense(2), layers.Dense(2), layers.Dense(3)
    flat = layers.Flatten()(images)
    z_mean, z_log_var = z_mean_layer(flat), z_log_var_layer(flat)
    outputs = [z_mean, z_log_var, Sampling(seed=0)([z_mean, z_log_var])]
    decoded = layers.Reshape((1, 3, 1))(decode(codes))
    z_mean_layer.set_weights([slope, shift - BIAS @ slope])
    z_log_var_layer.set_weights([np.zeros((3, 2)), log_var])
    decode.set_weights([WEIGHTS.T, BIAS])
    encoder = keras.Model(images, outputs, name="encoder")
    return VAE(encoder, keras.Model(codes, decoded, name="decoder"), reconstruction="mse")


def exact():
    return linear_gaussian(2 * WEIGHTS / PRECISION, np.zeros(2), -np.log(PRECISION))


def wrong():
    return linear_gaussian(2 * WEIGHTS / PRECISION, np.array([0.3, -0.2]), -np.log(PRECISION) + 0.4)


@pytest.mark.parametrize("samples", [1, 7])
def test_with_the_true_posterior_it_is_the_likelihood_whatever_is_drawn(samples):
    found = importance_weighted_bound(exact(), IMAGES, samples, seed=samples)
    np.testing.assert_allclose(found, LIKELIHOOD.logpdf(IMAGES.reshape(-1, 3)), atol=1e-4)


def test_with_another_posterior_the_gap_is_the_kl_and_closes_with_more_samples():
    """KL(N(m + d, e s^2) || N(m, s^2)) = (d^2 / s^2 + e - 1 - log e) / 2, the same for every image."""
    gap = ((np.array([0.3, -0.2]) ** 2 * PRECISION + np.exp(0.4) - 1 - 0.4) / 2).sum()
    images = np.repeat(IMAGES, 50, axis=0)  # (2000, 1, 3, 1)
    true = LIKELIHOOD.logpdf(images.reshape(-1, 3)).mean()
    one, ten, hundred = (importance_weighted_bound(wrong(), images, count, seed=0).mean() for count in (1, 10, 100))
    assert true - one == pytest.approx(gap, abs=0.05) and gap > 0.2
    assert one < ten < hundred and true == pytest.approx(hundred, abs=0.02)


@pytest.mark.parametrize("reconstruction", ["bce", "mae"])
def test_one_sample_is_the_elbo(reconstruction):
    vae = build_dense_vae(2, hidden=(8,), input_shape=(4, 4, 1), reconstruction=reconstruction)
    vae.compile()
    images = np.repeat(np.random.default_rng(0).random((4, 4, 4, 1)).round().astype("float32"), 200, axis=0)
    loss = vae.evaluate(images, batch_size=200, verbose=0, return_dict=True)["loss"]
    elbo = -loss - (16 * np.log(2) if reconstruction == "mae" else 0)
    assert importance_weighted_bound(vae, images, 1, seed=0).mean() == pytest.approx(elbo, abs=0.2)


def test_the_same_seed_gives_the_same_numbers_and_batches_do_not_matter():
    first, again = (importance_weighted_bound(wrong(), IMAGES, 3, seed=1, batch_size=size) for size in (7, 40))
    np.testing.assert_allclose(first, again, rtol=1e-4)
    assert first.shape == (40,) and first.dtype == np.float64
    assert not np.allclose(first, importance_weighted_bound(wrong(), IMAGES, 3, seed=2))


def test_what_it_cannot_bound_is_refused():
    plain, images = build_dense_vae(2, hidden=(8,)), np.zeros((3, 28, 28, 1), np.float32)
    for samples in (0, 1.5):
        with pytest.raises(ValueError, match="samples"):
            importance_weighted_bound(plain, images, samples, seed=0)
    with pytest.raises(ValueError, match="without labels"):
        importance_weighted_bound(build_conditional_vae(2, hidden=(8,)), images, 1, seed=0)
    for wrong_images in (images[:, :14], np.full_like(images, 255)):
        with pytest.raises(ValueError, match=r"decoder returns|is decoded lies"):
            importance_weighted_bound(plain, wrong_images, 1, seed=0)
