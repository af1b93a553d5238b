"""Which of the files of one student is graded: a notebook that can be read, of this homework, not a copy in a zip."""

from collections.abc import Mapping
from datetime import UTC, datetime

from nbformat import NotebookNode

from helpers.grading import cells
from helpers.grading.canonical import UnreadableError, parse
from helpers.grading.pipeline.handed import Handed


class OtherHomeworkError(UnreadableError):
    """A notebook that was made of another homework's."""


def choose(contents: Mapping[Handed, bytes], release: NotebookNode, homework: str) -> tuple[Handed, list[str]]:
    """Choose the notebook to grade: of the right name, handed in by itself, in few folders, the newest.

    Args:
        contents: the files of one student.
        release: the notebook that was handed out.
        homework: its name.

    Returns:
        The notebook, and a line for each that is not graded.

    Raises:
        OtherHomeworkError: there are only copies of other homeworks.
        UnreadableError: there is none that can be read.
    """
    notebooks = [file for file in contents if file.name.endswith(".ipynb")]
    faults = {file: fault for file in notebooks if (fault := _fault(contents[file], release))}
    readable = [file for file in notebooks if file not in faults]
    if not readable:
        raise _none(contents, list(faults.values()))
    best = max(readable, key=lambda file: _rank(file, homework))
    notes = [
        f"{file.original}: {faults.get(file, 'another notebook')}; not graded" for file in notebooks if file != best
    ]
    return best, notes + ([f"was named {best.base}"] if best.base != f"{homework}.ipynb" else [])


def _rank(file: Handed, homework: str) -> tuple:
    """Order notebooks; zips of a run often hold the homework's folder, and in it the notebook as it was handed out."""
    oldest = datetime.min.replace(tzinfo=UTC)
    is_named = file.base == f"{homework}.ipynb"
    return is_named, not file.packed, -file.name.count("/"), file.time or oldest, file.original


def _none(contents: Mapping[Handed, bytes], faults: list[UnreadableError]) -> UnreadableError:
    """Say why there is nothing to grade."""
    if not faults:
        names = sorted(file.original + ", which cannot be unpacked" * (file.base[-4:] == ".zip") for file in contents)
        return UnreadableError(f"only {', '.join(names)}")
    kind = OtherHomeworkError if any(isinstance(fault, OtherHomeworkError) for fault in faults) else UnreadableError
    return kind("; ".join(map(str, faults)))


def _fault(data: bytes, release: NotebookNode) -> UnreadableError | None:
    try:
        _refuse_another(release, parse(data))
    except UnreadableError as error:
        return error
    return None


def _refuse_another(release: NotebookNode, submission: dict) -> None:
    """Refuse what was made of another homework's notebook: it has no answer to this one.

    Homeworks share a label or two, such as `setup`, and a student may paste cells of one into another; hence two
    signs are wanted: most labels are of no cell of ours, and most of ours are not there.

    Raises:
        OtherHomeworkError: it is a copy of another homework.
    """
    ours = {cell.metadata.nbgrader.grade_id for cell in release.cells if "nbgrader" in cell.metadata}
    theirs = {name for cell in submission["cells"] if (name := cells.label(cell))}
    shared, strange = ours & theirs, sorted(theirs - ours)
    if len(strange) > len(shared) and 2 * len(shared) < len(ours):
        raise OtherHomeworkError(f"a copy of another homework: it has cells {', '.join(strange[:3])}")
