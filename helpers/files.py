"""Files that are there whole or not at all, each once; locks. Used by everything that writes or looks for files."""

import contextlib
import errno
import os
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_OURS = f".{socket.gethostname()}-"  # a process number tells nothing on another machine that shares the disk


class LockedError(Exception):
    """Another process has the lock. The message says which, as far as it is known."""


class DiskFullError(OSError):
    """The disk is full, or one's share of it. The message names the file, and says what to do."""

    def __str__(self) -> str:
        return f"{self.filename} could not be written: {self.strerror}. Make room there, or name another folder."


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have errors of the system name `path` where they name no file, and that of a full disk say what to do.

    Raises:
        DiskFullError: in place of an `OSError` with that number.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(error.errno, error.strerror, os.fspath(path)) from error
        if error.errno:  # others have words of their own
            error.filename = error.filename or os.fspath(path)
        raise


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; what was written there takes the name `path` when all went well.

    If the block fails, the temporary file goes and an earlier `path` stays as it was. Errors of the system say what
    those of `naming` say.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_write(target) as unfinished:
    ...     _ = unfinished.write_text("done")
    ...     target.exists()
    False
    >>> target.read_text()
    'done'
    """
    temporary = path.with_name(f"{_OURS}{os.getpid()}-{path.name}")
    try:
        with naming(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def swap(new: Path, target: Path) -> None:
    """Put a finished folder in the place of an earlier one, which is kept until then, and comes back if that fails.

    Both lie on one file system.

    >>> import tempfile
    >>> new, target = (Path(tempfile.mkdtemp()) for _ in range(2))
    >>> swap(new, target)
    >>> new.exists(), target.exists()
    (False, True)
    """
    old = new.with_name(f"{new.name}.replaced")
    with contextlib.suppress(FileNotFoundError):
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Lock a file, which says who has it; the lock is released with the block, or when the process ends.

    Where the file system has no locks, a warning says so and the block is entered all the same.

    Yields:
        The descriptor of the file. A process that inherits it keeps the lock should this one be killed.

    Raises:
        LockedError: another process has the lock.
        OSError: the file cannot be written.
    """
    import fcntl  # Windows has none

    with path.open("ab+", buffering=0) as file:  # unbuffered: a full disk is told at once, not when the file is closed
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(file.read().decode().strip() or "Another process") from None
        except OSError as error:
            told = f"{path} cannot be locked ({error.strerror}): see that no other process does the same."
            warnings.warn(told, stacklevel=4)
        job = os.environ.get("SLURM_JOB_ID")
        file.truncate(0)
        file.write(f"Process {os.getpid()} on {socket.gethostname()}{f' (job {job})' if job else ''}\n".encode())
        os.fsync(file.fileno())  # some disks say only now that they are full
        try:
            yield file.fileno()
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # processes begun within the block have the file open, too


def expanded(folder: str | os.PathLike[str]) -> Path:
    """Return a folder with one's home in place of ~; ~nobody, the home of nobody, stays, and is not there.

    >>> expanded("~/data") == Path.home() / "data", expanded("~nobody_here/data").as_posix()
    (True, '~nobody_here/data')
    """
    return Path(os.path.expanduser(folder))  # noqa: PTH111 - pathlib's raises a RuntimeError for nobody


def absolute(folders: str) -> str:
    """Return folders that are joined as in PATH with whole names, so that they are the same from everywhere.

    >>> absolute(os.pathsep.join(["/a", "", "b"])) == os.pathsep.join(["/a", str(Path("b").absolute())])
    True
    """
    return os.pathsep.join(str(expanded(folder).absolute()) for folder in folders.split(os.pathsep) if folder)


def most_open() -> int:
    """Return how many files a cache may keep open: a quarter of what the system grants this process, at most 128.

    >>> 0 < most_open() <= 128
    True
    """
    try:
        import resource
    except ImportError:  # Windows
        return 128
    granted, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 128 if granted == resource.RLIM_INFINITY else max(1, min(128, granted // 4))


def sweep(folder: Path) -> None:
    """Remove what processes of this machine that are no more, killed at their work, left unfinished below a folder."""
    for path in folder.rglob(f"{_OURS}*"):
        number = path.name.removeprefix(_OURS).partition("-")[0]
        if number.isdecimal() and not _lives(int(number)):
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def files_below(folder: Path, *, onerror: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Walk through a folder and where links lead, but into no folder twice: into folders before links, each by name.

    Args:
        folder: anywhere.
        onerror: is told why a folder cannot be listed; by default that folder is passed over.
    """
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True, onerror=onerror):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort(key=lambda name: (Path(root, name).is_symlink(), name))
        yield from (Path(root, name) for name in names)


def names_in(folder: Path) -> list[str]:
    """Return the names of what is in a folder; none if it cannot be listed."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
