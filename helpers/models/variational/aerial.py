"""The family of VAEs that H. Staerk compared on aerial tiles of DFC2019. Shown in lecture 10.

All take 128 x 128 pixels. Each level halves them and doubles the channels, down to a bottleneck such as 16 x 16 x 32:
the fewer levels, the larger the bottleneck, and with it the dense layers on both sides of the code, which hold nearly
all parameters.
"""

from typing import Any, Literal

import keras
from keras import layers

from helpers.models import convolutional
from helpers.models.variational.builders import add_heads
from helpers.models.variational.vae import VAE

Pooling = Literal["strided", "max", "average", "replace"]
IMAGE_SHAPE = (128, 128, 3)
BOTTLENECKS = {"2x2x256": 6, "4x4x128": 5, "8x8x64": 4, "16x16x32": 3, "32x32x32": 2}
"""The bottlenecks of the thesis (rows x columns x channels), and how many levels lead there."""


def aerial_vae(
    bottleneck: str = "16x16x32",
    *,
    kernel: int = 3,
    pooling: Pooling = "strided",
    latent_dim: int = 1024,
    beta: float = 1.0,
    seed: int = 0,
) -> VAE:
    """Build one of the family.

    The loss is the sum over pixels and bands of the absolute error, plus `beta` times KL. The thesis writes the mean
    in place of the sum and divides KL by 128 * 128 * 3: the same loss, 49,152 times smaller, and to Adam the same.

    Args:
        bottleneck: one of `BOTTLENECKS`.
        kernel: width of the convolutions, 3 or 5 in the thesis.
        pooling: how a level halves: "strided", its convolution moves by 2; "max" or "average", a pool of 2 x 2 follows
            it; "replace", a second convolution, which moves by 2, follows it in place of a pool (Springenberg et al.,
            2015, https://arxiv.org/abs/1412.6806; the thesis gives no layers for its name).
        latent_dim: numbers in a code.
        beta: weight of KL.
        seed: of the samples.

    Returns:
        A `VAE`, not compiled: images float32, (batch, 128, 128, 3), values in [0, 1].

    Raises:
        ValueError: no such bottleneck or pooling.
    """
    if bottleneck not in BOTTLENECKS or pooling not in ("strided", "max", "average", "replace"):
        raise ValueError(
            f"bottleneck must be one of {', '.join(BOTTLENECKS)} and pooling strided, max, average or replace; "
            f"received {bottleneck!r}, {pooling!r}."
        )
    channels = int(bottleneck.split("x")[-1])
    filters = tuple(channels >> level for level in reversed(range(BOTTLENECKS[bottleneck])))
    encoder = add_heads(_trunk(filters, kernel, pooling), latent_dim, seed=seed)
    decoder = convolutional.build_decoder(
        latent_dim,
        filters=filters,
        kernel_size=kernel,
        output_shape=IMAGE_SHAPE,
        activation="selu",
        upsampling="transpose",
    )
    return VAE(encoder, decoder, beta=beta, reconstruction="mae", name="aerial_vae")


def _trunk(filters: tuple[int, ...], kernel: int, pooling: Pooling) -> keras.Model:
    """Build the levels: (batch, 128, 128, 3) -> the bottleneck."""
    x = images = keras.Input(IMAGE_SHAPE, name="image")
    for level, channels in enumerate(filters, start=1):
        options: dict[str, Any] = {"padding": "same", "activation": "selu"}
        stride = 2 if pooling == "strided" else 1
        x = layers.Conv2D(channels, kernel, strides=stride, name=f"down_{level}", **options)(x)
        if pooling == "max":
            x = layers.MaxPooling2D(2, name=f"pool_{level}")(x)
        elif pooling == "average":
            x = layers.AveragePooling2D(2, name=f"pool_{level}")(x)
        elif pooling == "replace":
            x = layers.Conv2D(channels, kernel, strides=2, name=f"halve_{level}", **options)(x)
    return keras.Model(images, x, name="trunk")
