"""Figures of codes show each point once, tell classes apart without colour, and put pictures at their places."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox

from helpers.latent import plots
from helpers.latent.codes import cluster_tree
from helpers.latent.projections import Projection

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
POINTS = RNG.normal(size=(60, 2)) + 10 * np.eye(3, 2)[LABELS]
IMAGES = RNG.random((60, 5, 4, 1))


def drawn(ax, label):
    """Return the points of a class, sorted: (m, 2)."""
    data = [np.column_stack(line.get_data()) for line in ax.lines if line.get_marker() == plots.MARKERS[label]]
    return np.sort(np.concatenate(data), axis=0)


def pictures(ax):
    return [artist for artist in ax.artists if isinstance(artist, AnnotationBbox)]


def pixels(box):
    return np.asarray(box.offsetbox.get_data())


# ---- maps ----


def test_each_point_is_drawn_once_with_the_marker_of_its_class():
    (ax,) = plots.maps_by_class({"codes": POINTS}, LABELS).axes
    for label in range(3):
        np.testing.assert_allclose(drawn(ax, label), np.sort(POINTS[label == LABELS], axis=0))


def test_a_projection_takes_the_labels_of_its_rows():
    rows = np.array([1, 2, 4, 5, 7, 10])  # no code of class 0
    half = Projection(POINTS[rows], rows, "PCA")
    left, right = plots.maps_by_class({"all": POINTS, "half": half}, LABELS).axes
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("all", "half")
    np.testing.assert_allclose(drawn(right, 1), np.sort(POINTS[[1, 4, 7, 10]], axis=0))
    assert not any(line.get_marker() == plots.MARKERS[0] for line in right.lines)


def test_names_stand_among_their_points():
    figure = plots.maps_by_class({"codes": POINTS}, LABELS, names=["water", "forest", "field"])
    placed = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    for label, name in enumerate(["water", "forest", "field"]):
        assert np.linalg.norm(placed[name] - 10 * np.eye(3, 2)[label]) < 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["water", "forest", "field"]
    assert plots.maps_by_class({"codes": POINTS}, LABELS, legend=False).legends == []


def test_a_name_stands_where_its_class_is_by_itself():
    alone = np.array([[100.0, 0.0]] * 40)
    points = np.concatenate([np.zeros((200, 2)), alone]) + RNG.normal(size=(240, 2))
    labels = np.r_[np.arange(200) % 2, np.ones(40, int)]  # most of class 1 is among class 0
    texts = plots.maps_by_class({"codes": points}, labels).axes[0].texts
    assert next(text for text in texts if text.get_text() == "1").get_position()[0] > 90


def test_names_do_not_cover_each_other():
    points, labels = RNG.normal(size=(90, 2)), np.arange(90) % 3  # all in one heap
    figure = plots.maps_by_class({"codes": points}, labels, names=["a very long name"] * 3)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert boxes and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_classes_differ_in_marker_and_in_colour():
    assert len({plots.look(label)["marker"] for label in range(10)}) == 10
    assert len({plots.look(label)["color"] for label in range(10)}) == 10
    assert len({(look["marker"], look["color"]) for look in map(plots.look, range(110))}) == 110


def test_values_share_one_scale():
    values = np.linspace(-1, 3, 60)
    half = Projection(POINTS[:30], np.arange(30), "PCA")
    left, right = plots.maps_by_value({"all": POINTS, "half": half}, values, label="height, m").axes[:2]
    assert left.collections[0].get_clim() == right.collections[0].get_clim() == (-1, 3)
    np.testing.assert_allclose(right.collections[0].get_array(), values[:30])


@pytest.mark.parametrize("shares", [(0.24, 0.115), (1.0, 0.0)])
def test_the_axes_of_a_map_by_pca_say_what_they_explain(shares):
    panels = {
        "PCA": Projection(POINTS, np.arange(len(POINTS)), "PCA", np.array(shares)),
        "t-SNE": Projection(POINTS, np.arange(len(POINTS)), "t-SNE"),
        "points": POINTS,
    }
    for figure in (plots.maps_by_class(panels, LABELS), plots.maps_by_value(panels, POINTS[:, 0], label="m")):
        pca, *others = figure.axes[:3]
        assert [pca.get_xlabel(), pca.get_ylabel()] == [f"{share:.0%} of the variance" for share in shares]
        assert not any(ax.get_xlabel() + ax.get_ylabel() for ax in others)


# ---- pictures ----


def test_thumbnails_show_their_own_image_and_do_not_overlap():
    figure = plots.thumbnails(POINTS, IMAGES, labels=LABELS)
    figure.draw_without_rendering()
    found = pictures(figure.axes[0])
    assert 10 < len(found) < 60
    for box in found:
        number = int(np.flatnonzero((box.xy == POINTS).all(axis=1))[0])
        np.testing.assert_array_equal(pixels(box), IMAGES[number, ..., 0])
        assert box.patch.get_edgecolor()[:3] == plt.matplotlib.colors.to_rgb(plots.colour(LABELS[number]))
    frames = [box.get_window_extent() for box in found]
    assert not any(a.overlaps(b) for i, a in enumerate(frames) for b in frames[:i])


def test_thumbnails_of_a_projection_take_the_images_of_its_rows():
    rows = np.array([3, 50])
    ax = plots.thumbnails(Projection(POINTS[rows], rows, "PCA"), IMAGES).axes[0]
    assert {pixels(box)[0, 0] for box in pictures(ax)} == {IMAGES[3, 0, 0, 0], IMAGES[50, 0, 0, 0]}


def test_colour_images_stay_in_colour():
    ax = plots.thumbnails(POINTS, np.repeat(IMAGES, 3, axis=-1)).axes[0]
    assert pixels(pictures(ax)[0]).shape == (5, 4, 3)


def test_the_tree_decodes_once_and_draws_each_centre_at_its_node():
    root, calls = cluster_tree(POINTS, LABELS, levels=(2, 3)), []

    def decode(codes):
        calls.append(codes)
        return np.ones((len(codes), 2, 2, 1)) * codes[:, :1, np.newaxis, np.newaxis]

    ax = plots.cluster_tree(root, decode, names=["water", "forest", "field"]).axes[0]
    nodes = list(root.walk())
    assert len(calls) == 1
    np.testing.assert_array_equal(calls[0], [node.centre for node in nodes])
    found = pictures(ax)
    assert [pixels(box)[0, 0] for box in found] == pytest.approx([node.centre[0] for node in nodes])
    assert [-box.xy[1] for box in found] == [node.level for node in nodes]
    leaves = [box.xy[0] for box, node in zip(found, nodes, strict=True) if not node.children]
    assert sorted(leaves) == [0, 1, 2]
    captions = [text.get_text() for text in ax.texts]
    assert captions[0] == 'n = 60\n33 % are "water"' and 'n = 20\n100 % are "forest"' in captions


def test_a_tree_without_labels_tells_sizes_only():
    ax = plots.cluster_tree(cluster_tree(POINTS, levels=(2,)), lambda codes: np.zeros((len(codes), 2, 2, 1))).axes[0]
    assert ax.texts[0].get_text() == "n = 60"


def test_figures_are_not_kept_by_pyplot():
    plots.maps_by_class({"codes": POINTS}, LABELS)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("points", [np.zeros((60, 3)), np.zeros((59, 2)), np.zeros(60)])
def test_what_is_no_map_is_refused(points):
    with pytest.raises(ValueError, match=r"'codes' must be a projection, or points \(n, 2\), one for each of the 60"):
        plots.maps_by_class({"codes": points}, LABELS)


@pytest.mark.parametrize("labels", [np.array([0, np.nan, 1]), np.array([0.2, 0.7, 1.0]), np.eye(3)])
def test_labels_that_are_no_classes_are_refused(labels):
    points = np.float32([[0, 0], [1, 1], [2, 0]])
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        plots.maps_by_class({"by hand": points}, labels)
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        plots.thumbnails(points, np.zeros((3, 4, 4, 1)), labels=labels)
