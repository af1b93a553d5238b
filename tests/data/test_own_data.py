"""What a user brings: data of one's own, as datasets/README.md shows, and PyTorch."""

import pickle
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tifffile
from chesapeake_patches import names, write
from grss_tiles import SIZE, write_many

from helpers.data import DataError, chesapeake, grss
from helpers.data.grss import Format, Grid, read_format
from helpers.data.streaming import Loader, Samples, Spec, as_torch, put

README = (Path(__file__).resolve().parents[2] / "datasets" / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README.partition("## Your own data")[2], flags=re.DOTALL)
RNG = np.random.default_rng(0)


def run(block, folder, monkeypatch):
    monkeypatch.chdir(folder)
    space = {}
    exec(block, space)
    return space


@pytest.fixture
def four(tmp_path):
    """Write three pairs of an image of four channels and its labels."""
    (tmp_path / "my_patches").mkdir()
    for number, how in enumerate((np.savez, np.savez_compressed, np.savez)):
        image, labels = RNG.integers(0, 256, (64, 64, 4), np.uint8), RNG.integers(0, 5, (64, 64), np.uint8)
        how(tmp_path / f"my_patches/{number}.npz", image=image, labels=labels)
    return tmp_path


def test_own_npz_of_four_channels(four, monkeypatch):
    space = run(BLOCKS[0], four, monkeypatch)
    (images, labels), *_ = Loader(space["FourChannels"]("my_patches"), batch_size=3)
    for number in range(3):
        with np.load(f"my_patches/{number}.npz") as wanted:
            np.testing.assert_allclose(images[number], wanted["image"] / 255, rtol=1e-6)
            np.testing.assert_array_equal(labels[number], wanted["labels"])
    assert len(list(space["loader"])) == 1


@pytest.mark.parametrize("image", [np.zeros((64, 64, 1)), np.zeros((4, 64, 64)), np.zeros((32, 32, 4)), np.zeros(4)])
def test_an_own_file_of_another_shape_is_told_and_not_stretched(four, monkeypatch, image):
    np.savez(four / "my_patches/1.npz", image=image, labels=np.zeros((64, 64)))
    space = run(BLOCKS[0], four, monkeypatch)
    with pytest.raises(DataError, match=r"my_patches/1\.npz: holds an array of shape .*where \(64, 64, 4\) is wanted"):
        list(space["loader"])


@pytest.mark.parametrize(
    "layout", [{}, {"compression": "lzw"}, {"tile": (32, 32)}, {"planarconfig": "separate"}, {"byteorder": ">"}]
)
@pytest.mark.parametrize("bands", [1, 4])
def test_own_geotiffs_in_windows_that_are_not_square(tmp_path, monkeypatch, layout, bands):
    (tmp_path / "my_images").mkdir()
    options = {"photometric": "minisblack", "planarconfig": "contig" if bands > 1 else None, **layout}
    pictures = RNG.integers(0, 10_000, (2, 64, 256, bands), np.uint16)
    for name, picture in zip("ab", pictures, strict=True):
        stored = picture.transpose(2, 0, 1) if layout.get("planarconfig") == "separate" else picture
        tifffile.imwrite(tmp_path / f"my_images/{name}.tif", stored if bands > 1 else picture[..., 0], **options)
    ((images,),) = run(BLOCKS[1], tmp_path, monkeypatch)["strips"]
    wanted = pictures.reshape(2, 2, 32, 2, 128, bands).swapaxes(2, 3).reshape(8, 32, 128, bands) / 10_000
    np.testing.assert_allclose(images, wanted if bands > 1 else wanted[..., 0], rtol=1e-6)
    assert read_format(tmp_path / "my_images/a.tif") == Format((64, 256, bands)[: 2 + (bands > 1)], np.dtype(np.uint16))


@pytest.mark.parametrize("size", [(3, 4), (4, 3), 5, (0, 4), (16, 8)])
def test_rectangles_that_do_not_divide_are_refused(size):
    with pytest.raises(ValueError, match=r"size must divide the tile's \d+ pixels; received \d.*Use "):
        Grid((8, 16), size)
    seen = np.zeros((8, 16), int)
    for k in range(1, Grid((8, 16), (2, 8)).count + 1):
        seen[Grid((8, 16), (2, 8)).box(k)] += 1
    assert (seen == 1).all()


def test_examples_are_short():
    for block in BLOCKS:
        lines = block.partition("\n\nclass ")[2].splitlines()  # with the line that makes the loader
        assert len([line for line in lines if line.strip()]) < 15


def test_a_class_that_lacks_something_says_what():
    class Nothing(Samples):
        def __init__(self):
            self.arrays = {"image": Spec((2,), "float32")}

    with pytest.raises(NotImplementedError, match="Nothing does not say how many samples it has"):
        Loader(Nothing())
    with pytest.raises(NotImplementedError, match="needs fill"):
        Nothing().fill(0, None, {})


# ---- PyTorch ----


@pytest.fixture(scope="module")
def sources(tmp_path_factory, patches):
    """Return data sets of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    files = [write(folder / "a", names(3907506, [number]), patch)[0] for number, patch in enumerate(patches)]
    write_many(folder / "b", {"JAX_001": 2}, ("RGB", "CLS"))
    options = {"size": 16, "tile_size": SIZE, "finish": lambda arrays: (arrays["RGB"], arrays["CLS"])}
    return {
        "patches": chesapeake.Patches(files),
        "weights": chesapeake.Patches(files, weights=[0, 1, 2, 3, 4, 5, 6]),
        "compact": chesapeake.Patches(files, compact=True),
        "windows": grss.Windows(grss.find_tiles(folder / "b", ("RGB", "CLS")), ("RGB", "CLS"), **options),
    }


KINDS = pytest.mark.parametrize("kind", ["patches", "weights", "compact", "windows"])


def flat(parts):
    return [array for part in parts for array in (part.values() if isinstance(part, dict) else [part])]


@KINDS
def test_samples_by_index_are_those_of_the_batches_with_wide_classes(sources, kind):
    source = sources[kind]
    assert not hasattr(source, "__iter__"), "PyTorch's workers would each read all of it"
    batches = list(Loader(source, batch_size=3))
    for index in (0, len(source) - 1):
        for part, batch in zip(flat(source[index]), flat(batches[index // 3]), strict=True):
            np.testing.assert_array_equal(part, batch[index % 3])
        assert source[index][1].dtype == np.int64
        np.testing.assert_array_equal(source[index - len(source)][1], source[np.int64(index)][1])
    for index in (len(source), -len(source) - 1):
        with pytest.raises(IndexError, match=f"there are {len(source)} samples"):
            source[index]


def test_samples_by_index_are_drawn_anew_in_every_epoch(patches, files):
    source = chesapeake.Patches(files, augment=True, image_size=64)
    first, again = source[1][0], source[1][0]
    np.testing.assert_array_equal(first, again)
    source.epoch += 1
    wanted = next(Loader(source, batch_size=3).stream(start=(1, 0)))
    np.testing.assert_array_equal(source[1][0], wanted[0][1])
    assert (source[1][0] != first).any()


def test_patches_can_be_sent_to_workers_that_are_started_anew(files, tmp_path):
    for options in ({}, {"cache_dir": tmp_path}, {"compact": True}):
        source = chesapeake.Patches(files, **options)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[2][1], source[2][1])


def test_windows_can_be_sent_to_workers_that_are_started_anew(sources):
    tiles = sources["windows"].tiles
    source = grss.Windows(tiles, ("RGB", "CLS"), size=16, tile_size=SIZE, native=True)  # a lambda cannot be sent
    again = pickle.loads(pickle.dumps(source))
    for name, array in source[3].items():
        np.testing.assert_array_equal(again[3][name], array)


@KINDS
def test_batches_for_pytorch_have_wide_classes_and_are_not_copied(sources, kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(from_numpy=lambda array: ("tensor", array)))
    loader = Loader(sources[kind], batch_size=2)
    got, wanted = list(as_torch(loader)), list(Loader(sources[kind], batch_size=2))
    for ours, theirs in zip(got, wanted, strict=True):
        for (word, array), other in zip(flat(ours), flat(theirs), strict=True):
            assert word == "tensor"
            np.testing.assert_array_equal(array, other)
        assert ours[1][1].dtype == np.int64


def test_pytorch_itself(sources):
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(sources["patches"], batch_size=2, num_workers=2)
    images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert len(images) == 3
    torch.nn.functional.cross_entropy(torch.zeros(3, 7, 256, 256), labels, ignore_index=0)
    for batch, other in zip(as_torch(Loader(sources["patches"], batch_size=3)), [images], strict=True):
        assert torch.equal(batch[0], other)


def test_put_stretches_nothing():
    with pytest.raises(DataError, match="file: holds an array of shape"):
        put(np.zeros((4, 1)), np.zeros((4, 4)), "file")


@pytest.mark.parametrize(
    ("numbers", "dtype", "told"),
    [
        ([0, 2.5], "int32", "2.5"),
        ([1.0, np.nan], "int32", "nan"),
        ([np.inf], "uint8", "inf"),
        ([7, 300], "uint8", "300"),
        ([-1], "uint8", "-1"),
        ([2**40], "int32", "1.09951e.12"),
        ([1, 2], "bool", "2"),
        ([0, 1e300], "float32", "1e.300"),
    ],
)
def test_put_cuts_nothing_off(numbers, dtype, told):
    with pytest.raises(DataError, match=f"file: holds {told}, which {dtype} cannot hold"):
        put(np.array(numbers), np.zeros(len(numbers), dtype), "file")


@pytest.mark.parametrize("dtype", ["complex64", "U1", "object", "datetime64[s]"])
def test_put_takes_real_numbers_only(dtype):
    with pytest.raises(DataError, match=r"file: holds \S+, where real numbers are wanted"):
        put(np.zeros(2, dtype), np.zeros(2, np.float32), "file")


@pytest.mark.parametrize("dtype", ["int64", "float16", "float64", "bool", ">u2"])
@pytest.mark.parametrize("wanted", ["int32", "uint8", "float32"])
def test_put_takes_every_number_that_fits(dtype, wanted):
    out = np.zeros((2, 2), wanted)
    put(np.array([[0, 1], [1, 0]], dtype), out, "file")
    np.testing.assert_array_equal(out, [[0, 1], [1, 0]])
    numbers = np.array([0.1, np.nan, np.inf])
    put(numbers, single := np.zeros(3, np.float32), "file")
    np.testing.assert_array_equal(single, numbers.astype(np.float32))
