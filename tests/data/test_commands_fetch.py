"""`./course data fetch`, and downloads that break off, from a web server on this machine."""

import errno
import hashlib
import http.server
import threading

import numpy as np
import pytest

from helpers import cli
from helpers.data import fetch, stand_in

CONTENT = np.random.default_rng(0).bytes(3_000_000)
PART = 60 * fetch._CHUNK


class Site(http.server.ThreadingHTTPServer):
    """Serves one file, and does what it is told to: break off, know no ranges, change.

    Attributes:
        content: of the file.
        breaks: how many bytes each of the next answers sends before the connection breaks.
        ranges: whether it heeds them.
        asked: for which range, of every request; None for the whole file.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.breaks, self.ranges, self.asked = CONTENT, [], True, []


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the whole file, or from where the request says."""

    def do_GET(self):
        """Send the file, or a part."""
        site, wanted = self.server, self.headers["Range"]
        site.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
        if start >= len(site.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(site.content) - start))
        self.end_headers()
        end = start + site.breaks.pop(0) if site.breaks else len(site.content)
        self.wfile.write(site.content[start:end])
        self.close_connection = True
        return None

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Give a site that has the one file of the data set "thing"."""
    site = Site()
    threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    card = fetch.DataCard(
        title="Thing", lectures="-", folder="thing", patterns=["*.bin"], size="3 MB", licence="CC0", get="-",
        url=f"http://127.0.0.1:{site.server_port}/thing.bin", file="thing.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )  # fmt: skip
    monkeypatch.setitem(fetch.registry(), "thing", card)
    yield site
    site.shutdown()
    site.server_close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "thing"


def contents(folder):
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def fetched(name="thing"):
    return cli.main(["data", "fetch", name])


def test_a_file_is_fetched_once(site, folder, capsys):
    assert fetched() == 0 and "whole and checked" in capsys.readouterr().out
    assert contents(folder) == {"thing.bin": len(CONTENT)}
    assert fetched() == 0 and f"here already, in {folder}" in capsys.readouterr().out
    assert site.asked == [None]


def test_a_damaged_file_is_not_called_here(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/mnist.npz").write_bytes(CONTENT[:100_000])
    assert fetched("mnist") == 1
    told = capsys.readouterr()
    assert "here already" not in told.out and str(tmp_path / "mnist/mnist.npz") in told.err


def test_a_broken_download_goes_on_within_one_command(site, folder):
    site.breaks = [PART, PART + 5]
    assert fetched() == 0
    assert (folder / "thing.bin").read_bytes() == CONTENT
    assert site.asked == [None, f"bytes={PART}-", f"bytes={2 * PART}-"]


def test_a_broken_download_goes_on_with_the_next_command(site, folder, capsys):
    site.breaks = [PART, 0]  # the second attempt brings nothing: the network is gone
    assert fetched() == 1 and "thing.bin" in capsys.readouterr().err
    assert contents(folder) == {".thing.bin.part": PART} and fetch.find("thing") is None
    assert fetched() == 0
    assert contents(folder) == {"thing.bin": len(CONTENT)}
    assert site.asked[-1] == f"bytes={PART}-"


def test_a_server_without_ranges_sends_everything_again(site, folder):
    site.ranges, site.breaks = False, [PART]
    assert fetched() == 0
    assert (folder / "thing.bin").read_bytes() == CONTENT and len(site.asked) == 2


def test_a_part_that_was_whole_needs_nothing_more(site, folder):
    folder.mkdir()
    (folder / ".thing.bin.part").write_bytes(CONTENT)
    assert fetched() == 0 and contents(folder) == {"thing.bin": len(CONTENT)}


def test_a_part_of_another_version_is_found_by_the_hash_and_goes(site, folder, capsys):
    folder.mkdir()
    (folder / ".thing.bin.part").write_bytes(b"x" * 1000)
    assert fetched() == 1 and "hash" in capsys.readouterr().err
    assert contents(folder) == {}
    assert fetched() == 0 and site.asked == ["bytes=1000-", None]


def test_a_changed_file_is_refused(site, folder, capsys):
    site.content = CONTENT[:-1] + b"?"
    assert fetched() == 1 and "does not match" in capsys.readouterr().err
    assert fetch.find("thing") is None


def test_ctrl_c_keeps_what_came(site, folder, monkeypatch, capsys):
    real = fetch._append

    def interrupted(url, path, start):
        path.write_bytes(CONTENT[:700])
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_append", interrupted)
    assert fetched() == 130 and contents(folder) == {".thing.bin.part": 700}
    monkeypatch.setattr(fetch, "_append", real)
    assert fetched() == 0 and site.asked == ["bytes=700-"]


def test_a_full_disk_is_told_and_what_came_is_kept(site, folder, monkeypatch, capsys):
    def full(url, path, start):
        path.write_bytes(CONTENT[:700])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch, "_append", full)
    assert fetched() == 1
    assert "is full: thing.bin takes 3 MB. Make room" in capsys.readouterr().err
    assert contents(folder) == {".thing.bin.part": 700}


def test_no_network_is_told(site, capsys):
    site.shutdown()
    site.server_close()
    assert fetched() == 1
    assert capsys.readouterr().err.startswith("course data fetch: no network connection to http://127.0.0.1")


def test_an_unknown_name_is_answered_with_the_names(capsys):
    assert fetched("mnits") == 2
    said = capsys.readouterr().err
    assert "'mnits' is none of mnist, chesapeake, grss. Did you mean 'mnist'?" in said


@pytest.mark.parametrize(("name", "source"), [("chesapeake", "lcmcvpr2019"), ("grss", "10.21227/c6tm-vw12")])
def test_what_a_person_must_do_is_told_step_by_step(name, source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert fetched(name) == 1
    text = capsys.readouterr().out
    assert "\n1. " in text and source in text and str(tmp_path / fetch.registry()[name].folder) in text
    assert "{" not in text and max(map(len, text.splitlines())) <= 100 + len(str(tmp_path))
    assert f"./course data make {name} makes one now" in text
    made = tmp_path / "stand_in" / fetch.registry()[name].folder
    made.mkdir(parents=True)
    (made / "a_RGB.tif").touch()
    (made / "a.npz").touch()
    stand_in.mark(made, {})
    assert fetched(name) == 1 and f"Until then a stand-in is used, {made}." in capsys.readouterr().out
