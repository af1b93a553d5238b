"""What a variational loss is made of: the sample, the KL divergence, the reconstruction. Shown in lecture 06."""

import math
from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="course")
class Sampling(layers.Layer):
    """Draw z from N(z_mean, exp(z_log_var)), so that gradients pass: z = z_mean + exp(z_log_var / 2) * epsilon.

    Args:
        seed: of the noise `epsilon`, which is drawn anew in every call; None for one drawn at random.

    Call it with `(z_mean, z_log_var)`, each float, (batch, latent_dim); it returns z of the same shape.
    """

    def __init__(self, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: tuple[Any, Any]) -> Any:
        """Return one sample per code."""
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), dtype=z_mean.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(z_log_var / 2) * epsilon

    def compute_output_shape(self, input_shape: tuple[tuple, tuple]) -> tuple:
        """Give the shape of z_mean."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Give the arguments, to save the layer with a model."""
        return {**super().get_config(), "seed": self.seed}


def kl_standard_normal(z_mean: Any, z_log_var: Any) -> Any:
    """Return KL(N(z_mean, exp(z_log_var)) || N(0, 1)), axis by axis, in nats. Derived in lecture 06.

    (z_mean^2 + exp(z_log_var) - 1 - z_log_var) / 2; zero where mean and log-variance are. Sum it over the latent axis.

    Args:
        z_mean, z_log_var: float tensors of one shape.
    """
    return (ops.square(z_mean) + ops.exp(z_log_var) - 1 - z_log_var) / 2


def kl_monte_carlo(z: Any, z_mean: Any, z_log_var: Any) -> Any:
    """Return log q(z) - log p(z) of samples, axis by axis, in nats; its mean over samples is `kl_standard_normal`.

    Args:
        z: float tensor, drawn from N(z_mean, exp(z_log_var)).
        z_mean, z_log_var: float tensors of a shape that fits to `z`.
    """
    return log_normal(z, z_mean, z_log_var) - log_normal(z, 0.0, 0.0)


def log_normal(z: Any, mean: Any, log_var: Any) -> Any:
    """Return the log-density of N(mean, exp(log_var)) at z, element by element, in nats."""
    return -(math.log(2 * math.pi) + log_var + ops.square(z - mean) * ops.exp(-log_var)) / 2


def sum_over_image(values: Any) -> Any:
    """Sum over every axis but the first: (batch, ...) -> (batch,)."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


RECONSTRUCTIONS = {  # per number; images in, reconstructions out
    "bce": ops.binary_crossentropy,
    "mse": lambda images, found: ops.square(images - found),
    "mae": lambda images, found: ops.abs(images - found),
}
