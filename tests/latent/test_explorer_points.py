"""What the explorer shows is checked, its axes lead back to the codes, and its statistics are those of the classes."""

import numpy as np
import pytest

from helpers.latent.explorer.points import (
    as_table,
    bounds,
    class_statistics,
    collect,
    interpolate,
    principal_components,
    raw_axes,
    to_bytes,
    traverse,
    widest,
)
from helpers.latent.plots import COLOURS

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(50, 4)).astype(np.float32) @ np.float32(np.diag([1, 5, 0.1, 2]))
LABELS = np.arange(50) % 3
IMAGES = RNG.random((50, 6, 5, 1), dtype=np.float32)


# ---- points ----


def test_what_belongs_together_is_collected():
    points = collect(CODES.astype(np.float64), LABELS, IMAGES, ["a", "bc", "water"])
    assert (points.codes.dtype, points.labels.dtype, points.images.dtype) == (np.float32, np.uint8, np.uint8)
    np.testing.assert_allclose(points.images / 255, IMAGES, atol=0.5 / 255 + 1e-6)
    assert points.marks == ["a", "bc", "2"], "a name that is too long for a mark is known by its number"


@pytest.mark.parametrize("name", ["_", "^", "$", "\\\\", "", " ", "C#", "$a", "{"])
def test_a_name_that_is_no_letters_is_known_by_its_number(name):
    points = collect(CODES, LABELS, class_names=["a", name, "Z9"])
    assert points.marks == ["a", "1", "Z9"]


def test_classes_are_numbers_unless_named():
    assert collect(CODES, LABELS).class_names == ("0", "1", "2")
    assert collect(CODES).class_names == ("all",)
    assert collect(CODES, class_names=np.array(["one", "two"])).class_names == ("one", "two")
    assert collect(CODES, np.arange(50) % 12).colours[10] == COLOURS[0]


def test_uint8_images_are_taken_as_they_are():
    images = np.zeros((50, 6, 5, 3), np.uint8)
    assert collect(CODES, LABELS, images).images is images
    np.testing.assert_array_equal(
        to_bytes(np.float32([-1, 0, 0.5, 1, 7]).reshape(5, 1, 1, 1)).ravel(), [0, 0, 128, 255, 255]
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes": CODES.reshape(50, 2, 2)}, r"received \(50, 2, 2\).*reshape"),
        ({"codes": CODES[:, :1]}, r"latent_dim of at least 2"),
        ({"codes": np.zeros((100_001, 2))}, r"received 100,001.*codes\[:100000\]"),
        ({"codes": np.where(np.eye(50, 4), np.nan, CODES)}, r"4 of 50 codes hold NaN.*learning rate"),
        ({"labels": LABELS[:-1]}, r"There are 50 codes, so labels.*\(49,\).*same order"),
        ({"labels": np.eye(3)[LABELS]}, r"labels must be \(n,\).*\(50, 3\)"),
        ({"labels": LABELS.astype(float)}, r"whole numbers.*float64 from 0\.0 to 2\.0.*values=.*astype\(int\)"),
        ({"labels": LABELS - 1}, "whole numbers from 0 to 1.*argmax"),
        ({"values": {"height": LABELS[:-1]}}, r"so values of 'height' must be \(n,\).*\(49,\)"),
        ({"values": {"": LABELS}}, "numbers with a name"),
        ({"values": LABELS}, "by their name.*received ndarray"),
        ({"values": [LABELS]}, "by their name.*received list"),
        ({"values": {"height": np.full(50, np.nan)}}, "received float64 named 'height'"),
        ({"values": {"name": LABELS.astype(str)}}, "received <U.* named 'name'.*class_names"),
        ({"labels": np.where(LABELS == 1, np.nan, LABELS)}, "17 of 50 labels are NaN"),
        ({"labels": LABELS.astype(str)}, "received <U.*np.unique"),
        ({"labels": np.array(["cat", 1] * 25, object)}, "received object.*np.unique"),
        ({"labels": LABELS * 1_000_000_000}, r"at most 256 classes.*2,000,000,000.*values="),
        ({"labels": LABELS * 1e15}, r"at most 256 classes.*2,000,000,000,000,000.*values="),
        ({"labels": np.full(50, 256)}, "at most 256 classes.*number 256"),
        ({"class_names": list(map(str, range(300)))}, "at most 256 classes.*number 299"),
        ({"values": {"time": 1.7e9 + np.arange(50) / 1000}}, "too little to tell apart.*values.min"),
        ({"values": {"time": np.where(LABELS, 1.7e9 + LABELS, np.nan)}}, "too little to tell apart.*values.min"),
        ({"values": {"height": np.where(LABELS == 1, 1e39, 1)}}, r"reach 1e\+39"),
        ({"labels": LABELS + 1, "class_names": "abc"}, r"from 0 to 2.*from 1 to 3"),
        ({"images": IMAGES[:7]}, r"images must be .* n = 50; received \(7, 6, 5, 1\)"),
        ({"images": IMAGES[..., 0]}, r"\(n, rows, columns, 1 or 3\).*\(50, 6, 5\)"),
        ({"images": np.zeros((50, 6, 5, 26))}, r"images\[\.\.\., :3\]"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        collect(**{"codes": CODES, "labels": LABELS, "images": IMAGES} | changed)


# ---- axes ----


def test_raw_axes_are_the_codes_bit_by_bit():
    basis = raw_axes(CODES)
    assert basis.names == ("z0", "z1", "z2", "z3")
    np.testing.assert_array_equal(basis.coordinates(CODES), CODES)
    np.testing.assert_array_equal(basis.codes(CODES), CODES)


def test_principal_components_lead_there_and_back():
    basis = principal_components(CODES)
    coordinates = basis.coordinates(CODES)
    np.testing.assert_allclose(basis.codes(coordinates), CODES, atol=1e-5)
    np.testing.assert_allclose(basis.directions.T @ basis.directions, np.eye(4), atol=1e-6)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(CODES.T, ddof=0)))[::-1]
    np.testing.assert_allclose(coordinates.std(axis=0), spread, rtol=1e-4)


def test_few_codes_have_few_components_and_none_is_lost():
    basis = principal_components(CODES[:3])
    assert basis.names == ("PC1", "PC2", "PC3")
    np.testing.assert_allclose(basis.codes(basis.coordinates(CODES[:3])), CODES[:3], atol=1e-5)


def test_the_widest_axes_keep_their_order():
    assert widest(CODES, 2) == [1, 3]
    assert widest(CODES, 9) == [0, 1, 2, 3]


def test_a_walk_leaves_the_other_axes_at_their_mean():
    walk = traverse(CODES, 1, 5)
    np.testing.assert_array_equal(walk[[0, -1], 1], bounds(CODES)[:, 1])
    np.testing.assert_allclose(np.diff(walk[:, 1]), np.ptp(CODES[:, 1]) / 4, rtol=1e-5)
    np.testing.assert_allclose(walk[:, [0, 2, 3]], np.tile(CODES.mean(axis=0)[[0, 2, 3]], (5, 1)), rtol=1e-6)


def test_an_interpolation_is_straight_and_ends_where_it_should():
    steps = interpolate(CODES[0], CODES[1], 9)
    np.testing.assert_array_equal(steps[[0, -1]], CODES[:2])
    np.testing.assert_allclose(steps[4], CODES[:2].mean(axis=0), rtol=1e-5)
    assert steps.dtype == np.float32


# ---- statistics ----


def test_statistics_are_those_of_the_classes():
    codes, labels = np.float32([[1, 10], [3, 10], [5, 20]]), np.array([0, 0, 2])
    found = class_statistics(codes, labels, 3)
    np.testing.assert_array_equal(found[0], [2, 2, 10, 1, 0])
    np.testing.assert_array_equal(found[1], [0, *[np.nan] * 4])
    np.testing.assert_array_equal(found[2], [1, 5, 20, 0, 0])
    table = as_table(found, ["a", "b", "c"], ["z0", "z1"], shown=[1])
    assert table.heading == ["class", "count", "z1"]
    assert table.cells == [["a", "2", "10.00 ± 0.00"], ["b", "0", ""], ["c", "1", "20.00 ± 0.00"]]
