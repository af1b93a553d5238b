"""Losses over labelled pixels against closed forms."""

import keras
import numpy as np
import pytest

from helpers.segmentation import Dice, MaskedCrossentropy

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RNG = np.random.default_rng(0)
LABELS = RNG.choice([0, 1, 2, 3, 4, 5, 6, 15], (2, 8, 8))
PREDICTED = RNG.dirichlet(np.ones(7), (2, 8, 8)).astype(np.float32)
COUNTS = ~np.isin(LABELS, [0, 15])


def crossentropy():
    safe = np.where(COUNTS, LABELS, 0)
    return -np.log(np.take_along_axis(PREDICTED, safe[..., None], -1)[..., 0])


def value(loss, *arguments, **options):
    return float(loss(*arguments, **options))


def test_crossentropy_is_the_mean_over_labelled_pixels():
    np.testing.assert_allclose(value(MaskedCrossentropy(), LABELS, PREDICTED), crossentropy()[COUNTS].mean(), rtol=1e-5)
    every = value(MaskedCrossentropy(ignore=()), np.where(LABELS == 15, 0, LABELS), PREDICTED)
    np.testing.assert_allclose(every, crossentropy().mean(), rtol=1e-5)


def test_what_is_ignored_changes_nothing():
    other = PREDICTED.copy()
    other[~COUNTS] = RNG.dirichlet(np.ones(7), (~COUNTS).sum())
    for loss in (MaskedCrossentropy(), Dice()):
        np.testing.assert_allclose(value(loss, LABELS, other), value(loss, LABELS, PREDICTED), rtol=1e-6)


def test_weights_of_classes_and_of_pixels_make_a_weighted_mean():
    classes, pixels = np.arange(7.0), RNG.random(LABELS.shape).astype(np.float32)
    weights = COUNTS * classes[np.where(COUNTS, LABELS, 0)] * pixels
    wanted = (weights * crossentropy()).sum() / weights.sum()
    found = value(MaskedCrossentropy(class_weights=classes), LABELS, PREDICTED, sample_weight=pixels)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


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
    "loss", [MaskedCrossentropy(ignore=(0,), class_weights=[0, 1, 2, 3, 4, 5, 6]), Dice(ignore=(3,))]
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
