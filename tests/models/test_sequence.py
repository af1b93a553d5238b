"""Sequence-to-sequence autoencoders: shapes, parameters by hand, order matters, padding does not, saving, learning."""

import keras
import numpy as np
import pytest
from keras import ops

from helpers.models import sequence
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

SEQUENCES = np.random.default_rng(0).random((6, 7, 3), dtype=np.float32)
SMALL = {"steps": 7, "features": 3}


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("units", [None, 5])
@pytest.mark.parametrize(("steps", "features", "latent_dim"), [(28, 28, 4), (7, 3, 9)])
def test_shapes_in_and_out(steps, features, latent_dim, units):
    model = sequence.build_autoencoder(latent_dim, steps=steps, features=features, units=units)
    sequences = np.zeros((2, steps, features), np.float32)
    codes = model.get_layer("encoder")(sequences)
    assert codes.shape == (2, latent_dim)
    assert model.get_layer("decoder")(codes).shape == sequences.shape


def test_parameters_are_counted_by_hand():
    """An LSTM of u units on n numbers has four gates, each with u (n + u) weights and u biases."""

    def lstm(numbers, units):
        return 4 * (units * (numbers + units) + units)

    plain = sequence.build_autoencoder(4, **SMALL)
    assert plain.count_params() == lstm(3, 4) + lstm(4, 4) + (4 * 3 + 3)
    wide = sequence.build_autoencoder(4, units=10, **SMALL)
    assert wide.count_params() == lstm(3, 10) + (10 * 4 + 4) + lstm(4, 10) + (10 * 3 + 3)


def test_the_order_of_the_steps_is_in_the_code():
    seed_everything(0)
    encoder = sequence.build_encoder(4, **SMALL)
    assert np.abs(numpy_of(encoder(SEQUENCES)) - numpy_of(encoder(SEQUENCES[:, ::-1].copy()))).max() > 1e-3


def test_padding_at_the_end_leaves_the_code_as_it_is():
    seed_everything(0)
    short = sequence.build_encoder(4, steps=5, features=3)
    padded = sequence.build_encoder(4, padding=-1.0, **SMALL)
    blind = sequence.build_encoder(4, **SMALL)
    for encoder in (padded, blind):
        encoder.set_weights(short.get_weights())
    sequences = SEQUENCES.copy()
    sequences[:, 5:] = -1
    codes = numpy_of(short(SEQUENCES[:, :5]))
    np.testing.assert_allclose(numpy_of(padded(sequences)), codes, atol=1e-6)
    assert np.abs(numpy_of(blind(sequences)) - codes).max() > 1e-3


def test_padded_steps_add_nothing_to_the_loss():
    model = sequence.build_autoencoder(4, padding=-1.0, **SMALL)
    model.compile(loss="mse")
    sequences = SEQUENCES.copy()
    sequences[:, 5:] = -1
    weights = sequence.real_steps(sequences, -1.0)
    np.testing.assert_array_equal(weights, np.repeat([[1, 1, 1, 1, 1, 0, 0]], 6, axis=0))
    found = model.evaluate(sequences, sequences, sample_weight=weights, verbose=0)
    by_hand = ((numpy_of(model(sequences)) - sequences)[:, :5] ** 2).mean(axis=-1).sum() / (6 * 7)
    assert found == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize("options", [{"latent_dim": 0}, {"steps": 2.5}, {"features": "3"}, {"units": -1}])
def test_numbers_that_are_none_are_refused(options):
    for build in (sequence.build_encoder, sequence.build_decoder):
        with pytest.raises(ValueError, match="whole number of at least 1; received"):
            build(**options)


@pytest.mark.parametrize("options", [{}, {"units": 5, "padding": -1.0}])
def test_a_saved_model_gives_the_same_output(tmp_path, options):
    model = sequence.build_autoencoder(4, **SMALL, **options)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy_of(again(SEQUENCES)), numpy_of(model(SEQUENCES)), atol=1e-6)


@pytest.mark.long
def test_what_came_when_is_learnt():
    """Each sequence has one lit step; the best constant answer misses where it is."""
    seed_everything(0)
    places = np.tile(np.arange(4), 16 * 200)
    sequences = np.eye(4, dtype=np.float32)[places][:, :, None]
    model = sequence.build_autoencoder(8, steps=4, features=1)
    model.compile(keras.optimizers.Adam(0.01), "mse", steps_per_execution=10)
    model.fit(sequences, sequences, batch_size=64, verbose=0)
    assert model.evaluate(sequences[:4], sequences[:4], verbose=0) < sequences[:4].var(axis=0).mean() / 5
