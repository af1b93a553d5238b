"""The family of the thesis: its published numbers of parameters, and what each way of halving gives."""

import itertools
import math

import keras
import numpy as np
import pytest

from helpers.models.variational import BOTTLENECKS, aerial_vae

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

PUBLISHED = {
    "2x2x256": 3_935_651,
    "4x4x128": 6_492_195,
    "8x8x64": 12_638_051,
    "16x16x32": 25_188_099,
    "32x32x32": 100_708_259,
}


def by_hand(bottleneck, kernel=3, latent_dim=1024):
    """Count the parameters of strided convolutions, two heads, a dense layer back, and the mirror image."""
    *_, channels = shape = tuple(map(int, bottleneck.split("x")))
    widths = [3, *(channels >> level for level in reversed(range(BOTTLENECKS[bottleneck])))]
    pairs = list(itertools.pairwise(widths))
    convolutions = sum(2 * kernel**2 * one * other + one + other for one, other in pairs)
    features = math.prod(shape)
    return convolutions + 2 * (features + 1) * latent_dim + (latent_dim + 1) * features


def parameters(model):
    return model.encoder.count_params() + model.decoder.count_params()


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_the_parameters_are_those_of_the_thesis(bottleneck):
    assert by_hand(bottleneck) == PUBLISHED[bottleneck]
    small = aerial_vae(bottleneck, latent_dim=4)  # the largest takes 400 MB as it was
    assert parameters(small) == by_hand(bottleneck, latent_dim=4)
    assert small.encoder.get_layer("flat").input.shape[1:] == tuple(map(int, bottleneck.split("x")))
    if bottleneck in ("2x2x256", "4x4x128"):
        assert parameters(aerial_vae(bottleneck)) == PUBLISHED[bottleneck]


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("pooling", ["strided", "max", "average", "replace"])
def test_every_way_of_halving_leads_to_the_bottleneck(pooling, kernel):
    model = aerial_vae("8x8x64", pooling=pooling, kernel=kernel, latent_dim=4)
    more = sum(kernel**2 * width**2 + width for width in (8, 16, 32, 64)) if pooling == "replace" else 0
    assert parameters(model) == by_hand("8x8x64", kernel, 4) + more
    images = np.random.default_rng(0).random((2, 128, 128, 3), np.float32)
    found = model(images)
    assert found["reconstruction"].shape == (2, 128, 128, 3) and found["z"].shape == (2, 4)


def test_the_loss_is_that_of_the_thesis_up_to_a_factor():
    model = aerial_vae("2x2x256", latent_dim=4)
    model.compile(optimizer="adam")
    images = np.random.default_rng(0).random((4, 128, 128, 3), np.float32)
    losses = model.evaluate(images, verbose=0, return_dict=True)
    mean_error = losses["reconstruction"] / (128 * 128 * 3)
    assert 0.2 < mean_error < 0.3  # about 0.25 between grey and noise
    thesis = mean_error + losses["kl"] / (128 * 128 * 3)
    assert losses["loss"] == pytest.approx(128 * 128 * 3 * thesis, rel=1e-5)


@pytest.mark.long
def test_it_trains_and_is_saved(tmp_path):
    keras.utils.set_random_seed(0)
    model = aerial_vae("4x4x128", latent_dim=8)
    model.compile(optimizer=keras.optimizers.Adam(5e-3))
    images = np.full((8, 128, 128, 3), 0.9, np.float32)
    losses = model.fit(images, epochs=6, batch_size=4, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.reconstruct(images[:1]), model.reconstruct(images[:1]), atol=1e-6)


def test_others_are_refused():
    with pytest.raises(ValueError, match="bottleneck must be one of 2x2x256"):
        aerial_vae("64x64x8")
    with pytest.raises(ValueError, match="pooling strided, max, average or replace"):
        aerial_vae(pooling="median")
