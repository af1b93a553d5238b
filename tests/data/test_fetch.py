"""Data sets are found where COURSE_DATA says, and a download is whole or not there."""

import hashlib
import http.server
import threading
from dataclasses import replace

import pytest

from helpers import cli
from helpers.data import digits, fetch
from helpers.data.synthetic import ensure


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A data set of one file, served by a web server on this machine."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thing.bin").write_bytes(b"whole")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "site"))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    card = fetch.DataCard(
        title="Thing", lectures="-", folder="thing", patterns=["*.bin"], size="5 B", licence="CC0", get="-",
        url=f"http://127.0.0.1:{server.server_port}/thing.bin", file="thing.bin",
        sha256="6b8f0e9e3a7d5b1f" * 4,
    )  # fmt: skip
    monkeypatch.setitem(fetch.registry(), "thing", card)
    yield card
    server.shutdown()
    server.server_close()


def with_sum(card, monkeypatch, content):
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(fetch.registry(), "thing", type(card)(**{**vars(card), "sha256": sha256}))


def test_a_download_with_the_right_hash_is_found_afterwards(card, monkeypatch, tmp_path):
    with_sum(card, monkeypatch, b"whole")
    assert fetch.find("thing") is None
    path = fetch.download("thing")
    assert path == tmp_path / "data" / "thing" / "thing.bin" and path.read_bytes() == b"whole"
    assert fetch.find("thing") == path.parent


def test_a_download_with_a_wrong_hash_leaves_nothing(card, tmp_path):
    with pytest.raises(fetch.FetchError, match=r"thing\.bin could not be downloaded.*hash"):
        fetch.download("thing")
    assert fetch.find("thing") is None


def test_a_page_that_is_gone_is_told(card, monkeypatch, tmp_path):
    (tmp_path / "site" / "thing.bin").unlink()
    with pytest.raises(fetch.FetchError, match="404"):
        fetch.download("thing")


def test_no_network_is_told(card, monkeypatch):
    unreachable = {**vars(card), "url": "http://127.0.0.1:9/thing.bin"}
    monkeypatch.setitem(fetch.registry(), "thing", type(card)(**unreachable))
    with pytest.raises(fetch.FetchError, match="no network connection"):
        fetch.download("thing")


def test_a_data_folder_that_cannot_be_written_is_told(card, monkeypatch, tmp_path):
    with_sum(card, monkeypatch, b"whole")
    (tmp_path / "data").rmdir()
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(fetch.FetchError, match="could not be downloaded to"):
        fetch.download("thing")


def test_downloads_can_be_forbidden(card, monkeypatch):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(fetch.FetchError, match="COURSE_OFFLINE"):
        fetch.download("thing")


def test_folders_are_searched_in_order(card, monkeypatch, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    monkeypatch.setenv("COURSE_DATA", fetch.os.pathsep.join(map(str, folders)))
    for folder in reversed(folders):
        (folder / "thing").mkdir(parents=True)
        (folder / "thing" / "x.bin").touch()
        assert fetch.find("thing") == folder / "thing"


@pytest.mark.parametrize("hidden", [".fetch/x.bin", "more/.x.bin", ".x.bin"])
def test_what_is_hidden_is_no_file_of_a_data_set(card, monkeypatch, tmp_path, hidden):
    monkeypatch.setitem(fetch.registry(), "thing", replace(card, patterns=["**/*.bin"]))
    path = tmp_path / "data" / "thing" / hidden
    path.parent.mkdir(parents=True)
    path.touch()
    assert fetch.find("thing") is None
    (tmp_path / "data" / "thing" / "y.bin").touch()
    assert fetch.find("thing") == tmp_path / "data" / "thing"


def test_a_slip_in_course_data_makes_no_folder(card, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "dtaa"))
    makers = (lambda: fetch.download("thing"), lambda: ensure("grss"), digits.make_stand_in)
    for make in makers:
        with pytest.raises(
            fetch.UnknownFolderError, match=r"dtaa, which is not there. Did you mean 'data'\? .*mkdir -p"
        ):
            make()
    for words in ("fetch thing", "make grss", "list"):
        assert cli.main(["data", *words.split()]) == (0 if words == "list" else 2)
    assert not (tmp_path / "dtaa").exists()


def test_the_default_data_folder_is_the_archive_of_the_course(monkeypatch):
    monkeypatch.delenv("COURSE_DATA")
    assert fetch.data_folders() == [fetch.COURSE_ROOT / "datasets"]


def test_sources_tell_what_is_here_and_what_is_not(card, monkeypatch, tmp_path):
    row = next(row for row in fetch.sources() if row["data set"] == "Thing")
    assert (row["found"], row["better data"]) == ("not here", "./course data fetch thing")
    (tmp_path / "data" / "thing").mkdir(parents=True)
    (tmp_path / "data" / "thing" / "x.bin").touch()
    row = next(row for row in fetch.sources() if row["data set"] == "Thing")
    assert (row["found"], row["better data"]) == (f"1 real file in {tmp_path / 'data' / 'thing'}", "")
