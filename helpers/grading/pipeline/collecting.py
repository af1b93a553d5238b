"""From the zip file of a learning platform to one notebook for each student: whose, which, readable, in order."""

import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
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
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.roster import Student

MOST_BYTES = 50_000_000  # of one file
ARTEFACTS = {".keras", ".json", ".csv", ".npz", ".npy", ".png", ".toml", ".txt"}  # nothing that Python imports
# lovelaceada_LATE_4711_987654_hw1_dense-2.ipynb: number of the person, number of the file, -2 for a resubmission
_CANVAS = re.compile(r"(?P<who>[^/]+?)(?P<late>_LATE)?_(?P<number>\d+)_\d+_(?P<name>[^/]+)")
# Ada Lovelace_4711_assignsubmission_file_/hw1_dense.ipynb, or without the slash
_MOODLE = re.compile(r"(?P<who>[^/]+)(?P<late>)_(?P<number>\d+)_assignsubmission_file_?/?(?P<name>.+)")
_COPY = re.compile(r"(?:-\d+|\s*\(\d+\)|-Copy\d+)+(?=\.\w+$)")


@dataclass(frozen=True)
class Handed:
    """One file in the zip.

    Attributes:
        number: of the person, as the platform has it.
        name: of the file, without what platforms and browsers add to it.
        original: its name in the zip.
        time: when it was handed in; None where the zip does not say.
        late: whether the platform says so.
        size: bytes.
    """

    number: str
    name: str
    original: str
    time: datetime | None
    late: bool
    size: int


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
            handed = list(_handed(zipped))
            found = [
                _take(course, homework, release, zipped, student, files)
                for number, student in students.items()
                if (files := [file for file in handed if file.number == number])
            ]
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise GradingError(f"{archive} cannot be read: {error}. Download it again") from error
    known = records.load(course, homework)
    missing = [student for student in students.values() if student.id not in known]
    return Collected(found, missing, [file.original for file in handed if file.number not in students])


def _handed(zipped: zipfile.ZipFile) -> Iterator[Handed]:
    for member in zipped.infolist():
        match = _MOODLE.fullmatch(member.filename) or _CANVAS.fullmatch(member.filename)
        name = PurePosixPath(match["name"] if match else member.filename).name
        if member.is_dir() or name.startswith(".") or "__MACOSX" in member.filename:
            continue
        number, late = (match["number"], bool(match["late"])) if match else ("", False)
        yield Handed(number, _COPY.sub("", name), member.filename, _time(member), late, member.file_size)


def _time(member: zipfile.ZipInfo) -> datetime | None:
    """Tell when a file was handed in; zip files know local times from 1980 on, and some know none."""
    try:
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None


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
        (inbox / PurePosixPath(file.original).name).write_bytes(data)
    record = _submission(course, homework, release, student, contents)
    repairs = [f"{file.original}: larger than {MOST_BYTES:,} bytes; left out" for file in files if file not in contents]
    return records.save(course, homework, record.now(repairs=repairs + record.repairs))


def _same(inbox: Path, contents: Mapping[Handed, bytes]) -> bool:
    kept = {path.name: path.read_bytes() for path in inbox.glob("*")}
    return kept == {PurePosixPath(file.original).name: data for file, data in contents.items()}


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
    repairs += mended + list(_keep_artefacts(folder, contents))
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
    faults = {file: fault for file in notebooks if (fault := _fault(contents[file]))}
    readable = [file for file in notebooks if file not in faults]
    if not readable:
        names = ", ".join(sorted(file.original for file in contents))
        raise UnreadableError("; ".join(faults.values()) or f"only {names}")
    oldest = datetime.min.replace(tzinfo=UTC)
    best = max(readable, key=lambda file: (file.name == f"{homework}.ipynb", file.time or oldest, file.original))
    notes = [
        f"{file.original}: {faults.get(file, 'another notebook')}; not graded" for file in notebooks if file != best
    ]
    return best, notes + ([f"was named {best.name}"] if best.name != f"{homework}.ipynb" else [])


def _fault(data: bytes) -> str:
    try:
        parse(data)
    except UnreadableError as error:
        return str(error)
    return ""


def _keep_artefacts(folder: Path, contents: Mapping[Handed, bytes]) -> Iterator[str]:
    """Write what was handed in beside the notebook, as far as it is data; tell what was left out."""
    for file, data in contents.items():
        if PurePosixPath(file.name).suffix in ARTEFACTS and file.name != "timestamp.txt":
            (folder / file.name).write_bytes(data)
        elif not file.name.endswith(".ipynb"):
            yield f"{file.original}: left out; only data may lie beside the notebook"
