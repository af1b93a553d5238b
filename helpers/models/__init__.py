"""Networks, each built by a function that returns a `keras.Model`. Keras 3 only, so every backend runs them.

Every autoencoder is made by `join` of two models, and keeps them under the names "encoder" and "decoder".
"""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import keras


def join(encoder: keras.Model, decoder: keras.Model, *, name: str = "autoencoder") -> keras.Model:
    """Chain an encoder and a decoder into an autoencoder that shares their weights. Shown in lecture 01.

    Args:
        encoder: images to codes.
        decoder: codes to images; takes what the encoder gives.
        name: of the autoencoder.

    Returns:
        A model from images to images. `get_layer("encoder")` and `get_layer("decoder")` give the two parts.

    Raises:
        ValueError: the decoder does not take the encoder's codes.
    """
    if encoder.output_shape != decoder.input_shape:
        raise ValueError(
            f"The encoder gives codes of shape {encoder.output_shape}, but the decoder takes "
            f"{decoder.input_shape}. Build both with the same latent_dim."
        )
    if (encoder.name, decoder.name) != ("encoder", "decoder"):
        raise ValueError(
            f'The parts are named "{encoder.name}" and "{decoder.name}". '
            'Build them with name="encoder" and name="decoder", so that they can be found again.'
        )
    images = keras.Input(encoder.input_shape[1:], name="image")
    return keras.Model(images, decoder(encoder(images)), name=name)


def whole_number(name: str, value: Any, *, least: int = 1) -> int:
    """Return a whole number as Python's `int`; those of NumPy are whole numbers too.

    Raises:
        ValueError: it is no whole number, or less than `least`. The message begins with `name`.

    >>> import numpy as np
    >>> whole_number("latent_dim", np.int64(8))
    8
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; received {value!r}.")
    return int(value)


def whole_numbers(name: str, values: Any, *, least: int = 1) -> list[int]:
    """Return several whole numbers, such as the widths of layers, as `whole_number` does.

    Raises:
        ValueError: they are not several, or one is no whole number, or less than `least`.

    >>> import numpy as np
    >>> whole_numbers("hidden", (128, np.int64(64)))
    [128, 64]
    """
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise ValueError(f"{name} must be several whole numbers, such as ({values!r},); received {values!r}.")
    return [whole_number(f"Every number in {name}", value, least=least) for value in values]


def is_in_unit_range(model: keras.Model) -> bool:
    """Return whether what a model gives lies in [0, 1], because its last layer that computes has a sigmoid."""
    for layer in reversed(model.layers):
        if isinstance(layer, keras.Model):
            return is_in_unit_range(layer)
        if hasattr(layer, "activation"):
            return layer.activation is keras.activations.sigmoid
    return False
