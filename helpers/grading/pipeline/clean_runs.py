"""Run submissions once more as students have them, without hidden tests, for what pages of feedback show.

It is done when pages are written, not when submissions are graded: grading stays as quick as it is and may be repeated,
and a page that is written again finds its run in `grading/clean_runs/`, where one is kept until the submission, the
tests that students see or the course change.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from contextlib import nullcontext
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import IgnorePattern
from traitlets.config import Config

from helpers.files import atomic_write
from helpers.grading import GradingError, sandbox
from helpers.grading.canonical import read_release
from helpers.grading.pipeline import Course, records
from helpers.grading.pipeline.grading import MOST_RUNS, ended_in, modules, workers
from helpers.grading.pipeline.records import Record
from helpers.grading.plugins import clean
from helpers.grading.plugins.steps import AllOrNothing, LimitCharacters, SandboxExecute
from helpers.grading.sandbox import preloaded

_STEPS = (SandboxExecute, IgnorePattern, AllOrNothing, LimitCharacters)  # of grading, but for those that give points


def make(
    course: Course,
    homework: str,
    submissions: Sequence[Record],
    *,
    jobs: int = 1,
    unsafe: bool = False,
    done: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Make the runs that are not there yet.

    Args:
        course: where.
        homework: which.
        submissions: that are graded.
        jobs: how many at a time.
        unsafe: without a sandbox, where a submission can read hidden tests from the disk.
        done: is called for each submission when it is done.

    Returns:
        For each student without a run the reason, which is no fault of the student's.
    """
    todo, faults, kit = [], {}, records.kit()
    for record in submissions:
        try:
            if not _is_there(course, homework, record.student, kit):
                todo.append(record.student)
                continue
        except Exception as error:  # such as a graded notebook that somebody removed; there is no page either
            faults[record.student] = f"{type(error).__name__}: {error}"
        done()
    if not todo:
        return faults
    try:
        if not unsafe:
            sandbox.find()
        release = read_release(course.released(homework) / f"{homework}.ipynb")
        with nullcontext("") if unsafe else preloaded.serving(modules(release)) as address, workers(jobs) as pool:
            settings = Config(unsafe=unsafe, preloaded=address)
            futures = {pool.submit(_run, course, homework, student, settings, kit): student for student in todo}
            for future in as_completed(futures):
                fault = future.exception()
                if fault:
                    faults[futures[future]] = f"{type(fault).__name__}: {fault}"
                done()
    except GradingError as error:
        faults |= {student: str(error) for student in todo}
    return faults


def folder(course: Course) -> Path:
    """Return where runs are kept, in a folder for each homework."""
    return course.grading / "clean_runs"


def path_of(course: Course, homework: str, student: str) -> Path:
    """Return where the run of a submission is kept."""
    return folder(course) / homework / f"{student}.ipynb"


def _shown(course: Course, homework: str, student: str) -> NotebookNode:
    return clean.without_hidden(nbformat.read(course.autograded(student, homework) / f"{homework}.ipynb", as_version=4))


def _is_there(course: Course, homework: str, student: str, kit: str) -> bool:
    run = clean.read(path_of(course, homework, student), _shown(course, homework, student))
    return run is not None and run.metadata.course.kit == kit


def _run(course: Course, homework: str, student: str, settings: Config, kit: str) -> None:
    """Run one submission in this process, with the files and the budgets of grading."""
    shown, skipped = _shown(course, homework, student), set[str]()
    config = Config(course.config)
    config.merge(Config(SandboxKernelManager=settings, SandboxExecute=Config(judged=False)))
    for _ in range(MOST_RUNS):
        run = _shown(course, homework, student)
        config.SandboxExecute.skipped = sorted(skipped)
        resources = {"metadata": {"path": str(course.autograded(student, homework))}}
        for step in _STEPS:
            run, resources = step(config=config).preprocess(run, resources)
        ended = ended_in(run).keys()
        if ended <= skipped:
            break
        skipped |= ended
    run.metadata["course"] = {"of": clean.number(shown), "kit": kit}
    target = path_of(course, homework, student)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as unfinished:
        unfinished.write_text(nbformat.writes(run), encoding="utf-8")
