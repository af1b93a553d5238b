"""What a patch becomes: scaled, cut, turned, weighed; and what is no patch is named."""

import os

import numpy as np
import pytest
from chesapeake_patches import expected, make_patch, write

from helpers.data import DataError, chesapeake, fetch
from helpers.data.chesapeake import bands
from helpers.data.streaming import BrokenSampleWarning, Loader


def batch(files, **options):
    return next(Loader(chesapeake.Patches(files, **options), batch_size=8).stream())


@pytest.fixture(scope="module")
def real():
    folder = fetch.find("chesapeake")
    if not folder:
        pytest.skip("no real patches here")
    return [patch.path for patch in chesapeake.find_patches(folder)]


# ---- values ----


def test_the_published_pixel_is_scaled_as_published():
    """One real pixel of Pennsylvania: counts and the values that were published for them (four decimals)."""
    published = (
        ".2745 .3804 .3451 .7059 .3529 .4275 .4510 .7686 .0626 .0653 .1083 .0735 .7276 .3761 .1685 .7364 .7308 "
        ".0530 .0553 .0800 .0800 .3649 .3218 .1854 .6976 .6967"
    )
    wanted = np.array(published.split(), float)
    counts = np.zeros((29, 1, 1), np.float32)
    counts[:8, 0, 0] = np.round(wanted[:8] * 255)
    counts[10:28, 0, 0] = np.round(wanted[8:] * 4000 * 2) / 2
    out = np.empty((1, 1, 26), np.float32)
    bands.to_float(counts, bands.runs(bands.channels(bands.COURSE_BANDS)), out)
    np.testing.assert_allclose(out[0, 0], wanted, rtol=0, atol=5.01e-5)
    assert [f"{value:.4f}".removeprefix("0") for value in out[0, 0, :8]] == published.split()[:8]


@pytest.mark.parametrize("chosen", [["naip_old", "landsat_leaf_on", "naip_new"], ["buildings", "nlcd", "naip_new_nir"]])
@pytest.mark.parametrize("shape", [(5, 7), (40, 3), (16, 16)])
def test_any_channels_of_any_window_stand_where_they_belong_turned_or_not(chosen, shape):
    numbers = bands.channels(chosen)
    patch = np.random.default_rng(3).integers(0, 255, (29, *shape)).astype(np.float32)
    wanted = np.stack([patch[number] * np.float32(bands.scale(number)) for number in numbers], axis=-1)
    whole, turned = np.empty(wanted.shape, np.float32), np.empty((shape[1], shape[0], len(numbers)), np.float32)
    bands.to_float(patch, bands.runs(numbers), whole)
    bands.to_float(patch, bands.runs(numbers), np.rot90(turned))
    np.testing.assert_array_equal(whole, wanted)
    np.testing.assert_array_equal(np.rot90(turned), wanted)


def test_channels_that_are_not_asked_for_stay():
    out = np.full((20, 4, 5), 7, np.float32)
    first, last = bands.Run(slice(0, 2), slice(0, 2), np.float32(2)), bands.Run(slice(1, 2), slice(4, 5), np.float32(1))
    bands.to_float(np.ones((2, 20, 4), np.uint8), [first, last], out)
    np.testing.assert_array_equal(out, np.broadcast_to(np.float32([2, 2, 7, 7, 1]), out.shape))


def test_batches_are_the_26_channels_of_the_course(files, patches):
    images, labels = batch(files)
    assert images.shape == (3, 256, 256, 26) and images.dtype == np.float32
    assert labels.shape == (3, 256, 256) and labels.dtype == np.int32
    for image, label, patch in zip(images, labels, patches, strict=True):
        scaled, classes = expected(patch)
        np.testing.assert_allclose(image, scaled, rtol=2e-7)
        np.testing.assert_array_equal(label, classes)
    assert images.max() > 1  # Landsat is not clipped


def test_real_patches_are_scaled_as_numpy_does_it(real):
    images, labels = batch(real)
    for path, image, label in zip(real, images, labels, strict=True):
        with np.load(path) as archive:
            scaled, classes = expected(archive["arr_0"])
        np.testing.assert_allclose(image, scaled, rtol=2e-7)
        np.testing.assert_array_equal(label, classes)
    assert set(np.unique(labels)) <= {2, 3, 5, 6}


def test_no_data_and_no_class_are_ignored_and_the_classes_stay(files, patches):
    raw = np.concatenate(patches)[:, 8]
    labels = batch(files)[1]
    assert {(int(a), int(b)) for a, b in zip(raw.ravel(), labels.ravel(), strict=True)} == {
        (15, 0), (0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "i2", ">f4", "u2"])
def test_any_numeric_dtype_and_three_axes_are_read(tmp_path, patches, dtype):
    whole = np.floor(patches[0][0])
    path = write(tmp_path, ["a-0.npz"], whole.astype(dtype))
    scaled, classes = expected(whole)
    for options in ({}, {"compact": True}):
        images, labels = batch(path, **options)
        np.testing.assert_array_equal(labels[0], classes)
    np.testing.assert_array_equal(images["halves"][0], whole[10:28] * 2)
    np.testing.assert_allclose(batch(path)[0][0], scaled, rtol=2e-7)


# ---- bands ----


@pytest.mark.parametrize(
    ("chosen", "channels"),
    [
        (["naip_new"], [0, 1, 2, 3]),
        ("naip_new_rgb", [0, 1, 2]),
        (["naip_old", "naip_new_nir"], [4, 5, 6, 7, 3]),
        (["landsat_leaf_off"], [*range(19, 28)]),
        (["landsat_leaf_on_11", "buildings", "nlcd"], [18, 28, 9]),
    ],
)
def test_bands_are_chosen_by_name(files, patches, chosen, channels):
    images, _ = batch(files, bands=chosen)
    scales = [1 / 255 if c < 8 else 1 / 4000 if 10 <= c < 28 else 1 for c in channels]
    wanted = np.concatenate(patches)[:, channels].transpose(0, 2, 3, 1) * scales
    np.testing.assert_allclose(images, wanted, rtol=2e-7)


@pytest.mark.parametrize("chosen", [["naip"], ["labels"], ["naip_new", "naip_new_red"], ["naip_new", "sentinel"]])
def test_bands_that_do_not_exist_or_come_twice_are_refused(files, chosen):
    with pytest.raises(ValueError, match=r"band"):
        chesapeake.Patches(files, bands=chosen)


# ---- cut and turned ----


def test_small_images_are_cut_from_the_middle(files, patches):
    images, labels = batch(files, image_size=100)
    scaled, classes = expected(patches[1])
    np.testing.assert_allclose(images[1], scaled[78:178, 78:178], rtol=2e-7)
    np.testing.assert_array_equal(labels[1], classes[78:178, 78:178])


@pytest.mark.parametrize("compact", [False, True])
def test_image_and_labels_are_cut_flipped_and_turned_together(files, patches, compact):
    """The first two channels say where each pixel was: read there, labels and all channels must agree."""
    loader = Loader(chesapeake.Patches(files * 8, image_size=64, augment=True, compact=compact), batch_size=24, seed=1)
    images, labels = next(loader.stream())
    if compact:
        images = np.concatenate([images["bytes"] / 255, images["halves"] / 8000], axis=1).transpose(0, 2, 3, 1)
    seen = set()
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        scaled, classes = expected(patches[number % 3])
        rows, columns = (np.round(image[..., channel] * 255).astype(int) for channel in (0, 1))
        np.testing.assert_array_equal(label, classes[rows, columns])
        np.testing.assert_allclose(image, scaled[rows, columns], rtol=3e-7)
        corner, down, right = (np.array([rows[i], columns[i]]) for i in ((0, 0), (1, 0), (0, 1)))
        seen.add((*(down - corner), *(right - corner)))
        assert np.ptp(rows) == np.ptp(columns) == 63
    assert len(seen) == 8  # every flip and turn


def test_augmentation_resumes_exactly_and_differs_between_epochs(files):
    def stream(**start):
        return Loader(
            chesapeake.Patches(files, image_size=32, augment=True), batch_size=1, shuffle=True, seed=3
        ).stream(epochs=2, **start)

    whole = [image.copy() for image, _ in stream()]
    resumed = [image for image, _ in stream(start=(0, 2))]
    assert all(np.array_equal(a, b) for a, b in zip(whole[2:], resumed[:4], strict=True))
    assert not any(np.array_equal(a, b) for a in whole[:3] for b in whole[3:])


# ---- broken patches ----


def with_value(channel, value):
    patch = make_patch(9)
    patch[0, channel, 100, 50] = value
    return patch


BROKEN = {
    "label 200 at 1 pixels": with_value(8, 200),
    "label 7 at": with_value(8, 7),
    r"label 2\.5 at": with_value(8, 2.5),
    "label -1 at": with_value(8, -1),
    "label nan at": with_value(8, np.nan),
    "not finite in naip_old_red": with_value(4, np.nan),
    "not finite in landsat_leaf_off_11": with_value(27, -np.inf),
    r"shape \(1, 28, 256, 256\)": make_patch(9)[:, :28],
    r"shape \(2, 29, 256, 256\)": np.concatenate([make_patch(9)] * 2),
    r"shape \(256, 256\)": np.ones((256, 256)),
    "not numbers": np.array(["a"]),
    "true and false": make_patch(9) > 100,
}


@pytest.mark.parametrize("message", BROKEN)
@pytest.mark.parametrize("compact", [False, True])
def test_a_broken_patch_is_named_or_skipped(tmp_path, files, message, compact):
    write(tmp_path, ["bad-3.npz"], BROKEN[message])
    source = chesapeake.Patches([*files, str(tmp_path / "bad-3.npz")], compact=compact)
    with pytest.raises(DataError, match=rf"bad-3\.npz: .*{message}"):
        list(Loader(source, batch_size=4))
    loader = Loader(source, batch_size=4, on_error="skip")
    with pytest.warns(BrokenSampleWarning, match=r"bad-3\.npz"):
        assert [len(labels) for _, labels in loader] == [3]
    assert list(loader.skipped) == [str(tmp_path / "bad-3.npz")]


def test_what_is_not_asked_for_is_not_looked_at(tmp_path):
    write(tmp_path, ["odd-0.npz"], with_value(20, np.nan))
    images, _ = batch([str(tmp_path / "odd-0.npz")], bands=["naip_new", "landsat_leaf_on"])
    assert np.isfinite(images).all()


def test_a_patch_that_vanishes_between_epochs_is_named(tmp_path):
    paths = write(tmp_path, ["a-0.npz", "b-0.npz"], make_patch(0))
    stream = Loader(chesapeake.Patches(paths, bands=["nlcd"]), batch_size=2, prefetch=0).stream(epochs=2)
    next(stream)
    (tmp_path / "b-0.npz").unlink()
    with pytest.raises(DataError, match=r"b-0\.npz: cannot be read: No such file"):
        next(stream)


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(
    ("channel", "value", "message"),
    [(20, np.nan, "not finite in landsat_leaf_off_2"), (6, -np.inf, "not finite in naip_old_blue"), (8, 9, "label 9")],
)
def test_a_patch_that_is_written_again_is_checked_again(tmp_path, channel, value, message, compact):
    path = tmp_path / "a-0.npz"
    np.savez(path, make_patch(9))
    before = path.stat()
    stream = Loader(chesapeake.Patches([path], compact=compact), batch_size=1, prefetch=0).stream(epochs=3)
    next(stream)
    next(stream)
    np.savez(path, with_value(channel, value))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # neither time nor length gives it away
    assert path.stat().st_size == before.st_size
    with pytest.raises(DataError, match=rf"a-0\.npz: has .*{message}"):
        next(stream)


def test_a_patch_that_stays_the_same_is_checked_once(files, monkeypatch):
    checked = []
    monkeypatch.setattr("helpers.data.chesapeake.patches.check_labels", lambda patch: checked.append(1))
    # one thread: of two, one may read a patch for the second epoch before the other has said that it was checked
    list(Loader(chesapeake.Patches(files), batch_size=3, threads=1).stream(epochs=4))
    assert len(checked) == len(files)
