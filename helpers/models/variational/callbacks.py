"""Callbacks for variational models: a warning of posterior collapse, and a cure for it. Shown in lecture 07."""

import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from helpers.models.variational.terms import kl_standard_normal


class PosteriorCollapseWarning(keras.callbacks.Callback):
    """Warn at the end of training of latent axes that say nothing of the image.

    On such an axis the encoder gives N(0, 1) for every image, so its KL is 0, and the decoder has learnt to ignore it
    (Bowman et al., 2016). The KL of every axis is kept as `kl_per_axis`, float32, (latent_dim,), in nats.

    Args:
        inputs: what the encoder takes, a few hundred images: float32, (n, rows, columns, bands); for a conditional
            model the list of images and labels.
        threshold: an axis whose KL, averaged over the images, is below it, in nats, has collapsed.
    """

    def __init__(self, inputs: Any, *, threshold: float = 0.01) -> None:
        super().__init__()
        self.inputs, self.threshold = inputs, threshold

    def on_train_end(self, logs: dict | None = None) -> None:
        """Measure, and warn by a `UserWarning` if there is need."""
        z_mean, z_log_var, _ = self.model.encoder.predict(self.inputs, verbose=0)
        per_image = ops.convert_to_numpy(kl_standard_normal(z_mean, z_log_var))  # (n, latent_dim)
        self.kl_per_axis = per_image.mean(axis=0)
        collapsed = np.flatnonzero(self.kl_per_axis < self.threshold)
        if len(collapsed):
            warnings.warn(self._message(collapsed.tolist()), stacklevel=2)

    def _message(self, collapsed: list[int]) -> str:
        count = len(self.kl_per_axis)
        return (
            f"Posterior collapse: latent axes {', '.join(map(str, collapsed))} of 0-{count - 1} carry less than "
            f"{self.threshold} nats each; the decoder ignores them. "
            "Lower beta, let BetaWarmUp raise it over the first epochs, or take a smaller latent_dim."
        )


class BetaWarmUp(keras.callbacks.Callback):
    """Raise beta step by step over the first epochs, so that codes are in use before the KL presses on them.

    The first epoch has 1 / epochs of the model's beta, the last of them and all that follow have the whole. `VAE.fit`
    leaves beta as it was, also where training ended early.

    Args:
        epochs: number of epochs until beta is what the model was built with, at least 1.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1; received {epochs}.")
        self.epochs = epochs

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Remember the beta to be reached."""
        self._wanted = self.model.beta

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Set this epoch's beta."""
        self.model.beta = self._wanted * min(1, (epoch + 1) / self.epochs)
