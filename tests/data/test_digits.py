"""MNIST is found in the order promised, is whole or refused, and its stand-in says that it is one."""

import gzip
import shutil
import struct

import numpy as np
import pooch
import pytest

from helpers.data import DataError, digits, fetch


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A machine without MNIST: an empty data folder, an empty Keras cache, no downloads."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def small_mnist(monkeypatch):
    """Let seven made-up images count as MNIST, so that every path to it can be tested anywhere."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_train": np.arange(5, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "y_test": np.array([7, 8], np.uint8),
    }
    card = fetch.registry()["mnist"]
    sums = {key: digits.hashlib.sha256(array.tobytes()).hexdigest() for key, array in arrays.items()}
    monkeypatch.setitem(fetch.registry(), "mnist", type(card)(**{**vars(card), "arrays": sums}))
    return arrays


def write_idx(folder, arrays, *, packed=True):
    """Write arrays as LeCun's idx files: two zero bytes, type 8 (uint8), number of axes, lengths, bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, name in digits.IDX_FILES.items():
        array = arrays[key]
        raw = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw)) if packed else (folder / name).write_bytes(raw)


def assert_is(loaded, arrays):
    assert not loaded.is_stand_in
    images = np.concatenate([loaded.train.images, loaded.validation.images])[..., 0]
    np.testing.assert_array_equal(images, arrays["x_train"].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(loaded.test.labels, arrays["y_test"])


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_in_the_data_folder_are_read(empty, small_mnist, packed):
    write_idx(empty / "data" / "mnist", small_mnist, packed=packed)
    assert_is(digits.load(validation=2), small_mnist)


@pytest.mark.parametrize(
    "layout", ["mnist/{name}", "mnist/{dotted}/{name}", "mnist/MNIST/raw/{name}", "MNIST/raw/{name}"]
)
@pytest.mark.parametrize("name", ["{name}", "{dotted}"])
def test_idx_files_are_found_as_kaggle_and_torchvision_leave_them(empty, small_mnist, layout, name):
    write_idx(empty / "plain", small_mnist, packed=False)
    for plain in (empty / "plain").iterdir():
        names = {"name": plain.name, "dotted": plain.name.replace("-idx", ".idx")}
        path = empty / "data" / layout.format(**{**names, "name": name.format(**names)})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plain.read_bytes())
    assert_is(digits.load(validation=2), small_mnist)


@pytest.mark.parametrize(
    ("images", "labels"),
    [((-1, 784), (-1,)), ((-1, 28, 28, 1), (-1, 1)), ((-1, 1, 28, 28), (1, -1))],
)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_arrays_of_any_shape_are_mnist_if_their_bytes_are(empty, small_mnist, images, labels, dtype):
    kept = {key: array.view(dtype).reshape(images if key[0] == "x" else labels) for key, array in small_mnist.items()}
    (empty / "data/mnist").mkdir(parents=True)
    np.savez(empty / "data/mnist/mnist.npz", **kept)
    assert_is(digits.load(validation=2), small_mnist)


def test_the_data_folder_comes_before_the_keras_cache(empty, small_mnist):
    for folder in ("data/mnist", "keras/datasets"):
        (empty / folder).mkdir(parents=True)
        np.savez(empty / folder / "mnist.npz", **small_mnist)
    assert str(empty / "data") in digits.load(validation=1).source
    shutil.rmtree(empty / "data")
    assert str(empty / "keras") in digits.load(validation=1).source


def test_a_second_data_folder_is_searched(empty, small_mnist, monkeypatch):
    write_idx(empty / "shared" / "mnist", small_mnist)
    monkeypatch.setenv("COURSE_DATA", f"{empty / 'data'}{digits.os.pathsep}{empty / 'shared'}")
    assert_is(digits.load(validation=1), small_mnist)


def test_a_download_is_the_last_resort(empty, small_mnist, monkeypatch):
    def download(url, known_hash, fname, path, downloader):
        assert (url, known_hash) == (card.url, f"sha256:{card.sha256}")
        path.mkdir(parents=True)
        np.savez(path / fname, **small_mnist)
        return str(path / fname)

    card = fetch.registry()["mnist"]
    monkeypatch.delenv("COURSE_OFFLINE")
    monkeypatch.setattr(pooch, "retrieve", download)
    assert_is(digits.load(validation=1), small_mnist)
    assert (empty / "data" / "mnist" / "mnist.npz").exists()


def test_without_any_the_stand_in_says_so_and_why(empty, capsys):
    loaded = digits.load()
    told = capsys.readouterr().out
    assert loaded.is_stand_in
    assert "STAND-IN" in told and "COURSE_OFFLINE" in told and str(empty / "data" / "mnist") in told
    assert loaded.train.images.shape[1:] == (28, 28, 1) and loaded.train.images.dtype == np.float32
    assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == 1797
    assert all(set(split.labels) == set(range(10)) for split in (loaded.train, loaded.validation, loaded.test))
    assert loaded.train.images.min() >= 0 and loaded.train.images.max() <= 1


@pytest.mark.slow
def test_the_stand_in_is_the_same_from_disk_and_from_memory(empty, monkeypatch):
    from_disk = digits.load(announce=False)
    assert (empty / "data" / "stand_in" / "digits.npz").exists()
    monkeypatch.setattr(digits, "make_stand_in", lambda: (_ for _ in ()).throw(PermissionError("read-only")))
    from_memory = digits.load(announce=False)
    np.testing.assert_array_equal(from_disk.train.images, from_memory.train.images)


@pytest.mark.slow
def test_a_damaged_stand_in_is_not_used(empty):
    digits.make_stand_in().write_bytes(b"PK\x03\x04 half a file")
    assert len(digits.load(announce=False).test) == digits.TEST_SHARE_OF_STAND_IN


def test_no_half_written_stand_in_is_left(empty, monkeypatch):
    def disk_full(path, **arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", disk_full)
    assert digits.load(announce=False).is_stand_in
    assert not list((empty / "data" / "stand_in").iterdir())


@pytest.mark.parametrize("keep", [0, 3, 20, -2])
def test_a_truncated_idx_file_is_refused_by_name(empty, small_mnist, keep):
    folder = empty / "data" / "mnist"
    write_idx(folder, small_mnist)
    victim = folder / "t10k-images-idx3-ubyte.gz"
    victim.write_bytes(victim.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz .* cannot be read.*Remove it"):
        digits.load()


def test_a_truncated_npz_is_refused_by_name(empty, small_mnist):
    path = empty / "keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **small_mnist)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"mnist\.npz .* cannot be read"):
        digits.load()


def test_only_what_cannot_be_decoded_is_called_truncated(empty, small_mnist):
    path = empty / "data" / "mnist" / "mnist.npz"
    path.parent.mkdir(parents=True)
    with pytest.raises(DataError, match=r"mnist\.npz cannot be read: No such file or directory\. Remove it"):
        digits._read_npz(path)
    np.savez(path, **{key: array for key, array in small_mnist.items() if key != "y_train"})
    with pytest.raises(DataError, match=r"has no array 'y_train'\. It has: [^.]*\. Remove it"):
        digits.load()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"It is probably truncated\. Remove it"):
        digits.load()


def flipped(raw):
    place = 10 if raw[:2] == b"\x1f\x8b" else len(raw) // 4  # where deflate begins, or in the first array
    return raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :]


@pytest.mark.parametrize("spoil", [flipped, lambda raw: b"", lambda raw: b"<html>", lambda raw: raw[:-9]])
@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte.gz", "mnist.npz"])
def test_a_packed_file_that_cannot_be_unpacked_is_refused_by_name(empty, small_mnist, name, spoil):
    write_idx(empty / "data" / "mnist", small_mnist)
    path = empty / "data" / "mnist" / name
    if name == "mnist.npz":
        np.savez_compressed(path, **{key: array // 64 for key, array in small_mnist.items()})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{name} .* cannot be read.*Remove it"):
        digits.load()


@pytest.mark.parametrize("key", list(digits.IDX_FILES))
def test_one_changed_byte_is_refused(empty, small_mnist, key):
    changed = small_mnist[key].copy()
    changed.flat[-1] ^= 1
    write_idx(empty / "data" / "mnist", {**small_mnist, key: changed})
    with pytest.raises(DataError, match=f"is not MNIST: {key} is uint8 .*Remove it"):
        digits.load()


def test_half_a_data_set_is_refused(empty, small_mnist):
    half = {key: array[: len(array) // 2] for key, array in small_mnist.items()}
    write_idx(empty / "data" / "mnist", half)
    with pytest.raises(DataError, match="is not MNIST"):
        digits.load()


def test_a_missing_file_is_named_with_those_found(empty, small_mnist):
    write_idx(empty / "data" / "mnist", small_mnist)
    (empty / "data" / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"not train-labels-idx1-ubyte\.gz"):
        digits.load()


def test_the_validation_split_must_leave_images(empty):
    with pytest.raises(ValueError, match="between 1 and 1499"):
        digits.load(validation=1500)


@pytest.mark.slow
def test_the_real_files_are_mnist():
    """Known answers of the real data, where they are: LeCun's first labels, DATA.md's mean and deviation."""
    if not fetch.find("mnist"):
        pytest.skip("no MNIST in COURSE_DATA; put it there to test the real files")
    loaded = digits.load()
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (55_000, 5_000, 10_000)
    assert list(loaded.train.labels[:5]) == [5, 0, 4, 1, 9] and list(loaded.test.labels[:5]) == [7, 2, 1, 0, 4]
    pixels = np.concatenate([loaded.train.images, loaded.validation.images])
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.13066, abs=1e-5)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.30811, abs=1e-5)
