"""Pieces have the names and pixels of the thesis, are there whole or not at all, and are cut on where it stopped."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from grss_tiles import LAYOUTS, SIZE, pixels, write, write_many

from helpers.data import DataError, grss
from helpers.data.grss.windows import _write_piece


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
        _write_piece(tmp_path / "pieces" / "a.tif", np.zeros((2, 2), np.uint8))


def test_a_bar_tells_how_far_it_is(tmp_path, capsys):
    write_many(tmp_path / "tiles", {"JAX_004": 2}, ("RGB",))
    grss.write_pieces(grss.find_tiles(tmp_path), tmp_path / "pieces", size=32, tile_size=SIZE)
    assert "pieces of 32 x 32: 100%" in capsys.readouterr().err
