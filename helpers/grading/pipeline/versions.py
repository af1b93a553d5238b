"""What a student handed in: the files in the zip of a learning platform, and the versions that are kept of them.

The platform's names tell whose a file is, and are put right. `inbox/HW/STUDENT/` has a zip for each version, whose
files have the names and times that the platform gave them; the newest counts that can be read and was in time.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from helpers.files import atomic_write
from helpers.grading.canonical import UnreadableError, has_work, label_of, parse

MOST_BYTES = 50_000_000  # of one file
MOST_UNPACKED = 200_000_000  # of a zip that a student made
MOST_FILES = 300
# lovelaceada_LATE_4711_987654_hw1_dense-2.ipynb: number of the person, number of the file, -2 for a resubmission;
# lovelaceada_4711_text.html: what was typed into Canvas
_CANVAS = re.compile(
    r"[^/]+?(?P<late>_LATE)?_(?P<number>\d+)_(?:(?P<file>\d+)_|(?=(?:text|link)\.html$))(?P<name>[^/]+)"
)
# Ada Lovelace_4711_assignsubmission_file_/hw1_dense.ipynb, or without the slash
_MOODLE = re.compile(r"[^/]+_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?/?(?P<name>.+)")
_COPY = re.compile(r"(?:-\d+|\s*\(\d+\)|-Copy\d+)+(?=\.\w+$)")
_NO_TIME = (1980, 0, 0, 0, 0, 0)  # which is none
_FLAT = re.compile(r"(?<=_assignsubmission_file_)__.+")  # as paths in Moodle's zip were kept by earlier code


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
        attempt: what grows with each resubmission: Canvas' number of the file, then the numbers behind its name.
    """

    number: str
    name: str
    original: str
    time: datetime | None
    late: bool
    size: int
    packed: bool = False
    attempt: tuple[int, ...] = ()

    @property
    def base(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.name).name


def files_in(zipped: zipfile.ZipFile, zone: tzinfo | None = None) -> Iterator[Handed]:
    """List the files of all students.

    Args:
        zipped: from the platform.
        zone: of the server's clock; see `_time`.
    """
    for member in filter(_is_file, zipped.infolist()):
        path = _path(member)
        if match := _MOODLE.fullmatch(path):
            file = Handed(
                match["number"], _own(match["name"]), member.filename, _time(member, zone), False, member.file_size
            )
            yield replace(file, attempt=_copies(match["name"]))
        elif match := _CANVAS.fullmatch(path):
            name, attempt = _COPY.sub("", match["name"]), (int(match["file"] or 0), *_copies(match["name"]))
            file = Handed(match["number"], name, member.filename, None, bool(match["late"]), member.file_size)
            yield replace(file, attempt=attempt)
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


def _copies(name: str) -> tuple[int, ...]:
    """Return the numbers that platforms and browsers put behind a name.

    >>> _copies("hw1_dense-2 (10).ipynb"), _copies("hw1_dense.ipynb")
    ((2, 10), ())
    """
    found = _COPY.search(name)
    return tuple(map(int, re.findall(r"\d+", found[0]))) if found else ()


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


def _time(member: zipfile.ZipInfo, zone: tzinfo | None) -> datetime | None:
    """Return when Moodle got a file; some zips have no date.

    A zip has the server's clock without its zone: where the course does not say, that of this computer is the best
    guess.
    """
    try:
        return datetime(*member.date_time, tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None


def read(zipped: zipfile.ZipFile, files: list[Handed]) -> dict[Handed, bytes]:
    """Return the contents of files, but for those that are too large."""
    return {file: zipped.read(file.original) for file in files if file.size <= MOST_BYTES}


@dataclass
class Version:
    """What a student handed in at one time.

    Attributes:
        number: from 1, in the order in which they were collected.
        contents: the files, what was in zips of the student's included.
        chosen: the notebook; None where there is none that can be read.
        notes: a line for each notebook that is not graded.
        fault: why there is no notebook.
        late: whether the notebook came too late.
        has_work: whether an answer was written.
    """

    number: int
    contents: dict[Handed, bytes]
    chosen: Handed | None = None
    notes: list[str] = field(default_factory=list)
    fault: UnreadableError | None = None
    late: bool = False
    has_work: bool = False

    @property
    def name(self) -> str:
        """The notebook's name as it came, or that of a file."""
        return self.chosen.original if self.chosen else next((file.original for file in self.contents), "no file")


def keep(inbox: Path, contents: Mapping[Handed, bytes], zone: tzinfo | None = None) -> None:
    """Keep files as they came as the next version, unless they are the same as those of one that is kept.

    Args:
        inbox: where.
        contents: the files.
        zone: in which their times are written, as `kept` reads them; that of this computer if None.
    """
    known = kept(inbox, zone)
    if {file.original: data for file, data in contents.items()} in [
        {file.original: data for file, data in version.items()} for version in known.values()
    ]:
        return
    inbox.mkdir(parents=True, exist_ok=True)
    path = inbox / f"{max(known, default=0) + 1}.zip"
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file, data in contents.items():
            time = file.time.astimezone(zone).timetuple()[:6] if file.time else _NO_TIME
            zipped.writestr(zipfile.ZipInfo(file.original, time), data, zipfile.ZIP_DEFLATED)


def kept(inbox: Path, zone: tzinfo | None = None) -> dict[int, dict[Handed, bytes]]:
    """Read all versions, by number; one that cannot be read any more has no files."""
    found: dict[int, dict[Handed, bytes]] = {}
    for number in sorted(int(path.stem) for path in inbox.glob("*.zip") if path.stem.isdecimal()):
        try:
            with zipfile.ZipFile(inbox / f"{number}.zip") as zipped:
                found[number] = read(zipped, list(files_in(zipped, zone)))
        except Exception:  # a damaged zip ends in any of a dozen ways
            found[number] = {}
    return found


def adopt(inbox: Path, original: str, submitted: str, zone: tzinfo | None = None) -> bool:
    """Make version 1 of the files that earlier code kept as they were.

    Args:
        inbox: where.
        original: the name of the notebook that was graded.
        submitted: when it was handed in, as nbgrader writes it.
        zone: see `keep`.

    Returns:
        Whether there were any.
    """
    files = [path for path in sorted(inbox.glob("*")) if path.is_file() and not re.fullmatch(r"\d+\.zip", path.name)]
    if not files:
        return False
    time = datetime.fromisoformat(submitted.removesuffix(" UTC")).replace(tzinfo=UTC) if submitted else None
    contents = {}
    for path in files:
        name = original if path.name == re.sub(r"[/\\]", "__", original) else _FLAT.sub(_unflattened, path.name)
        contents[Handed("", name, name, time, False, path.stat().st_size)] = path.read_bytes()
    keep(inbox, contents, zone)
    for path in files:
        path.unlink()
    return True


def _unflattened(flat: re.Match) -> str:
    return flat[0].replace("__", "/")


def examined(
    inbox: Path,
    release: NotebookNode,
    homework: str,
    due: datetime | None,
    *,
    zone: tzinfo | None = None,
    excused: bool = False,
) -> list[Version]:
    """Look at all versions for a notebook to grade; see `keep`, `choose` and `is_late`."""
    found = [Version(number, unpacked(contents)) for number, contents in kept(inbox, zone).items()]
    for version in found:
        try:
            version.chosen, version.notes = choose(version.contents, release, homework, due, excused=excused)
        except UnreadableError as error:
            version.fault = error
        else:
            version.late = is_late(version.chosen, due, excused=excused)
            version.has_work = has_work(release, parse(version.contents[version.chosen]))
    return found


def best(versions: list[Version]) -> Version:
    """Return the version that counts: it can be read, has work in it, was in time, and is the newest of these."""
    return max(
        versions,
        key=lambda one: (one.chosen is not None, one.has_work, not one.late, *_since(one), one.number),
    )


def _since(version: Version) -> tuple:
    file = version.chosen or next(iter(version.contents), None)
    return _age(file)[:2] if file else (datetime.min.replace(tzinfo=UTC), ())


def table(versions: list[Version], taken: Version, *, by_hand: bool) -> list[dict[str, str]]:
    """Say of each version whether it is graded, and why."""
    return [
        {
            "version": str(one.number),
            "file": one.name,
            "handed in": f"{one.chosen.time:%Y-%m-%d %H:%M:%S} UTC" if one.chosen and one.chosen.time else "",
            "graded": "yes" if one is taken and one.chosen else "no",
            "why": _why(one, taken, by_hand=by_hand),
        }
        for one in versions
    ]


def _why(one: Version, taken: Version, *, by_hand: bool) -> str:
    if one.fault:
        return str(one.fault)
    if one is taken:
        reason = "chosen by hand" if by_hand else "the newest that can be read"
        return f"{reason}; late" if one.late else reason
    if by_hand:
        return f"version {taken.number} was chosen by hand"
    if taken.has_work and not one.has_work:
        return "no answer in it"
    if one.late and not taken.late:
        return "late"
    return f"version {taken.number} is newer"


class OtherHomeworkError(UnreadableError):
    """A notebook that was made of another homework's."""


def choose(
    contents: Mapping[Handed, bytes],
    release: NotebookNode,
    homework: str,
    due: datetime | None = None,
    *,
    excused: bool = False,
) -> tuple[Handed, list[str]]:
    """Choose the notebook to grade: with work in it, in time, of the right name, handed in by itself, the newest.

    Args:
        contents: the files of one student.
        release: the notebook that was handed out.
        homework: its name.
        due: when it is due.
        excused: see `is_late`.

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
    worked = {file for file in readable if len(readable) == 1 or has_work(release, parse(contents[file]))}
    best = max(
        readable, key=lambda file: (file in worked, not is_late(file, due, excused=excused), *_rank(file, homework))
    )
    others = {file: "another notebook" if file in worked else "no answer in it" for file in readable}
    notes = [f"{file.original}: {faults.get(file) or others[file]}; not graded" for file in notebooks if file != best]
    return best, notes + ([f"was named {best.base}"] if best.base != f"{homework}.ipynb" else [])


def is_late(file: Handed, due: datetime | None, *, excused: bool = False) -> bool:
    """Return whether a file came too late, as far as the platform and its zip say.

    Args:
        file: which.
        due: when it is due for this student.
        excused: whether a student has more time than the platform knows of; what it calls late without a time is not.
    """
    return (file.late and not (excused and file.time is None)) or bool(due and file.time and file.time > due)


def _rank(file: Handed, homework: str) -> tuple:
    """Order notebooks; zips of a run often hold the homework's folder, and in it the notebook as it was handed out."""
    is_named = file.base == f"{homework}.ipynb"
    return is_named, not file.packed, -file.name.count("/"), *_age(file)


def _age(file: Handed) -> tuple:
    return file.time or datetime.min.replace(tzinfo=UTC), file.attempt, file.original


def _none(contents: Mapping[Handed, bytes], faults: list[UnreadableError]) -> UnreadableError:
    """Say why there is nothing to grade."""
    if not faults:
        names = sorted(file.original + ", which cannot be unpacked" * (file.base[-4:] == ".zip") for file in contents)
        return UnreadableError(f"only {', '.join(names) or 'files that are too large or damaged'}")
    kind = OtherHomeworkError if any(isinstance(fault, OtherHomeworkError) for fault in faults) else UnreadableError
    return kind("; ".join(map(str, faults)))


def _fault(data: bytes, release: NotebookNode) -> UnreadableError | None:
    try:
        submission = parse(data)
        _refuse_copy_of_another(release, submission)
        has_work(release, submission)
    except UnreadableError as error:
        return error
    except Exception as error:  # cells of a shape that nobody thought of
        return UnreadableError(f"it cannot be rebuilt ({type(error).__name__}: {error})")
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
