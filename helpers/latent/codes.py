"""Codes: what they must be, how to take them from every layer of an encoder, how to take fewer of them.

Codes are float, (n, latent_dim); labels are (n,), whole numbers. Used by lectures 06-10, and by its neighbours here.
"""

from collections.abc import Sequence

import numpy as np

from helpers.backend import keras

_PASS_ON = ("InputLayer", "Flatten", "Reshape", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout")


def codes_per_layer(
    encoder: keras.Model,
    images: np.ndarray | Sequence[np.ndarray],
    *,
    cells: int | None = 4,
    layers: Sequence[str] | None = None,
    batch_size: int = 250,
) -> dict[str, np.ndarray]:
    """Return what every layer of an encoder makes of the images, such as for one probe per layer.

    Args:
        encoder: any model built by inputs and outputs, on any Keras backend. A model inside of it is one layer.
        images: what the encoder takes; a sequence of arrays if it has several inputs.
        cells: feature maps are averaged down to at most cells x cells before they are flattened; 1 averages over the
            whole map, None keeps every pixel.
        layers: names of the layers; by default all but those that change no number (input, flatten, dropout, noise)
            and those that give several arrays.
        batch_size: images encoded at once.

    Returns:
        For each layer, from the image on: float32, (n, numbers).

    Raises:
        ValueError: the encoder has no layer of a name.
    """
    names = [layer.name for layer in encoder.layers]
    if unknown := sorted(set(layers or ()) - set(names)):
        raise ValueError(f'"{encoder.name}" has no layer {", ".join(unknown)}. It has: {", ".join(names)}.')
    chosen = [layer for layer in encoder.layers if _is_wanted(layer, layers)]
    outputs = {layer.name: _flat(layer.output, cells) for layer in chosen}
    found = keras.Model(encoder.inputs, outputs).predict(images, batch_size=batch_size, verbose=0)
    return {name: found[name] for name in outputs}  # JAX sorts the names


def check_codes(codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Return codes as an array, once they are seen to be finite numbers, (n, latent_dim), and to fit the labels.

    Raises:
        ValueError: they are not.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2:
        raise ValueError(
            f"codes must be (n, latent_dim); received {codes.shape}. "
            "Feature maps become codes by codes.reshape(len(codes), -1), or by codes_per_layer."
        )
    if broken := int((~np.isfinite(codes)).any(axis=1).sum()):
        raise ValueError(
            f"{broken} of {len(codes)} codes hold NaN or infinity: the encoder's training has failed. "
            "Look at its loss, and train again with a lower learning rate."
        )
    if labels is not None and len(labels) != len(codes):
        raise ValueError(f"{len(codes)} codes, but {len(labels)} labels. Take both from the same images.")
    return codes


def sample_rows(count: int, limit: int | None, *, seed: int, purpose: str) -> np.ndarray:
    """Choose at most `limit` of `count` rows, and say so if that leaves some out.

    Returns:
        int64, ascending row numbers.
    """
    if limit is None or count <= limit:
        return np.arange(count)
    print(f"{purpose}: {limit:,} of {count:,} codes, drawn by chance (seed {seed}); limit=None takes all.")
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _is_wanted(layer: keras.layers.Layer, names: Sequence[str] | None) -> bool:
    if names is not None:
        return layer.name in names
    return type(layer).__name__ not in _PASS_ON and isinstance(layer.output, keras.KerasTensor)


def _flat(output: keras.KerasTensor, cells: int | None) -> keras.KerasTensor:
    """Flatten a layer's output; feature maps are averaged over cells first."""
    if cells and len(output.shape) == 4:
        pool = tuple(-(-size // cells) for size in output.shape[1:3])
        output = keras.layers.AveragePooling2D(pool, padding="same")(output)  # -> (batch, cells, cells, channels)
    return keras.layers.Flatten()(output)
