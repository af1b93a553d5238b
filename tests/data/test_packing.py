"""Packed patches are the same patches: bit for bit, in the same order, for every face."""

import os
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from chesapeake_patches import batch, make_patch, names, paths, write

from helpers.data import chesapeake, fetch, packing
from helpers.data.base import SHARD
from helpers.data.chesapeake.patches import find_cells
from helpers.data.streaming import FileError, Loader, shards
from helpers.data.synthetic import make_patches
from helpers.models.compact import CompactToFloat

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute


@pytest.fixture(scope="module", params=[None, "zstd"])
def copy(request, original, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    packing.pack(original, folder, compression=request.param, per_shard=3, progress=False)
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = fetch.find("chesapeake")
    if not folder:
        pytest.skip("no real patches here")
    packed_folder = tmp_path_factory.mktemp("real")
    packing.pack(folder, packed_folder, progress=False)
    return folder, packed_folder


OPTIONS = [
    {},
    {"augment": True, "image_size": 100},
    {"bands": ["nlcd", "landsat_leaf_off_3", "naip_old_nir", "buildings", "naip_new_rgb"], "augment": True},
    {"target": "season", "bands": ["landsat_leaf_on", "naip_new"]},
    {"target": "clean", "noise": 0.1, "bands": ["naip_new_rgb"]},
    {"weights": [0, 1, 2, 3, 4, 5, 6], "bands": ["naip_old"], "image_size": 31},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_packed_patches_give_the_same_batches(original, copy, options):
    before, after = (batch(paths(folder), **options) for folder in (original, copy))
    for one, other in zip(before, after, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()


def test_real_patches_give_the_same_batches_packed(real):
    for options in OPTIONS[:4]:
        before, after = (batch(paths(folder), **options) for folder in real)
        assert all(one.tobytes() == other.tobytes() for one, other in zip(before, after, strict=True))
    summary = packing.pack(*real, progress=False)
    assert summary.originals == 0 and summary.done_before == 1
    assert summary.packed_bytes < 8 * chesapeake.DATA_SET.room(0)


@pytest.mark.long
def test_the_stand_in_is_packed_as_real_patches_are(tmp_path):
    make_patches(tmp_path / "in", 6, per_tile=2, progress=False)
    for compression, limit in ((None, 1.15), ("zstd", 0.75)):
        folder = tmp_path / f"out {compression}"
        summary = packing.pack(tmp_path / "in", folder, compression=compression, progress=False)
        assert (summary.counts.total(), summary.originals) == (6, 0)
        assert summary.packed_bytes < limit * summary.source_bytes
        before, after = (batch(paths(place), augment=True) for place in (tmp_path / "in", folder))
        assert all(one.tobytes() == other.tobytes() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("epoch", range(6))
@pytest.mark.parametrize(
    "bands", [chesapeake.COURSE_BANDS, ["landsat_leaf_off_1", "naip_old", "landsat_leaf_on"]], ids=len
)
def test_cells_are_enlarged_and_turned_by_the_layer(original, copy, bands, epoch):
    options = {"bands": bands, "image_size": 70, "augment": True, "epoch": epoch}
    images, labels = batch(paths(original), **options)
    compact, small_labels = batch(paths(copy), compact=True, **options)
    assert set(compact) == {"bytes", "cells", "index"}
    layer = CompactToFloat(**chesapeake.compact_config(bands))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(compact)), images)
    np.testing.assert_array_equal(small_labels, labels)


def test_cells_go_through_a_saved_model(original, copy, tmp_path):
    compact, _ = batch(paths(copy), compact=True, image_size=64)
    assert sum(array.nbytes for array in compact.values()) < 0.13 * batch(paths(original), image_size=64)[0].nbytes
    layer = CompactToFloat()
    inputs = layer.inputs(64, packed=True)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 64, 64, 26)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(compact, verbose=0), batch(paths(original), image_size=64)[0])


def test_room_for_more_cells_is_zero(tmp_path):
    """Memory is used again, so what is left of it would show another batch."""
    one_cell = make_patch(1)
    one_cell[:, 10:28] = 7
    write(tmp_path / "in", ["a-0.npz", "a-1.npz"], make_patch(1))
    write(tmp_path / "in", ["a-2.npz", "a-3.npz"], one_cell)
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    loader = Loader(chesapeake.Patches(paths(tmp_path / "out"), compact=True), batch_size=2, prefetch=0)
    for _ in range(2):
        cells = [compact["cells"].any(axis=2).sum(axis=1).tolist() for compact, _ in loader]
        assert cells == [[64, 64], [1, 1]]


@pytest.mark.parametrize(
    "options", [{}, {"split": "digit", "ou_folder": "F1"}, {"split": "folds", "folds": 4, "fold": 1}]
)
def test_splits_are_those_of_the_original(original, copy, options):
    sides = [chesapeake.split_files(folder, **options) for folder in (original, copy)]
    for side in ("train", "validation", "test"):
        before, after = ([Path(path).name for path in getattr(each, side)] for each in sides)
        assert before == after and before


def test_the_order_is_that_of_the_original(original, copy):
    before, after = (
        [patch.path.removeprefix(str(folder)) for patch in chesapeake.find_patches(folder)]
        for folder in (original, copy)
    )
    assert [SHARD.sub("/", path) for path in after] == before


# ---- patches of another kind ----


def odd_patches():
    """Name patches that cannot be taken apart, and what is odd about them."""
    patches = {name: make_patch(1) for name in ("good", "no blocks", "quarters", "minus zero", "label 200", "NaN")}
    patches["no blocks"][0, 12] = np.random.default_rng(0).integers(0, 999, (256, 256))
    patches["quarters"][0, 12, :64] += 0.25
    patches["minus zero"][0, 28][patches["minus zero"][0, 28] == 0] = -0.0
    patches["label 200"][0, 8, 5, 5] = 200
    patches["NaN"][0, 15, 5, 5] = np.nan
    return patches


@pytest.mark.parametrize("name", odd_patches())
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_patch_of_another_kind_is_kept_as_it_is(tmp_path, name, compression):
    write(tmp_path / "in", ["a-0.npz"], make_patch(0))
    write(tmp_path / "in", ["a-1.npz"], odd_patches()[name])
    summary = packing.pack(tmp_path / "in", tmp_path / "out", compression=compression, progress=False)
    assert (summary.counts.total(), summary.originals) == (2, name != "good")
    before, after = (outcome(paths(tmp_path / folder)) for folder in ("in", "out"))
    assert before == after and before[0] == ("error" if name in ("label 200", "NaN") else "batch")
    forms = {"bytes", "cells", "index"} if name == "good" else {"bytes", "halves"}
    if name in ("good", "no blocks", "minus zero"):
        assert set(batch(paths(tmp_path / "out"), compact=True)[0]) == forms


def test_one_patch_of_another_kind_decides_for_all_sides(tmp_path):
    """One model reads all three: were validation of another form than training, fit would stop after an epoch."""
    for number, tile in enumerate(["3907501", "3907502", "3907503", "3907504"]):
        patch = odd_patches()["no blocks"] if number == 2 else make_patch(number)
        write(tmp_path / "in", names(tile, [0, 1]), patch)
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    loaders = chesapeake.create_loaders(tmp_path / "out", batch_size=2, patches={"compact": True})
    assert [sorted(loader.source.arrays) for loader in loaders] == [["bytes", "halves", "labels"]] * 3
    whole = chesapeake.create_loaders(tmp_path / "out", batch_size=2)
    for loader, other in zip(loaders, whole, strict=True):
        assert all((one[1] == two[1]).all() for one, two in zip(loader, other, strict=True))


def outcome(files):
    """Return the bits of a batch, or the error without the place of the file."""
    try:
        return "batch", [part.tobytes() for part in batch(files)]
    except FileError as error:
        return "error", error.problem


@pytest.mark.parametrize("dtype", ["uint8", "float64", "int16"])
def test_other_dtypes_are_packed_as_well(tmp_path, dtype):
    patch = np.clip(np.floor(make_patch(2)), 0, 255).astype(dtype)
    write(tmp_path / "in", ["a-0.npz"], patch[0])
    assert packing.pack(tmp_path / "in", tmp_path / "out", progress=False).originals == 0
    before, after = (batch(paths(tmp_path / folder)) for folder in ("in", "out"))
    assert all(one.tobytes() == other.tobytes() for one, other in zip(before, after, strict=True))


# ---- the container ----


def test_cells_are_found_in_the_order_of_their_appearance():
    spectra = np.random.default_rng(0).integers(-32768, 32768, (12, 18), dtype=np.int16)
    numbers = np.array([[0, 0, 1, 2], [3, 3, 1, 4], [5, 6, 7, 8], [9, 10, 11, 0]])
    cells, found = find_cells(spectra[numbers].transpose(2, 0, 1))
    np.testing.assert_array_equal(cells, spectra)
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize("degrees", [0, 0.3, 2])
def test_a_grid_that_lies_askew_is_packed(tmp_path, degrees):
    rows, columns = np.mgrid[:256, :256]
    turn = np.deg2rad(degrees)
    number = (rows * np.cos(turn) + columns * np.sin(turn)) // 29.85 * 20 + (
        columns * np.cos(turn) - rows * np.sin(turn)
    ) // 23.3
    patch = make_patch(3)
    patch[0, 10:28] = 500 + number + np.arange(18)[:, None, None]
    write(tmp_path / "in", ["a-0.npz"], patch)
    assert packing.pack(tmp_path / "in", tmp_path / "out", progress=False).originals == 0
    for options in OPTIONS[:2]:
        before, after = (batch(paths(tmp_path / folder), **options) for folder in ("in", "out"))
        assert all(one.tobytes() == other.tobytes() for one, other in zip(before, after, strict=True))


def test_many_threads_read_one_shard(copy, original):
    loader = Loader(chesapeake.Patches(paths(copy) * 4), batch_size=8, threads=8, seed=1, shuffle=True)
    same = Loader(chesapeake.Patches(paths(original) * 4), batch_size=8, threads=1, seed=1, shuffle=True)
    for one, other in zip(loader, same, strict=True):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def open_files(folder):
    """Count the files in a folder that this process has open."""
    targets = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    return sum(target.startswith(str(folder)) for target in targets)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted through /proc")
def test_files_stay_open_while_they_are_used_and_no_longer(tmp_path, replaced_shards):
    write(tmp_path / "in", names("1", range(12)), make_patch(1))
    packing.pack(tmp_path / "in", tmp_path / "out", per_shard=1, progress=False)
    shards._descriptor.cache_clear()
    files = paths(tmp_path / "out")
    assert open_files(tmp_path) == 0
    batch(files)
    for thread in threading.enumerate():
        if thread.name == "course-streaming":  # reads ahead, until it notices that nobody wants more
            thread.join()
    assert open_files(tmp_path) == 12
    shards._descriptor.cache_clear()
    assert open_files(tmp_path) == 0
