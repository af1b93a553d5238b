"""From the zip file of a learning platform to one notebook for each student: whose, which, readable, in order."""

import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from helpers.files import whole
from helpers.grading.canonical import UnreadableError, canonical, parse, read_release
from helpers.grading.faults import GradingError
from helpers.grading.pipeline import records, scores
from helpers.grading.pipeline.course import Course
from helpers.grading.pipeline.handed import MOST_BYTES, Handed, files_in, unpacked
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.roster import Student

ARTEFACTS = {".keras", ".json", ".csv", ".npz", ".npy", ".png", ".toml", ".txt"}  # nothing that Python imports


@dataclass
class Collected:
    """What became of a zip: records of those who handed in, who did not, and files of nobody on the roster."""

    records: list[Record]
    missing: list[Student]
    strangers: list[str]


def collect(course: Course, homework: str, archive: Path, students: Mapping[str, Student]) -> Collected:
    """Put what was handed in where it is graded; a file that is the same as last time is left alone.

    Args:
        course: where.
        homework: which.
        archive: the zip file from Canvas or Moodle.
        students: by their number; see `roster.read`.

    Raises:
        GradingError: the archive is no zip file, or the homework is not released.
    """
    release = read_release(course.released(homework) / f"{homework}.ipynb")
    try:
        with zipfile.ZipFile(archive) as zipped:
            handed = list(files_in(zipped))
            found = [
                _take(course, homework, release, zipped, student, files)
                for number, student in students.items()
                if (files := [file for file in handed if file.number == number])
            ]
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise GradingError(f"{archive} cannot be read: {error}. Download it again") from error
    _introduce(course, students.values())
    known = records.load(course, homework)
    missing = [student for student in students.values() if student.id not in known]
    return Collected(found, missing, [file.original for file in handed if file.number not in students])


def _introduce(course: Course, students: Iterable[Student]) -> None:
    """Tell the gradebook names and addresses, which formgrader shows beside the scores."""
    with course.gradebook() as gradebook:
        for student in students:
            first, last = student.first_and_last
            known = {"first_name": first, "last_name": last, "email": student.email}
            gradebook.update_or_create_student(student.id, **{key: value or None for key, value in known.items()})


def _take(
    course: Course, homework: str, release: NotebookNode, zipped: zipfile.ZipFile, student: Student, files: list[Handed]
) -> Record:
    """Keep the files of one student as they came, and make their submission of them."""
    inbox = course.grading / "inbox" / homework / student.id
    contents = {file: zipped.read(file.original) for file in files if file.size <= MOST_BYTES}
    before = records.load(course, homework).get(student.id)
    if before and _same(inbox, contents):
        return before
    shutil.rmtree(inbox, ignore_errors=True)
    inbox.mkdir(parents=True)
    for file, data in contents.items():
        (inbox / _flat(file)).write_bytes(data)
    record = _submission(course, homework, release, student, unpacked(contents))
    repairs = [f"{file.original}: larger than {MOST_BYTES:,} bytes; left out" for file in files if file not in contents]
    return records.save(course, homework, record.now(repairs=repairs + record.repairs))


def _same(inbox: Path, contents: Mapping[Handed, bytes]) -> bool:
    kept = {path.name: path.read_bytes() for path in inbox.glob("*")}
    return kept == {_flat(file): data for file, data in contents.items()}


def _flat(file: Handed) -> str:
    """Return a name under which a file can be kept, whatever folder it was in."""
    return file.original.replace("/", "__")


def _submission(
    course: Course, homework: str, release: NotebookNode, student: Student, contents: Mapping[Handed, bytes]
) -> Record:
    """Write what nbgrader grades; what was there before goes, and so do its scores."""
    folder = course.submitted(student.id, homework)
    shutil.rmtree(folder, ignore_errors=True)
    scores.reset(course, homework, student.id)
    try:
        chosen, repairs = choose(contents, homework)
        notebook, mended = canonical(release, parse(contents[chosen]))
    except UnreadableError as error:
        return Record(student.id, records.FAILED, failure=f"no notebook to grade: {error}")
    folder.mkdir(parents=True)
    repairs += mended + list(_keep_artefacts(folder, contents, PurePosixPath(chosen.name).parent))
    time = chosen.time or datetime.now(UTC)
    if chosen.time is None:
        repairs.append("the zip does not say when it was handed in; the time of collecting is taken")
    submitted = f"{time:%Y-%m-%d %H:%M:%S} UTC"
    (folder / "timestamp.txt").write_text(submitted)
    with whole(folder / f"{homework}.ipynb") as unfinished:
        nbformat.write(notebook, unfinished)
    return Record(student.id, records.COLLECTED, chosen.original, submitted, chosen.late, repairs)


def choose(contents: Mapping[Handed, bytes], homework: str) -> tuple[Handed, list[str]]:
    """Choose the notebook to grade: one that can be read, of the right name, the newest.

    Raises:
        UnreadableError: there is none.
    """
    notebooks = [file for file in contents if file.name.endswith(".ipynb")]
    wanted = f"{homework}.ipynb"
    faults = {file: fault for file in notebooks if (fault := _fault(contents[file]))}
    readable = [file for file in notebooks if file not in faults]
    if not readable:
        names = ", ".join(sorted(file.original for file in contents))
        raise UnreadableError("; ".join(faults.values()) or f"only {names}")
    oldest = datetime.min.replace(tzinfo=UTC)
    best = max(readable, key=lambda file: (file.base == wanted, file.time or oldest, file.original))
    notes = [
        f"{file.original}: {faults.get(file, 'another notebook')}; not graded" for file in notebooks if file != best
    ]
    return best, notes + ([f"was named {best.base}"] if best.base != wanted else [])


def _fault(data: bytes) -> str:
    try:
        parse(data)
    except UnreadableError as error:
        return str(error)
    return ""


def _keep_artefacts(folder: Path, contents: Mapping[Handed, bytes], top: PurePosixPath) -> Iterator[str]:
    """Write what was handed in beside the notebook, as far as it is data, in its folders; tell what was left out."""
    for file, data in contents.items():
        path = PurePosixPath(file.name)
        if path.is_relative_to(top):
            path = path.relative_to(top)
        if path.suffix in ARTEFACTS and path.name != "timestamp.txt":
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        elif path.suffix != ".ipynb":
            yield f"{file.original}: left out; only data may lie beside the notebook"
