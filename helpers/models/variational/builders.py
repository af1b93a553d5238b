"""Variational models in one call, and their parts: encoders and decoders, with or without labels. Used by 06-10."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from helpers.models import convolutional, dense
from helpers.models.variational.structured import BranchedVAE, ConditionalVAE
from helpers.models.variational.vae import KL, VAE, Reconstruction, Sampling

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
    if len(hidden) == 0:
        raise ValueError("hidden is empty, but the heads need features to read. Use at least one layer: hidden=(256,).")
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
    codes = keras.Input((latent_dim,), name="z_mean")
    x = codes
    for depth, width in enumerate(hidden, start=1):
        x = layers.Dense(width, activation="relu", name=f"hidden_{depth}")(x)
    return keras.Model(codes, layers.Dense(num_classes, activation="softmax", name="classes")(x), name="classifier")


def _parts(trunk: keras.Model, decoder: keras.Model, latent_dim: int, num_classes: int | None, seed: int) -> Parts:
    encoder = add_heads(trunk, latent_dim, num_classes=num_classes, seed=seed)
    return encoder, decoder if num_classes is None else _told_labels(decoder, num_classes)


def _told_labels(decoder: keras.Model, num_classes: int) -> keras.Model:
    """Let a decoder of codes and one-hot labels in one vector take them as two inputs."""
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
