"""Calibration, temperature and conformal sets: against what can be computed by hand, and against known chances."""

import numpy as np
import pytest

from helpers.segmentation import conformal_sets, conformal_threshold, find_temperature, reliability, soften


def drawn(temperature: float, *, count: int = 20_000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels from probabilities, and return what a network says that is too sure by a temperature."""
    random = np.random.default_rng(0)
    true = random.dirichlet(np.ones(classes), count)
    labels = (random.random((count, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return soften(true, 1 / temperature), labels


def test_reliability_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7], [0.5, 0.5]])
    found = reliability(probabilities, np.array([0, 1, 1, 1, 9]), bins=5, ignore_class=9)
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, np.nan, 0.7, 0.9])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, np.nan, 1, 0.5])
    np.testing.assert_allclose(found.share, [0, 0, 0, 0.5, 0.5])
    assert found.error == pytest.approx((0.3 + 0.4) / 2)


def test_a_network_that_is_sure_and_right_is_in_the_last_bin():
    found = reliability(np.eye(3)[[0, 1, 2]], np.array([0, 1, 2]), ignore_class=None)
    assert found.error == 0 and found.share[-1] == 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 3.0])
def test_the_temperature_that_made_a_network_too_sure_is_found_and_cures_it(temperature):
    probabilities, labels = drawn(temperature)
    found = find_temperature(probabilities, labels, ignore_class=None)
    assert found == pytest.approx(temperature, rel=0.05)
    assert reliability(soften(probabilities, found), labels, ignore_class=None).error < 0.02


def test_temperature_keeps_the_order_and_one_changes_nothing():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), (3, 4))
    for temperature in (0.3, 4.0):
        softened = soften(probabilities, temperature)
        np.testing.assert_array_equal(softened.argsort(), probabilities.argsort())
        np.testing.assert_allclose(softened.sum(axis=-1), 1)
    np.testing.assert_allclose(soften(probabilities, 1.0), probabilities)
    assert np.isfinite(soften(np.array([1.0, 0.0]), 0.1)).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="above 0"):
        soften(np.array([0.5, 0.5]), temperature)


def test_the_threshold_is_the_probability_that_enough_truths_reach():
    probabilities = np.stack([np.arange(1, 10) / 10, 1 - np.arange(1, 10) / 10], axis=1)
    labels = np.zeros(9, int)  # of which the probabilities are 0.1 to 0.9
    assert conformal_threshold(probabilities, labels, cover=0.9, ignore_class=None) == pytest.approx(0.1)
    assert conformal_threshold(probabilities, labels, cover=0.5, ignore_class=None) == pytest.approx(0.5)
    assert conformal_threshold(probabilities, labels, cover=0.95, ignore_class=None) == 0, "nine pixels are too few"


@pytest.mark.parametrize("cover", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_sets_cover_as_promised_however_wrong_the_network_is(cover, temperature):
    probabilities, labels = drawn(temperature)
    threshold = conformal_threshold(probabilities[::2], labels[::2], cover=cover, ignore_class=None)
    sets = conformal_sets(probabilities[1::2], threshold)
    assert np.take_along_axis(sets, labels[1::2, None], axis=1).mean() == pytest.approx(cover, abs=0.015)


def test_pixels_without_a_label_count_nowhere():
    probabilities, labels = drawn(2.0, count=400)
    probabilities = np.concatenate([probabilities, probabilities[:, ::-1]])
    labels = np.concatenate([labels + 0, np.full(400, 15)])
    pairs = [(probabilities[:400], labels[:400]), (probabilities, labels)]
    for function in (lambda p, y: reliability(p, y, ignore_class=15).error, find_with_15, threshold_with_15):
        assert len({function(*pair) for pair in pairs}) == 1


def find_with_15(probabilities, labels):
    return find_temperature(probabilities, labels, ignore_class=15)


def threshold_with_15(probabilities, labels):
    return conformal_threshold(probabilities, labels, ignore_class=15)


@pytest.mark.parametrize("function", [reliability, find_temperature, conformal_threshold])
def test_what_does_not_belong_is_refused(function):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), (2, 3))
    for labels, message in (
        (np.ones((2, 4), int), "do not belong"),
        (np.full((2, 3), 7), "a label is 7"),
        (np.zeros((2, 3), int), "no pixel has a label"),
    ):
        with pytest.raises(ValueError, match=message):
            function(probabilities, labels)


@pytest.mark.parametrize("cover", [0, 1, 90])
def test_a_cover_is_a_share(cover):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        conformal_threshold(np.ones((2, 1)), np.zeros(2, int), cover=cover, ignore_class=None)
