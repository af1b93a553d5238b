"""The noise layer and the augmentation: statistics, silence outside of training, one augmentation for both sides."""

import keras
import numpy as np
import pytest
from keras import ops

from helpers.models import dense
from helpers.models.convolutional import PixelNoise, build_augmentation, build_denoiser

GREY = np.full((50, 20, 20, 1), 0.5, np.float32)
SQUARE = np.pad(np.ones((8, 8, 8, 1), np.float32), ((0, 0), (10, 10), (10, 10), (0, 0)))


def test_noise_has_the_wanted_mean_and_deviation():
    noise = ops.convert_to_numpy(PixelNoise(0.1, seed=0)(GREY, training=True)) - 0.5
    assert noise.mean() == pytest.approx(0, abs=0.004) and noise.std() == pytest.approx(0.1, rel=0.03)


def test_noise_is_cut_to_the_range_of_ink():
    noisy = ops.convert_to_numpy(PixelNoise(1.0, seed=0)(GREY, training=True))
    assert (noisy.min(), noisy.max()) == (0, 1)


def test_outside_of_training_images_pass_unchanged():
    images = GREY * 4 - 1  # out of range, so that cutting would be seen
    np.testing.assert_array_equal(PixelNoise(0.5, seed=0)(images), images)


def test_the_same_seed_gives_the_same_noise_and_every_call_another():
    first, second, other = PixelNoise(0.3, seed=4), PixelNoise(0.3, seed=4), PixelNoise(0.3, seed=5)
    noisy = ops.convert_to_numpy(first(GREY, training=True))
    np.testing.assert_array_equal(noisy, second(GREY, training=True))
    assert not np.allclose(noisy, other(GREY, training=True))
    assert not np.allclose(noisy, first(GREY, training=True))


def test_a_denoiser_shares_weights_and_is_its_autoencoder_outside_of_training(tmp_path):
    autoencoder = dense.build_autoencoder(8, input_shape=(20, 20, 1))
    denoiser = build_denoiser(autoencoder, stddev=0.4)
    assert denoiser.get_layer("encoder") is autoencoder.get_layer("encoder")
    np.testing.assert_allclose(denoiser(GREY), autoencoder(GREY), atol=1e-6)
    assert not np.allclose(denoiser(GREY, training=True), autoencoder(GREY, training=True), atol=1e-3)
    denoiser.save(tmp_path / "denoiser.keras")
    again = keras.saving.load_model(tmp_path / "denoiser.keras")
    np.testing.assert_allclose(again(GREY), autoencoder(GREY), atol=1e-6)
    assert again.get_layer("noise").stddev == 0.4


def test_augmentation_moves_images_and_keeps_shape_and_range():
    moved = ops.convert_to_numpy(build_augmentation(seed=1)(SQUARE, training=True))
    assert moved.shape == SQUARE.shape and moved.min() >= 0 and moved.max() <= 1 + 1e-6
    assert all(not np.allclose(one, SQUARE[0]) for one in moved)
    assert not np.allclose(moved[0], moved[1])


def test_the_same_seed_gives_the_same_augmentation():
    moved = [ops.convert_to_numpy(build_augmentation(seed=seed)(SQUARE, training=True)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(moved[0], moved[1])
    assert not np.allclose(moved[0], moved[2])


def centre_of(images):
    """Give the centre of mass, in pixels from the middle of 28 x 28, of each image: (n, 2)."""
    place = np.stack(np.meshgrid(*[np.arange(28) - 13.5] * 2, indexing="ij"), axis=-1)
    return (images * place).sum(axis=(1, 2)) / images.sum(axis=(1, 2, 3))[:, None]


def test_a_shift_stays_in_its_bounds_and_nothing_else_moves():
    shift = build_augmentation(shift=0.25, rotation=0, zoom=0, seed=3)
    moved = ops.convert_to_numpy(shift(np.repeat(SQUARE, 20, axis=0), training=True))
    assert moved.sum(axis=(1, 2, 3)) == pytest.approx(64, rel=1e-3)
    assert 5 < np.abs(centre_of(moved)).max() <= 7 + 1e-3  # a quarter of 28 pixels


def test_rotation_is_in_degrees():
    """A half-turned bar: seen from its end, the angle of the longer axis is at most the angle asked for."""
    bar = np.zeros((80, 28, 28, 1), np.float32)
    bar[:, 13:15, 4:24] = 1
    turned = ops.convert_to_numpy(build_augmentation(shift=0, rotation=30, zoom=0, seed=3)(bar, training=True))
    rows, columns = np.meshgrid(*[np.arange(28) - 13.5] * 2, indexing="ij")
    weights = turned[..., 0]
    crossed, spread = ((weights * rows * columns).sum((1, 2)), (weights * (columns**2 - rows**2)).sum((1, 2)))
    angles = np.degrees(0.5 * np.arctan2(2 * crossed, spread))
    assert 25 < np.abs(angles).max() <= 30.5
