"""Variational autoencoders: plain (lecture 06), conditional and with a classifier (07). Used by lectures 06-10.

An encoder gives `z_mean`, `z_log_var` and a sample `z`, in this order, each float32, (batch, latent_dim); a decoder
makes an image of `z`. Every loss is in nats per image: summed over pixels and over the latent axis, averaged over the
batch, so that loss = reconstruction + beta * kl is the negative ELBO where beta is 1 (Kingma & Welling, 2014,
arXiv:1312.6114).

- `vae`: `VAE`, `ConditionalVAE`, `BranchedVAE`; their terms: `Sampling`, the KL divergence in both ways; the
  importance-weighted bound; callbacks: `PosteriorCollapseWarning`, `BetaWarmUp`.
- here: these models in one call, and their parts: encoders and decoders, with or without labels.
- `TableVAE` (shown in lecture 09) is for a table of mixed columns: numbers and categories, each with a loss of its own
  kind.
- `aerial_vae` (lecture 10) builds the family that H. Staerk compared on aerial tiles of DFC2019: all take 128 x 128
  pixels; each level halves them and doubles the channels, down to a bottleneck such as 16 x 16 x 32: the fewer levels,
  the larger the bottleneck, and with it the dense layers on both sides of the code, which hold nearly all parameters.
"""

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops

from helpers.models import check_images, convolutional, dense, whole_number, whole_numbers
from helpers.models.variational.vae import (
    KL,
    VAE,
    BetaWarmUp,
    BranchedVAE,
    ConditionalVAE,
    PosteriorCollapseWarning,
    Reconstruction,
    Sampling,
    importance_weighted_bound,
    kl_monte_carlo,
    kl_standard_normal,
)

__all__ = [
    "VAE",
    "BetaWarmUp",
    "BranchedVAE",
    "ConditionalVAE",
    "PosteriorCollapseWarning",
    "Sampling",
    "TableVAE",
    "add_heads",
    "aerial_vae",
    "build_branched_vae",
    "build_classifier",
    "build_conditional_vae",
    "build_convolutional_parts",
    "build_convolutional_vae",
    "build_dense_parts",
    "build_dense_vae",
    "build_table_vae",
    "importance_weighted_bound",
    "kl_monte_carlo",
    "kl_standard_normal",
]


Parts = tuple[keras.Model, keras.Model]


def build_dense_parts(
    latent_dim: int = 2,
    *,
    hidden: Sequence[int] = (256,),
    num_classes: int | None = None,
    input_shape: dense.Shape = (28, 28, 1),
    activation: str = "relu",
    seed: int = 0,
) -> Parts:
    """Build a variational encoder of dense layers, and its mirror image as decoder. Shown in lecture 06.

    Args:
        latent_dim: numbers in a code, at least 1.
        hidden: widths of the layers between image and code, from the image on; at least one.
        num_classes: number of classes; both parts then take labels too, integer, (batch,). None for none.
        input_shape: (rows, columns, bands).
        activation: of the hidden layers.
        seed: of the samples.

    Returns:
        (encoder, decoder): (batch, *input_shape) -> z_mean, z_log_var, z, each (batch, latent_dim), and
        (batch, latent_dim) -> (batch, *input_shape), values in [0, 1].

    Raises:
        ValueError: a width is not a positive whole number, or there is no hidden layer.
    """
    hidden, latent_dim = _hidden(hidden, 256), whole_number("latent_dim", latent_dim)
    activations = {"hidden_activation": activation, "code_activation": activation}
    trunk = dense.build_encoder(hidden[-1], hidden=hidden[:-1], input_shape=input_shape, **activations)
    size = latent_dim + (num_classes or 0)
    decoder = dense.build_decoder(size, hidden=hidden[::-1], output_shape=input_shape, hidden_activation=activation)
    return _parts(trunk, decoder, latent_dim, num_classes, seed)


def build_convolutional_parts(
    latent_dim: int = 2,
    *,
    filters: Sequence[int] = (16, 32),
    strides: int | Sequence[int] = 2,
    kernel_size: int | Sequence[int] = 3,
    num_classes: int | None = None,
    input_shape: dense.Shape = (28, 28, 1),
    activation: str = "relu",
    batch_norm: bool = False,
    upsampling: convolutional.Upsampling = "nearest",
    seed: int = 0,
) -> Parts:
    """Build a variational encoder of convolutions, and its mirror image as decoder. Shown in lecture 06.

    Args:
        latent_dim, num_classes, seed: as in `build_dense_parts`.
        filters, strides, kernel_size, input_shape, activation, batch_norm, upsampling: as in
            `helpers.models.convolutional`.

    Returns:
        (encoder, decoder), as `build_dense_parts`.

    Raises:
        ValueError: the image cannot be divided so, or a number is not a positive whole one.
    """
    latent_dim = whole_number("latent_dim", latent_dim)
    common: dict[str, Any] = {"filters": filters, "strides": strides, "kernel_size": kernel_size}
    common |= {"activation": activation, "batch_norm": batch_norm}
    trunk = convolutional.build_encoder(None, input_shape=input_shape, code_activation=activation, **common)
    size = latent_dim + (num_classes or 0)
    decoder = convolutional.build_decoder(size, output_shape=input_shape, upsampling=upsampling, **common)
    return _parts(trunk, decoder, latent_dim, num_classes, seed)


def add_heads(trunk: keras.Model, latent_dim: int, *, num_classes: int | None = None, seed: int = 0) -> keras.Model:
    """Put the heads of mean and log-variance, and the sample, on a trunk. Shown in lecture 06.

    Args:
        trunk: images to features of any shape; its layers become the encoder's.
        latent_dim: numbers in a code, at least 1.
        num_classes: number of classes, whose one-hot labels join the features; None for an encoder without labels.
        seed: of the samples.

    Returns:
        A model named "encoder": images, or images and labels -> z_mean, z_log_var, z, each (batch, latent_dim).
    """
    latent_dim = whole_number("latent_dim", latent_dim)
    features = layers.Flatten(name="flat")(trunk.output)  # -> (batch, features)
    inputs = trunk.input
    if num_classes is not None:
        labels = keras.Input((), name="label", dtype="int32")  # (batch,)
        inputs, features = [inputs, labels], _join_label(features, labels, num_classes)
    z_mean = layers.Dense(latent_dim, name="z_mean")(features)  # -> (batch, latent_dim)
    z_log_var = layers.Dense(latent_dim, name="z_log_var")(features)  # -> (batch, latent_dim)
    z = Sampling(seed=seed, name="z")([z_mean, z_log_var])
    return keras.Model(inputs, [z_mean, z_log_var, z], name="encoder")


def build_classifier(latent_dim: int, num_classes: int = 10, *, hidden: Sequence[int] = ()) -> keras.Model:
    """Build the branch of a `BranchedVAE`. Shown in lecture 07.

    Args:
        latent_dim: numbers in a code.
        num_classes: number of classes.
        hidden: widths of layers in between; none for a linear classifier.

    Returns:
        A model named "classifier": (batch, latent_dim) -> (batch, num_classes), probabilities.
    """
    latent_dim, num_classes = whole_number("latent_dim", latent_dim), whole_number("num_classes", num_classes, least=2)
    hidden = whole_numbers("hidden", hidden)
    codes = keras.Input((latent_dim,), name="z_mean")
    x = codes
    for depth, width in enumerate(hidden, start=1):
        x = layers.Dense(width, activation="relu", name=f"hidden_{depth}")(x)
    return keras.Model(codes, layers.Dense(num_classes, activation="softmax", name="classes")(x), name="classifier")


def _parts(trunk: keras.Model, decoder: keras.Model, latent_dim: int, num_classes: int | None, seed: int) -> Parts:
    encoder = add_heads(trunk, latent_dim, num_classes=num_classes, seed=seed)
    return encoder, decoder if num_classes is None else _told_labels(decoder, num_classes)


def _told_labels(decoder: keras.Model, num_classes: int) -> keras.Model:
    """Build a decoder with two inputs, of one that takes codes and one-hot labels in one vector."""
    codes = keras.Input((decoder.input_shape[-1] - num_classes,), name="code")  # (batch, latent_dim)
    labels = keras.Input((), name="label", dtype="int32")  # (batch,)
    decoder.name = "code_and_label_to_image"
    images = decoder(_join_label(codes, labels, num_classes))
    return keras.Model([codes, labels], images, name="decoder")


def _join_label(features: Any, labels: Any, num_classes: int) -> Any:
    """(batch, features), (batch,) -> (batch, features + num_classes)."""
    one_hot = layers.CategoryEncoding(num_classes, output_mode="one_hot", name="one_hot")(labels)
    return layers.Concatenate(name="with_label")([features, one_hot])


def build_dense_vae(
    latent_dim: int = 2,
    *,
    beta: float = 1.0,
    kl: KL = "analytic",
    reconstruction: Reconstruction = "bce",
    **parts: Any,
) -> VAE:
    """Build a VAE of dense layers. Shown in lecture 06.

    Args:
        latent_dim: numbers in a code, at least 1.
        beta, kl, reconstruction: as in `VAE`.
        parts: options of `build_dense_parts`: hidden, input_shape, activation, seed.

    Returns:
        A `VAE`, not compiled.
    """
    return VAE(*build_dense_parts(latent_dim, **parts), beta=beta, kl=kl, reconstruction=reconstruction)


def build_convolutional_vae(
    latent_dim: int = 2,
    *,
    beta: float = 1.0,
    kl: KL = "analytic",
    reconstruction: Reconstruction = "bce",
    **parts: Any,
) -> VAE:
    """Build a VAE of convolutions. Shown in lecture 06.

    Args:
        latent_dim: numbers in a code, at least 1.
        beta, kl, reconstruction: as in `VAE`.
        parts: options of `build_convolutional_parts`: filters, strides, kernel_size, input_shape, activation,
            batch_norm, upsampling, seed.

    Returns:
        A `VAE`, not compiled.
    """
    return VAE(*build_convolutional_parts(latent_dim, **parts), beta=beta, kl=kl, reconstruction=reconstruction)


def build_conditional_vae(
    latent_dim: int = 2,
    *,
    num_classes: int = 10,
    beta: float = 1.0,
    kl: KL = "analytic",
    reconstruction: Reconstruction = "bce",
    **parts: Any,
) -> ConditionalVAE:
    """Build a VAE whose encoder and decoder both see the label. Shown in lecture 07.

    Args:
        latent_dim: numbers in a code, at least 1.
        num_classes: number of classes.
        beta, kl, reconstruction: as in `VAE`.
        parts: options of `build_convolutional_parts` if `filters` is among them, else of `build_dense_parts`.

    Returns:
        A `ConditionalVAE`, not compiled.

    Raises:
        ValueError: an option that such parts do not take.
    """
    both = _build_parts(latent_dim, num_classes=num_classes, **parts)
    return ConditionalVAE(*both, beta=beta, kl=kl, reconstruction=reconstruction)


def build_branched_vae(
    latent_dim: int = 2,
    *,
    num_classes: int = 10,
    classifier_hidden: Sequence[int] = (),
    classification_weight: float = 1.0,
    beta: float = 1.0,
    kl: KL = "analytic",
    reconstruction: Reconstruction = "bce",
    **parts: Any,
) -> BranchedVAE:
    """Build a VAE with a classifier on its codes. Shown in lecture 07.

    Args:
        latent_dim: numbers in a code, at least 1.
        num_classes, classifier_hidden: as in `build_classifier`, there called `hidden`.
        classification_weight, beta, kl, reconstruction: as in `BranchedVAE`.
        parts: options of `build_convolutional_parts` if `filters` is among them, else of `build_dense_parts`.

    Returns:
        A `BranchedVAE`, not compiled.

    Raises:
        ValueError: an option that such parts do not take.
    """
    classifier = build_classifier(latent_dim, num_classes, hidden=classifier_hidden)
    options: dict[str, Any] = {"beta": beta, "kl": kl, "reconstruction": reconstruction}
    both = _build_parts(latent_dim, **parts)
    return BranchedVAE(*both, classifier, classification_weight=classification_weight, **options)


def _build_parts(latent_dim: int, **parts: Any) -> Parts:
    kind, build = ("convolutional", build_convolutional_parts) if "filters" in parts else ("dense", build_dense_parts)
    takes = inspect.signature(build).parameters
    for name in parts:
        if name not in takes:
            raise ValueError(
                f"{name!r} is no option of {kind} parts, which take {', '.join(takes)}. With `filters` the parts are "
                "convolutional, without they are dense."
            )
    return build(latent_dim, **parts)


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
    kernel, latent_dim = whole_number("kernel", kernel), whole_number("latent_dim", latent_dim)
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


@keras.saving.register_keras_serializable(package="course")
class TableVAE(VAE):
    """A VAE of rows: `numbers` standardised columns, and after them one-hot columns, category by category.

    `fit(rows)`. The reconstruction of a row, in nats up to a constant, is the sum over its columns of half the squared
    error (a normal distribution of variance 1) for a number, and of the cross-entropy for a category. Its two shares
    are the metrics "numbers" and "categories"; `errors_by_column` tells them column by column.

    Args:
        encoder, decoder: as in `VAE`, for rows, float32, (batch, numbers + sum of categories). The decoder gives
            probabilities for every category.
        numbers: how many columns are numbers; they come first.
        categories: how many values each further column has.
        beta, kl: as in `VAE`.

    Raises:
        ValueError: as `VAE`, or rows of another width than the columns make; in `fit`, columns of a category that are
            not one-hot, or probabilities.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        numbers: int,
        categories: Sequence[int] = (),
        name: str = "table_vae",
        **options: Any,
    ) -> None:
        width = numbers + sum(categories)
        if encoder.input_shape[-1] != width:
            raise ValueError(
                f"{numbers} numbers and categories of {tuple(categories)} values make rows of {width}, but the encoder "
                f"takes {encoder.input_shape[-1]}. Give numbers and categories as the table has them."
            )
        super().__init__(encoder, decoder, name=name, **options)
        self.numbers, self.categories = numbers, list(categories)
        self.shares = [keras.metrics.Mean(name=name) for name in ("numbers", "categories")]

    def errors_by_column(self, rows: Any, found: Any) -> Any:
        """Return what each column adds to the reconstruction: float32, (batch, numbers + categories), in nats.

        Args:
            rows: float32, (batch, numbers + sum of categories).
            found: their reconstructions, of the same shape.
        """
        rows, found = ops.cast(rows, "float32"), ops.cast(found, "float32")
        errors = [ops.square(rows[:, : self.numbers] - found[:, : self.numbers]) / 2]
        start = self.numbers
        for count in self.categories:
            columns = slice(start, start + count)
            errors.append(ops.categorical_crossentropy(rows[:, columns], found[:, columns])[:, None])
            start += count
        return ops.concatenate(errors, axis=-1)

    _noun = "rows"

    def _check_target(self, target: Any) -> None:
        check_images(target, self._noun)
        if not isinstance(target, np.ndarray) or target.shape[1:] != self.decoder.output_shape[1:]:
            return  # streamed, or of another width, which Keras refuses
        start = self.numbers
        for place, count in enumerate(self.categories, start=1):
            columns = target[:, start : start + count]
            if not np.allclose(columns.sum(axis=1), 1) or columns.min(initial=0) < 0:
                raise ValueError(
                    f"Category {place} takes the columns {start} to {start + count - 1}, and in each row these must be "
                    f"one-hot, such as np.eye({count})[category]; received {columns[0]} in the first row."
                )
            start += count

    def _reconstruction_of(self, target: Any, y_pred: dict[str, Any]) -> Any:
        errors = self.errors_by_column(target, y_pred["reconstruction"])
        shares = ops.sum(errors[:, : self.numbers], axis=-1), ops.sum(errors[:, self.numbers :], axis=-1)
        self._note(target, *((metric, ops.mean(share)) for metric, share in zip(self.shares, shares, strict=True)))
        return shares[0] + shares[1]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the model with its parts."""
        config = {key: value for key, value in super().get_config().items() if key != "reconstruction"}
        return {**config, "numbers": self.numbers, "categories": list(self.categories)}


def build_table_vae(
    latent_dim: int = 2,
    *,
    numbers: int,
    categories: Sequence[int] = (),
    hidden: Sequence[int] = (32,),
    activation: str = "relu",
    beta: float = 1.0,
    kl: KL = "analytic",
    seed: int = 0,
) -> TableVAE:
    """Build a VAE for a table. Shown in lecture 09.

    Args:
        latent_dim: numbers in a code, at least 1.
        numbers, categories: columns of the table, as in `TableVAE`.
        hidden: widths of the layers between row and code, from the row on; at least one.
        activation: of the hidden layers.
        beta, kl: as in `TableVAE`.
        seed: of the samples.

    Returns:
        A `TableVAE`, not compiled.
    """
    hidden, latent_dim = _hidden(hidden, 32), whole_number("latent_dim", latent_dim)
    numbers, categories = whole_number("numbers", numbers, least=0), whole_numbers("categories", categories, least=2)
    if not numbers and not categories:
        raise ValueError("A table needs columns: numbers=0 and no categories leave none.")
    rows = keras.Input((numbers + sum(categories),), name="row")  # (batch, columns)
    trunk = keras.Model(rows, _dense(rows, hidden, activation))
    codes = keras.Input((latent_dim,), name="code")  # (batch, latent_dim)
    x = _dense(codes, hidden[::-1], activation)
    found = [layers.Dense(numbers, name="numbers")(x)] if numbers else []
    found += [layers.Dense(n, activation="softmax", name=f"category_{i}")(x) for i, n in enumerate(categories, start=1)]
    joined = layers.Concatenate(name="columns")(found) if len(found) > 1 else found[0]  # -> (batch, columns)
    decoder = keras.Model(codes, joined, name="decoder")
    encoder = add_heads(trunk, latent_dim, seed=seed)
    return TableVAE(encoder, decoder, numbers=numbers, categories=categories, beta=beta, kl=kl)


def _hidden(widths: Sequence[int], example: int) -> list[int]:
    """Return the widths of hidden layers, at least one."""
    found = whole_numbers("hidden", widths)
    if not found:
        raise ValueError(
            f"hidden is empty, but the heads need features to read. Use at least one layer: hidden=({example},)."
        )
    return found


def _dense(x: Any, widths: Sequence[int], activation: str) -> Any:
    for depth, width in enumerate(widths, start=1):
        x = layers.Dense(width, activation=activation, name=f"hidden_{depth}")(x)  # -> (batch, width)
    return x
