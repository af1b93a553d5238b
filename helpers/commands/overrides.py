"""Run files with overrides, as verbs read them that do not train. Used by `train --list`, `results` and `cluster`."""

from collections.abc import Sequence
from pathlib import Path

from helpers.experiments import Experiment
from helpers.experiments.run_file import Run, read_run


def read_known(path: Path, overrides: Sequence[str]) -> Run:
    """Read a run file; an override that no task understands is a slip, and no other run.

    Tasks need Keras, which takes seconds to import, so they are asked only about what is unlike the file.

    Raises:
        RunError: the file or an override is not what it should be.
    """
    run = read_run(path, overrides)
    known = set().union(*map(_kinds, read_run(path).experiments)) if overrides else set()
    unlike = [each.parameters for each in run.experiments if overrides and not _kinds(each) <= known]
    if unlike:
        from helpers.experiments.tasks import task_of

        for parameters in unlike:
            task_of(parameters)
    return run


def _kinds(experiment: Experiment) -> set[tuple[str, object]]:
    """Return each parameter with the type of its value, or with the value if that is text: a name of something."""
    return {(name, value if isinstance(value, str) else type(value)) for name, value in experiment.parameters.items()}
