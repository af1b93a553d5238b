"""`./course data fetch chesapeake`: patches of tiles in the public layout, from mirrors on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mirror_site import sites  # noqa: F401 - a fixture

from helpers import cli
from helpers.data import fetch, remote
from helpers.data.chesapeake import fetching, find_patches, split_files
from helpers.data.chesapeake.tiles import LAYERS, Tile
from helpers.data.synthetic.land_tiles import write_tiles

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
    before, sent = content(data), mirror.sent
    assert fetched("--windows", 5)[1].startswith("Nothing need be read")
    assert (content(data), mirror.sent) == (before, sent)


@pytest.mark.long
def test_more_is_added_to_what_is_there(fetched, data, mirror, public):
    assert fetched("--windows", 3)[0] == 0
    before, sent = content(data), mirror.sent
    assert fetched("--windows", 4)[0] == 0
    assert check(data, public) == 4 and before.items() < content(data).items() and mirror.sent < 2 * sent
    assert fetched("--windows", 100)[0] == 0
    assert check(data, public) == 12


@pytest.mark.long
@pytest.mark.parametrize(("state", "split", "count"), [("wv", "test", 4), ("pa", "val", 4)])
def test_whole_tiles_of_a_state_and_a_split(fetched, data, mirror, public, state, split, count):
    assert fetched("--state", state, "--split", split, "--tiles", 1)[0] == 0
    assert check(data, public) == count
    assert {facts["split"] for facts in notes(data).values()} == {f"{state}-{split}"}


@pytest.mark.long
def test_no_more_bytes_are_read_than_granted(fetched, data, mirror, public):
    assert fetched("--bytes", "7MB")[0] == 0
    assert check(data, public) == 4 and mirror.sent < 8_000_000
    status, _, beside = fetched("--bytes", "100kB", "--seed", 3)
    assert status == 1 and "100.0 kB do not do for one line of a tile" in beside


def test_a_dry_run_tells_what_would_be_read_and_writes_nothing(fetched, data, mirror):
    status, said, _ = fetched("--dry-run", "--windows", 2)
    assert status == 0 and not data.exists()
    assert f"of {mirror.address}" in said and "m_4" in said and "_{naip-new,naip-old,lc,nlcd," in said


FAULTS = [
    [("status", 500), ("status", 503)],
    [("status", 429), ("busy", 0)],
    [("short", 20_000)] * 3,
    [("hang", 0.4)],
]


@pytest.mark.long
@pytest.mark.parametrize("faults", FAULTS, ids=str)
@pytest.mark.parametrize("after", [3, 25])
def test_what_passes_harms_no_patch(fetched, data, mirror, public, faults, after):
    mirror.faults = [(None, None)] * after + faults
    assert fetched("--windows", 2)[0] == 0
    assert check(data, public) == 2 and mirror.faults == []


@pytest.mark.long
@pytest.mark.parametrize("fault", [("status", 404), ("status", 403), ("status", 500), ("hang", 0.4)], ids=str)
def test_the_next_mirror_takes_over_in_the_middle(fetched, data, mirror, public, sites, monkeypatch, fault):
    other = sites(public)
    monkeypatch.setenv("COURSE_MIRRORS", f"{mirror.address} {other.address}")
    mirror.faults = [(None, None)] * 23 + [fault] * 1000
    status, _, beside = fetched("--windows", 2)
    assert status == 0 and check(data, public) == 2
    assert "is read from its beginning. Reading the tile anew" in beside and f"Reading from {other.address}" in beside
    assert "Traceback" not in beside


@pytest.mark.long
def test_a_mirror_without_ranges_costs_more_and_says_how_much(fetched, data, mirror, public):
    mirror.ranges = False
    status, _, beside = fetched("--windows", 2)
    assert status == 0 and check(data, public) == 2
    assert beside.count("is sent only as a whole: ") >= 4


@pytest.mark.long
@pytest.mark.parametrize("requests", [10, 24])
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
@pytest.mark.parametrize("missing", ["everything", "the layers"])
def test_where_nothing_can_be_read_the_reason_is_told(fetched, data, mirror, public, missing):
    mirror.gone = {*all_paths(public), *([fetching.INDEX] if missing == "everything" else [])}
    status, _, beside = fetched()
    assert status == 1 and f"{mirror.address}" in beside and "404 Not Found" in beside
    assert content(data) == {} and parts(data) == []
