"""What the test cells of homework call: silent, or an error that says what was expected, what came, where to read.

>>> import numpy as np
>>> from helpers.grading import checks
>>> checks.shape("the code", np.zeros((4, 32)), (4, 8), read="lecture 01, Two halves and a narrow middle")
Traceback (most recent call last):
    ...
helpers.grading.checks.Mismatch: the code
  expected: shape (4, 8)
  got:      shape (4, 32)
  read:     lecture 01, Two halves and a narrow middle
"""

import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from helpers.backend import keras
from helpers.training import seed_everything

__all__ = [
    "Limit",
    "Mismatch",
    "at_least",
    "at_most",
    "called",
    "close",
    "differ",
    "explained",
    "gradient",
    "holds",
    "layers_in",
    "model",
    "numbers",
    "parameters",
    "recorded",
    "rectified",
    "refuses",
    "same",
    "sampled",
    "seed",
    "shape",
    "sigmoid",
    "taken_in",
    "trains_everywhere",
    "widths",
    "within",
]


class Mismatch(AssertionError):
    """What a student's code gave is not what was asked for; lines for what, expected, got and where to read."""


def mismatch(what: str, *, expected: str, got: str, read: str) -> Mismatch:
    """Make the error of a check that fails.

    Args:
        what: is looked at, such as "the code for 4 images".
        expected, got: what was asked for and what came.
        read: where it is explained: a lecture and its section.
    """
    return Mismatch(f"{what}\n  expected: {expected}\n  got:      {got}\n  read:     {read}")


def holds(what: str, condition: object, *, expected: str, got: object, read: str) -> None:
    """Check a condition that no other check is for.

    Args:
        condition: True or False, of Python or of NumPy; an object that only passes for true does not.
        what, expected, got, read: as in `mismatch`.

    Raises:
        Mismatch: the condition is not True.
    """
    if not (type(condition) in (bool, np.bool_) and condition):
        raise mismatch(what, expected=expected, got=str(got), read=read)


def numbers(what: str, found: object, *, read: str) -> np.ndarray:
    """Check that something is a number, an array or a tensor without NaN and infinity, and return it as an array.

    Raises:
        Mismatch: it is not.
    """
    if found is None:
        raise mismatch(what, expected="numbers", got="None; does the function end with `return`?", read=read)
    if keras.ops.is_tensor(found):
        found = keras.ops.convert_to_numpy(found)
    if type(found) not in (bool, int, float) and not (type(found) is np.ndarray or isinstance(found, np.generic)):
        raise mismatch(what, expected="a number, an array or a tensor", got=_kind(found), read=read)
    array = np.asarray(found)
    if not np.issubdtype(array.dtype, np.number) and array.dtype != bool:
        raise mismatch(what, expected="numbers", got=f"an array of {array.dtype}", read=read)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise mismatch(what, expected="finite numbers", got=f"{bad} of {array.size} are NaN or infinite", read=read)
    return array


def shape(what: str, found: object, wanted: tuple[int, ...], *, read: str) -> None:
    """Check the shape of an array or a tensor.

    Raises:
        Mismatch: it is another.
    """
    array = numbers(what, found, read=read)
    if array.shape != wanted:
        raise mismatch(what, expected=f"shape {wanted}", got=f"shape {array.shape}", read=read)


def close(what: str, found: object, wanted: Any, *, read: str, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    """Check shape and values.

    Raises:
        Mismatch: the shape is another, or a value is farther off than `atol + rtol * abs(wanted)`.
    """
    array, target = numbers(what, found, read=read), np.asarray(wanted)
    shape(what, array, target.shape, read=read)
    off = ~np.isclose(array, target, rtol=rtol, atol=atol)
    if off.any():
        first = tuple(int(index) for index in np.argwhere(off)[0])
        place = f" at {list(first)}, and {off.sum()} of {off.size} values are off" if target.ndim else ""
        raise mismatch(what, expected=f"{target[first]:.6g}", got=f"{array[first]:.6g}{place}", read=read)


def within(what: str, found: object, low: float, high: float, *, read: str) -> None:
    """Check that all values lie in [low, high].

    Raises:
        Mismatch: one does not.
    """
    array = numbers(what, found, read=read)
    if array.size and not low <= array.min() <= array.max() <= high:
        got = f"{array.min():.6g} to {array.max():.6g}"
        raise mismatch(what, expected=f"values in [{low:g}, {high:g}]", got=got, read=read)


def differ(what: str, first: object, second: object, *, read: str, atol: float = 1e-4) -> None:
    """Check that two arrays of one shape are not the same.

    Raises:
        Mismatch: no value differs by more than `atol`, or the shapes do.
    """
    one, other = numbers(what, first, read=read), numbers(what, second, read=read)
    shape(what, other, one.shape, read=read)
    largest = float(np.abs(one - other).max())
    if largest <= atol:
        raise mismatch(what, expected="different values", got=f"a largest difference of {largest:.2g}", read=read)


def same(what: str, found: object, wanted: object, *, read: str) -> None:
    """Check a number, a text, or a list, tuple, set or dict of them: type and value.

    Raises:
        Mismatch: the type or the value is another.
    """
    found = found.item() if isinstance(found, np.generic) else found
    holds(what, type(found) is type(wanted), expected=f"{wanted!r} ({_kind(wanted)})", got=_kind(found), read=read)
    holds(what, wanted == found, expected=repr(wanted), got=repr(found), read=read)


def refuses(what: str, function: Callable[[], object], *, read: str) -> None:
    """Check that a call raises a ValueError that says something.

    Raises:
        Mismatch: it raises nothing, something else, or an empty one.
    """
    expected = "a ValueError with a message"
    try:
        function()
    except ValueError as error:
        if str(error).strip():
            return
        raise mismatch(what, expected=expected, got="a ValueError without one", read=read) from error
    except Exception as error:
        raise mismatch(what, expected=expected, got=f"{type(error).__name__}: {error}", read=read) from error
    raise mismatch(what, expected=expected, got="no error", read=read)


def _kind(found: object) -> str:
    return f"a {type(found).__name__}"


def explained(error: Exception) -> Exception:
    """Return the error of a test cell as a `Mismatch` that shows the student's own line, and nothing of the test.

    Args:
        error: that was raised; a `Mismatch` is returned as it is, and so is the error of a cell that is no test.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    cell = next((frame for frame, _ in frames if frame.f_globals.get("__name__") == "__main__"), None)
    if isinstance(error, Mismatch) or cell is None or not _is_test(cell.f_code.co_filename):
        return error
    where, read = cell.f_code.co_filename, str(cell.f_globals.get("read", "the docstring of the question"))
    theirs = [(f, n) for f, n in frames if f.f_globals is cell.f_globals and f.f_code.co_filename != where]
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    got = f"{type(error).__name__}: {said[:300]}{'…' * (len(said) > 300)}".removesuffix(": ")
    if "for `units`" in said and "positive integer" in said:
        got += ". For Keras a number of NumPy is none: write int(…) around it"
    if theirs:
        frame, number = theirs[-1]
        name, line = frame.f_code.co_qualname, linecache.getline(frame.f_code.co_filename, number).strip()
        if isinstance(error, NotImplementedError) and line.startswith("raise NotImplementedError"):
            blank = f"`{name}` is still to be written"
            return mismatch(blank, expected="your answer", got=f"`{line}`, as it was handed out", read=read)
        return mismatch(f"`{name}`, line {number} of its cell: `{line}`", expected="no error", got=got, read=read)
    if isinstance(error, NameError) and error.name:
        expected = "a name that your answer defines"
        return mismatch(f"`{error.name}`", expected=expected, got="none: its cell did not run, or failed", read=read)
    expected = "what the docstring asks for, which the test can go on with"
    return mismatch("what your code gives", expected=expected, got=got, read=read)


def _is_test(filename: str) -> bool:
    return any("checks." in line and "import" not in line for line in linecache.getlines(filename))


def _show(
    shell: Any, kind: type[Exception], error: Exception, trace: TracebackType, tb_offset: int | None = None
) -> None:
    said = explained(error)
    shell.showtraceback((type(said), said, trace), tb_offset=tb_offset)


if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():  # in a notebook, where test cells run
    sys.modules["IPython"].get_ipython().set_custom_exc((Exception,), _show)


class Limit(NamedTuple):
    """A number held against its limit.

    Attributes:
        what: the number is.
        found: the number.
        limit: that it must not pass.
        margin: how many times better than the limit it is; below 1 the check fails.
    """

    what: str
    found: float
    limit: float
    margin: float


_listeners: list[list[Limit]] = []


def at_most(what: str, found: object, limit: float, *, read: str) -> None:
    """Check that a positive number, such as an error, is not above its limit.

    Raises:
        Mismatch: it is, or is not one finite number.
    """
    number = _one(what, found, read)
    _note(Limit(what, number, limit, limit / max(number, 1e-12)))
    if number > limit:
        raise mismatch(what, expected=f"at most {limit:.4g}", got=f"{number:.4g}", read=read)


def at_least(what: str, found: object, limit: float, *, read: str) -> None:
    """Check that a number, such as an accuracy, is not below its limit, which is positive.

    Raises:
        Mismatch: it is, or is not one finite number.
    """
    number = _one(what, found, read)
    _note(Limit(what, number, limit, max(number, 0.0) / limit))
    if number < limit:
        raise mismatch(what, expected=f"at least {limit:.4g}", got=f"{number:.4g}", read=read)


@contextmanager
def recorded() -> Iterator[list[Limit]]:
    """Collect every number that is held against a limit in the block."""
    limits: list[Limit] = []
    _listeners.append(limits)
    try:
        yield limits
    finally:
        _listeners.remove(limits)


def _one(what: str, found: object, read: str) -> float:
    array = numbers(what, found, read=read)
    if array.size != 1:
        raise mismatch(what, expected="one number", got=f"shape {array.shape}", read=read)
    return float(array.reshape(()))


def _note(limit: Limit) -> None:
    for limits in _listeners:
        limits.append(limit)


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


class Call(NamedTuple):
    """A layer with weights of its own in a call of a model.

    Attributes:
        layer: the layer.
        taken, given: what goes in and what comes out.
        weights: of the layer, without those of layers in it.
    """

    layer: keras.layers.Layer
    taken: Any
    given: Any
    weights: list[Any]


def called(found: keras.Model, inputs: Any) -> list[Call]:
    """Call a model; return its layers with weights of their own, in the order in which they are called.

    That is the same for every way to write a model: `Sequential`, functional, or a subclass of `keras.Model`.
    """
    found(inputs)  # makes what is only made by a first call
    with _noted() as calls:
        found(inputs)
    return calls


def taken_in(found: keras.Model, inputs: Any) -> np.ndarray:
    """Return what the first layer with weights takes in, a row for each input: its pixels, if nothing changed them."""
    taken = np.asarray(called(found, inputs)[0].taken)
    return taken.reshape(len(taken), -1)


def widths(found: keras.Model, inputs: Any) -> list[int]:
    """Return how many numbers each layer with weights gives out, in the order in which they are called."""
    return [int(one.given.shape[-1]) for one in called(found, inputs)]


def parameters(what: str, found: Any, wanted: int, *, read: str) -> None:
    """Check how many numbers a model or a layer learns or keeps; of a subclass, after a first call.

    Raises:
        Mismatch: it is another number.
    """
    count = sum(int(np.prod(weight.shape)) for weight in found.weights)
    if count != wanted:
        raise mismatch(what, expected=f"{wanted:,} parameters", got=f"{count:,}", read=read)


_STATISTICS = ("moving_mean", "moving_variance", "mean", "variance", "count")  # which no gradient trains


def trains_everywhere(what: str, found: keras.Model, loss: Callable[[], Any], *, read: str) -> None:
    """Check that no weight is frozen, and that a gradient reaches every one.

    Args:
        found: the model.
        loss: computes a scalar from the model.

    Raises:
        Mismatch: a weight is not to be trained, has no gradient, or one that is zero everywhere.
    """
    import tensorflow as tf  # slow to import, and only needed here

    with tf.GradientTape() as tape:
        value = loss()
    frozen = [w.path for w in found.non_trainable_weights if w.name not in _STATISTICS]
    if frozen:
        raise mismatch(what, expected="every weight to be trained", got=f"frozen: {', '.join(frozen)}", read=read)
    gradients = tape.gradient(value, found.trainable_weights)
    dead = [w.path for w, g in zip(found.trainable_weights, gradients, strict=True) if g is None or not _reaches(g)]
    if dead:
        raise mismatch(what, expected="a gradient for every weight", got=f"none for {', '.join(dead)}", read=read)


def gradient(what: str, function: Callable[[Any], Any], inputs: object, *, read: str) -> np.ndarray:
    """Return the gradient of the sum of what a function returns, by its input.

    Args:
        function: of one tensor.
        inputs: a number or an array.

    Raises:
        Mismatch: there is none, as where NumPy computes.
    """
    import tensorflow as tf  # slow to import, and only needed here

    tensor = tf.convert_to_tensor(inputs)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = function(tensor)
        total = tf.reduce_sum(value) if tf.is_tensor(value) else None
    found = None if total is None else tape.gradient(total, tensor)
    got = f"none: the result is {_kind(value)}" if total is None else "none"
    holds(what, found is not None, expected="a gradient; compute with keras.ops, not NumPy", got=got, read=read)
    return numbers(what, found, read=read)


def rectified(what: str, found: keras.Model, inputs: Any, *, read: str, which: slice = slice(1, None)) -> None:
    """Check that a ReLU lies before layers with weights, in whatever way it is written.

    Args:
        found: the model.
        inputs: that it takes, some dozens, with values around 0, so that a ReLU has something to cut off.
        which: of its layers with weights, in the order in which they are called; by default all but the first.

    Raises:
        Mismatch: there are no such layers, one of them takes in numbers below 0, or none takes in a 0.
    """
    taken = [(one.layer.name, np.asarray(one.taken)) for one in called(found, inputs)][which]
    if not taken:
        raise mismatch(what, expected="a hidden layer with ReLU", got="no hidden layer", read=read)
    expected = "ReLU after each hidden layer, which makes negative numbers 0"
    for name, array in taken:
        low, high = array.min(), array.max()
        holds(what, low >= 0, expected=expected, got=f"{low:.3g} to {high:.3g} on the way into {name}", read=read)
    cut = any((array == 0).any() for _, array in taken)
    holds(what, cut, expected=expected, got=f"no 0 on the way into {taken[0][0]}", read=read)


def sigmoid(what: str, found: keras.Model, inputs: Any, *, read: str) -> None:
    """Check that what a model gives out has passed a sigmoid, in whatever way it is written.

    Half the weights of the last layer are half of what the sigmoid takes in; they are put back.

    Args:
        found: the model.
        inputs: that it takes; large ones, so that another function shows.

    Raises:
        Mismatch: it has not.
    """
    last = called(found, inputs)[-1].weights
    before, kept = numbers(what, found(inputs), read=read), [np.asarray(weight) for weight in last]
    for weight in last:
        weight.assign(0.5 * weight)
    after = numbers(what, found(inputs), read=read)
    for weight, value in zip(last, kept, strict=True):
        weight.assign(value)
    within(what, before, 0, 1, read=read)
    odds = np.sqrt(np.clip(before, 1e-6, 1 - 1e-6) / (1 - np.clip(before, 1e-6, 1 - 1e-6)))
    far = float(np.abs(after - odds / (1 + odds)).max())
    got = f"values that are up to {far:.2g} off, where the last weights are halved"
    holds(what, far < 5e-3, expected="a sigmoid as the last activation", got=got, read=read)


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
def _noted() -> Iterator[list[Call]]:
    """Collect the calls of layers in the block. What is in a layer is called, and so claims its weights, before it."""
    calls: list[Call] = []
    claimed: dict[int, keras.layers.Layer] = {}
    call = keras.layers.Layer.__call__

    def note(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        given = call(layer, *inputs, **options)
        own = [weight for weight in layer.weights if claimed.setdefault(id(weight), layer) is layer]
        if own:
            calls.append(Call(layer, next(iter((*inputs, *options.values())), None), given, own))
        return given

    with mock.patch.object(keras.layers.Layer, "__call__", note):
        yield calls


def _reaches(gradient: Any) -> bool:
    return bool(keras.ops.any(keras.ops.not_equal(keras.ops.convert_to_tensor(gradient), 0)))


_APART = 1000  # so that no two seeds of a homework meet when they are shifted
_shift = 0


def seed(number: int) -> int:
    """Seed Python, NumPy and Keras at the beginning of a test cell.

    Args:
        number: whole number of at least 0, below 1,000.

    Returns:
        The seed that was set, for the data of the test: `number`, except in the self-test.
    """
    shifted = number + _APART * _shift
    seed_everything(shifted)
    return shifted


@contextmanager
def shifted(by: int) -> Iterator[None]:
    """Let `seed` give other seeds for a while, the same ones for the same `by`; 0 for those of the grader."""
    global _shift
    before, _shift = _shift, by
    try:
        yield
    finally:
        _shift = before
