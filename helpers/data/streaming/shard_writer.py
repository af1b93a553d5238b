"""Writes shards: see `shards` for their format."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import imagecodecs
import numpy as np

from helpers.data.streaming.shards import COMPRESSIONS, HEAD, MAGIC, TAIL, VERSION, Compression, Shard, checksum
from helpers.files import whole

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
        self._whole = whole(path)
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
