"""MIG: one for codes that are the factors, nothing for noise, between for turned codes, and closed forms."""

import math

import numpy as np
import pytest

from helpers.data.synthetic import shapes
from helpers.latent.codes import mig

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RNG = np.random.default_rng(0)
FACTORS = RNG.integers(0, [3, 6, 8, 10], (3000, 4))
PERFECT = FACTORS + RNG.normal(0, 0.01, FACTORS.shape)
NOISE = RNG.normal(size=(3000, 6))
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
TURNED = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0) @ TURN


def score(codes, factors=FACTORS):
    return mig(codes, factors).score


def every_pair(first, second):
    return np.stack(np.meshgrid(np.arange(first), np.arange(second)), -1).reshape(-1, 2)


def test_codes_that_are_the_factors_score_one():
    np.testing.assert_allclose(score(PERFECT), 1, atol=0.02)


def test_axes_that_are_noise_beside_them_cost_nothing():
    np.testing.assert_allclose(score(np.hstack([PERFECT, NOISE[:, :2]])), 1, atol=0.03)


def test_noise_scores_nothing():
    np.testing.assert_allclose(score(NOISE), 0, atol=0.02)


def test_turned_codes_are_entangled():
    assert 0.02 < score(TURNED) < 0.6


@pytest.mark.parametrize("codes", [PERFECT, TURNED], ids=["perfect", "turned"])
def test_order_scale_and_sign_of_the_axes_change_nothing(codes):
    changed = codes[:, [2, 0, 3, 1]] * [-1, 100, 0.01, -7]
    np.testing.assert_allclose(score(changed), score(codes), atol=0.02)


def test_mig_of_an_axis_for_each_factor_is_exactly_one():
    factors = every_pair(4, 5)
    found = mig(factors.astype(float), factors)
    assert found.score == pytest.approx(1)
    np.testing.assert_allclose(found.information, np.eye(2), atol=1e-9)


def test_mig_of_one_axis_for_two_factors_is_half_of_the_truth():
    factors = every_pair(2, 2)
    both = (2 * factors[:, :1] + factors[:, 1:]).astype(float)  # one axis tells all about both
    assert mig(both, factors).per_factor.tolist() == pytest.approx([1, 1])
    twice = np.hstack([both, both])  # and a second one tells the same
    assert mig(twice, factors).score == pytest.approx(0)


def test_mig_of_an_axis_that_tells_part_is_that_part():
    factors = every_pair(4, 3)
    codes = np.stack([factors[:, 0] // 2, factors[:, 1]], axis=1)  # one bit of the first factor's two
    np.testing.assert_allclose(mig(codes, factors).per_factor, [0.5, 1], atol=1e-9)


def test_mig_of_a_factor_with_more_values_than_bins_stays_below_one():
    factors = every_pair(40, 2)
    found = mig(factors.astype(float), factors, bins=20)
    np.testing.assert_allclose(found.per_factor, [math.log(20) / math.log(40), 1], atol=1e-9)


def test_factors_that_do_not_vary_count_for_nothing():
    factors = np.hstack([FACTORS, np.zeros((3000, 1), int)])
    assert math.isnan(mig(PERFECT, factors).per_factor[-1])
    np.testing.assert_allclose(score(PERFECT, factors), score(PERFECT))


def test_the_factors_of_drawn_shapes_are_independent():
    drawn = shapes.sample(5000, sizes={"rotation": 8, "x": 8, "y": 8}, image_size=32, announce=False)
    assert mig(drawn.factors.astype(float), drawn.factors).score > 0.98


def test_what_cannot_be_scored_is_explained():
    with pytest.raises(ValueError, match=r"whole numbers, \(n, k\); received float64.*np\.digitize"):
        mig(PERFECT, PERFECT)
    with pytest.raises(ValueError, match="No factor varies"):
        mig(PERFECT, np.zeros((3000, 2), int))
    with pytest.raises(ValueError, match="3000 codes, but 10 labels"):
        mig(PERFECT, FACTORS[:10])
