"""A place of the stand-in that no patch shows: a picture, its land cover, the same for a seed."""

import numpy as np
import pytest

from helpers.data.synthetic import draw_place


def test_a_place_is_an_aerial_picture_with_its_land_cover():
    picture, labels = draw_place(1, size=256)
    assert (picture.shape, picture.dtype) == ((256, 256, 4), np.float32)
    assert (labels.shape, labels.dtype) == ((256, 256), np.int32)
    assert 0 <= picture.min() < 0.2 and 0.8 < picture.max() <= 1 and set(np.unique(labels)) <= set(range(1, 7))
    np.testing.assert_array_equal(picture, draw_place(1, size=256)[0])
    assert (picture != draw_place(2, size=256)[0]).any()
    with pytest.raises(ValueError, match="multiple of 16"):
        draw_place(1, size=250)
