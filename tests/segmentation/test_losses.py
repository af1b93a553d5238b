"""Losses over labelled pixels against closed forms."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from helpers.segmentation import Dice, MaskedCrossentropy, MaskedFocal

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RNG = np.random.default_rng(0)
LABELS = RNG.choice([0, 1, 2, 3, 4, 5, 6, 15], (2, 8, 8))
PREDICTED = RNG.dirichlet(np.ones(7), (2, 8, 8)).astype(np.float32)
COUNTS = ~np.isin(LABELS, [0, 15])
BOTH = [MaskedCrossentropy(), Dice()]
ALL = [*BOTH, MaskedCrossentropy(class_weights=[0, 1, 2, 3, 4, 5, 6])]


def crossentropy():
    safe = np.where(COUNTS, LABELS, 0)
    return -np.log(np.take_along_axis(PREDICTED, safe[..., None], -1)[..., 0])


def value(loss, *arguments, **options):
    return float(loss(*arguments, **options))


def test_crossentropy_is_the_mean_over_labelled_pixels():
    np.testing.assert_allclose(value(MaskedCrossentropy(), LABELS, PREDICTED), crossentropy()[COUNTS].mean(), rtol=1e-5)
    every = value(MaskedCrossentropy(ignore_class=None), np.where(LABELS == 15, 0, LABELS), PREDICTED)
    np.testing.assert_allclose(every, crossentropy().mean(), rtol=1e-5)


def test_there_is_a_weight_for_each_class():
    with pytest.raises(ValueError, match="6 class_weights were given, for probabilities of 7 classes"):
        MaskedCrossentropy(class_weights=[1] * 6)(LABELS, PREDICTED)


def test_weights_by_class_are_those_of_a_list_with_ones():
    for some in ({2: 5.0}, {0: 0, 6: 0.5, 1: 3}, {np.int64(3): np.float32(2)}):
        each = [some.get(number, 1) for number in range(7)]
        wanted = value(MaskedCrossentropy(class_weights=each), LABELS, PREDICTED)
        loss = MaskedCrossentropy(class_weights=some)
        again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(loss))))
        assert value(loss, LABELS, PREDICTED) == value(again, LABELS, PREDICTED) == wanted
    with pytest.raises(ValueError, match=r"class_weights has \[7\]; the probabilities are of the classes 0 to 6"):
        MaskedCrossentropy(class_weights={1: 2, 7: 1})(LABELS, PREDICTED)


@pytest.mark.parametrize(
    "weights",
    [{"forest": 2}, {1.5: 2}, {"2.5": 1}, {None: 1}, [1, -1], [float("nan")], 3, "auto", [], {}, {1: None}],
)
def test_what_are_no_weights_is_refused(weights):
    with pytest.raises(ValueError, match="class_weights must hold a number of at least 0"):
        MaskedCrossentropy(class_weights=weights)


def test_what_is_ignored_changes_nothing():
    other = PREDICTED.copy()
    other[~COUNTS] = RNG.dirichlet(np.ones(7), (~COUNTS).sum())
    for loss in BOTH:
        np.testing.assert_allclose(value(loss, LABELS, other), value(loss, LABELS, PREDICTED), rtol=1e-6)


def test_weights_of_classes_and_of_pixels_make_a_weighted_mean():
    classes, pixels = np.arange(7.0), RNG.random(LABELS.shape).astype(np.float32)
    weights = COUNTS * classes[np.where(COUNTS, LABELS, 0)] * pixels
    wanted = (weights * crossentropy()).sum() / weights.sum()
    found = value(MaskedCrossentropy(class_weights=classes), LABELS, PREDICTED, sample_weight=pixels)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("loss", BOTH, ids=type)
def test_a_weight_for_each_image_weighs_images(loss):
    square, predicted = np.tile(LABELS, (4, 1, 1)), np.tile(PREDICTED, (4, 1, 1, 1))
    assert square.shape == (8, 8, 8), "as many images as columns: weights of columns would have the same shape"
    only = np.eye(8)[1]
    wanted = value(loss, LABELS[1:2], PREDICTED[1:2])
    for weights in (only, np.ones((8, 8, 8)) * only[:, None, None], np.ones((8, 8, 8, 1)) * only[:, None, None, None]):
        np.testing.assert_allclose(value(loss, square, predicted, sample_weight=weights), wanted, rtol=1e-5)
    every = value(loss, square, predicted)
    np.testing.assert_allclose(value(loss, square, predicted, sample_weight=np.full(8, 3.0)), every, rtol=1e-5)
    assert value(loss, square, predicted, sample_weight=np.zeros(8)) == 0


def test_dice_counts_a_pixel_of_weight_two_twice():
    labels = np.array([[[1, 2, 2]]])
    predicted = np.array([[[[0, 0.7, 0.3], [0, 0.2, 0.8], [0, 0.4, 0.6]]]], np.float32)
    weighed = value(Dice(), labels, predicted, sample_weight=[[[1, 1, 2]]])
    twice = [0, 1, 2, 2]
    np.testing.assert_allclose(weighed, value(Dice(), labels[..., twice], predicted[:, :, twice]), rtol=1e-6)


@pytest.mark.parametrize("loss", BOTH, ids=type)
def test_fit_takes_a_weight_for_each_image(loss):
    model = keras.Sequential([keras.Input((8, 8, 7)), keras.layers.Identity()])
    model.compile(loss=loss)
    found = model.evaluate(PREDICTED, LABELS, sample_weight=np.array([0.0, 2.0]), verbose=0)
    np.testing.assert_allclose(found, value(loss, LABELS[1:], PREDICTED[1:]), rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (8,), (2, 1), (1, 8), (8, 8), (2, 8, 1), (2, 8, 8, 7)], ids=str)
@pytest.mark.parametrize("loss", BOTH, ids=type)
def test_weights_of_another_shape_are_refused(loss, shape):
    with pytest.raises(
        ValueError, match=r"one for each image, \(2,\), or for each pixel, \(2, 8, 8\); received .*shape"
    ):
        loss(LABELS, PREDICTED, sample_weight=np.ones(shape))


@pytest.mark.parametrize("loss", BOTH, ids=type)
def test_labels_may_have_a_last_axis_of_one_and_no_other_shape(loss):
    assert value(loss, LABELS[..., None], PREDICTED) == value(loss, LABELS, PREDICTED)
    for wrong in (LABELS[0], LABELS[:, :4], np.eye(7)[np.where(COUNTS, LABELS, 0)]):
        with pytest.raises(ValueError, match="do not belong"):
            loss(wrong, PREDICTED)


def one_strange(label):
    labels = LABELS.copy()
    labels[1, 2, 3] = label
    return labels


@pytest.mark.parametrize("strange", [-1, 7, 9, 255])
@pytest.mark.parametrize("loss", ALL, ids=type)
def test_a_label_that_is_no_class_is_refused_by_its_value(loss, strange):
    told = rf"a label is {strange}: neither one of 7 classes, from 0, nor ignored, ignore_class=\(0, 15\)"
    for labels, options in (
        (one_strange(strange), {}),
        (one_strange(strange), {"sample_weight": [1, 0]}),  # even where it has no weight
        (np.full_like(LABELS, strange), {}),
        (one_strange(strange).astype("float32")[..., None], {}),
    ):
        with pytest.raises(ValueError, match=told):
            loss(labels, PREDICTED, **options)


@pytest.mark.parametrize("ignore_class", [255, -1, (255,), [0, 255], np.array([255, 3])], ids=str)
def test_what_is_ignored_is_one_label_or_several_whatever_their_dtype(ignore_class):
    several = np.atleast_1d(ignore_class)
    labels = np.where(np.isin(LABELS, [0, 15]), several[-1] if several[-1] != 3 else 255, LABELS)
    dtype = "int16" if -1 in several else "uint8"
    wanted = value(MaskedCrossentropy(ignore_class=tuple(several.tolist())), labels, PREDICTED)
    kept = ~np.isin(labels, several)
    np.testing.assert_allclose(wanted, crossentropy()[kept].mean(), rtol=1e-5)
    assert value(MaskedCrossentropy(ignore_class=ignore_class), labels.astype(dtype), PREDICTED) == wanted


def test_bytes_are_compared_with_a_label_that_no_byte_can_have():
    labels = np.where(LABELS == 15, 0, LABELS).astype("uint8")
    found = value(MaskedCrossentropy(ignore_class=-1), labels, PREDICTED)
    np.testing.assert_allclose(found, value(MaskedCrossentropy(ignore_class=None), labels, PREDICTED))
    assert np.isfinite(value(Dice(ignore_class=-1), labels, PREDICTED))


@pytest.mark.parametrize("loss", ALL, ids=type)
def test_a_loss_that_was_saved_when_the_argument_was_called_ignore_still_opens(loss):
    config = keras.saving.serialize_keras_object(loss)
    config["config"]["ignore"] = config["config"].pop("ignore_class")
    again = keras.saving.deserialize_keras_object(config)
    assert again.ignore_class == (0, 15) and value(again, LABELS, PREDICTED) == value(loss, LABELS, PREDICTED)


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("loss", ALL, ids=type)
def test_a_label_that_is_no_class_makes_the_loss_of_a_model_nan(loss, jit_compile):
    model = keras.Sequential([keras.Input((8, 8, 7)), keras.layers.Identity()])
    model.compile(loss=loss, jit_compile=jit_compile)
    assert np.isnan(model.evaluate(PREDICTED, one_strange(9), verbose=0))


def test_a_batch_without_labels_costs_nothing():
    nothing = np.full_like(LABELS, 15)
    assert value(MaskedCrossentropy(), nothing, PREDICTED) == 0
    assert value(Dice(), nothing, PREDICTED) == 0


def test_dice_against_its_formula():
    wanted = []
    for number in range(1, 7):
        truth = (number == LABELS) & COUNTS
        p = PREDICTED[..., number] * COUNTS
        wanted.append(1 - 2 * (p * truth).sum() / (p.sum() + truth.sum()))
    np.testing.assert_allclose(value(Dice(), LABELS, PREDICTED), np.mean(wanted), rtol=1e-5)


def test_dice_knows_perfect_and_useless():
    labels = np.array([[[1, 1, 2, 2]]])
    perfect = np.eye(3, dtype=np.float32)[labels]
    assert value(Dice(), labels, perfect) == pytest.approx(0, abs=1e-6)
    assert value(Dice(), labels, np.eye(3, dtype=np.float32)[3 - labels]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "loss", [MaskedCrossentropy(ignore_class=0, class_weights=[0, 1, 2, 3, 4, 5, 6]), Dice(ignore_class=(3,))]
)
def test_losses_are_saved_with_a_model(loss, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 7)), keras.layers.Softmax()])
    model.compile(loss=loss)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    labels = np.where(LABELS == 15, 0, LABELS)
    np.testing.assert_allclose(
        again.evaluate(PREDICTED, labels, verbose=0), model.evaluate(PREDICTED, labels, verbose=0), rtol=1e-6
    )


def test_gradients_flow_from_labelled_pixels_only():
    model = keras.Sequential([keras.Input((1, 2, 2)), keras.layers.Dense(3, activation="softmax", use_bias=False)])
    before = [np.array(weight) for weight in model.get_weights()]
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=MaskedCrossentropy())
    images = np.ones((1, 1, 2, 2), np.float32)
    model.fit(images, np.array([[[0, 15]]]), verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.fit(images, np.array([[[0, 2]]]), verbose=0)
    assert np.abs(model.get_weights()[0] - before[0]).max() > 0.01


DISTRIBUTED = """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
from helpers.segmentation import Dice, MaskedCrossentropy, MeanIoU
labels = np.random.default_rng(0).integers(1, 7, (4, 8, 8))
predicted = np.random.default_rng(0).dirichlet(np.ones(7), labels.shape).astype("float32")
for loss in (Dice(), MaskedCrossentropy()):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = keras.Sequential([keras.Input((8, 8, 7)), keras.layers.Identity()])
        model.compile(loss=loss, metrics=[MeanIoU()])
    found, _ = model.evaluate(predicted, labels, verbose=0)
    try:
        model.evaluate(predicted, np.where(labels == 3, 9, labels), verbose=0)
        raise AssertionError("nobody said which label is none")
    except ValueError as error:
        assert "a label is 9:" in str(error), error
    wanted = np.mean([loss(labels[part], predicted[part]) for part in (slice(0, 2), slice(2, 4))])
    assert abs(found / wanted - 1) < 1e-5, (loss.name, found, wanted)
print("the mean of both")
"""


@pytest.mark.long
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's replicas")
def test_the_loss_of_two_replicas_is_the_mean_of_theirs():
    done = subprocess.run([sys.executable, "-c", DISTRIBUTED], capture_output=True, text=True, timeout=300)
    assert done.stdout.endswith("the mean of both\n"), done.stderr


@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.0])
def test_focal_loss_is_that_of_keras_over_labelled_pixels(gamma):
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=gamma, reduction=None)
    one_hot = np.eye(7, dtype=np.float32)[LABELS[COUNTS]]
    wanted = np.asarray(theirs(one_hot, PREDICTED[COUNTS])).mean()
    np.testing.assert_allclose(value(MaskedFocal(gamma), LABELS, PREDICTED), wanted, rtol=1e-4)


def test_focal_loss_of_gamma_zero_is_cross_entropy_and_takes_weights():
    for weights in (None, [0, 1, 2, 3, 4, 5, 6]):
        pair = MaskedFocal(0, class_weights=weights), MaskedCrossentropy(class_weights=weights)
        np.testing.assert_allclose(*(value(loss, LABELS, PREDICTED) for loss in pair), rtol=1e-6)
    loss = MaskedFocal(3, ignore_class=[0], class_weights={2: 5})
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(loss))))
    labels = np.where(LABELS == 15, 0, LABELS)
    assert value(loss, labels, PREDICTED) == value(again, labels, PREDICTED)


@pytest.mark.parametrize("gamma", [-1, float("nan")])
def test_a_gamma_below_zero_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma must be at least 0"):
        MaskedFocal(gamma)


@pytest.mark.parametrize("gamma", [0, 0.5, 2])
def test_pixels_that_are_surely_right_do_not_spoil_the_training(gamma):
    """Compiled, a power below 1 had the slope nan where the probability is 1."""
    model = keras.Sequential([keras.Input((1, 2, 3)), keras.layers.Softmax()])
    model = keras.Sequential([keras.Input((1, 2, 3)), keras.layers.Dense(3, use_bias=False), model])
    model.layers[0].set_weights([200 * np.eye(3)])
    model.compile("sgd", MaskedFocal(gamma), run_eagerly=False)
    images = np.eye(3, dtype="float32")[[[[1, 2]]]]  # (1, 1, 2, 3)
    model.fit(images, images.argmax(axis=-1), verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
