"""Autoencoders made of convolutions (lecture 04); noise and augmentation as layers, to denoise (05).

Images are float32, (batch, rows, columns, bands), values in [0, 1]. A level divides rows and columns by its stride and
changes the number of channels; the decoder is the encoder's mirror image, level by level. Codes are maps, float32,
(batch, rows, columns, channels), or flat, float32, (batch, latent_dim).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

import keras
from keras import layers, ops

from helpers.models import Autoencoder, join, whole_number, whole_numbers

Shape = tuple[int, int, int]
Upsampling = Literal["nearest", "transpose"]


def build_encoder(
    latent_dim: int | None = None,
    *,
    filters: Sequence[int] = (16, 32),
    strides: int | Sequence[int] = 2,
    kernel_size: int | Sequence[int] = 3,
    input_shape: Shape = (28, 28, 1),
    activation: str = "relu",
    code_activation: str = "relu",
    batch_norm: bool = False,
) -> keras.Model:
    """Build an encoder: one strided convolution per level, from the image down to the code. Shown in lecture 04.

    Args:
        latent_dim: numbers in a flat code; None for a map, whose channels are the last of `filters`.
        filters: channels after each level, from the image on; as many levels as numbers.
        strides: by how much a level divides rows and columns; one number for all levels, or one each. The levels
            (2, 2, 7) take 28 x 28 pixels down to 1 x 1.
        kernel_size: width of the kernels; one number for all levels, or one each, none smaller than its stride.
        input_shape: (rows, columns, bands); rows and columns are multiples of the product of the strides.
        activation: of the levels.
        code_activation: of the code; where that is a map, of the last level.
        batch_norm: normalise each level over the batch, between convolution and activation.

    Returns:
        A model named "encoder": (batch, *input_shape) -> (batch, rows, columns, channels) or (batch, latent_dim).
        Its levels are named "down_1", "down_2", ….

    Raises:
        ValueError: a number is not a positive whole one, or the image cannot be divided so. The message says which
            sizes and which strides fit.
    """
    levels = _levels(filters, strides, kernel_size, input_shape)
    images = keras.Input(input_shape, name="image")  # (batch, rows, columns, bands)
    x = images
    for depth, (channels, stride, kernel) in enumerate(levels, start=1):
        is_code = latent_dim is None and depth == len(levels)
        make = partial(layers.Conv2D, channels, kernel, strides=stride, padding="same")
        # -> (batch, rows / stride, columns / stride, channels)
        x = _level(x, make, code_activation if is_code else activation, batch_norm, f"down_{depth}")
    if latent_dim is not None:
        latent_dim = whole_number("latent_dim", latent_dim)
        x = layers.Flatten(name="features")(x)  # -> (batch, rows * columns * channels)
        x = layers.Dense(latent_dim, activation=code_activation, name="code")(x)  # -> (batch, latent_dim)
    return keras.Model(images, x, name="encoder")


def build_decoder(
    latent_dim: int | None = None,
    *,
    filters: Sequence[int] = (16, 32),
    strides: int | Sequence[int] = 2,
    kernel_size: int | Sequence[int] = 3,
    output_shape: Shape = (28, 28, 1),
    activation: str = "relu",
    batch_norm: bool = False,
    upsampling: Upsampling = "nearest",
) -> keras.Model:
    """Build the mirror image of `build_encoder`, from the code up to an image. Shown in lecture 04.

    Args:
        latent_dim, filters, strides, kernel_size, activation, batch_norm: those of the encoder, in the encoder's
            order: the first of `filters` is the one nearest to the image.
        output_shape: the encoder's `input_shape`.
        upsampling: "nearest" repeats every pixel and then convolves; "transpose" is a transposed convolution, which
            leaves a checkerboard, worst where the kernel is no multiple of the stride (Odena et al., 2016,
            doi:10.23915/distill.00003).

    Returns:
        A model named "decoder": (batch, rows, columns, channels) or (batch, latent_dim) -> (batch, *output_shape),
        values in [0, 1]. Its levels are named "up_1", "up_2", …, the last one "image"; that one is never normalised.

    Raises:
        ValueError: as `build_encoder`, or `upsampling` is neither of the two.
    """
    levels = _levels(filters, strides, kernel_size, output_shape)
    _check_upsampling(upsampling)
    code_shape = _code_shape(levels, output_shape)
    codes, x = _unflatten(latent_dim, code_shape, activation)
    wanted = [output_shape[-1], *(channels for channels, _, _ in levels[:-1])]  # channels after each level, mirrored
    for depth, (channels, (_, stride, kernel)) in enumerate(zip(wanted[::-1], levels[::-1], strict=True), start=1):
        if upsampling == "nearest":
            x = layers.UpSampling2D(stride, interpolation="nearest", name=f"nearest_{depth}")(x)
            make = partial(layers.Conv2D, channels, kernel, padding="same")
        else:
            make = partial(layers.Conv2DTranspose, channels, kernel, strides=stride, padding="same")
        if depth == len(levels):
            x = make(activation="sigmoid", name="image")(x)  # -> (batch, *output_shape)
        else:  # -> (batch, rows * stride, columns * stride, channels)
            x = _level(x, make, activation, batch_norm, f"up_{depth}")
    return keras.Model(codes, x, name="decoder")


def build_autoencoder(
    latent_dim: int | None = None,
    *,
    filters: Sequence[int] = (16, 32),
    strides: int | Sequence[int] = 2,
    kernel_size: int | Sequence[int] = 3,
    input_shape: Shape = (28, 28, 1),
    activation: str = "relu",
    code_activation: str = "relu",
    batch_norm: bool = False,
    upsampling: Upsampling = "nearest",
) -> keras.Model:
    """Build an encoder and its mirror image as decoder, joined. Shown in lecture 04.

    Args:
        latent_dim, filters, strides, kernel_size, input_shape, activation, code_activation, batch_norm: as in
            `build_encoder`.
        upsampling: as in `build_decoder`.

    Returns:
        A model, not compiled: (batch, *input_shape) -> (batch, *input_shape).
    """
    common: dict[str, Any] = {"filters": filters, "strides": strides, "kernel_size": kernel_size}
    common |= {"activation": activation, "batch_norm": batch_norm}
    encoder = build_encoder(latent_dim, input_shape=input_shape, code_activation=code_activation, **common)
    return join(encoder, build_decoder(latent_dim, output_shape=input_shape, upsampling=upsampling, **common))


def _level(x: Any, make: Callable[..., Any], activation: str, batch_norm: bool, name: str) -> Any:
    if not batch_norm:
        return make(activation=activation, name=name)(x)
    x = make(use_bias=False, name=f"{name}_convolution")(x)  # the normalisation brings a bias of its own
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation(activation, name=name)(x)


def _unflatten(latent_dim: int | None, code_shape: Shape, activation: str) -> tuple[Any, Any]:
    """Return the decoder's input and the map that its levels begin with."""
    if latent_dim is None:
        codes = keras.Input(code_shape, name="code")  # (batch, rows, columns, channels)
        return codes, codes
    latent_dim = whole_number("latent_dim", latent_dim)
    codes = keras.Input((latent_dim,), name="code")  # (batch, latent_dim)
    x = layers.Dense(math.prod(code_shape), activation=activation, name="features")(codes)
    return codes, layers.Reshape(code_shape, name="map")(x)  # -> (batch, rows, columns, channels)


def _code_shape(levels: list[tuple[int, int, int]], shape: Shape) -> Shape:
    divisor = math.prod(stride for _, stride, _ in levels)
    return shape[0] // divisor, shape[1] // divisor, levels[-1][0]


def _levels(
    filters: Sequence[int], strides: int | Sequence[int], kernel_size: int | Sequence[int], shape: Shape
) -> list[tuple[int, int, int]]:
    """Return (channels, stride, kernel) per level, checked."""
    if len(filters) == 0:
        raise ValueError("filters is empty, but there is one level per number in it. Use, for example, (16, 32).")
    filters = whole_numbers("filters", filters)
    each_stride, each_kernel = (
        _one_each(name, value, len(filters)) for name, value in (("strides", strides), ("kernel_size", kernel_size))
    )
    for stride, kernel in zip(each_stride, each_kernel, strict=True):
        if kernel < stride:
            raise ValueError(
                f"A kernel of {kernel} that moves by {stride} leaves pixels unseen; kernel_size {tuple(each_kernel)}, "
                f"strides {tuple(each_stride)}. Make every kernel at least as wide as its stride."
            )
    _check_image(shape, each_stride)
    return list(zip(filters, each_stride, each_kernel, strict=True))


def _one_each(name: str, value: int | Sequence[int], count: int) -> list[int]:
    if not isinstance(value, Iterable):
        return [whole_number(name, value)] * count
    each = whole_numbers(name, value)
    if len(each) != count:
        raise ValueError(f"{name} has {len(each)} numbers and filters has {count}. Give one per level, or one for all.")
    return each


def _check_image(shape: Shape, strides: Sequence[int]) -> None:
    if len(shape) != 3:
        raise ValueError(
            f"The shape of an image must be (rows, columns, bands); received {shape!r}. A grey image has one band, as "
            "in (28, 28, 1)."
        )
    rows, columns, _ = whole_numbers("the shape of an image", shape)
    divisor, common = math.prod(strides), math.gcd(rows, columns)
    if common % divisor:
        near = " or ".join(str(n * divisor) for n in (rows // divisor, rows // divisor + 1) if n)
        raise ValueError(
            f"{rows} x {columns} pixels cannot be divided by strides of {tuple(strides)}: rows and columns must be "
            f"multiples of {divisor}, such as {near}. What divides {rows} x {columns} are strides with a product "
            f"that divides {common} = {_factors(common)}."
        )


def _check_upsampling(upsampling: str) -> None:
    if upsampling not in ("nearest", "transpose"):
        raise ValueError(f'upsampling must be "nearest" or "transpose"; received {upsampling!r}.')


def _factors(number: int) -> str:
    """Write a number as its prime factors.

    >>> _factors(28)
    '2 x 2 x 7'
    """
    for factor in range(2, number):
        if number % factor == 0:
            return f"{factor} x {_factors(number // factor)}"
    return str(number)


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
    """Build a model of noise and an autoencoder, so that `fit(clean, clean)` learns to denoise. Shown in lecture 05.

    The noise is new in every epoch, and there is none in `predict` and `evaluate`: hand those noisy images
    (`helpers.data.digits.add_noise`) and, as the target, the clean ones.

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
    return Autoencoder(images, decoder(encoder(noisy)), name="denoiser")


def build_augmentation(
    *, shift: float = 0.1, rotation: float = 15, zoom: float = 0.1, seed: int = 0
) -> layers.Pipeline:
    """Build random shifts, rotations and zooms for a dataset: `batches.map(augmentation)`. Shown in lecture 05.

    An autoencoder is its input's own target, so augment once, and take input and target from the same result
    (`helpers.data.digits.denoising_batches` does). What comes in from outside of the image is paper, 0.

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
