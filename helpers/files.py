"""Files that are there whole or not at all. Used by everything that writes one."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there takes the name `path` when all went well.

    If the block fails, the temporary file goes and an earlier `path` stays as it was.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with whole(target) as unfinished:
    ...     _ = unfinished.write_text("done")
    ...     target.exists()
    False
    >>> target.read_text()
    'done'
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
