"""Noisy images with their clean ones, as arrays and as batches. Used by lecture 05.

Images are float32, (n, rows, columns, bands), values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def add_noise(images: np.ndarray, stddev: float, *, seed: int) -> np.ndarray:
    """Add Gaussian noise to every pixel, and cut the sum to [0, 1]. Shown in lecture 05.

    Args:
        images: float32, any shape, values in [0, 1]; left as they are.
        stddev: standard deviation of the noise, at least 0, in units of ink.
        seed: whole number of at least 0; give test images another one than training images.

    Returns:
        float32, of the same shape, values in [0, 1].

    Raises:
        ValueError: `images` are not in [0, 1], or `stddev` is negative.

    >>> add_noise(np.zeros((2, 28, 28, 1), np.float32), 0.5, seed=0).shape
    (2, 28, 28, 1)
    """
    if stddev < 0:
        raise ValueError(f"stddev must be at least 0; received {stddev}. Try 0.5.")
    if images.size and not 0 <= images.min() <= images.max() <= 1:
        raise ValueError(
            f"images must lie in [0, 1]; received {images.min():.3g} to {images.max():.3g}. Divide bytes by 255 first."
        )
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + np.float32(stddev) * noise, 0, 1, dtype=np.float32)


def denoising_batches(
    images: np.ndarray,
    *,
    stddev: float,
    augmentation: Callable[[Any], Any] | None = None,
    batch_size: int = 128,
    seed: int = 0,
) -> tf.data.Dataset:
    """Give batches for `fit`: noisy in, clean out, both from the same augmented images. Shown in lecture 05.

    Args:
        images: float32, (n, rows, columns, bands), values in [0, 1].
        stddev: standard deviation of the noise; 0 for none, where the model has a noise layer of its own.
        augmentation: made by `helpers.models.denoising.build_augmentation`; None for the images as they are.
        batch_size: images in a batch; the last one is smaller if need be.
        seed: of the order and of the noise.

    Returns:
        A dataset of (noisy, clean), each float32, (batch, rows, columns, bands). Every pass has another order, other
        noise and another augmentation; a dataset made with the same seeds goes through the same passes.
    """
    import tensorflow as tf  # slow to import, and only needed here

    random = tf.random.Generator.from_seed(seed)

    def pair(clean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = random.normal(tf.shape(clean), stddev=stddev)
        return tf.clip_by_value(clean + noise, 0, 1), clean

    batches = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images), seed=seed).batch(batch_size)
    if augmentation is not None:
        batches = batches.map(augmentation)
    return batches.map(pair).prefetch(1)
