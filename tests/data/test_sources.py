"""Arrays and folders of pictures become sources, are split by chance, and are refused where they are wrong."""

import numpy as np
import pytest
from PIL import Image

from helpers.data import DataError
from helpers.data.sources import ArraySource, FolderSource, Subset, split
from helpers.data.streaming import Loader

X = np.arange(48, dtype=np.uint8).reshape(12, 2, 2)


@pytest.fixture
def pictures(tmp_path):
    """Return a function that writes pictures of one brightness each, by their paths."""

    def write(**brightness):
        for name, value in brightness.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((5, 7, 3), value, np.uint8)).save(path.with_suffix(".png"))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("x", "y", "dtype", "classes"),
    [
        (X, None, None, None),
        (X / 7, np.arange(12) % 4, "int32", 4),
        (X.astype(np.int64), (X > 20).astype(bool), "int32", 2),
        (X.astype(np.float16), X[:, 0] / 3, "float32", None),
    ],
)
def test_arrays_come_as_they_are_and_bytes_from_0_to_1(x, y, dtype, classes):
    source = ArraySource(x, y)
    (batch,) = Loader(source, batch_size=12)
    np.testing.assert_allclose(batch[0], x / 255 if x.dtype == np.uint8 else x, rtol=1e-3)
    assert batch[0].dtype == np.float32 and source.num_classes == classes and len(batch) == (1 if y is None else 2)
    if y is not None:
        np.testing.assert_allclose(batch[1], y, rtol=1e-6)
        assert batch[1].dtype == dtype


def test_the_version_tells_of_any_change():
    other = X.copy()
    other[3, 1, 1] += 1
    assert ArraySource(X).version == ArraySource(X.copy()).version != ArraySource(other).version
    assert ArraySource(X, np.arange(12)).version != ArraySource(X, np.arange(12)[::-1]).version


def test_arrays_are_loaded_from_a_file(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x=X, classes=np.arange(12) % 2)
    assert ArraySource.load(path, y=None).num_classes is None
    assert ArraySource.load(path, y="classes", num_classes=3).num_classes == 3
    with pytest.raises(DataError, match=r"has no array 'y'. It has: x, classes"):
        ArraySource.load(path)
    whole = path.read_bytes()
    spoiled = whole.replace(X.tobytes(), bytes(X.size))
    for content in (b"PK", b"", b"<html>", whole[:-30], whole[: len(whole) // 2], spoiled):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"mine.npz: cannot be read"):
            ArraySource.load(path, y=None)
    np.save(tmp_path / "mine.npy", X)
    np.savez(path, x=np.array([None, "a"], object))
    for wrong in (path, tmp_path / "mine.npy", tmp_path, tmp_path / "gone.npz"):
        with pytest.raises(DataError, match=r"cannot be read"):
            ArraySource.load(wrong, y=None)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (X, np.arange(3), r"x has 12 samples and y has 3 labels"),
        (X, np.arange(12) - 1, r"whole numbers from 0 upwards; y has -1"),
        (X[:0], None, r"x has no samples: its shape is \(0, 2, 2\)"),
        (np.array(["a"]), None, r"x must be an array of numbers"),
        (np.array(3), None, r"x must be an array of numbers"),
        (X, np.array(list("abcdefghijkl")), r"y must be an array of numbers"),
        (np.where(X == 20, np.nan, X), None, r"x has a number in sample 5 that is not finite"),
        (X, np.where(np.arange(12) == 7, np.inf, 1.0), r"y has a number in sample 7 that is not finite"),
        (np.where(X == 20, 1e300, X), None, r"x has a number in sample 5 that is not finite .* as float32"),
        (X, np.where(np.arange(12) == 7, -1e40, 1.0), r"y has a number in sample 7 that is not finite"),
        (X, np.where(np.arange(12) == 7, 2**40, 0), r"y has 1099511627776"),
        (X, np.uint64(2**63) * (np.arange(12) == 7), r"y has 9223372036854775808"),
    ],
)
def test_arrays_that_are_wrong_are_refused(x, y, told):
    with pytest.raises(DataError, match=told):
        ArraySource(x, y)


def test_folders_of_pictures_are_classes(pictures):
    folder = pictures(cat__a=255, cat__b=255, dog__deep__c=0, ant__d=51)
    source = FolderSource(folder, image_size=(4, 3))
    assert source.classes == ["ant", "cat", "dog"] and source.num_classes == 3
    (batch,) = Loader(source, batch_size=4)
    assert batch[0].shape == (4, 4, 3, 3) and batch[1].tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(batch[0].mean(axis=(1, 2, 3)), [0.2, 1, 1, 0], atol=1e-6)
    before = source.version
    pictures(dog__e=9)
    assert FolderSource(folder).version != before


def test_pictures_alone_have_no_labels(pictures):
    ((images,),) = Loader(FolderSource(pictures(a=255, b=0), image_size=(2, 2), grey=True), batch_size=2)
    assert images.shape == (2, 2, 2, 1) and images.mean() == 0.5


def test_folders_that_are_wrong_are_refused(pictures, tmp_path):
    with pytest.raises(DataError, match=r"there is no folder"):
        FolderSource(tmp_path / "gone")
    with pytest.raises(DataError, match=r"has no pictures: no file ends in"):
        FolderSource(tmp_path)
    folder = pictures(cat__a=1)
    (folder / "dog").mkdir()
    with pytest.raises(DataError, match=r"dog has no pictures"):
        FolderSource(folder)
    (folder / "dog/b.png").write_bytes((folder / "cat/a.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"b.png: is no picture that can be read"):
        list(Loader(FolderSource(folder)))


def test_a_folder_that_is_split_already_is_not_taken_for_classes(pictures):
    folder = pictures(train__cat__a=1, val__cat__b=1, test__cat__c=1)
    with pytest.raises(DataError, match=r"is split already: it has test, train, val"):
        FolderSource(folder)
    assert FolderSource(folder / "train").classes == ["cat"]


def test_a_split_takes_each_sample_once_and_the_same_for_a_seed():
    source = ArraySource(np.arange(40), np.arange(40) % 3)
    sides = split(source, seed=3, validation=0.2, test=0.1)
    assert {name: len(side) for name, side in sides.items()} == {"train": 28, "validation": 8, "test": 4}
    every = np.concatenate([side.indices for side in sides.values()])
    assert sorted(every) == list(range(40))
    assert sides["test"].num_classes == 3 and sides["test"].name(0) == f"sample {sides['test'].indices[0]}"
    again, other = split(source, seed=3, validation=0.2, test=0.1), split(source, seed=4)
    assert again["test"].indices.tolist() == sides["test"].indices.tolist() != other["test"].indices.tolist()


@pytest.mark.parametrize(("count", "side"), [(2, "test"), (30, "validation"), (30, "train")])
def test_a_side_without_samples_is_told(count, side):
    shares = {"validation": {"validation": 0.0}, "train": {"test": 1.0}}.get(side, {})
    with pytest.raises(DataError, match=rf"no sample is left for .*there are {count}"):
        split(Subset(ArraySource(np.zeros(count)), range(count)), **shares)


@pytest.mark.parametrize(
    ("ending", "dtype"), [("png", np.uint16), ("tif", np.uint16), ("tif", np.int32), ("tif", np.float32)]
)
def test_pictures_of_more_than_8_bits_are_told_and_not_cut_off(tmp_path, ending, dtype):
    Image.fromarray(np.full((4, 4), 1000, dtype)).save(tmp_path / f"a.{ending}")
    with pytest.raises(DataError, match=r"a\.(png|tif): has pixels of mode .*, not of 8 bits"):
        FolderSource(tmp_path, grey=True)[0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_pictures_of_8_bits_and_less_are_read(tmp_path, mode):
    Image.new("L", (4, 4), 255).convert(mode).save(tmp_path / "a.png")
    (images,) = FolderSource(tmp_path, image_size=(2, 2))[0]
    np.testing.assert_array_equal(images, 1)


def test_a_picture_of_a_billion_pixels_is_told(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"a\.png: is no picture that can be read: Image size"):
        FolderSource(tmp_path)[0]
