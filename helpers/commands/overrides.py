"""Run files with overrides, as verbs read them that do not train. Used by `train --list`, `results` and `cluster`."""

from collections.abc import Sequence
from pathlib import Path

from helpers.cluster.runs import Run, read_run


def read_known(path: Path, overrides: Sequence[str]) -> Run:
    """Read a run file; an override of what neither the file nor a task knows is a slip, and no other run.

    Keras, which takes seconds to import, is asked only about names that the file does not have.

    Raises:
        RunError: the file or an override is not what it should be.
    """
    run = read_run(path, overrides)
    first = run.experiments[0].parameters
    if overrides and first.keys() - read_run(path).experiments[0].parameters:
        from helpers.cluster.tasks import task_of

        task_of(first)
    return run
