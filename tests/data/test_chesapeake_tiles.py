"""The publishers' tiles: a window is the patch cut there, layers lie by their georeference, faults are named."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from chesapeake_tiles import FOLDER, by_formula, change, make_land, poke, write_tile
from rasterio.transform import from_origin

from helpers.data import DataError, NoDataError, chesapeake, fetch
from helpers.data.chesapeake.tiles import LAYERS, GapError, Tile, find_tiles, split_of
from helpers.data.streaming import FileError, Loader
from helpers.data.synthetic.land_tiles import write_tiles

LAND = make_land(1)
BEYOND = {"naip-old": (2, 0, 0, 3), "lc": (0, 5, 1, 0), "landsat-leaf-on": (1, 0, 4, 0), "buildings": (0, 0, 0, 7)}
TOP, LEFT, SHAPE = 2, 5, (294, 268)  # of what all layers show


@pytest.fixture(scope="module", params=["striped", "cog"])
def files(request, tmp_path_factory):
    """Return the layers of a tile that differ in extent, by layer."""
    folder = tmp_path_factory.mktemp(request.param) / FOLDER.format("train")
    return write_tile(folder, LAND, layout=request.param, beyond=BEYOND)


@pytest.fixture
def own(tmp_path):
    """Return the layers of a small tile that a test may change."""
    return write_tile(tmp_path / FOLDER.format("train"), make_land(2, 40, 50))


# ---- windows ----


@pytest.mark.parametrize("corner", [(0, 0), (7, 3), (SHAPE[0] - 64, SHAPE[1] - 64)])
def test_a_window_is_the_patch_that_is_cut_there(files, corner):
    tile = Tile(files)
    found = tile.read(*corner, 64)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert found.tobytes() == by_formula(files, *corner, 64).tobytes()
    row, column = corner[0] + TOP, corner[1] + LEFT
    assert found.tobytes() == LAND[:, row : row + 64, column : column + 64].tobytes()


def test_a_tile_tells_its_place(files):
    tile = Tile(files)
    assert (tile.name, tile.shape, tile.crs.to_epsg()) == ("m_3907506_sw_18_1", SHAPE, 26918)
    assert tuple(tile.transform)[:6] == (1, 0, 300_000 + LEFT, 0, -1, 4_400_000 - TOP)


# An opener is rasterio's, which keeps it by thread: what goes wrong ends Python, so this is a process of its own.
OPENED = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from helpers.data.chesapeake.tiles import Tile

def opener(path, mode="rb"):
    return open(path, mode)

with Tile({layer: path for layer, path in zip(sys.argv[2::2], sys.argv[3::2])}, opener=opener) as tile:
    with ThreadPoolExecutor(int(sys.argv[1])) as pool:
        sums = [float(window.sum()) for window in pool.map(lambda row: tile.read(row, 10, 64), range(12))]
    assert sums == [float(tile.read(row, 10, 64).sum()) for row in range(12)]  # in another thread
print(*sums)
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 4])
def test_files_that_are_opened_otherwise_are_read_by_any_thread(files, threads):
    command = [sys.executable, "-c", OPENED, str(threads), *(str(word) for pair in files.items() for word in pair)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert [float(one) for one in done.stdout.split()] == [
        float(Tile(files).read(row, 10, 64).sum()) for row in range(12)
    ]


def test_whole_rows_hold_the_windows_of_them(files):
    with Tile(files) as tile:
        rows = tile.read_rows(5, 32)
        assert rows.shape == (29, 32, SHAPE[1])
        assert rows[:, :, 40:72].tobytes() == tile.read(5, 40, 32).tobytes()


@pytest.mark.parametrize("first,count", [(-1, 2), (SHAPE[0] - 1, 2), (0, 0)])
def test_rows_that_are_not_there_are_refused(files, first, count):
    with pytest.raises(ValueError, match=r"are not among those of m_3907506_sw_18_1, 0 to 293"):
        Tile(files).read_rows(first, count)


@pytest.mark.parametrize("row,column", [(SHAPE[0] - 10, 0), (0, -4), (-3, SHAPE[1] - 30)])
def test_a_window_at_the_edge_is_padded_with_no_data(files, row, column):
    tile, size = Tile(files), 32
    with pytest.raises(ValueError, match='edge="pad"'):
        tile.read(row, column, size)
    found = tile.read(row, column, size, edge="pad")
    rows, columns = (np.arange(first, first + size) for first in (row, column))
    there = ((rows >= 0) & (rows < SHAPE[0]))[:, None] & ((columns >= 0) & (columns < SHAPE[1]))[None, :]
    whole = tile.read_rows(0, SHAPE[0])
    assert (found[:, there] == whole[:, max(row, 0) : row + size, max(column, 0) : column + size].reshape(29, -1)).all()
    assert (found[8][~there] == 15).all() and not found[9:][:, ~there].any() and not found[:8][:, ~there].any()


@pytest.mark.parametrize("row,column", [(-32, 0), (0, SHAPE[1])])
def test_a_window_that_shows_nothing_is_refused(files, row, column):
    with pytest.raises(ValueError, match="is not one of m_3907506_sw_18_1"):
        Tile(files).read(row, column, 32, edge="pad")


REAL = Path(__file__).parents[3] / "shared/datasets/chesapeake_tiles/test-test_tiles/m_3907833_nw_17_1"


def real():
    """Return the layers of the real tile, or skip."""
    files = {layer: f"{REAL}_{layer}.tif" for layer in LAYERS}
    if not all(map(os.path.exists, files.values())):
        pytest.skip(f"{REAL}_*.tif, a real tile, is not here")
    return files


def test_a_window_of_a_real_tile_is_the_patch_that_is_cut_there():
    files = real()
    tile = Tile(files)
    assert tile.name == "m_3907833_nw_17_1" and tile.crs.to_epsg() == 26917
    for row, column, size in ((0, 0, 256), (3, 4, 256), (100, 17, 61)):
        assert tile.read(row, column, size).tobytes() == by_formula(files, row, column, size).tobytes()
    assert split_of(files["lc"]) == "test"


# ---- what is wrong with files ----


def shifted(columns, rows=0, pixel=1):
    return from_origin(300_000 + columns, 4_400_000 - rows, pixel, pixel)


@pytest.mark.parametrize(
    "layer,attributes,problem",
    [
        ("lc", {"transform": shifted(0.5)}, r"lies 0\.000 rows and 0\.500 columns from .*naip-new\.tif"),
        ("nlcd", {"transform": shifted(3, 2.02)}, r"lies 2\.020 rows and 3\.000 columns from .*naip-new\.tif"),
        ("lc", {"crs": "EPSG:26917"}, r"is in EPSG:26917, and .*naip-new\.tif in EPSG:26918"),
        ("landsat-leaf-on", {"crs": "EPSG:3857"}, r"is in EPSG:3857, and .*naip-new\.tif"),
        ("lc", {"transform": shifted(0, pixel=2)}, r"has pixels of 2 x 2 units, and .*naip-new\.tif of 1 x 1"),
        ("buildings", {"transform": shifted(0, pixel=1.001)}, r"has pixels of 1\.001 x 1\.001 units"),
        ("lc", {"transform": shifted(5000)}, r"shows nothing of what .*naip-new\.tif shows"),
        ("naip-old", {"transform": shifted(0, -40)}, r"shows nothing of what .*naip-new\.tif shows"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(own, layer, attributes, problem):
    change(own[layer], **attributes)
    with pytest.raises(FileError, match=problem) as caught:
        Tile(own).shape  # noqa: B018 - reads where the layers lie
    assert caught.value.path == own[layer]


@pytest.mark.parametrize("columns,rows", [(0.004, -0.006), (2.003, 1)])
def test_a_layer_may_lie_beside_the_grid_by_rounding(own, columns, rows):
    change(own["lc"], transform=shifted(columns, rows))
    assert Tile(own).shape == (40 - max(round(rows), 0), 50 - round(columns))


@pytest.mark.parametrize("layer", ["naip-new", "nlcd"])
def test_a_file_without_georeference_is_named(own, layer, tmp_path, recwarn):
    bare = write_tile(tmp_path / "bare", make_land(3, 40, 50), crs=None, transform=None)
    shutil.copy(bare[layer], own[layer])
    with pytest.raises(FileError, match="has no georeference") as caught:
        Tile(own).read(0, 0, 8)
    assert caught.value.path == own[layer]


@pytest.mark.parametrize(
    "layer,like", [("lc", "naip-new"), ("landsat-leaf-on", "lc"), ("buildings", "landsat-leaf-off")]
)
def test_a_file_with_the_bands_of_another_layer_is_named(own, layer, like):
    shutil.copy(own[like], own[layer])
    with pytest.raises(FileError, match=rf"bands of {LAYERS[like].dtype}; the layer {layer} has"):
        Tile(own).read(0, 0, 8)


@pytest.mark.parametrize("layer,keep", [("naip-new", 0.6), ("landsat-leaf-off", 0.5)])
def test_a_truncated_file_is_named(own, layer, keep):
    path = Path(own[layer])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(FileError, match=r"cut short or damaged|cannot be opened as a GeoTIFF") as caught:
        Tile(own).read(0, 0, 40)
    assert caught.value.path == own[layer]


@pytest.mark.parametrize("content", [b"", b"<html>403 Forbidden</html>", b"\x89PNG\r\n\x1a\n" + bytes(200)])
def test_a_file_that_is_no_tiff_is_named(own, content):
    Path(own["nlcd"]).write_bytes(content)
    with pytest.raises(FileError, match="cannot be opened as a GeoTIFF") as caught:
        Tile(own).read(0, 0, 8)
    assert caught.value.path == own["nlcd"]


@pytest.mark.parametrize("layer", ["lc", "landsat-leaf-on"])
def test_a_layer_that_is_missing_or_gone_is_named(own, layer):
    tile = Tile(own)
    Path(own[layer]).unlink()
    with pytest.raises(FileError, match="is not there"):
        tile.read(0, 0, 8)
    with pytest.raises(DataError, match=f"lacks {layer}"):
        Tile({name: path for name, path in own.items() if name != layer})


@pytest.mark.parametrize("layer", ["lc", "naip-old"])
def test_a_layer_of_another_tile_or_kind_is_named(own, layer):
    other = own[layer].replace("m_3907506_sw", "m_3907507_ne")
    with pytest.raises(DataError, match=rf"{other} shows another tile than .*m_3907506_sw_18_1_naip-new.tif"):
        Tile(own | {layer: other})
    with pytest.raises(DataError, match=f"is the layer nlcd by its name, and was given as {layer}"):
        Tile(own | {layer: own["nlcd"]})


def test_there_are_no_other_layers(own):
    with pytest.raises(ValueError, match="there is no layer 'prior'"):
        Tile(own | {"prior": "m_3907506_sw_18_1_prior.tif"})


@pytest.mark.parametrize("layer", ["landsat-leaf-on", "landsat-leaf-off"])
@pytest.mark.parametrize("value", [-9999, float(np.finfo(np.float32).min), np.nan])
def test_marks_for_missing_data_are_no_numbers(own, layer, value):
    poke(own[layer], value)
    with pytest.raises(
        GapError, match=r"has no data \(\S+\) at 6 of 64 pixels of the window of 8 pixels at row 0"
    ) as caught:
        Tile(own).read(0, 0, 8)
    assert caught.value.path == own[layer]
    assert Tile(own).read(2, 0, 8).shape == (29, 8, 8)  # beside them all is well
    assert Tile(own).read_rows(0, 4).shape == (29, 4, 50)  # whoever cuts from rows checks what is cut


@pytest.mark.parametrize("tag", [0, 1234.5])
def test_what_a_file_calls_no_data_is_no_number(own, tag):
    poke(own["landsat-leaf-on"], tag)
    tile = Tile(own)
    assert tile.read(0, 0, 8)[10, 0, 0] == tag  # a number like others
    tile.close()
    change(own["landsat-leaf-on"], nodata=tag)
    with pytest.raises(GapError, match=rf"has no data \({tag:g}\)"):
        Tile(own).read(0, 0, 8)


# ---- open files, threads, processes ----


def test_a_tile_goes_to_another_process(files):
    tile = Tile(files)
    tile.read(0, 0, 8)
    assert pickle.loads(pickle.dumps(tile)).read(3, 3, 8).tobytes() == tile.read(3, 3, 8).tobytes()


MANY = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from concurrent.futures import ThreadPoolExecutor
from helpers.data.chesapeake.tiles import find_tiles, _POOL
tiles = find_tiles(sys.argv[1])
with ThreadPoolExecutor(16) as pool:
    sums = list(pool.map(lambda number: float(tiles[number % len(tiles)].read(0, 0, 16).sum()), range(10 * len(tiles))))
assert len(set(sums)) == len(tiles) == 12 and _POOL.count <= 16, (len(set(sums)), _POOL.count)
if not (child := os.fork()):  # which must not share the place in a file that its parent reads at
    os._exit(int(float(tiles[0].read(0, 0, 16).sum()) != sums[0]))
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.long
def test_84_files_are_read_where_64_may_be_open(tmp_path):
    for number in range(12):
        write_tile(tmp_path / FOLDER.format("train"), make_land(number, 20, 20), f"m_39075{number:02}_sw_18_1")
    done = subprocess.run([sys.executable, "-c", MANY, tmp_path], check=True, capture_output=True, text=True)
    assert "excepthook" not in done.stderr  # files are closed before Python ends


def test_threads_read_what_one_reads(files):
    tile = Tile(files)
    corners = [(row, column) for row in range(0, 250, 50) for column in range(0, 240, 60)]
    alone = [tile.read(*corner, 24).tobytes() for corner in corners]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda corner: Tile(files).read(*corner, 24).tobytes(), corners)) == alone


class Ranges(SimpleHTTPRequestHandler):
    """Serves parts of files, as the publishers' mirrors do, and counts the bytes."""

    sent = 0

    def do_GET(self):
        """Send a part, or all."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        content, first = path.read_bytes(), int(wanted[1])
        part = content[first : int(wanted[2]) + 1 if wanted[2] else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        Ranges.sent += len(part)
        return self.wfile.write(part)

    def log_message(self, *_):
        """Keep quiet."""


@pytest.fixture
def served(files, monkeypatch):
    """Serve the layers on the loopback; returns their addresses."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Ranges.sent = 0
    handler = partial(Ranges, directory=Path(files["lc"]).parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {layer: f"http://127.0.0.1:{server.server_port}/{Path(path).name}" for layer, path in files.items()}
        server.shutdown()


def test_a_tile_is_read_from_a_server(files, served):
    with Tile(served) as tile:
        assert tile.name == "m_3907506_sw_18_1"
        assert tile.read(3, 4, 32).tobytes() == by_formula(files, 3, 4, 32).tobytes()
    whole = sum(Path(path).stat().st_size for path in files.values())
    assert 0 < Ranges.sent < whole, "ranges were asked for, and not all of the files"
    with pytest.raises(FileError, match="404") as caught:
        Tile(served | {"lc": served["lc"].replace("m_39", "gone/m_39")}).read(0, 0, 8)
    assert "/gone/" in caught.value.path


# ---- in folders ----


def test_tiles_are_found_wherever_they_lie(tmp_path):
    land = make_land(0, 20, 20)
    write_tile(tmp_path / "deep" / "down" / FOLDER.format("train"), land, "m_1")
    write_tile(tmp_path / FOLDER.format("val"), land, "m_2")
    write_tile(tmp_path / "md_1m_2013_extended-debuffered-test_tiles", land, "m_3")
    (tmp_path / "md_1m_2013_extended-debuffered-test_tiles" / "m_3_prior_from_cooccurrences_101_31.tif").touch()
    assert [tile.name for tile in find_tiles(tmp_path)] == ["m_1", "m_3", "m_2"]
    assert [tile.name for tile in find_tiles(tmp_path, split="val")] == ["m_2"]
    assert (
        [tile.name for tile in find_tiles(tmp_path, states=["md"])]
        == ["m_3"]
        == [tile.name for tile in find_tiles(str(tmp_path), states="md", split="test")]
    )
    with pytest.raises(NoDataError, match=r"has no tiles for states=\['ny'\], split=None, of 3 there"):
        find_tiles(tmp_path, states=["ny"])
    with pytest.raises(ValueError, match='split must be "train", "val" or "test"'):
        find_tiles(tmp_path, split="validation")


@pytest.mark.parametrize(
    "folder,split",
    [("de_1m_2013_extended-debuffered-train_tiles", "train"), ("a/test-test_tiles/b", "test"), ("tiles", "")],
)
def test_the_split_is_the_publishers(folder, split):
    assert split_of(f"{folder}/m_1_lc.tif") == split


# ---- as a data set ----


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return a folder of four tiles, of all three splits, and one of the patches that lie side by side in them."""
    tiles, patches = (tmp_path_factory.mktemp(name) for name in ("tiles", "patches"))
    for number, split in enumerate(["train", "train", "val", "test"]):
        land = make_land(10 + number, 270, 520)
        name = f"m_390750{number}_sw_18_1"
        write_tile(tiles / FOLDER.format(split), land, name)
        place = patches / f"pa_1m_2013_extended-{split}_patches"
        place.mkdir(exist_ok=True)
        for window in range(2):
            cut = land[np.newaxis, :, :256, window * 256 : window * 256 + 256]
            np.savez(place / f"pa_1m_2013-{name}-{window:04}.npz", cut)
    return tiles, patches


def batches(loader):
    return [[np.asarray(part) for part in (*(x.values() if isinstance(x, dict) else [x]), y)] for x, y in loader]


def same(one, other):
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert [a.dtype for a in left] == [b.dtype for b in right]
        assert [a.tobytes() for a in left] == [b.tobytes() for b in right]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compact": True, "bands": ["naip_new", "nlcd"]},
        {"target": "season"},
        {"image_size": 96, "augment": True, "compact": True},
    ],
)
def test_the_loader_gives_of_tiles_what_it_gives_of_patches(both, options):
    cut = {**options}
    augment = cut.pop("augment", False)
    of = [chesapeake.create_loaders(folder, augment=augment, batch_size=2, seed=3, patches=cut) for folder in both]
    for tiles, patches in zip(*of, strict=True):
        same(batches(tiles), batches(patches))
    assert [len(loader.source) for loader in of[0]] == [4, 2, 2]  # the publishers' split


@pytest.mark.slow
def test_windows_of_tiles_are_patches_to_all_that_takes_paths(both):
    windows, files = (chesapeake.find_patches(folder) for folder in both)
    assert [window.name for window in windows] == [file.name for file in files]
    assert [window.held_out for window in windows] == [file.held_out for file in files]
    paths = [[file.path for file in found] for found in (windows, files)]
    assert (chesapeake.class_shares(paths[0]) == chesapeake.class_shares(paths[1])).all()
    data_set = chesapeake.DATA_SET
    assert data_set.check(paths[0][0]) == data_set.check(paths[1][0])
    ours, theirs = (data_set.stats(found, most=3) for found in (windows, files))
    assert ours == theirs
    assert data_set.content(paths[0][1]) == data_set.content(paths[1][1]) is not None


@pytest.mark.slow
def test_states_of_tiles_are_chosen_and_others_refused(both):
    assert len(chesapeake.find_patches(both[0], states=["pa"])) == 8
    with pytest.raises(NoDataError, match="and no tiles"):
        chesapeake.find_patches(both[0], states=["md"])


@pytest.mark.slow
@pytest.mark.parametrize("apart", [True, False])
def test_patches_go_before_tiles_and_a_line_says_so(both, tmp_path, capsys, apart):
    for folder in both:
        shutil.copytree(folder, tmp_path / (folder.name if apart else ""), dirs_exist_ok=True)
    found = chesapeake.find_patches(tmp_path)
    assert [Path(file.path).is_file() for file in found] == [True] * 8
    chesapeake.find_patches(tmp_path)
    error = capsys.readouterr().err
    assert error.count(f"{tmp_path} holds 8 patches and 4 tiles: the patches are read, the tiles are not.") == 1


@pytest.mark.slow
def test_one_patch_among_tiles_goes_before_them_too(both, tmp_path, capsys):
    [tile, *_] = both[0].glob("*-train_tiles")
    shutil.copytree(tile, tmp_path / tile.name)
    patch = next(both[1].rglob("*.npz"))
    shutil.copy(patch, tmp_path / tile.name)
    assert [file.name for file in chesapeake.find_patches(tmp_path)] == [patch.name]
    assert f"{tmp_path} holds 1 patch and " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["lc", "nlcd"])
def test_a_tile_that_lacks_a_layer_is_named_and_the_others_are_checked(both, tmp_path, run, layer):
    shutil.copytree(both[0], tmp_path / "tiles")
    gone = next((tmp_path / "tiles").rglob(f"*_{layer}.tif"))
    gone.unlink()
    with pytest.raises(DataError, match=f"lacks {layer}"):
        chesapeake.find_patches(tmp_path)
    status, out, _ = run("check", tmp_path)
    assert status == 1 and f"lacks {layer}" in out and "6 patches" in out


@pytest.mark.slow
def test_a_file_of_tiles_is_here_counted_drawn_and_packed(both, tmp_path, monkeypatch, run):
    tiles, _ = both
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "chesapeake_tiles").symlink_to(tiles)
    assert fetch.find("chesapeake") == tmp_path / "chesapeake_tiles"
    layer = next(tiles.rglob("*_naip-old.tif"))
    status, out, _ = run("show", layer, "--png", tmp_path / "a.png")
    assert status == 0 and (tmp_path / "a.png").stat().st_size > 10_000, out
    status, out, error = run("pack", tiles, tmp_path / "packed")
    assert status == 0 and "left out" not in out + error
    names = [file.name for file in chesapeake.find_patches(tmp_path / "packed")]
    assert names == [file.name for file in chesapeake.find_patches(tiles)]
    same(*(batches(chesapeake.create_loaders(folder, batch_size=3)[0]) for folder in (tmp_path / "packed", tiles)))


@pytest.mark.slow
def test_layers_are_staged_each_once(both, tmp_path, run):
    status, _, error = run("stage", both[0], "--to", tmp_path)
    assert status == 0 and "left out" not in error
    copies = sorted(path.relative_to(tmp_path / both[0].name) for path in tmp_path.rglob("*.tif"))
    assert copies == sorted(path.relative_to(both[0]) for path in both[0].rglob("*.tif"))


@pytest.mark.slow
def test_a_run_file_trains_on_tiles(both):
    from helpers.experiments import land_cover  # here, as it needs Keras

    loaders = land_cover.load({"split": "tile", "image_size": 64, "batch_size": 2, "seed": 1}, both[0])
    assert [len(side.source) for side in (loaders.training, loaders.validation, loaders.test)] == [4, 2, 2]
    images, labels = next(iter(loaders.training))
    assert images["bytes"].shape == (2, 8, 64, 64) and images["halves"].dtype == np.int16
    assert labels.shape == (2, 64, 64) and labels.max() <= 6


# ---- windows of any size ----


@pytest.mark.slow
@pytest.mark.parametrize(
    "options,count",
    [
        ({"size": 128}, 2 * 4 * 4),
        ({"size": 128, "edge": "pad"}, 3 * 5 * 4),
        ({"size": 100, "stride": 85}, 3 * 5 * 4),
        ({"size": 300, "edge": "pad"}, 1 * 2 * 4),
    ],
)
def test_windows_of_any_size(both, options, count):
    tiles = find_tiles(both[0])
    source = chesapeake.TileWindows(tiles, bands=["naip_new", "landsat_leaf_on"], **options)
    assert len(source) == count == len({source.name(index) for index in range(count)})
    tile, row, column, edge = source.windows[count - 1]
    planes = tile.read(row, column, options["size"], edge=edge)
    image, labels = source[count - 1]
    scaled = np.concatenate([planes[:4] / 255, planes[10:19] / 4000]).transpose(1, 2, 0)
    assert image.shape == (options["size"], options["size"], 13) and np.allclose(image, scaled, rtol=1e-6, atol=0)
    assert (labels == np.where(planes[8] == 15, 0, planes[8])).all()


@pytest.mark.slow
def test_windows_of_patch_size_are_the_patches(both):
    tiles, patches = both
    of_tiles = chesapeake.TileWindows(find_tiles(tiles), image_size=64, augment=True)
    of_files = chesapeake.Patches([file.path for file in chesapeake.find_patches(patches)], image_size=64, augment=True)
    same(*(batches(Loader(source, batch_size=4, seed=1)) for source in (of_tiles, of_files)))
    same(*(batches(Loader(source, batch_size=8)) for source in (pickle.loads(pickle.dumps(of_tiles)), of_tiles)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options,problem",
    [
        ({"size": 0}, "size and stride must be 1 or more"),
        ({"stride": 0}, "size and stride must be 1 or more"),
        ({"edge": "reflect"}, "'reflect'"),
        ({"size": 64, "image_size": 65}, "image_size must be 1 to 64"),
    ],
)
def test_windows_that_make_no_sense_are_refused(both, options, problem):
    with pytest.raises(ValueError, match=problem):
        chesapeake.TileWindows(find_tiles(both[0]), **options)


@pytest.mark.slow
def test_tiles_smaller_than_a_window_are_named(both):
    with pytest.raises(DataError, match=r"no window of 300 pixels lies inside a tile \(m_3907503_sw_18_1 270 x 520"):
        chesapeake.TileWindows(find_tiles(both[0]), size=300)


def test_a_gap_stops_a_loader_or_is_left_out(tmp_path):
    files = write_tile(tmp_path / FOLDER.format("train"), make_land(4, 64, 128))
    poke(files["landsat-leaf-on"], -9999)
    source = chesapeake.TileWindows([Tile(files)], size=64)
    with pytest.raises(GapError, match="has no data"):
        list(Loader(source, batch_size=2))
    with pytest.warns(UserWarning, match="left out"):
        [(images, _)] = Loader(source, batch_size=2, on_error="skip")
    assert len(images) == 1


@pytest.mark.slow
def test_only_windows_are_in_memory(tmp_path):
    files = write_tile(tmp_path / FOLDER.format("train"), make_land(5, 256, 1200), layout="cog")  # 36 MB as float32
    source = chesapeake.TileWindows([Tile(files)], size=64, stride=192, bands=["naip_new"])
    loader = Loader(source, batch_size=2, threads=2)
    tracemalloc.start()
    for _ in loader:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000, peak  # four windows of 0.5 MB, and batches


# ---- the stand-in ----


@pytest.mark.parametrize("layout", ["striped", "cog"])
def test_a_stand_in_has_the_layout_of_the_publishers(tmp_path, layout):
    written = write_tiles(tmp_path, state="va", split="val", tiles=2, size=64, layout=layout)
    assert len(written) == 14 and {path.parent.name for path in written} == {"va_1m_2014_extended-debuffered-val_tiles"}
    for tile in find_tiles(tmp_path, states=["va"], split="val"):
        assert tile.shape == (64, 64) and tile.crs.to_epsg() == 26918
        assert tile.read(1, 2, 48).tobytes() == by_formula(tile.files, 1, 2, 48).tobytes()
    before = {path: path.read_bytes() for path in written}
    written[3].unlink()
    assert write_tiles(tmp_path, state="va", split="val", tiles=2, size=64, layout=layout) == written
    assert {path: path.read_bytes() for path in written} == before


@pytest.mark.parametrize(
    "options", [{"state": "oh"}, {"split": "valid"}, {"tiles": 0}, {"size": 100}, {"layout": "zip"}]
)
def test_a_stand_in_that_makes_no_sense_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="must be"):
        write_tiles(tmp_path, **options)


@pytest.mark.long
def test_a_verb_makes_tiles_of_all_three_splits(tmp_path, run):
    status, out, _ = run("make", "chesapeake", "--layout", "tiles", "--count", 3, "--to", tmp_path / "made")
    assert status == 0 and out == f"21 files in {tmp_path / 'made'}.\n"
    loaders = chesapeake.create_loaders(tmp_path / "made", batch_size=9)
    assert [len(loader.source) for loader in loaders] == [9, 9, 9]
    status, _, error = run("make", "chesapeake", "--layout", "tiles", "--count", 2, "--to", tmp_path / "few")
    assert status == 1 and "count must be 3 or more tiles" in error
