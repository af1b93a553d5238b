"""The variational autoencoder: a `keras.Model` that `fit` trains, what its loss is made of, and callbacks for it.

Shown in lecture 06; posterior collapse and its cure in lecture 07, as are the two models that know of classes:
`ConditionalVAE` is told the class, `BranchedVAE` tells it.
"""

import math
import warnings
from typing import Any, Literal, Self

import keras
import numpy as np
from keras import layers, ops

from helpers.models import BYTES, batch_shape, check_images, fits, is_in_unit_range, whole_number

KL = Literal["analytic", "monte_carlo"]
Reconstruction = Literal["bce", "mse", "mae"]


@keras.saving.register_keras_serializable(package="course")
class Sampling(layers.Layer):
    """Draw z from N(z_mean, exp(z_log_var)), so that gradients pass: z = z_mean + exp(z_log_var / 2) * epsilon.

    Args:
        seed: of the noise `epsilon`, which is drawn anew in every call; None for one drawn at random.

    Call it with `(z_mean, z_log_var)`, each float, (batch, latent_dim); it returns z of the same shape.
    """

    def __init__(self, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: tuple[Any, Any]) -> Any:
        """Return one sample per code."""
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), dtype=z_mean.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(z_log_var / 2) * epsilon

    def compute_output_shape(self, input_shape: tuple[tuple, tuple]) -> tuple:
        """Return the shape of z_mean."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the layer with a model."""
        return {**super().get_config(), "seed": self.seed}


def kl_standard_normal(z_mean: Any, z_log_var: Any) -> Any:
    """Return KL(N(z_mean, exp(z_log_var)) || N(0, 1)), axis by axis, in nats. Derived in lecture 06.

    (z_mean^2 + exp(z_log_var) - 1 - z_log_var) / 2; zero where mean and log-variance are. Sum it over the latent axis.

    Args:
        z_mean, z_log_var: float tensors of one shape.
    """
    return (ops.square(z_mean) + ops.exp(z_log_var) - 1 - z_log_var) / 2


def kl_monte_carlo(z: Any, z_mean: Any, z_log_var: Any) -> Any:
    """Return log q(z) - log p(z) of samples, axis by axis, in nats; its mean over samples is `kl_standard_normal`.

    Args:
        z: float tensor, drawn from N(z_mean, exp(z_log_var)).
        z_mean, z_log_var: float tensors of a shape that fits to `z`.
    """
    return log_normal(z, z_mean, z_log_var) - log_normal(z, 0.0, 0.0)


def log_normal(z: Any, mean: Any, log_var: Any) -> Any:
    """Return the log-density of N(mean, exp(log_var)) at z, element by element, in nats."""
    return -(math.log(2 * math.pi) + log_var + ops.square(z - mean) * ops.exp(-log_var)) / 2


def sum_over_image(values: Any) -> Any:
    """Sum over every axis but the first: (batch, ...) -> (batch,)."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


RECONSTRUCTIONS = {  # per number; images in, reconstructions out
    "bce": ops.binary_crossentropy,
    "mse": lambda images, found: ops.square(images - found),
    "mae": lambda images, found: ops.abs(images - found),
}
LOG_NORMALIZERS = {"bce": 0.0, "mse": math.log(math.pi) / 2, "mae": math.log(2)}  # per number; -log p(x|z) has them too


@keras.saving.register_keras_serializable(package="course")
class VAE(keras.Model):
    """A variational autoencoder of any encoder and decoder. Shown in lecture 06.

    `fit(images)` learns to reconstruct, `fit(noisy, clean)` to denoise. The metrics are "loss", "reconstruction" and
    "kl", in nats per image, with loss = reconstruction + beta * kl. Images are sampled in `evaluate` too, which makes
    -loss an estimate of the test ELBO where beta is 1 and the reconstruction "bce". Weights of samples multiply an
    image's reconstruction and KL; as everywhere in Keras, the sum is divided by the number of images. They need the
    target spelt out, `fit(images, images, sample_weight=...)`: Keras drops weights that come without one.

    Args:
        encoder: named "encoder", images -> (z_mean, z_log_var, z), each (batch, latent_dim).
        decoder: named "decoder", z -> images.
        beta: weight of the KL, at least 0 (Higgins et al., 2017). Read and set it as `vae.beta` at any time; it is a
            weight that no gradient reaches, so that a compiled `fit` follows. After `fit` it is what it was before,
            whatever callbacks had set or restored, and however the training ended.
        kl: "analytic", or "monte_carlo" for an estimate from the one sample that is decoded.
        reconstruction: "bce" for images and outputs in [0, 1]; "mse", the squared error, for which outputs are means of
            normal distributions with variance 1/2 (up to a constant); "mae" likewise for Laplace with scale 1.

    Call it with images, float32, (batch, rows, columns, bands); it returns a dict with "reconstruction" (like the
    images), "z_mean", "z_log_var" and "z". Noise is drawn in every call; `reconstruct` is without.

    Raises:
        ValueError: parts that do not fit each other or have other names, or an option out of range.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        beta: float = 1.0,
        kl: KL = "analytic",
        reconstruction: Reconstruction = "bce",
        name: str = "vae",
    ) -> None:
        _check_parts(encoder, decoder)
        _check_options(beta, kl, reconstruction)
        super().__init__(name=name)
        self.encoder, self.decoder = encoder, decoder
        self.kl, self.reconstruction = kl, reconstruction
        self._beta = self.add_weight(name="beta", shape=(), initializer="zeros", trainable=False)
        self.beta = beta
        self.reconstruction_metric = keras.metrics.Mean(name="reconstruction")
        self.kl_metric = keras.metrics.Mean(name="kl")
        self.built = True  # the parts are, and there is nothing else to build; Keras could not know

    def call(self, images: Any, training: bool = False) -> dict[str, Any]:
        """Encode, sample, decode."""
        z_mean, z_log_var, z = self.encoder(images, training=training)
        found = self.decoder(z, training=training)
        return {"reconstruction": found, "z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    @property
    def beta(self) -> float:
        """Weight of the KL in the loss."""
        return float(ops.convert_to_numpy(self._beta))

    @beta.setter
    def beta(self, value: float) -> None:
        """Set it, also for a model that is compiled already."""
        _check_options(value, self.kl, self.reconstruction)
        self._beta.assign(value)

    @property
    def latent_dim(self) -> int:
        """Numbers in a code."""
        return self.encoder.output_shape[0][-1]

    def fit(self, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> keras.callbacks.History:
        """Train, as every Keras model, and leave beta as it is.

        Arrays are looked at before; of a data set that is streamed, the first batch's shapes and types are.

        Raises:
            ValueError: images hold NaN or infinity, or numbers that the decoder can never give, such as bytes; targets
                of another shape than the images that are decoded; or the model was compiled with a loss, which would
                not count.
        """
        self._check(x, y)
        if isinstance(validation := options.get("validation_data"), (list, tuple)):
            self._check(*validation[:2])
        beta = self.beta
        try:
            return super().fit(x, y, *arguments, **options)
        finally:
            self.beta = beta

    def _check(self, x: Any, y: Any = None) -> None:
        """Check arrays that `fit` is given: images, or images and targets."""
        check_images(x, self._noun)
        self._check_target(x if y is None else y)

    def _check_target(self, target: Any) -> None:
        if hasattr(target, "shape"):
            self._check_shape(target.shape)
        is_bounded = self.reconstruction == "bce" or is_in_unit_range(self.decoder)
        check_images(target, self._noun, bounds=(0, 1) if is_bounded else None)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the scalar loss of a batch, and note its terms for `metrics`. Keras calls this; nobody else need."""
        if getattr(self, "loss", None) is not None:
            raise ValueError(
                f"A VAE has a loss of its own, reconstruction + beta * kl, so compile(loss={self.loss!r}) would not "
                'count. Leave it out, and choose by VAE(..., reconstruction="bce"), "mse" or "mae".'
            )
        target = self._target(x, y)
        reconstruction = self._average(self._reconstruction_of(target, y_pred), sample_weight)
        kl = self._average(self._kl_of(y_pred), sample_weight)
        self._note(target, (self.reconstruction_metric, reconstruction), (self.kl_metric, kl))
        penalties = [ops.sum(loss) for loss in self.losses]  # of layers that regularise, if there are any
        return sum(penalties, reconstruction + ops.cast(self._beta, "float32") * kl)

    def reconstruct(self, images: Any, **options: Any) -> np.ndarray:
        """Decode the means of the codes, without noise: the same images give the same reconstructions.

        Args:
            images: what `fit` takes.
            options: of `predict`, such as `batch_size`.

        Returns:
            float32, (n, rows, columns, bands), values in [0, 1].

        Raises:
            ValueError: images hold NaN or infinity, of which a ReLU would make codes like any other.
        """
        check_images(images, self._noun)
        z_mean, _, _ = self.encoder.predict(images, verbose=0, **options)
        return self.decoder.predict(z_mean, verbose=0, **options)

    def generate(self, count: int, *, seed: int) -> np.ndarray:
        """Decode codes drawn from N(0, I).

        Args:
            count: number of images, at least 1.
            seed: of the codes, which are the same on every backend.

        Returns:
            float32, (count, rows, columns, bands), values in [0, 1].

        Raises:
            ValueError: `count` is no whole number, or less than 1.
        """
        return self.decoder.predict(self._draw(whole_number("count", count), seed), verbose=0)

    def export(self, filepath: Any, *, input_signature: Any = None, **options: Any) -> None:
        """Write what `call` does to a folder, as every Keras model; the encoder says what goes in.

        Args:
            filepath: where to.
            input_signature: of other inputs than the encoder's.
            options: of `keras.Model.export`, such as `format` and `verbose`.
        """
        takes = [keras.InputSpec(shape=one.shape, dtype=one.dtype, name=one.name) for one in self.encoder.inputs]
        signature = input_signature or [takes if len(takes) > 1 else takes[0]]
        super().export(filepath, input_signature=signature, **options)

    def _draw(self, count: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((count, self.latent_dim), np.float32)

    def _target(self, x: Any, y: Any) -> Any:
        """Return the images to be reconstructed."""
        return x if y is None else y

    def _reconstruction_of(self, target: Any, y_pred: dict[str, Any]) -> Any:
        """Return nats per image, (batch,)."""
        self._check_shape(target.shape)
        if keras.backend.standardize_dtype(target.dtype) == "uint8":
            raise ValueError(f"The images are uint8. {BYTES}")
        target, found = (ops.cast(images, "float32") for images in (target, y_pred["reconstruction"]))
        return sum_over_image(RECONSTRUCTIONS[self.reconstruction](target, found))

    def _check_shape(self, shape: Any) -> None:
        decoded = self.decoder.output_shape
        if not fits(shape[1:], decoded[1:]):
            raise ValueError(
                f"The images to be learnt have shape {batch_shape(shape)}, but the decoder returns "
                f"{batch_shape(decoded)}. If grey images lack their band, add it: images[..., None]. If these are "
                "labels: a VAE learns by fit(images) or fit(noisy, clean), a ConditionalVAE by fit([images, labels]), "
                "a BranchedVAE by fit(images, labels)."
            )

    def _kl_of(self, y_pred: dict[str, Any]) -> Any:
        """Return nats per image, (batch,)."""
        z, z_mean, z_log_var = (ops.cast(y_pred[name], "float32") for name in ("z", "z_mean", "z_log_var"))
        if self.kl == "monte_carlo":
            return sum_over_image(kl_monte_carlo(z, z_mean, z_log_var))
        return sum_over_image(kl_standard_normal(z_mean, z_log_var))

    @staticmethod
    def _average(values: Any, sample_weight: Any) -> Any:
        """Average over the batch: (batch,) -> ()."""
        if sample_weight is not None:
            values *= ops.reshape(ops.cast(sample_weight, "float32"), ops.shape(values))
        return ops.mean(values)

    @staticmethod
    def _note(batch: Any, *terms: tuple[keras.metrics.Metric, Any]) -> None:
        """Update metrics with means over the batch, weighted by its size as Keras weights "loss"."""
        for metric, value in terms:
            metric.update_state(value, sample_weight=ops.shape(batch)[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the model with its parts."""
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self._parts}
        options = {"beta": self.beta, "kl": self.kl, "reconstruction": self.reconstruction, "name": self.name}
        return {**parts, **options}

    _parts: tuple[str, ...] = ("encoder", "decoder")
    _noun = "images"

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Build the model that `get_config` tells of."""
        parts = {name: keras.saving.deserialize_keras_object(config[name], custom_objects) for name in cls._parts}
        return cls(**{**config, **parts})


def check_labels(labels: Any, num_classes: int) -> None:
    """Check an array of labels.

    Args:
        labels: whole numbers, (n,) or (n, 1).
        num_classes: how many classes there are.

    Raises:
        ValueError: they are none, or one is no class. The message says what to do.
    """
    found = ops.convert_to_numpy(labels)
    if found.ndim == 0 or found.shape[1:] not in ((), (1,)):
        hint = "One-hot labels become numbers by labels.argmax(axis=1)." if found.ndim == 2 else "Are these the images?"
        raise ValueError(f"Labels must be whole numbers, (n,); received {found.dtype}, {found.shape}. {hint}")
    if found.dtype.kind not in "iub" and not (found.dtype.kind == "f" and (found == np.rint(found)).all()):
        raise ValueError(f"Labels must be whole numbers, (n,); received {found.dtype}, such as {found.ravel()[:3]}.")
    if found.size and not 0 <= found.min() <= found.max() < num_classes:
        raise ValueError(
            f"This model knows the classes 0 to {num_classes - 1}; received labels from {found.min():g} to "
            f"{found.max():g}."
        )


def _check_parts(encoder: keras.Model, decoder: keras.Model) -> None:
    if (encoder.name, decoder.name) != ("encoder", "decoder"):
        raise ValueError(
            f'The parts are named "{encoder.name}" and "{decoder.name}". '
            'Build them with name="encoder" and name="decoder", so that they can be found again.'
        )
    if len(encoder.outputs) != 3:
        raise ValueError(
            f"A variational encoder gives z_mean, z_log_var and z; this one has {len(encoder.outputs)} output(s). "
            "Put heads on it with helpers.models.variational.add_heads."
        )
    shapes, wanted = [tensor.shape for tensor in encoder.outputs], decoder.inputs[0].shape
    if shapes != [wanted] * 3:
        raise ValueError(
            f"The encoder gives z_mean, z_log_var and z of shapes {', '.join(map(str, shapes))}, but the decoder "
            f"takes {wanted}. Build both with the same latent_dim."
        )


def _check_options(beta: float, kl: str, reconstruction: str) -> None:
    if beta < 0:
        raise ValueError(f"beta must be at least 0; received {beta}. A negative one rewards codes far from N(0, I).")
    if kl not in ("analytic", "monte_carlo"):
        raise ValueError(f'kl must be "analytic" or "monte_carlo"; received {kl!r}.')
    if reconstruction not in RECONSTRUCTIONS:
        raise ValueError(f"reconstruction must be one of {', '.join(RECONSTRUCTIONS)}; received {reconstruction!r}.")


def importance_weighted_bound(
    vae: VAE, images: np.ndarray, samples: int, *, seed: int, batch_size: int = 500
) -> np.ndarray:
    """Return a lower bound of log p(x) for each image, in nats (Burda et al., 2016). Shown in lecture 06.

    log 1/samples * sum of p(x | z) p(z) / q(z | x) over codes z drawn from q. With one sample it is an estimate of the
    ELBO, whatever beta the model was trained with; with more it rises on average towards log p(x).

    Args:
        vae: a `VAE` without labels. Its "bce" is a log-likelihood where pixels are 0 or 1; "mse" and "mae" stand for
            normal distributions with variance 1/2 and Laplace distributions with scale 1, here with their constants.
        images: float32, (n, rows, columns, bands).
        samples: codes drawn for each image, at least 1.
        seed: of the codes, which are the same on every backend.
        batch_size: images at a time.

    Returns:
        float64, (n,).

    Raises:
        ValueError: the model takes labels, the images do not fit it, or `samples` is no whole number from 1.
    """
    samples = whole_number("samples", samples)
    if len(vae.encoder.inputs) != 1:
        raise ValueError(
            f"The encoder takes {len(vae.encoder.inputs)} inputs, but this bound is for a VAE of images alone. "
            "Use a VAE without labels."
        )
    vae._check(images)
    z_mean, z_log_var, _ = vae.encoder.predict(images, batch_size=batch_size, verbose=0)
    z_mean, z_log_var = np.asarray(z_mean), np.asarray(z_log_var)
    rng = np.random.default_rng(seed)
    constant = LOG_NORMALIZERS[vae.reconstruction] * math.prod(images.shape[1:])
    total = np.full(len(images), -np.inf)  # log of the sum of the weights so far
    for _ in range(samples):
        epsilon = rng.standard_normal(z_mean.shape, np.float32)  # (n, latent_dim)
        z = z_mean + np.exp(z_log_var / 2) * epsilon
        found = vae.decoder.predict(z, batch_size=batch_size, verbose=0)
        reconstruction = sum_over_image(RECONSTRUCTIONS[vae.reconstruction](images, found))  # (n,)
        kl = sum_over_image(kl_monte_carlo(z, z_mean, z_log_var))  # (n,)
        total = np.logaddexp(total, -ops.convert_to_numpy(reconstruction + kl).astype("float64"))
    return total - math.log(samples) - constant


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


_TWO_INPUTS = "A ConditionalVAE takes images and labels: fit([images, labels]). Received one array."


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
            raise ValueError(_TWO_INPUTS)
        images, labels = inputs
        z_mean, z_log_var, z = self.encoder([images, labels], training=training)
        found = self.decoder([z, labels], training=training)
        return {"reconstruction": found, "z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def _check(self, x: Any, y: Any = None) -> None:
        if isinstance(x, (list, tuple)):
            images, labels = x
            super()._check(images, y)
            self._check_labels(labels)
        elif isinstance(x, np.ndarray):
            raise ValueError(_TWO_INPUTS)

    def reconstruct(self, images: Any, labels: Any, **options: Any) -> np.ndarray:  # type: ignore[override]
        """Decode the means of the codes with their own labels, without noise.

        Args:
            images: float32, (n, rows, columns, bands).
            labels: integer, (n,).
            options: of `predict`, such as `batch_size`.

        Returns:
            float32, (n, rows, columns, bands), values in [0, 1].

        Raises:
            ValueError: images hold NaN or infinity, or a label is no class.
        """
        check_images(images, self._noun)
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
        """Check labels against the one-hot layer of the decoder, if it has one."""
        for layer in self.decoder.layers:
            if isinstance(layer, keras.layers.CategoryEncoding):
                check_labels(labels, layer.num_tokens)

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
        if tuple(y.shape[1:]) not in ((), (1,)):
            raise ValueError(
                "A BranchedVAE learns from images and labels, whole numbers (n,): fit(images, labels). Received "
                f"targets of shape {batch_shape(y.shape)}. One-hot labels become numbers by labels.argmax(axis=1)."
            )
        loss_of_vae = super().compute_loss(x, None, y_pred, sample_weight, training)
        labels, probabilities = ops.cast(ops.reshape(y, (-1,)), "int32"), ops.cast(y_pred["probabilities"], "float32")
        surprise = ops.sparse_categorical_crossentropy(labels, probabilities)  # (batch, classes) -> (batch,)
        right = ops.cast(ops.argmax(probabilities, axis=-1), "int32") == labels
        classification = self._average(surprise, sample_weight)
        accuracy = ops.mean(ops.cast(right, "float32"))
        self._note(x, (self.classification_metric, classification), (self.accuracy_metric, accuracy))
        return loss_of_vae + self.classification_weight * classification

    def _check(self, x: Any, y: Any = None) -> None:
        super()._check(x)
        if isinstance(y, np.ndarray) or ops.is_tensor(y):
            check_labels(y, self.classifier.output_shape[-1])

    def as_classifier(self) -> keras.Model:
        """Return images -> probabilities, of this model's encoder and classifier, to train these two beforehand.

        Compile it with "sparse_categorical_crossentropy" and `fit(images, labels)`; the weights are shared. What
        spreads the codes, the head of `z_log_var`, and the decoder stay as they are.
        """
        z_mean, _, _ = self.encoder.outputs
        return keras.Model(self.encoder.inputs, self.classifier(z_mean), name="encoder_and_classifier")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the model with its parts."""
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
