"""What experiments are written as: names of folders, and files of plain formats. Used by `helpers.experiments`."""

import csv
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
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


def code_state() -> dict[str, str]:
    """Return which code runs: the course's version and, in a clone, its commit and a hash of what is changed in it."""
    found = {}
    with suppress(PackageNotFoundError):  # the folder is on the path, and nothing is installed
        found["course"] = version("autoencoder-course")
    if commit := _git("rev-parse", "HEAD"):
        found["commit"] = commit
        if changes := _git("diff", "--no-ext-diff", "--no-color", "HEAD") + _git("status", "--porcelain"):
            found["changes"] = hashlib.sha256(changes.encode()).hexdigest()[:12]
    return found


def provenance(code: Mapping[str, str]) -> dict[str, Value]:
    """Return where a result comes from: code, host, job, the time now, and the most memory that this process had.

    Args:
        code: of `code_state`, from before the training: it may be changed while the training runs.
    """
    job = [os.environ.get(name, "") for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")]
    return {
        **code,
        "numpy": np.__version__,
        "host": socket.gethostname(),
        "job": "_".join(filter(None, job)) or os.environ.get("SLURM_JOB_ID", ""),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **_peak(),
    }


def _peak() -> dict[str, int]:
    if sys.platform == "win32":  # it does not tell
        return {}
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return {"memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)}


def _git(*words: str) -> str:
    """Return what git says of the folder that the package lies in; "" without git, or where it is no clone."""
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, errors="replace", timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 and (root / ".git").exists() else ""


def short(value: Value) -> str:
    """Write a value as part of a folder name."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"[^\w.+-]+", "_", text)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write something that JSON can hold, for people to read as well."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, which is made if there are any.

    Args:
        folder: where to.
        files: what each holds, by its path below the folder.
    """
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


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


def numbers(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return results flat: numbers and texts as they are, named numbers under two words."""
    found: dict[str, Any] = {}
    for key, value in results.items():
        if isinstance(value, Mapping):
            found |= {f"{key} {name}": number for name, number in value.items()}
        elif not isinstance(value, list):
            found[key] = value
    return found


def best_epoch(history: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the epoch whose weights were kept, and its loss; none is the best where all have diverged."""
    losses = list(history.get("val_loss", ()))
    best = min(filter(np.isfinite, losses), default=None)
    return {} if best is None else {"best_epoch": losses.index(best) + 1, "val_loss": best}
