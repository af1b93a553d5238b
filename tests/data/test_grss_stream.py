"""Windows are a source of the streaming engine: its batches are theirs, and a broken tile stops it or is left out."""

from collections import Counter

import numpy as np
import pytest
import tifffile
from grss_tiles import LAYOUTS, SIZE, write_many

from helpers.data import DataError, grss
from helpers.data.grss.windows import Grid
from helpers.data.streaming import BrokenSampleWarning, Loader

KINDS = ("RGB", "CLS", "AGL")


def pair(arrays):
    return arrays["RGB"], arrays["CLS"]


@pytest.fixture(params=["plain", "lzw"])
def windows(tmp_path, request):
    write_many(tmp_path, {"JAX_004": 3, "JAX_010": 1, "OMA_132": 2}, **LAYOUTS[request.param])
    return grss.Windows(grss.find_tiles(tmp_path, KINDS), KINDS, size=16, tile_size=SIZE)


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_the_engine_are_windows(windows, shuffle):
    loader = Loader(windows, batch_size=10, shuffle=shuffle, seed=3, threads=4)
    for step, batch in enumerate(loader):
        wanted = windows.read(loader.order.batch(0, step))
        assert batch.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_array_equal(batch[name], array)
    assert step + 1 == len(loader) == 10


def test_a_model_gets_what_finish_makes(windows):
    windows.finish = pair
    images, labels = next(iter(Loader(windows, batch_size=4)))
    assert images.shape == (4, 16, 16, 3) and labels.shape == (4, 16, 16)


def test_a_window_is_named_by_its_file(windows):
    assert windows.name(17).endswith("JAX_004_002_RGB.tif, window 2")


def test_a_broken_tile_stops_the_engine_or_is_left_out(windows):
    path = windows.tiles[1].files["CLS"]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"JAX_004_002_CLS\.tif"):
        list(Loader(windows, batch_size=32))
    loader = Loader(windows, batch_size=32, on_error="skip")
    with pytest.warns(BrokenSampleWarning, match=r"JAX_004_002_CLS\.tif"):
        assert sum(len(batch["RGB"]) for batch in loader) == 5 * 16
    assert len(loader.skipped) == 16


def test_a_tensorflow_data_set_has_static_shapes(windows):
    from helpers.data.streaming import as_dataset

    windows.finish = pair
    dataset = as_dataset(Loader(windows, batch_size=8, drop_remainder=True))
    images, labels = dataset.element_spec
    assert (images.shape, images.dtype.name) == ((8, 16, 16, 3), "float32")
    assert (labels.shape, labels.dtype.name) == ((8, 16, 16), "uint8")
    assert sum(len(batch[0]) for batch in dataset) == 96


@pytest.mark.slow
def test_the_loader_keeps_the_order_that_decodes_each_tile_once(tmp_path, monkeypatch):
    write_many(tmp_path, {f"JAX_{place:03d}": 2 for place in range(8)}, **LAYOUTS["lzw"])
    decoded, decode = Counter(), grss.tiles._decode
    monkeypatch.setattr(grss.tiles, "_decode", lambda path, series: decoded.update([path]) or decode(path, series))
    room = 2 * 4 * SIZE * SIZE * 8  # four tiles, and the next four that are read ahead
    tiles = grss.find_tiles(tmp_path, KINDS)
    windows = grss.Windows(tiles, KINDS, size=8, tile_size=SIZE, together=4, memory=room)
    loader = windows.loader(32, seed=5, threads=4)
    for epoch in range(2):
        for step, batch in enumerate(loader):
            indices = windows.order(seed=5, epoch=epoch)[32 * step : 32 * step + 32]
            np.testing.assert_array_equal(batch["AGL"], windows_of(tiles, indices))
            assert windows.cache.held <= room
    assert len(decoded) == 16 * 3 and max(decoded.values()) <= 2  # epochs


def windows_of(tiles, indices):
    cut = []
    for index in indices:
        heights = tifffile.imread(tiles[index // 64].files["AGL"])[Grid(SIZE, 8).box(index % 64 + 1)]
        cut.append(np.nan_to_num(heights))
    return cut


def test_workers_share_the_batches_of_one(windows):
    whole = list(windows.loader(10, seed=2))
    parts = [list(windows.loader(10, seed=2, worker=worker, workers=2)) for worker in range(2)]
    for step, batch in enumerate(whole):
        np.testing.assert_array_equal(batch["RGB"], np.concatenate([part[step]["RGB"] for part in parts]))


def test_a_run_resumes_in_the_middle_of_an_epoch(windows):
    with windows.loader(10, seed=2).stream() as stream:
        for _ in range(13):
            next(stream)
        state = stream.state_dict()
        wanted = next(stream)
    got = next(windows.loader(10, seed=2).resume(state))
    np.testing.assert_array_equal(got["RGB"], wanted["RGB"])


def test_a_position_among_tiles_that_were_mixed_otherwise_is_refused(windows):
    state = windows.loader(10, seed=2).stream().state_dict()
    other = grss.Windows(windows.tiles, windows.kinds, size=16, tile_size=SIZE, together=1)
    with pytest.raises(ValueError, match="first_epoch was"):
        other.loader(10, seed=2).resume(state)
