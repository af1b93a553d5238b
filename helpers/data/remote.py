"""Files on web servers, read in parts: mirrors in turn, attempts repeated, what came kept on disk. For `data fetch`."""

import bisect
import contextlib
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from helpers.data.fetch import FetchError
from helpers.files import atomic_write, naming
from helpers.tables import size

if TYPE_CHECKING:
    import requests

ATTEMPTS = 4  # that bring nothing, one after the other, before the next mirror is asked
BACKOFF = 1.0  # seconds before the second attempt; twice as long before each further one
LONGEST_WAIT = 30.0  # seconds: a server that asks for more is left for the next
TIMEOUT = (10.0, 30.0)  # seconds to connect, and without a byte
HEAD = 1 << 16  # bytes that are read at least, where it is not known which are wanted
_CHUNK = 1 << 14  # bytes: what an answer that breaks off may lose, and what is not worth another request
Result = TypeVar("Result")
_BUSY = (408, 429, 500, 502, 503, 504)
_GONE = (403, 404, 410)


class MissingError(FetchError):
    """Every mirror says that it has no such file, or gives it to nobody."""


class ChangedError(FetchError):
    """A file is not what its parts on disk were read from, which were dropped: whoever reads it begins anew."""


class _RefusedError(Exception):
    """A mirror has not given a part of a file.

    Attributes:
        is_gone: whether it says that there is no such file, or not for us.
    """

    def __init__(self, reason: str, *, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.is_gone = is_gone


class _BusyError(Exception):
    """A server wants to be asked again, after so many seconds if it says so."""

    def __init__(self, reason: str, wait: float | None) -> None:
        super().__init__(reason)
        self.wait = wait


class Mirrors:
    """Addresses below which the same files lie, asked in order.

    Args:
        addresses: at least one, best first.
        tell: gets sentences for the user: which mirror answers, which does not, what costs more than expected.
        received: gets the number of every few bytes that came.
    """

    def __init__(
        self, addresses: Sequence[str], *, tell: Callable[[str], object], received: Callable[[int], object]
    ) -> None:
        import requests  # here, so that what only looks for data needs nothing but the standard library

        self.addresses = [address.rstrip("/") + "/" for address in addresses]
        self.tell, self.received = tell, received
        self.session = requests.Session()
        self._answered: set[str] = set()

    def answers(self, address: str) -> None:
        """Say so the first time that a mirror answers."""
        if address not in self._answered:
            self._answered.add(address)
            self.tell(f"Reading from {address}")

    def fails(self, address: str, reason: str) -> None:
        """Ask a mirror last from now on, and say why."""
        if self.addresses[-1] != address:
            self.addresses.remove(address)
            self.addresses.append(address)
            self.tell(f"{reason}. Asking {self.addresses[0]}")


class RemoteFile:
    """A file that mirrors have, as if it lay here: parts are read when they are wanted, and kept.

    All parts are of one version (`ETag`, or else `Last-Modified`, and size) from one mirror, also when another process
    goes on with them.

    Args:
        mirrors: that have it.
        path: below their addresses.
        kept: a file for the parts, with holes for the others; what is known of them lies beside, in `{kept}.json`.
    """

    def __init__(self, mirrors: Mirrors, path: str, kept: Path) -> None:
        self.mirrors, self.path, self.kept = mirrors, path, kept
        self.failure: BaseException | None = None
        self.address, self.version, self.size = "", "", -1
        self._parts: list[list[int]] = []  # [start, stop), apart and in order
        kept.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # without a note nothing is kept
            facts = json.loads(self._note.read_text())
            if kept.exists() and facts["address"] in mirrors.addresses:
                self.address, self.version, self.size = facts["address"], facts["version"], facts["size"]
                self._parts = facts["parts"]

    @property
    def url(self) -> str:
        """Return the address of the file on the mirror that it is read from; "" before one has answered."""
        return self.address and self.address + self.path

    @property
    def _note(self) -> Path:
        return self.kept.with_name(f"{self.kept.name}.json")

    def length(self) -> int:
        """Return the size in bytes, after a first part has come; raises as `read` does."""
        if self.size < 0:
            self._bring(0, HEAD)
        return self.size

    def read(self, start: int, count: int) -> bytes:
        """Return so many bytes from a place, fewer at the end of the file.

        Raises:
            MissingError: no mirror has it.
            ChangedError: it is another file than before. What was made of its parts is to be made anew.
            FetchError: no mirror answered. What came is kept.
            OSError: the disk is full or cannot be written.
        """
        stop = min(start + count, self.length())
        while gap := self._gap(start, stop):
            self._bring(gap[0], max(gap[1], gap[0] + HEAD))
        with self.kept.open("rb") as file:
            file.seek(start)
            return file.read(max(0, stop - start))

    def bring(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Read ranges of bytes, [start, stop), and nothing beyond them; raises as `read` does."""
        for start, stop in self.missing(ranges):
            while gap := self._gap(start, stop):
                self._bring(*gap)

    def missing(self, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return what of some ranges is not here, in order; close ones are one, with what lies between.

        What lies beyond the end of the file is left out. Raises as `read` does.
        """
        merged, end = list[tuple[int, int]](), self.length()
        for start, stop in sorted(ranges):
            if merged and start <= merged[-1][1] + _CHUNK:
                merged[-1] = merged[-1][0], max(merged[-1][1], stop)
            else:
                merged.append((start, stop))
        return [gap for start, stop in merged for gap in self._gaps(start, min(stop, end))]

    def open(self) -> "RemoteReader":
        """Return an object that is read as an open file is."""
        return RemoteReader(self)

    def forget(self) -> None:
        """Remove what was kept."""
        self.address, self.version, self.size, self._parts = "", "", -1, []
        self._note.unlink(missing_ok=True)  # first: parts without a note count for nothing
        self.kept.unlink(missing_ok=True)

    # ---- parts ----

    def _gap(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the first bytes of a range that are not here; None if all are."""
        for begin, end in self._parts:
            if begin <= start < end:
                start = end
            elif start < begin < stop:
                stop = begin
        return (start, stop) if start < stop else None

    def _gaps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        while gap := self._gap(start, stop):
            yield gap
            start = gap[1]

    def _held(self) -> int:
        return sum(stop - start for start, stop in self._parts)

    def _add(self, start: int, stop: int) -> None:
        parts = self._parts
        parts.insert(bisect.bisect(parts, [start, stop]), [start, stop])
        merged = parts[:1]
        for begin, end in parts[1:]:
            if begin <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([begin, end])
        self._parts = merged

    def _save(self) -> None:
        facts = {"address": self.address, "version": self.version, "size": self.size, "parts": self._parts}
        with atomic_write(self._note) as unfinished:
            unfinished.write_text(json.dumps(facts))

    # ---- mirrors ----

    def _bring(self, start: int, stop: int) -> None:
        """Read what is missing of a range from the first mirror that gives it."""
        if self.size >= 0:
            start, stop = self._gap(start, min(stop, self.size)) or (start, start)
        refusals = list[_RefusedError]()
        for address in sorted(self.mirrors.addresses, key=lambda each: each != self.address):
            try:
                return self._insist(address, start, stop)
            except _RefusedError as refusal:
                refusals.append(refusal)
                if not refusal.is_gone:
                    self.mirrors.fails(address, str(refusal))
        reasons = "; ".join(map(str, refusals))
        if all(refusal.is_gone for refusal in refusals):
            raise MissingError(f"no mirror has {self.path}: {reasons}")
        kept = " What came is kept: the same command goes on." if self._parts else ""
        raise FetchError(f"no mirror gives {self.path}: {reasons}.{kept}")

    def _insist(self, address: str, start: int, stop: int) -> None:
        """Read a range from one mirror; attempts that bring something are not counted.

        Raises:
            _RefusedError: it does not give it.
        """
        import requests

        fruitless = 0
        while gap := self._gap(start, stop if self.size < 0 else min(stop, self.size)):
            self._go_on()
            before = self._held()
            try:
                self._part(address, *gap)
                if self._held() == before:  # an empty answer, or an empty file
                    if self.size:
                        raise _RefusedError(
                            f"{address}{self.path}: gives nothing of its bytes {gap[0]} to {gap[1] - 1}"
                        )
                    return
                fruitless = 0
                continue
            except (requests.RequestException, _BusyError) as error:
                fruitless = 1 if self._held() > before else fruitless + 1
                wait = BACKOFF * 2 ** (fruitless - 1)
                wait = max(wait, getattr(error, "wait", None) or 0)
                if fruitless == ATTEMPTS or wait > LONGEST_WAIT:
                    raise _RefusedError(f"{address}{self.path}: {_plain(error)}") from error
            time.sleep(wait)

    def _go_on(self) -> None:
        """Raise what has stopped the reading of this file, such as Ctrl-C in another thread, if anything has."""
        if self.failure is not None:
            raise self.failure

    def _part(self, address: str, start: int, stop: int) -> None:
        """Ask once, and keep what comes.

        Raises:
            _RefusedError: it would be in vain to ask again.
            _BusyError, requests.RequestException: it may not be.
        """
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        with self.mirrors.session.get(address + self.path, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            self._go_on()
            if answer.status_code in _BUSY:
                raise _BusyError(f"{answer.status_code} {answer.reason}", _seconds(answer.headers.get("Retry-After")))
            if answer.status_code == 416:
                match = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
                if match and int(match[1]) != self.size:
                    self._agree(address, answer, int(match[1]))  # an empty file, or another one
                return
            if not answer.ok:
                reason = f"{address}{self.path}: {answer.status_code} {answer.reason}"
                raise _RefusedError(reason, is_gone=answer.status_code in _GONE)
            position, whole = _place(answer)
            self._agree(address, answer, whole)
            if answer.status_code == 200 and start:  # to ask for every part would cost the beginning each time
                self.mirrors.tell(f"{address}{self.path} is sent only as a whole: {size(whole)} are read")
                stop = whole
            self._keep(answer, position, min(stop, whole))

    def _agree(self, address: str, answer: "requests.Response", whole: int) -> None:
        """Compare an answer with the parts that are here; drop them if they are of another version or mirror.

        Raises:
            ChangedError: they are.
        """
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if (address, version, whole) == (self.address, self.version, self.size):
            return
        old, had = (self.url, self.version, self.size), bool(self._parts)
        self.forget()
        self.address, self.version, self.size = address, version, whole
        self.mirrors.answers(address)
        with naming(self.kept):
            self.kept.touch()
        self._save()
        if had and old[0] == self.url:
            versions = f"{old[1] or 'no version'} of {old[2]:,} bytes, then {version or 'none'} of {whole:,}"
            raise ChangedError(f"{self.url} changed while it was read: {versions}")
        if had:
            raise ChangedError(f"{old[0]} cannot be read to its end; {self.url} is read from its beginning")

    def _keep(self, answer: "requests.Response", position: int, stop: int) -> None:
        """Write what comes to its place, as far as it is wanted.

        Raises:
            requests.ConnectionError: less came than was promised.
        """
        import requests

        start = position
        try:
            with naming(self.kept), self.kept.open("r+b") as file:
                file.seek(position)
                for chunk in answer.iter_content(_CHUNK):
                    self._go_on()
                    file.write(chunk[: stop - position])
                    self.mirrors.received(len(chunk))
                    position = min(position + len(chunk), stop)
                    if position == stop and answer.status_code == 200:  # more may come, which nobody wants
                        return
        finally:
            if position > start:
                self._add(start, position)
                self._save()
        if position < stop:
            raise requests.ConnectionError(f"the answer ended {stop - position:,} bytes too early")


class RemoteReader(io.RawIOBase):
    """Reads a remote file in the way of an open one, for GDAL, which lets no error of Python through.

    What goes wrong is left in `failure` of the file, which from then on reads as if it had ended: look there before
    what was read is believed.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        starts = {io.SEEK_SET: lambda: 0, io.SEEK_CUR: self.tell, io.SEEK_END: self._file.length}
        self._position = offset + (self._guarded(starts[whence]) or 0)
        return self._position

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; none at the end, and none after a failure."""
        data = self._guarded(lambda: self._file.read(self._position, self._file.length() if count < 0 else count))
        self._position += len(data or b"")
        return data or b""

    def _guarded(self, function: Callable[[], Result]) -> Result | None:
        """Return what a function returns; None if it fails, or anything failed before."""
        if self._file.failure is None:
            try:
                return function()
            except BaseException as error:  # Ctrl-C, too, would be lost in GDAL
                self._file.failure = error
        return None


def _place(answer: "requests.Response") -> tuple[int, int]:
    """Return where the body of an answer begins, and the size of the whole file.

    Raises:
        _BusyError: the answer does not say; a proxy may have cut it out.
    """
    if answer.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    else:
        match = re.fullmatch(r"()(\d+)", answer.headers.get("Content-Length", ""))
    if match is None:
        raise _BusyError(f"{answer.status_code}, without a word on how long the file is", None)
    return int(match[1] or 0), int(match[2])


def _seconds(retry_after: str | None) -> float | None:
    """Return how long a server wants to be left alone: a number, or until a date.

    >>> _seconds("120"), _seconds(None), _seconds("Wed, 21 Oct 2015 07:28:00 GMT"), _seconds("soon")
    (120.0, None, 0.0, None)
    """
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _plain(error: Exception) -> str:
    """Say in short what went wrong; the libraries name every layer that it went through.

    >>> _plain(_BusyError("503 Service Unavailable", None))
    '503 Service Unavailable'
    """
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {TIMEOUT[0]:g} s"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):  # the latter within a body
        return f"no answer within {TIMEOUT[1]:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError) and not str(error).startswith("the answer"):
        return "no connection"
    return str(error)
