"""A broken tile is named with what came, what was wanted and what to do; pieces are there whole or not at all."""

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from grss_tiles import LAYOUTS, SIZE, pixels, write, write_many

from helpers.data import DataError, grss
from helpers.data.grss import tiff
from helpers.data.grss.pieces import _write

RGB = tiff.Format((SIZE, SIZE, 3), np.dtype(np.uint8))


def open_all(folder, kinds=("RGB",), **options):
    windows = grss.Windows(grss.find_tiles(folder, kinds), kinds, size=32, tile_size=SIZE, **options)
    return windows.read(range(len(windows)))


# ---- broken tiles ----


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_tile_that_is_cut_short_is_named(tmp_path, layout, kept):
    path = write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]}, **LAYOUTS[layout])["RGB"]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataError, match=r"JAX_004_006_RGB\.tif .*cut short.*[Cc]opy it again"):
        open_all(tmp_path)


@pytest.mark.parametrize("layout", [{}, {"compression": "lzw"}])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.7])
def test_an_msi_of_a_page_a_row_that_is_cut_short_is_named(tmp_path, layout, kept):
    path = write(tmp_path, "JAX_004_006", {"MSI": pixels(0)["MSI"]}, **layout)["MSI"]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataError, match=r"JAX_004_006_MSI\.tif .*[Cc]opy it again"):
        open_all(tmp_path, ("MSI",))


def test_an_msi_is_tested_as_the_contest_has_it(tmp_path):
    path = write(tmp_path, "JAX_004_006", {"MSI": pixels(0)["MSI"]})["MSI"]
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == SIZE and file.pages[0].shape == (SIZE, 8)  # what GDAL misreads


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"II*\0", b"<html>404</html>" * 99, b"\x89PNG\r\n\x1a\n" + b"1" * 99]
)
def test_a_file_that_is_no_tiff_is_named(tmp_path, content):
    (tmp_path / "JAX_004_006_RGB.tif").write_bytes(content)
    with pytest.raises(DataError, match=rf"JAX_004_006_RGB\.tif \({len(content):,} bytes\) cannot be read as a TIFF"):
        open_all(tmp_path)


@pytest.mark.parametrize("layout", ["strips", "lzw", "deflate", "tiled_lzw"])
def test_damaged_bytes_give_a_named_error_or_pixels_of_the_right_shape(tmp_path, layout):
    path = write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]}, **LAYOUTS[layout])["RGB"]
    whole, random, named = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(60):
        damaged = bytearray(whole)
        for at in random.integers(0, 400 if random.random() < 0.5 else len(whole), 4):
            damaged[at] = random.integers(256)
        path.write_bytes(damaged)
        try:
            assert tiff.TileCache().get(path, RGB).shape == RGB.shape
        except DataError as error:
            assert str(path) in str(error)
            named += 1
    assert named


@pytest.mark.parametrize("layout", ["plain", "lzw"])
def test_a_tile_of_another_shape_or_dtype_says_both(tmp_path, layout):
    write(tmp_path / "wide", "JAX_004_006", {"RGB": np.zeros((SIZE, 48, 3), np.uint8)}, **LAYOUTS[layout])
    with pytest.raises(DataError, match=r"is \(64, 48, 3\) uint8, wanted \(64, 64, 3\) uint8\. .*tile_size"):
        open_all(tmp_path / "wide")
    write(tmp_path / "deep", "JAX_004_006", {"RGB": pixels(0)["MSI"][..., :3].copy()}, **LAYOUTS[layout])
    with pytest.raises(DataError, match=r"is \(64, 64, 3\) uint16, wanted \(64, 64, 3\) uint8\."):
        open_all(tmp_path / "deep")
    grey = write(tmp_path / "grey", "JAX_004_006", {"CLS": pixels(0)["CLS"]}, **LAYOUTS[layout])["CLS"]
    grey.rename(grey.with_name("JAX_004_006_RGB.tif"))
    with pytest.raises(DataError, match=r"JAX_004_006_RGB\.tif is \(64, 64\) uint8"):
        open_all(tmp_path / "grey")


@pytest.mark.parametrize("layout", ["plain", "lzw"])
def test_an_unknown_code_is_named_with_its_file(tmp_path, layout):
    tile = pixels(0)
    tile["CLS"][40, 5] = 18
    write(tmp_path, "JAX_004_006", tile, **LAYOUTS[layout])
    with pytest.raises(DataError, match=r"JAX_004_006_CLS\.tif has the class code 18; known are"):
        open_all(tmp_path, ("RGB", "CLS"))


def test_a_tile_that_vanished_is_named_and_read_when_it_is_back(tmp_path):
    write_many(tmp_path, {"JAX_004": 2})
    windows = grss.Windows(grss.find_tiles(tmp_path), size=32, tile_size=SIZE)
    (tmp_path / "JAX_004_002_RGB.tif").rename(tmp_path / "away")
    with pytest.raises(DataError, match=r"JAX_004_002_RGB\.tif is gone: it was there .*list the tiles again"):
        windows.read([4])
    (tmp_path / "away").rename(tmp_path / "JAX_004_002_RGB.tif")
    assert windows.read([4])["RGB"].shape == (1, 32, 32, 3)


def test_a_tile_that_vanishes_while_it_is_read_does_no_harm(tmp_path):
    written = write_many(tmp_path, {"JAX_004": 1})
    windows = grss.Windows(grss.find_tiles(tmp_path), size=32, tile_size=SIZE, native=True)
    windows.read([0])
    shutil.rmtree(tmp_path)
    np.testing.assert_array_equal(windows.read([3])["RGB"][0], written["JAX_004_001"]["RGB"][32:, 32:])


def test_every_thread_that_waits_for_a_broken_tile_is_told(tmp_path):
    path = write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]}, **LAYOUTS["lzw"])["RGB"]
    path.write_bytes(path.read_bytes()[:-100])
    cache = tiff.TileCache()
    with ThreadPoolExecutor(4) as pool:
        errors = [future.exception() for future in [pool.submit(cache.get, path, RGB) for _ in range(16)]]
    assert all(isinstance(error, DataError) for error in errors) and cache.held == 0


def test_a_tile_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]})

    def refuse(path):  # root, as in a container, may read what has no permission: refuse by hand
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tifffile, "TiffFile", refuse)
    with pytest.raises(DataError, match=r"JAX_004_006_RGB\.tif .*PermissionError.*Permission denied"):
        open_all(tmp_path)


# ---- pieces ----


def cut(source, target, kinds=("RGB", "MSI", "CLS", "AGL"), **options):
    tiles = grss.find_tiles(source, kinds)
    return grss.write_pieces(tiles, target, kinds, size=16, tile_size=SIZE, progress=False, **options)


@pytest.mark.parametrize("layout", ["plain", "lzw"])
def test_pieces_have_the_names_and_pixels_of_the_thesis(tmp_path, layout):
    tile = pixels(0)
    write(tmp_path / "tiles", "JAX_004_006", tile, **LAYOUTS[layout])
    assert cut(tmp_path / "tiles", tmp_path / "pieces") == 4 * 16
    assert len(list((tmp_path / "pieces").iterdir())) == 4 * 16
    for kind, array in tile.items():
        for k in range(1, 17):
            top, left = (k - 1) // 4 * 16, (k - 1) % 4 * 16
            path = tmp_path / "pieces" / f"JAX_004_006_{kind}_16x16_{k}split4.tif"
            piece = tifffile.imread(path)
            np.testing.assert_array_equal(piece, array[top : top + 16, left : left + 16])
            assert piece.dtype == array.dtype
            with tifffile.TiffFile(path) as file:  # one page, bands beside each other: GDAL reads that too
                assert len(file.pages) == 1 and file.pages[0].shape == piece.shape


def test_a_real_tile_gives_64_pieces_of_128(tmp_path):
    write(tmp_path / "tiles", "JAX_004_006", {"CLS": pixels(0, 1024)["CLS"]})
    assert grss.write_pieces(grss.find_tiles(tmp_path, ("CLS",)), tmp_path / "pieces", ("CLS",), progress=False) == 64
    names = {path.name for path in (tmp_path / "pieces").iterdir()}
    assert names == {f"JAX_004_006_CLS_128x128_{k}split8.tif" for k in range(1, 65)}


def test_cutting_again_writes_what_is_missing_and_nothing_else(tmp_path):
    write_many(tmp_path / "tiles", {"JAX_004": 2})
    kinds, pieces = ("RGB",), tmp_path / "pieces"
    assert cut(tmp_path / "tiles", pieces, kinds) == 32
    before = {path: path.stat().st_mtime_ns for path in pieces.iterdir()}
    (gone := pieces / "JAX_004_002_RGB_16x16_7split4.tif").unlink()
    assert cut(tmp_path / "tiles", pieces, kinds) == 1
    after = {path: path.stat().st_mtime_ns for path in pieces.iterdir()}
    assert {path for path in after if after[path] != before[path]} == {gone}
    assert cut(tmp_path / "tiles", pieces, kinds) == 0


def test_a_full_disk_leaves_whole_pieces_and_the_way_on(tmp_path, monkeypatch):
    write_many(tmp_path / "tiles", {"JAX_004": 1})
    imwrite, left = tifffile.imwrite, iter(range(5))

    def write_until_full(path, *args, **options):
        if next(left, None) is None:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        imwrite(path, *args, **options)

    monkeypatch.setattr(tifffile, "imwrite", write_until_full)
    with pytest.raises(DataError, match=r"6split4\.tif could not be written: No space left .*run this again"):
        cut(tmp_path / "tiles", tmp_path / "pieces", ("RGB",))
    found = sorted((tmp_path / "pieces").iterdir())
    assert len(found) == 5 and all(tifffile.imread(path).shape == (16, 16, 3) for path in found)
    monkeypatch.setattr(tifffile, "imwrite", imwrite)
    assert cut(tmp_path / "tiles", tmp_path / "pieces", ("RGB",)) == 11


def test_a_killed_cutter_leaves_no_half_piece_under_a_name_that_counts(tmp_path):
    write_many(tmp_path / "tiles", {"JAX_004": 8}, ("RGB",))
    code = (
        "import sys; from helpers.data import grss\n"
        "tiles = grss.find_tiles(sys.argv[1]); print('go', flush=True)\n"
        f"grss.write_pieces(tiles, sys.argv[2], size=2, tile_size={SIZE}, progress=False)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "tiles"), str(tmp_path / "pieces")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        while len(list((tmp_path / "pieces").glob("JAX*split32.tif"))) < 50:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    pieces = list((tmp_path / "pieces").glob("JAX*split32.tif"))
    assert 50 <= len(pieces) < 8 * 1024
    assert all(tifffile.imread(path).shape == (2, 2, 3) for path in pieces)


def test_a_tile_without_the_kind_stops_before_anything_is_written(tmp_path):
    write_many(tmp_path / "tiles", {"JAX_004": 2}, ("RGB",))
    with pytest.raises(DataError, match="2 tiles lack some of RGB, CLS: JAX_004_001, JAX_004_002"):
        grss.write_pieces(grss.find_tiles(tmp_path), tmp_path / "pieces", ("RGB", "CLS"), size=16, tile_size=SIZE)
    assert not (tmp_path / "pieces").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "pieces").write_bytes(b"")  # a file where a folder should be
    with pytest.raises(DataError, match=r"pieces/a\.tif could not be written: Not a directory"):
        _write(tmp_path / "pieces" / "a.tif", np.zeros((2, 2), np.uint8))


def test_a_bar_tells_how_far_it_is(tmp_path, capsys):
    write_many(tmp_path / "tiles", {"JAX_004": 2}, ("RGB",))
    grss.write_pieces(grss.find_tiles(tmp_path), tmp_path / "pieces", size=32, tile_size=SIZE)
    assert "pieces of 32 x 32: 100%" in capsys.readouterr().err
