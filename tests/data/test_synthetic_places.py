"""A place of the stand-in that no patch shows: a picture, its land cover, the same for a seed."""

import numpy as np
import pytest

from helpers.data.chesapeake import COURSE_BANDS
from helpers.data.synthetic import draw_place


def test_a_place_is_an_aerial_picture_with_its_land_cover():
    picture, labels = draw_place(1, size=256)
    assert (picture.shape, picture.dtype) == ((256, 256, 4), np.float32)
    assert (labels.shape, labels.dtype) == ((256, 256), np.int32)
    assert 0 <= picture.min() < 0.2 and 0.8 < picture.max() <= 1 and set(np.unique(labels)) <= set(range(7))
    np.testing.assert_array_equal(picture, draw_place(1, size=256)[0])
    assert (picture != draw_place(2, size=256)[0]).any()
    with pytest.raises(ValueError, match="multiple of 16"):
        draw_place(1, size=250)


@pytest.mark.parametrize(("bands", "count"), [(("naip_new", "landsat_leaf_on"), 13), (COURSE_BANDS, 26)])
def test_a_place_has_the_bands_that_patches_have_in_their_order_and_scale(bands, count):
    image, labels = draw_place(1, size=128, bands=bands)
    picture, same = draw_place(1, size=128)
    assert image.shape == (128, 128, count)
    np.testing.assert_array_equal(image[..., :4], picture)
    np.testing.assert_array_equal(labels, same)
    assert image[..., 4:].min() >= 0 and image[..., -1].max() < 1.1, "reflectance, and kelvins by 320 or so"


def test_a_band_that_is_none_is_refused():
    with pytest.raises(ValueError, match="naip_newer"):
        draw_place(1, size=128, bands=["naip_newer"])
