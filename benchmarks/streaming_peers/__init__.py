"""What `benchmarks/streaming.py` compares: ours, what else a student could pick, and what no loader can beat.

A pipeline is a function that takes a `Work` and returns something that is iterated once a round, as an epoch of
training would, and gives batches (image, labels): 32 patches in shuffled order, float32 (32, 256, 256, 26) and labels
(32, 256, 256). It is made once and kept from epoch to epoch. Nothing is imported before it is called.

`plain` (NumPy, Keras' PyDataset, torch, grain, SPDL), `graph` (tf.data and TFRecord), `arrays` (Zarr, HDF5, a memory
map), `ours` (with the limits), `measure` (a process for each, rounds, memory), `digests` (that all delivered the same).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BATCH = 32
WORKERS = 2  # threads or processes that read, ours and theirs


@dataclass(frozen=True)
class Work:
    """One round: the files, each as often as it comes, and the folder where converted copies of them lie."""

    files: list[str]
    folder: Path

    @property
    def distinct(self) -> list[str]:
        """The files, each once, in the order in which converted copies hold them."""
        return list(dict.fromkeys(self.files))


@dataclass(frozen=True)
class Case:
    """One way to get batches.

    Args:
        name: the key of its figures.
        make: the pipeline.
        imports: modules that it needs, imported before anything is measured.
        prepare: writes the converted copy that the pipeline reads, beforehand and in a process of its own.
        quick: how often `--quick` reads each patch in a round; 0 leaves the case out.
        limit: delivers nothing that could be compared.
        packed: reads the packed copy, or what was made of it.
    """

    name: str
    make: Callable[[Work], Iterable[Any]]
    imports: tuple[str, ...] = ("numpy",)
    prepare: Callable[[Work], None] | None = None
    quick: int = 0
    limit: bool = False
    packed: bool = False

    def missing(self) -> list[str]:
        """List the modules that are not installed."""
        return [module for module in self.imports if find_spec(module.partition(".")[0]) is None]
