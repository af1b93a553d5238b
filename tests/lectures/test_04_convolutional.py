"""Lecture 04 shows what the helper builds, and what it says of maps, shifts and checkerboards holds for any weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.models import convolutional
from helpers.training import seed_everything

STEM = "04_convolutional"
IMAGES = np.random.default_rng(0).random((5, 28, 28, 1), dtype=np.float32)
IMPORTED = {"keras": keras, "np": np, "layers": layers, "convolutional": convolutional}


def test_the_network_shown_is_the_helpers(run_cells):
    seed_everything(1)
    shown = run_cells(STEM, "autoencoder-by-hand", **IMPORTED)
    ours = [*shown["encoder"].get_weights(), *shown["decoder"].get_weights()]
    seed_everything(1)
    options = {"filters": (16, 32, 32), "strides": (2, 2, 7), "kernel_size": (2, 2, 7), "upsampling": "transpose"}
    theirs = convolutional.build_autoencoder(code_activation="linear", **options)
    for mine, other in zip(ours, theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    decoded = ops.convert_to_numpy(shown["decoder"](shown["encoder"](IMAGES)))
    np.testing.assert_allclose(decoded, ops.convert_to_numpy(theirs(IMAGES)), atol=1e-6)


def test_the_kernels_by_hand_answer_on_the_side_that_they_are_named_after(run_cells):
    by_hand = run_cells(STEM, "kernels-by-hand", **IMPORTED)["by_hand"]
    square = np.zeros((1, 28, 28, 1), np.float32)
    square[:, 10:18, 10:18] = 1
    above, left = np.moveaxis(ops.convert_to_numpy(by_hand(square))[0], -1, 0)
    assert above[18, 14] == left[14, 18] == pytest.approx(1), "under a flat edge, right of an upright one"
    assert above[9, 14] == left[14, 9] == pytest.approx(-1)
    assert abs(above[14, 14]) < 1e-6 and abs(above[14, 18]) < 1e-6


def test_three_levels_of_two_are_refused_in_the_words_that_the_text_explains(run_cells):
    said = []
    run_cells(STEM, "three-levels-refused", **IMPORTED, print=lambda error: said.append(str(error)))
    assert len(said) == 1 and "28 = 2 x 2 x 7" in said[0]


def test_a_code_of_maps_moves_with_its_image_and_a_wide_image_gives_a_wide_code(run_cells):
    seed_everything(2)
    build_map = run_cells(STEM, "build-map", until="by_map", **IMPORTED)["build_map"]
    narrow, wide = build_map(), build_map(input_shape=(28, 140, 1))
    encode = narrow.get_layer("encoder")
    moved = np.pad(IMAGES, ((0, 0), (0, 0), (4, 0), (0, 0)))[:, :, :28]
    codes, moved_codes = (ops.convert_to_numpy(encode(images)) for images in (IMAGES, moved))
    np.testing.assert_allclose(moved_codes[:, :, 2:-1], codes[:, :, 1:-2], atol=1e-5)  # apart from the border
    wide.set_weights(narrow.get_weights())
    line = np.concatenate(list(IMAGES), axis=1)[np.newaxis]
    codes_of_line = ops.convert_to_numpy(wide.get_layer("encoder")(line))
    assert codes_of_line.shape == (1, 7, 35, 4)
    np.testing.assert_allclose(codes_of_line[:, :, :6], codes[:1, :, :6], atol=1e-5)  # the first image's


def test_the_spectrum_finds_stripes_of_every_period_and_nothing_in_flat_images(run_cells):
    spectrum = run_cells(STEM, "spectrum-by-hand", until="sign", **IMPORTED)["spectrum"]
    np.testing.assert_allclose(spectrum(np.full((2, 28, 28, 1), 0.3)), [0.3, 0, 0, 0, 0, 0, 0], atol=1e-12)
    for k in range(1, 7):
        phase = 2 * np.pi * k / 12 * np.arange(28)
        stripes = 0.2 * np.cos(phase[:, np.newaxis] + phase)  # both ways at once
        np.testing.assert_allclose(spectrum(stripes[np.newaxis, ..., np.newaxis]), 0.2 * np.eye(7)[k], atol=1e-12)


def test_transposed_kernels_overlap_unevenly_as_printed(run_cells, capsys):
    painted = run_cells(STEM, "overlapping-kernels", **IMPORTED)["painted"]
    np.testing.assert_array_equal(painted[2:6, 2:6], [[4, 2, 4, 2], [2, 1, 2, 1]] * 2)
    assert "4 2 4 2" in capsys.readouterr().out


@pytest.mark.parametrize("seed", [0, 1])
def test_only_transposed_decoders_weave_whatever_the_weights(run_cells, seed):
    seed_everything(seed)
    names = run_cells(STEM, "build-map", until="by_map", **IMPORTED)
    names |= run_cells(STEM, "spectrum-by-hand", until="sign", **IMPORTED)
    grey = np.full((1, 28, 28, 1), 0.5, np.float32)
    decoders = {"repeated": names["build_map"](upsampling="nearest"), "transposed": names["build_map"]()}
    peaks = {name: names["spectrum"](ops.convert_to_numpy(model(grey))) for name, model in decoders.items()}
    assert peaks["repeated"][1:].max() < 1e-6
    assert peaks["transposed"][[3, 6]].min() > 1e-3, "at 1/4 and 1/2"
    assert peaks["transposed"][[1, 2, 4, 5]].max() < 1e-6, "and nowhere else"


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    for text in ('"upsampling": "transpose"}', "down_to_one = {", "build_map(kernel_size=2)"):
        assert text in code, f"{text!r} is named in an exercise"
