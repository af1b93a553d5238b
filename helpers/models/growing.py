"""Growing a deep autoencoder greedily, one layer at a time. Shown in lecture 03.

Train a shallow autoencoder, keep its encoder, put one more layer on it and a whole new decoder behind it, train
again, and repeat. (After Hinton & Salakhutdinov, 2006, and Bengio et al., 2007, with autoencoders in place of RBMs.)
"""

import keras

from helpers.models import dense, join


def add_stage(encoder: keras.Model, latent_dim: int, *, freeze: bool = False) -> keras.Model:
    """Build the next, deeper autoencoder on a copy of a trained dense encoder.

    Args:
        encoder: made by `dense.build_encoder`, trained. Left as it is: its weights are copied.
        latent_dim: width of the new code; the old code becomes the last hidden layer.
        freeze: keep the copied layers as they are, so that only the new ones learn.

    Returns:
        A model, not compiled, whose encoder is one layer deeper and whose decoder is new from end to end.

    Raises:
        ValueError: `encoder` has layers that are not dense, so that it cannot be grown here.
    """
    widths = [layer.units for layer in _dense_layers(encoder)]
    image_shape = encoder.input_shape[1:]
    deeper = dense.build_encoder(latent_dim, hidden=widths, image_shape=image_shape)
    for old, new in zip(_dense_layers(encoder), _dense_layers(deeper), strict=False):  # the last one is new
        new.set_weights(old.get_weights())
        new.trainable = not freeze
    return join(deeper, dense.build_decoder(latent_dim, hidden=widths[::-1], image_shape=image_shape))


def _dense_layers(encoder: keras.Model) -> list[keras.layers.Dense]:
    other = [layer.name for layer in encoder.layers if layer.weights and not isinstance(layer, keras.layers.Dense)]
    if other:
        raise ValueError(
            f'Only encoders of dense layers can grow here; "{encoder.name}" has {", ".join(other)}. '
            "Build it with helpers.models.dense.build_encoder."
        )
    return [layer for layer in encoder.layers if isinstance(layer, keras.layers.Dense)]
