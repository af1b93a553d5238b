"""Settings in TOML files, validated by pydantic. Used by run files and their tasks, and by `helpers.slurm.sites`."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from helpers.errors import CourseError, nearest

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)  # true is no number, nor is "3"
_LISTS = (Sequence, Iterable, list, tuple)
_TABLE = "a table, which begins with its name in brackets, alone on a line"


def kinds(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Return the types that functions take, by parameter; where they differ, the type that the first takes.

    >>> def train(epochs: int, rate: float = 0.1) -> None: ...
    >>> kinds(train)
    {'epochs': <class 'int'>, 'rate': <class 'float'>}
    """
    found: dict[str, Any] = {}
    for function in reversed(functions):
        found |= get_type_hints(function, include_extras=True)
    return {name: kind for name, kind in found.items() if name != "return"}


def validate(
    settings: Mapping[str, Any],
    types: Mapping[str, Any],
    where: Callable[[str], str],
    *,
    wrong: type[CourseError],
    unknown: type[CourseError],
) -> None:
    """Raise an error for the first setting that is not known, or whose value is of another type or out of range.

    Args:
        settings: values as TOML has them.
        types: of all settings that are known.
        where: returns where a setting stands, for the message; "" where that is not known.
        wrong, unknown: the errors to raise.
    """
    for key, value in settings.items():
        if key not in types:
            known = ", ".join(sorted(types))
            raise unknown(_at(where(key)) + f"{key!r} is not known.{nearest(key, types)} What can be set: {known}.")
        try:
            TypeAdapter(_in_toml(types[key]), config=_STRICT).validate_python(value)
        except ValidationError as error:
            raise wrong(_at(where(key)) + key + _told(error)) from None


def _at(place: str) -> str:
    return f"{place}: " if place else ""


def _in_toml(kind: Any) -> Any:
    """Return the type as TOML writes it: it has lists alone, and what takes several texts takes one as well."""
    origin, parts = get_origin(kind), tuple(map(_in_toml, get_args(kind)))
    if origin in (Union, UnionType):
        return Union[parts]  # noqa: UP007 - of as many as there are
    if origin in _LISTS:
        items: Any = list[Union[tuple(part for part in parts if part is not ...)]]  # type: ignore[misc]  # noqa: UP007
        return items | str if str in parts else items
    return kind


def _told(error: ValidationError) -> str:
    """Put an error into words; of the choices that a type leaves, those into which the value goes deepest."""
    problems = error.errors(include_url=False)
    deepest = max(len(problem["loc"]) for problem in problems)
    problems = [problem for problem in problems if len(problem["loc"]) == deepest]
    index = "".join(f"[{step}]" for step in problems[0]["loc"] if isinstance(step, int))
    words = [re.sub("^(Input should be|Value error,) ", "", problem["msg"]) for problem in problems]
    wanted = " or ".join(dict.fromkeys(words)).replace("a valid dictionary", _TABLE)
    return f"{index} must be {wanted}; received {problems[0]['input']!r}."


def place_in(path: Path, *keys: str) -> str:
    """Return the TOML file and the line on which it has one of some keys, such as "training.epochs".

    The standard library tells no lines, so that a key within a table within a line is not found; then it is the file.
    """
    table = ""
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        header = re.fullmatch(r"\s*\[\s*([\w.\"'+-]+)\s*\]\s*(#.*)?", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        name = re.sub("[\"']", "", (header or key or [""] * 2)[1])
        table = f"{name}." if header else table
        if (header and name in keys) or (key and table + name in keys):
            return f"{path}, line {number}"
    return str(path)
