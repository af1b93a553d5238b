"""The U-Net and its plain twin: shapes, counts by hand, what skips carry, sizes that do not fit, saving."""

import keras
import numpy as np
import pytest

from helpers.models.unet import build_unet

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute


def images(count=2, size=16, bands=3, seed=0):
    return np.random.default_rng(seed).random((count, size, size, bands), np.float32)


def run(model, batch):
    return keras.ops.convert_to_numpy(model(batch))


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
@pytest.mark.parametrize("filters", [(4, 6), (4, 6, 8, 10)])
def test_every_pixel_gets_probabilities(skips, upsampling, filters):
    model = build_unet(5, input_shape=(None, None, 3), filters=filters, skips=skips, upsampling=upsampling)
    for size in (16, 40):
        probabilities = run(model, images(size=size))
        assert probabilities.shape == (2, size, size, 5) and probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    assert model.name == ("unet" if skips else "encoder_decoder")


def convolution(kernel, before, after, bias=True):
    return kernel * kernel * before * after + after * bias


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("upsampling", ["nearest", "transpose"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_parameters_are_as_many_as_by_hand(skips, upsampling, batch_norm):
    def block(before, after):
        norm = 4 * after if batch_norm else 0
        return sum(convolution(3, width, after, not batch_norm) + norm for width in (before, after))

    enlarge = convolution(3 if upsampling == "nearest" else 2, 7, 5)
    wanted = block(26, 5) + block(5, 7) + enlarge + block(10 if skips else 5, 5) + convolution(1, 5, 4)
    model = build_unet(4, filters=(5, 7), skips=skips, upsampling=upsampling, batch_norm=batch_norm)
    assert model.count_params() == wanted


def test_skips_carry_what_the_bottom_loses():
    """Pixels that change places within a window of pooling leave its maximum as it is, but not what skips carry."""
    rng = np.random.default_rng(0)
    image = rng.random((1, 4, 4, 1), np.float32)
    swapped = image.copy()
    swapped[0, 0, 0], swapped[0, 1, 1] = image[0, 1, 1], image[0, 0, 0]
    changes = {}
    for skips in (True, False):
        keras.utils.set_random_seed(0)
        model = build_unet(3, input_shape=(4, 4, 1), filters=(2, 2), skips=skips, batch_norm=False, activation="linear")
        for name in ("down_1a_convolution", "down_1b_convolution"):
            kernel = np.zeros(model.get_layer(name).kernel.shape, np.float32)
            kernel[1, 1] = 1  # each pixel by itself
            model.get_layer(name).kernel.assign(kernel)
        changes[skips] = np.abs(run(model, image) - run(model, swapped)).max()
    assert changes[False] == 0 and changes[True] > 1e-3


@pytest.mark.parametrize("shape", [(None, None, 3), (20, 20, 3)])
def test_a_size_that_cannot_be_halved_is_refused_in_plain_words(shape):
    with pytest.raises(
        ValueError, match=r"20 x 20 pixels cannot be halved 3 times.*multiples of 8.*16 or 24 x 16 or 24"
    ):
        build_unet(input_shape=shape, filters=(4, 4, 4, 4))(images(size=20))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes must be a whole number of at least 2; received 1"),
        ({"filters": (16,)}, "two or more whole numbers"),
        ({"filters": (16, 0)}, "in filters must be a whole number of at least 1; received 0"),
        ({"input_shape": (8, 8)}, "input_shape must be"),
        ({"input_shape": (8, 8, None)}, "input_shape must be"),
        ({"dropout": 1.0}, "dropout and spatial_dropout"),
        ({"outputs": "boxes"}, 'outputs must be "classes" or "values"'),
        ({"num_classes": 0, "outputs": "values"}, "at least 1; received 0"),
        ({"upsampling": "bilinear"}, 'upsampling must be "nearest" or "transpose"'),
    ],
)
def test_arguments_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_unet(**options)


def test_values_are_the_scores_without_softmax():
    keras.utils.set_random_seed(0)
    values = build_unet(3, input_shape=(None, None, 3), filters=(4, 6), outputs="values")
    classes = build_unet(3, input_shape=(None, None, 3), filters=(4, 6))
    classes.set_weights(values.get_weights())
    found = run(values, images())
    np.testing.assert_allclose(run(classes, images()), run(keras.layers.Softmax(), found), atol=1e-6)
    assert build_unet(1, filters=(4, 6), outputs="values").output_shape[-1] == 1


def test_dropout_drops_in_training_only():
    model = build_unet(3, input_shape=(8, 8, 3), filters=(4, 4), dropout=0.5, spatial_dropout=0.5)
    still, moving = (
        [keras.ops.convert_to_numpy(model(images(size=8), training=training)) for _ in range(2)]
        for training in (False, True)
    )
    np.testing.assert_array_equal(*still)
    assert np.abs(moving[0] - moving[1]).max() > 1e-3


def test_a_saved_model_is_the_same(tmp_path):
    model = build_unet(input_shape=(None, None, 3), filters=(4, 6), dropout=0.2)
    model.save(tmp_path / "unet.keras")
    again = keras.saving.load_model(tmp_path / "unet.keras")
    np.testing.assert_allclose(run(again, images()), run(model, images()), atol=1e-6)
    with pytest.raises(ValueError, match="cannot be halved 1 times"):
        again(images(size=15))


@pytest.mark.long
@pytest.mark.slow  # the compiler takes its time
def test_mixed_precision_and_jit_train():
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_unet(2, input_shape=(8, 8, 1), filters=(4, 8))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("down_1a").compute_dtype == "bfloat16" and model.output.dtype == "float32"
    x = images(32, size=8, bands=1)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", jit_compile=True)
    losses = model.fit(x, (x[..., 0] > 0.5).astype("int32"), epochs=8, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
