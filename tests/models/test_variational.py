"""Variational models: the loss against its parts by hand; training, saving, seeds, errors."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.models import dense
from helpers.models.variational import (
    VAE,
    add_heads,
    build_convolutional_vae,
    build_dense_parts,
    build_dense_vae,
)
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

IMAGES = np.random.default_rng(0).random((8, 8, 8, 1), dtype=np.float32)
SMALL = {"input_shape": (8, 8, 1)}


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def small_vae(latent_dim=3, **options):
    seed_everything(0)
    return build_dense_vae(latent_dim, hidden=(16,), **SMALL, **options)


# ---- the loss ----


def test_kl_is_summed_over_the_latent_axis_and_averaged_over_the_batch():
    """The trap: an average over the latent axis would make beta a third of what it says."""
    vae = small_vae(latent_dim=3)
    vae.compile()
    z_mean, z_log_var, _ = map(numpy_of, vae.encoder(IMAGES))
    by_hand = (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).sum(axis=1).mean() / 2
    assert vae.evaluate(IMAGES, verbose=0, return_dict=True)["kl"] == pytest.approx(by_hand, rel=1e-4)


def test_monte_carlo_and_analytic_kl_agree_over_many_images():
    vae = small_vae(latent_dim=2)
    other = VAE(vae.encoder, vae.decoder, kl="monte_carlo")
    images = np.repeat(IMAGES, 500, axis=0)
    found = []
    for model in (vae, other):
        model.compile()
        found.append(model.evaluate(images, batch_size=1000, verbose=0, return_dict=True)["kl"])
    assert found[1] == pytest.approx(found[0], rel=0.1) and found[1] != found[0]


@pytest.mark.parametrize(
    ("beta", "kl"),
    [
        (4.0, "monte_carlo"),
        pytest.param(0.0, "analytic", marks=pytest.mark.long),
        pytest.param(1.0, "analytic", marks=pytest.mark.long),
    ],
)
def test_the_loss_is_reconstruction_plus_beta_times_kl(beta, kl):
    vae = small_vae(beta=beta, kl=kl)
    vae.compile("adam")
    for logs in (
        vae.evaluate(IMAGES, verbose=0, return_dict=True, batch_size=3),
        {name: values[0] for name, values in vae.fit(IMAGES, batch_size=3, verbose=0).history.items()},
    ):
        assert set(logs) == {"loss", "reconstruction", "kl"}
        assert logs["loss"] == pytest.approx(logs["reconstruction"] + beta * logs["kl"], rel=1e-6)


@pytest.mark.parametrize(
    ("reconstruction", "by_hand"),
    [
        ("bce", lambda x, y: -(x * np.log(y) + (1 - x) * np.log(1 - y))),
        ("mse", lambda x, y: (x - y) ** 2),
        ("mae", lambda x, y: np.abs(x - y)),
    ],
)
def test_the_reconstruction_is_summed_over_pixels(reconstruction, by_hand):
    vae = small_vae(reconstruction=reconstruction)
    vae.get_layer("encoder").get_layer("z_log_var").set_weights([np.zeros((16, 3)), np.full(3, -60.0)])  # no noise
    vae.compile()
    found = vae.evaluate(IMAGES, verbose=0, return_dict=True)["reconstruction"]
    assert found == pytest.approx(by_hand(IMAGES, vae.reconstruct(IMAGES)).sum(axis=(1, 2, 3)).mean(), rel=1e-4)


def test_the_target_may_be_another_image_than_the_input():
    vae = small_vae(reconstruction="mse")
    vae.compile()
    far, near = (vae.evaluate(IMAGES, target, verbose=0, return_dict=True)["loss"] for target in (IMAGES + 3, IMAGES))
    assert far > near + 64 * 3  # 64 pixels, each off by about 3


def test_sample_weights_multiply_the_loss_of_their_images():
    vae = small_vae()
    vae.get_layer("encoder").get_layer("z_log_var").set_weights([np.zeros((16, 3)), np.full(3, -60.0)])
    vae.compile()
    halves = [vae.evaluate(part, verbose=0, return_dict=True)["loss"] for part in (IMAGES[:4], IMAGES[4:])]
    weights = np.repeat([2.0, 0.0], 4)
    found = vae.evaluate(IMAGES, IMAGES, sample_weight=weights, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(halves[0], rel=1e-5)
    assert abs(halves[0] - halves[1]) > 1e-4 * halves[0]
    assert found["loss"] == pytest.approx(found["reconstruction"] + found["kl"], rel=1e-6)


def test_penalties_of_layers_reach_the_loss():
    encoder, decoder = build_dense_parts(3, hidden=(16,), **SMALL)
    features = layers.ActivityRegularization(l2=1.0)(encoder.get_layer("code").output)
    heads = add_heads(keras.Model(encoder.input, features), 3)
    vae = VAE(heads, decoder)
    vae.compile()
    logs = vae.evaluate(IMAGES, verbose=0, return_dict=True)
    inside = numpy_of(keras.Model(encoder.input, features)(IMAGES))
    penalty = (inside**2).sum(axis=1).mean()
    assert logs["loss"] - logs["reconstruction"] - logs["kl"] == pytest.approx(penalty, rel=1e-3)


def test_beta_can_be_set_after_compiling():
    vae = small_vae()
    vae.compile("adam")
    vae.fit(IMAGES, verbose=0)
    vae.beta = 7.0
    logs = {name: values[0] for name, values in vae.fit(IMAGES, verbose=0).history.items()}
    assert logs["loss"] == pytest.approx(logs["reconstruction"] + 7 * logs["kl"], rel=1e-6)


# ---- training ----


@pytest.mark.long
def test_sigma_collapses_without_the_kl_and_not_with_it():
    deviations = {}
    for beta in (0.0, 1.0):
        vae = small_vae(beta=beta)
        vae.compile(keras.optimizers.Adam(0.01), steps_per_execution=20)
        vae.fit(np.tile(np.round(IMAGES), (300, 1, 1, 1)), batch_size=8, shuffle=False, verbose=0)
        deviations[beta] = np.exp(vae.encoder.predict(IMAGES, verbose=0)[1] / 2).mean()
    assert deviations[0.0] < 0.1 < deviations[1.0] / 2


def test_batch_norm_statistics_move_in_fit():
    vae = build_convolutional_vae(2, filters=(4, 6), batch_norm=True, **SMALL)
    norms = [part.get_layer(name) for part, name in ((vae.encoder, "down_1_norm"), (vae.decoder, "up_1_norm"))]
    before = [np.array(numpy_of(norm.moving_variance)) for norm in norms]
    vae.compile("sgd")
    vae.evaluate(IMAGES, verbose=0)
    np.testing.assert_array_equal(before[0], numpy_of(norms[0].moving_variance))
    vae.fit(IMAGES, verbose=0)
    assert all(not np.allclose(old, numpy_of(norm.moving_variance)) for old, norm in zip(before, norms, strict=True))


@pytest.mark.long
def test_the_same_seed_gives_the_same_training():
    losses = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        vae = build_dense_vae(2, hidden=(16,), seed=seed, **SMALL)
        vae.compile("adam")
        losses.append(vae.fit(IMAGES, epochs=2, batch_size=4, verbose=0).history["loss"])
    assert losses[0] == losses[1] != losses[2]


# ---- shapes, generating, saving ----


@pytest.mark.parametrize("strides", [2, (2, 4)])
def test_parts_have_their_outputs_in_the_agreed_order(strides):
    vae = build_convolutional_vae(5, filters=(4, 6), strides=strides, kernel_size=4, **SMALL)
    assert [layer.name for layer in vae.encoder.layers[-3:]] == ["z_mean", "z_log_var", "z"]
    z_mean, z_log_var, z = map(numpy_of, vae.encoder(IMAGES))
    assert z_mean.shape == z_log_var.shape == z.shape == (8, 5)
    np.testing.assert_allclose(z_mean, numpy_of(vae(IMAGES)["z_mean"]), atol=1e-6)
    assert not np.allclose(z, z_mean)
    assert vae.latent_dim == 5 and vae(IMAGES)["reconstruction"].shape == IMAGES.shape


def test_generated_images_are_the_decoded_draws_of_a_seed():
    vae = small_vae()
    codes = np.random.default_rng(3).standard_normal((6, 3), np.float32)
    np.testing.assert_allclose(vae.generate(6, seed=3), numpy_of(vae.decoder(codes)), atol=1e-6)
    assert not np.allclose(vae.generate(6, seed=3), vae.generate(6, seed=4))


@pytest.mark.long
@pytest.mark.parametrize("build", [build_dense_vae, build_convolutional_vae])
def test_a_saved_model_gives_the_same_output_and_trains_on(tmp_path, build):
    vae = build(2, beta=3.0, kl="monte_carlo", reconstruction="mse", **SMALL)
    vae.compile("adam")
    vae.fit(IMAGES, verbose=0)
    vae.beta = 0.5
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(again.reconstruct(IMAGES), vae.reconstruct(IMAGES), atol=1e-6)
    assert (again.beta, again.kl, again.reconstruction, again.name) == (0.5, "monte_carlo", "mse", "vae")
    assert [layer.name for layer in again.layers] == ["encoder", "decoder"]
    assert int(again.optimizer.iterations) == 1
    assert set(again.fit(IMAGES, verbose=0).history) == {"loss", "reconstruction", "kl"}


# ---- errors ----


def test_parts_that_do_not_fit_are_refused():
    encoder, decoder = build_dense_parts(3, **SMALL)
    with pytest.raises(ValueError, match=r"of shapes \(None, 3\).*takes \(None, 4\).*same latent_dim"):
        VAE(encoder, build_dense_parts(4, **SMALL)[1])
    with pytest.raises(ValueError, match=r'named "decoder" and "encoder"'):
        VAE(decoder, encoder)
    with pytest.raises(ValueError, match=r"has 1 output\(s\).*add_heads"):
        VAE(dense.build_encoder(3, **SMALL), decoder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -1}, "at least 0; received -1"),
        ({"kl": "exact"}, "received 'exact'"),
        ({"reconstruction": "ssim"}, "bce, mse, mae; received 'ssim'"),
        ({"hidden": ()}, r"hidden=\(256,\)"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_dense_vae(2, **options)


def test_labels_as_targets_of_a_plain_vae_are_refused():
    vae = small_vae()
    vae.compile("adam")
    with pytest.raises(
        ValueError, match=r"shape \(n,\), but the decoder returns \(n, 8, 8, 1\).*labels.*ConditionalVAE"
    ):
        vae.fit(IMAGES, np.arange(8), verbose=0)


def with_one(value):
    images = IMAGES.copy()
    images[5, 2, 3, 0] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((IMAGES * 255).astype(np.uint8), r"from \d+ to 25\d \(uint8\).*\[0, 1\].*/ 255"),
        (IMAGES * 255, r"\(float32\).*/ 255"),
        (2 * IMAGES - 1, r"from -\S+ to \S+ \(float32\)"),
        (with_one(np.nan), "1 of 8 images hold NaN or infinity, the first of them number 5"),
        (with_one(-np.inf), "1 of 8 images hold NaN"),
        (IMAGES[..., 0], r"\(n, 8, 8\), but the decoder returns \(n, 8, 8, 1\).*images\[\.\.\., None\]"),
        (np.eye(10, dtype=np.float32)[np.arange(8)], r"\(n, 10\), but"),
        (IMAGES[:0], "one image or more"),
    ],
    ids=["bytes", "255", "-1 to 1", "NaN", "infinity", "no band", "one-hot", "none"],
)
@pytest.mark.parametrize("reconstruction", ["bce", "mse"])
def test_what_no_decoder_can_give_is_refused(images, message, reconstruction):
    vae = small_vae(reconstruction=reconstruction)
    vae.compile("adam")
    for call in (
        lambda: vae.fit(images, verbose=0),
        lambda: vae.fit(IMAGES[: len(images)], images, verbose=0),
        lambda: vae.fit(IMAGES, validation_data=(images, images), verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_bytes_that_are_streamed_are_refused():
    tf = pytest.importorskip("tensorflow")
    vae = small_vae()
    vae.compile("adam")
    with pytest.raises(ValueError, match="images are uint8"):
        vae.fit(tf.data.Dataset.from_tensor_slices((IMAGES * 255).astype(np.uint8)).batch(4), verbose=0)


def test_numbers_without_bounds_are_for_a_decoder_without_a_sigmoid():
    encoder, _ = build_dense_parts(3, hidden=(16,), **SMALL)
    decoder = keras.Sequential([keras.Input((3,)), layers.Dense(64), layers.Reshape((8, 8, 1))], name="decoder")
    vae = VAE(encoder, decoder, reconstruction="mse")
    vae.compile("adam")
    assert np.isfinite(vae.fit(IMAGES * 10 - 5, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="NaN"):
        vae.fit(with_one(np.nan), verbose=0)


@pytest.mark.parametrize("loss", ["mse", keras.losses.BinaryCrossentropy()])
def test_a_loss_that_would_not_count_is_refused(loss):
    vae = small_vae()
    vae.compile("adam", loss=loss)
    with pytest.raises(ValueError, match=r"a loss of its own.*reconstruction="):
        vae.fit(IMAGES, verbose=0)


@pytest.mark.parametrize("count", [0, -1, 2.5, "3"])
def test_as_many_images_as_that_cannot_be_generated(count):
    with pytest.raises(ValueError, match="count must be a whole number of at least 1; received"):
        small_vae().generate(count, seed=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own format")
def test_what_is_exported_reconstructs_like_the_model(tmp_path):
    tf = pytest.importorskip("tensorflow")
    vae = small_vae()
    vae.compile("adam")
    vae.fit(IMAGES, verbose=0)
    vae.export(tmp_path / "vae", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "vae"))
    found = exported.serve(IMAGES)
    np.testing.assert_allclose(found["z_mean"], numpy_of(vae(IMAGES)["z_mean"]), atol=1e-5)
