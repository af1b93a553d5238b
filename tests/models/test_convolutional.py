"""Convolutional autoencoders: shapes at every depth, parameters counted by hand, errors that say what fits, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from helpers.models import convolutional
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

IMAGES = np.random.default_rng(0).random((4, 28, 28, 1), dtype=np.float32)
DEEP = {"filters": (8, 12, 20), "strides": (2, 2, 7), "kernel_size": (3, 3, 7)}
DEPTHS = [  # filters, strides, kernels, image, the map
    ((16,), 2, 3, (28, 28, 1), (14, 14, 16)),
    ((16, 32), 2, 3, (28, 28, 1), (7, 7, 32)),
    ((8, 12, 20), (2, 2, 7), (3, 3, 7), (28, 28, 1), (1, 1, 20)),
    ((4, 8, 16, 32, 64), 2, 5, (32, 32, 3), (1, 1, 64)),
    ((6, 5), (1, 3), 3, (6, 12, 4), (2, 4, 5)),
    ((9,), (28,), (28,), (28, 28, 1), (1, 1, 9)),
]


@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
@pytest.mark.parametrize("latent_dim", [None, 3])
@pytest.mark.parametrize(("filters", "strides", "kernel_size", "input_shape", "code_shape"), DEPTHS)
def test_shapes_at_every_depth(filters, strides, kernel_size, input_shape, code_shape, latent_dim, upsampling):
    options = {"filters": filters, "strides": strides, "kernel_size": kernel_size, "input_shape": input_shape}
    model = convolutional.build_autoencoder(latent_dim, upsampling=upsampling, **options)
    wanted = code_shape if latent_dim is None else (latent_dim,)
    assert model.get_layer("encoder").output_shape == (None, *wanted)
    assert model.output_shape == (None, *input_shape)


@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
def test_the_decoder_passes_through_the_shapes_of_the_encoder(upsampling):
    model = convolutional.build_autoencoder(upsampling=upsampling, **DEEP)
    down, up = (
        [model.get_layer(part).get_layer(f"{level}_{depth}").output.shape[1:] for depth in range(1, last)]
        for part, level, last in (("encoder", "down", 4), ("decoder", "up", 3))
    )
    assert down == [(14, 14, 8), (7, 7, 12), (1, 1, 20)]
    assert up == [(7, 7, 12), (14, 14, 8)]


@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
@pytest.mark.parametrize(("latent_dim", "between"), [(None, 0), (10, 1568 * 10 + 10 + 10 * 1568 + 1568)])
def test_parameters_are_counted_by_hand(latent_dim, between, upsampling):
    """A kernel has 3 * 3 weights per pair of channels, and each channel a bias: 1 -> 16 -> 32 -> 16 -> 1."""
    levels = (9 * 1 * 16 + 16) + (9 * 16 * 32 + 32) + (9 * 32 * 16 + 16) + (9 * 16 * 1 + 1)
    model = convolutional.build_autoencoder(latent_dim, upsampling=upsampling)
    assert model.count_params() == levels + between


def test_kernel_as_wide_as_its_stride_sees_every_pixel_once():
    """With kernel = stride, a number of the code answers to its own square of pixels, and to no other."""
    encoder = convolutional.build_encoder(filters=(1,), strides=7, kernel_size=7, code_activation="linear")
    images = np.zeros((16, 28, 28, 1), np.float32)
    for square in range(16):
        row, column = divmod(square, 4)
        images[square, 7 * row : 7 * row + 7, 7 * column : 7 * column + 7] = 1
    codes = ops.convert_to_numpy(encoder(images)).reshape(16, 16)
    np.testing.assert_allclose(codes, np.eye(16) * codes[0, 0], atol=1e-5)
    assert abs(codes[0, 0]) > 1e-3


def test_nearest_repeats_pixels():
    decoder = convolutional.build_decoder()
    repeat = keras.Model(decoder.input, decoder.get_layer("nearest_1").output)
    codes = np.random.default_rng(1).random((2, 7, 7, 32), dtype=np.float32)
    np.testing.assert_array_equal(repeat(codes), codes.repeat(2, axis=1).repeat(2, axis=2))


def test_reconstructions_are_ink():
    for upsampling in ("nearest", "transpose"):
        found = ops.convert_to_numpy(convolutional.build_autoencoder(8, upsampling=upsampling)(IMAGES * 100 - 50))
        assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("latent_dim", [None, 5])
def test_the_code_has_its_own_activation(latent_dim):
    seed_everything(0)
    linear = convolutional.build_encoder(latent_dim, code_activation="linear")
    cut = convolutional.build_encoder(latent_dim, code_activation="relu")
    cut.set_weights(linear.get_weights())
    codes = ops.convert_to_numpy(linear(IMAGES))
    assert codes.min() < 0
    np.testing.assert_allclose(cut(IMAGES), np.maximum(codes, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("input_shape", "strides", "message"),
    [
        ((28, 28, 1), (2, 2, 2), r"28 x 28 pixels.*multiples of 8, such as 24 or 32.*divides 28 = 2 x 2 x 7\."),
        ((30, 45, 3), (2, 3, 5), r"30 x 45 pixels.*multiples of 30, such as 30 or 60.*divides 15 = 3 x 5\."),
        ((5, 5, 1), (2, 2, 2), r"5 x 5 pixels.*multiples of 8, such as 8\..*divides 5 = 5\."),
    ],
)
def test_an_image_that_cannot_be_divided_is_told_what_fits(input_shape, strides, message):
    options = {"filters": (4, 8, 16), "strides": strides, "kernel_size": 5}
    with pytest.raises(ValueError, match=message):
        convolutional.build_encoder(**options, input_shape=input_shape)
    with pytest.raises(ValueError, match=message):
        convolutional.build_decoder(**options, output_shape=input_shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": ()}, r"filters is empty.*\(16, 32\)"),
        ({"filters": (16, 0)}, "in filters must be a whole number of at least 1; received 0"),
        ({"strides": (2, 2, 7)}, "strides has 3 numbers and filters has 2"),
        ({"strides": 2.5}, "strides must be a whole number of at least 1; received 2.5"),
        ({"strides": (2, 7), "kernel_size": 3}, "kernel of 3 that moves by 7 leaves pixels unseen"),
        ({"latent_dim": 0}, "latent_dim must be a whole number of at least 1; received 0"),
    ],
)
def test_options_that_make_no_network_are_refused(options, message):
    for build in (convolutional.build_encoder, convolutional.build_decoder):
        with pytest.raises(ValueError, match=message):
            build(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((28, 28), r"\(rows, columns, bands\).*one band"),
        ((28, None, 1), "shape of an image must be a whole number of at least 1; received None"),
    ],
)
def test_a_shape_that_no_image_has_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        convolutional.build_encoder(input_shape=shape)
    with pytest.raises(ValueError, match=message):
        convolutional.build_decoder(output_shape=shape)


def test_an_unknown_upsampling_is_refused():
    with pytest.raises(ValueError, match='"nearest" or "transpose"; received \'bilinear\''):
        convolutional.build_decoder(upsampling="bilinear")


def test_batch_norm_stands_between_convolution_and_activation_and_spares_the_image():
    model = convolutional.build_autoencoder(batch_norm=True, **DEEP)
    for part, levels in (("encoder", ("down_1", "down_2", "down_3")), ("decoder", ("up_1", "up_2"))):
        names = [layer.name for layer in model.get_layer(part).layers]
        for level in levels:
            at = names.index(level)
            assert names[at - 2 : at] == [f"{level}_convolution", f"{level}_norm"]
    assert model.get_layer("decoder").get_layer("image").use_bias


def test_batch_norm_statistics_move_in_fit():
    model = convolutional.build_autoencoder(filters=(4,), batch_norm=True)
    norm = model.get_layer("encoder").get_layer("down_1_norm")
    before = [np.array(ops.convert_to_numpy(v)) for v in (norm.moving_mean, norm.moving_variance)]
    model.compile("sgd", "mse")
    model.fit(IMAGES, IMAGES, verbose=0)
    after = [ops.convert_to_numpy(v) for v in (norm.moving_mean, norm.moving_variance)]
    assert all(not np.allclose(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
@pytest.mark.parametrize("latent_dim", [None, 6])
def test_a_saved_model_gives_the_same_output(tmp_path, latent_dim, upsampling):
    model = convolutional.build_autoencoder(latent_dim, upsampling=upsampling, batch_norm=True, **DEEP)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(IMAGES), model(IMAGES), atol=1e-6)


def test_the_same_seed_gives_the_same_network():
    outputs = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        outputs.append(ops.convert_to_numpy(convolutional.build_autoencoder()(IMAGES)))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.allclose(outputs[0], outputs[2])


@pytest.mark.long
@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
def test_every_weight_learns_and_four_images_are_learnt(upsampling):
    seed_everything(0)
    images = np.kron(np.random.default_rng(1).random((4, 4, 4, 1)) > 0.5, np.ones((1, 7, 7, 1))).astype("float32")
    model = convolutional.build_autoencoder(16, upsampling=upsampling)
    before = [np.array(w) for w in model.get_weights()]
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    often = np.tile(images, (100, 1, 1, 1))  # in one epoch: each of 100 would take longer than its only step
    model.fit(often, often, batch_size=4, shuffle=False, verbose=0)
    assert all(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert model.evaluate(images, images, verbose=0) < np.mean((images - images.mean(axis=0)) ** 2) / 5
