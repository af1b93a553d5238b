"""Figures show the arrays they are given, once, and refuse what is no batch of images."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import IPythonDisplayFormatter

from helpers import figures

IMAGES = np.random.default_rng(0).random((7, 5, 4, 1), dtype=np.float32)


@pytest.fixture
def shown_in_notebook(monkeypatch):
    """Return a function that shows an object, and returns the data and the metadata that it displays, or None."""

    def show(figure):
        found = []
        monkeypatch.setattr("IPython.display.display", lambda data, *, metadata, raw: found.append((data, metadata)))
        return found[0] if IPythonDisplayFormatter()(figure) else None

    return show


def shown(ax):
    return np.asarray(ax.images[0].get_array())


def test_image_rows_draws_each_image_at_its_place():
    axes = figures.image_rows({"one": IMAGES, "other": 1 - IMAGES}, columns=3, titles=[7, 8, 9]).axes
    assert len(axes) == 6 and [ax.get_title() for ax in axes[:3]] == ["7", "8", "9"]
    np.testing.assert_array_equal(shown(axes[2]), IMAGES[2, ..., 0])
    np.testing.assert_array_equal(shown(axes[5]), 1 - IMAGES[2, ..., 0])
    assert [axes[0].get_ylabel(), axes[3].get_ylabel()] == ["one", "other"]


def test_image_rows_stops_at_the_shortest_row():
    assert len(figures.image_rows({"many": IMAGES, "few": IMAGES[:2]}).axes) == 4


def test_images_share_one_scale_from_paper_to_ink():
    for ax in figures.image_grid(IMAGES / 2).axes[:7]:
        assert ax.images[0].get_clim() == (0, 1)


def test_signed_images_have_zero_in_the_middle_of_one_common_scale():
    weights = IMAGES - 0.9
    drawn = [ax.images[0] for ax in figures.image_grid(weights, signed=True).axes if ax.images]
    ((low, high),) = {image.get_clim() for image in drawn}
    assert -low == high == pytest.approx(np.abs(weights).max(), rel=0.05)
    greys = drawn[0].cmap([0.0, 0.25, 0.5, 0.75, 1.0])[:, :3] @ [0.3, 0.59, 0.11]
    assert (np.diff(greys) < -0.05).all(), "more is darker, without colours as well"


@pytest.mark.parametrize(("largest", "limit"), [(0, 1), (3, 3), (-2, 2)])
def test_signed_images_that_are_zero_nearly_everywhere_have_a_scale(largest, limit):
    weights = np.zeros((2, 20, 20, 1))
    weights[0, 0, 0] = largest
    assert figures.image_grid(weights, signed=True).axes[0].images[0].get_clim() == (-limit, limit)


def test_colour_images_are_drawn_in_colour():
    assert shown(figures.image_grid(np.repeat(IMAGES, 3, axis=-1)).axes[0]).shape == (5, 4, 3)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (7, 5, 4, 2)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"batch of images, .*received \(.*np\.newaxis"):
        figures.image_rows({"digits": np.zeros(shape)})
    with pytest.raises(ValueError, match="batch of images"):
        figures.image_grid(np.zeros(shape))


def test_curves_start_at_epoch_one_unless_told():
    (ax,) = figures.curves({"loss": [3, 2, 1], "other": [4, 4, 4]}).axes
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, 3], [2, 2], [3, 1]])
    (ax,) = figures.curves({"loss": [3, 2]}, x=[0.1, 0.2], xlabel="rate").axes
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.1, 0.2])


def test_curves_differ_without_colour():
    (ax,) = figures.curves({"a": [1], "b": [2], "c": [3]}).axes
    assert len({line.get_linestyle() for line in ax.lines}) == 3


def test_marks_stand_where_told_and_are_named():
    (ax,) = figures.curves({"loss": [3, 2, 1]}, marks={0.5: "first stage", 2.5: "second"}).axes
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [0.5, 2.5]
    assert [(text.get_text(), text.get_position()[0]) for text in ax.texts] == [("first stage", 0.5), ("second", 2.5)]


def test_histograms_are_shares_over_common_bins():
    values = {"few": np.array([0.0, 1.0]), "many": np.linspace(0, 1, 1000)}
    (ax,) = figures.histograms(values, xlabel="activation", bins=4).axes
    for line in ax.lines:
        assert sum(line.get_ydata()) == pytest.approx(1)
    assert len(ax.lines[0].get_xdata()) == len(ax.lines[1].get_xdata())


def test_bars_have_their_heights_and_numbers():
    (ax,) = figures.bars({"codes": [0.25, 0.5], "pixels": [0.75, 1]}, ["100", "1,000"], ylabel="accuracy").axes
    assert [bar.get_height() for bar in ax.patches] == [0.25, 0.5, 0.75, 1]
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.5", "0.75", "1"]
    assert len({bar.get_hatch() for bar in ax.patches}) == 2, "bars differ without colour"


def test_matrices_share_one_scale():
    figure = figures.matrices({"a": np.eye(3), "b": np.zeros((3, 3))}, "xyz", limits=(-1, 1))
    assert [ax.images[0].get_clim() for ax in figure.axes[:2]] == [(-1, 1)] * 2
    np.testing.assert_array_equal(shown(figure.axes[0]), np.eye(3))


def test_pyplot_keeps_no_figure_so_that_a_notebook_shows_it_once():
    figures.image_rows({"one": IMAGES})
    figures.curves({"a": [1]})
    assert plt.get_fignums() == []


def test_a_described_figure_carries_its_alt_text_into_a_notebook(shown_in_notebook):
    figure = figures.curves({"a": [1, 2]}).describe('A line that rises from 1 to 2, "steeply".')
    (data, metadata) = shown_in_notebook(figure)
    assert metadata["image/png"]["alt"] == data["text/plain"] == figure.alt
    assert 'alt="A line that rises from 1 to 2, &quot;steeply&quot;."' in data["text/html"]
    assert data["image/png"] in data["text/html"]


def test_a_figure_without_axes_is_no_picture(shown_in_notebook):
    assert shown_in_notebook(figures.Figure().describe("Nothing.")) is None


def test_a_figure_that_nobody_described_is_shown_as_any_other(shown_in_notebook):
    assert shown_in_notebook(figures.curves({"a": [1, 2]})) is None
