"""Noise and augmentation as layers, for autoencoders that denoise. Shown in lecture 05.

Images are float32, (batch, rows, columns, bands), values in [0, 1].
"""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="course")
class PixelNoise(layers.GaussianNoise):
    """Add Gaussian noise to every pixel in training, and cut the sum to [0, 1]; at any other time do nothing.

    Args:
        stddev: standard deviation of the noise, from 0 to 1, in units of ink.
        seed: of the noise; None for one drawn at random.

    Call it with images, float, any shape, values in [0, 1]; it returns their like.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the images, with noise if `training`."""
        noisy = super().call(inputs, training=training)
        return ops.clip(noisy, 0, 1) if training else noisy


def build_denoiser(autoencoder: keras.Model, *, stddev: float, seed: int = 0) -> keras.Model:
    """Put noise before an autoencoder, so that `fit(clean, clean)` learns to denoise. Shown in lecture 05.

    The noise is new in every epoch, and there is none in `predict` and `evaluate`: hand those noisy images
    (`helpers.data.noise.add_noise`) and, as the target, the clean ones.

    Args:
        autoencoder: made of the parts "encoder" and "decoder"; its weights are shared, not copied.
        stddev: standard deviation of the noise, from 0 to 1.
        seed: of the noise.

    Returns:
        A model, not compiled, with the same parts and shapes and as many weights.
    """
    encoder, decoder = (autoencoder.get_layer(part) for part in ("encoder", "decoder"))
    images = keras.Input(encoder.input_shape[1:], name="image")
    noisy = PixelNoise(stddev, seed=seed, name="noise")(images)
    return keras.Model(images, decoder(encoder(noisy)), name="denoiser")


def build_augmentation(
    *, shift: float = 0.1, rotation: float = 15, zoom: float = 0.1, seed: int = 0
) -> layers.Pipeline:
    """Build random shifts, rotations and zooms for a dataset: `batches.map(augmentation)`. Shown in lecture 05.

    An autoencoder is its input's own target, so augment once, and take input and target from the same result
    (`helpers.data.noise.denoising_batches` does). What comes in from outside of the image is paper, 0.

    Args:
        shift: largest shift, as a share of rows and of columns.
        rotation: largest angle, in degrees, to either side.
        zoom: largest change of the size, as a share of it.
        seed: of all three.

    Returns:
        A layer from images to images of the same shape and range, drawn anew in every call.
    """
    paper = {"fill_mode": "constant", "fill_value": 0.0}
    return layers.Pipeline(
        [
            layers.RandomTranslation(shift, shift, seed=seed, **paper),
            layers.RandomRotation(rotation / 360, seed=seed + 1, **paper),  # Keras counts in full turns
            layers.RandomZoom((-zoom, zoom), seed=seed + 2, **paper),
        ],
        name="augmentation",
    )
