"""What experiments are written as: names of folders, and files of plain formats. Used by `helpers.experiments`."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import CourseError


class UnreadableError(CourseError):
    """What was kept of an experiment is cut or damaged. The message names the file."""


Value = Any  # str, int, float, bool, None or a list of these: what JSON can say


def plain(parameters: Mapping[str, Value], *, allow_nan: bool = True) -> dict[str, Value]:
    """Return the parameters as JSON gives them back.

    Args:
        parameters: names and values.
        allow_nan: take NaN and infinity as well.

    Raises:
        ValueError: JSON cannot hold one of them.
    """
    found = {}
    for key, value in parameters.items():
        try:
            found[key] = json.loads(json.dumps(value, allow_nan=allow_nan))
        except (TypeError, ValueError) as error:
            what = f"a {type(value).__name__}" if isinstance(error, TypeError) else str(value)
            raise ValueError(
                f"Parameter {key!r} is {what}, which parameters.json cannot hold. "
                "Use a number, a text, True, False, None or a list of these."
            ) from error
    return found


SAME_RESULT = frozenset({"compact"})  # parameters that say how samples are read, not what they are


def differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    """List the parameters that only one side has, or that have another value there; `SAME_RESULT` make none differ."""
    missing = object()
    keys = [key for key in {**one, **other} if key not in SAME_RESULT]
    return [key for key in keys if one.get(key, missing) != other.get(key, missing)]


def short(value: Value) -> str:
    """Write a value as part of a folder name."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"[^\w.+-]+", "_", text)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write something that JSON can hold, for people to read as well."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_codes(path: Path, codes: np.ndarray, labels: np.ndarray) -> None:
    """Write codes, (n, latent_dim), and their labels, (n,).

    Raises:
        ValueError: there are more of the one than of the other.
    """
    if len(codes) != len(labels):
        raise ValueError(f"Every code has one label, but there are {len(codes)} codes and {len(labels)} labels.")
    np.savez_compressed(path, codes=codes, labels=labels)


def write_history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Write one row an epoch, as CSV; where a list is shorter than others, the last cells are empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history])
        writer.writerows([epoch, *row] for epoch, row in enumerate(zip_longest(*history.values()), start=1))
