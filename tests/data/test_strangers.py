"""What lies in folders that others have made: it is read, or passed over, or told; it never hides the rest."""

import builtins
import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from chesapeake_patches import names, write
from grss_tiles import SIZE, write_many
from PIL import Image

from helpers import cli
from helpers.data import DataError, chesapeake, digits, grss
from helpers.data.chesapeake.data_set import find_patches
from helpers.data.grss.tiles import Format, read_tile
from helpers.data.packing import pack
from helpers.data.sources import ArraySource, FolderSource
from helpers.data.streaming import FileError, Loader, npz, read_array
from helpers.data.streaming.shards import Record, Shard, ShardWriter

ODD = os.fsdecode(b"pa_1m_2013-m_39\xff7506-0.npz")  # a name that is not UTF-8, as old archives have them


@pytest.fixture
def folder(tmp_path, patches):
    """Return a folder with two patches."""
    write(tmp_path / "in/good", names("3907501", [0, 1]), patches[0])
    return tmp_path / "in"


def found(folder):
    return sorted(patch.name for patch in find_patches(folder))


@pytest.mark.parametrize("name", ["loop", "loop.npz", "loop.pack", "good/loop"])
def test_a_link_to_itself_is_passed_over_or_named(folder, name):
    (folder / name).symlink_to(Path(name).name)
    extra = [Path(name).name] if name.endswith(".npz") else []
    if name.endswith(".pack"):
        with pytest.raises(FileError, match=r"loop\.pack: cannot be read"):
            find_patches(folder)
        broken = []
        assert len(find_patches(folder, broken=broken)) == 2 and len(broken) == 1
    else:
        assert found(folder) == sorted(names("3907501", [0, 1]) + extra)


@pytest.mark.parametrize("name", ["a.pack", "b.npz", "c.tif.npz", "d.pack/e.pack"])
def test_a_folder_may_be_called_as_a_file(folder, patches, tmp_path, name):
    write(folder / name, names("3907502", [5]), patches[1])
    assert len(find_patches(folder)) == 3
    images, _ = next(iter(Loader(chesapeake.Patches(find_patches(folder)), batch_size=3)))
    assert images.shape == (3, 256, 256, 26)
    assert pack(folder, tmp_path / "packed", progress=False).counts.total() == 3
    assert pack(folder, tmp_path / "packed", progress=False).done_before > 0


def test_names_need_not_be_utf_8(folder, tmp_path):
    source = folder / "good" / names("3907501", [0])[0]
    (folder / "good" / ODD).write_bytes(source.read_bytes())
    loader = Loader(chesapeake.Patches(find_patches(folder), cache_dir=tmp_path / "cache"), batch_size=3)
    state = loader.stream().state_dict()
    assert pack(folder, tmp_path / "packed", progress=False).counts.total() == 3
    packed = find_patches(tmp_path / "packed")
    assert ODD in {patch.name for patch in packed}
    (mine,), (theirs,) = list(loader), list(Loader(chesapeake.Patches(packed), batch_size=3))
    np.testing.assert_array_equal(mine[0], theirs[0])
    assert state["samples"] == Loader(chesapeake.Patches(packed), batch_size=3).stream().state_dict()["samples"]


@pytest.mark.parametrize("kind", ["patches", "tiles"])
def test_a_locked_folder_does_not_hide_what_is_wrong_elsewhere(folder, monkeypatch, capsys, kind):
    if kind == "tiles":
        write_many(folder / "tiles", {"JAX_001": 1}, ("RGB",))
    (folder / "locked").mkdir()
    (folder / "good" / "bad.npz").write_bytes(b"not a zip")
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert cli.main(["data", "check", str(folder), "--tile-size", str(SIZE)]) == 1
    told = capsys.readouterr().out
    assert "cannot be listed: Permission denied" in told and "bad.npz" in told and "2 broken" in told


FEW = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from helpers.data.streaming.shards import Shard
shards = [Shard(f"{sys.argv[1]}/{number}.pack") for number in range(100)]
def read(number):
    out = np.empty(8, np.uint8)
    shards[number % 100].read(0, 0, out)
    return out[0] == number % 100
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(read, range(300))))
"""


@pytest.mark.parametrize("limit", [40, 64])
def test_many_shards_are_read_with_few_open_files(tmp_path, limit):
    for number in range(100):
        with ShardWriter(tmp_path / f"{number}.pack", sections=1) as writer:
            writer.add(Record("a", 8, 0, [np.full(8, number, np.uint8)]))
    command = [sys.executable, "-c", FEW, tmp_path, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "300\n", done.stderr


@pytest.fixture
def unsteady(monkeypatch):
    """Return a function that lets a call of the system fail so many times, with no pause before the next try."""

    def fail(name, number, times):
        real, left = getattr(os, name), [times]

        def call(*arguments, **options):
            if left[0]:
                left[0] -= 1
                raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    monkeypatch.setattr(npz, "PAUSES", (0, 0))
    return fail


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_what_may_pass_is_tried_again(tmp_path, files, unsteady, number):
    with ShardWriter(tmp_path / "a.pack", sections=1) as writer:
        writer.add(Record("a", 8, 0, [np.arange(8, dtype=np.uint8)]))
    shard, out = Shard(str(tmp_path / "a.pack")), np.empty(8, np.uint8)
    unsteady("preadv", number, 2)
    shard.read(0, 0, out)
    np.testing.assert_array_equal(out, np.arange(8))
    unsteady("open", number, 2)
    assert read_array(files[0]).shape == (1, 29, 256, 256)


READERS = ["tile", "picture", "digits", "arrays"]


def reader(kind, folder):
    """Write a file of a kind, and return what reads it."""
    folder.mkdir(exist_ok=True)
    if kind == "tile":
        tifffile.imwrite(folder / "a.tif", np.ones((SIZE, SIZE), np.float32), compression="lzw")
        return lambda: read_tile(folder / "a.tif", Format((SIZE, SIZE), np.dtype(np.float32)))
    if kind == "picture":
        Image.fromarray(np.ones((4, 4), np.uint8)).save(folder / "a.png")
        return lambda: FolderSource(folder)[0]
    if kind == "digits":
        name = digits.IDX_FILES["y_test"]
        (folder / name).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
        return lambda: digits.DATA_SET.check(str(folder / name))
    np.savez(folder / "a.npz", x=np.ones((2, 2)))
    return lambda: ArraySource.load(folder / "a.npz", y=None)


@pytest.mark.parametrize("kind", READERS)
def test_every_reader_tries_again_what_may_pass(tmp_path, monkeypatch, kind):
    read = reader(kind, tmp_path / "in")
    monkeypatch.setattr(npz, "PAUSES", (0, 0))
    told = {"digits": "is not MNIST"}.get(kind)
    for number, times in ((errno.EIO, 2), (errno.ESTALE, 1), (errno.EIO, 3), (errno.EACCES, 1)):
        left = [times]

        def fail(real, left=left, number=number):
            def call(path, *arguments, **options):
                if str(tmp_path / "in/a") in str(path) or "t10k" in str(path):
                    left[0] -= 1
                    if left[0] >= 0:
                        raise OSError(number, os.strerror(number), str(path))
                return real(path, *arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for module, name in ((os, "open"), (builtins, "open")):
                patch.setattr(module, name, fail(getattr(module, name)))
            stays = times > 2 or number == errno.EACCES
            if wanted := f"cannot be read: {os.strerror(number)}" if stays else told:
                with pytest.raises(DataError, match=wanted):
                    read()
            else:
                read()


@pytest.mark.parametrize(("number", "times"), [(errno.EACCES, 1), (errno.EIO, 3)])
def test_what_stays_is_told(files, unsteady, number, times):
    unsteady("open", number, times)
    with pytest.raises(FileError, match=os.strerror(number)):
        read_array(files[0])


def test_of_two_arrays_of_one_name_the_last_counts_as_for_numpy(tmp_path):
    np.savez(tmp_path / "a.npz", np.arange(3))
    np.savez(tmp_path / "b.npz", np.arange(5))
    with zipfile.ZipFile(tmp_path / "b.npz") as other:
        second = other.read("arr_0.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("arr_0.npy", second)
    with np.load(tmp_path / "a.npz") as wanted:
        np.testing.assert_array_equal(read_array(str(tmp_path / "a.npz")), wanted["arr_0"])


@pytest.mark.parametrize("shape", [(29, 1024, 1024), (1, 290, 256, 256)])
def test_a_zip_bomb_is_not_inflated(tmp_path, monkeypatch, shape):
    np.savez_compressed(tmp_path / "a.npz", np.zeros(shape, np.uint8))
    monkeypatch.setattr(npz, "_inflate", None)  # calling it would be a TypeError
    with pytest.raises(FileError, match=r"bytes as arr_0, where at most 15,204,352 make sense"):
        next(iter(Loader(chesapeake.Patches([tmp_path / "a.npz"]))))


def test_an_encrypted_array_is_not_said_to_be_missing(tmp_path):
    np.savez(tmp_path / "a.npz", np.arange(3))
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[raw.rfind(npz.ENTRY) + 8] |= npz.ENCRYPTED
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(FileError, match="is encrypted"):
        read_array(str(tmp_path / "a.npz"))


def test_a_tile_of_another_dtype_is_not_said_to_be_of_another_size(tmp_path):
    write_many(tmp_path, {"JAX_001": 1}, ("RGB",))
    (tile,) = grss.find_tiles(tmp_path)
    for dtype in ("uint16", "float32"):
        with pytest.raises(DataError, match="converted") as caught:
            read_tile(tile.files["RGB"], Format((SIZE, SIZE, 3), np.dtype(dtype)))
        assert "tile_size" not in str(caught.value)


def test_patches_takes_what_find_patches_gives(folder):
    (batch,) = Loader(chesapeake.Patches(find_patches(folder)), batch_size=2)
    assert batch[0].shape == (2, 256, 256, 26)


@pytest.mark.parametrize("layout", [{}, {"compression": "lzw"}, {"byteorder": ">"}, {"tile": (32, 32)}])
@pytest.mark.parametrize("missing", ["-9999", "-3.4028234663852886e+38", "0", "nan"])
def test_heights_that_gdal_calls_no_data_are_unknown(tmp_path, missing, layout):
    heights = np.full((SIZE, SIZE), 5, np.float32)
    heights[: SIZE // 2] = np.float32(missing)
    tag = [(42113, "s", 0, missing, True)]
    tifffile.imwrite(tmp_path / "JAX_001_001_AGL.tif", heights, extratags=tag, **layout)
    tiles = grss.find_tiles(tmp_path, ("AGL",))
    for options in ({"size": SIZE}, {"size": SIZE // 2, "resize": True}):
        found = grss.Windows(tiles, ("AGL",), tile_size=SIZE, **options).read([0])
        assert found["AGL_valid"].mean() == 0.5
        assert grss.mean_height(found["AGL"], found["AGL_valid"])[0] == 5


@pytest.mark.parametrize("tag", ["none", "-9999,0", "1e"])
def test_a_no_data_tag_that_is_no_number_is_told(tmp_path, capsys, tag):
    heights = np.full((SIZE, SIZE), 5, np.float32)
    tifffile.imwrite(tmp_path / "JAX_001_001_AGL.tif", heights, extratags=[(42113, "s", 0, tag, True)])
    assert cli.main(["data", "check", str(tmp_path), "--tile-size", str(SIZE)]) == 1
    told = capsys.readouterr().out
    assert f"calls '{tag}' its no-data value" in told and "gdal_edit.py -unsetnodata" in told


@pytest.mark.parametrize("height", [-9999, -32768, 1e20, 99999])
def test_heights_that_no_land_has_are_told(tmp_path, capsys, height):
    tifffile.imwrite(tmp_path / "JAX_001_001_DSM.tif", np.full((SIZE, SIZE), height, np.float32))
    assert cli.main(["data", "check", str(tmp_path), "--tile-size", str(SIZE)]) == 1
    assert f"has heights from {height:g} to {height:g} m" in capsys.readouterr().out
