"""Scores of codes against labels: one for codes that are classes, chance for codes that know nothing."""

import numpy as np
import pytest

from helpers.latent import attribution as at

RNG = np.random.default_rng(0)
LABELS = RNG.permutation(np.repeat(np.arange(4), 75))
PERFECT = np.eye(4, 5)[LABELS] + RNG.normal(0, 0.01, (300, 5))
NOISE = RNG.normal(size=(300, 5))
SCORES = [at.silhouette, at.nmi, at.neighbour_purity]


def test_codes_that_are_classes_score_one():
    for score in SCORES:
        assert score(PERFECT, LABELS) == pytest.approx(1, abs=0.03)
    assert at.linear_probe(PERFECT, LABELS, count=20)[:2] == (1, 0)


def test_noise_scores_as_chance_does():
    assert at.silhouette(NOISE, LABELS) == pytest.approx(0, abs=0.03)
    assert at.nmi(NOISE, LABELS) == pytest.approx(0, abs=0.03)
    assert at.neighbour_purity(NOISE, LABELS) == pytest.approx(0.25, abs=0.04)
    assert at.linear_probe(NOISE, LABELS).mean == pytest.approx(0.25, abs=0.06)


def test_small_cases_by_hand():
    codes, labels = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array([0, 0, 1, 1])
    # within 1; to the other class 4.5, 3.5, 3.5, 4.5
    assert at.silhouette(codes, labels) == pytest.approx((2 * 3.5 / 4.5 + 2 * 2.5 / 3.5) / 4)
    assert at.neighbour_purity(codes, labels, neighbours=1) == 1
    assert at.neighbour_purity(codes, labels, neighbours=2) == 0.5
    assert at.nmi(codes, labels) == 1
    assert at.nmi(codes, np.array([0, 1, 0, 1])) == pytest.approx(0, abs=1e-9)


def test_more_clusters_than_classes_is_scored_by_the_known_formula():
    codes, labels = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])
    assert at.nmi(codes, labels, clusters=4) == pytest.approx(2 / 3)  # 2 * log 2 / (log 2 + log 4)


def test_a_probe_is_of_its_seed_and_differs_by_draw():
    found = at.linear_probe(PERFECT + 0.5 * NOISE, LABELS, count=40, draws=4, seed=1)
    assert found.scores.shape == (4,) and len(set(found.scores)) > 1
    assert (found.mean, found.sd) == (pytest.approx(found.scores.mean()), pytest.approx(found.scores.std(ddof=1)))
    again = at.linear_probe(PERFECT + 0.5 * NOISE, LABELS, count=40, draws=4, seed=1)
    np.testing.assert_array_equal(found.scores, again.scores)


def test_a_probe_sees_each_class_in_its_share():
    rare = np.r_[np.zeros(290, int), np.ones(10, int)]
    codes = np.eye(2)[rare]
    assert at.linear_probe(codes, rare, count=30, draws=8).scores.tolist() == [1] * 8  # never without the rare class


def test_a_probe_does_not_mind_the_scale_of_an_axis():
    codes = PERFECT + 0.3 * NOISE
    scaled = at.linear_probe(codes * [1, 1000, 0.01, 1, 5], LABELS).mean
    assert scaled == pytest.approx(at.linear_probe(codes, LABELS).mean, abs=0.01)


def test_a_probe_is_tested_where_it_is_told():
    elsewhere = PERFECT[:50], (LABELS[:50] + 1) % 4  # other places, where every class looks like another
    assert at.linear_probe(PERFECT, LABELS, test=elsewhere, count=300).mean == 0
    half = at.regression_probe(PERFECT, PERFECT[:, 0], test=(PERFECT, 2 * PERFECT[:, 0]))  # says y for 2 y
    assert half.mean == pytest.approx(1 - (PERFECT[:, 0] ** 2).mean() / (4 * PERFECT[:, 0].var()), abs=0.01)


def test_a_regression_probe_explains_what_is_linear_in_the_codes_and_nothing_else():
    assert at.regression_probe(NOISE, NOISE @ np.arange(5.0) + 7).mean == pytest.approx(1, abs=1e-3)
    assert at.regression_probe(NOISE, RNG.normal(size=300)).mean == pytest.approx(0, abs=0.1)
    half = NOISE[:, 0] + RNG.normal(size=300)  # half of the variance is in the codes
    assert at.regression_probe(NOISE, half, count=150).mean == pytest.approx(0.5, abs=0.1)
    both = np.stack([NOISE[:, 0], RNG.normal(size=300)], axis=1)
    assert at.regression_probe(NOISE, both).mean == pytest.approx(0.5, abs=0.06)


def test_the_permutation_test_tells_knowledge_from_chance():
    known = at.permutation_test(at.neighbour_purity, PERFECT, LABELS, permutations=49)
    assert (known.p, known.score) == (1 / 50, at.neighbour_purity(PERFECT, LABELS))
    assert known.chance == pytest.approx(0.25, abs=0.02) and known.shuffled.shape == (49,)
    assert known.chance == pytest.approx(known.shuffled.mean())


def test_p_values_of_noise_are_uniform():
    rng = np.random.default_rng(1)
    values = [
        at.permutation_test(
            lambda c, y: abs(np.corrcoef(c[:, 0], y)[0, 1]),
            rng.normal(size=(20, 1)),
            rng.normal(size=20),
            permutations=19,
        ).p
        for _ in range(60)
    ]
    assert 0.35 < np.mean(values) < 0.7 and np.mean(np.array(values) <= 0.1) < 0.25


def test_what_cannot_be_scored_is_explained():
    with pytest.raises(ValueError, match=r"whole numbers, \(n,\); received \(300, 4\).*argmax"):
        at.nmi(PERFECT, np.eye(4)[LABELS])
    with pytest.raises(ValueError, match="two classes or more"):
        at.silhouette(PERFECT, np.zeros(300, int))
    with pytest.raises(ValueError, match=r"whole numbers.*1 of 300 are NaN"):
        at.neighbour_purity(PERFECT, np.where(np.arange(300) == 7, np.nan, LABELS))
    with pytest.raises(ValueError, match=r"whole numbers.*received float64, such as 0\.5"):
        at.nmi(PERFECT, LABELS + 0.5)
    assert at.nmi(PERFECT, LABELS.astype(float)) == at.nmi(PERFECT, LABELS)
    with pytest.raises(ValueError, match="below the number of codes, 300; received 300"):
        at.linear_probe(PERFECT, LABELS, count=300)
    with pytest.raises(ValueError, match=r"NaN.*np\.isfinite"):
        at.regression_probe(NOISE, np.where(LABELS == 0, np.nan, 1.0))
