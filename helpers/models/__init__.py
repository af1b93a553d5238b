"""Networks, each built by a function that returns a `keras.Model`. Keras 3 only, so every backend runs them.

Every autoencoder is made by `join` of two models, and keeps them under the names "encoder" and "decoder".
"""

import keras


def join(encoder: keras.Model, decoder: keras.Model, *, name: str = "autoencoder") -> keras.Model:
    """Chain an encoder and a decoder into an autoencoder that shares their weights. Shown in lecture 01.

    Args:
        encoder: images to codes.
        decoder: codes to images; takes what the encoder gives.
        name: of the autoencoder.

    Returns:
        A model from images to images. `get_layer("encoder")` and `get_layer("decoder")` give the two parts.

    Raises:
        ValueError: the decoder does not take the encoder's codes.
    """
    if encoder.output_shape != decoder.input_shape:
        raise ValueError(
            f"The encoder gives codes of shape {encoder.output_shape}, but the decoder takes "
            f"{decoder.input_shape}. Build both with the same latent_dim."
        )
    if (encoder.name, decoder.name) != ("encoder", "decoder"):
        raise ValueError(
            f'The parts are named "{encoder.name}" and "{decoder.name}". '
            'Build them with name="encoder" and name="decoder", so that they can be found again.'
        )
    images = keras.Input(encoder.input_shape[1:], name="image")
    return keras.Model(images, decoder(encoder(images)), name=name)
