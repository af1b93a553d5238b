"""Where data sets lie, which of them are here, and how to bring what may be brought. Used by every lecture.

Real data and stand-ins are looked for apart: `find` and `find_stand_in`.

`COURSE_DATA` names the data folder, or several in order of preference, separated as in PATH (default: `datasets/` of
the course). The first is also where downloads and stand-ins go. `COURSE_OFFLINE=1` forbids downloads.
`datasets/registry.toml` says what each data set is.
"""

import collections
import contextlib
import errno
import fnmatch
import functools
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.data import stand_in
from helpers.errors import CourseError, UsageError, nearest
from helpers.files import expanded, files_below, names_in
from helpers.tables import plural

COURSE_ROOT = Path(__file__).resolve().parents[2]
_CHUNK = 1 << 14  # bytes: what a download that breaks off may lose
_TIMEOUT = 30  # seconds without a byte
ORIGINS = ("", "fetched", "of the sample")  # of real files, best first; "": brought along
_BESIDE = (".md", ".txt", ".csv", ".json")  # notes and lists beside the data


class FetchError(CourseError):
    """A data set is not here and could not be brought. The message says why and what to do."""


class UnknownFolderError(FetchError, UsageError):
    """The folder that COURSE_DATA names is not there."""


@dataclass(frozen=True)
class DataCard:
    """What the registry says about one data set; see `datasets/registry.toml` for the meaning of each field."""

    title: str
    lectures: str
    folder: str
    patterns: list[str]
    size: str
    licence: str
    get: str
    also: list[str] = field(default_factory=list)
    stand_in: str = ""
    steps: list[str] = field(default_factory=list)
    url: str = ""
    file: str = ""
    sha256: str = ""
    mirrors: list[str] = field(default_factory=list)
    sample: dict[str, str] = field(default_factory=dict)
    sample_mirrors: list[str] = field(default_factory=list)
    fetched: str = ""
    arrays: dict[str, str] = field(default_factory=dict)
    module: str = ""
    task: str = ""


@functools.cache
def registry() -> dict[str, DataCard]:
    """Read every data card, by the short name of its data set.

    >>> registry()["mnist"].licence
    'CC BY-SA 3.0'
    """
    text = (COURSE_ROOT / "datasets" / "registry.toml").read_text(encoding="utf-8")
    return {name: DataCard(**card) for name, card in tomllib.loads(text).items()}


def data_folders() -> list[Path]:
    """List the folders that hold data, best first, whether they exist or not."""
    given = os.environ.get("COURSE_DATA", "").split(os.pathsep)
    return [expanded(folder) for folder in given if folder] or [COURSE_ROOT / "datasets"]


def folder_to_fill() -> Path:
    """Return the folder that downloads and stand-ins go to, which is there: a slip must not become an empty folder.

    Raises:
        UnknownFolderError: COURSE_DATA names a folder that is not there.
    """
    folder = data_folders()[0]
    if not folder.exists():
        raise UnknownFolderError(
            f"COURSE_DATA names {folder}, which is not there.{nearest(folder.name, names_in(folder.parent))} "
            f"Correct it, or make the folder: mkdir -p {folder}"
        )
    return folder


def find(name: str) -> Path | None:
    """Find the folder with the best real files of a data set, or None; of equals, the first.

    What was brought along is better than what was fetched, and that better than a sample; see `origin`. Within one data
    folder it is the card's order that counts, whatever they are: patches before tiles, which take longer to read.

    Args:
        name: a data set of the registry, such as `"mnist"`.
    """
    card, real = registry()[name], []
    for data in data_folders():
        own = [data / each for each in (card.folder, *card.also)]
        real += [each for each in own if _has_files(each, card) and not stand_in.is_stand_in(each)][:1]
    return min(real, key=lambda folder: _rank(folder, card), default=None)


def origin(card: DataCard, path: str | Path) -> str:
    """Return how a real file came here, one of `ORIGINS`, by its name and the folders it lies in.

    Args:
        path: below the folder of the data set.

    >>> origin(registry()["chesapeake"], "pa_1m_2013_extended-debuffered-val_patches/pa_1m_2013-m_1-0003.npz")
    'fetched'
    """
    *folders, name = Path(path).parts
    if name in card.sample:
        return "of the sample"
    return "fetched" if fnmatch.filter(folders, card.fetched) else ""


def _rank(folder: Path, card: DataCard) -> int:
    """Return the place of a folder's best file among `ORIGINS`."""
    best = len(ORIGINS)
    for file in _files_of(folder, card):
        if best == 0:
            break
        best = min(best, ORIGINS.index(origin(card, file.relative_to(folder))))
    return best


def better(name: str, counts: Mapping[str, int]) -> str:
    """Return the command that gets better data of a data set, or more of them; "" where some were brought along.

    Args:
        counts: what is here, from `count_origins`; nothing if that is a stand-in.
    """
    if counts.get(""):
        return ""
    windows = max(200, 2 * counts.get("fetched", 0))  # 200 do for the lectures
    return f"./course data fetch {name}" + (f" --windows {windows}" if registry()[name].mirrors else "")


def find_stand_in(name: str) -> Path | None:
    """Find the first whole stand-in of a data set, or None: a folder, or the one file that it consists of.

    It lies under `stand_in/` of a data folder, or where somebody put it in place of the real files.
    """
    card = registry()[name]
    for folder in data_folders():
        made, in_place = folder / card.stand_in, folder / card.folder
        if card.stand_in and (made.is_file() or _is_whole(made, card)):
            return made
        if _is_whole(in_place, card) and stand_in.is_stand_in(in_place):
            return in_place
    return None


def _is_whole(folder: Path, card: DataCard) -> bool:
    return _has_files(folder, card) and not stand_in.is_unfinished(folder)


def _has_files(folder: Path, card: DataCard) -> bool:
    return next(_files_of(folder, card), None) is not None


def _files_of(folder: Path, card: DataCard) -> Iterator[Path]:
    """Yield the files of a data set, without those in hidden folders, where they are being written or fetched."""
    for pattern in card.patterns:
        for file in folder.glob(pattern):
            if not any(part.startswith(".") for part in file.relative_to(folder).parts):
                yield file


def download(name: str) -> Path:
    """Download a data set into the data folder, unless it is there, and check its SHA-256.

    The file appears under its name only when it is whole. A download that breaks off goes on where it stopped the
    next time, if the server can.

    Args:
        name: a data set of the registry that has a URL.

    Returns:
        The path of the file.

    Raises:
        FetchError: downloads are forbidden, the network or the disk failed, or the SHA-256 is wrong.
    """
    import pooch  # here, as requests and tqdm, so that the rest of this module needs nothing but the standard library
    import requests

    card = registry()[name]
    folder = folder_to_fill() / card.folder
    if os.environ.get("COURSE_OFFLINE"):
        raise FetchError("downloads are switched off (COURSE_OFFLINE is set)")
    downloader = ResumingDownloader(folder / f".{card.file}.part")
    try:
        return Path(pooch.retrieve(card.url, f"sha256:{card.sha256}", card.file, folder, downloader=downloader))
    except requests.ConnectionError as error:
        raise FetchError(f"no network connection to {card.url}") from error
    except (OSError, ValueError) as error:  # pooch reports a wrong hash as ValueError
        raise FetchError(_failure(card, folder, error)) from error


class ResumingDownloader:
    """Download a file over HTTP; what came before a break is kept, and asked for no second time if the server can.

    A downloader for `pooch.retrieve`, which checks the hash. Only one process at a time goes on with what was kept:
    it takes it away first. Should the file have changed on the server meanwhile, the hash tells, and the next attempt
    starts anew.

    Args:
        kept: where the part of a file is left when the connection breaks.
    """

    def __init__(self, kept: Path) -> None:
        self.kept = kept

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fill `output_file`; try again as long as every attempt brings something.

        Raises:
            requests.RequestException: no connection, no answer, or a page that is not there.
            OSError: the disk is full or cannot be written.
        """
        with contextlib.suppress(FileNotFoundError):
            self.kept.replace(output_file)
        path = Path(output_file)
        try:
            while not self._bring(url, path):
                pass
        except BaseException:
            if path.stat().st_size:
                path.replace(self.kept)
            raise

    def _bring(self, url: str, path: Path) -> bool:
        """Append what is missing; return False if the connection broke after some of it."""
        import requests

        before = path.stat().st_size
        try:
            _append(url, path, before)
        except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError, requests.Timeout):
            if path.stat().st_size <= before:
                raise
            return False
        return True


def _append(url: str, path: Path, start: int) -> None:
    import requests
    from tqdm import tqdm

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:  # the server sends the file from its beginning
            os.truncate(path, 0)
            start = 0
        total = start + int(answer.headers.get("Content-Length", 0)) or None
        bar = tqdm(desc=url.rpartition("/")[2], total=total, initial=start, unit="B", unit_scale=True)
        with bar, path.open("ab") as file:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _failure(card: DataCard, folder: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {folder} is full: {card.file} takes {card.size}. Make room, or name another in COURSE_DATA"
    return f"{card.url} could not be downloaded to {folder}: {type(error).__name__}: {error}"


def sources() -> list[dict[str, str]]:
    """Describe every data set of the course: is it here, how much of it, where, and how to get better data.

    Returns:
        One row per data set with the keys data set, lectures, found, size, licence, better data.
    """
    return [
        {
            "data set": card.title,
            "lectures": card.lectures,
            **_found(name),
            "size": card.size,
            "licence": card.licence,
        }
        for name, card in registry().items()
    ]


def _found(name: str) -> dict[str, str]:
    card, folder = registry()[name], find(name)
    if folder:
        files = _files(folder)
        counts = count_origins(card, (file.relative_to(folder) for file in files))
        said = f"{plural(len(files), 'real file')}{told_origins(counts)} in {folder}"
        return {"found": said, "better data": better(name, counts)}
    made = find_stand_in(name)
    said = f"{plural(len(_files(made)), 'made-up file')}, a stand-in, in {made}" if made else "not here"
    return {"found": said, "better data": better(name, {})}


def count_origins(card: DataCard, paths: Iterable[str | Path]) -> dict[str, int]:
    """Count real files by their `origin`, the best first."""
    counts = collections.Counter(origin(card, path) for path in paths)
    return {key: counts[key] for key in ORIGINS}


def told_origins(counts: Mapping[str, int]) -> str:
    """Return how many files came in which way, in brackets; "" where all were brought along.

    >>> told_origins({"fetched": 200, "of the sample": 8}), told_origins({"of the sample": 8}), told_origins({"": 9})
    (' (200 fetched, 8 of the sample)', ' (all of the sample)', '')
    """
    present = {key or "brought along": count for key, count in counts.items() if count}
    if len(present) == 1:
        return "" if "brought along" in present else f" (all {next(iter(present))})"
    return f" ({', '.join(f'{count:,} {key}' for key, count in present.items())})"


def describe(name: str) -> dict[str, Any]:
    """Return what is known of a data set, and how much of it is here, real or made up."""
    card = registry()[name]
    return {
        "title": card.title,
        "lectures": card.lectures,
        "licence": card.licence,
        "real": _measure(find(name)),
        "stand-in": _measure(find_stand_in(name)),
        "how to get it": card.get,
    }


def _measure(place: Path | None) -> dict[str, Any] | None:
    """Count the files of a data set and their bytes."""
    if place is None:
        return None
    files = _files(place)
    return {"where": place, "files": len(files), "bytes": sum(file.stat().st_size for file in files if file.exists())}


def _files(place: Path) -> list[Path]:
    """List the files of a data set; notes beside them and unfinished files are not among them."""
    return [
        file
        for file in list(files_below(place)) or [place]
        if file.suffix not in _BESIDE and not any(part.startswith(".") for part in file.relative_to(place).parts)
    ]
