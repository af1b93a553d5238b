"""From the zip file of a learning platform to one notebook for each student: whose, which, readable, in order.

First whose the files are, and what they are called without what platforms add; then which of one student's files is
graded (a notebook that can be read, of this homework, not a copy in a zip); then each is put in its place.
"""

import errno
import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from helpers.files import naming, whole
from helpers.grading import GradingError
from helpers.grading.canonical import UnreadableError, canonical, label_of, parse, read_release
from helpers.grading.pipeline import Course, records
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.roster import Student

MOST_BYTES = 50_000_000  # of one file
MOST_UNPACKED = 200_000_000  # of a zip that a student made
MOST_FILES = 300
# lovelaceada_LATE_4711_987654_hw1_dense-2.ipynb: number of the person, number of the file, -2 for a resubmission;
# lovelaceada_4711_text.html: what was typed into Canvas
_CANVAS = re.compile(r"[^/]+?(?P<late>_LATE)?_(?P<number>\d+)_(?:\d+_|(?=(?:text|link)\.html$))(?P<name>[^/]+)")
# Ada Lovelace_4711_assignsubmission_file_/hw1_dense.ipynb, or without the slash
_MOODLE = re.compile(r"[^/]+_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?/?(?P<name>.+)")
_COPY = re.compile(r"(?:-\d+|\s*\(\d+\)|-Copy\d+)+(?=\.\w+$)")
ARTEFACTS = {".keras", ".json", ".csv", ".npz", ".npy", ".png", ".toml", ".txt"}  # nothing that Python imports
_LONGEST = 200  # bytes of a file name; most systems take 255
_ODD_NAMES = {
    errno.ENAMETOOLONG: "its name is too long",
    errno.EEXIST: "another file has its name",
    errno.EISDIR: "a folder has its name",
    errno.ENOTDIR: "a file has the name of its folder",
}


@dataclass(frozen=True)
class Handed:
    """One file.

    Attributes:
        number: of the person, as the platform has it; empty if the name does not tell.
        name: its path among what the student handed in, without what platforms and browsers add to names.
        original: its name in the zip.
        time: when it was handed in; None where the zip does not say, as Canvas' own, which has the time of download.
        late: whether the platform says so.
        size: bytes.
        packed: whether it came in a zip that the student made.
    """

    number: str
    name: str
    original: str
    time: datetime | None
    late: bool
    size: int
    packed: bool = False

    @property
    def base(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.name).name


def files_in(zipped: zipfile.ZipFile) -> Iterator[Handed]:
    """List the files of all students."""
    for member in filter(_is_file, zipped.infolist()):
        path = _path(member)
        if match := _MOODLE.fullmatch(path):
            yield Handed(match["number"], _own(match["name"]), member.filename, _time(member), False, member.file_size)
        elif match := _CANVAS.fullmatch(path):
            name = _COPY.sub("", match["name"])
            yield Handed(match["number"], name, member.filename, None, bool(match["late"]), member.file_size)
        else:
            yield Handed("", path, member.filename, None, False, member.file_size)


def _path(member: zipfile.ZipInfo) -> str:
    return member.filename.replace("\\", "/")  # as some zips from Windows have it


def _own(name: str) -> str:
    """Take from a name that a student gave what browsers add to notebooks; data may well end in numbers.

    >>> _own("a/hw1 (2).ipynb"), _own("results/tile-17.npz")
    ('a/hw1.ipynb', 'results/tile-17.npz')
    """
    return _COPY.sub("", name) if name.endswith(".ipynb") else name


def unpacked(contents: Mapping[Handed, bytes]) -> dict[Handed, bytes]:
    """Put the files of zips that students made in the place of these; what cannot be unpacked stays as it is.

    >>> file = Handed("1", "run.zip", "a_1_2_run.zip", None, False, 3)
    >>> unpacked({file: b"no zip"}) == {file: b"no zip"}
    True
    """
    found: dict[Handed, bytes] = {}
    for file, data in contents.items():
        found |= _unpacked(file, data) if file.name.endswith(".zip") else {file: data}
    return found


def _unpacked(file: Handed, data: bytes) -> dict[Handed, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            members = [member for member in zipped.infolist() if _is_file(member)]
            if len(members) > MOST_FILES or sum(member.file_size for member in members) > MOST_UNPACKED:
                return {file: data}
            return {_inner(file, member): zipped.read(member) for member in members}
    except Exception:  # a damaged zip, or one with a password, ends in any of a dozen ways
        return {file: data}


def _inner(file: Handed, member: zipfile.ZipInfo) -> Handed:
    original, size = f"{file.original}/{member.filename}", member.file_size
    return replace(file, name=_own(_path(member)), original=original, size=size, packed=True)


def _is_file(member: zipfile.ZipInfo) -> bool:
    """Tell files from folders, from what systems leave behind, and from paths that lead elsewhere."""
    parts = PurePosixPath(_path(member)).parts
    is_odd = not parts or parts[0] in ("/", "__MACOSX") or any(part.startswith(".") for part in parts)
    return not (_path(member).endswith("/") or is_odd)


def _time(member: zipfile.ZipInfo) -> datetime | None:
    """Tell when Moodle got a file; some zips have no date.

    A zip has the server's clock without its zone; that of this computer is the best guess.
    """
    try:
        return datetime(*member.date_time).astimezone(UTC)
    except ValueError:
        return None


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
        _refuse_copy_of_another(release, parse(data))
    except UnreadableError as error:
        return error
    return None


def _refuse_copy_of_another(release: NotebookNode, submission: dict) -> None:
    """Refuse what was made of another homework's notebook: it has no answer to this one.

    Homeworks share a label or two, such as `setup`, and a student may paste cells of one into another; hence two
    signs are wanted: most labels are of no cell of ours, and most of ours are not there.

    Raises:
        OtherHomeworkError: it is a copy of another homework.
    """
    ours = {cell.metadata.nbgrader.grade_id for cell in release.cells if "nbgrader" in cell.metadata}
    theirs = {name for cell in submission["cells"] if (name := label_of(cell))}
    shared, strange = ours & theirs, sorted(theirs - ours)
    if len(strange) > len(shared) and 2 * len(shared) < len(ours):
        raise OtherHomeworkError(f"a copy of another homework: it has cells {', '.join(strange[:3])}")


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
    records.reset_score(course, homework, student.id)
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
