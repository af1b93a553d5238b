"""Windows are what NumPy would slice out of the tile, with its codes as labels and its unknown heights under a mask."""

import re
from collections import Counter

import numpy as np
import pytest
from grss_tiles import LAYOUTS, SIZE, pixels, write, write_many

from helpers.data import DataError, grss
from helpers.data.grss.tiles import area_average
from helpers.data.grss.windows import Grid
from helpers.data.streaming import Spec

VIEWS = {"JAX_004": 3, "JAX_010": 1, "OMA_132": 2}
LABELS = {2: 0, 5: 1, 6: 2, 9: 3, 17: 4, 65: 255}


def label(codes):
    return np.vectorize(LABELS.get)(codes)


# ---- windows against NumPy ----


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [16, 32, SIZE])
def test_windows_are_slices_of_the_tile_however_it_is_stored(tmp_path, layout, size):
    tile = pixels(0)
    write(tmp_path, "JAX_004_006", tile, **LAYOUTS[layout])
    windows = grss.Windows(grss.find_tiles(tmp_path), tuple(tile), size=size, tile_size=SIZE)
    arrays, across = windows.read(range(len(windows))), SIZE // size
    assert len(windows) == across**2
    for k in range(1, across**2 + 1):
        top, left = (k - 1) // across * size, (k - 1) % across * size
        want = {kind: array[top : top + size, left : left + size] for kind, array in tile.items()}
        got = {kind: array[k - 1] for kind, array in arrays.items()}
        np.testing.assert_array_equal(got["RGB"], want["RGB"] / np.float32(255))
        np.testing.assert_array_equal(got["MSI"], want["MSI"] / np.float32(2047))
        np.testing.assert_array_equal(got["CLS"], label(want["CLS"]))
        np.testing.assert_array_equal(got["AGL"], np.nan_to_num(want["AGL"], nan=0))
        np.testing.assert_array_equal(got["AGL_valid"], ~np.isnan(want["AGL"]))


def test_bands_that_are_stored_first_come_last(tmp_path):
    tile = pixels(0)
    write(tmp_path, "JAX_004_006", {"RGB": tile["RGB"].transpose(2, 0, 1).copy()}, planarconfig="separate")
    windows = grss.Windows(grss.find_tiles(tmp_path), size=32, tile_size=SIZE, native=True)
    np.testing.assert_array_equal(windows.read([1])["RGB"][0], tile["RGB"][:32, 32:])


def test_arrays_have_the_shapes_and_dtypes_that_were_told(tmp_path):
    write(tmp_path, "JAX_004_006", pixels(0))
    tiles, kinds = grss.find_tiles(tmp_path), ("RGB", "MSI", "CLS", "AGL")
    for native, colours in ((False, ("float32", "float32")), (True, ("uint8", "uint16"))):
        windows = grss.Windows(tiles, kinds, size=16, tile_size=SIZE, native=native)
        arrays = windows.read([3, 0])
        assert {name: Spec(array.shape[1:], array.dtype.name) for name, array in arrays.items()} == windows.arrays
        assert (arrays["RGB"].dtype, arrays["MSI"].dtype) == colours
        assert arrays["MSI"].shape == (2, 16, 16, 8) and arrays["CLS"].shape == arrays["AGL"].shape == (2, 16, 16)
        assert (arrays["CLS"].dtype, arrays["AGL"].dtype) == (np.uint8, np.float32)
    assert grss.Windows(tiles, size=16, tile_size=SIZE).read([0])["RGB"].max() <= 1


def test_index_and_place_belong_together(tmp_path):
    written = write_many(tmp_path, VIEWS)
    windows = grss.Windows(grss.find_tiles(tmp_path), size=32, tile_size=SIZE, native=True)
    assert len(windows) == 6 * 4
    for index in range(len(windows)):
        tile, k = windows.locate(index)
        want = written[tile.name]["RGB"][Grid(SIZE, 32).box(k)]
        np.testing.assert_array_equal(windows.read([index])["RGB"][0], want)
    with pytest.raises(IndexError, match="windows 0 to 23; received 24"):
        windows.locate(24)
    with pytest.raises(IndexError, match="received -1"):
        windows.read([-1])


def test_windows_go_into_memory_that_is_there(tmp_path):
    written = write_many(tmp_path, VIEWS)
    windows = grss.Windows(grss.find_tiles(tmp_path), ("RGB", "AGL"), size=32, tile_size=SIZE, native=True)
    buffers = {name: np.full_like(array, 7) for name, array in windows.buffers(5).items()}
    windows.read_into([23, 0], buffers)
    np.testing.assert_array_equal(buffers["RGB"][0], written["OMA_132_002"]["RGB"][32:, 32:])
    np.testing.assert_array_equal(buffers["RGB"][1], written["JAX_004_001"]["RGB"][:32, :32])
    assert (buffers["RGB"][2:] == 7).all() and (buffers["AGL"][2:] == 7).all()


@pytest.mark.parametrize(
    ("change", "came"),
    [
        (lambda b: b.pop("RGB"), "nothing"),
        (lambda b: b.update(RGB=b["RGB"][:1]), r"\(1, 32, 32, 3\) uint8"),
        (lambda b: b.update(RGB=b["RGB"].astype("f4")), r"\(2, 32, 32, 3\) float32"),
        (lambda b: b.update(RGB=b["RGB"][..., :1]), r"\(2, 32, 32, 1\) uint8"),
    ],
)
def test_memory_that_does_not_fit_is_refused(tmp_path, change, came):
    write_many(tmp_path, VIEWS)
    windows = grss.Windows(grss.find_tiles(tmp_path), size=32, tile_size=SIZE, native=True)
    change(buffers := windows.buffers(2))
    with pytest.raises(ValueError, match=rf"RGB needs \(2, 32, 32, 3\) uint8; received {came}"):
        windows.read_into([0, 1], buffers)


# ---- whole tiles, shrunk ----


@pytest.mark.parametrize("native", [False, True])
def test_a_shrunk_tile_is_the_mean_of_its_squares(tmp_path, native):
    tile = pixels(0)
    tile["AGL"][:8, :16] = np.nan  # one square that is all unknown, one half of another
    tile["AGL"][:4, 8:16] = 3
    write(tmp_path, "JAX_004_006", tile)
    windows = grss.Windows(grss.find_tiles(tmp_path), tuple(tile), size=8, tile_size=SIZE, resize=True, native=native)
    assert len(windows) == 1 and windows.locate(0)[1] == 1
    got = {name: array[0] for name, array in windows.read([0]).items()}
    for row in range(8):
        for column in range(8):
            square = {k: v[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] for k, v in tile.items()}
            for kind, white in (("RGB", 255), ("MSI", 2047)):
                mean = square[kind].reshape(64, -1).mean(0)
                want = np.rint(mean) if native else mean / white
                np.testing.assert_allclose(got[kind][row, column], want, rtol=1e-6)
            assert got["CLS"][row, column] == label(square["CLS"][4, 4])
            known = square["AGL"][np.isfinite(square["AGL"])]
            assert got["AGL_valid"][row, column] == (known.size > 0)
            assert got["AGL"][row, column] == pytest.approx(known.mean() if known.size else 0, abs=1e-5)
    assert not got["AGL_valid"][0, 0] and got["AGL"][0, 1] == 3


def test_shrinking_large_numbers_loses_nothing():
    assert (area_average(np.full((256, 256, 2), 65535, np.uint16), 256) == 65535).all()


# ---- facts ----


def test_facts_of_every_window_are_what_counting_gives(tmp_path):
    written = write_many(tmp_path, VIEWS)
    written["JAX_010_001"]["AGL"][:32, :32] = np.nan
    written["JAX_010_001"]["CLS"][:32, :32] = 65
    for name, tile in written.items():
        write(tmp_path, name, tile)
    windows = grss.Windows(grss.find_tiles(tmp_path), ("CLS", "AGL"), size=32, tile_size=SIZE)
    facts = windows.facts(progress=False)
    assert {name: array.shape for name, array in facts.items()} == dict.fromkeys(facts, (len(windows),))
    for index in range(len(windows)):
        tile, k = windows.locate(index)
        codes, heights = (written[tile.name][kind][Grid(SIZE, 32).box(k)] for kind in ("CLS", "AGL"))
        votes = Counter(codes[codes != 65].tolist())
        best = min(votes, key=lambda code: (-votes[code], code)) if votes else 65
        assert facts["predominant_class"][index] == LABELS[best]
        assert facts["labeled"][index] == pytest.approx((codes != 65).mean())
        assert facts["known"][index] == pytest.approx(np.isfinite(heights).mean())
        known = heights[np.isfinite(heights)]
        np.testing.assert_allclose(facts["mean_height"][index], known.mean() if known.size else np.nan, rtol=1e-5)
    assert np.isnan(facts["mean_height"]).sum() == (facts["predominant_class"] == grss.IGNORE).sum() == 1


# ---- what Windows refuses ----


def test_a_tile_without_the_kind_is_named(tmp_path):
    write_many(tmp_path, VIEWS, ("RGB",))
    with pytest.raises(DataError, match=r"JAX_004_001 lacks CLS; it has .*JAX_004_001_RGB\.tif\. .*find_tiles"):
        grss.Windows(grss.find_tiles(tmp_path), ("RGB", "CLS"), size=8, tile_size=SIZE)


def test_no_tiles_are_refused():
    with pytest.raises(DataError, match=re.escape("There are no tiles")):
        grss.Windows([])
