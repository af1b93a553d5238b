"""Checks of Keras models without any training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from helpers.backend import keras
from helpers.grading.checks.messages import holds, mismatch
from helpers.grading.checks.values import numbers, shape


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


def rectified(what: str, found: keras.Model, inputs: Any, *, read: str, which: slice = slice(1, None)) -> None:
    """Check that a ReLU lies before layers with weights, in whatever way it is written.

    Args:
        found: the model.
        inputs: that it takes, some dozens, with values around 0, so that a ReLU has something to cut off.
        which: of its layers with weights, in the order in which they are called; by default all but the first.

    Raises:
        Mismatch: there are no such layers, one of them takes in numbers below 0, or none takes in a 0.
    """
    with _called() as calls:
        found(inputs)
    own = set(map(id, layers_in(found)))
    taken = [(one.name, np.asarray(x)) for one, x in calls if id(one) in own and one.weights][which]
    if not taken:
        raise mismatch(what, expected="a hidden layer with ReLU", got="no hidden layer", read=read)
    expected = "ReLU after each hidden layer, which makes negative numbers 0"
    for name, array in taken:
        low, high = array.min(), array.max()
        holds(what, low >= 0, expected=expected, got=f"{low:.3g} to {high:.3g} on the way into {name}", read=read)
    cut = any((array == 0).any() for _, array in taken)
    holds(what, cut, expected=expected, got=f"no 0 on the way into {taken[0][0]}", read=read)


def sampled(what: str, found: object, z_mean: object, z_log_var: object, *, read: str) -> None:
    """Check that codes were drawn around their means, with their variances.

    Args:
        found: the codes, (batch, latent_dim), a thousand numbers or more, so that chance says little.
        z_mean, z_log_var: what they should be drawn from.

    Raises:
        Mismatch: the shape is another, or mean or deviation of the noise is.
    """
    mean, log_var = numbers("z_mean", z_mean, read=read), numbers("z_log_var", z_log_var, read=read)
    shape(what, found, mean.shape, read=read)
    noise = (numbers(what, found, read=read) - mean) / np.exp(log_var / 2)
    center, deviation = noise.mean(), noise.std()
    expected = "z_mean + exp(z_log_var / 2) * noise, with noise of mean 0 and standard deviation 1"
    got = f"noise of mean {center:.2f} and standard deviation {deviation:.2f}"
    holds(what, abs(center) < 0.15 and abs(deviation - 1) < 0.15, expected=expected, got=got, read=read)


@contextmanager
def _called() -> Iterator[list[tuple[keras.layers.Layer, Any]]]:
    """Collect each layer that is called in the block, with what it takes in, in order."""
    calls: list[tuple[keras.layers.Layer, Any]] = []
    call = keras.layers.Layer.__call__

    def note(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        calls.extend((layer, x) for x in inputs[:1])
        return call(layer, *inputs, **options)

    with mock.patch.object(keras.layers.Layer, "__call__", note):
        yield calls


def _reaches(gradient: Any) -> bool:
    return bool(keras.ops.any(keras.ops.not_equal(keras.ops.convert_to_tensor(gradient), 0)))
