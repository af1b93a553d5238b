"""Growing keeps what the encoder has learnt, and starts everything else anew."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.models import dense
from helpers.training import seed_everything

IMAGES = np.random.default_rng(0).random((6, 10, 6, 1), dtype=np.float32)


@pytest.fixture
def shallow():
    seed_everything(0)
    return dense.build_autoencoder(20, input_shape=(10, 6, 1))


def test_the_old_code_is_the_last_hidden_layer_of_the_new_encoder(shallow):
    old = shallow.get_layer("encoder")
    deeper = dense.add_stage(old, 7).get_layer("encoder")
    inside = keras.Model(deeper.input, deeper.get_layer("hidden_1").output)
    np.testing.assert_allclose(inside(IMAGES), old(IMAGES), atol=1e-6)
    assert deeper(IMAGES).shape == (6, 7)


def test_three_stages_are_the_deep_autoencoder(shallow):
    grown = dense.add_stage(dense.add_stage(shallow.get_layer("encoder"), 12).get_layer("encoder"), 4)
    deep = dense.build_autoencoder(4, hidden=(20, 12), input_shape=(10, 6, 1))
    grown_shapes, deep_shapes = ([w.shape for w in model.get_weights()] for model in (grown, deep))
    assert grown_shapes == deep_shapes
    grown.set_weights(deep.get_weights())
    np.testing.assert_allclose(grown(IMAGES), deep(IMAGES), atol=1e-6)


def test_the_decoder_is_new_from_end_to_end(shallow):
    deeper = dense.add_stage(shallow.get_layer("encoder"), 7)
    old_out, new_out = (m.get_layer("decoder").get_layer("pixels").get_weights()[0] for m in (shallow, deeper))
    assert old_out.shape == new_out.shape and not np.array_equal(old_out, new_out)


@pytest.mark.parametrize("freeze", [True, False])
def test_training_a_stage_leaves_the_earlier_stage_alone_and_obeys_freeze(shallow, freeze):
    old = shallow.get_layer("encoder")
    kept = [np.array(w) for w in old.get_weights()]
    deeper = dense.add_stage(old, 7, freeze=freeze)
    deeper.compile("sgd", "mse")
    deeper.fit(IMAGES, IMAGES, verbose=0)
    for before, after in zip(kept, old.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    copied = deeper.get_layer("encoder").get_layer("hidden_1").get_weights()
    moved = any(not np.array_equal(before, after) for before, after in zip(kept, copied, strict=True))
    assert moved != freeze


def test_an_encoder_of_other_layers_is_refused():
    images = keras.Input((8, 8, 1))
    codes = layers.Flatten()(layers.Conv2D(2, 3, name="filters")(images))
    with pytest.raises(ValueError, match=r"dense layers can grow.*filters"):
        dense.add_stage(keras.Model(images, codes, name="encoder"), 4)


def test_a_linear_code_ends_the_growing(shallow):
    last = dense.add_stage(shallow.get_layer("encoder"), 7, code_activation="linear").get_layer("encoder")
    assert ops.convert_to_numpy(last(IMAGES)).min() < 0
    with pytest.raises(ValueError, match=r"linear layer.*code_activation=\"relu\""):
        dense.add_stage(last, 4)


def test_copied_layers_keep_their_activations_and_the_decoder_has_that_of_the_old_code():
    old = dense.build_encoder(12, hidden=(20,), input_shape=(10, 6, 1), code_activation="sigmoid")
    deeper = dense.add_stage(old, 7)
    inside = keras.Model(deeper.get_layer("encoder").input, deeper.get_layer("encoder").get_layer("hidden_2").output)
    np.testing.assert_allclose(inside(IMAGES), old(IMAGES), atol=1e-6)
    assert deeper.get_layer("decoder").get_layer("hidden_1").activation is keras.activations.sigmoid


def test_the_grown_model_gives_ink(shallow):
    images = ops.convert_to_numpy(dense.add_stage(shallow.get_layer("encoder"), 3)(IMAGES))
    assert images.shape == IMAGES.shape and images.min() >= 0 and images.max() <= 1
