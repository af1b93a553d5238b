"""Posterior collapse is seen, and prevented by a beta that warms up and is afterwards what it was."""

import warnings

import keras
import numpy as np
import pytest

from helpers.models.variational import BetaWarmUp, PosteriorCollapseWarning, build_dense_vae
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

IMAGES = np.random.default_rng(0).random((8, 8, 8, 1), dtype=np.float32)


def trained_vae(latent_dim=3):
    seed_everything(0)
    vae = build_dense_vae(latent_dim, hidden=(16,), input_shape=(8, 8, 1))
    vae.compile(keras.optimizers.SGD(0.0))  # heads are set by hand, and stay
    return vae


def set_axis(vae, axis, kernel, bias, log_var):
    for head, weight, shift in (("z_mean", kernel, bias), ("z_log_var", 0.0, log_var)):
        weights, biases = vae.encoder.get_layer(head).get_weights()
        weights[:, axis], biases[axis] = weight, shift
        vae.encoder.get_layer(head).set_weights([weights, biases])


def test_the_warning_names_the_axes_that_collapsed_and_no_other():
    vae = trained_vae()
    set_axis(vae, 0, 0.0, 0.0, 0.0)  # N(0, 1) for every image
    set_axis(vae, 1, 0.0, 0.2, 0.0)  # KL 0.02: above the threshold
    set_axis(vae, 2, 0.0, 0.1, 0.0)  # KL 0.005: below
    watch = PosteriorCollapseWarning(IMAGES)
    with pytest.warns(UserWarning, match=r"latent axes 0, 2 of 0-2 carry less than 0\.01 nats"):
        vae.fit(IMAGES, verbose=0, callbacks=[watch])
    np.testing.assert_allclose(watch.kl_per_axis, [0, 0.02, 0.005], atol=1e-5)


def test_no_warning_where_every_axis_is_in_use():
    vae = trained_vae()
    for axis in range(3):
        set_axis(vae, axis, 0.0, 1.0, -2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.fit(IMAGES, verbose=0, callbacks=[PosteriorCollapseWarning(IMAGES)])


@pytest.mark.long
def test_a_beta_too_large_collapses_in_training():
    seed_everything(0)
    vae = build_dense_vae(3, hidden=(16,), input_shape=(8, 8, 1), beta=100.0)
    vae.compile(keras.optimizers.Adam(0.01), steps_per_execution=10)
    with pytest.warns(UserWarning, match="latent axes 0, 1, 2 of"):
        vae.fit(np.tile(IMAGES, (200, 1, 1, 1)), batch_size=8, verbose=0, callbacks=[PosteriorCollapseWarning(IMAGES)])


def test_beta_warms_up_and_is_left_as_it_was():
    vae = trained_vae()
    vae.beta = 4.0
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((vae.beta, dict(logs))))
    vae.fit(IMAGES, epochs=5, verbose=0, callbacks=[BetaWarmUp(4), note])
    assert [beta for beta, _ in seen] == [1, 2, 3, 4, 4] and vae.beta == 4
    for beta, logs in seen:
        assert logs["loss"] == pytest.approx(logs["reconstruction"] + beta * logs["kl"], rel=1e-5)
    with pytest.raises(ValueError, match="received 0"):
        BetaWarmUp(0)


@pytest.mark.parametrize("warm_first", [True, False])
def test_early_stopping_restores_no_half_warm_beta(warm_first):
    vae = trained_vae()
    vae.beta = 4.0
    stop = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=2, restore_best_weights=True)
    worsening = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_loss=float(epoch)))
    others = [BetaWarmUp(8), stop] if warm_first else [stop, BetaWarmUp(8)]
    history = vae.fit(IMAGES, epochs=8, verbose=0, callbacks=[worsening, *others])
    assert len(history.epoch) == 3 and vae.beta == 4


def test_an_interrupted_warm_up_spoils_no_later_training():
    vae = trained_vae()
    vae.beta = 4.0

    def interrupt(epoch, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop = keras.callbacks.LambdaCallback(on_epoch_end=interrupt)
        vae.fit(IMAGES, epochs=8, verbose=0, callbacks=[BetaWarmUp(8), stop])
    assert vae.beta == 4
    vae.fit(IMAGES, epochs=2, verbose=0, callbacks=[BetaWarmUp(2)])
    assert vae.beta == 4
