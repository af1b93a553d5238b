"""A broken tile is named with what came, what was wanted and what to do."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from grss_tiles import LAYOUTS, SIZE, pixels, write, write_many

from helpers.data import DataError, grss

RGB = grss.Format((SIZE, SIZE, 3), np.dtype(np.uint8))


def open_all(folder, kinds=("RGB",), **options):
    windows = grss.Windows(grss.find_tiles(folder, kinds), kinds, size=32, tile_size=SIZE, **options)
    return windows.read(range(len(windows)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_tile_that_is_cut_short_is_named(tmp_path, layout, kept):
    path = write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]}, **LAYOUTS[layout])["RGB"]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataError, match=r"JAX_004_006_RGB\.tif .*cut short.*[Cc]opy it again"):
        open_all(tmp_path)


@pytest.mark.parametrize("layout", ["lzw", "deflate", "tiled", "tiled_lzw"])
def test_a_cut_between_two_strips_is_not_taken_for_black(tmp_path, layout):
    path = write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]}, **LAYOUTS[layout])["RGB"]
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[-1]
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:start])
    with pytest.raises(DataError, match=rf"JAX_004_006_RGB\.tif is cut short: {start:,} bytes of {size:,}\."):
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
            assert grss.TileCache().get(path, RGB).shape == RGB.shape
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
    cache = grss.TileCache()
    with ThreadPoolExecutor(4) as pool:
        errors = [future.exception() for future in [pool.submit(cache.get, path, RGB) for _ in range(16)]]
    assert all(isinstance(error, DataError) for error in errors) and cache.held == 0


def test_a_tile_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    write(tmp_path, "JAX_004_006", {"RGB": pixels(0)["RGB"]})

    def refuse(path):  # root, as in a container, may read what has no permission: refuse by hand
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tifffile, "TiffFile", refuse)
    with pytest.raises(DataError, match=r"JAX_004_006_RGB\.tif cannot be read: Permission denied"):
        open_all(tmp_path)
