"""Sequence-to-sequence autoencoders made of LSTMs. Shown in lecture 09.

Sequences are float32, (batch, steps, features), values in [0, 1]: the rows of a digit are 28 steps of 28 features.
"""

from typing import Any

import keras
from keras import layers

from helpers.models import join, whole_number


def build_encoder(
    latent_dim: int = 32, *, steps: int = 28, features: int = 28, units: int | None = None, padding: float | None = None
) -> keras.Model:
    """Build an encoder: an LSTM reads the sequence, and what it remembers at the end is the code. Shown in lecture 09.

    Args:
        latent_dim: numbers in a code, at least 1.
        steps: length of the sequences; of the longest, if they are padded.
        features: numbers in a step.
        units: of the LSTM, if a dense layer shall make the code from its memory; None for `latent_dim` and none.
        padding: a step of which every feature has this value is skipped, so that shorter sequences can be padded with
            it at their end. Choose one that no real step has, such as -1. None for sequences of one length.

    Returns:
        A model named "encoder": (batch, steps, features) -> (batch, latent_dim), values in (-1, 1).

    Raises:
        ValueError: a number is not a positive whole one.
    """
    latent_dim, steps, features, units = _whole(latent_dim, steps, features, units)
    sequences = keras.Input((steps, features), name="sequence")  # (batch, steps, features)
    x = sequences if padding is None else layers.Masking(padding, name="skip_padding")(sequences)
    if units is None:
        return keras.Model(sequences, layers.LSTM(latent_dim, name="code")(x), name="encoder")
    x = layers.LSTM(units, name="reader")(x)  # -> (batch, units)
    codes = layers.Dense(latent_dim, activation="tanh", name="code")(x)  # -> (batch, latent_dim)
    return keras.Model(sequences, codes, name="encoder")


def build_decoder(
    latent_dim: int = 32, *, steps: int = 28, features: int = 28, units: int | None = None
) -> keras.Model:
    """Build a decoder: the code is repeated for every step, and an LSTM makes a sequence of it. Shown in lecture 09.

    Args:
        latent_dim, steps, features: as in `build_encoder`.
        units: of the LSTM; None for `latent_dim`.

    Returns:
        A model named "decoder": (batch, latent_dim) -> (batch, steps, features), values in [0, 1].

    Raises:
        ValueError: a number is not a positive whole one.
    """
    latent_dim, steps, features, units = _whole(latent_dim, steps, features, units)
    units = units or latent_dim
    codes = keras.Input((latent_dim,), name="code")  # (batch, latent_dim)
    x = layers.RepeatVector(steps, name="repeat")(codes)  # -> (batch, steps, latent_dim)
    x = layers.LSTM(units, return_sequences=True, name="writer")(x)  # -> (batch, steps, units)
    x = layers.Dense(features, activation="sigmoid", name="sequence")(x)  # -> (batch, steps, features)
    return keras.Model(codes, x, name="decoder")


def build_autoencoder(
    latent_dim: int = 32, *, steps: int = 28, features: int = 28, units: int | None = None, padding: float | None = None
) -> keras.Model:
    """Build a sequence-to-sequence autoencoder (Srivastava et al., 2015). Shown in lecture 09.

    Args:
        latent_dim, steps, features, units, padding: as in `build_encoder`; the decoder has as many units.

    Returns:
        A model, not compiled: (batch, steps, features) -> (batch, steps, features). A padded step is written like any
        other: where there are some, fit with `sample_weight`, (n, steps), 0 for padding (`real_steps` gives it).
    """
    common: dict[str, Any] = {"steps": steps, "features": features, "units": units}
    return join(build_encoder(latent_dim, padding=padding, **common), build_decoder(latent_dim, **common))


def real_steps(sequences: Any, padding: float) -> Any:
    """Return which steps are real, and which are padding, as weights for `fit` and `evaluate`.

    Args:
        sequences: float array, (n, steps, features).
        padding: the value that fills every feature of a padded step.

    Returns:
        float32, (n, steps), 1 for a real step and 0 for padding.

    >>> import numpy as np
    >>> real_steps(np.array([[[0.5, 0.1], [-1, 0.2], [-1, -1]]]), padding=-1)
    array([[1., 1., 0.]], dtype=float32)
    """
    return (sequences != padding).any(axis=-1).astype("float32")


def _whole(latent_dim: int, steps: int, features: int, units: int | None) -> tuple[int, int, int, int | None]:
    latent_dim, steps = whole_number("latent_dim", latent_dim), whole_number("steps", steps)
    return (
        latent_dim,
        steps,
        whole_number("features", features),
        None if units is None else whole_number("units", units),
    )
