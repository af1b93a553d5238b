"""What the verbs about a run have in common: what RUN.toml and its overrides stand for."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from helpers.commands.overrides import read_known
from helpers.experiments.run_file import Run
from helpers.slurm import client


def take_indices(options: argparse.Namespace) -> list[int]:
    """Return the indices among the words; the others are the overrides."""
    options.overrides = [word for word in options.words if not word.isdecimal()]
    return [int(word) for word in options.words if word.isdecimal()]


def words_of(path: Path, overrides: Sequence[str]) -> str:
    """Write a run and its overrides as a shell takes them."""
    return shlex.join([str(path), *overrides])


def run_of(options: argparse.Namespace) -> Run:
    """Read the run that the options name.

    Raises:
        RunError: the file or an override is not what it should be.
    """
    return read_known(options.file, options.overrides)


def queue_of(label: str) -> list[client.Queued]:
    """List the jobs of a label that train experiments; none where there is no Slurm."""
    return [job for job in client.queue(label) if job.index >= 0] if client.is_here() else []
