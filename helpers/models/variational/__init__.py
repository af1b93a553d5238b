"""Variational autoencoders: plain (lecture 06), conditional and with a classifier (07). Used by lectures 06-10.

An encoder gives `z_mean`, `z_log_var` and a sample `z`, in this order, each float32, (batch, latent_dim); a decoder
makes an image of `z`. Every loss is in nats per image: summed over pixels and over the latent axis, averaged over the
batch, so that loss = reconstruction + beta * kl is the negative ELBO where beta is 1 (Kingma & Welling, 2014,
arXiv:1312.6114).

- `vae`: `VAE`, `ConditionalVAE`, `BranchedVAE`; their terms: `Sampling`, the KL divergence in both ways; callbacks:
  `PosteriorCollapseWarning`, `BetaWarmUp`.
- `builders`: these models in one call, and their parts; `TableVAE`, for rows of numbers and categories (09); the
  family of lecture 10.
"""

from helpers.models.variational.builders import (
    TableVAE,
    add_heads,
    aerial_vae,
    build_branched_vae,
    build_classifier,
    build_conditional_vae,
    build_convolutional_parts,
    build_convolutional_vae,
    build_dense_parts,
    build_dense_vae,
    build_table_vae,
)
from helpers.models.variational.vae import (
    VAE,
    BetaWarmUp,
    BranchedVAE,
    ConditionalVAE,
    PosteriorCollapseWarning,
    Sampling,
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
    "kl_monte_carlo",
    "kl_standard_normal",
]
