"""The files in a learning platform's zip: whose they are, and what they are called without what platforms add."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

MOST_BYTES = 50_000_000  # of one file
MOST_UNPACKED = 200_000_000  # of a zip that a student made
MOST_FILES = 300
# lovelaceada_LATE_4711_987654_hw1_dense-2.ipynb: number of the person, number of the file, -2 for a resubmission
_CANVAS = re.compile(r"(?P<who>[^/]+?)(?P<late>_LATE)?_(?P<number>\d+)_\d+_(?P<name>[^/]+)")
# Ada Lovelace_4711_assignsubmission_file_/hw1_dense.ipynb, or without the slash
_MOODLE = re.compile(r"(?P<who>[^/]+)(?P<late>)_(?P<number>\d+)_assignsubmission_file_?/?(?P<name>.+)")
_COPY = re.compile(r"(?:-\d+|\s*\(\d+\)|-Copy\d+)+(?=\.\w+$)")


@dataclass(frozen=True)
class Handed:
    """One file.

    Attributes:
        number: of the person, as the platform has it; empty if the name does not tell.
        name: its path among what the student handed in, without what platforms and browsers add to names.
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

    @property
    def base(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.name).name


def files_in(zipped: zipfile.ZipFile) -> Iterator[Handed]:
    """List the files of all students."""
    for member in zipped.infolist():
        match = _MOODLE.fullmatch(member.filename) or _CANVAS.fullmatch(member.filename)
        number, name, late = (match["number"], match["name"], bool(match["late"])) if match else ("", "", False)
        if _is_file(member):
            name = _COPY.sub("", name or member.filename)
            yield Handed(number, name, member.filename, _time(member), late, member.file_size)


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
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError):  # broken, or with a password
        return {file: data}


def _inner(file: Handed, member: zipfile.ZipInfo) -> Handed:
    name = _COPY.sub("", member.filename)
    return replace(file, name=name, original=f"{file.original}/{member.filename}", size=member.file_size)


def _is_file(member: zipfile.ZipInfo) -> bool:
    """Tell files from folders, from what systems leave behind, and from paths that lead elsewhere."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    is_odd = not parts or parts[0] in ("/", "__MACOSX") or any(part.startswith(".") for part in parts)
    return not (member.is_dir() or is_odd)


def _time(member: zipfile.ZipInfo) -> datetime | None:
    """Tell when a file was handed in; zip files know local times from 1980 on, and some know none."""
    try:
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None
