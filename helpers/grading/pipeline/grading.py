"""Grade submissions, several at a time: each in a sandbox, each ending with a score or with the reason why not."""

import gc
import hashlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from multiprocessing import get_context

import nbformat
from nbformat import NotebookNode
from nbgrader.api import MissingEntry
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from helpers.grading import GradingError, UnknownError, sandbox
from helpers.grading.pipeline import Course, reason, records
from helpers.grading.pipeline.records import Record
from helpers.grading.plugins.guard import definitions, imported
from helpers.grading.sandbox import preloaded
from helpers.grading.suspicious import suspicious

MOST_RUNS = 4  # of a submission whose cells without points end the kernel
_ENDED = re.compile(r".* in cell (\d+)(?=.*; what came after was not run)")
_OUT_OF_TIME = ("ran longer than", "took more than", "could not be interrupted")


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
    ready = preloaded.serving(modules(course.read_source(homework))) if fork and not unsafe else nullcontext("")
    with records.alone(course, homework), ready as address, workers(jobs) as pool:
        known = records.load(course, homework)  # `collect` may have been at work until now
        submissions = [known.get(one.student, one) for one in submissions]
        settings = Config(unsafe=unsafe, preloaded=address)
        futures = {pool.submit(_grade, course, homework, one, settings): one for one in submissions}
        for future in as_completed(futures):
            done(_result(future, futures[future], course, homework))
        graded = {one.student: _result(future, one, course, homework) for future, one in futures.items()}
        for record in [one for one in graded.values() if jobs > 1 and _ran_out(one)]:
            with workers(1) as alone:  # nobody else is graded meanwhile; a pool of its own, as that one may be broken
                again = alone.submit(_grade, course, homework, record, settings)
                graded[record.student] = _result(again, record, course, homework)
    return list(graded.values())


def require_ready(course: Course, homework: str, *, unsafe: bool) -> None:
    """Raise GradingError where grading could not begin: the homework is not released, or there is no sandbox."""
    _require_release(course, homework)
    if not unsafe:
        sandbox.find()


def _ran_out(record: Record) -> bool:
    """Return whether a submission ran out of time."""
    return any(sign in problem for problem in record.problems for sign in _OUT_OF_TIME)


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
        preloaded.die_with_parent()
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
    record = submission.now(state=records.GRADING, problems=[], failure="", graded="", kit="", machine="", flags=[])
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
    return {"sha256": sha256, "graded": now, "kit": records.kit(), "machine": records.machine()}


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
