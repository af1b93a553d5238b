"""Models that know of classes: labels that matter, the third loss."""

import keras
import numpy as np
import pytest
from keras import ops

from helpers.models.variational import (
    BranchedVAE,
    ConditionalVAE,
    build_branched_vae,
    build_classifier,
    build_conditional_vae,
    build_dense_parts,
)
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

IMAGES = np.random.default_rng(0).random((8, 8, 8, 1), dtype=np.float32)
LABELS = np.arange(8) % 4
CODES = np.random.default_rng(1).standard_normal((8, 3), np.float32)
KINDS = [{"hidden": (16,)}, pytest.param({"filters": (4, 6)}, marks=pytest.mark.long)]


def conditional(**options):
    seed_everything(0)
    return build_conditional_vae(3, num_classes=4, input_shape=(8, 8, 1), **options)


def branched(**options):
    seed_everything(0)
    return build_branched_vae(3, num_classes=4, input_shape=(8, 8, 1), **options)


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


# ---- conditional ----


def test_labels_that_are_no_class_are_refused():
    vae = conditional(hidden=(16,))
    vae.compile("adam")
    told = "knows the classes 0 to 3; received labels from"
    for call in (
        lambda: vae.generate([3, 4], seed=0),
        lambda: vae.reconstruct(IMAGES, LABELS - 1),
        lambda: vae.fit([IMAGES, LABELS + 1], verbose=0),
    ):
        with pytest.raises(ValueError, match=told):
            call()
    for inputs, message in (
        ([LABELS, IMAGES], r"shape \(n,\), but the decoder returns \(n, 8, 8, 1\)"),
        (
            [IMAGES, IMAGES],
            r"Labels must be whole numbers, \(n,\); received float32, \(8, 8, 8, 1\). Are these the images",
        ),
        ([IMAGES, np.eye(4)[LABELS]], r"received float64, \(8, 4\).*argmax"),
        ([IMAGES, LABELS + 0.5], "received float64, such as"),
        ([IMAGES * 255, LABELS], "/ 255"),
        (IMAGES, "Received one array"),
    ):
        with pytest.raises(ValueError, match=message):
            vae.fit(inputs, verbose=0)
    assert vae.fit([IMAGES, LABELS], verbose=0).history["loss"]


@pytest.mark.parametrize("options", KINDS)
def test_the_label_alone_changes_what_is_decoded_and_encoded(options):
    vae = conditional(**options)
    images = [numpy_of(vae.decoder([CODES, np.full(8, label)])) for label in (1, 2)]
    assert np.abs(images[0] - images[1]).max() > 1e-3
    means = [numpy_of(vae.encoder([IMAGES, np.full(8, label)])[0]) for label in (1, 2)]
    assert np.abs(means[0] - means[1]).max() > 1e-3


@pytest.mark.parametrize("options", KINDS)
def test_a_decoder_whose_weights_of_the_label_are_zero_is_blind_to_it(options):
    first = "hidden_1" if "hidden" in options else "features"
    vae = conditional(**options)
    layer = vae.decoder.get_layer("code_and_label_to_image").get_layer(first)
    kernel, bias = layer.get_weights()
    assert kernel.shape[0] == 3 + 4
    kernel[3:] = 0
    layer.set_weights([kernel, bias])
    images = [numpy_of(vae.decoder([CODES, np.full(8, label)])) for label in (1, 2)]
    np.testing.assert_array_equal(*images)


def test_the_same_seed_gives_the_same_styles_of_other_classes():
    vae = conditional(hidden=(16,))
    ones, again, twos = (vae.generate(np.full(5, label), seed=3) for label in (1, 1, 2))
    np.testing.assert_array_equal(ones, again)
    assert ones.shape == (5, 8, 8, 1) and not np.allclose(ones, twos)
    codes = np.random.default_rng(3).standard_normal((5, 3), np.float32)
    np.testing.assert_allclose(twos, numpy_of(vae.decoder([codes, np.full(5, 2)])), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS)
def test_a_conditional_model_learns_what_only_the_label_tells(options):
    """Four classes of constant grey, and a KL that forbids codes: the label is the only way to the class."""
    vae = conditional(beta=20.0, **options)
    grey = np.float32([0.1, 0.4, 0.6, 0.9])
    labels = np.arange(150 * 32) % 4
    images = np.broadcast_to(grey[labels][:, None, None, None], (len(labels), 8, 8, 1)).copy()
    vae.compile(keras.optimizers.Adam(0.01), steps_per_execution=10)
    vae.fit([images, labels], verbose=0)
    found = vae.generate(np.repeat(np.arange(4), 10), seed=0)[:, 2:6, 2:6].reshape(4, -1).mean(axis=1)
    np.testing.assert_allclose(found, grey, atol=0.08)


def test_parts_without_labels_and_calls_without_labels_are_refused():
    with pytest.raises(ValueError, match=r"has 1 input\(s\). Build the parts with num_classes=10"):
        ConditionalVAE(*build_dense_parts(3))
    vae = conditional(hidden=(16,))
    vae.compile("adam")
    with pytest.raises(ValueError, match=r"fit\(\[images, labels\]\)"):
        vae.fit(IMAGES, verbose=0)


# ---- branched ----


def test_the_third_loss_is_the_cross_entropy_of_the_classifier():
    vae = branched(hidden=(16,), beta=2.0, classification_weight=5.0)
    vae.compile("adam")
    logs = vae.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    probabilities = numpy_of(vae(IMAGES)["probabilities"])
    surprise = -np.log(probabilities[np.arange(8), LABELS]).mean()
    assert logs["classification"] == pytest.approx(surprise, rel=1e-4)
    assert logs["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == LABELS).mean())
    total = logs["reconstruction"] + 2 * logs["kl"] + 5 * logs["classification"]
    assert logs["loss"] == pytest.approx(total, rel=1e-6)


def test_training_the_branch_beforehand_moves_encoder_and_classifier_only():
    vae = branched(hidden=(16,), classifier_hidden=(5,))
    parts = [vae.encoder.get_layer("z_mean"), vae.classifier, vae.encoder.get_layer("z_log_var"), vae.decoder]
    before = [[np.array(w) for w in part.get_weights()] for part in parts]
    classifier = vae.as_classifier()
    classifier.compile("adam", "sparse_categorical_crossentropy")
    classifier.fit(IMAGES, LABELS, verbose=0)
    moved = [
        any(not np.array_equal(a, b) for a, b in zip(old, part.get_weights(), strict=True))
        for old, part in zip(before, parts, strict=True)
    ]
    assert moved == [True, True, False, False]
    np.testing.assert_allclose(numpy_of(classifier(IMAGES)), numpy_of(vae(IMAGES)["probabilities"]), atol=1e-6)


@pytest.mark.slow
def test_the_branch_learns_classes_in_fit():
    vae = branched(hidden=(16,), classification_weight=50.0)
    vae.compile(keras.optimizers.Adam(0.01), steps_per_execution=10)
    vae.fit(np.tile(IMAGES, (200, 1, 1, 1)), np.tile(LABELS, 200), batch_size=8, verbose=0)
    assert vae.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)["accuracy"] == 1


def test_a_classifier_that_does_not_fit_and_missing_labels_are_refused():
    parts = build_dense_parts(3)
    with pytest.raises(ValueError, match=r"codes of shape \(None, 3\).*takes \(None, 4\)"):
        BranchedVAE(*parts, build_classifier(4))
    with pytest.raises(ValueError, match=r'named "decoder".*"classifier"'):
        BranchedVAE(*parts, parts[1])
    with pytest.raises(ValueError, match="at least 0; received -1"):
        BranchedVAE(*parts, build_classifier(3), classification_weight=-1)
    vae = branched(hidden=(16,))
    vae.compile("adam")
    with pytest.raises(ValueError, match=r"fit\(images, labels\)"):
        vae.fit(IMAGES, verbose=0)


# ---- both ----


@pytest.mark.long
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(4)[LABELS], r"\(8, 4\).*argmax"),
        (IMAGES, "Are these the images"),
        (LABELS + 1, "classes 0 to 3; received labels from 1 to 4"),
        (np.full(8, np.nan), "whole numbers"),
    ],
)
def test_targets_of_the_third_loss_that_are_no_labels_are_refused(labels, message):
    vae = branched(hidden=(16,))
    vae.compile("adam")
    with pytest.raises(ValueError, match=message):
        vae.fit(IMAGES, labels, verbose=0)


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("build", [conditional, branched])
def test_a_saved_model_gives_the_same_output(tmp_path, build, options):
    vae = build(beta=3.0, **options)
    vae.compile("adam")
    data = ([IMAGES, LABELS],) if build is conditional else (IMAGES, LABELS)
    vae.fit(*data, verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert type(again) is type(vae) and again.beta == 3
    inputs = (IMAGES, LABELS) if build is conditional else (IMAGES,)
    np.testing.assert_allclose(again.reconstruct(*inputs), vae.reconstruct(*inputs), atol=1e-6)
    assert [w.shape for w in again.get_weights()] == [w.shape for w in vae.get_weights()]
    assert set(again.fit(*data, verbose=0).history) == set(vae.fit(*data, verbose=0).history)
    if build is branched:
        np.testing.assert_allclose(again.as_classifier()(IMAGES).shape, (8, 4))
