"""What kind of value a parameter takes: read off the function that takes it. Used by `helpers.experiments.tasks`."""

import math
from collections.abc import Callable, Iterable, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_WORDS: dict[Any, tuple[str, str]] = {  # for one of them, and for many
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a text", "texts"),
    bool: ("true or false", "true or false"),
}
_LISTS = (Sequence, Iterable, list, tuple)


def kinds(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Tell what functions want, by the names of their parameters; where they differ, what the first wants.

    >>> def train(epochs: int, rate: float = 0.1) -> None: ...
    >>> kinds(train)
    {'epochs': <class 'int'>, 'rate': <class 'float'>}
    """
    found: dict[str, Any] = {}
    for function in reversed(functions):
        found |= get_type_hints(function)
    return {name: kind for name, kind in found.items() if name != "return"}


def fits(value: Any, kind: Any) -> bool:
    """Say whether a value that TOML can write is of a kind. Whole numbers are numbers; true and false are not.

    >>> fits(3, int), fits(3, float), fits(True, int), fits("max", Literal["max", "mean"]), fits(None, int | None)
    (True, True, False, True, True)
    >>> fits([4, 8], Sequence[int]), fits([4, 8.5], Sequence[int]), fits("naip_new", Sequence[str])
    (True, False, True)
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return any(value == part and isinstance(value, type(part)) for part in parts)
    if origin in _LISTS:
        if isinstance(value, str):  # what takes several texts takes one as well
            return str in parts
        return isinstance(value, list) and all(any(fits(each, part) for part in parts) for each in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is int if kind is int else kind is Any or isinstance(value, kind)


def told(kind: Any, *, many: bool = False) -> str:
    """Put a kind into words; None, which TOML cannot write, is left out.

    >>> told(int), told(str | Sequence[str]), told(Literal["tile", "digit"]), told(float | None)
    ('a whole number', 'a text or a list of texts', '"tile" or "digit"', 'a number')
    """
    if kind in _WORDS:
        return _WORDS[kind][many]
    origin, parts = get_origin(kind), [part for part in get_args(kind) if part not in (NoneType, ...)]
    if origin is Literal:
        return " or ".join(f'"{part}"' for part in parts)
    words = " or ".join(dict.fromkeys(told(part, many=origin in _LISTS) for part in parts))
    if origin in _LISTS:
        return f"a list of {words}"
    return words or getattr(kind, "__name__", str(kind))
