"""Read one array of an `.npz` file without its detours: one read, one inflate into memory that is already there.

`numpy.load` inflates with zlib in small pieces, copies each, and holds Python's lock in between. Here the file is read
at once, libdeflate (through `imagecodecs`) inflates it without the lock into a buffer that the thread keeps, and the
checksum is compared. (ZIP: PKWARE's APPNOTE 6.3, sections 4.3.7-4.3.16. NPY: NumPy's NEP 1.) A fault of the disk that
may pass is tried again; one that stays is raised with the path.

`Copies`, for data on a slow or shared file system: a file is copied to a local disk when it is first read, by itself
and whole (temporary name, then rename), so a run that is killed leaves nothing to clean up, a copy does not depend on
the order of reading, and several runs may share a folder. Only files that passed their checksum are copied; a copy that
is damaged is replaced, and so is, in the next run, that of a file that has changed.
"""

import contextlib
import errno
import functools
import hashlib
import os
import re
import struct
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import imagecodecs
import numpy as np

from helpers.data import DataError

Result = TypeVar("Result")
ALIGNMENT = 64  # bytes: one cache line; TensorFlow takes an array so aligned without copying it
PAUSES = (0.1, 1.0)  # seconds, before a file is read once more
PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


class FileError(DataError):
    """A file that cannot be used. The message begins with its path and says what is wrong with it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.problem)


def retrying(read: Callable[[], Result]) -> Result:
    """Return what is read, and read again where what failed may pass: a server that does not answer, too many files.

    Raises:
        OSError: the last try failed as well, or what failed stays.
    """
    for seconds in PAUSES:
        try:
            return read()
        except OSError as error:
            if error.errno not in PASSING:
                raise
        time.sleep(seconds)
    return read()


def trying_again(read: Callable[[], Result], path: str) -> Result:
    """Return what is read of a file, as `retrying` does.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return retrying(read)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}.") from error


END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
ENTRY, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
STORED, DEFLATED, ENCRYPTED = 0, 8, 1
LONGEST_HEADER = 0xFFFF  # of a `.npy` with numbers
LONGEST_END = 22 + 0xFFFF  # the end record and the longest comment
LARGEST_RATIO = 1032  # deflate cannot do better: a larger size is a damaged one
FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF  # "look into the zip64 field"
# The fields of a header, which NumPy reads by `ast.literal_eval`. In Python 3.11 that raises SystemError now and then
# where several threads parse at once (CPython's issue 106905).
DESCR = re.compile(r"""['"]descr['"]: *['"]([^'"]+)['"]""")
ORDER = re.compile(r"""['"]fortran_order['"]: *(True|False)""")
SHAPE = re.compile(r"""['"]shape['"]: *\(([\d, ]*)\)""")


def aligned(nbytes: int) -> np.ndarray:
    """Allocate bytes that begin at a multiple of 64.

    >>> aligned(100).ctypes.data % 64
    0
    """
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % ALIGNMENT
    return memory[offset : offset + nbytes]


class Member(NamedTuple):
    """One entry of a zip directory."""

    method: int
    checksum: int
    packed: int
    size: int
    offset: int


class _Buffers:
    """Two buffers that grow when needed: a file as it is, and one array of it. Left behind, they serve again."""

    left: ClassVar[deque[tuple[bytearray, np.ndarray]]] = deque(maxlen=16)

    def __init__(self) -> None:
        try:
            self.file, self.array = self.left.pop()
        except IndexError:
            self.file, self.array = bytearray(), aligned(0)

    def __del__(self) -> None:
        self.left.append((self.file, self.array))


class Scratch(threading.local):
    """Buffers for each thread, taken over from threads that have ended: fresh memory costs more than inflating."""

    def __init__(self) -> None:
        self._own = _Buffers()
        self.checksum = 0  # CRC-32 of the array read last, by which it is known again

    def file(self, nbytes: int) -> memoryview:
        """Return room for a file; what was read before is gone."""
        if len(self._own.file) < nbytes:
            self._own.file = bytearray(nbytes + nbytes // 16)
        return memoryview(self._own.file)[:nbytes]

    def array(self, nbytes: int) -> np.ndarray:
        """Return room for an array; the one read before is gone."""
        if len(self._own.array) < nbytes:
            self._own.array = aligned(nbytes)
        return self._own.array[:nbytes]


SCRATCH = Scratch()


def read_array(path: str, key: str = "arr_0", *, most: int | None = None, room: memoryview | None = None) -> np.ndarray:
    """Read one array of an `.npz` file.

    Args:
        path: of the file.
        key: name of the array; `numpy.savez` calls an array without a name `arr_0`. Of two, the last is read, as by
            `numpy.load`.
        most: bytes that the array may have; a larger one is refused before memory is taken for it.
        room: bytes that are overwritten anyway once the array is there, such as what it is converted into. A file that
            fits in there takes no memory of its own while it is read.

    Returns:
        An array of whatever numeric dtype and shape the file holds. Its memory belongs to the calling thread and is
        overwritten by the next call: take what you need, or copy it.

    Raises:
        FileError: the file is not there, cannot be read, is no zip, is truncated or damaged, or has no such array of
            numbers.
    """
    return decode_array(read_file(path, room), path, key, most=most)


def load_arrays(path: str, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Load some arrays of an `.npz` file, each into memory of its own: for files that are read once.

    Raises:
        FileError: the file is not there, cannot be read, is no `.npz`, is damaged, or has no such array.
    """
    wanted = list(keys)
    return trying_again(lambda: _load(path, wanted), path)


def _load(path: str, keys: list[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if missing := [key for key in keys if key not in archive]:
                raise FileError(path, f"has no array {missing[0]!r}. It has: {', '.join(archive)}.")
            return {key: archive[key] for key in keys}
    except (OSError, FileError):
        raise
    except Exception as error:  # whatever NumPy, zipfile and zlib say of foreign bytes
        problem = f"cannot be read as an .npz: {type(error).__name__}: {error}. It is probably truncated."
        raise FileError(path, problem) from error


def read_file(path: str, room: memoryview | None = None) -> memoryview:
    """Read a whole file into `room`, or, where it does not fit, the thread's buffer, which the next call overwrites.

    Raises:
        FileError: the file is not there or cannot be read, or shrank meanwhile.
    """
    raw, filled = trying_again(lambda: _read_into(path, room or memoryview(b"")), path)
    if filled < len(raw):
        raise FileError(path, f"ended after {filled:,} of {len(raw):,} bytes: it is being written or was cut.")
    return raw


def _read_into(path: str, room: memoryview) -> tuple[memoryview, int]:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - has a descriptor already
        size = os.fstat(descriptor).st_size
        raw = room[:size] if size <= len(room) else SCRATCH.file(size)
        filled = 0
        while filled < len(raw) and (got := file.readinto(raw[filled:])):
            filled += got
    return raw, filled


def decode_array(raw: memoryview, path: str, key: str = "arr_0", *, most: int | None = None) -> np.ndarray:
    """Return one array of the bytes of an `.npz` file; see `read_array`."""
    try:
        member = _find(raw, f"{key}.npy", path)
        if most is not None and member.size > most + LONGEST_HEADER:
            raise FileError(path, f"holds {member.size:,} bytes as {key}, where at most {most:,} make sense.")
        payload = _inflate(raw, member, path)
        start, dtype, fortran, shape = _header(payload)
        data = payload[start : start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize]
        if dtype.kind not in "biuf":
            raise FileError(path, f'"{key}" holds {dtype}, which are not numbers.')
        return data.view(dtype).reshape(shape, order="F" if fortran else "C")
    except (struct.error, IndexError, ValueError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
        raise FileError(path, f"is damaged ({len(raw):,} bytes; {type(error).__name__}: {error}).") from error


def checksum_of(raw: memoryview, path: str, key: str = "arr_0") -> int:
    """Return the CRC-32 of one array out of the bytes of an `.npz` file, which its directory holds."""
    return _find(raw, f"{key}.npy", path).checksum


def _find(raw: memoryview, wanted: str, path: str) -> Member:
    """Look an entry up in the zip's central directory."""
    count, place = _directory(raw, path)
    names, found = [], None
    for _ in range(count):
        if bytes(raw[place : place + 4]) != ENTRY:
            raise FileError(path, "has a damaged zip directory.")
        flags, method, checksum, packed, size, name_length, extra_length, comment, offset = struct.unpack_from(
            "<8xHH4xIIIHHH8xI", raw, place
        )
        extra = place + 46 + name_length
        names.append(str(raw[place + 46 : extra], "utf-8", "replace"))
        if names[-1] == wanted:
            if flags & ENCRYPTED:
                raise FileError(path, f"is encrypted: {wanted} cannot be read. Save it without a password.")
            packed, size, offset = _long_fields(raw[extra : extra + extra_length], [packed, size, offset])
            found = Member(method, checksum, packed, size, offset)
        place = extra + extra_length + comment
    if found:
        return found
    held = ", ".join(name.removesuffix(".npy") for name in names) or "nothing"
    raise FileError(path, f'holds {held}, not "{wanted.removesuffix(".npy")}".')


def _directory(raw: memoryview, path: str) -> tuple[int, int]:
    """Return the number of entries and where the first one stands."""
    first = max(0, len(raw) - LONGEST_END)
    end = bytes(raw[first:]).rfind(END) + first
    if end < first:
        opening = "begins like one: it is truncated" if bytes(raw[:4]) == LOCAL else "is not one"
        raise FileError(path, f"has no end of a zip archive ({len(raw):,} bytes) and {opening if raw else 'is empty'}.")
    count, place, _ = struct.unpack_from("<H4xIH", raw, end + 10)
    if (count == FULL_16 or place == FULL_32) and end >= 20 and bytes(raw[end - 20 : end - 16]) == LOCATOR_64:
        (far_end,) = struct.unpack_from("<Q", raw, end - 12)
        if bytes(raw[far_end : far_end + 4]) == END_64:
            count, place = struct.unpack_from("<Q8xQ", raw, far_end + 32)
    return count, place


def _long_fields(extra: memoryview, short: list[int]) -> list[int]:
    """Replace the fields (size packed, size, offset) that did not fit into 32 bits by those of the zip64 field."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{length // 8}Q", extra, 4))
            size, packed = (next(values) if short[field] == FULL_32 else short[field] for field in (1, 0))
            return [packed, size, next(values) if short[2] == FULL_32 else short[2]]
        extra = extra[4 + length :]
    return short


def _inflate(raw: memoryview, member: Member, path: str) -> np.ndarray:
    """Inflate an entry into the thread's buffer, uint8, and compare its checksum."""
    name_length, extra_length = struct.unpack_from("<HH", raw, member.offset + 26)
    start = member.offset + 30 + name_length + extra_length
    packed = raw[start : start + member.packed]
    if len(packed) < member.packed or member.size > LARGEST_RATIO * (member.packed + 1):
        raise FileError(path, "is truncated or damaged: its zip directory does not fit its length.")
    out = SCRATCH.array(member.size)
    if member.method == DEFLATED:
        try:
            imagecodecs.deflate_decode(packed, raw=True, out=out.data)  # type: ignore[arg-type]
        except imagecodecs.DeflateError as error:
            raise FileError(path, f"is damaged: {error}.") from error
    elif member.method == STORED and member.packed == member.size:
        out[:] = np.frombuffer(packed, np.uint8)
    else:
        raise FileError(path, f"is packed by method {member.method}; only stored and deflated zips can be read.")
    if imagecodecs.deflate_crc32(out.data) != member.checksum:  # type: ignore[arg-type]
        raise FileError(path, "is damaged: its checksum is wrong.")
    SCRATCH.checksum = member.checksum
    return out


def _header(payload: np.ndarray) -> tuple[int, np.dtype, bool, tuple[int, ...]]:
    """Read the header of a `.npy`: where the data begin, dtype, order and shape."""
    if bytes(payload[:6]) != b"\x93NUMPY":
        raise ValueError("not a .npy inside")
    wide = payload[6] > 1
    length = struct.unpack_from("<I" if wide else "<H", payload.data, 8)[0]
    start = 12 if wide else 10
    return (start + length, *_described(bytes(payload[start : start + length])))


@functools.lru_cache(maxsize=64)  # the files of a data set have the same header
def _described(text: bytes) -> tuple[np.dtype, bool, tuple[int, ...]]:
    fields = [pattern.search(text.decode("latin1")) for pattern in (DESCR, ORDER, SHAPE)]
    if not all(fields):
        raise ValueError(f"not the header of an array of numbers: {text[:100]!r}")
    descr, order, shape = (field[1] for field in fields if field)
    return np.dtype(descr), order == "True", tuple(map(int, shape.replace(",", " ").split()))


class Copies:
    """A folder of copies.

    Args:
        folder: where they go; made when needed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        self._full = False
        self._current: set[str] = set()  # files whose copies this run has compared with them

    def read_array(
        self, path: str, key: str = "arr_0", *, most: int | None = None, room: memoryview | None = None
    ) -> np.ndarray:
        """Read one array from the copy of a file, or from the file, which is then copied; see `npz.read_array`."""
        copy = self.place(path)
        if self._is_current(copy, path):
            with contextlib.suppress(FileError):  # damaged
                return read_array(str(copy), key, most=most, room=room)
        before = _stamp(path)  # should the file change while it is read, the copy has a time that is not its
        raw = read_file(path, room)
        array = decode_array(raw, path, key, most=most)
        if before and not self._full:
            self._keep(path, copy, raw, before)
        return array

    def place(self, path: str) -> Path:
        """Return where the copy of a file lies: files of the same name from different folders are kept apart."""
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - called for every sample
        return self.folder / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] / name

    def _is_current(self, copy: Path, path: str) -> bool:
        """Return whether there is a copy of a file as it is now, or, if that is out of reach, any copy; look once."""
        if path not in self._current and (there := _stamp(copy)) and there == (_stamp(path) or there):
            self._current.add(path)
        return path in self._current

    def _keep(self, path: str, copy: Path, raw: memoryview, stamp: tuple[int, int]) -> None:
        temporary = copy.with_name(f".{os.getpid()}-{threading.get_ident()}-{copy.name}")
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(raw)
            os.utime(temporary, ns=(stamp[1], stamp[1]))
            temporary.replace(copy)
            self._current.add(path)  # on a disk of coarser times, it would never look so
        except OSError as error:
            self._full = True
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            warnings.warn(f"{self.folder} takes no more copies ({error}); reading goes on without.", stacklevel=2)


def _stamp(path: str | Path) -> tuple[int, int] | None:
    """Return size and time of a file; None of one that is not there, or out of reach."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of every file
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
