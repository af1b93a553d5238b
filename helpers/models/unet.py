"""From image to image: a plain encoder and decoder, and the U-Net, which adds skips (lectures 11 and 12).

The U-Net is that of Ronneberger, Fischer & Brox (2015, https://arxiv.org/abs/1505.04597), with convolutions that keep
the size ("same"), so that every pixel of the image gets its class.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers

from helpers.models import whole_number, whole_numbers

Upsampling = Literal["nearest", "transpose"]
Outputs = Literal["classes", "values"]
_LAST = {"classes": ("softmax", "probabilities"), "values": ("linear", "values")}  # activation and name

MOMENTUM = 0.9
"""Of the means that batch normalisation keeps for prediction: with the 0.99 of Keras they are still those of the random
start after the few hundred steps of a lecture, and a network that fits its training data predicts nonsense."""


def build_unet(
    num_classes: int = 7,
    *,
    input_shape: tuple[int | None, int | None, int] = (None, None, 26),
    filters: Sequence[int] = (16, 32, 64, 128),
    skips: bool = True,
    batch_norm: bool = True,
    dropout: float = 0.0,
    spatial_dropout: float = 0.0,
    upsampling: Upsampling = "nearest",
    activation: str = "relu",
    outputs: Outputs = "classes",
) -> keras.Model:
    """Build a U-Net, or without skips the plain encoder and decoder of the same depth. Shown in lecture 12.

    Args:
        num_classes: what each pixel may be, at least 2; with `outputs="values"` the bands of the target, at least 1.
        input_shape: (rows, columns, bands). With None for rows and columns the model takes every size that is a
            multiple of 2 to the power of the depth.
        filters: channels at each level, from the image's resolution down to the bottom; the depth is one less than
            there are numbers.
        skips: lead the encoder's maps across to the decoder, level by level.
        batch_norm: normalise over the batch after each convolution.
        dropout: share of numbers that is dropped at the bottom in training.
        spatial_dropout: share of whole channels that is dropped after each level in training.
        upsampling: "nearest" repeats each pixel and convolves; "transpose" learns how to enlarge.
        activation: of all convolutions but the last.
        outputs: "classes" gives probabilities; "values" gives numbers without bounds, for a target that is an image.

    Returns:
        A model named "unet" or "encoder_decoder": (batch, rows, columns, bands) -> (batch, rows, columns, num_classes),
        float32, under mixed precision as well: probabilities that sum to 1 in every pixel, or values. The encoder's
        levels are named "down_1", "down_2", …, "bottom", the decoder's "up_…" down to "up_1".

    Raises:
        ValueError: an argument makes no sense, or an image has a size that does not fit. The message says which fit.
    """
    _check(outputs, input_shape, filters, dropout, spatial_dropout, upsampling)
    num_classes = whole_number("num_classes", num_classes, least=2 if outputs == "classes" else 1)
    filters = whole_numbers("filters", filters)
    block = _Block(batch_norm, spatial_dropout, activation)
    *levels, bottom = filters
    images = keras.Input(input_shape, name="image")  # (batch, rows, columns, bands)
    x, maps = MultipleOf(2 ** len(levels), name="check_size")(images), []
    for level, channels in enumerate(levels, start=1):
        x = block(x, channels, f"down_{level}")  # (batch, rows, columns, channels)
        maps.append(x)
        x = layers.MaxPooling2D(name=f"pool_{level}")(x)  # -> (batch, rows / 2, columns / 2, channels)
    x = block(x, bottom, "bottom")
    x = layers.Dropout(dropout, name="dropout")(x)
    for level, channels in reversed(list(enumerate(levels, start=1))):
        x = _enlarge(x, channels, upsampling, activation, f"enlarge_{level}")  # -> (batch, 2 rows, 2 columns, channels)
        x = layers.Concatenate(name=f"skip_{level}")([maps[level - 1], x]) if skips else x
        x = block(x, channels, f"up_{level}")
    x = layers.Conv2D(num_classes, 1, name="scores")(x)  # -> (batch, rows, columns, num_classes)
    function, name = _LAST[outputs]
    x = layers.Activation(function, dtype="float32", name=name)(x)
    return keras.Model(images, x, name="unet" if skips else "encoder_decoder")


@keras.saving.register_keras_serializable(package="course")
class MultipleOf(layers.Layer):
    """Let images pass whose rows and columns are multiples of a number, and refuse others in plain words.

    Args:
        divisor: the number; halving by pooling `n` times needs 2 to the power of `n`.
    """

    def __init__(self, divisor: int, **options: Any) -> None:
        super().__init__(**options)
        self.divisor = divisor

    def call(self, images: Any) -> Any:
        """Return the images as they are.

        Raises:
            ValueError: the size does not fit.
        """
        self.compute_output_shape(images.shape)
        return images

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape as it is; where rows and columns are None, any size may come.

        Raises:
            ValueError: the size does not fit.
        """
        rows, columns = input_shape[1:3]
        if (rows or 0) % self.divisor or (columns or 0) % self.divisor:
            fitting = " x ".join(_near(size, self.divisor) for size in (rows, columns))
            raise ValueError(
                f"images of {rows} x {columns} pixels cannot be halved {self.divisor.bit_length() - 1} times: rows and "
                f"columns must be multiples of {self.divisor}. Cut them to {fitting}, or build the model with fewer "
                "levels (shorter filters)."
            )
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the layer with a model."""
        return {**super().get_config(), "divisor": self.divisor}


class _Block:
    """Two convolutions of 3 x 3: what a level does."""

    def __init__(self, batch_norm: bool, spatial_dropout: float, activation: str) -> None:
        self.batch_norm, self.spatial_dropout, self.activation = batch_norm, spatial_dropout, activation

    def __call__(self, x: Any, channels: int, name: str) -> Any:
        for part in ("a", "b"):
            convolution = layers.Conv2D(
                channels, 3, padding="same", use_bias=not self.batch_norm, name=f"{name}{part}_convolution"
            )
            x = convolution(x)
            x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}{part}_norm")(x) if self.batch_norm else x
            x = layers.Activation(self.activation, name=f"{name}{part}")(x)
        if self.spatial_dropout:
            x = layers.SpatialDropout2D(self.spatial_dropout, name=f"{name}_dropout")(x)
        return x


def _enlarge(x: Any, channels: int, upsampling: Upsampling, activation: str, name: str) -> Any:
    """Double rows and columns."""
    if upsampling == "transpose":
        return layers.Conv2DTranspose(channels, 2, strides=2, activation=activation, name=name)(x)
    x = layers.UpSampling2D(name=f"{name}_nearest")(x)
    return layers.Conv2D(channels, 3, padding="same", activation=activation, name=name)(x)


def _near(size: int | None, divisor: int) -> str:
    """Name the nearest sizes that fit.

    >>> _near(250, 8), _near(5, 8), _near(16, 8), _near(None, 8)
    ('248 or 256', '8', '16', 'any')
    """
    if size is None:
        return "any"
    below = size // divisor * divisor
    if below == size or below == 0:
        return str(below or divisor)
    return f"{below} or {below + divisor}"


def _check(
    outputs: str,
    input_shape: Sequence[int | None],
    filters: Sequence[int],
    dropout: float,
    spatial_dropout: float,
    upsampling: str,
) -> None:
    if outputs not in ("classes", "values"):
        raise ValueError(f'outputs must be "classes" or "values"; received {outputs!r}.')
    if len(filters) < 2:
        raise ValueError(f"filters wants two or more whole numbers, such as (16, 32, 64); received {filters!r}.")
    if len(input_shape) != 3 or input_shape[2] is None:
        raise ValueError(f"input_shape must be (rows, columns, bands), the bands a number; received {input_shape!r}.")
    if not (0 <= dropout < 1 and 0 <= spatial_dropout < 1):
        raise ValueError(f"dropout and spatial_dropout must be 0 to below 1; received {dropout}, {spatial_dropout}.")
    if upsampling not in ("nearest", "transpose"):
        raise ValueError(f'upsampling must be "nearest" or "transpose"; received {upsampling!r}.')
