"""Checks of numbers, arrays and tensors. Types come first: an object that equals everything passes nowhere."""

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.backend import keras
from helpers.grading.checks.messages import holds, mismatch


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
