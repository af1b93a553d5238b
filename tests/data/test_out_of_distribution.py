"""Images that no digit model has seen have the digits' form, and are no digits."""

import numpy as np
import pytest

from helpers.data import out_of_distribution as ood


@pytest.mark.parametrize(("images", "count"), [(ood.clothes(), 6), (ood.photo_patches(4), 4), (ood.noise(3), 3)])
def test_they_have_the_form_of_digits(images, count):
    assert images.shape == (count, 28, 28, 1) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1 and images.std() > 0.05


def test_clothes_are_filled_and_all_but_the_boot_are_symmetric():
    for name, image in zip(ood.CLOTHES, ood.clothes()[..., 0], strict=True):
        difference = np.abs(image - image[:, ::-1]).mean()
        assert (difference < 0.03) == (name != "boot"), name
        assert image.mean() > 0.13, f"{name} has less ink than the mean digit"


def test_noise_is_uniform_and_repeatable():
    np.testing.assert_array_equal(ood.noise(2, seed=3), ood.noise(2, seed=3))
    assert not np.array_equal(ood.noise(2, seed=3), ood.noise(2, seed=4))
    assert ood.noise(50).var() == pytest.approx(1 / 12, rel=0.02)
