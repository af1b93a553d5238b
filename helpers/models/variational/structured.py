"""Variational autoencoders that know of classes: one is told the class, one tells it. Shown in lecture 07."""

from typing import Any

import keras
import numpy as np
from keras import ops

from helpers.models.variational.vae import VAE


@keras.saving.register_keras_serializable(package="course")
class ConditionalVAE(VAE):
    """A VAE whose encoder and decoder both see the label, so that the code holds the rest: style (Sohn et al., 2015).

    `fit([images, labels])`. Arguments, metrics and outputs are those of `VAE`; the parts take more:

    Args:
        encoder: (images, labels) -> (z_mean, z_log_var, z).
        decoder: (z, labels) -> images. One that is blind to labels generates no class that is asked for.

    Labels are whole numbers, (batch,), from 0 to the number of classes - 1. Others would stand for no class at all; in
    arrays they are refused.

    Raises:
        ValueError: as `VAE`, or a part that takes no label.
    """

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, *, name: str = "conditional_vae", **options: Any
    ) -> None:
        for part in (encoder, decoder):
            if len(part.inputs) != 2:
                raise ValueError(
                    f"The {part.name} of a ConditionalVAE takes labels beside its input; this one has "
                    f"{len(part.inputs)} input(s). Build the parts with num_classes=10."
                )
        super().__init__(encoder, decoder, name=name, **options)

    def call(self, inputs: tuple[Any, Any], training: bool = False) -> dict[str, Any]:
        """Encode, sample and decode, with the labels on both sides."""
        if not isinstance(inputs, (list, tuple)):
            raise ValueError("A ConditionalVAE takes images and labels: fit([images, labels]). Received one array.")
        images, labels = inputs
        z_mean, z_log_var, z = self.encoder([images, labels], training=training)
        found = self.decoder([z, labels], training=training)
        return {"reconstruction": found, "z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def fit(self, x: Any = None, *arguments: Any, **options: Any) -> keras.callbacks.History:
        """Train, as every Keras model.

        Raises:
            ValueError: an array of labels has one that is no class.
        """
        if isinstance(x, (list, tuple)):
            self._check_labels(x[1])
        return super().fit(x, *arguments, **options)

    def reconstruct(self, images: Any, labels: Any, **options: Any) -> np.ndarray:  # type: ignore[override]
        """Decode the means of the codes with their own labels, without noise.

        Args:
            images: float32, (n, rows, columns, bands).
            labels: integer, (n,).
            options: of `predict`, such as `batch_size`.

        Returns:
            float32, (n, rows, columns, bands), values in [0, 1].

        Raises:
            ValueError: a label is no class.
        """
        self._check_labels(labels)
        z_mean, _, _ = self.encoder.predict([images, labels], verbose=0, **options)
        return self.decoder.predict([z_mean, labels], verbose=0, **options)

    def generate(self, labels: Any, *, seed: int) -> np.ndarray:  # type: ignore[override]
        """Decode one code drawn from N(0, I) for each label.

        Args:
            labels: integer, (n,): the classes that are wanted.
            seed: of the codes; the same seed with other labels gives the same styles.

        Returns:
            float32, (n, rows, columns, bands), values in [0, 1].

        Raises:
            ValueError: a label is no class.
        """
        self._check_labels(labels)
        labels = np.asarray(labels, np.int32)
        return self.decoder.predict([self._draw(len(labels), seed), labels], verbose=0)

    def _check_labels(self, labels: Any) -> None:
        """Hold labels against the one-hot layer of the decoder, if it has one."""
        found = np.unique(ops.convert_to_numpy(labels))
        for layer in self.decoder.layers:
            is_one_hot = isinstance(layer, keras.layers.CategoryEncoding)
            if is_one_hot and len(found) and not 0 <= found[0] <= found[-1] < layer.num_tokens:
                raise ValueError(
                    f"This model knows the classes 0 to {layer.num_tokens - 1}; received labels from {found[0]} to "
                    f"{found[-1]}."
                )

    def _target(self, x: Any, y: Any) -> Any:
        return x[0] if y is None else y


@keras.saving.register_keras_serializable(package="course")
class BranchedVAE(VAE):
    """A VAE with a classifier on its codes as a third loss, which gathers the classes in latent space.

    `fit(images, labels)`. loss = reconstruction + beta * kl + classification_weight * classification, where
    "classification" is the cross-entropy in nats per image. "accuracy" is a metric too.

    Args:
        encoder, decoder: as in `VAE`.
        classifier: named "classifier", (batch, latent_dim) -> (batch, classes), probabilities. It reads `z_mean`.
        classification_weight: at least 0. A reconstruction is a sum over hundreds of pixels, so 1 is little.
        beta, kl, reconstruction: as in `VAE`.

    Call it with images; the dict has "probabilities", (batch, classes), too.

    Raises:
        ValueError: as `VAE`, or a classifier that does not take the codes.
    """

    _parts = ("encoder", "decoder", "classifier")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        classifier: keras.Model,
        *,
        classification_weight: float = 1.0,
        name: str = "branched_vae",
        **options: Any,
    ) -> None:
        _check_classifier(classifier, encoder, classification_weight)
        super().__init__(encoder, decoder, name=name, **options)
        self.classifier = classifier
        self.classification_weight = classification_weight
        self.classification_metric = keras.metrics.Mean(name="classification")
        self.accuracy_metric = keras.metrics.Mean(name="accuracy")

    def call(self, images: Any, training: bool = False) -> dict[str, Any]:
        """Encode, sample, decode, classify."""
        outputs = super().call(images, training=training)
        return {**outputs, "probabilities": self.classifier(outputs["z_mean"], training=training)}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the scalar loss of a batch, the classifier's included, and note its terms for `metrics`."""
        if y is None:
            raise ValueError("A BranchedVAE learns from labels too: fit(images, labels). Received images only.")
        loss_of_vae = super().compute_loss(x, None, y_pred, sample_weight, training)
        labels, probabilities = ops.cast(ops.reshape(y, (-1,)), "int32"), ops.cast(y_pred["probabilities"], "float32")
        surprise = ops.sparse_categorical_crossentropy(labels, probabilities)  # (batch, classes) -> (batch,)
        right = ops.cast(ops.argmax(probabilities, axis=-1), "int32") == labels
        classification = self._average(surprise, sample_weight)
        accuracy = ops.mean(ops.cast(right, "float32"))
        self._note(x, (self.classification_metric, classification), (self.accuracy_metric, accuracy))
        return loss_of_vae + self.classification_weight * classification

    def as_classifier(self) -> keras.Model:
        """Return images -> probabilities, of this model's encoder and classifier, to train these two beforehand.

        Compile it with "sparse_categorical_crossentropy" and `fit(images, labels)`; the weights are shared. What
        spreads the codes, the head of `z_log_var`, and the decoder stay as they are.
        """
        z_mean, _, _ = self.encoder.outputs
        return keras.Model(self.encoder.inputs, self.classifier(z_mean), name="encoder_and_classifier")

    def get_config(self) -> dict[str, Any]:
        """Give the arguments, to save the model with its parts."""
        return {**super().get_config(), "classification_weight": self.classification_weight}


def _check_classifier(classifier: keras.Model, encoder: keras.Model, weight: float) -> None:
    if classifier.name != "classifier":
        raise ValueError(f'The classifier is named "{classifier.name}". Build it with name="classifier".')
    if classifier.input_shape != encoder.outputs[0].shape:
        raise ValueError(
            f"The encoder gives codes of shape {encoder.outputs[0].shape}, but the classifier takes "
            f"{classifier.input_shape}. Build both with the same latent_dim."
        )
    if weight < 0:
        raise ValueError(f"classification_weight must be at least 0; received {weight}.")
