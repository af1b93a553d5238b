"""The terms of a variational loss: KL against its closed form and samples, gradients through the sample."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.models.variational import Sampling, kl_monte_carlo, kl_standard_normal

NORMALS = [(0.0, 0.0), (1.5, 0.0), (0.0, -2.0), (-0.7, 1.2)]  # z_mean, z_log_var


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(("z_mean", "z_log_var"), NORMALS)
def test_kl_is_the_closed_form(z_mean, z_log_var):
    """KL(N(m, s^2) || N(0, 1)) = log(1 / s) + (s^2 + m^2) / 2 - 1 / 2."""
    sigma = np.exp(z_log_var / 2)
    by_hand = np.log(1 / sigma) + (sigma**2 + z_mean**2) / 2 - 1 / 2
    found = kl_standard_normal(np.float32(z_mean), np.float32(z_log_var))
    assert float(found) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(("z_mean", "z_log_var"), NORMALS)
def test_kl_is_the_mean_of_100_000_samples(z_mean, z_log_var):
    epsilon = np.random.default_rng(1).standard_normal(100_000).astype("float32")
    z = np.float32(z_mean) + np.exp(np.float32(z_log_var) / 2) * epsilon
    samples = numpy_of(kl_monte_carlo(z, np.float32(z_mean), np.float32(z_log_var)))
    found = float(kl_standard_normal(np.float32(z_mean), np.float32(z_log_var)))
    assert samples.mean() == pytest.approx(found, abs=5 * samples.std() / np.sqrt(len(samples)) + 1e-6)


def test_samples_have_the_wanted_mean_and_deviation():
    z_mean, z_log_var = np.full((50_000, 2), [1.0, -2.0], np.float32), np.full((50_000, 2), [0.0, -3.0], np.float32)
    z = numpy_of(Sampling(seed=0)((z_mean, z_log_var)))
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=0.02)
    np.testing.assert_allclose(z.std(axis=0), np.exp([0, -1.5]), rtol=0.02)


class Codes(layers.Layer):
    """One code as weights, sampled: what `fit` does to them shows the gradients on any backend."""

    def __init__(self, z_mean, z_log_var, seed):
        super().__init__()
        self.z_mean, self.z_log_var = (
            self.add_weight(shape=(1, 4), initializer=keras.initializers.Constant(value))
            for value in (z_mean, z_log_var)
        )
        self.sampling = Sampling(seed=seed)

    def call(self, inputs):  # noqa: D102
        return 0 * inputs + self.sampling((ops.convert_to_tensor(self.z_mean), ops.convert_to_tensor(self.z_log_var)))


def test_the_gradient_passes_the_sample():
    """D z / d z_mean = 1 and d z / d z_log_var = epsilon sigma / 2: one step of SGD on the sum of z."""
    z_mean, z_log_var = 0.3, -1.0
    codes, sigma = Codes(z_mean, z_log_var, seed=5), np.exp(z_log_var / 2)
    zeros = np.zeros((1, 4), np.float32)
    epsilon = (numpy_of(Codes(z_mean, z_log_var, seed=5)(zeros)) - z_mean) / sigma
    model = keras.Sequential([codes])
    model.compile(keras.optimizers.SGD(1.0), lambda _, z: ops.sum(z, axis=-1))
    model.fit(zeros, zeros, verbose=0)
    np.testing.assert_allclose(z_mean - numpy_of(codes.z_mean), np.ones((1, 4)), atol=1e-5)
    np.testing.assert_allclose(z_log_var - numpy_of(codes.z_log_var), epsilon * sigma / 2, atol=1e-5)
    assert np.abs(epsilon).min() > 1e-3
