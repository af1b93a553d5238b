"""Noise on arrays, and batches in which input and target are the same image."""

import numpy as np
import pytest

from helpers.data.digits import add_noise, denoising_batches
from helpers.models.convolutional import build_augmentation

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

IMAGES = np.random.default_rng(0).random((10, 28, 28, 1), dtype=np.float32)


def test_noise_has_the_wanted_statistics_and_range():
    grey = np.full((100, 28, 28, 1), 0.5, np.float32)
    noise = add_noise(grey, 0.1, seed=0) - 0.5
    assert noise.mean() == pytest.approx(0, abs=0.002) and noise.std() == pytest.approx(0.1, rel=0.01)
    strong = add_noise(grey, 1.0, seed=0)
    assert (strong.min(), strong.max(), strong.dtype) == (0, 1, np.float32)


def test_noise_leaves_the_images_and_obeys_its_seed():
    kept = IMAGES.copy()
    first, again, other = (add_noise(IMAGES, 0.3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(IMAGES, kept)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_array_equal(add_noise(IMAGES, 0, seed=1), IMAGES)


def test_bytes_and_negative_deviations_are_refused():
    with pytest.raises(ValueError, match=r"received 0 to 255. Divide bytes by 255"):
        add_noise(np.array([0.0, 255.0]), 0.1, seed=0)
    with pytest.raises(ValueError, match="at least 0; received -1"):
        add_noise(IMAGES, -1, seed=0)


def everything(batches):
    pairs = [(noisy.numpy(), clean.numpy()) for noisy, clean in batches]
    return tuple(np.concatenate(side) for side in zip(*pairs, strict=True))


def test_every_image_comes_once_a_pass_noisy_in_and_clean_out():
    noisy, clean = everything(denoising_batches(IMAGES, stddev=0.2, batch_size=4))
    assert noisy.shape == clean.shape == IMAGES.shape and noisy.min() >= 0 and noisy.max() <= 1
    order = [int(np.abs(IMAGES - image).max(axis=(1, 2, 3)).argmin()) for image in clean]
    assert sorted(order) == list(range(10)) != order
    np.testing.assert_array_equal(clean, IMAGES[order])
    inside = (noisy > 0) & (noisy < 1) & (np.abs(clean - 0.5) < 0.1)  # so far from both ends that little is cut
    assert (noisy - clean)[inside].std() == pytest.approx(0.2, rel=0.1)


def test_the_target_is_augmented_with_its_input():
    batches = denoising_batches(IMAGES, stddev=0, augmentation=build_augmentation(seed=1), batch_size=4)
    noisy, clean = everything(batches)
    np.testing.assert_array_equal(noisy, clean)
    assert np.abs(clean[:, None] - IMAGES[None]).max(axis=(2, 3, 4)).min() > 0.1  # none is as it was


def test_passes_differ_and_the_same_seeds_go_through_the_same_passes():
    def passes():
        batches = denoising_batches(IMAGES, stddev=0.2, augmentation=build_augmentation(seed=1), batch_size=4, seed=7)
        return [everything(batches) for _ in range(2)]

    first, again = passes(), passes()
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[0], first[1])
