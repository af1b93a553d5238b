"""Make what students open from the notebook with solutions: built aside, searched for secrets, then put in place."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import parse_utc
from traitlets.config import Config

from helpers.files import swap
from helpers.grading import GradingError
from helpers.grading.mutants import leaks
from helpers.grading.pipeline import Course, issuing, policy, reason, records


def release(course: Course, homework: str, *, due: str = "", students: Iterable[str] | None = None) -> Path:
    """Release a homework, or release it again after a correction.

    Where it has variants, a notebook for each student is written too; see `issuing`.

    Args:
        course: where.
        homework: which.
        due: when it is due, such as "2026-11-30 23:59 UTC", a day alone for its end; a time without a zone is in that
            of `course.toml`. Empty leaves it as it is.
        students: the ids of those who get a variant of their own; without them, only who has one keeps it.

    Returns:
        The folder that students open.

    Raises:
        GradingError: a secret would be shown, the homework changed after it was handed in, or nbgrader refused. What
            was released before is as it was. Or it is being collected or graded now, or `due` is not understood. Or
            it has no variants for `students`; see `issuing.drawn`.
    """
    due = due and f"{policy.read_time(due, policy.zone(course), f'--due {due!r}'):%Y-%m-%d %H:%M:%S} UTC"
    source = course.read_source(homework)
    with records.alone(course, homework):
        _refuse_changes(homework, records.cells_handed_in(course, homework), source)
        had = issuing.load(course, homework)
        table = issuing.drawn(course, homework, source, students or ()) if had or students is not None else had
        with _built(course, homework) as folder:
            _refuse_leaks(homework, source, folder)
            if table:
                issuing.save(course, homework, table)  # before the notebooks: nobody has one that is not in it
            swap(folder, course.released(homework))
        if table:
            issuing.write_copies(course, homework, table)
    if due:
        with course.gradebook() as gradebook:
            gradebook.update_or_create_assignment(homework, duedate=parse_utc(due))
    return course.released(homework)


@contextmanager
def _built(course: Course, homework: str) -> Iterator[Path]:
    """Let nbgrader make the release beside the old one, and enter it into the gradebook."""
    with course.gradebook():  # exists from here on: nbgrader's workers must not make it at the same time
        pass
    with tempfile.TemporaryDirectory(prefix=".release-", dir=course.root / "homework") as aside:
        place = Config(release_directory=str(Path(aside).relative_to(course.root)))
        result = course.api(CourseDirectory=place).generate_assignment(homework)
        if not result["success"]:
            raise GradingError(f"nbgrader could not release {homework}: {reason(result)}")
        yield Path(aside) / homework


def _refuse_changes(homework: str, had: dict | None, source: NotebookNode) -> None:
    """Refuse other cells or points than those that submissions were made for; tests may be corrected."""
    if had is None:
        return
    flags = {c.metadata.nbgrader.grade_id: c for c in source.cells if "nbgrader" in c.metadata}
    has = {name: (cell.cell_type, cell.metadata.nbgrader.get("points", 0)) for name, cell in flags.items()}
    changed = sorted(name for name in had.keys() | has.keys() if had.get(name) != has.get(name))
    if changed:
        raise GradingError(
            f"{homework} has been handed in, and other cells or points would spoil its grades: {', '.join(changed)}. "
            "Take the change back, or give the homework another name"
        )


def _refuse_leaks(homework: str, source: NotebookNode, folder: Path) -> None:
    secrets = [secret for path in folder.rglob("*") if path.is_file() for secret in leaks(source, _text(path))]
    if secrets:
        raise GradingError(f"{homework} would show students: {secrets[0]!r}. Mark it as solution or hidden test")


def _text(path: Path) -> str:
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    return path.read_bytes().decode("utf-8", errors="replace")
