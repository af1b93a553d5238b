"""Checks of Keras models without any training."""

from collections.abc import Callable, Iterator
from typing import Any

from helpers.backend import keras
from helpers.grading.checks.messages import holds, mismatch


def model(what: str, found: object, *, read: str) -> None:
    """Check that something is a Keras model.

    Raises:
        Mismatch: it is not.
    """
    got = f"{type(found).__name__}{'; does the function end with `return`?' if found is None else ''}"
    holds(what, isinstance(found, keras.Model), expected="a keras.Model", got=got, read=read)


def layers_in(found: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a model, and those of the models in it."""
    for layer in found.layers:
        if isinstance(layer, keras.Model):
            yield from layers_in(layer)
        else:
            yield layer


def parameters(what: str, found: Any, wanted: int, *, read: str) -> None:
    """Check how many numbers a model or a layer learns or keeps.

    Raises:
        Mismatch: it is another number.
    """
    count = found.count_params()
    if count != wanted:
        raise mismatch(what, expected=f"{wanted:,} parameters", got=f"{count:,}", read=read)


def trains_everywhere(what: str, found: keras.Model, loss: Callable[[], Any], *, read: str) -> None:
    """Check that a gradient reaches every weight that is to be trained.

    Args:
        found: the model.
        loss: computes a scalar from the model.

    Raises:
        Mismatch: a weight has no gradient, or one that is zero everywhere.
    """
    import tensorflow as tf  # slow to import, and only needed here

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, found.trainable_weights)
    dead = [w.path for w, g in zip(found.trainable_weights, gradients, strict=True) if g is None or not _reaches(g)]
    if dead:
        raise mismatch(what, expected="a gradient for every weight", got=f"none for {', '.join(dead)}", read=read)


def _reaches(gradient: Any) -> bool:
    return bool(keras.ops.any(keras.ops.not_equal(keras.ops.convert_to_tensor(gradient), 0)))
