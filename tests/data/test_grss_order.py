"""Windows come in an order that mixes places, depends on the seed alone, and decodes each tile once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from grss_tiles import LAYOUTS, SIZE, write_many

from helpers.data import grss
from helpers.data.grss.windows import Grid, shuffled, spread

VIEWS = {"JAX_004": 3, "JAX_010": 1, "OMA_132": 2}


@pytest.fixture
def decoded(monkeypatch):
    """Count how often each file is decoded."""
    count, decode = Counter(), grss.tiles._decode
    monkeypatch.setattr(grss.tiles, "_decode", lambda path, series: count.update([path]) or decode(path, series))
    return count


# ---- the grid ----


@pytest.mark.parametrize(("tile", "size", "count"), [(1024, 128, 64), (1024, 256, 16), (1024, 1024, 1), (64, 16, 16)])
def test_windows_cover_every_pixel_once(tile, size, count):
    grid, seen = Grid(tile, size), np.zeros((tile, tile), int)
    for k in range(1, grid.count + 1):
        seen[grid.box(k)] += 1
    assert grid.count == count and (seen == 1).all()


def test_windows_are_numbered_from_1_to_64_row_by_row():
    corners = [(rows.start, columns.start) for rows, columns in map(Grid(1024, 128).box, range(1, 65))]
    assert corners == [(top, left) for top in range(0, 1024, 128) for left in range(0, 1024, 128)]


@pytest.mark.parametrize("k", [0, 65, -1])
def test_there_is_no_window_0(k):
    with pytest.raises(ValueError, match=f"k must be between 1 and 64; received {k}"):
        Grid(1024, 128).box(k)


@pytest.mark.parametrize(("size", "use"), [(100, "64 or 128"), (0, "1 or 2"), (2048, "512 or 1024")])
def test_a_size_that_leaves_pixels_over_is_refused_with_two_that_do_not(size, use):
    with pytest.raises(ValueError, match=rf"divide the tile's 1024 pixels; received {size}\. Use {use}\."):
        Grid(1024, size)


# ---- order ----

PLACES = tuple("a" * 43 + "b" * 20 + "c" * 20 + "d" + "e" * 16)


def test_every_window_comes_once_in_every_epoch_and_another_seed_gives_another_order():
    orders = [shuffled(PLACES, 64, seed=seed, epoch=epoch) for seed in range(3) for epoch in range(3)]
    assert all((np.sort(order) == np.arange(6400)).all() for order in orders)
    assert len({order.tobytes() for order in orders}) == 9
    assert (shuffled(PLACES, 64, seed=1, epoch=2) == orders[5]).all()


def test_the_order_is_the_same_on_every_machine_and_in_every_year():
    assert shuffled(("a", "a", "b"), 4, seed=7, together=2).tolist() == [8, 2, 9, 10, 1, 0, 11, 3, 7, 4, 6, 5]


@pytest.mark.parametrize("together", [1, 7, 16, 100, 1000])
def test_no_more_than_some_tiles_are_open_at_a_time(together):
    tiles = shuffled(PLACES, 64, seed=0, together=together) // 64
    first, last = (np.array([np.flatnonzero(tiles == tile)[end] for tile in range(100)]) for end in (0, -1))
    open_now = [((first <= at) & (last >= at)).sum() for at in range(0, 6400, 16)]
    assert max(open_now) <= together
    assert together < 100 or max(open_now) > 90  # a full shuffle


def test_a_batch_mixes_places():
    order = shuffled(PLACES, 64, seed=0, together=16)
    of_batches = [{PLACES[index // 64] for index in batch} for batch in order.reshape(-1, 64)]
    assert min(map(len, of_batches)) >= 3
    share_of_a = [np.mean([PLACES[i // 64] == "a" for i in part]) for part in np.array_split(order, 7)]
    assert share_of_a == pytest.approx([0.43] * 7, abs=0.1)


def test_views_of_a_place_are_spread_over_the_epoch():
    for seed in range(20):
        order = spread(PLACES, seed=seed)
        assert sorted(order) == list(range(100))
        of_b = [at for at, tile in enumerate(order) if PLACES[tile] == "b"]
        assert max(np.diff(of_b)) <= 10  # 20 of 100: every fifth, but for a few steps


@pytest.mark.parametrize(("groups", "together"), [((), 16), (("a",), 0)])
def test_there_is_no_order_of_nothing(groups, together):
    with pytest.raises(ValueError, match="together must be at least 1 and there must be tiles"):
        shuffled(groups, 64, seed=0, together=together)


# ---- each tile once ----


def test_each_tile_is_decoded_once_an_epoch_and_memory_is_bounded(tmp_path, decoded):
    write_many(tmp_path, {"JAX_004": 4, "OMA_132": 4, "OMA_133": 4}, **LAYOUTS["lzw"])
    room = 4 * SIZE * SIZE * 8  # four tiles of RGB, CLS and AGL
    windows = grss.Windows(
        grss.find_tiles(tmp_path), ("RGB", "CLS", "AGL"), size=8, tile_size=SIZE, together=4, memory=room
    )
    seen = []
    for batch in windows.batches(32, seed=0):
        seen.extend(batch["index"])
        assert windows.cache.held <= room
    assert sorted(seen) == list(range(12 * 64))
    assert len(decoded) == 36 and set(decoded.values()) == {1}


def test_uncompressed_tiles_are_not_decoded_and_take_no_memory(tmp_path, decoded):
    write_many(tmp_path, VIEWS)
    windows = grss.Windows(grss.find_tiles(tmp_path), ("RGB", "CLS", "AGL"), size=8, tile_size=SIZE)
    for _ in windows.batches(32, seed=0):
        assert windows.cache.held == 0
    assert not decoded and windows.cache.opened == 6 * 3


def test_maps_are_bounded_because_each_holds_a_file_open(tmp_path):
    written = write_many(tmp_path, {"JAX_004": 9}, ("RGB",))
    cache, form = grss.TileCache(maps=4), grss.Format((SIZE, SIZE, 3), np.dtype(np.uint8))
    for name in written:
        cache.get(tmp_path / f"{name}_RGB.tif", form)
    assert len(cache._entries) == 4 and cache.opened == 9


def test_the_tile_that_was_not_asked_for_longest_goes_first(tmp_path, decoded):
    write_many(tmp_path, {"JAX_004": 3}, ("RGB",), **LAYOUTS["lzw"])
    one, two, three = (tmp_path / f"JAX_004_00{view}_RGB.tif" for view in (1, 2, 3))
    form = grss.Format((SIZE, SIZE, 3), np.dtype(np.uint8))
    cache = grss.TileCache(memory=2 * form.bytes)
    for path in (one, two, one, three, one, two):
        cache.get(path, form)
    assert decoded == {one: 1, two: 2, three: 1}


def test_a_tile_larger_than_the_memory_is_still_read(tmp_path, decoded):
    written = write_many(tmp_path, {"JAX_004": 2}, ("RGB",), **LAYOUTS["lzw"])
    form, cache = grss.Format((SIZE, SIZE, 3), np.dtype(np.uint8)), grss.TileCache(memory=1)
    for name, tile in written.items():
        np.testing.assert_array_equal(cache.get(tmp_path / f"{name}_RGB.tif", form), tile["RGB"])
        assert cache.held == form.bytes


def test_threads_that_want_one_tile_wait_for_one_decoding(tmp_path, decoded):
    written = write_many(tmp_path, {"JAX_004": 2}, **LAYOUTS["lzw"])
    windows = grss.Windows(grss.find_tiles(tmp_path), size=8, tile_size=SIZE, native=True)
    start = threading.Barrier(8)
    order = windows.order(seed=0)

    def work(_):
        start.wait()
        return windows.read(order)["RGB"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert set(decoded.values()) == {1} and len(decoded) == 2
    for index, got in zip(order, results[0], strict=True):
        tile, k = windows.locate(index)
        np.testing.assert_array_equal(got, written[tile.name]["RGB"][Grid(SIZE, 8).box(k)])
    assert all((result == results[0]).all() for result in results)


def test_batches_go_on_where_they_were_left(tmp_path):
    write_many(tmp_path, VIEWS)
    windows = grss.Windows(grss.find_tiles(tmp_path), size=32, tile_size=SIZE)
    whole = list(windows.batches(5, seed=3, epoch=1))
    rest = list(windows.batches(5, seed=3, epoch=1, start=2))
    assert [len(batch["index"]) for batch in whole] == [5, 5, 5, 5, 4] and len(rest) == 3
    for left, right in zip(whole[2:], rest, strict=True):
        assert all((left[name] == right[name]).all() for name in left)


def test_tiles_that_would_be_decoded_again_and_again_are_refused(tmp_path):
    write_many(tmp_path, VIEWS)
    with pytest.raises(ValueError, match=r"4 tiles together take 0 MB.*Lower together or raise memory"):
        grss.Windows(grss.find_tiles(tmp_path), tile_size=SIZE, size=8, together=4, memory=1000)
