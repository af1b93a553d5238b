"""Downloads that go on where they stopped. Used by `fetch`."""

import contextlib
import os
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

_CHUNK = 1 << 14  # what a break may lose
_TIMEOUT = 30  # seconds without a byte
BROKEN_OFF = (requests.exceptions.ChunkedEncodingError, requests.ConnectionError, requests.Timeout)


class ResumingDownloader:
    """Bring a file over HTTP; what came before a break is kept, and asked for no second time if the server can.

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
        before = path.stat().st_size
        try:
            _append(url, path, before)
        except BROKEN_OFF:
            if path.stat().st_size <= before:
                raise
            return False
        return True


def _append(url: str, path: Path, start: int) -> None:
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
