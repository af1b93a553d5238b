"""`./course lock`: the exact versions of everything in the environment."""

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from helpers.errors import CourseError
from helpers.files import whole

ROOT = Path(__file__).resolve().parents[2]
CPU_LOCK, GPU_LOCK = "requirements.txt", "requirements-gpu.txt"
LOCK_HEADER = (
    "# Exact versions of everything in the environment; written by `./course lock`, read by uv, pip and conda alike.\n"
)


def run(options: argparse.Namespace) -> int:
    """Write both lock files from pyproject.toml.

    Raises:
        CourseError: there is no uv.
    """
    if find_spec("uv") is None:
        raise CourseError("only uv can write the lock. Do: ./course run python -m pip install uv")
    try:
        write_lock(ROOT / CPU_LOCK, ["--extra", "cpu", *options.words])
        # the one binds the other: with or without a GPU, the same versions
        write_lock(ROOT / GPU_LOCK, ["--extra", "gpu", "--constraints", str(ROOT / CPU_LOCK), *options.words])
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def write_lock(path: Path, arguments: list[str]) -> None:
    """Resolve pyproject.toml into the lock file `path`.

    What is locked already stays as it is wherever it still fits, unless `arguments` say `--upgrade`.

    Raises:
        CalledProcessError: uv found no versions that fit; it has said why, and `path` is as it was.
    """
    with whole(path) as draft:
        draft.write_text(path.read_text() if path.exists() else "")
        subprocess.run([*compile_command(), *arguments, "--output-file", str(draft)], cwd=ROOT, check=True)
        draft.write_text(LOCK_HEADER + draft.read_text())


def compile_command() -> list[str]:
    """Return the command that resolves pyproject.toml for every platform and every Python that it admits."""
    everything = ["--extra", "teacher", "--extra", "dev", "--universal", "--python-version", "3.11"]
    quietly = ["--no-annotate", "--no-header", "--quiet"]
    return [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *everything, *quietly]
