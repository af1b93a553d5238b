"""Dense autoencoders: shapes, exact parameter counts, penalties against closed forms, saving, learning."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.models import dense, join
from helpers.training import seed_everything

IMAGES = np.random.default_rng(0).random((6, 28, 28, 1), dtype=np.float32)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize(("input_shape", "latent_dim", "hidden"), [((28, 28, 1), 32, ()), ((6, 10, 3), 4, (20, 7))])
def test_shapes_in_and_out(batch, input_shape, latent_dim, hidden):
    model = dense.build_autoencoder(latent_dim, hidden=hidden, input_shape=input_shape)
    images = np.zeros((batch, *input_shape), np.float32)
    codes = model.get_layer("encoder")(images)
    assert codes.shape == (batch, latent_dim)
    assert model.get_layer("decoder")(codes).shape == images.shape == model(images).shape


def test_the_decoder_mirrors_the_encoder():
    model = dense.build_autoencoder(32, hidden=(128, 64))
    widths = {
        part: [layer.units for layer in model.get_layer(part).layers if isinstance(layer, layers.Dense)]
        for part in ("encoder", "decoder")
    }
    assert widths == {"encoder": [128, 64, 32], "decoder": [64, 128, 784]}


@pytest.mark.parametrize(
    ("hidden", "count"),
    [
        ((), 784 * 32 + 32 + 32 * 784 + 784),
        ((128, 64), 785 * 128 + 129 * 64 + 65 * 32 + 33 * 64 + 65 * 128 + 129 * 784),
    ],
)
def test_parameters_are_counted_by_hand(hidden, count):
    assert dense.build_autoencoder(32, hidden=hidden).count_params() == count


def test_reconstructions_are_ink():
    reconstructions = ops.convert_to_numpy(dense.build_autoencoder()(IMAGES * 100 - 50))
    assert reconstructions.min() >= 0 and reconstructions.max() <= 1


@pytest.mark.parametrize("width", [0, -3, 2.5, "32", 100.5, 8.0, True, None])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match="whole number of at least 1; received"):
        dense.build_encoder(width)
    with pytest.raises(ValueError, match="whole number of at least 1; received"):
        dense.build_decoder(8, hidden=(width,))


def test_whole_numbers_of_numpy_are_whole_numbers():
    model = dense.build_autoencoder(np.int64(4), hidden=np.array([9, 7]), input_shape=np.array([6, 5, 1]))
    assert model.get_layer("encoder").get_layer("hidden_2").units == 7
    assert model.to_json()  # Python's own by now


def test_one_number_in_place_of_several_is_refused():
    with pytest.raises(ValueError, match=r"hidden must be several whole numbers, such as \(128,\); received 128"):
        dense.build_autoencoder(32, hidden=128)


@pytest.mark.parametrize("shape", [(28, 28), (784,), (28, 28, 0), (None, 28, 28, 1)])
def test_an_image_shape_that_is_none_is_refused(shape):
    for build, name in ((dense.build_encoder, "input_shape"), (dense.build_decoder, "output_shape")):
        with pytest.raises(ValueError, match=r"\(rows, columns, bands\).*received.*one band"):
            build(**{name: shape})


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"codes of shape \(None, 8\).*takes \(None, 9\)"):
        join(dense.build_encoder(8), dense.build_decoder(9))


def compiled(model):
    model.compile(loss="binary_crossentropy")
    return model


@pytest.mark.parametrize("place", ["training", "validation"])
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ((255 * IMAGES).astype("uint8"), r"numbers from \d+ to 25\d \(uint8\).*images.astype"),
        (2 * IMAGES - 1, r"numbers from -0\.\d+ to 0\.\d+ \(float32\).*decoded lies in \[0, 1\]"),
        (np.where(IMAGES > 0.9, np.nan, IMAGES), "6 of 6 images hold NaN or infinity, the first of them number 0"),
        (np.where(IMAGES[4].max() == IMAGES, np.inf, IMAGES), "1 of 6 images.* number 4"),
    ],
)
def test_fit_refuses_images_that_spoil_a_training(broken, said, place):
    model = compiled(dense.build_autoencoder(4))
    with pytest.raises(ValueError, match=said):
        if place == "training":
            model.fit(broken, broken, verbose=0)
        else:
            model.fit(IMAGES, IMAGES, validation_data=(broken, broken), verbose=0)


@pytest.mark.parametrize("labels", [np.arange(6), np.eye(10)[np.arange(6)]])
def test_fit_refuses_labels_in_the_place_of_images(labels):
    model = compiled(dense.build_autoencoder(4))
    with pytest.raises(ValueError, match=r"targets have shape \(n,.*returns \(n, 28, 28, 1\).*fit\(images, images\)"):
        model.fit(IMAGES, labels, verbose=0)


def test_a_denoiser_may_be_given_noise_beyond_paper_and_ink():
    model = compiled(dense.build_autoencoder(4))
    assert model.fit(3 * IMAGES - 1, IMAGES, verbose=0).history["loss"][0] > 0


def test_parts_under_other_names_are_refused():
    images = keras.Input((4,))
    other = keras.Model(images, layers.Dense(8)(images), name="squeezer")
    with pytest.raises(ValueError, match='"squeezer"'):
        join(other, dense.build_decoder(8))


@pytest.mark.parametrize(("rho", "rho_hat"), [(0.05, 0.2), (0.3, 0.3), (0.5, 0.9), (0.1, 0.01)])
def test_kl_bernoulli_equals_its_sum_over_both_outcomes(rho, rho_hat):
    by_hand = sum(p * np.log(p / q) for p, q in ((rho, rho_hat), (1 - rho, 1 - rho_hat)))
    found = float(dense.kl_bernoulli(rho, ops.convert_to_tensor(rho_hat)))
    assert found == pytest.approx(by_hand, rel=1e-4, abs=1e-7)


def test_kl_bernoulli_is_finite_at_both_ends():
    ends = ops.convert_to_numpy(dense.kl_bernoulli(0.05, ops.convert_to_tensor([0.0, 1.0])))
    assert np.isfinite(ends).all() and (ends > 0).all()


@pytest.mark.parametrize("batch", [1, 4, 32])
def test_kl_sparsity_adds_the_sum_over_units_whatever_the_batch(batch):
    codes = np.tile(np.float32([[0.1, 0.5, 0.05]]), (batch, 1))
    layer = dense.KLSparsity(rho=0.05, weight=0.2)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(codes)), codes)
    by_hand = 0.2 * sum(float(dense.kl_bernoulli(0.05, ops.convert_to_tensor(x))) for x in (0.1, 0.5, 0.05))
    assert float(layer.losses[0]) == pytest.approx(by_hand, rel=1e-4)


def test_kl_sparsity_looks_at_the_mean_activity_not_at_each_code():
    """Two codes, each far from rho, whose mean is rho: no penalty."""
    layer = dense.KLSparsity(rho=0.5, weight=1.0)
    layer(np.float32([[0.0, 1.0], [1.0, 0.0]]))
    assert float(layer.losses[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("activation", ["relu", "linear", "tanh", "softplus"])
def test_kl_sparsity_refuses_codes_that_are_no_probabilities(activation):
    with pytest.raises(ValueError, match=f"must stay in \\[0, 1\\]; .*'{activation}'.*sigmoid"):
        dense.build_autoencoder(8, code_activation=activation, penalty=dense.KLSparsity())
    images = keras.Input((4,))
    with pytest.raises(ValueError, match="must stay in"):
        dense.KLSparsity()(layers.Dense(3, activation=activation)(images))


@pytest.mark.parametrize("options", [{"rho": 0}, {"rho": 1}, {"weight": -1}])
def test_kl_sparsity_refuses_what_is_out_of_range(options):
    with pytest.raises(ValueError, match="received"):
        dense.KLSparsity(**options)


def test_a_penalty_reaches_the_loss_that_fit_reports():
    seed_everything(0)
    model = dense.build_autoencoder(8, code_activation="sigmoid", penalty=dense.KLSparsity(weight=3.0))
    model.compile(loss="mse")
    with_penalty = model.evaluate(IMAGES, IMAGES, batch_size=6, verbose=0)
    reconstructions = ops.convert_to_numpy(model(IMAGES))
    activity = ops.convert_to_numpy(model.get_layer("encoder")(IMAGES)).mean(axis=0)
    penalty = 3 * ops.convert_to_numpy(dense.kl_bernoulli(0.05, ops.convert_to_tensor(activity))).sum()
    assert with_penalty == pytest.approx(np.mean((IMAGES - reconstructions) ** 2) + penalty, rel=1e-4)


@pytest.mark.parametrize("size", [8, 12])
def test_an_autoencoder_of_images_of_any_size_is_trained_as_any_other(size):
    images = keras.Input((None, None, 1))
    encoder = keras.Model(images, layers.Conv2D(2, 3, padding="same")(images), name="encoder")
    codes = keras.Input((None, None, 2))
    decoder = keras.Model(codes, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(codes), name="decoder")
    model = join(encoder, decoder)
    model.compile("adam", "mse", run_eagerly=True)
    some = IMAGES[:, :size, :size]
    assert np.isfinite(model.fit(some, some, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="The targets have shape"):
        model.fit(some, some[..., 0], verbose=0)


def test_an_l1_penalty_is_the_mean_over_the_batch_of_the_sum_over_units():
    """Keras divides the loss of an activity regulariser by the batch size; lecture 02 relies on it."""
    encoder = dense.build_encoder(8, penalty=layers.ActivityRegularization(l1=0.5))
    codes = ops.convert_to_numpy(encoder(IMAGES))
    assert float(encoder.losses[0]) == pytest.approx(0.5 * np.abs(codes).sum(axis=1).mean(), rel=1e-4)


@pytest.mark.parametrize("penalty", [None, layers.ActivityRegularization(l1=1e-3), dense.KLSparsity(rho=0.2)])
def test_a_saved_model_gives_the_same_output(tmp_path, penalty):
    model = dense.build_autoencoder(8, hidden=(16,), code_activation="sigmoid", penalty=penalty)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(IMAGES), model(IMAGES), atol=1e-6)
    assert len(again.losses) == len(model.losses) == (penalty is not None)


@pytest.mark.slow
def test_every_weight_gets_a_gradient_and_eight_images_are_learnt():
    seed_everything(0)
    images = np.kron(np.random.default_rng(1).random((8, 4, 4, 1)) > 0.5, np.ones((1, 7, 7, 1))).astype("float32")
    model = dense.build_autoencoder(16, hidden=(64,))
    before = [np.array(w) for w in model.get_weights()]
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    often = np.tile(images, (150, 1, 1, 1))  # in one epoch: each of 150 would take longer than its only step
    model.fit(often, often, batch_size=8, shuffle=False, verbose=0)
    assert all(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    mean_image_error = np.mean((images - images.mean(axis=0)) ** 2)
    assert model.evaluate(images, images, verbose=0) < mean_image_error / 5
