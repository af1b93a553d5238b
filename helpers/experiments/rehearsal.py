"""What a job would find out after hours in the queue, found out before: `./course train --check`, `cluster submit`."""

from pathlib import Path

from helpers.experiments.run_file import Run


def rehearse(run: Run, folder: Path | None = None) -> str:
    """Check every experiment of a run as far as that goes without a training.

    Args:
        run: the run.
        folder: of the data, a whole path; by default where they are found. A program of your own has its command.

    Returns:
        How far it went, in a sentence: models that were built, batches that were read.

    Raises:
        RunError: a parameter that nobody knows, a value of a wrong kind or range, a model that cannot be built, or a
            program that cannot be run.
        DataError: the data are broken, or too few.
    """
    with run.at_home():
        if run.has_script:
            from helpers.experiments import own_script

            return own_script.rehearse(run)
        from helpers.experiments import tasks  # imports Keras: seconds

        return tasks.rehearse(run, folder)
