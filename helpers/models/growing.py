"""Growing a deep autoencoder greedily, one layer at a time. Shown in lecture 03.

Train a shallow autoencoder, keep its encoder, put one more layer on it and a whole new decoder behind it, train
again, and repeat. (After Hinton & Salakhutdinov, 2006, and Bengio et al., 2007, with autoencoders in place of RBMs.)
"""

import keras

from helpers.models import dense, join


def add_stage(
    encoder: keras.Model, latent_dim: int, *, code_activation: str = "relu", freeze: bool = False
) -> keras.Model:
    """Build the next, deeper autoencoder on a copy of a trained dense encoder.

    Args:
        encoder: made by `dense.build_encoder`, trained. Left as it is: its weights are copied.
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
    deeper = dense.build_encoder(latent_dim, hidden=widths, input_shape=shape, **activations)
    for old, new in zip(_dense_layers(encoder), _dense_layers(deeper), strict=False):  # the last one is new
        new.set_weights(old.get_weights())
        new.activation = old.activation
        new.trainable = not freeze
    options = {"output_shape": shape, "hidden_activation": activation}
    return join(deeper, dense.build_decoder(latent_dim, hidden=widths[::-1], **options))


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
