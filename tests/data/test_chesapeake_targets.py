"""What a patch is to be turned into: classes with weights, another season, itself without noise."""

import numpy as np
import pytest

from helpers.data import chesapeake
from helpers.data.streaming import Loader


def batch(files, *, epoch=0, **options):
    return next(Loader(chesapeake.Patches(files, **options), batch_size=8).stream(start=(epoch, 0)))


def test_season_goes_from_leaf_on_to_leaf_off(files, patches):
    images, target = batch(files, target="season")
    np.testing.assert_allclose(images, patches_at(patches, slice(10, 19)), rtol=2e-7)
    np.testing.assert_allclose(target, patches_at(patches, slice(19, 28)), rtol=2e-7)
    assert batch(files, target="season", bands=["naip_new", "landsat_leaf_on"])[0].shape[-1] == 13


def patches_at(patches, channels):
    return np.concatenate(patches)[:, channels].transpose(0, 2, 3, 1) / 4000


def test_shares_and_weights_of_classes(files, patches):
    counts = np.bincount(np.concatenate(patches)[:, 8].astype(int).ravel(), minlength=16)[:7]
    counts[0] = 0
    shares = chesapeake.class_shares(files)
    np.testing.assert_allclose(shares, counts / counts.sum())
    weights = chesapeake.class_weights(shares)
    np.testing.assert_allclose((weights * shares)[1:], 1 / 6, rtol=1e-6)  # each class counts the same
    assert weights[chesapeake.IGNORE] == 0
    np.testing.assert_allclose(chesapeake.class_weights(shares, power=0)[1:], 1)
    _, labels, of_pixels = batch(files, weights=weights)
    np.testing.assert_array_equal(of_pixels, weights[labels])
    assert of_pixels.dtype == np.float32 and np.isclose(of_pixels[labels > 0].mean(), 1)


@pytest.mark.parametrize(
    "options",
    [{"target": "noise"}, {"image_size": 300}, {"image_size": 0}, {"weights": [1, 2]}, {"noise": 0.1}]
    + [{"target": "season", **more} for more in ({"weights": [1] * 7}, {"bands": ["landsat_leaf_off"]})]
    + [{"target": "clean", **more} for more in ({"compact": True}, {"noise": -1})],
)
def test_options_that_make_no_sense_are_refused(files, options):
    with pytest.raises(ValueError, match=r"must (not )?be|goe?s? with|is among"):
        chesapeake.Patches(files, **options)


def test_noise_is_added_to_the_input_and_not_to_the_target(files):
    noisy, clean = batch(files, target="clean", noise=0.1, bands=["naip_new"])
    np.testing.assert_array_equal(clean, batch(files, bands=["naip_new"])[0])
    noise = noisy - clean
    assert noise.mean() == pytest.approx(0, abs=0.001) and noise.std() == pytest.approx(0.1, rel=0.01)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.01  # each patch has its own


def test_noise_is_the_same_again_and_another_in_the_next_epoch(files):
    options = {"target": "clean", "noise": 0.1, "bands": ["naip_new_rgb"], "augment": True, "image_size": 64}
    first, again, later = (batch(files, epoch=epoch, **options) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs((first[0] - first[1]) - (later[0] - later[1])).max() > 0.1


def test_without_noise_input_and_target_are_the_same(files):
    image, target = batch(files, target="clean", bands=["landsat_leaf_on"])
    np.testing.assert_array_equal(image, target)


def test_a_compact_input_may_have_the_other_season_as_its_target(files):
    compact, target = batch(files, target="season", compact=True, augment=True)
    floats, same = batch(files, target="season", augment=True)
    np.testing.assert_array_equal(target, same)
    halves = compact["halves"].transpose(0, 2, 3, 1) * np.float32(1 / 8000)
    np.testing.assert_array_equal(halves, floats)
