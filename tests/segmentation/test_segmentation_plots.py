"""Figures of class maps show the colours, names and numbers that they were given."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers.data import chesapeake
from helpers.models.unet import build_unet
from helpers.segmentation import plots, reliability

PALETTE, NAMES = ["#000000", "#ff0000", "#00ff00", "#0000ff"], ["none", "red", "green", "blue"]
LABELS = np.array([[[0, 1], [2, 2]], [[2, 2], [2, 2]], [[1, 1], [1, 15]]])


def test_classes_get_their_colours_and_ignored_pixels_stay_white():
    painted = plots.coloured(LABELS, PALETTE)
    assert painted.shape == (3, 2, 2, 3)
    for number in (1, 2):
        assert (painted[number == LABELS] == to_rgb(PALETTE[number])).all()
    for number in (0, 15):
        assert (painted[number == LABELS] == 1).all()


def test_rows_show_every_picture_and_a_legend_of_what_occurs():
    pictures = np.random.default_rng(0).random((3, 2, 2, 3))
    figure = plots.class_rows({"picture": pictures, "truth": LABELS}, PALETTE, NAMES, titles="abc")
    shown = [ax.images[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(shown, [*pictures, *plots.coloured(LABELS, PALETTE)])
    assert [ax.get_ylabel() for ax in figure.axes] == ["picture", "", "", "truth", "", ""]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["red", "green"]


def test_one_picture_of_each_stands_side_by_side():
    figure = plots.class_rows({"truth": LABELS[:1], "map": LABELS[1:2]}, PALETTE, NAMES)
    tops = [ax.get_subplotspec().rowspan.start for ax in figure.axes]
    assert tops == [0, 0] and [ax.get_title(loc="left") for ax in figure.axes] == ["truth", "map"]


def test_a_confusion_matrix_is_drawn_in_percent_of_the_true_class():
    counts = np.zeros((4, 4), int)
    counts[1, 1:], counts[3, 3], counts[0, 0] = (6, 3, 1), 5, 99
    (ax,) = plots.confusion({"net": counts}, NAMES).axes
    assert [text.get_text() for text in ax.texts] == ["60", "30", "10", "0", "0", "0", "0", "0", "100"]
    assert [text.get_text() for text in ax.get_xticklabels()] == NAMES[1:]
    assert "% of the true class" in ax.get_xlabel()


@pytest.mark.parametrize(("count", "columns"), [(1, 2), (3, 2), (5, 3), (4, 2)])
def test_places_without_a_confusion_matrix_stay_empty(count, columns):
    figure = plots.confusion({str(number): np.eye(4) for number in range(count)}, NAMES, columns=columns)
    assert [ax.axison for ax in figure.axes] == [place < count for place in range(len(figure.axes))]


def test_points_lie_above_the_line_where_y_is_larger():
    (ax,) = plots.against([0.5, 0.7], [0.6, 0.65], xlabel="shallow", ylabel="deep").axes
    diagonal, points = ax.lines
    np.testing.assert_array_equal(*diagonal.get_data())
    np.testing.assert_array_equal(points.get_data(), [[0.5, 0.7], [0.6, 0.65]])
    assert ax.get_xlim() == ax.get_ylim() and [note.get_text() for note in ax.texts] == ["y = x ", " 0", " 1"]


def test_the_numbers_below_the_points_do_not_run_into_each_other():
    figure = plots.against([0.775, 0.87], [0.71, 0.858], xlabel="shallow", ylabel="deep")
    figure.canvas.draw()
    labels = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(labels) >= 3 and not any(one.overlaps(other) for one, other in pairwise(labels))


@pytest.mark.parametrize("ignore_class", [None, 0, (0,)])
def test_the_palette_of_the_course_tells_its_classes_apart(ignore_class):
    painted = plots.coloured(np.arange(1, 7), chesapeake.PALETTE, ignore_class=ignore_class)
    assert len(np.unique(painted, axis=0)) == 6


@pytest.mark.parametrize("ignore_class", [-1, 255, [9, 255]])
def test_what_is_ignored_is_white_and_other_labels_beyond_the_palette_are_refused(ignore_class):
    palette = ["#000000", "#ff0000"]
    white = np.ravel(ignore_class)[-1]
    assert plots.coloured(np.array([1, white]), palette, ignore_class=ignore_class).tolist() == [[1, 0, 0], [1, 1, 1]]
    for strange in (2, -2, 7):
        with pytest.raises(ValueError, match=f"a label is {strange}: neither one of 2 classes"):
            plots.coloured(np.array([0, strange]), palette, ignore_class=ignore_class)


@pytest.mark.parametrize(("metres", "bar"), [(1, "50 m"), (30, "1 km"), (0.5, "20 m")])
def test_a_place_is_shown_with_its_mistakes_and_a_scale_bar(metres, bar):
    truth, predicted = np.full((2, 100, 150), 2)
    truth[:10], predicted[:, :30], predicted[90:, 140:] = 15, 1, 0
    picture = np.random.default_rng(0).random((100, 150, 3))
    figure = plots.comparison(
        picture, predicted, PALETTE, NAMES, metres=metres, truth=truth, iou={"green": 0.8}, title="a place"
    )
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    wrong, right = 90 * 30, 90 * 120 - 100
    assert titles == ["picture", "truth", "map", f"mistakes: {wrong / (wrong + right):.1%} of pixels"]
    shown = [ax.images[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(shown[1], plots.coloured(truth, PALETTE))
    mistakes = (shown[3] == to_rgb(plots.WRONG)).all(axis=-1)
    assert mistakes.sum() == wrong and mistakes[10:, :30].all()
    assert (shown[3][:10] == 1).all() and (shown[3][90:, 140:] == 1).all(), "what is ignored is no mistake"
    assert [text.get_text() for text in figure.axes[0].texts] == [bar]
    (length,) = (patch.get_width() for patch in figure.axes[0].patches)
    unit = 1000 if "km" in bar else 1
    assert length * metres == pytest.approx(float(bar.split()[0]) * unit)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["red", "green (IoU 0.80)"]


def test_a_place_whose_truth_nobody_knows_shows_picture_and_map():
    figure = plots.comparison(np.zeros((40, 40, 3)), np.ones((40, 40), int), PALETTE, NAMES, metres=1)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["picture", "map"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["red"]


@pytest.mark.parametrize("bins", [5, 10])
def test_a_reliability_diagram_has_the_accuracy_and_the_share_of_each_bin(bins):
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]])
    found = reliability(probabilities, np.array([0, 1, 1, 1]), bins=bins, ignore_class=None)
    figure = plots.reliability_diagram({"before": found, "after": found})
    above, _, below, _ = figure.axes
    heights = [bar.get_height() for bar in above.patches]
    np.testing.assert_array_equal(heights, found.accuracy)
    np.testing.assert_array_equal([bar.get_height() for bar in below.patches], 100 * found.share)
    assert above.get_title() + above.get_title(loc="left") == f"before: ECE {found.error:.3f}"


@pytest.mark.parametrize(("filters", "skips"), [((2, 4), True), ((2, 4, 6), True), ((2, 4, 6), False)])
def test_a_unet_is_drawn_with_its_sizes_and_skips(filters, skips):
    figure = plots.u_shape(build_unet(input_shape=(16, 16, 3), filters=filters, skips=skips))
    said = [text.get_text() for text in figure.axes[0].texts]
    levels = len(filters) - 1
    assert said.count("skip") == (levels if skips else 0)
    for level, channels in enumerate(filters):
        size = 16 // 2**level
        assert said.count(f"{size} x {size}\n{channels} channels") == (1 if level == levels else 2)
    assert "image\n16 x 16\n3 bands" in said and "classes\n16 x 16\n7" in said


def test_a_unet_of_any_size_has_no_sizes_to_draw():
    with pytest.raises(ValueError, match="rows and columns"):
        plots.u_shape(build_unet(input_shape=(None, None, 3), filters=(2, 4)))
