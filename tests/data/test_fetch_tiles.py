"""`./course data fetch chesapeake`: patches of tiles in the public layout, from mirrors on this machine."""

import dataclasses
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.data import DataError, fetch, remote, stand_in
from helpers.data.chesapeake import fetching, split_files
from helpers.data.chesapeake.tiles import LAYERS, Tile
from helpers.data.synthetic.land_tiles import write_tiles
from helpers.files import locked

DATA_FOLDERS = [Path(__file__).parents[2] / "datasets", Path(__file__).parents[3] / "shared" / "datasets"]
SIZE = 528  # two lines of two windows, and a rest
TILES = [("pa", "train"), ("pa", "val"), ("wv", "test")]


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """Give a folder as a mirror has it: three tiles, of which one is in squares, and their index."""
    folder = tmp_path_factory.mktemp("public")
    features = []
    for (state, split), layout in zip(TILES, ["striped", "cog", "striped"], strict=True):
        files = write_tiles(folder / layout, state=state, split=split, size=SIZE, layout=layout)
        paths = {layer: str(file.relative_to(folder / layout)) for layer, file in zip(LAYERS, files, strict=True)}
        for file, path in zip(files, paths.values(), strict=True):
            (folder / path).parent.mkdir(exist_ok=True)
            file.rename(folder / path)
        features.append({"type": "Feature", "geometry": None, "properties": {"split": f"{state}-{split}", **paths}})
    write_index(folder, features)
    return folder


def write_index(folder, features):
    (folder / fetching.INDEX).write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Give the folder that patches come into; servers are asked again at once."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.setattr(remote, "BACKOFF", 0.01)
    monkeypatch.setattr(remote, "TIMEOUT", (2.0, 0.3))
    return tmp_path / "data" / "chesapeake_patches"


@pytest.fixture
def mirror(public, sites, monkeypatch):
    """Give a mirror, the only one."""
    site = sites(public)
    monkeypatch.setenv("COURSE_MIRRORS", site.address)
    return site


@pytest.fixture
def fetched(run):
    """Fetch: returns the exit status, what was printed, and what was said beside it."""
    return lambda *options: run("fetch", "chesapeake", *options)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("[!.]*.npz")}


def notes(folder):
    return {path.name: json.loads(path.read_text()) for path in folder.rglob("*_patches/*.json")}


def parts(folder):
    return [path.name for path in folder.rglob("*") if ".part" in path.name or path.name.startswith(".host")]


def check(folder, public):
    """Check every patch against the window of the tile that its note tells of; return how many there are."""
    count = 0
    for note in folder.rglob("*_patches/*.json"):
        facts = json.loads(note.read_text())
        place = public / note.parent.name.replace("_patches", "_tiles")
        with Tile({layer: place / f"{facts['tile']}_{layer}.tif" for layer in LAYERS}) as tile:
            for line in facts["lines"].values():
                for name, (row, column) in line["windows"].items():
                    patch = np.load(note.parent / name)["arr_0"]
                    assert patch.dtype == np.float32 and np.array_equal(patch[0], tile.read(row, column, 256))
                    count += 1
    assert count == len(content(folder)) and parts(folder) == []
    return count


@pytest.mark.slow
def test_patches_are_the_windows_of_the_reader_and_say_where_they_come_from(fetched, data, mirror, public):
    status, said, beside = fetched("--windows", 5)
    assert status == 0 and f"Reading from {mirror.address}" in beside
    assert "of 3 tiles, for 5 patches, about 3.5 MB" in said and str(data) in said
    assert check(data, public) == 5
    splits = split_files(data)
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [2, 2, 1]
    [facts] = [facts for name, facts in notes(data).items() if name.startswith("wv_1m_2014-")]
    assert (facts["split"], facts["licence"]) == ("wv-test", "CDLA-Permissive-1.0") and "CVPR 2019" in facts["cite"]
    [line] = facts["lines"].values()
    layer = line["layers"]["naip-new"]
    assert layer["url"].startswith(mirror.address) and layer["version"] == '"1"' and layer["bytes"] > 0
    before, asked = content(data), len(mirror.asked)
    assert fetched("--windows", 5)[1].startswith("Nothing need be read")
    assert content(data) == before and {path for path, _ in mirror.asked[asked:]} == {fetching.INDEX}


@pytest.mark.long
def test_more_is_added_to_what_is_there(fetched, data, mirror, public):
    assert fetched("--windows", 3)[0] == 0
    before, sent = content(data), mirror.sent
    assert fetched("--windows", 4)[0] == 0
    assert check(data, public) == 4 and before.items() < content(data).items() and mirror.sent < 2 * sent


@pytest.mark.long
@pytest.mark.parametrize(("state", "split", "tiles"), [("wv", "test", 1), ("pa", "val", 9)])
def test_whole_tiles_of_a_state_and_a_split(fetched, data, mirror, public, state, split, tiles):
    status, _, beside = fetched("--state", state, "--split", split, "--tiles", tiles)
    assert status == 0 and check(data, public) == 4
    assert {facts["split"] for facts in notes(data).values()} == {f"{state}-{split}"}
    assert ("The index has no more tiles of this kind" in beside) == (tiles == 9)


def bytes_of(text):
    """Return the number of bytes that a text such as "1.5 MB" says."""
    number, unit = text.split()
    return float(number) * {"kB": 1e3, "MB": 1e6}[unit]


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [("--split", "train", "--windows", 2), ("--split", "val", "--windows", 2),
     ("--split", "test", "--tiles", 1), ("--split", "val", "--tiles", 1)],
    ids=["strips, a line", "squares, a line", "strips, a tile", "squares, a tile"],
)  # fmt: skip
def test_the_bytes_that_are_told_are_those_that_are_read(fetched, data, mirror, options):
    said = fetched(*options)[1]
    told, before = map(bytes_of, re.findall(r"([\d.]+ [kM]B) (?:are to be read|to find them)", said))
    assert 0.9 < mirror.sent / (told + before) < 1.1 and 0.9 < (mirror.sent - before) / told < 1.1


@pytest.mark.long
def test_a_note_of_an_earlier_version_is_gone_on_with(fetched, data, mirror, public):
    assert fetched("--windows", 2, "--split", "train")[0] == 0
    [note] = data.rglob("*_patches/*.json")
    facts = json.loads(note.read_text())
    lines, columns, line_bytes, _ = facts["outline"]
    note.write_text(json.dumps(facts | {"outline": [lines, columns, line_bytes[0]]}))
    assert fetched("--windows", 4, "--split", "train")[0] == 0 and check(data, public) == 4


@pytest.mark.long
def test_no_more_bytes_are_read_than_granted(fetched, data, mirror, public):
    assert fetched("--bytes", "9MB")[0] == 0
    assert check(data, public) == 4 and mirror.sent < 9_000_000
    status, _, beside = fetched("--bytes", "100kB", "--seed", 3)
    assert status == 1 and "100.0 kB do not do for one line of a tile, which takes about " in beside
    assert "MB. Grant more" in beside


@pytest.mark.slow
def test_a_dry_run_tells_what_would_be_read_and_writes_nothing(fetched, data, mirror):
    status, said, _ = fetched("--dry-run", "--windows", 2)
    assert status == 0 and not data.exists()
    assert f"of {mirror.address}" in said and "m_4" in said and "_{naip-new,naip-old,lc,nlcd," in said


@pytest.mark.long
def test_a_patch_of_the_real_tile_is_the_window_of_the_reader(fetched, data, sites, monkeypatch, tmp_path):
    found = next((folder for folder in DATA_FOLDERS if (folder / "chesapeake_tiles").is_dir()), None)
    if found is None:
        pytest.skip("no copy of the real tile here")
    place = tmp_path / "public" / "wv_1m_2014_extended-debuffered-test_tiles"
    place.mkdir(parents=True)
    paths = {}
    for layer in LAYERS:
        [path] = (found / "chesapeake_tiles").glob(f"*/m_3907833_nw_17_1_{layer}.tif")
        (place / path.name).symlink_to(path.resolve())
        paths[layer] = f"{place.name}/{path.name}"
    write_index(place.parent, [{"properties": {"split": "wv-test", **paths}}])
    monkeypatch.setenv("COURSE_MIRRORS", sites(place.parent).address)
    assert fetched("--tiles", 1)[0] == 0 and check(data, place.parent) == 1


# Two windows are a line of one tile. Asked for are the index, the heads of seven files, then the line: the index is
# request 0, a head 1 to 7, and the line 8 to 13 or so.
FAULTS = [
    (3, [("status", 500), ("status", 503)]),
    (10, [("status", 429), ("busy", 0)]),
    (10, [("short", 20_000)] * 3),
    (4, [("short", 0), ("hang", 0.4)]),
]


@pytest.mark.long
@pytest.mark.parametrize(("after", "faults"), FAULTS, ids=str)
def test_what_passes_harms_no_patch(fetched, data, mirror, public, faults, after):
    mirror.faults = [(None, None)] * after + faults
    assert fetched("--windows", 2)[0] == 0
    assert check(data, public) == 2 and mirror.faults == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("after", "fault"),
    [(5, ("status", 404)), (10, ("status", 403)), (10, ("status", 500)), (10, ("hang", 0.4))],
    ids=str,
)
def test_the_next_mirror_takes_over_in_the_middle(fetched, data, mirror, public, sites, monkeypatch, after, fault):
    other = sites(public)
    monkeypatch.setenv("COURSE_MIRRORS", f"{mirror.address} {other.address}")
    mirror.faults = [(None, None)] * after + [fault] * 1000
    status, _, beside = fetched("--windows", 2)
    assert status == 0 and check(data, public) == 2
    assert "is read from its beginning. Reading the tile anew" in beside and f"Reading from {other.address}" in beside
    assert "Traceback" not in beside and "Left out" not in beside


@pytest.mark.long
def test_a_mirror_without_ranges_costs_more_and_says_how_much(fetched, data, mirror, public):
    mirror.ranges = False
    status, _, beside = fetched("--windows", 2)
    assert status == 0 and check(data, public) == 2
    assert beside.count("is sent only as a whole: ") >= 4


@pytest.mark.long
@pytest.mark.parametrize("requests", [5, 11])
def test_a_file_that_changes_midway_is_told_and_read_anew(fetched, data, mirror, public, requests):
    class Changing(list):
        def append(self, asked):
            super().append(asked)
            mirror.version = "1" if len(self) < requests else "2"

    mirror.asked = Changing()
    status, _, beside = fetched("--windows", 2)
    assert status == 0 and check(data, public) == 2
    assert 'changed while it was read: "1" of ' in beside
    lines = [line for facts in notes(data).values() for line in facts["lines"].values()]
    assert '"2"' in {layer["version"] for line in lines for layer in line["layers"].values()}


@pytest.mark.long
@pytest.mark.parametrize("layer", ["lc", "buildings"])
def test_a_file_that_no_mirror_has_is_named_and_another_tile_taken(fetched, data, mirror, public, layer):
    mirror.gone = {path for path in all_paths(public) if "-train_" in path and path.endswith(f"_{layer}.tif")}
    status, _, beside = fetched("--windows", 3)
    assert status == 0 and check(data, public) == 3
    assert "Left out, and another tile taken: no mirror has" in beside and f"_{layer}.tif: 404" in beside
    assert {facts["split"] for facts in notes(data).values()} == {"pa-val", "wv-test"}


def all_paths(public):
    return [str(path.relative_to(public)) for path in public.rglob("*.tif")]


@pytest.mark.long
@pytest.mark.parametrize(("layer", "told"), [("nlcd", "cannot be opened as a GeoTIFF"), ("lc", "cut short or damaged")])
def test_a_tile_that_is_damaged_at_its_source_is_named_and_another_taken(
    fetched, data, public, sites, monkeypatch, tmp_path, layer, told
):
    shutil.copytree(public, tmp_path / "public", copy_function=os.symlink)
    [path] = (tmp_path / "public").glob(f"*-train_tiles/*_{layer}.tif")
    raw = bytearray(path.read_bytes())
    path.unlink()
    path.write_bytes(b"<html>Sign in</html>" if layer == "nlcd" else raw[: len(raw) // 2])
    monkeypatch.setenv("COURSE_MIRRORS", sites(tmp_path / "public").address)
    status, _, beside = fetched("--windows", 3)
    assert status == 0 and check(data, public) == 3
    assert "Left out, and another tile taken: " in beside and path.name in beside and told in beside


@pytest.mark.long
@pytest.mark.parametrize("options", [("--state", "de"), ("--state", "pa", "--split", "test")])
def test_where_no_tile_fits_the_options_are_named(fetched, data, mirror, options):
    status, _, beside = fetched(*options)
    assert status == 1 and "lists 3 tiles with all layers, and none of --state" in beside and options[1] in beside


@pytest.mark.long
@pytest.mark.parametrize("missing", ["everything", "the layers"])
def test_where_nothing_can_be_read_the_reason_is_told(fetched, data, mirror, public, missing):
    mirror.gone = {*all_paths(public), *([fetching.INDEX] if missing == "everything" else [])}
    status, _, beside = fetched()
    assert status == 1 and f"{mirror.address}" in beside and "404 Not Found" in beside
    assert content(data) == {} and parts(data) == []


# ---- a mirror that gives something else ----


@pytest.fixture
def two(public, sites, monkeypatch, tmp_path):
    """Give two mirrors, of which the first has files of its own, which may be spoiled."""
    shutil.copytree(public, tmp_path / "first")
    found = [sites(tmp_path / "first"), sites(public)]
    monkeypatch.setenv("COURSE_MIRRORS", " ".join(site.address for site in found))
    return found


@pytest.mark.long
@pytest.mark.parametrize("text", [b"<html>Sign in</html>", b"[]"])
def test_what_is_no_index_is_not_kept_and_the_next_mirror_asked(fetched, data, two, public, monkeypatch, text):
    (two[0].folder / fetching.INDEX).write_bytes(text)
    status, _, beside = fetched("--windows", 1)
    assert status == 0 and check(data, public) == 1
    assert f"{two[0].address}{fetching.INDEX}: {fetching.INDEX} is no list of tiles" in beside
    shutil.rmtree(data)
    monkeypatch.setenv("COURSE_MIRRORS", two[0].address)
    status, _, beside = fetched("--windows", 1)
    assert status == 1 and "is no list of tiles" in beside and "COURSE_MIRRORS" in beside and parts(data) == []
    shutil.copy(public / fetching.INDEX, two[0].folder)
    assert fetched("--windows", 1)[0] == 0 and check(data, public) == 1


@pytest.mark.long
@pytest.mark.parametrize(("layer", "where"), [("nlcd", "head"), ("lc", "strips")])
def test_a_layer_that_is_something_else_is_read_from_the_next_mirror(fetched, data, two, public, layer, where):
    [path] = two[0].folder.glob(f"*-train_tiles/*_{layer}.tif")
    raw = path.read_bytes()
    path.write_bytes(b"<html>Sign in</html>" if where == "head" else raw[: len(raw) // 4])
    status, _, beside = fetched("--windows", 1, "--split", "train")
    assert status == 0 and check(data, public) == 1
    assert f"{two[0].address}{path.relative_to(two[0].folder)}: cannot be " in beside
    assert "vsiriopener" not in beside and "Copy it again" not in beside and "Left out" not in beside


@pytest.mark.long
@pytest.mark.parametrize("size", [256, 784])
def test_a_tile_that_has_another_size_since_is_left_out(fetched, data, public, sites, monkeypatch, tmp_path, size):
    monkeypatch.setenv("COURSE_MIRRORS", sites(public).address)
    assert fetched("--windows", 1, "--split", "val")[0] == 0
    before = content(data)
    shutil.copytree(public, tmp_path / "later")
    place = tmp_path / "later"
    for file in write_tiles(tmp_path / "other", split="val", size=size):
        [old] = place.glob(f"*-val_tiles/*_{file.stem.rpartition('_')[2]}.tif")
        shutil.copy(file, old)
    monkeypatch.setenv("COURSE_MIRRORS", sites(place).address)
    status, _, beside = fetched("--windows", 4, "--split", "val")
    assert status == 1 and "it is another version. To cut it anew, remove " in beside
    assert content(data) == before


@pytest.mark.long
@pytest.mark.parametrize("text", ["{", '{"tile": "m_1"}'])
def test_a_damaged_note_is_named(fetched, data, mirror, public, text):
    assert fetched("--windows", 1, "--split", "val")[0] == 0
    [note] = data.rglob("*_patches/*.json")
    note.write_text(text)
    status, _, beside = fetched("--windows", 2, "--split", "val")
    assert status == 1 and f"{note} is damaged" in beside and "Remove it: its patches are cut again" in beside
    note.unlink()
    assert fetched("--windows", 2, "--split", "val")[0] == 0 and check(data, public) == 2


# ---- interrupted, crowded, full ----

ALONE = """
import sys
sys.path[:0] = {path}
from helpers import cli
sys.exit(cli.main(["data", "fetch", "chesapeake", "--windows", "3"]))
"""


@pytest.mark.long
def test_a_fetch_that_is_killed_goes_on(fetched, data, mirror, public):
    mirror.faults = [(None, None)] * 18 + [("hang", 60)] * 9
    code = ALONE.format(path=[str(Path(fetching.__file__).parents[3])])
    killed = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while len(mirror.faults) == 27 or mirror.faults[0] == (None, None):
            assert killed.poll() is None
            time.sleep(0.05)
        status, _, beside = fetched("--windows", 3)
        assert status == 1 and f"Process {killed.pid} on" in beside and "fetches into" in beside
    finally:
        killed.kill()
        killed.wait()
    mirror.faults, before = [], set(mirror.asked)
    again = len(mirror.asked)
    assert len(parts(data)) > 0
    assert fetched("--windows", 3)[0] == 0
    assert check(data, public) == 3
    assert len({asked for asked in mirror.asked[again:]} & before) <= 1  # the one that hung


@pytest.mark.parametrize("options", [["--windows", 2], ["--tiles", 1], ["--sample"]], ids=str)
def test_two_do_not_fetch_into_one_folder(fetched, data, sample, options):
    (data / ".fetch").mkdir(parents=True)
    with locked(data / ".fetch" / "lock"):
        status, _, beside = fetched(*options)
    assert status == 1 and f"Process {os.getpid()} on" in beside and f"fetches into {data}. Wait for it" in beside
    assert sample.asked == [] and content(data) == {}


@pytest.mark.long
@pytest.mark.parametrize("after", [5, 10])
def test_ctrl_c_stops_and_the_next_call_goes_on(fetched, data, mirror, public, monkeypatch, after):
    calls, real = itertools.count(), remote.RemoteFile._part

    def interrupted(file, *where):
        if next(calls) == after:
            raise KeyboardInterrupt
        real(file, *where)

    monkeypatch.setattr(remote.RemoteFile, "_part", interrupted)
    status, _, beside = fetched("--windows", 2)
    assert status == 130 and "Left out" not in beside
    before = set(mirror.asked)
    assert fetched("--windows", 2)[0] == 0 and check(data, public) == 2
    assert not before & set(mirror.asked[after:])


@pytest.mark.long
@pytest.mark.parametrize("hangs", [False, True])
def test_a_signal_that_comes_while_gdal_decodes_or_a_server_hangs_stops(
    fetched, data, mirror, public, monkeypatch, hangs
):
    real, calls, when = remote.RemoteReader.read, itertools.count(), 12 if hangs else 60

    def signalled(reader, count=-1):
        if next(calls) == when:
            if hangs:
                monkeypatch.setattr(remote, "TIMEOUT", (2.0, 60))
                monkeypatch.setattr(fetching, "_PATIENCE", 0.2)
                mirror.faults = [("hang", 60)] * 100
            signal.raise_signal(signal.SIGINT)
        return real(reader, count)

    with monkeypatch.context() as patch:
        patch.setattr(remote.RemoteReader, "read", signalled)
        begun = time.monotonic()
        status, _, beside = fetched("--windows", 2)
    assert status == 130 and "Left out" not in beside and next(calls) > when
    assert time.monotonic() - begun < 20


@pytest.mark.long
def test_patches_that_were_removed_are_cut_again(fetched, data, mirror, public):
    assert fetched("--windows", 2)[0] == 0
    next(data.rglob("*-0002.npz")).unlink()
    assert fetched("--windows", 2)[0] == 0 and check(data, public) == 2


@pytest.mark.long
@pytest.mark.parametrize("where", ["parts", "patches"])
def test_a_disk_that_fills_is_told_and_leaves_nothing_half(fetched, data, mirror, public, monkeypatch, where):
    room = iter(range(18 if where == "parts" else 0))

    def full(facts=None, *_):
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return json.dumps(facts)

    with monkeypatch.context() as patch:
        if where == "parts":
            patch.setattr(remote, "json", SimpleNamespace(dumps=full, loads=json.loads))
        else:
            patch.setattr(np, "savez_compressed", full)
        status, _, beside = fetched("--windows", 2)
    assert status == 1 and "No space left on device" in beside and str(data) in beside
    assert content(data) == {} and notes(data) == {}
    assert fetched("--windows", 2)[0] == 0 and check(data, public) == 2


@pytest.mark.slow
def test_room_is_asked_for_before_anything_is_read(fetched, data, mirror, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    status, _, beside = fetched("--windows", 12)
    assert status == 1 and "has 5.0 MB free, and about " in beside and content(data) == {}


@pytest.mark.long
@pytest.mark.parametrize("made", ["in place", "elsewhere"])
def test_real_patches_do_not_get_among_made_up_ones(fetched, data, mirror, made):
    folder = data if made == "in place" else data.parent / "stand_in" / "chesapeake_patches"
    folder.mkdir(parents=True)
    stand_in.mark(folder, {})
    status, _, beside = fetched("--dry-run", "--windows", 1)
    assert (status, "holds a stand-in" in beside) == ((1, True) if made == "in place" else (0, False))


# ---- the sample ----


@pytest.fixture
def sample(tmp_path, monkeypatch, sites):
    """Give a mirror of two patches, which the card of the data set tells the SHA-256 of."""
    (tmp_path / "sample").mkdir()
    files = {f"wv_1m_2014-m_3708020_sw_17_1-{number}.npz": bytes([number]) * 100_000 for number in range(2)}
    for name, raw in files.items():
        (tmp_path / "sample" / name).write_bytes(raw)
    sums = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    card = dataclasses.replace(fetch.registry()["chesapeake"], sample=sums)
    monkeypatch.setitem(fetch.registry(), "chesapeake", card)
    site = sites(tmp_path / "sample")
    monkeypatch.setenv("COURSE_MIRRORS", site.address)
    return site


def test_the_sample_is_fetched_once(fetched, data, sample):
    status, said, _ = fetched("--sample")
    assert status == 0 and "2 patches of the sample are to be read" in said
    assert content(data) == {path.name: path.read_bytes() for path in sample.folder.iterdir()} and parts(data) == []
    asked = len(sample.asked)
    assert fetched("--sample")[0] == 0 and len(sample.asked) == asked


def test_a_sample_that_is_something_else_is_read_from_the_next_mirror(
    fetched, data, sample, sites, monkeypatch, tmp_path
):
    shutil.copytree(sample.folder, tmp_path / "other")
    wrong = sites(tmp_path / "other")
    for path in wrong.folder.iterdir():
        path.write_bytes(b"something else")
    monkeypatch.setenv("COURSE_MIRRORS", f"{wrong.address} {sample.address}")
    status, _, beside = fetched("--sample")
    assert status == 0 and f"{wrong.address}wv_1m_2014-m_3708020_sw_17_1-0.npz: it is not the file" in beside
    assert content(data) == {path.name: path.read_bytes() for path in sample.folder.iterdir()} and parts(data) == []


@pytest.mark.parametrize("dry", [False, True])
def test_a_sample_that_is_something_else_is_not_kept(fetched, data, sample, dry):
    for path in sample.folder.iterdir():
        path.write_bytes(b"something else")
    status, _, beside = fetched("--sample", *["--dry-run"] * dry)
    assert (status, "it is not the file that it was: its SHA-256 is" in beside) == ((0, False) if dry else (1, True))
    assert content(data) == {} and parts(data) == []


def test_the_sample_of_the_card_is_what_lies_in_shared():
    found = next((folder for folder in DATA_FOLDERS if (folder / "chesapeake_patches/train").is_dir()), None)
    if found is None:
        pytest.skip("no copies of the eight real patches here")
    for name, wanted in fetch.registry()["chesapeake"].sample.items():
        assert hashlib.sha256((found / "chesapeake_patches/train" / name).read_bytes()).hexdigest() == wanted
    assert len(fetch.registry()["chesapeake"].sample) == 8


# ---- the index, and words ----


@pytest.mark.parametrize(
    ("files", "told"), [({}, "^a tile lacks naip-new, "), ({"lc": "m_1_lc.tif"}, "^m_1_lc.tif is a")]
)
def test_a_tile_that_lacks_layers_is_named_as_far_as_it_has_a_name(files, told):
    with pytest.raises(DataError, match=told):
        Tile(files)


@pytest.mark.parametrize("text", [b"<html>Sign in</html>", b'{"features": 3}', b"[]"])
def test_what_is_no_index_is_called_so(text):
    with pytest.raises(fetch.FetchError, match=r"spatial_index\.geojson is no list of tiles"):
        fetching.read_index(text)


@pytest.mark.parametrize(
    "change",
    [{"lc": None}, {"lc": "../../etc/passwd"}, {"nlcd": "pa_1m_2013_extended-debuffered-val_tiles/m_1_lc.tif"},
     {"split": "pa-train"}],
    ids=str,
)  # fmt: skip
def test_a_tile_that_is_listed_wrongly_is_passed_over(change):
    index = {"features": []}
    for split in fetching.SPLITS:
        paths = {layer: f"pa_1m_2013_extended-debuffered-{split}_tiles/m_1_{layer}.tif" for layer in LAYERS}
        index["features"].append({"properties": {"split": f"pa-{split}", **paths}})
    assert [tile.split for tile in fetching.read_index(json.dumps(index).encode())] == ["train", "val", "test"]
    index["features"][1]["properties"] |= change
    assert [tile.split for tile in fetching.read_index(json.dumps(index).encode())] == ["train", "test"]


def test_only_the_seed_decides_and_all_splits_come_soon():
    tiles = [
        fetching.IndexedTile("pa", split, f"m_{number}", "pa_1m_2013", f"pa-{split}_patches", {})
        for split, count in (("train", 100), ("val", 5), ("test", 20)) for number in range(count)
    ]  # fmt: skip
    first, again = fetching.in_order(tiles, 0), fetching.in_order(tiles[::-1], 0)
    assert first == again and sorted(map(str, first)) == sorted(map(str, tiles))
    assert [tile.split for tile in first[:5]] == ["train", "val", "train", "test", "train"]
    assert fetching.in_order(tiles, 1) != first


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--state", "pa,tx"], "'tx' is none of de, md, ny, pa, va, wv"),
        (["--split", "valid"], "'valid' is none of train, val, test. Did you mean 'val'?"),
        (["--bytes", "many"], "must be a size such as 300MB or 2GB; received many"),
        (["--bytes", "0"], "must be a size such as 300MB or 2GB; received 0"),
        (["--tiles", "0"], "must be a whole number, 1 or more; received 0"),
        (["--tiles", "1", "--windows", "5"], "not allowed with"),
        (["--sample", "--bytes", "1MB"], "not allowed with"),
    ],
    ids=str,
)
def test_bad_words_are_named(fetched, data, words, told):
    status, _, beside = fetched(*words)
    assert status == 2 and told in beside


@pytest.mark.parametrize(("name", "option"), [("mnist", ["--tiles", "2"]), ("grss", ["--sample"])])
def test_options_of_another_data_set_are_refused(run, data, name, option):
    status, _, beside = run("fetch", name, *option)
    assert status == 1 and f"the fetch of {name} has no {option[0]}" in beside


@pytest.mark.parametrize("options", [["--windows", "3"], ["--sample"]])
def test_downloads_can_be_forbidden(fetched, data, monkeypatch, options):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    status, _, beside = fetched(*options)
    assert status == 1 and "downloads are switched off" in beside and not data.exists()
