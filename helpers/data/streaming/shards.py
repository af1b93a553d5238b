"""Many records in one file, each in sections that are read by themselves. Used by packed data sets.

    head        16 bytes: magic, version, compression
    records     the sections of one after the other, as they are or zstd-compressed, each alone
    index       one `.npy` (NEP 1) of `_index_dtype`: for each record its name and, for each section, where it is, its
                length on the disk and in memory, and the CRC-32 of what is on the disk
    tail        24 bytes: where the index begins, its length, its CRC-32, magic

The index is at the end, so a shard is written from front to back, and one that was cut off cannot be taken for whole.
All numbers are little-endian.
"""

import functools
import io
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, NamedTuple, Self

import imagecodecs
import numpy as np

from helpers.data.streaming.npz import SCRATCH, FileError, trying_again
from helpers.files import atomic_write, most_open

SUFFIX = ".pack"
Compression = Literal["zstd"] | None
COMPRESSIONS: tuple[Compression, ...] = (None, "zstd")
MAGIC, VERSION = b"COURSEPK", 1
HEAD, TAIL = struct.Struct("<8sHH4x"), struct.Struct("<QII8s")


class _Descriptor:
    """An open file, closed when nobody holds this any more: not while a thread reads from it."""

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDONLY)
        status = os.fstat(self.number)
        self.size, self.identity = status.st_size, (status.st_dev, status.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


@functools.lru_cache(maxsize=most_open())
def _descriptor(path: str, identity: tuple[int, int]) -> _Descriptor:
    """Open the file that an index was read from, or give it if it is open already."""
    file = _Descriptor(path)
    if file.identity != identity:
        raise FileError(path, "was replaced while it was in use. Start again.")
    return file


class Shard:
    """A shard, read from any number of threads. Made by `open_shard`.

    Attributes:
        path: of the file.
        compression: None or "zstd".
        names: of its records, in their order.
        origins, tags: see `Record`; uint64 and uint32, (records,).
        contents: see `Record`; int64, (records,), -1 in shards from before it was kept.

    Raises:
        FileError: not there, no shard, cut off, or its index is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            file = trying_again(lambda: _Descriptor(path), path)
            self._identity = file.identity
            self.compression, self._index = trying_again(lambda: _read_index(file), path)
        except (struct.error, ValueError, IndexError) as error:
            raise FileError(path, f"is no whole shard of packed records ({error}). Pack its folder again.") from error
        self.names = [os.fsdecode(name) for name in self._index["name"].tolist()]
        self.origins, self.tags = self._index["origin"], self._index["tag"]
        kept = "content" in (self._index.dtype.names or ())
        self.contents = self._index["content"].astype(np.int64) if kept else np.full(len(self.names), -1)
        self._row = {name: row for row, name in enumerate(self.names)}

    def row(self, name: str) -> int:
        """Return the row of a record.

        Raises:
            FileError: there is none of this name.
        """
        try:
            return self._row[name]
        except KeyError:
            raise FileError(self.path, f"holds no {name}; it begins with {', '.join(self.names[:3])}.") from None

    def size(self, row: int, section: int) -> int:
        """Count the bytes of a section in memory."""
        return int(self._index["size"][row, section])

    def read(self, row: int, section: int, out: np.ndarray) -> None:
        """Read one section.

        Args:
            row: of the record.
            section: number of the section.
            out: uint8, C order, of the section's size.

        Raises:
            FileError: the file cannot be read, was cut off, or is damaged there.
        """
        place, stored, wanted = (int(self._index[field][row, section]) for field in ("place", "stored", "checksum"))
        raw = SCRATCH.file(stored) if self.compression else out.reshape(-1).data
        if self._pread(raw, place) < stored or checksum(raw) != wanted:
            raise FileError(self.path, f"is damaged in {self.names[row]}: its checksum is wrong.")
        if self.compression and stored:
            imagecodecs.zstd_decode(raw, out=out.reshape(-1).data)  # type: ignore[arg-type]

    def check(self) -> None:
        """Compare every section with its checksum.

        Raises:
            FileError: a section is damaged. The message names its record.
        """
        for row in range(len(self.names)):
            for section, size in enumerate(self._index["size"][row].tolist()):
                self.read(row, section, SCRATCH.array(size))

    def _pread(self, into: memoryview, place: int) -> int:
        return trying_again(lambda: self._pread_once(into, place), self.path)

    def _pread_once(self, into: memoryview, place: int) -> int:
        filled = 0
        file = _descriptor(self.path, self._identity)
        while filled < len(into) and (got := os.preadv(file.number, [into[filled:]], place + filled)):
            filled += got
        return filled


def _read_index(file: _Descriptor) -> tuple[Compression, np.ndarray]:
    end = file.size - TAIL.size
    magic, version, compression = HEAD.unpack(os.pread(file.number, HEAD.size, 0))
    place, length, wanted, last_magic = TAIL.unpack(os.pread(file.number, TAIL.size, max(0, end)))
    if (magic, last_magic) != (MAGIC, MAGIC):
        raise ValueError("its magic numbers are missing")
    if version != VERSION:
        raise ValueError(f"version {version}; this course reads version {VERSION}")
    raw = os.pread(file.number, length, place)
    if place + length != end or checksum(raw) != wanted:
        raise ValueError("its index is damaged")
    return COMPRESSIONS[compression], np.load(io.BytesIO(raw), allow_pickle=False)


@functools.cache
def open_shard(path: str) -> Shard:
    """Open a shard, or give the one that is open already."""
    return Shard(path)


def split_name(path: str) -> tuple[str, str] | None:
    """Divide the path of a record, `…/NAME.pack/RECORD`, into shard and record; None for any other path.

    A folder may be called so, too.

    >>> split_name("pa/train/F0/patches-00000.pack/a-1.npz")
    ('pa/train/F0/patches-00000.pack', 'a-1.npz')
    """
    shard, _, record = path.rpartition("/")
    return (shard, record) if shard.endswith(SUFFIX) and not _is_folder(shard) else None


@functools.cache  # asked for every sample
def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def checksum(data: bytes | bytearray | memoryview) -> int:
    """Compute the CRC-32 of bytes, of no bytes 0."""
    return imagecodecs.deflate_crc32(data) if len(data) else 0  # type: ignore[arg-type]


LEVEL = 3  # of zstd: 9 saves 2 % more and takes five times as long


class Record(NamedTuple):
    """What goes into a shard as one record.

    Attributes:
        name: of the record, unique in its shard.
        origin: bytes of the file that it was made from.
        tag: a number that the index keeps for whoever reads the record.
        sections: arrays in C order or bytes; an empty one takes no room.
        content: CRC-32 of what it was made from, by which, and by `origin`, a packer knows that it is done already.
    """

    name: str
    origin: int
    tag: int
    sections: Sequence[np.ndarray | bytes]
    content: int = 0


class ShardWriter:
    """Writes a shard, which takes its name when all is written and was read back; a context manager.

    Args:
        path: of the shard.
        sections: how many each record has.
        compression: None or "zstd".
    """

    def __init__(self, path: Path, *, sections: int, compression: Compression = None) -> None:
        self._whole = atomic_write(path)
        self._sections, self._compression = sections, compression
        self._rows: list[tuple] = []

    def __enter__(self) -> Self:
        self._unfinished = self._whole.__enter__()
        self._file: BinaryIO = self._unfinished.open("wb")
        self._file.write(HEAD.pack(MAGIC, VERSION, COMPRESSIONS.index(self._compression)))
        return self

    def add(self, record: Record) -> None:
        """Append a record."""
        places = [self._append(_flat(section)) for section in record.sections]
        about = os.fsencode(record.name), record.origin, record.content, record.tag
        self._rows.append((*about, *zip(*places, strict=True)))

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish()
            self._file.close()  # writes what is left, and may find the disk full
            if error is None:
                Shard(str(self._unfinished)).check()
        except BaseException as late:
            self._whole.__exit__(type(late), late, late.__traceback__)
            raise
        self._whole.__exit__(kind, error, trace)

    def _append(self, data: memoryview) -> tuple[int, int, int, int]:
        stored = imagecodecs.zstd_encode(data, level=LEVEL) if self._compression and data else data  # type: ignore[arg-type]
        place = self._file.tell()
        self._file.write(stored)
        return place, len(stored), len(data), checksum(stored)

    def _finish(self) -> None:
        longest = max((len(row[0]) for row in self._rows), default=1)
        index = io.BytesIO()
        np.save(index, np.array(self._rows, _index_dtype(longest, self._sections)))
        place = self._file.tell()
        self._file.write(index.getvalue())
        self._file.write(TAIL.pack(place, len(index.getvalue()), checksum(index.getvalue()), MAGIC))
        self._file.flush()
        os.fsync(self._file.fileno())


def _index_dtype(longest: int, sections: int) -> np.dtype:
    each: Mapping[str, str] = {"place": "<u8", "stored": "<u4", "size": "<u4", "checksum": "<u4"}
    record = [("name", f"S{longest}"), ("origin", "<u8"), ("content", "<u4"), ("tag", "<u4")]
    return np.dtype([*record, *((field, kind, (sections,)) for field, kind in each.items())])


def _flat(section: np.ndarray | bytes) -> memoryview:
    data = section if isinstance(section, bytes) else np.ascontiguousarray(section).reshape(-1).view(np.uint8).data
    return memoryview(data)
