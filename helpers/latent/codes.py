"""Codes: what they must be, how to take them from every layer of an encoder, how to take fewer of them.

Codes are float, (n, latent_dim); labels are (n,), whole numbers. Used by lectures 06-10, and by its neighbours here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.backend import keras
from helpers.models.unet import MultipleOf

_PASS_ON = (
    keras.layers.InputLayer,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    MultipleOf,
)


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
        encoder: any model built by inputs and outputs, on any Keras backend. A model inside of it is one layer; a layer
            that it uses several times counts by the first.
        images: what the encoder takes; a sequence of arrays if it has several inputs.
        cells: feature maps are averaged down to at most cells x cells before they are flattened; 1 averages over the
            whole map, None keeps every pixel.
        layers: names of the layers; by default all but those that change no number (input, flatten, dropout, noise,
            a check of the size) and those that give several arrays.
        batch_size: images encoded at once.

    Returns:
        For each layer, from the image on: float32, (n, numbers).

    Raises:
        ValueError: the encoder has no layer of a name.
    """
    names = [layer.name for layer in encoder.layers]
    if unknown := sorted(set(layers or ()) - set(names)):
        raise ValueError(f'"{encoder.name}" has no layer {", ".join(unknown)}. It has: {", ".join(names)}.')
    inputs, given = _outputs(encoder, images)
    chosen = [layer.name for layer in encoder.layers if _is_wanted(layer, given[layer.name], layers)]
    outputs = {name: _flat(given[name], cells, name) for name in chosen}
    found = keras.Model(inputs, outputs).predict(images, batch_size=batch_size, verbose=0)
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


def check_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels as int64, (n,), once they are seen to be whole numbers.

    Raises:
        ValueError: they are not, such as one-hot rows, probabilities, or NaN.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(
            f"labels must be whole numbers, (n,); received {labels.shape}. One-hot labels become classes by "
            "labels.argmax(axis=1)."
        )
    is_whole = labels.dtype.kind in "iub" or (labels.dtype.kind == "f" and (labels == np.rint(labels)).all())
    if not is_whole:
        missing = int(np.isnan(labels).sum()) if labels.dtype.kind == "f" else 0
        found = (
            f"{missing:,} of {len(labels):,} are NaN" if missing else f"received {labels.dtype}, such as {labels[0]}"
        )
        raise ValueError(f"labels must be whole numbers, (n,); {found}. Leave out what has no class.")
    return labels.astype(np.int64)


def sample_rows(count: int, limit: int | None, *, seed: int, purpose: str) -> np.ndarray:
    """Choose at most `limit` of `count` rows, and say so if that leaves some out.

    Returns:
        int64, ascending row numbers.
    """
    if limit is None or count <= limit:
        return np.arange(count)
    print(f"{purpose}: {limit:,} of {count:,} codes, drawn by chance (seed {seed}); limit=None takes all.")
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _outputs(
    model: keras.Model, images: np.ndarray | Sequence[np.ndarray]
) -> tuple[list[keras.KerasTensor], dict[str, Any]]:
    """Call a model's layers anew, on inputs of the images' size; return the inputs, and what each layer gives.

    `layer.output` is that of the layer's first call, which may have been made for another model.
    """
    model = keras.Model(model.inputs, model.outputs)  # clone_model wants no Sequential, and would compile
    names = {id(layer.output): layer.name for layer in model.layers if isinstance(layer, keras.layers.InputLayer)}
    arrays = images if isinstance(images, (list, tuple)) else [images]
    inputs = [_input(one, array, names[id(one)]) for one, array in zip(model.inputs, arrays, strict=True)]
    given: dict[str, Any] = {tensor.name: tensor for tensor in inputs}

    def call(layer: Any, *args: Any, **options: Any) -> Any:
        output = layer(*args, **options)
        given.setdefault(layer.name, output)
        return output

    keras.models.clone_model(model, inputs, clone_function=lambda layer: layer, call_function=call)
    return inputs, given


def _input(tensor: keras.KerasTensor, array: np.ndarray, name: str) -> keras.KerasTensor:
    """Make an input like a model's own, with the array's sizes where those are None."""
    sizes = [size or np.shape(array)[axis] for axis, size in enumerate(tensor.shape[1:], start=1)]
    return keras.Input(batch_shape=(tensor.shape[0], *sizes), dtype=tensor.dtype, name=name)


def _is_wanted(layer: keras.layers.Layer, output: Any, names: Sequence[str] | None) -> bool:
    if names is not None:
        return layer.name in names
    return not isinstance(layer, _PASS_ON) and isinstance(output, keras.KerasTensor)


def _flat(output: keras.KerasTensor, cells: int | None, name: str) -> keras.KerasTensor:
    """Flatten a layer's output; feature maps are averaged over cells first."""
    if cells and len(output.shape) == 4:
        pool = tuple(-(-size // cells) for size in output.shape[1:3])
        pooling = keras.layers.AveragePooling2D(pool, padding="same", name=f"{name}_in_cells")
        output = pooling(output)  # -> (batch, cells, cells, channels)
    return keras.layers.Flatten(name=f"{name}_as_codes")(output)
