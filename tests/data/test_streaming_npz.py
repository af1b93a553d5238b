"""One array of an npz: as NumPy reads it, and with a message that names the file when it cannot be read."""

import gc
import io
import os
import pickle
import struct
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from helpers.data import DataError, fetch
from helpers.data.streaming import FileError, npz, read_array

RANDOM = np.random.default_rng(0)


@pytest.fixture
def patch(tmp_path):
    path = tmp_path / "patch-0.npz"
    np.savez_compressed(path, np.round(RANDOM.random((1, 3, 16, 16)) * 9).astype(np.float32))
    return path


def expected(path, key="arr_0"):
    with np.load(path) as archive:
        return archive[key]


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "i2", "u2", "i8", ">f4", ">i2", "?"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, 5, 7), (4,), ()])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_numeric_dtype_and_shape_is_read_as_numpy_reads_it(tmp_path, dtype, shape, save):
    save(tmp_path / "a.npz", (RANDOM.random(shape) * 100).astype(dtype))
    got = read_array(str(tmp_path / "a.npz"))
    wanted = expected(tmp_path / "a.npz")
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)


def test_fortran_order_and_other_keys(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), image=np.asfortranarray(RANDOM.random((4, 5, 6))), z=np.ones(2))
    np.testing.assert_array_equal(read_array(str(tmp_path / "a.npz"), "image"), expected(tmp_path / "a.npz", "image"))


@pytest.fixture
def busy_threads():
    """Let threads take turns at every step, and the collector run as often as it can."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1, 1, 1)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)


class Garbage:
    """Lets another thread go on when it is collected."""

    def __init__(self):
        self.itself = self

    def __del__(self):
        time.sleep(0)


@pytest.mark.parametrize(
    "header",
    ["{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", '{"shape": %s, "fortran_order": True, "descr": ">i2"}'],
)
def test_many_threads_read_headers_at_once(busy_threads, header):
    """In Python 3.11 parsers that interrupt each other raise SystemError (CPython's issue 106905)."""

    def read(thread):
        for length in range(500):
            Garbage()
            assert npz._described((header % ((thread, length),)).encode())[2] == (thread, length)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))


def test_the_data_are_aligned_and_the_memory_is_used_again(patch):
    first = read_array(str(patch))
    address = first.ctypes.data
    assert address % 64 == 0 and read_array(str(patch)).ctypes.data == address


@pytest.mark.parametrize("missing", [0, 1])
def test_a_file_is_read_into_the_room_that_is_given_where_it_fits(patch, tmp_path, missing):
    whole = patch.read_bytes()
    for read in (read_array, npz.Copies(tmp_path / "copies").read_array):
        room = bytearray(len(whole) - missing)
        np.testing.assert_array_equal(read(str(patch), room=memoryview(room)), expected(patch))
        assert (room == whole) if not missing else not any(room)
    copy = npz.Copies(tmp_path / "copies").place(str(patch))
    assert copy.read_bytes() == whole


def test_a_comment_at_the_end_and_zip64_are_understood(tmp_path, patch, monkeypatch):
    with zipfile.ZipFile(patch, "a") as archive:
        archive.comment = b"PK\x05 made by hand" * 50
    np.testing.assert_array_equal(read_array(str(patch)), expected(patch))
    content = io.BytesIO()
    np.save(content, np.arange(6.0).reshape(1, 2, 3))
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)  # sizes and offsets go to the zip64 fields
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    with zipfile.ZipFile(tmp_path / "far.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.npy", content.getvalue() * 3)
        archive.writestr("arr_0.npy", content.getvalue())
    assert b"PK\x06\x06" in (tmp_path / "far.npz").read_bytes()
    np.testing.assert_array_equal(read_array(str(tmp_path / "far.npz")), np.arange(6.0).reshape(1, 2, 3))


def test_real_patches_are_read_bit_by_bit():
    folder = fetch.find("chesapeake")
    if not folder:
        pytest.skip("no real patches here")
    for path in sorted(folder.rglob("*.npz"))[:3]:
        np.testing.assert_array_equal(read_array(str(path)), expected(path))


# ---- broken files ----


def broken(change):
    """Name a fault; `change` gets the bytes of a good file and gives those of the bad one."""
    return pytest.param(change, id=change.__name__)


def empty(good):
    return b""


def half(good):
    return good[: len(good) // 2]


def last_byte_gone(good):
    return good[:-1]


def text(good):
    return b"this is no patch\n" * 40


def html_error_page(good):
    return b"<html>404</html>"


def one_bit_flipped_in_the_data(good):
    return good[:200] + bytes([good[200] ^ 1]) + good[201:]


def other_checksum(good):
    place = good.rfind(b"PK\x01\x02") + 16
    return good[:place] + b"\0\0\0\0" + good[place + 4 :]


def huge_size(good):
    place = good.rfind(b"PK\x01\x02") + 24
    return good[:place] + struct.pack("<I", 0xFFFFFFF0) + good[place + 4 :]


def encrypted(good):
    place = good.rfind(b"PK\x01\x02") + 8
    return good[:place] + b"\1\0" + good[place + 2 :]


def directory_elsewhere(good):
    place = good.rfind(b"PK\x05\x06") + 16
    return good[:place] + struct.pack("<I", 0x7FFFFFF0) + good[place + 4 :]


FAULTS = [empty, half, last_byte_gone, text, html_error_page, one_bit_flipped_in_the_data, other_checksum, huge_size]


@pytest.mark.parametrize("change", [*map(broken, FAULTS), broken(encrypted), broken(directory_elsewhere)])
def test_a_broken_file_is_named(patch, change):
    patch.write_bytes(change(patch.read_bytes()))
    with pytest.raises(FileError, match=r"patch-0\.npz: \w+"):
        read_array(str(patch))


def test_a_damaged_size_does_not_take_memory(patch, monkeypatch):
    monkeypatch.setattr(npz, "aligned", lambda nbytes: pytest.fail(f"took {nbytes:,} bytes"))
    patch.write_bytes(huge_size(patch.read_bytes()))
    with pytest.raises(FileError, match="does not fit its length"):
        read_array(str(patch))


def test_a_file_cut_or_changed_anywhere_is_never_read_as_something_else(patch):
    good, wanted = patch.read_bytes(), expected(patch)
    for place in RANDOM.integers(0, len(good), 150):
        for bad in (good[:place], good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :]):
            patch.write_bytes(bad)
            try:
                np.testing.assert_array_equal(read_array(str(patch)), wanted)  # a byte that does not matter
            except FileError as error:
                assert str(error).startswith(str(patch))


def test_what_is_wrong_is_said(tmp_path):
    np.savez_compressed(tmp_path / "key.npz", image=np.ones(3))
    np.savez_compressed(tmp_path / "words.npz", np.array(["a", "b"]))
    np.savez_compressed(tmp_path / "objects.npz", np.array([{}, None], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "packed.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("arr_0.npy", b"x" * 100)
    (tmp_path / "folder.npz").mkdir()
    for name, message in {
        "key": 'holds image, not "arr_0"',
        "words": "which are not numbers",
        "objects": "which are not numbers",
        "packed": "packed by method 12",
        "gone": "cannot be read: No such file",
        "folder": "cannot be read: Is a directory",
    }.items():
        with pytest.raises(FileError, match=message):
            read_array(str(tmp_path / f"{name}.npz"))


def test_a_file_without_permission_is_named(patch, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(npz.os, "open", refuse)  # the tests may run as root, whom nothing is forbidden
    with pytest.raises(FileError, match=r"patch-0\.npz: cannot be read: Permission denied"):
        read_array(str(patch))


def test_a_file_that_shrinks_while_it_is_read_is_named(patch, monkeypatch):
    size = patch.stat().st_size
    real = os.fstat
    monkeypatch.setattr(npz.os, "fstat", lambda d: os.stat_result((*real(d)[:6], size + 10, *real(d)[7:])))
    with pytest.raises(FileError, match="ended after"):
        read_array(str(patch))


def test_the_error_travels_between_processes():
    error = pickle.loads(pickle.dumps(FileError("a.npz", "is cut.")))
    assert isinstance(error, DataError) and str(error) == "a.npz: is cut." and error.path == "a.npz"
