"""Drawn shapes have the areas, places and symmetries that their factors say, and the same seed draws the same."""

import numpy as np
import pytest

from helpers.data.synthetic import shapes

SMALL = {"scale": 2, "rotation": 4, "x": 3, "y": 3}


def centres(images):
    """Return the centre of mass in shares of the image, (n, 2): x to the right, y down."""
    pixel = (np.arange(images.shape[1]) + 0.5) / images.shape[1]
    ink = images[..., 0] / images.sum((1, 2, 3))[:, np.newaxis, np.newaxis]
    return np.stack([(ink.sum(1) * pixel).sum(1), (ink.sum(2) * pixel).sum(1)], axis=1)


def one(shape, rotation=0, **options):
    sizes = {"scale": 1, "rotation": 8, "x": 1, "y": 1}
    return shapes.draw(np.array([[shape, 0, rotation, 0, 0]]), sizes=sizes, **options)


@pytest.fixture(scope="module")
def drawn():
    return shapes.sample(2000, announce=False)


def test_images_are_grey_floats(drawn):
    assert (drawn.images.shape, drawn.images.dtype) == ((2000, 64, 64, 1), np.float32)
    assert (drawn.images.min(), drawn.images.max()) == (0, 1)
    assert (drawn.factors.shape, drawn.factors.dtype) == ((2000, 5), np.int64)
    assert shapes.sample(2, image_size=32, announce=False).images.shape == (2, 32, 32, 1)


def test_all_shapes_of_a_scale_have_the_same_area(drawn):
    scale = np.linspace(0.5, 1, 6)[drawn.factors[:, 1]]
    np.testing.assert_allclose(drawn.images.mean((1, 2, 3)), shapes.AREA * scale**2, rtol=0.02)


def test_a_square_that_fills_whole_pixels_is_exact():
    square = shapes.draw(np.array([[0, 1, 0, 0, 0]]), sizes={"scale": 2, "rotation": 1, "x": 1, "y": 1}, image_size=64)[
        0, ..., 0
    ]
    side = 0.3 * 64  # pixels: 18 whole ones and 0.6 of one at each end
    row = np.r_[np.zeros(22), (side - 18) / 2, np.ones(18), (side - 18) / 2, np.zeros(22)]
    np.testing.assert_allclose(square, np.minimum.outer(row, row), atol=1e-5)


@pytest.mark.parametrize("shape", range(3), ids=shapes.SHAPE_NAMES)
def test_grey_edges_are_the_share_of_the_pixel_inside(shape):
    inside = (one(shape, 1, image_size=64) > 0.5)[0, ..., 0]
    coarse = one(shape, 1, image_size=32)[0, ..., 0]
    share = inside.reshape(32, 2, 32, 2).mean((1, 3))
    assert np.abs(coarse - share).max() < 0.3 and np.abs(coarse - share).mean() < 0.01


def test_the_centre_is_where_x_and_y_say(drawn):
    wanted = np.linspace(0.25, 0.75, 32)[drawn.factors[:, 3:]]
    np.testing.assert_allclose(centres(drawn.images), wanted, atol=0.003)


def test_no_figure_is_cut_off(drawn):
    corner = np.isin(drawn.factors[:, 3], [0, 31]) | np.isin(drawn.factors[:, 4], [0, 31])
    area = shapes.AREA * np.linspace(0.5, 1, 6)[drawn.factors[corner, 1]] ** 2
    np.testing.assert_allclose(drawn.images[corner].mean((1, 2, 3)), area, rtol=0.02)


@pytest.mark.parametrize(("shape", "repeats"), [(0, 2), (1, 4), (2, 8)], ids=shapes.SHAPE_NAMES)
def test_a_shape_looks_the_same_after_its_own_turn_and_not_before(shape, repeats):
    first = one(shape)
    for rotation in range(1, 8):
        same = np.abs(one(shape, rotation) - first).max() < 1e-3
        assert same == (rotation % repeats == 0)


def test_a_quarter_turn_is_that_of_the_picture():
    np.testing.assert_allclose(one(2, 2)[0, ..., 0], np.rot90(one(2)[0, ..., 0], -1), atol=1e-4)


def test_a_heart_stands_on_its_tip():
    widths = (one(2)[0, ..., 0] > 0.5).sum(axis=1)
    rows = np.flatnonzero(widths)
    assert widths[rows[-1]] < 3 < widths[rows[2]] and widths.argmax() < rows.mean()


def test_turn_90_tells_all_rotations_apart():
    for shape in range(3):
        images = np.stack([one(shape, rotation, turn=90) for rotation in range(8)]).reshape(8, -1)
        apart = np.abs(images[:, np.newaxis] - images).max(-1)
        assert apart[~np.eye(8, dtype=bool)].min() > 0.1


def test_a_grid_has_every_combination_once():
    drawn = shapes.grid(sizes=SMALL, image_size=32, announce=False)
    assert len(drawn) == len(np.unique(drawn.factors, axis=0)) == 3 * 2 * 4 * 3 * 3
    assert (drawn.names, drawn.sizes) == (shapes.NAMES, (3, 2, 4, 3, 3))
    np.testing.assert_array_equal(drawn.images, shapes.draw(drawn.factors, sizes=SMALL, image_size=32))


def test_a_sample_is_of_its_seed_and_takes_nothing_twice():
    first, again, other = (shapes.sample(216, sizes=SMALL, seed=s, image_size=32, announce=False) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.factors, other.factors)
    assert len(np.unique(first.factors, axis=0)) == 216


def test_it_says_that_it_is_drawn(capsys):
    drawn = shapes.sample(3)
    assert capsys.readouterr().out == f"{drawn.source}\n"
    assert drawn.source.startswith("DRAWN DATA: 3 of 737,280 drawn shapes")


def test_what_cannot_be_drawn_is_explained():
    with pytest.raises(ValueError, match=r"11\.2 GiB.*sample"):
        shapes.grid()
    with pytest.raises(ValueError, match=r"from 1 to 216.*received 217"):
        shapes.sample(217, sizes=SMALL)
    with pytest.raises(ValueError, match=r"of shape at most 3.*'shape': 4"):
        shapes.sample(1, sizes={"shape": 4})
    with pytest.raises(ValueError, match="'colour'"):
        shapes.sample(1, sizes={"colour": 2})
    with pytest.raises(ValueError, match=r"each from 0 to below \(3, 6, 40, 32, 32\)"):
        shapes.draw(np.array([[0, 6, 0, 0, 0]]))
    with pytest.raises(ValueError, match="32 or 64; received 28"):
        shapes.sample(1, image_size=28)
