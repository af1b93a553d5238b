"""Windows of tiles: directions of drawn stripes, probes that leave out what is not known, chance among neighbours."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import accuracy_score

from helpers.latent.attribution import (
    edge_direction,
    mean_colour,
    neighbour_purity,
    permutation_test,
    probe_facts,
    shift_test,
)

RNG = np.random.default_rng(0)
SIDE = 8


def stripes(degrees, size=64):
    """Draw waves whose crests run at an angle to the rows, anticlockwise."""
    rows, columns = np.mgrid[:size, :size]
    across = rows * np.cos(np.deg2rad(degrees)) + columns * np.sin(np.deg2rad(degrees))
    return np.repeat(np.sin(across / 2)[..., np.newaxis], 3, axis=-1)


def patches(tiles, rng):
    """Draw maps of two classes in large patches, tile after tile: (tiles * SIDE**2,)."""
    smooth = [gaussian_filter(rng.standard_normal((SIDE, SIDE)), 1.5, mode="wrap") for _ in range(tiles)]
    return np.concatenate([(one > np.median(one)).astype(int).ravel() for one in smooth])


@pytest.mark.parametrize("degrees", [-40, -20, 0, 10, 30])
def test_stripes_have_their_direction(degrees):
    found = edge_direction(np.stack([stripes(degrees), stripes(degrees + 90)]))
    np.testing.assert_allclose(found.degrees, degrees, atol=1)  # along and across are one
    np.testing.assert_allclose(found.strength, 1, atol=0.02)
    angle = np.deg2rad(4 * found.degrees)
    np.testing.assert_allclose(found.components, np.stack([np.cos(angle), np.sin(angle)], axis=-1), atol=1e-5)


def test_noise_and_flat_windows_have_no_direction():
    noise = gaussian_filter(RNG.standard_normal((1, 256, 256, 1)), (0, 2, 2, 0))
    assert edge_direction(noise).strength[0] < 0.1
    flat = edge_direction(np.full((1, 16, 16, 3), 0.5))
    assert flat.strength[0] == 0 and np.isfinite(flat.components).all()


def test_mean_colour_is_the_mean_of_each_band():
    images = RNG.random((4, 8, 8, 3), np.float32)
    np.testing.assert_allclose(mean_colour(images)[2], [images[2, ..., band].mean() for band in range(3)], rtol=1e-6)


def make_side(count):
    codes = RNG.standard_normal((count, 5))
    heights = codes[:, 0] * 3 + 10
    classes = (codes[:, 1] > 0).astype(np.uint8)
    heights[:10], classes[10:20] = np.nan, 255
    return codes, {"class": classes, "height": heights, "both": codes[:, :2], "nothing": RNG.standard_normal(count)}


def test_facts_are_probed_without_the_windows_that_lack_them():
    known, test = make_side(300), make_side(200)
    scores = probe_facts(known, test, ignore_class=255)
    assert scores["class"] > 0.95 and scores["height"] > 0.99 and scores["both"] > 0.99
    assert abs(scores["nothing"]) < 0.1
    assert probe_facts(known, test)["class"] < scores["class"], "without ignore_class, 255 is a third class"
    assert probe_facts(known, test, ignore_class=[7, 255]) == scores


@pytest.mark.long
def test_patches_are_no_evidence_once_neighbours_stay_together():
    """Two independent maps of patches: shuffled labels make them look related, pushed maps do not."""
    tiles, rng = 4, np.random.default_rng(1)
    naive, shifted = [], []
    for _ in range(20):
        codes, labels = patches(tiles, rng), patches(tiles, rng)
        naive.append(permutation_test(lambda a, b: accuracy_score(a[:, 0], b), codes[:, np.newaxis], labels).p)
        shifted.append(shift_test(accuracy_score, codes, labels, list("aabb")).p)
    assert np.mean(np.array(naive) < 0.05) > 0.1
    assert np.mean(np.array(shifted) < 0.05) <= 0.1


def test_what_codes_know_is_found():
    labels = patches(4, np.random.default_rng(2))
    codes = np.stack([labels, np.zeros_like(labels)], axis=-1) + 0.3 * RNG.standard_normal((len(labels), 2))
    found = shift_test(neighbour_purity, codes, labels, list("abcd"), permutations=39)
    assert found.score > 0.9 > found.chance
    assert found.p == pytest.approx(1 / 40) and found.shuffled.shape == (39,)


def test_views_of_a_place_are_pushed_alike_and_places_are_not():
    labels = np.tile(np.arange(SIDE**2), 3)
    seen = []
    shift_test(lambda codes, labels: seen.append(labels.reshape(3, -1)) or 0, labels, labels, list("aab"), seed=3)
    assert len(seen) == 100 and np.array_equal(seen[0].ravel(), labels), "the first are the labels as they are"
    assert all(np.array_equal(np.sort(one), labels.reshape(3, -1)) for one in seen), "nothing is lost"
    assert all(np.array_equal(one[0], one[1]) for one in seen)
    assert sum(np.array_equal(one[0], one[2]) for one in seen[1:]) < 10


@pytest.mark.parametrize(("labels", "codes", "tiles"), [(63, 63, 1), (128, 128, 1), (64, 63, 1)])
def test_windows_that_were_left_out_are_missed(labels, codes, tiles):
    with pytest.raises(ValueError, match="Pass every window of each tile"):
        shift_test(accuracy_score, np.zeros(codes), np.zeros(labels), ["a"] * tiles)
