"""Packed patches are the same patches: bit for bit, in the same order, for every face."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from chesapeake_patches import batch, make_patch, names, paths, write

from helpers.data import chesapeake, fetch, packing
from helpers.data.chesapeake import packed
from helpers.data.chesapeake.files import SHARD
from helpers.data.streaming import FileError, Loader, shards
from helpers.models.compact import CompactToFloat


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
    assert summary.packed_bytes < 8 * packing.packer.LARGEST


@pytest.mark.parametrize("epoch", range(6))
@pytest.mark.parametrize(
    "bands", [chesapeake.COURSE_BANDS, ["landsat_leaf_off_1", "naip_old", "landsat_leaf_on"]], ids=len
)
def test_cells_are_enlarged_and_turned_by_the_layer(original, copy, bands, epoch):
    options = {"bands": bands, "image_size": 70, "augment": True, "epoch": epoch}
    images, labels = batch(paths(original), **options)
    compact, small_labels = batch(paths(copy), compact=True, **options)
    assert set(compact) == {"bytes", "cells", "rows", "columns"}
    layer = CompactToFloat(**chesapeake.compact_config(bands))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(compact)), images)
    np.testing.assert_array_equal(small_labels, labels)


def test_cells_go_through_a_saved_model(original, copy, tmp_path):
    compact, _ = batch(paths(copy), compact=True, image_size=64)
    assert sum(array.nbytes for array in compact.values()) < 0.12 * batch(paths(original), image_size=64)[0].nbytes
    layer = CompactToFloat()
    inputs = layer.inputs(64, packed=True)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 64, 64, 26)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(compact, verbose=0), batch(paths(original), image_size=64)[0])


def test_what_is_left_of_a_grid_is_zero(copy):
    """Memory is used again, so cells beyond the grid would show another batch."""
    compact, _ = batch(paths(copy), compact=True)
    height, width = compact["rows"].max() + 1, compact["columns"].max() + 1
    assert not compact["cells"][:, height:].any() and not compact["cells"][:, :, width:].any()


@pytest.mark.parametrize("split", ["tile", "digit"])
def test_splits_are_those_of_the_original(original, copy, split):
    sides = [chesapeake.split_files(folder, split=split, fold=1) for folder in (original, copy)]
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
    assert (summary.patches, summary.originals) == (2, name != "good")
    before, after = (outcome(paths(tmp_path / folder)) for folder in ("in", "out"))
    assert before == after and before[0] == ("error" if name in ("label 200", "NaN") else "batch")
    forms = {"bytes", "cells", "rows", "columns"} if name == "good" else {"bytes", "halves"}
    if name in ("good", "no blocks", "minus zero"):
        assert set(batch(paths(tmp_path / "out"), compact=True)[0]) == forms


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


def test_a_grid_is_found_and_turned():
    halves = np.random.default_rng(0).integers(0, 9, (18, 5, 7), dtype=np.int16)
    sizes = [np.array([50, 60, 40, 70, 36]), np.array([30, 40, 36, 50, 36, 34, 30])]
    enlarged = halves.repeat(sizes[0], axis=1).repeat(sizes[1], axis=2)
    grid = packed._find_grid(enlarged)
    assert grid.cells.shape == (5, 7, 18)
    for quarters in range(-4, 4):
        for mirrored in (0, 1):
            turned = grid.turned(quarters, mirrored)
            image = turned.cells[turned.rows][:, turned.columns]
            wanted = np.rot90(enlarged.transpose(1, 2, 0), quarters)
            np.testing.assert_array_equal(image, wanted[:, ::-1] if mirrored else wanted)


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
    assert open_files(tmp_path) == 12
    shards._descriptor.cache_clear()
    assert open_files(tmp_path) == 0
