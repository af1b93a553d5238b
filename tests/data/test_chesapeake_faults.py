"""Each fault of the OU course's loader is looked for, through the interface that its students know."""

import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest
from chesapeake_patches import expected, make_patch, names, write

from helpers.data import chesapeake
from helpers.data.streaming import KerasBatches, as_dataset

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

TILES = range(3900000, 3900004)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """OU's layout with real contents: 4 tiles of 10 patches, 4 held out."""
    base, patch = tmp_path_factory.mktemp("small"), make_patch(3)
    everything = [name for tile in TILES for name in names(tile, range(10))]
    write(base / "pa" / "train" / "F0", everything, patch)
    write(base / "pa" / "valid" / "F0", names(3800000, range(4)), patch)
    return base


FAST = {"patches": {"bands": ["naip_new_rgb"], "image_size": 16}}


def test_the_interface_is_the_one_students_know(small):
    known = ["base_dir", "fold", "train_filt", "cache_dir", "repeat_train", "shuffle_train", "batch_size", "prefetch"]
    assert list(inspect.signature(chesapeake.create_datasets).parameters)[:9] == [*known, "num_parallel_calls"]
    result = chesapeake.create_datasets(small, None, "*[012345678]", None, False, 100, 4, -1, -1)
    assert len(result) == 4 and result[3] == 7
    images, labels = next(iter(result[0]))
    assert images.shape == (4, 256, 256, 26) and images.dtype == "float32" and labels.dtype == "int32"
    np.testing.assert_allclose(images[0], expected(make_patch(3))[0], rtol=2e-7)


def test_a_fold_tests_every_patch_once_and_none_is_the_publishers_split(tmp_path):
    for tile in range(3900001, 3900004):
        write(tmp_path / "train", names(tile, range(2)), make_patch(3))
    write(tmp_path / "valid", names(3800000, range(2)), make_patch(3))
    options = {"folds": 3, **FAST}
    tested = [count(chesapeake.create_datasets(tmp_path, fold, **options)[2]) for fold in range(3)]
    assert sorted(tested) == [2, 2, 4], "four tiles in three folds"
    assert count(chesapeake.create_datasets(tmp_path, **FAST)[2]) == 2
    with pytest.raises(ValueError, match='fold=1 needs split="folds"'):
        chesapeake.create_datasets(tmp_path, 1, split="digit")


def count(dataset):
    return sum(len(labels) for _, labels in dataset)


def test_fault_1_a_filter_string_was_read_letter_by_letter(small):
    """Then training and validation both were all files."""
    train, valid, test, _ = chesapeake.create_datasets(small, train_filt="*[012345678]", split="digit", **FAST)
    assert (count(train), count(valid), count(test)) == (36, 4, 4)


def test_fault_2_label_15_was_left_as_it_was(small):
    for dataset in chesapeake.create_datasets(small, **FAST | {"patches": {"bands": ["nlcd"]}})[:3]:
        for _, labels in dataset:
            assert np.asarray(labels).max() == 6 and (np.asarray(labels)[:, :4, :8] == chesapeake.IGNORE).all()


def test_fault_3_the_test_set_was_shuffled(small):
    loaders = chesapeake.create_loaders(small, **FAST)
    assert [loader.order.shuffle for loader in loaders] == [True, False, False]
    assert loaders[2].source.files == sorted(loaders[2].source.files)
    assert loaders[2].order.batch(3, 0).tolist() == [0, 1, 2, 3]


def test_fault_4_caches_were_written_among_the_shared_data(small, tmp_path):
    before = sorted(small.rglob("*"))
    for inside in (small, small / "cache", small / "pa" / ".." / "cache"):
        with pytest.raises(ValueError, match="lies inside the data"):
            chesapeake.create_datasets(small, cache_dir=inside)
    count(chesapeake.create_datasets(small, cache_dir=tmp_path / "cache", **FAST)[0])
    assert sorted(small.rglob("*")) == before


def test_fault_5_training_and_validation_shared_one_cache(small, tmp_path):
    """Here both may even use the same folder at the same time, and a second run gives the same batches from it."""
    for _ in range(2):
        train, valid, test, _ = chesapeake.create_datasets(small, cache_dir=tmp_path / "cache", split="digit", **FAST)
        assert [count(dataset) for dataset in (train, valid, test)] == [36, 4, 4]
    assert len([*(tmp_path / "cache").rglob("*.npz")]) == 44


def test_fault_6_static_shapes_were_lost(small):
    for dataset in chesapeake.create_datasets(small)[:3]:
        images, labels = dataset.element_spec
        assert images.shape.as_list() == [None, 256, 256, 26] and labels.shape.as_list() == [None, 256, 256]
    images, _ = chesapeake.create_datasets(small, batch_size=4, drop_remainder=True, **FAST)[0].element_spec
    assert images.shape.as_list() == [4, 16, 16, 3]


def test_training_repeats_as_told_and_nothing_else_does(small):
    def lengths(repeat):
        made = chesapeake.create_datasets(small, repeat_train=repeat, split="digit", batch_size=4, **FAST)
        return [int(dataset.cardinality()) for dataset in made[:3]]

    assert lengths(False) == [9, 1, 1] and lengths(3) == [27, 1, 1]
    assert lengths(True) == lengths(None) == lengths(-1) == [-1, 1, 1]


# ---- faces ----


@pytest.mark.parametrize("compact", [False, True])
def test_iterator_tf_data_and_pydataset_give_the_same_patches(small, compact):
    def loader():
        patches = {"bands": ["naip_new_rgb", "landsat_leaf_on_1"], "image_size": 48, "compact": compact}
        return chesapeake.create_loaders(small, augment=True, batch_size=8, seed=5, patches=patches)[0]

    whole = [flat(batch) for batch in loader().stream(epochs=2)]
    through_keras = KerasBatches(loader())
    seen = []
    for _ in range(2):
        through_keras.on_epoch_begin()
        seen += [flat(batch) for batch in through_keras]
        through_keras.on_epoch_end()
    for other in ([flat(batch) for batch in as_dataset(loader(), epochs=2)], seen):
        assert len(other) == len(whole) == 2 * len(loader())
        assert all(
            np.array_equal(a, b) for one, two in zip(whole, other, strict=True) for a, b in zip(one, two, strict=True)
        )


def flat(batch):
    images, labels = batch
    parts = [images[name] for name in sorted(images)] if isinstance(images, dict) else [images]
    return [np.asarray(part) for part in (*parts, labels)]


# ---- copies ----


def test_copies_serve_when_the_files_are_gone_and_damaged_ones_are_made_again(tmp_path):
    paths = write(tmp_path / "data", ["a-0.npz", "a-1.npz"], make_patch(1))
    source = chesapeake.Patches(paths, bands=["nlcd"], cache_dir=tmp_path / "cache")
    loader = chesapeake.Loader(source, batch_size=2)
    first = next(iter(loader))[0].copy()
    copies = sorted((tmp_path / "cache").rglob("*.npz"))
    copies[0].write_bytes(copies[0].read_bytes()[:1000])
    np.testing.assert_array_equal(next(iter(loader))[0], first)
    for path in paths:
        Path(path).unlink()
    np.testing.assert_array_equal(next(iter(loader))[0], first)


def test_a_disk_without_room_for_copies_stops_nothing(tmp_path, monkeypatch):
    paths = write(tmp_path, ["a-0.npz", "a-1.npz"], make_patch(1))
    loader = chesapeake.Loader(chesapeake.Patches(paths, bands=["nlcd"], cache_dir=tmp_path / "c"), threads=1)

    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sum(len(labels) for _ in range(2) for _, labels in loader) == 4
    assert len(caught) == 1 and "takes no more copies" in str(caught[0].message)
    assert not [path for path in (tmp_path / "c").rglob("*") if path.is_file()]
