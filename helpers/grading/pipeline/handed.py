"""The files in the zip of a learning platform: whose they are, and what they are called without what platforms add."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import PurePosixPath

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
