"""From the zip file of a learning platform to one notebook for each student, in its place.

`versions` tells whose the files are, keeps all that came and tells which notebook counts.
"""

import errno
import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from helpers.files import atomic_write, naming
from helpers.grading import GradingError, UnknownError, variants
from helpers.grading.canonical import canonical, parse, read_release
from helpers.grading.pipeline import Course, issuing, policy, records, versions
from helpers.grading.pipeline.records import Record
from helpers.grading.pipeline.roster import Student
from helpers.grading.pipeline.versions import (
    MOST_BYTES,
    Handed,
    OtherHomeworkError,
    Version,
    choose,
    files_in,
    unpacked,
)

ARTEFACTS = {".keras", ".json", ".csv", ".npz", ".npy", ".png", ".toml", ".txt"}  # nothing that Python imports
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
        GradingError: the archive is no zip file or another homework's, the homework is not released, or an extension
            is not understood; nothing was touched. Or the gradebook cannot be used.
    """
    release = read_release(course.released(homework) / f"{homework}.ipynb")
    holds, zone = policy.read(course, homework, students), policy.zone(course)
    with records.alone(course, homework), _opened(archive) as zipped:
        table = issuing.load(course, homework)
        files = list(files_in(zipped, zone))
        theirs = {student: [file for file in files if file.number == n] for n, student in students.items()}
        theirs = {student: own for student, own in theirs.items() if own}
        _refuse_another(archive, homework, [_is_another(zipped, own, release, homework) for own in theirs.values()])
        found = [
            _Submission(
                course,
                homework,
                release,
                holds.deadline(student.id),
                student.id,
                zone,
                holds.excuses(student.id),
                table,
            ).collect(zipped, own)
            for student, own in theirs.items()
        ]
    _introduce(course, students.values())
    known = records.load(course, homework).keys()
    missing = [student for student in students.values() if student.id not in known]
    return Collected(found, missing, [file.original for file in files if file.number not in students])


def take_version(course: Course, homework: str, student: str, number: int) -> Record:
    """Put a version that was kept where it is graded; it stays there whatever the student hands in afterwards.

    Raises:
        UnknownError: there is no such version.
        GradingError: there is no notebook in it that can be read, or another process is at work on this homework.
    """
    release = read_release(course.released(homework) / f"{homework}.ipynb")
    due, zone = records.due(course, homework), policy.zone(course)
    with records.alone(course, homework):
        one = _Submission(course, homework, release, due, student, zone, table=issuing.load(course, homework))
        one.adopt()
        known = {version.number: version for version in one.examined()}
        if number not in known:
            there = ", ".join(map(str, known)) or "none"
            raise UnknownError(f"there is no version {number} of what {student} handed in; there is: {there}")
        if known[number].fault:
            raise GradingError(f"version {number} of {student} cannot be graded: {known[number].fault}")
        return one.settle(list(known.values()), [], number=number)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        zipped = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:  # the last: zipped in a newer way
        raise GradingError(f"{archive} cannot be read: {error}. Download it again") from error
    with zipped:
        yield zipped


def _is_another(zipped: zipfile.ZipFile, files: list[Handed], release: NotebookNode, homework: str) -> bool:
    """Return whether what a student handed in is another homework; whatever else is wrong is told where it is taken."""
    try:
        choose(unpacked(versions.read(zipped, files)), release, homework)
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


def _introduce(course: Course, students: Iterable[Student]) -> None:
    """Tell the gradebook names and addresses, which formgrader shows beside the scores."""
    with course.gradebook() as gradebook:
        for student in students:
            first, last = student.first_and_last
            known = {"first_name": first, "last_name": last, "email": student.email}
            gradebook.update_or_create_student(student.id, **{key: value or None for key, value in known.items()})


@dataclass
class _Submission:
    """What one student handed in, on its way to where it is graded.

    Where the homework has variants, by `table`, it is rebuilt on the student's own.
    """

    course: Course
    homework: str
    release: NotebookNode
    due: datetime | None
    student: str
    zone: tzinfo | None
    excused: bool = False
    table: variants.Table = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.student in self.table:
            self.release = variants.put(self.release, self.table[self.student])
        self.inbox = self.course.grading / "inbox" / self.homework / self.student
        self.folder = self.course.submitted(self.student, self.homework)
        self.before = records.load(self.course, self.homework).get(self.student, Record(self.student, records.FAILED))
        self.had = self.before.version

    def collect(self, zipped: zipfile.ZipFile, files: list[Handed]) -> Record:
        """Keep what came, and have the version that counts graded.

        Whatever is odd about one submission is noted there, and keeps nobody else's from being collected.
        """
        notes = [
            f"{one.original}: larger than {MOST_BYTES:,} bytes; left out" for one in files if one.size > MOST_BYTES
        ]
        try:
            self.adopt()
            versions.keep(self.inbox, versions.read(zipped, files), self.zone)
        except Exception as error:
            why = f"cannot be collected ({type(error).__name__}: {error}); download the zip again, or ask the student"
            if not versions.kept(self.inbox, self.zone):
                return self._take(None, self.before.now(notes=notes, failure=why))
            notes.append(why)
        return self.settle(self.examined(), notes)

    def adopt(self) -> None:
        """Make a version of what earlier code kept."""
        if versions.adopt(self.inbox, self.before.original, self.before.submitted, self.zone):
            self.had = self.had or 1

    def examined(self) -> list[Version]:
        """Look at all versions."""
        return versions.examined(
            self.inbox, self.release, self.homework, self.due, zone=self.zone, excused=self.excused
        )

    def settle(self, known: list[Version], notes: list[str], *, number: int = 0) -> Record:
        """Have the version that counts graded; where it has been collected already, its grade stays.

        Args:
            known: all versions.
            notes: what else is to be said.
            number: of the version that somebody chose.
        """
        number = number or (self.before.version if self.before.by_hand else 0)
        by_hand = bool(number)
        taken = next((one for one in known if one.number == number), None) or versions.best(known)
        table = versions.table(known, taken, by_hand=by_hand)
        newer = [row for row in table if int(row["version"]) > taken.number]
        notes = notes + [f"version {row['version']} ({row['file']}): {row['why']}; not graded" for row in newer]
        record = self.before.now(version=taken.number, versions=table, by_hand=by_hand, notes=notes)
        is_there = self.before.state != records.FAILED and self.folder.is_dir() and self.had == taken.number
        if not is_there:
            return self._take(taken, record)
        return record if record == self.before else records.save(self.course, self.homework, record)

    def _take(self, version: Version | None, record: Record) -> Record:
        """Put a version in the place of what was there.

        What was there before goes, and so do its scores: from the first change to the last the record says that there
        is no grade.
        """
        record = record.now(hand=records.seen_by_hand(self.course, self.homework, self.before))
        failed = record.now(
            state=records.FAILED,
            original="",
            submitted="",
            late=False,
            repairs=[],
            problems=[],
            sha256="",
            variant_of="",
        )
        interrupted = failed.now(failure="its collecting was interrupted; collect the zip again")
        records.save(self.course, self.homework, interrupted)
        _remove(self.folder)
        records.reset_score(self.course, self.homework, self.student)
        try:
            record = self._write(version, failed) if version else failed
        except Exception as error:
            _remove(self.folder)
            why = f"cannot be collected ({type(error).__name__}: {error}); download the zip again, or ask the student"
            record = failed.now(failure=why)
        return records.save(self.course, self.homework, record)

    def _write(self, version: Version, record: Record) -> Record:
        """Write what nbgrader grades."""
        if not version.chosen:
            return record.now(failure=f"no notebook to grade: {version.fault}")
        if self.table and self.student not in self.table:
            return record.now(failure=variants.missing(self.homework, self.student))
        chosen = version.chosen
        submission = parse(version.contents[chosen])
        notebook, mended = canonical(self.release, submission)
        variant_of = issuing.whose(self.table, variants.values_in(submission["cells"]), self.student)
        self.folder.mkdir(parents=True)
        submitted = f"{chosen.time:%Y-%m-%d %H:%M:%S} UTC" if chosen.time else ""
        if submitted:
            with naming(self.folder / "timestamp.txt"):
                (self.folder / "timestamp.txt").write_text(submitted)
        with atomic_write(self.folder / f"{self.homework}.ipynb") as unfinished:
            nbformat.write(notebook, unfinished)
        beside = _keep_artefacts(self.folder, version.contents, PurePosixPath(chosen.name).parent)
        another = ["its variant is another student's; it is graded with your own"] * bool(variant_of)
        repairs = [*version.notes, *another, *mended, *beside]
        facts = {
            "original": chosen.original,
            "submitted": submitted,
            "late": version.late or chosen.late,
            "failure": "",
        }
        facts["sha256"] = hashlib.sha256(version.contents[chosen]).hexdigest()
        return record.now(state=records.COLLECTED, repairs=repairs, variant_of=variant_of, **facts)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


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
