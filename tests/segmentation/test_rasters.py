"""Large pictures, window by window: nothing lost, no seams; maps with their place on earth."""

import tracemalloc

import numpy as np
import pytest
import tifffile
from scipy.ndimage import correlate

from helpers.data import DataError
from helpers.segmentation import predict_tile, seam_ratio, windows, write_geotiff
from helpers.segmentation.rasters import predict_strips, strip_ends


def by_pixel(windows):
    """Predict from each pixel alone."""
    first = windows[..., :1]
    return np.concatenate([first, 1 - first], axis=-1)


def unsure_at_borders(windows):
    """Predict as a network does that knows less, the nearer the border of its window is."""
    size = windows.shape[1]
    distance = np.minimum(np.arange(size), np.arange(size)[::-1])
    trust = np.minimum(1, np.minimum.outer(distance, distance) / 16)[None, :, :, None]
    return (trust * by_pixel(windows) + (1 - trust) * 0.5).astype(np.float32)


@pytest.mark.parametrize("bands", [(), (3,)])
def test_windows_are_the_pieces_of_the_pictures_row_by_row(bands):
    images = np.random.default_rng(0).random((2, 7, 9, *bands))
    cut = windows(images, 3)
    assert cut.shape == (12, 3, 3, *bands)
    for number, window in enumerate(cut):
        picture, row, column = number // 6, number // 3 % 2, number % 3
        np.testing.assert_array_equal(
            window, images[picture, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3], str(number)
        )


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="windows of 8 pixels do not fit into pictures of 7 x 9"):
        windows(np.zeros((2, 7, 9)), 8)


@pytest.mark.parametrize("shape", [(256, 256), (1024, 1024), (300, 517), (40, 700), (1, 5)])
@pytest.mark.parametrize("overlap", [0, 64])
def test_each_pixel_gets_its_own_prediction(shape, overlap):
    image = np.random.default_rng(0).random((*shape, 3), np.float32)
    found = predict_tile(by_pixel, image, window=128, overlap=overlap)
    assert found.shape == (*shape, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, by_pixel(image[None])[0], atol=1e-6)


def test_there_is_no_seam_between_windows():
    image = np.full((512, 512, 1), 0.9, np.float32)
    image += np.random.default_rng(0).normal(0, 0.02, image.shape).astype(np.float32)
    blended, cut = (predict_tile(unsure_at_borders, image, window=128, overlap=o)[..., 0] for o in (64, 0))
    wrong = {name: np.abs(each - image[..., 0]).mean(axis=0) for name, each in (("blended", blended), ("cut", cut))}
    borders = np.arange(128, 512, 128)
    assert wrong["cut"][borders].min() > 0.35  # what a picture of windows side by side would show
    assert wrong["blended"].max() < 0.1
    steps = np.abs(np.diff(blended, axis=1)).mean(axis=0)
    borders = np.arange(64 - 32, 511, 64)  # where a window begins, and another one ends
    inside = np.setdiff1d(np.arange(511), np.concatenate([borders - 1, borders]))
    assert steps[borders].mean() < 1.05 * steps[inside].mean()


def test_windows_come_in_batches_of_one_row_of_windows():
    seen = []

    def predict(windows):
        seen.append(windows.shape)
        return by_pixel(windows)

    predict_tile(predict, np.zeros((200, 200, 2), np.float32), window=128, overlap=64, batch_size=3)
    assert [shape[0] for shape in seen] == [3, 1] * 4 and {shape[1:] for shape in seen} == {(128, 128, 2)}


@pytest.mark.parametrize(
    ("shape", "overlap", "told"),
    [
        ((9, 9), 64, r"image must be \(rows, columns, bands\)"),
        ((9, 9, 1), 63, "overlap must be even, 0 to 128; received 63"),
        ((9, 9, 1), 130, "received 130"),
        ((9, 9, 1), -2, "received -2"),
    ],
)
def test_what_does_not_fit_is_refused(shape, overlap, told):
    with pytest.raises(ValueError, match=told):
        predict_tile(by_pixel, np.zeros(shape, np.float32), overlap=overlap)


PLACE = [
    (33550, "d", 3, (1.0, 1.0, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 400_000.0, 4_300_000.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 26918), True),
    (34737, "s", 0, "NAD83 / UTM zone 18N|", True),
]


def test_a_map_lies_where_its_picture_lies(tmp_path):
    tifffile.imwrite(tmp_path / "picture.tif", np.zeros((20, 30, 3), np.uint8), photometric="rgb", extratags=PLACE)
    classes = np.random.default_rng(0).integers(0, 7, (20, 30))
    write_geotiff(
        tmp_path / "map.tif", classes, like=tmp_path / "picture.tif", palette=["#000000", "#00c5ff", "#267300"]
    )
    with tifffile.TiffFile(tmp_path / "map.tif") as file:
        page = file.pages.first
        np.testing.assert_array_equal(page.asarray(), classes)
        assert page.dtype == np.uint8
        for code, _, _, value, _ in PLACE:
            assert page.tags[code].value == value or page.tags[code].value == value.rstrip("|")
        assert (page.colormap[:, 2] // 257).tolist() == [0x26, 0x73, 0x00]
    assert list(tmp_path.glob(".*")) == []


def test_maps_without_a_place_and_of_another_size(tmp_path):
    tifffile.imwrite(tmp_path / "picture.tif", np.zeros((20, 30), np.uint8))
    write_geotiff(tmp_path / "map.tif", np.ones((20, 30), int), like=tmp_path / "picture.tif")
    tifffile.imwrite(
        tmp_path / "bands.tif", np.zeros((4, 20, 30), np.uint8), photometric="minisblack", planarconfig="separate"
    )
    write_geotiff(tmp_path / "map.tif", np.ones((20, 30), int), like=tmp_path / "bands.tif")
    with pytest.raises(DataError, match=r"nowhere\.tif cannot be read: No such file"):
        write_geotiff(tmp_path / "map.tif", np.ones((20, 30), int), like=tmp_path / "nowhere.tif")
    assert 33550 not in tifffile.TiffFile(tmp_path / "map.tif").pages.first.tags
    with pytest.raises(ValueError, match="do not show the same"):
        write_geotiff(tmp_path / "map.tif", np.ones((10, 30), int), like=tmp_path / "picture.tif")
    with pytest.raises(ValueError, match="0 to 255"):
        write_geotiff(tmp_path / "map.tif", np.full((2, 2), 256))
    (tmp_path / "no.tif").write_text("text")
    with pytest.raises(DataError, match=r"no\.tif: is no TIFF"):
        write_geotiff(tmp_path / "map.tif", np.ones((10, 30), int), like=tmp_path / "no.tif")


@pytest.mark.parametrize("wrong", [[[1.7, 2]], [[np.nan, 3]], [[np.inf, 3]], [[np.nan, np.inf]], [[-1, 3]], [3, 3]])
def test_a_map_of_anything_but_whole_numbers_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        write_geotiff(tmp_path / "map.tif", np.array(wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8])
def test_a_map_of_whole_numbers_may_be_of_any_type(tmp_path, kind):
    write_geotiff(tmp_path / "map.tif", np.array([[0, 255], [7, 1]], kind))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "map.tif"), [[0, 255], [7, 1]])


def whole_raster(image):
    """Return what `predict_strips` reads by, and the largest block that was asked for."""
    seen = []

    def read(row, column, rows, columns):
        assert 0 <= row < row + rows <= image.shape[0] and 0 <= column < column + columns <= image.shape[1]
        seen.append((rows, columns))
        return image[row : row + rows, column : column + columns]

    return read, seen


@pytest.mark.parametrize("shape", [(300, 517), (129, 64), (512, 128)])
@pytest.mark.parametrize("overlap", [0, 32])
@pytest.mark.parametrize("skip", [1, 2])
def test_strips_behind_those_that_are_skipped_are_the_same_to_the_last_bit(shape, overlap, skip):
    image = np.random.default_rng(0).random((*shape, 2), np.float32)
    options = {"window": 64, "overlap": overlap, "batch_size": 3}
    read, seen = whole_raster(image)
    strips = list(predict_strips(unsure_at_borders, read, shape, **options))
    assert max(seen) <= (64, 64 + 2 * 64)
    assert np.cumsum([len(strip) for strip in strips]).tolist() == strip_ends(shape[0], 64, overlap)
    rest = list(predict_strips(unsure_at_borders, read, shape, **options, skip=skip))
    np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(strips[skip:]))
    np.testing.assert_array_equal(np.concatenate(strips), predict_tile(unsure_at_borders, image, **options))


@pytest.mark.parametrize("rows", [slice(0, 3), slice(60, 70), slice(190, 200)])
def test_where_there_are_no_data_there_is_no_prediction_and_beside_it_there_is(rows):
    image = np.random.default_rng(0).random((200, 150, 2), np.float32)
    image[rows, 20:30, 1] = np.nan
    found = predict_tile(by_pixel, image, window=64, overlap=16)
    is_gap = np.zeros((200, 150), bool)
    is_gap[rows, 20:30] = True
    np.testing.assert_array_equal(np.isnan(found).all(-1), is_gap)
    np.testing.assert_allclose(found[~is_gap], by_pixel(image)[~is_gap], atol=1e-6)


def peak(rows):
    """Return the most bytes that arrays take while a raster of so many rows is predicted."""

    def read(row, column, height, width):
        return np.full((height, width, 4), 0.5, np.float32)

    tracemalloc.start()
    for _ in predict_strips(by_pixel, read, (rows, 600), window=64, overlap=16):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_height():
    peak(60)  # what is imported first
    low, high = peak(200), peak(1600)
    assert high < 1.5 * low  # and not 8 times; a window more or less may be read ahead when the peak is measured


def convolution(seed):
    """Return a network of one convolution, to which what lies beyond a window is black, as to those of Keras."""
    kernel = np.random.default_rng(seed).normal(0, 1 / 9, (1, 9, 9, 1))

    def predict(windows):
        found = 1 / (1 + np.exp(-correlate(windows, kernel, mode="constant")))
        return np.concatenate([found, 1 - found], axis=-1)

    return predict


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_seams_of_a_network_with_zero_padding_are_seen_without_overlap_alone(seed):
    image = np.random.default_rng(0).normal(2, 0.5, (400, 300, 1)).astype(np.float32)
    ratios = {}
    for overlap in (0, 32, 64):
        found = predict_tile(convolution(seed), image, window=128, overlap=overlap)
        ratios[overlap] = seam_ratio(found, window=128, overlap=overlap)
    assert ratios[0] > 1.5 and max(ratios[32], ratios[64]) <= 1.05, ratios


def test_one_window_has_no_seam():
    with pytest.raises(ValueError, match=r"a map of \(20, 30\) pixels is one window of 128"):
        seam_ratio(np.zeros((20, 30, 2)), window=128, overlap=0)
