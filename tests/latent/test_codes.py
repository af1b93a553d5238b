"""Activations come layer by layer and equal those of the encoder; broken codes are refused with a way out."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.latent import codes
from helpers.models import convolutional, dense, unet
from helpers.models.convolutional import build_denoiser
from helpers.training import seed_everything

IMAGES = np.random.default_rng(0).random((6, 12, 10, 1), dtype=np.float32)


@pytest.fixture
def encoder():
    seed_everything(0)
    images = keras.Input((12, 10, 1))
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="maps")(images)
    x = layers.Dropout(0.5)(x)
    mean = layers.Dense(4, name="z_mean")(layers.Flatten()(x))
    return keras.Model(images, [mean, layers.Dense(4, name="z_log_var")(layers.Flatten()(x))], name="encoder")


def test_every_layer_that_changes_numbers_is_there(encoder):
    found = codes.codes_per_layer(encoder, IMAGES)
    assert {name: array.shape for name, array in found.items()} == {
        "maps": (6, 4 * 4 * 3),
        "z_mean": (6, 4),
        "z_log_var": (6, 4),
    }
    np.testing.assert_allclose(found["z_mean"], encoder(IMAGES)[0], atol=1e-6)


def test_maps_are_averaged_over_cells(encoder):
    maps = keras.Model(encoder.input, encoder.get_layer("maps").output).predict(IMAGES, verbose=0)
    found = {cells: codes.codes_per_layer(encoder, IMAGES, cells=cells)["maps"] for cells in (1, 4, None)}
    np.testing.assert_allclose(found[1], maps.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(found[4].reshape(6, 4, 4, 3)[:, 1, 1], maps[:, 3:6, 2:5].mean((1, 2)), atol=1e-6)
    # 10 columns are four cells of 3, of which the first and the last stand over by one, which does not count
    np.testing.assert_allclose(found[4].reshape(6, 4, 4, 3)[:, 1, 3], maps[:, 3:6, 8:].mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(found[None], maps.reshape(6, -1))


def test_an_encoder_that_was_joined_is_taken_apart_as_well():
    encoder = dense.build_autoencoder(5, hidden=(7,), input_shape=(12, 10, 1)).get_layer("encoder")
    assert [a.shape for a in codes.codes_per_layer(encoder, IMAGES, batch_size=4).values()] == [(6, 7), (6, 5)]


def test_the_parts_of_a_joined_model_are_layers_of_it():
    model = convolutional.build_autoencoder(5, filters=(4,), input_shape=(12, 10, 1))
    codes_by_hand = np.asarray(model.get_layer("encoder")(IMAGES))
    images_by_hand = np.asarray(model.get_layer("decoder")(codes_by_hand)).reshape(6, -1)
    for one in (model, build_denoiser(model, stddev=0.5)):
        found = codes.codes_per_layer(one, IMAGES, cells=None)
        assert list(found) == ["encoder", "decoder"], "noise changes no number in predict"
        np.testing.assert_allclose(found["encoder"], codes_by_hand, atol=1e-6)
        np.testing.assert_allclose(found["decoder"], images_by_hand, atol=1e-6)


def test_an_encoder_that_was_joined_may_be_a_layer_of_another_model():
    encoder = dense.build_autoencoder(5, input_shape=(12, 10, 1)).get_layer("encoder")
    images = keras.Input((12, 10, 1), name="image")
    scores = layers.Dense(3, activation="softmax", name="scores")(encoder(images))
    found = codes.codes_per_layer(keras.Model(images, scores), IMAGES, layers=["image", "encoder", "scores"])
    np.testing.assert_array_equal(found["image"], codes.codes_per_layer(encoder, IMAGES, layers=["image"])["image"])
    np.testing.assert_allclose(found["encoder"], encoder(IMAGES), atol=1e-6)
    assert found["scores"].shape == (6, 3)


@pytest.mark.slow
def test_a_model_for_images_of_any_size_takes_that_of_the_images():
    model = unet.build_unet(3, input_shape=(None, None, 2), filters=(4, 8))
    images = np.random.default_rng(1).random((2, 16, 12, 2), dtype=np.float32)
    found = codes.codes_per_layer(model, images)
    assert "check_size" not in found, "it changes no number"
    assert (found["down_1a"].shape, found["probabilities"].shape) == ((2, 4 * 4 * 4), (2, 4 * 4 * 3))
    pixels = codes.codes_per_layer(model, images, cells=None, layers=["probabilities"])["probabilities"]
    np.testing.assert_allclose(pixels, np.asarray(model(images)).reshape(2, -1), atol=1e-6)


def test_a_sequential_model_and_a_layer_used_twice_are_taken_apart():
    flat = IMAGES.reshape(6, -1)
    twice = layers.Dense(120, activation="relu", name="twice")
    model = keras.Sequential([keras.Input((120,)), twice, layers.Dense(2, name="last")], name="encoder")
    assert list(codes.codes_per_layer(model, flat)) == ["twice", "last"]
    inputs = keras.Input((120,))
    found = codes.codes_per_layer(keras.Model(inputs, twice(twice(inputs))), flat)
    np.testing.assert_allclose(found["twice"], twice(flat), atol=1e-6)


@pytest.mark.slow
def test_an_encoder_of_another_session_has_names_that_keras_gives_again():
    keras.utils.clear_session()
    images = keras.Input((12, 10, 1))
    x = layers.AveragePooling2D(2, name="average_pooling2d")(images)  # as in a file that was saved elsewhere
    mean = layers.Dense(4, name="z_mean")(layers.Flatten(name="flatten")(x))
    assert list(codes.codes_per_layer(keras.Model(images, mean), IMAGES)) == ["average_pooling2d", "z_mean"]


def test_a_model_is_the_same_after_it_was_taken_apart(encoder):
    before, config = encoder.get_layer("maps").output, encoder.get_config()
    codes.codes_per_layer(encoder, IMAGES)
    assert encoder.get_layer("maps").output is before and encoder.get_config() == config


def test_layers_are_chosen_by_name(encoder):
    assert list(codes.codes_per_layer(encoder, IMAGES, layers=["z_mean"])) == ["z_mean"]
    with pytest.raises(ValueError, match=r"no layer z_men\. It has: .*z_mean"):
        codes.codes_per_layer(encoder, IMAGES, layers=["z_men"])


def test_a_sample_is_told_of_and_is_of_its_seed(capsys):
    np.testing.assert_array_equal(codes.sample_rows(5, 5, seed=0, purpose="t-SNE"), range(5))
    assert capsys.readouterr().out == ""
    rows = codes.sample_rows(5000, 100, seed=1, purpose="t-SNE")
    assert capsys.readouterr().out.startswith("t-SNE: 100 of 5,000 codes")
    assert (np.diff(rows) > 0).all() and len(rows) == 100 and rows.max() < 5000
    np.testing.assert_array_equal(rows, codes.sample_rows(5000, 100, seed=1, purpose="t-SNE"))


def test_broken_codes_are_refused():
    with pytest.raises(ValueError, match=r"\(n, latent_dim\); received \(6, 12, 10, 1\)"):
        codes.check_codes(IMAGES)
    with pytest.raises(ValueError, match=r"1 of 3 codes hold NaN.*learning rate"):
        codes.check_codes(np.array([[0, 1], [np.nan, 0], [1, 1]]))
    with pytest.raises(ValueError, match="3 codes, but 2 labels"):
        codes.check_codes(np.zeros((3, 2)), np.zeros(2))
