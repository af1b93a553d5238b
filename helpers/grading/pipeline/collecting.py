"""From the zip file of a learning platform to one notebook for each student: whose, which, readable, in order."""

import errno
import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from helpers.files import naming, whole
from helpers.grading.canonical import UnreadableError, canonical, parse, read_release
from helpers.grading.faults import GradingError
from helpers.grading.pipeline import records, scores
from helpers.grading.pipeline.choosing import OtherHomeworkError, choose
from helpers.grading.pipeline.course import Course
from helpers.grading.pipeline.handed import MOST_BYTES, Handed, files_in, unpacked
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.roster import Student

ARTEFACTS = {".keras", ".json", ".csv", ".npz", ".npy", ".png", ".toml", ".txt"}  # nothing that Python imports
_LONGEST = 200  # bytes of a file name; most systems take 255
_ODD_NAMES = {
    errno.ENAMETOOLONG: "its name is too long",
    errno.EEXIST: "another file has its name",
    errno.EISDIR: "a folder has its name",
    errno.ENOTDIR: "a file has the name of its folder",
}


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
        GradingError: the archive is no zip file or another homework's, or the homework is not released; nothing was
            touched. Or the gradebook cannot be used.
    """
    release = read_release(course.released(homework) / f"{homework}.ipynb")
    with records.alone(course, homework), _opened(archive) as zipped:
        handed = list(files_in(zipped))
        theirs = {student: [file for file in handed if file.number == n] for n, student in students.items()}
        theirs = {student: files for student, files in theirs.items() if files}
        _refuse_another(archive, homework, [_is_another(zipped, files, release, homework) for files in theirs.values()])
        known = records.load(course, homework)
        found = [
            before
            if (before := known.get(student.id)) and _is_done(course, homework, before, zipped, files)
            else _take(course, homework, release, zipped, student, files)
            for student, files in theirs.items()
        ]
    _introduce(course, students.values())
    known |= {record.student: record for record in found}
    missing = [student for student in students.values() if student.id not in known]
    return Collected(found, missing, [file.original for file in handed if file.number not in students])


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        zipped = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:  # the last: zipped in a newer way
        raise GradingError(f"{archive} cannot be read: {error}. Download it again") from error
    with zipped:
        yield zipped


def _is_another(zipped: zipfile.ZipFile, files: list[Handed], release: NotebookNode, homework: str) -> bool:
    """Say whether what a student handed in is another homework; whatever else is wrong is told where it is taken."""
    try:
        choose(unpacked(_read(zipped, files)), release, homework)
    except Exception as error:
        return isinstance(error, OtherHomeworkError)
    return False


def _refuse_another(archive: Path, homework: str, others: list[bool]) -> None:
    """Refuse another homework's zip, which would replace everybody's work; one student may well mix up two."""
    if sum(others) > max(1, len(others) / 2):
        raise GradingError(
            f"{archive} is not for {homework}: {sum(others)} of {len(others)} students have a copy of another homework "
            "in it. Nothing was collected; give the name of the homework that the zip is of"
        )


def _read(zipped: zipfile.ZipFile, files: list[Handed]) -> dict[Handed, bytes]:
    return {file: zipped.read(file.original) for file in files if file.size <= MOST_BYTES}


def _introduce(course: Course, students: Iterable[Student]) -> None:
    """Tell the gradebook names and addresses, which formgrader shows beside the scores."""
    with course.gradebook() as gradebook:
        for student in students:
            first, last = student.first_and_last
            known = {"first_name": first, "last_name": last, "email": student.email}
            gradebook.update_or_create_student(student.id, **{key: value or None for key, value in known.items()})


def _is_done(course: Course, homework: str, before: Record, zipped: zipfile.ZipFile, files: list[Handed]) -> bool:
    """Say whether the same files were collected before, to the end."""
    if before.state == records.FAILED or not course.submitted(before.student, homework).is_dir():
        return False
    kept = {path.name: path.read_bytes() for path in _inbox(course, homework, before.student).glob("*")}
    try:
        return kept == {_flat(file): data for file, data in _read(zipped, files).items()}
    except Exception:  # a damaged zip
        return False


def _take(
    course: Course, homework: str, release: NotebookNode, zipped: zipfile.ZipFile, student: Student, files: list[Handed]
) -> Record:
    """Keep the files of one student as they came, and make their submission of them.

    What was there before goes, and so do its scores: from the first change to the last the record says that there is
    no grade. Whatever is odd about one submission is noted there, and keeps nobody else's from being collected.
    """
    folder = course.submitted(student.id, homework)
    record = Record(student.id, records.FAILED, failure="its collecting was interrupted; collect the zip again")
    records.save(course, homework, record)
    _remove(folder)
    scores.reset(course, homework, student.id)
    try:
        contents = _read(zipped, files)
        _keep(_inbox(course, homework, student.id), contents)
        record = _submission(course, homework, release, student, unpacked(contents))
    except Exception as error:
        _remove(folder)
        why = f"cannot be collected ({type(error).__name__}: {error}); download the zip again, or ask the student"
        record = record.now(failure=why)
    large = [f"{file.original}: larger than {MOST_BYTES:,} bytes; left out" for file in files if file.size > MOST_BYTES]
    return records.save(course, homework, record.now(repairs=large + record.repairs))


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _inbox(course: Course, homework: str, student: str) -> Path:
    return course.grading / "inbox" / homework / student


def _keep(inbox: Path, contents: Mapping[Handed, bytes]) -> None:
    """Keep files as they came, in the place of earlier ones."""
    _remove(inbox)
    inbox.mkdir(parents=True)
    for file, data in contents.items():
        with naming(inbox / _flat(file)):
            (inbox / _flat(file)).write_bytes(data)


def _flat(file: Handed) -> str:
    """Return a name under which a file can be kept, whatever folder it was in; long ones keep their end."""
    name = re.sub(r"[/\\]", "__", file.original)
    if len(name.encode()) <= _LONGEST:
        return name
    end = name.encode()[-_LONGEST // 2 :].decode(errors="ignore")
    return f"{hashlib.sha256(name.encode()).hexdigest()[:16]}__{end}"


def _submission(
    course: Course, homework: str, release: NotebookNode, student: Student, contents: Mapping[Handed, bytes]
) -> Record:
    """Write what nbgrader grades."""
    try:
        chosen, repairs = choose(contents, release, homework)
        notebook, mended = canonical(release, parse(contents[chosen]))
    except UnreadableError as error:
        return Record(student.id, records.FAILED, failure=f"no notebook to grade: {error}")
    folder = course.submitted(student.id, homework)
    folder.mkdir(parents=True)
    submitted = f"{chosen.time:%Y-%m-%d %H:%M:%S} UTC" if chosen.time else ""
    if submitted:
        with naming(folder / "timestamp.txt"):
            (folder / "timestamp.txt").write_text(submitted)
    with whole(folder / f"{homework}.ipynb") as unfinished:
        nbformat.write(notebook, unfinished)
    repairs += mended + list(_keep_artefacts(folder, contents, PurePosixPath(chosen.name).parent))
    return Record(student.id, records.COLLECTED, chosen.original, submitted, chosen.late, repairs)


def _keep_artefacts(folder: Path, contents: Mapping[Handed, bytes], top: PurePosixPath) -> Iterator[str]:
    """Write what was handed in beside the notebook, as far as it is data, in its folders; tell what was left out."""
    for file, data in contents.items():
        path = PurePosixPath(file.name)
        if path.is_relative_to(top):
            path = path.relative_to(top)
        if path.suffix == ".zip":
            yield f"{file.original}: left out; it is too large, damaged or has a password, and cannot be unpacked"
        elif path.suffix in ARTEFACTS and path.name != "timestamp.txt":
            yield from (f"{file.original}: left out; {fault}" for fault in _fault_of_writing(folder / path, data))
        elif path.suffix != ".ipynb":
            yield f"{file.original}: left out; only data may lie beside the notebook"


def _fault_of_writing(path: Path, data: bytes) -> Iterator[str]:
    """Write a file, unless its name is the fault; a full disk is nobody's, and is raised."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path), path.open("xb") as file:
            file.write(data)
    except OSError as error:
        if error.errno not in _ODD_NAMES:
            raise
        yield _ODD_NAMES[error.errno]
