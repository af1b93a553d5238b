"""Who takes part in a training: one process with one device, or more. Used by `course train`; lecture 13."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from helpers.data.streaming import Loader


@dataclass(frozen=True)
class Team:
    """The processes that train one model together.

    Attributes:
        worker, workers: this is worker number `worker` (from 0) of `workers`.
    """

    worker: int = 0
    workers: int = 1

    @property
    def leads(self) -> bool:
        """Whether this worker is the one that writes and talks."""
        return self.worker == 0

    def scope(self) -> AbstractContextManager:
        """Give the context in which the model is built."""
        return nullcontext()

    def share(self, loader: Loader) -> Loader:
        """Give this worker's part of the batches."""
        return loader


ALONE = Team()
