"""Lecture 07 shows what the helpers build: the conditional and the branched VAE; a blind decoder cannot obey."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops

from helpers.models.variational import build_branched_vae, build_conditional_vae

STEM = "07_structured"
IMAGES = np.random.default_rng(0).random((6, 28, 28, 1), dtype=np.float32)
LABELS = np.arange(6)


@pytest.fixture(scope="module")
def shown(run_cells) -> dict:
    """Return what is defined by the cells that build: the two conditional networks, the branch, the traversal."""
    networks = ("conditional-by-hand", "decoder-refused", "blind-decoder", "branched-by-hand")
    squares = {"squares": IMAGES[:1], "factors": np.array([[0, 3, 0, 8, 8]])}
    names = run_cells(STEM, "imports", until="seed_everything")
    return run_cells(STEM, *networks, "traversal-by-hand", **names, **squares)


def assert_same(mine, theirs, inputs):
    """Same weights, of the same shapes in the same order, and then the same outputs."""
    theirs.set_weights(mine.get_weights())
    for name in ("z_mean", "z_log_var"):
        found = [ops.convert_to_numpy(model(inputs)[name]) for model in (mine, theirs)]
        np.testing.assert_allclose(*found, atol=1e-6)


def decoded(model, labels):
    """Decode the same six codes with these labels."""
    codes = np.random.default_rng(1).standard_normal((6, 4)).astype("float32")
    return ops.convert_to_numpy(model.decoder([codes, labels]))


def test_the_conditional_network_shown_is_the_helpers(shown):
    mine, theirs = shown["conditional"]["label in both"], build_conditional_vae(4)
    assert_same(mine, theirs, [IMAGES, LABELS])
    np.testing.assert_allclose(*(decoded(model, LABELS) for model in (mine, theirs)), atol=1e-6)


def test_only_a_decoder_that_sees_the_label_changes_its_picture(shown):
    both, blind = shown["conditional"].values()
    for model, changes in ((both, True), (blind, False)):
        one, other = (decoded(model, labels) for labels in (LABELS, LABELS + 1))
        assert changes == (not np.allclose(one, other, atol=1e-6))


def test_the_refusal_names_the_decoder(run_cells, shown, capsys):
    run_cells(STEM, "decoder-refused", **shown)
    assert "The decoder of a ConditionalVAE takes labels" in capsys.readouterr().out


def test_the_branched_network_shown_is_the_helpers(shown):
    mine = shown["build_branched"](30)
    theirs = build_branched_vae(2, classifier_hidden=(64,), classification_weight=30)
    assert_same(mine, theirs, IMAGES)
    found = [ops.convert_to_numpy(model(IMAGES)["probabilities"]) for model in (mine, theirs)]
    np.testing.assert_allclose(*found, atol=1e-6)
    assert mine.classification_weight == theirs.classification_weight


def test_a_traversal_moves_one_axis_and_names_its_best_factor(shown):
    encoder = SimpleNamespace(predict=lambda images, verbose: [np.array([[0.3, -0.7]])])
    decoder = SimpleNamespace(predict=lambda codes, verbose: codes)
    model = SimpleNamespace(latent_dim=2, encoder=encoder, decoder=decoder)
    shown["start"], shown["varied"] = IMAGES[:1], [(1, "scale"), (3, "x")]
    gap = SimpleNamespace(information=np.array([[0, 0.9, 0, 0.1, 0], [0, 0.2, 0, 0.3, 0]]))
    rows = shown["traverse"](model, gap)
    assert list(rows) == ["z 0: scale 90%", "z 1: x 30%"]
    for axis, codes in enumerate(rows.values()):
        assert np.all(codes[:, 1 - axis] == [0.3, -0.7][1 - axis]) and np.all(np.diff(codes[:, axis]) > 0)


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert code.count("WEIGHT = ") == 1
    assert len(re.findall(r"Dense\(4\)|Input\(\(4,\)\)", code)) == 3, "an exercise says that three lines have the 4"
