"""Grade submissions, several at a time: each in a sandbox, each ending with a score or with the reason why not.

For what pages of feedback show they are run once more as students have them, without hidden tests: when pages are
written, not when submissions are graded, so that grading stays as quick as it is and may be repeated. A page that is
written again finds its run in `grading/clean_runs/`, where one is kept until the submission, the tests that students
see or the course change.
"""

import gc
import hashlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext, suppress
from copy import deepcopy
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import MissingEntry
from nbgrader.preprocessors import IgnorePattern
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from helpers.files import atomic_write
from helpers.grading import GradingError, UnknownError, sandbox, variants
from helpers.grading.canonical import read_release
from helpers.grading.pipeline import Course, issuing, reason, records
from helpers.grading.pipeline.records import Record
from helpers.grading.plugins import clean
from helpers.grading.plugins.guard import definitions, imported, suspicious
from helpers.grading.plugins.steps import AllOrNothing, LimitCharacters, SandboxExecute
from helpers.grading.sandbox import kernels

MOST_RUNS = 4  # of a submission whose cells without points end the kernel
_ENDED = re.compile(r".* in cell (\d+)(?=.*; what came after was not run)")
_OUT_OF_TIME = ("ran longer than", "took more than", "could not be interrupted")
_CLEAN = (SandboxExecute, IgnorePattern, AllOrNothing, LimitCharacters)  # of grading, but for those that give points


def waiting(course: Course, homework: str, *, again: bool = False, student: str | None = None) -> list[Record]:
    """List the submissions to grade: those without a grade, or with `again` all that can be graded.

    Args:
        course: where.
        homework: which.
        again: those that have a grade, too.
        student: only this one's.

    Raises:
        GradingError: there is nothing of this student; a name that nobody has is no reason to say that all went well.
    """
    known = records.load(course, homework)
    for folder in course.grading.glob(f"submitted/*/{homework}"):  # what came another way than through `collect`
        known.setdefault(folder.parent.name, Record(folder.parent.name))
    graded = () if again else (records.GRADED,)
    there = [record for record in known.values() if course.submitted(record.student, homework).is_dir()]
    todo = [record for record in there if record.state not in graded]
    if student is None:
        return todo
    chosen = [record for record in todo if record.student == student]
    if not chosen:
        names = ", ".join(record.student for record in todo) or "nobody"
        raise UnknownError(f"there is nothing of {student} to grade; there is of: {names}")
    return chosen


def grade(
    course: Course,
    homework: str,
    submissions: Sequence[Record],
    *,
    jobs: int = 1,
    unsafe: bool = False,
    fork: bool = True,
    done: Callable[[Record], None] = lambda record: None,
) -> list[Record]:
    """Grade submissions.

    Args:
        course: where.
        homework: which.
        submissions: see `waiting`.
        jobs: how many at a time.
        unsafe: without a sandbox, with all the rights of the person who grades.
        fork: from a process that has loaded TensorFlow; otherwise each kernel loads it anew.
        done: is told each record when it is done, in any order.

    Returns:
        The records, in the order of the submissions.

    Raises:
        GradingError: nothing could be graded: there is no sandbox, the homework is not released, or another process
            collects or grades it.
    """
    require_ready(course, homework, unsafe=unsafe)
    ready = kernels.serving(modules(course.read_source(homework))) if fork and not unsafe else nullcontext("")
    with records.alone(course, homework), ready as address, workers(jobs) as pool:
        known = records.load(course, homework)  # `collect` may have been at work until now
        submissions = [known.get(one.student, one) for one in submissions]
        settings = Config(unsafe=unsafe, preloaded=address)
        futures = {pool.submit(_grade, course, homework, one, settings): one for one in submissions}
        for future in as_completed(futures):
            done(_result(future, futures[future], course, homework))
        graded = {one.student: _result(future, one, course, homework) for future, one in futures.items()}
        for record in [one for one in graded.values() if jobs > 1 and _ran_out(one.problems)]:
            with workers(1) as alone:  # nobody else is graded meanwhile; a pool of its own, as that one may be broken
                again = alone.submit(_grade, course, homework, record, settings)
                graded[record.student] = _result(again, record, course, homework)
    return list(graded.values())


def require_ready(course: Course, homework: str, *, unsafe: bool) -> None:
    """Raise GradingError where grading could not begin.

    The homework is not released, the table of its variants is lost, or there is no sandbox.
    """
    _require_release(course, homework)
    issuing.load(course, homework)
    if not unsafe:
        sandbox.find()


def _ran_out(problems: list[str]) -> bool:
    """Return whether a submission ran out of time."""
    return any(sign in problem for problem in problems for sign in _OUT_OF_TIME)


def modules(notebook: NotebookNode) -> list[str]:
    """List what a notebook imports; that of solutions and hidden tests too, where it has them."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # `from helpers.grading import checks` may mean a module; what is none cannot be imported, which does no harm
    return imported([line for cell in cells for line in definitions(cell.source)])


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that have imported nbgrader, which takes two seconds, by being forked from this one."""
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("fork"), initializer=_begin, initargs=(os.getpid(),))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Begin as a worker, which must not outlive the instructor's command: it would hold the homework's lock."""
    gc.freeze()  # what the parent had is left alone: libraries crash when a fork ends what they had begun
    if sys.platform == "linux":
        kernels.die_with_parent()
    if os.getppid() != parent:  # it has ended since
        os._exit(1)
    warnings.simplefilter("ignore", SAWarning)  # nbgrader's own queries; nothing that anybody could mend here


def _result(future: Future, submission: Record, course: Course, homework: str) -> Record:
    """Return what a worker found; one that was killed has found nothing."""
    try:
        return future.result()
    except Exception as error:
        return _failed(course, homework, submission, f"{type(error).__name__}: {error}")


def _grade(course: Course, homework: str, submission: Record, settings: Config) -> Record:
    """Grade one submission in this process."""
    blank = dict.fromkeys(("failure", "graded", "kit", "machine", "variant"), "")
    record = submission.now(state=records.GRADING, problems=[], flags=[], **blank)
    try:
        record = record.now(hand=records.seen_by_hand(course, homework, record))
        records.save(course, homework, record)
        records.reset_score(course, homework, record.student)
        skipped: dict[str, str] = {}  # cells without points that ended the kernel, and how
        for _ in range(MOST_RUNS):
            api = course.api(SandboxKernelManager=settings, SandboxExecute=Config(skipped=list(skipped)))
            result = api.autograde(homework, record.student)
            if not result["success"]:
                return _failed(course, homework, record, reason(result))
            notebook = nbformat.read(course.autograded(record.student, homework) / f"{homework}.ipynb", as_version=4)
            ended = ended_in(notebook)
            if not ended or ended.keys() <= skipped.keys():
                break
            skipped |= ended
        records.keep_hand_given(course, homework, record)
        problems, flags = [*skipped.values(), *_noted(notebook, "problems")], _noted(notebook, "flags")
        flags += suspicious(notebook.cells)
        flags += [f"handed in the variant of {record.variant_of}"] * bool(record.variant_of)
        tests = records.tests_of(course, homework)
        graded = record.now(state=records.GRADED, problems=problems, flags=flags, tests=tests)
        return records.save(course, homework, graded.now(**_by_what(course, homework, record)))
    except Exception as error:
        return _failed(course, homework, record, f"{type(error).__name__}: {error}")


def _by_what(course: Course, homework: str, record: Record) -> dict[str, str]:
    """Return what a grade was by, so that it can be explained and repeated."""
    notebook = course.submitted(record.student, homework) / f"{homework}.ipynb"
    sha256 = record.sha256 or hashlib.sha256(notebook.read_bytes()).hexdigest()
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    variant = variants.told(issuing.load(course, homework).get(record.student, {}))
    return {"sha256": sha256, "graded": now, "kit": records.kit(), "machine": records.machine(), "variant": variant}


def _failed(course: Course, homework: str, record: Record, why: str) -> Record:
    """Note a failure: first that there is no score, then why; the note itself may find no room."""
    failed = record.now(state=records.FAILED, failure=f"not graded, through no fault of the student: {why}")
    with suppress(Exception):
        records.reset_score(course, homework, record.student)
    try:
        return records.save(course, homework, failed)
    except OSError:
        records.forget(course, homework, record.student)
        return failed


def ended_in(notebook: NotebookNode) -> dict[str, str]:
    """Return the id of a cell that gives no points and ended the kernel, and a line about it; empty if none did."""
    for problem in _noted(notebook, "problems"):
        found = _ENDED.search(problem)
        if found and "nbgrader" not in notebook.cells[int(found[1]) - 1].metadata:
            line = f"{found[0]}; it gives no points, and the rest was graded without it"
            return {notebook.cells[int(found[1]) - 1].id: line}
    return {}


def _noted(notebook: NotebookNode, what: str) -> list[str]:
    """Return what was noted while a notebook ran, of one kind; see `plugins.steps.SandboxExecute`."""
    return list(notebook.metadata.get("course", {}).get(what, []))


def _require_release(course: Course, homework: str) -> None:
    with course.gradebook() as gradebook:
        try:
            gradebook.find_notebook(homework, homework)
        except MissingEntry as error:
            raise GradingError(f"{homework} is not released. Do: ./course homework release {homework}") from error


# ---- runs without hidden tests, for pages ----


def run_clean(
    course: Course,
    homework: str,
    submissions: Sequence[Record],
    *,
    jobs: int = 1,
    unsafe: bool = False,
    done: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Run submissions without hidden tests, those of which no such run is kept.

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
            if not _is_there(course, homework, record.student, kit, unsafe=unsafe):
                clean_path(course, homework, record.student).unlink(missing_ok=True)  # no page shall show it
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
        with nullcontext("") if unsafe else kernels.serving(modules(release)) as address, workers(jobs) as pool:
            settings = Config(unsafe=unsafe, preloaded=address)
            futures = {pool.submit(_run_clean, course, homework, student, settings, kit): student for student in todo}
            slow = []
            for future in as_completed(futures):
                if fault := future.exception():
                    faults[futures[future]] = f"{type(fault).__name__}: {fault}"
                elif jobs > 1 and _ran_out(future.result()):
                    slow.append(futures[future])
                done()
            for student in slow:
                with workers(1) as alone:  # as grading does
                    if fault := alone.submit(_run_clean, course, homework, student, settings, kit).exception():
                        faults[student] = f"{type(fault).__name__}: {fault}"
    except GradingError as error:
        faults |= {student: str(error) for student in todo}
    return faults


def clean_folder(course: Course) -> Path:
    """Return where runs are kept, in a folder for each homework."""
    return course.grading / "clean_runs"


def clean_path(course: Course, homework: str, student: str) -> Path:
    """Return where the run of a submission is kept."""
    return clean_folder(course) / homework / f"{student}.ipynb"


def _shown(course: Course, homework: str, student: str) -> NotebookNode:
    return clean.without_hidden(nbformat.read(course.autograded(student, homework) / f"{homework}.ipynb", as_version=4))


def _is_there(course: Course, homework: str, student: str, kit: str, *, unsafe: bool) -> bool:
    """Return whether a run is kept; one without a sandbox, which may show hidden tests, is none for a safe page."""
    run = clean.read(clean_path(course, homework, student), _shown(course, homework, student))
    had = run.metadata.course if run else {}
    return had.get("kit") == kit and (unsafe or not had.get("unsafe", True))


def _run_clean(course: Course, homework: str, student: str, settings: Config, kit: str) -> list[str]:
    """Run one submission in this process, with the files and the budgets of grading; return what befell it."""
    shown, skipped = _shown(course, homework, student), set[str]()
    config = Config(course.config)
    config.merge(Config(SandboxKernelManager=settings, SandboxExecute=Config(judged=False)))
    for _ in range(MOST_RUNS):
        run = deepcopy(shown)
        config.SandboxExecute.skipped = sorted(skipped)
        resources = {"metadata": {"path": str(course.autograded(student, homework))}}
        for step in _CLEAN:
            run, resources = step(config=config).preprocess(run, resources)
        ended = ended_in(run).keys()
        if ended <= skipped:
            break
        skipped |= ended
    problems = _noted(run, "problems")
    run.metadata["course"] = {"of": clean.number(shown), "kit": kit, "unsafe": settings.unsafe}
    target = clean_path(course, homework, student)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as unfinished:
        unfinished.write_text(nbformat.writes(run), encoding="utf-8")
    return problems
