"""`./course homework feedback HW`: a page for each student."""

import argparse

from tqdm import tqdm

from helpers.commands.homework import common
from helpers.grading.faults import GradingError
from helpers.grading.pipeline.feedback import feedback, graded


def run(options: argparse.Namespace) -> int:
    """Write the pages, and say where they are."""
    course = common.course(options)
    submissions = graded(course, options.homework)
    if not submissions:
        raise GradingError(
            f"nothing of {options.homework} is graded yet. Do: ./course homework grade {options.homework}"
        )
    with tqdm(total=len(submissions), desc="pages", unit="", disable=None, leave=False) as bar:
        archive = feedback(course, options.homework, submissions, done=lambda record: bar.update())
    print(f"{len(submissions)} pages. To hand them back, upload {archive}: each has the name of what was handed in.")
    return 0
