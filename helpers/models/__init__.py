"""Networks, each built by a function that returns a `keras.Model`. Keras 3 only, so every backend runs them.

Every autoencoder is made by `join` of two models, and keeps them under the names "encoder" and "decoder".
"""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="course")
class Autoencoder(keras.Model):
    """An encoder and a decoder as one network, as `join` makes it, whose `fit` looks at what it is given.

    A saved one is loaded where `helpers.models` was imported, which makes the class known to Keras.
    """

    def fit(self, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> keras.callbacks.History:
        """Train, as every Keras model.

        Arrays are looked at before, those of `validation_data` too; a data set that is streamed is not.

        Raises:
            ValueError: images or targets hold NaN or infinity, targets have another shape than what is decoded, or
                hold numbers that a decoder ending in a sigmoid can never give, such as bytes.
        """
        self._check(x, y)
        if isinstance(validation := options.get("validation_data"), (list, tuple)):
            self._check(*validation[:2])
        return super().fit(x, y, *arguments, **options)

    def _check(self, x: Any, y: Any = None) -> None:
        target = x if y is None else y
        if hasattr(target, "shape") and not fits(target.shape[1:], self.output_shape[1:]):
            raise ValueError(
                f"The targets have shape {batch_shape(target.shape)}, but the decoder returns "
                f"{batch_shape(self.output_shape)}. An autoencoder learns by fit(images, images), a denoiser by "
                "fit(noisy, clean); labels have no part in it."
            )
        is_image = len(self.output_shape) == 4  # a sequence may be padded with a number that no step has
        check_images(x, "images")
        check_images(target, "images", bounds=(0, 1) if is_image and is_in_unit_range(self) else None)


def join(encoder: keras.Model, decoder: keras.Model, *, name: str = "autoencoder") -> Autoencoder:
    """Chain an encoder and a decoder into an autoencoder that shares their weights. Shown in lecture 01.

    Args:
        encoder: images to codes.
        decoder: codes to images; takes what the encoder gives.
        name: of the autoencoder.

    Returns:
        An `Autoencoder`, from images to images. `get_layer("encoder")` and `get_layer("decoder")` give the two parts.

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
    return Autoencoder(images, decoder(encoder(images)), name=name)


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


def fits(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    """Return whether a shape is the one wanted, where None stands for any size."""
    return len(shape) == len(wanted) and all(size in (None, given) for given, size in zip(shape, wanted, strict=True))


def batch_shape(shape: Sequence[int | None]) -> str:
    """Return the shape of a batch as text.

    >>> batch_shape((None, 28, 28, 1)), batch_shape((16,))
    ('(n, 28, 28, 1)', '(n,)')
    """
    return f"(n, {', '.join(map(str, shape[1:]))})" if len(shape) > 1 else "(n,)"


_ROUNDING = 0.01  # images that were enlarged or turned leave [0, 1] by a little
BYTES = 'Turn bytes into numbers in [0, 1]: images.astype("float32") / 255.'


def check_images(images: Any, name: str, *, bounds: tuple[float, float] | None = None) -> None:
    """Check the numbers of an array; what is no array, such as a data set that is streamed, is let pass.

    Args:
        images: any shape, the first axis that of images.
        name: what they are, for messages.
        bounds: the smallest and the largest number that make sense; None for any.

    Raises:
        ValueError: NaN, infinity, or a number out of bounds. The message says what to do.
    """
    if not isinstance(images, np.ndarray) and not keras.ops.is_tensor(images):
        return
    values = keras.ops.convert_to_numpy(images)
    if values.size == 0 or values.dtype.kind not in "fiub":
        raise ValueError(f"The {name} must be numbers, one image or more; received {values.dtype}, {values.shape}.")
    lowest, highest = values.min(), values.max()
    if not np.isfinite(lowest) or not np.isfinite(highest):
        broken = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        raise ValueError(
            f"{len(broken):,} of {len(values):,} {name} hold NaN or infinity, the first of them number {broken[0]}. "
            f"Replace these numbers, or leave these {name} out."
        )
    if bounds and not bounds[0] - _ROUNDING <= lowest <= highest <= bounds[1] + _ROUNDING:
        raise ValueError(
            f"The {name} hold numbers from {lowest:g} to {highest:g} ({values.dtype}), and what is decoded lies in "
            f"[{bounds[0]}, {bounds[1]}]. {BYTES}"
        )
