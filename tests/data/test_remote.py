"""Files are read in parts from mirrors that refuse, are busy, break off, hang, know no ranges and change."""

import numpy as np
import pytest

from helpers.data import remote
from helpers.data.fetch import FetchError
from helpers.data.remote import ChangedError, Mirrors, MissingError, RemoteFile

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(remote, "BACKOFF", 0.01)
    monkeypatch.setattr(remote, "TIMEOUT", (2.0, 0.3))


@pytest.fixture
def two(tmp_path, sites):
    """Give two mirrors of one file, and what tells a story: the sentences, the file as it is read."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/a.tif").write_bytes(CONTENT)
    return [sites(tmp_path / "site") for _ in range(2)]


def remote_file(two, tmp_path, said=None, path="a.tif"):
    tell = (lambda sentence: None) if said is None else said.append
    mirrors = Mirrors([site.address for site in two], tell=tell, received=lambda count: None)
    return RemoteFile(mirrors, path, tmp_path / "kept" / "a.part")


@pytest.mark.parametrize(("start", "count"), [(0, 10), (100_000, 50_000), (299_990, 100), (0, 300_000)])
def test_a_part_is_what_lies_there_and_is_asked_for_once(two, tmp_path, start, count):
    file = remote_file(two, tmp_path)
    assert file.read(start, count) == CONTENT[start : start + count]
    asked = len(two[0].asked)
    assert file.read(start, count) == CONTENT[start : start + count] and len(two[0].asked) == asked
    again = remote_file(two, tmp_path)  # another process
    assert again.read(start, count) == CONTENT[start : start + count] and len(two[0].asked) == asked
    assert again.length() == len(CONTENT) and two[1].asked == []


def test_small_reads_bring_a_little_of_what_follows(two, tmp_path):
    file = remote_file(two, tmp_path)
    assert b"".join(file.read(start, 1000) for start in range(0, 300_000, 1000)) == CONTENT
    assert len(two[0].asked) == 5 and two[0].sent == len(CONTENT)


def test_ranges_are_read_and_nothing_beyond_them(two, tmp_path):
    file = remote_file(two, tmp_path)
    assert file.length() and two[0].sent == remote.HEAD
    wanted = [(200_000, 200_100), (60_000, 100_000), (100_000, 110_000), (280_000, 300_004), (400_000, 400_010)]
    missing = file.missing(wanted)
    assert missing == [(remote.HEAD, 110_000), (200_000, 200_100), (280_000, 300_000)]
    file.bring(wanted)
    assert two[0].sent == remote.HEAD + sum(stop - start for start, stop in missing)
    assert file.missing(wanted) == [] and file.read(200_000, 100) == CONTENT[200_000:200_100]


@pytest.mark.parametrize(("gap", "requests"), [(1 << 14, 1), ((1 << 14) + 1, 2)])
def test_what_lies_close_together_is_one_request(two, tmp_path, gap, requests):
    file = remote_file(two, tmp_path)
    start = file.length() - 100_000
    file.bring([(start, start + 10), (start + 10 + gap, start + 20 + gap)])
    assert len(two[0].asked) == 1 + requests


@pytest.mark.parametrize(
    "faults",
    [[("status", 500)], [("status", 429), ("status", 503)], [("busy", 0)], [("short", 20_000)] * 6, [("hang", 0.5)]],
    ids=str,
)
def test_what_passes_is_waited_for(two, tmp_path, faults):
    two[0].faults = list(faults)
    file = remote_file(two, tmp_path)
    assert file.read(0, len(CONTENT)) == CONTENT and two[1].asked == []


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([("status", 403)], "403 Forbidden"),
        ([("status", 404)], "404 Not Found"),
        ([("status", 500)] * 4, "500 Internal"),
        ([("status", 429)] * 4, "429 Too Many"),
        ([("busy", 3600)], "503 Service"),
        ([("short", 0)] * 4, "broke off"),
        ([("hang", 0.5)] * 4, "no answer within 0.3 s"),
    ],
    ids=str,
)
def test_the_next_mirror_is_asked_and_the_reason_told(two, tmp_path, faults, reason):
    two[0].faults, said = list(faults), []
    file = remote_file(two, tmp_path, said)
    assert file.read(0, 1000) == CONTENT[:1000] and file.url == f"{two[1].address}a.tif"
    assert f"Reading from {two[1].address}" in said
    if "40" not in reason:  # such a mirror may have other files
        assert any(reason in each and f"{two[0].address}a.tif" in each for each in said)


@pytest.mark.parametrize("note", ["[]", "{", '{"address": 1}', "null"])
def test_parts_with_a_note_that_says_nothing_are_read_again(two, tmp_path, note):
    remote_file(two, tmp_path).read(0, 1000)
    (tmp_path / "kept/a.part.json").write_text(note)
    assert remote_file(two, tmp_path).read(0, 1000) == CONTENT[:1000] and len(two[0].asked) == 2


@pytest.mark.parametrize("status", [403, 404])
def test_a_file_that_nobody_has_is_missing(two, tmp_path, status):
    for site in two:
        site.faults = [("status", status)]
    with pytest.raises(MissingError, match=rf"no mirror has a\.tif: {two[0].address}a.tif: {status}.*{two[1].address}"):
        remote_file(two, tmp_path).read(0, 10)


@pytest.mark.parametrize("status", [400, 501])
def test_where_nothing_came_nothing_is_said_to_be_kept(two, tmp_path, status):
    for site in two:
        site.faults = [("status", status)]
    with pytest.raises(FetchError, match=rf"no mirror gives a\.tif: .*: {status} [\w ]+\.$"):
        remote_file(two, tmp_path).read(0, 1000)


def test_when_no_mirror_answers_what_came_is_kept(two, tmp_path):
    assert remote_file(two, tmp_path).read(0, 1000) == CONTENT[:1000]
    for site in two:
        site.faults = [("status", 500)] * 4
    with pytest.raises(FetchError, match=r"no mirror gives a\.tif.*the same command goes on"):
        remote_file(two, tmp_path).read(200_000, 10)
    asked = len(two[0].asked)
    file = remote_file(two, tmp_path)
    assert file.read(0, 1000) == CONTENT[:1000] and len(two[0].asked) == asked
    assert file.read(0, 300_000) == CONTENT


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT[:200_000]], ids=["other", "shorter"])
def test_a_file_that_changes_is_read_anew(two, tmp_path, content):
    file = remote_file(two, tmp_path)
    file.read(0, 1000)
    (tmp_path / "site/a.tif").write_bytes(content)
    two[0].version = "2"
    with pytest.raises(ChangedError, match=f'{two[0].address}a.tif changed while it was read: "1" of 300,000.*"2"'):
        file.read(150_000, 1000)
    assert file.read(0, 300_000) == content


def test_parts_of_a_mirror_that_is_no_longer_asked_count_for_nothing(two, tmp_path):
    assert remote_file(two[:1], tmp_path).read(0, 1000) == CONTENT[:1000]
    (tmp_path / "site/a.tif").write_bytes(CONTENT[::-1])
    assert remote_file(two[1:], tmp_path).read(0, 1000) == CONTENT[::-1][:1000]


@pytest.mark.parametrize(
    "faults", [[("status", 500)] * 4, *([("no range", says)] for says in (300_000, "*", "?"))], ids=str
)
def test_parts_of_two_mirrors_are_never_mixed(two, tmp_path, faults):
    file = remote_file(two, tmp_path)
    file.read(0, 1000)
    two[0].faults = list(faults)
    with pytest.raises(ChangedError, match=f"{two[1].address}a.tif is read from its beginning"):
        file.read(200_000, 1000)
    assert file.read(0, 300_000) == CONTENT and file.address == two[1].address


def test_a_mirror_without_ranges_sends_the_beginning_or_all_at_once(two, tmp_path):
    two[0].ranges, said = False, []
    file = remote_file(two, tmp_path, said)
    assert file.read(0, 1000) == CONTENT[:1000] and said == [f"Reading from {two[0].address}"]
    assert file.read(200_000, 1000) == CONTENT[200_000:201_000]
    assert said[1] == f"{two[0].address}a.tif is sent only as a whole: 300.0 kB are read"
    assert file.read(0, 300_000) == CONTENT and len(two[0].asked) == 2


def test_an_open_file_is_read_as_one_and_keeps_its_failure(two, tmp_path):
    file = remote_file(two, tmp_path)
    with file.open() as reader:
        assert reader.seek(-10, 2) == 299_990 and reader.read() == CONTENT[-10:] and reader.read(5) == b""
        assert reader.seek(5) == 5 and reader.seek(5, 1) == 10 and reader.read(3) == CONTENT[10:13]
        for site in two:
            site.gone = {"a.tif"}
        assert file.failure is None and reader.seek(150_000) and reader.read(10) == b""
        assert isinstance(file.failure, MissingError) and reader.seek(10) and reader.read(10) == b""


@pytest.mark.parametrize("path", ["b.tif", "c.tif"])
def test_an_empty_file_is_empty(two, tmp_path, path):
    (tmp_path / "site" / path).touch()
    file = remote_file(two, tmp_path, path=path)
    assert (file.length(), file.read(0, 10)) == (0, b"")
