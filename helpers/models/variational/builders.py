"""Variational models in one call: the parts, and what joins them. Used by lectures 06-10."""

import inspect
from collections.abc import Sequence
from typing import Any

from helpers.models.variational.parts import Parts, build_classifier, build_convolutional_parts, build_dense_parts
from helpers.models.variational.structured import BranchedVAE, ConditionalVAE
from helpers.models.variational.vae import KL, VAE, Reconstruction


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
        parts: options of `build_dense_parts`: hidden, image_shape, activation, seed.

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
        parts: options of `build_convolutional_parts`: filters, strides, kernel_size, image_shape, activation,
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
