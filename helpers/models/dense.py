"""Autoencoders made of dense layers: simple (lecture 01), sparse (02) and deep (03).

Images are float32, (batch, rows, columns, bands), values in [0, 1]. Codes are float32, (batch, latent_dim).

`add_stage` grows a deep one greedily: train a shallow autoencoder, keep its encoder, put one more layer on it and a
whole new decoder behind it, train again, and repeat. (After Hinton & Salakhutdinov, 2006, and Bengio et al., 2007, with
autoencoders in place of RBMs.)
"""

import math
from collections.abc import Sequence

import keras
from keras import layers, ops

from helpers.models import join, whole_number, whole_numbers

Shape = tuple[int, int, int]


def build_encoder(
    latent_dim: int = 32,
    *,
    hidden: Sequence[int] = (),
    input_shape: Shape = (28, 28, 1),
    hidden_activation: str = "relu",
    code_activation: str = "relu",
    penalty: layers.Layer | None = None,
) -> keras.Model:
    """Build an encoder: flatten, hidden layers, code. Shown in lectures 01 and 03.

    Args:
        latent_dim: numbers in a code, at least 1.
        hidden: widths of the layers between image and code, from the image on.
        input_shape: (rows, columns, bands).
        hidden_activation: activation of the hidden layers.
        code_activation: activation of the code layer.
        penalty: a layer through which the codes pass unchanged and which adds to the loss, such as
            `layers.ActivityRegularization(l1=1e-5)` or `KLSparsity()`. Shown in lecture 02.

    Returns:
        A model named "encoder": (batch, *input_shape) -> (batch, latent_dim).

    Raises:
        ValueError: a width is not a positive whole number, or `input_shape` is not three of them; `penalty` is a
            `KLSparsity` and codes with `code_activation` do not stay in [0, 1].
    """
    latent_dim, hidden = whole_number("latent_dim", latent_dim), whole_numbers("hidden", hidden)
    input_shape = _check_shape(input_shape)
    images = keras.Input(input_shape, name="image")  # (batch, rows, columns, bands)
    x = layers.Flatten(name="pixels")(images)  # -> (batch, rows * columns * bands)
    for depth, width in enumerate(hidden, start=1):
        x = layers.Dense(width, activation=hidden_activation, name=f"hidden_{depth}")(x)  # -> (batch, width)
    codes = layers.Dense(latent_dim, activation=code_activation, name="code")(x)  # -> (batch, latent_dim)
    if penalty is not None:
        codes = penalty(codes)
    return keras.Model(images, codes, name="encoder")


def build_decoder(
    latent_dim: int = 32,
    *,
    hidden: Sequence[int] = (),
    output_shape: Shape = (28, 28, 1),
    hidden_activation: str = "relu",
) -> keras.Model:
    """Build a decoder: code, hidden layers, one sigmoid per pixel. Shown in lectures 01 and 03.

    Args:
        latent_dim: numbers in a code, at least 1.
        hidden: widths of the layers between code and image, from the code on.
        output_shape: (rows, columns, bands).
        hidden_activation: activation of the hidden layers.

    Returns:
        A model named "decoder": (batch, latent_dim) -> (batch, *output_shape), values in [0, 1].

    Raises:
        ValueError: a width is not a positive whole number, or `output_shape` is not three of them.
    """
    latent_dim, hidden = whole_number("latent_dim", latent_dim), whole_numbers("hidden", hidden)
    output_shape = _check_shape(output_shape)
    codes = keras.Input((latent_dim,), name="code")  # (batch, latent_dim)
    x = codes
    for depth, width in enumerate(hidden, start=1):
        x = layers.Dense(width, activation=hidden_activation, name=f"hidden_{depth}")(x)  # -> (batch, width)
    x = layers.Dense(math.prod(output_shape), activation="sigmoid", name="pixels")(x)  # -> (batch, pixels)
    images = layers.Reshape(output_shape, name="image")(x)  # -> (batch, rows, columns, bands)
    return keras.Model(codes, images, name="decoder")


def build_autoencoder(
    latent_dim: int = 32,
    *,
    hidden: Sequence[int] = (),
    input_shape: Shape = (28, 28, 1),
    hidden_activation: str = "relu",
    code_activation: str = "relu",
    penalty: layers.Layer | None = None,
) -> keras.Model:
    """Build an encoder and its mirror image as decoder, joined. Shown in lectures 01-03.

    Args:
        latent_dim, hidden, input_shape, hidden_activation, code_activation, penalty: as in `build_encoder`; the
            decoder's hidden layers are the encoder's in reverse.

    Returns:
        A model, not compiled: (batch, *input_shape) -> (batch, *input_shape).
    """
    encoder = build_encoder(
        latent_dim,
        hidden=hidden,
        input_shape=input_shape,
        hidden_activation=hidden_activation,
        code_activation=code_activation,
        penalty=penalty,
    )
    decoder = build_decoder(
        latent_dim, hidden=hidden[::-1], output_shape=input_shape, hidden_activation=hidden_activation
    )
    return join(encoder, decoder)


def kl_bernoulli(rho: float, rho_hat: keras.KerasTensor) -> keras.KerasTensor:
    """Return the Kullback-Leibler divergence KL(rho || rho_hat) of two coins, element by element, in nats.

    rho log(rho / rho_hat) + (1 - rho) log((1 - rho) / (1 - rho_hat)); zero where both agree. Derived in lecture 02.

    Args:
        rho: wanted probability, strictly between 0 and 1.
        rho_hat: float tensor of any shape, found probabilities in [0, 1]; kept 1e-7 away from both ends.
    """
    rho_hat = ops.clip(rho_hat, 1e-7, 1 - 1e-7)
    return rho * ops.log(rho / rho_hat) + (1 - rho) * ops.log((1 - rho) / (1 - rho_hat))


_PROBABILITIES = (keras.activations.sigmoid, keras.activations.hard_sigmoid, keras.activations.softmax)


@keras.saving.register_keras_serializable(package="course")
class KLSparsity(layers.Layer):
    """Pass codes through, and add to the loss how far their mean activity is from a small target. Shown in lecture 02.

    The loss gains weight * sum over units of KL(rho || mean activity of the unit in the batch). A layer rather than an
    activity regulariser: Keras divides those by the batch size, and this sum is a mean over the batch already.
    (Ng, 2011, CS294A lecture notes.)

    Args:
        rho: wanted mean activity, strictly between 0 and 1.
        weight: factor before the penalty, at least 0.

    Raises:
        ValueError: `rho` or `weight` is out of range.
    """

    def __init__(self, rho: float = 0.05, weight: float = 1e-3, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not 0 < rho < 1:
            raise ValueError(f"rho is a mean activity and must lie between 0 and 1; received {rho}. Try 0.05.")
        if weight < 0:
            raise ValueError(f"weight must be at least 0; received {weight}. A negative one rewards dense codes.")
        self.rho, self.weight = rho, weight

    def __call__(self, codes: keras.KerasTensor, **options: object) -> keras.KerasTensor:
        """Call the layer, once the one that gives the codes is seen to keep them in [0, 1].

        Raises:
            ValueError: its activation does not.
        """
        _check_activity(codes)
        return super().__call__(codes, **options)

    def call(self, codes: keras.KerasTensor) -> keras.KerasTensor:
        """Return `codes`, float (batch, latent_dim) in [0, 1], unchanged, and add the penalty to the loss."""
        mean_activity = ops.mean(codes, axis=0)  # (batch, latent_dim) -> (latent_dim,)
        self.add_loss(self.weight * ops.sum(kl_bernoulli(self.rho, mean_activity)))
        return codes

    def get_config(self) -> dict:
        """Return what `load_model` needs to build this layer again."""
        return {**super().get_config(), "rho": self.rho, "weight": self.weight}


def _check_activity(codes: keras.KerasTensor) -> None:
    """Check that codes can be read as probabilities, where a model is put together and their layer is known."""
    layer = getattr(getattr(codes, "_keras_history", None), "operation", None)
    activation = getattr(layer, "activation", None)
    if layer and activation is not None and activation not in _PROBABILITIES:
        raise ValueError(
            "KLSparsity compares each unit's mean activity with a probability, so codes must stay in [0, 1]; "
            f'"{layer.name}" has the activation {keras.activations.serialize(activation)!r}. '
            'Use code_activation="sigmoid". To make other codes sparse, use L1: layers.ActivityRegularization(l1=1e-5).'
        )


def _check_shape(shape: Shape) -> Shape:
    try:
        rows, columns, bands = whole_numbers("shape", shape)
    except ValueError:  # too few, too many, or no whole numbers
        raise ValueError(
            "The shape of an image must be (rows, columns, bands), three whole numbers of at least 1; "
            f"received {shape!r}. A grey image has one band, as in (28, 28, 1)."
        ) from None
    return rows, columns, bands


def add_stage(
    encoder: keras.Model, latent_dim: int, *, code_activation: str = "relu", freeze: bool = False
) -> keras.Model:
    """Build the next, deeper autoencoder on a copy of a trained dense encoder.

    Args:
        encoder: made by `build_encoder`, trained. Left as it is: its weights are copied.
        latent_dim: width of the new code; the old code becomes the last hidden layer.
        code_activation: activation of the new code. A linear code ends the growing.
        freeze: keep the copied layers as they are, so that only the new ones learn.

    Returns:
        A model, not compiled, whose encoder is one layer deeper and whose decoder is new from end to end. The
        decoder's hidden layers have the activation of the old code.

    Raises:
        ValueError: `encoder` has layers that are not dense, or a linear code, so that it cannot be grown here.
    """
    widths = [layer.units for layer in _dense_layers(encoder)]
    shape, activation = encoder.input_shape[1:], _activation_of_code(encoder)
    activations = {"hidden_activation": activation, "code_activation": code_activation}
    deeper = build_encoder(latent_dim, hidden=widths, input_shape=shape, **activations)
    for old, new in zip(_dense_layers(encoder), _dense_layers(deeper), strict=False):  # the last one is new
        new.set_weights(old.get_weights())
        new.activation = old.activation
        new.trainable = not freeze
    options = {"output_shape": shape, "hidden_activation": activation}
    return join(deeper, build_decoder(latent_dim, hidden=widths[::-1], **options))


def _activation_of_code(encoder: keras.Model) -> str:
    activation = keras.activations.serialize(_dense_layers(encoder)[-1].activation)
    if activation == "linear":
        raise ValueError(
            f'The code of "{encoder.name}" is linear, and a linear layer with another on top of it is worth one layer. '
            'To grow on, build this stage with code_activation="relu"; only the last stage may have a linear code.'
        )
    return activation


def _dense_layers(encoder: keras.Model) -> list[keras.layers.Dense]:
    other = [layer.name for layer in encoder.layers if layer.weights and not isinstance(layer, keras.layers.Dense)]
    if other:
        raise ValueError(
            f'Only encoders of dense layers can grow here; "{encoder.name}" has {", ".join(other)}. '
            "Build it with helpers.models.dense.build_encoder."
        )
    return [layer for layer in encoder.layers if isinstance(layer, keras.layers.Dense)]
