"""The static twin shows the same points, marks and decoded images, once."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.latent.explorer import explore, figure
from helpers.latent.explorer.points import traverse, write_correlation

RNG = np.random.default_rng(0)
CODES = RNG.uniform(size=(60, 3)).astype(np.float32)
LABELS = np.arange(60) % 3


def in_grey(codes):
    """Decode a code as one pixel: its first number."""
    return codes[:, :1].reshape(-1, 1, 1, 1)


def panels(drawn):
    return [ax for ax in drawn.axes if ax.collections]


def test_the_lower_triangle_shows_every_pair_of_axes():
    drawn = figure(CODES, LABELS, class_names=["a", "b", "c"])
    assert len(panels(drawn)) == 3
    points = np.concatenate([c.get_offsets() for c in panels(drawn)[1].collections])
    in_order = np.concatenate([CODES[label == LABELS] for label in range(3)])
    np.testing.assert_allclose(points, in_order[:, [0, 2]])


def test_classes_are_marked_at_their_means_so_that_colour_is_not_needed():
    ax = panels(figure(CODES, LABELS, class_names=["a", "b", "c"]))[0]
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    for label, text in enumerate(ax.texts):
        np.testing.assert_allclose(text.get_position(), CODES[label == LABELS].mean(axis=0)[:2], rtol=1e-6)


@pytest.mark.slow
def test_walks_are_decoded_from_end_to_end():
    drawn = figure(CODES, LABELS, decode=in_grey)
    shown = [np.asarray(ax.images[0].get_array()).item() for ax in drawn.axes if ax.images]
    assert len(shown) == 3 * 7
    expected = in_grey(traverse(CODES, 0, 7)).ravel() * 255
    np.testing.assert_allclose(shown[:7], expected, atol=0.51)
    np.testing.assert_allclose(shown[7:], CODES[:, 0].mean() * 255, atol=0.51)


def test_what_is_selected_stands_out():
    explorer = explore(CODES, LABELS)
    explorer.selected = np.array([0, 3])
    pale, dark = panels(explorer.figure())[0].collections  # both of the same class
    assert (len(pale.get_offsets()), len(dark.get_offsets())) == (60, 2)


@pytest.mark.parametrize(("latent_dim", "most"), [(2, 300), (5, 1500)])
def test_a_panel_holds_no_more_than_print(latent_dim, most):
    codes = RNG.normal(size=(5000, latent_dim))
    (points,) = panels(figure(codes))[0].collections
    assert 0.8 * most < len(points.get_offsets()) <= most


def words(drawn):
    return [text.get_text() for ax in drawn.axes for text in ax.texts]


def test_correlations_stand_in_the_upper_triangle():
    codes = np.stack([CODES[:, 0], -CODES[:, 0], np.ones(60)], axis=1)
    assert words(figure(codes))[-7:] == ["z0", "−1.0", "", "z1", "", "z2", "correlation"]
    explorer = explore(CODES)
    explorer.selected = np.arange(5)
    r = np.corrcoef(CODES[:5, 0], CODES[:5, 2])[0, 1]
    assert write_correlation(r) in words(explorer.figure()), "of the chosen points"
    assert "correlation" not in words(figure(CODES, axes=[0, 1])), "there is no room"


def test_values_colour_the_points_in_place_of_classes():
    drawn = figure(CODES, values={"height in m": CODES[:, 1]})
    assert len(panels(drawn)) == 4, "with the bar that says what the colours mean"
    np.testing.assert_array_equal(panels(drawn)[0].collections[0].get_array(), CODES[:, 1])
    assert [ax.get_ylabel() for ax in drawn.axes].count("height in m") == 1
    assert panels(drawn)[0].texts[:] == []


@pytest.mark.parametrize("axes", [None, [0, 2]])
def test_two_axes_make_one_panel(axes):
    assert len(panels(figure(CODES, LABELS, axes=axes))) == (3 if axes is None else 1)


def test_pyplot_keeps_no_figure_so_that_a_notebook_shows_it_once():
    figure(CODES, LABELS, decode=in_grey)
    assert plt.get_fignums() == []
