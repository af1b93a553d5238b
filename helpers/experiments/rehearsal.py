"""What a job would find out after hours in the queue, found out before: `./course train --check`, `cluster submit`."""

from helpers.experiments.run_file import Run


def rehearse(run: Run) -> str:
    """Check every experiment of a run as far as that goes without a training.

    Returns:
        How far it went, in a sentence: models that were built, batches that were read.

    Raises:
        RunError: a parameter that nobody knows, a value of a wrong kind or range, a model that cannot be built, or a
            program that cannot be run.
        DataError: the data are broken, or too few.
    """
    if run.has_script:
        from helpers.experiments.own_script import rehearse as check
    else:
        from helpers.experiments.tasks import rehearse as check  # imports Keras: seconds
    with run.at_home():
        return check(run)
