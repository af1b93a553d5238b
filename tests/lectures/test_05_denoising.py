"""Lecture 05 shows what the helpers do: noise on arrays, the noise layer, the augmentation; and decibels are right."""

from pathlib import Path
from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pytest
from keras import layers, ops

from helpers.data.digits import add_noise, denoising_batches
from helpers.models import convolutional, dense
from helpers.models.convolutional import build_augmentation, build_denoiser

STEM = "05_denoising"
LECTURE = Path(__file__).resolve().parents[2] / "lectures" / f"{STEM}.ipynb"
IMAGES = np.random.default_rng(0).random((5, 28, 28, 1), dtype=np.float32)
STDDEV = 0.5
IMPORTED = {"keras": keras, "layers": layers, "np": np, "ops": ops, "STDDEV": STDDEV}
IMPORTED |= {"convolutional": convolutional, "dense": dense, "build_augmentation": build_augmentation}


@pytest.mark.parametrize("stddev", [0, 0.25, 1.0])
def test_the_noise_shown_is_that_of_the_helper(run_cells, stddev):
    noisy_copy = run_cells(STEM, "noise-by-hand", until="shown", **IMPORTED)["noisy_copy"]
    noisy = noisy_copy(IMAGES, stddev, seed=3)
    np.testing.assert_array_equal(noisy, add_noise(IMAGES, stddev, seed=3))


def test_decibels_are_right(run_cells):
    psnr = run_cells(STEM, "psnr-by-hand", until="Table", **IMPORTED)["psnr"]
    black = np.ones((2, 28, 28, 1), np.float32)
    assert psnr(black * 0, black) == pytest.approx(0), "everything wrong"
    assert psnr(black * 0.9, black) == pytest.approx(20, abs=1e-4)  # an error of 0.1 everywhere: MSE 0.01
    assert psnr(black * 0.8, black) == pytest.approx(20 - 20 * np.log10(2), abs=1e-4), "twice the error"


def test_the_layer_shown_is_that_of_the_helper(run_cells):
    shown = run_cells(STEM, "noise-layer-by-hand", **IMPORTED)["PixelNoise"](STDDEV, seed=4)
    theirs = convolutional.PixelNoise(STDDEV, seed=4)
    for training in (True, False):
        np.testing.assert_array_equal(shown(IMAGES, training=training), theirs(IMAGES, training=training))


def test_the_denoiser_shown_is_that_of_the_helper(run_cells):
    names = run_cells(STEM, "noise-layer-by-hand", "denoiser-by-hand", **IMPORTED)
    theirs = build_denoiser(names["autoencoder"], stddev=STDDEV)
    for training in (True, False):
        ours, other = (ops.convert_to_numpy(model(IMAGES, training=training)) for model in (names["denoiser"], theirs))
        np.testing.assert_allclose(ours, other, atol=1e-6)


def test_the_augmentation_shown_is_that_of_the_helper(run_cells):
    shown = run_cells(STEM, "augmentation-by-hand", **IMPORTED)["by_keras"]
    theirs = run_cells(STEM, "augmentation-by-helper", until="rows", **IMPORTED)["augment"]
    np.testing.assert_allclose(shown(IMAGES, training=True), theirs(IMAGES, training=True), atol=1e-6)


def test_moved_noise_is_weaker_and_noise_after_the_move_is_not(run_cells):
    augment = run_cells(STEM, "augmentation-by-helper", until="rows", **IMPORTED)["augment"]
    grey = np.full((50, 28, 28, 1), 0.5, np.float32)
    noise_first = np.asarray(augment(add_noise(grey, 0.1, seed=0), training=True))
    move_first = add_noise(np.asarray(augment(grey, training=True)).clip(0, 1), 0.1, seed=0)
    before, after = (images[:, 8:20, 8:20].std() for images in (noise_first, move_first))
    assert before < 0.07 and after == pytest.approx(0.1, rel=0.05)


def test_one_noisy_copy_stays_the_same_and_new_noise_does_not():
    def passes(batches):
        return [sorted(float(noisy.numpy().std()) for noisy, _ in batches) for _ in range(2)]

    batches = denoising_batches(IMAGES, stddev=STDDEV, batch_size=1)
    first, second = passes(batches)
    assert first != second
    first, second = passes(batches.cache())
    assert first == second


def test_the_text_counts_the_parameters_right(run_cells):
    needed = {"data": SimpleNamespace(train=IMAGES), "noisy_test": IMAGES, "clean": IMAGES}
    built = run_cells(STEM, "small-networks", **IMPORTED, **needed)
    text = "\n".join(cell.source for cell in nbformat.read(LECTURE, as_version=4).cells)
    for build in (built["build_dense"], built["build_maps"]):
        assert f"{build().count_params():,}" in text
