"""Lecture 12 shows what the helpers build and measure, and its folds, its seam and its distances mean what it says."""

import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.experiments.run_file import read_run
from helpers.experiments.train import train
from helpers.models.unet import build_unet
from helpers.notebooks import without_data
from helpers.segmentation import MaskedCrossentropy

LECTURES = Path(__file__).resolve().parents[2] / "lectures"
STEM = "12_segmentation"
RANDOM = np.random.default_rng(0)
IMPORTED = {"keras": keras, "layers": layers, "np": np, "ops": ops, "Path": Path}


@pytest.mark.slow
@pytest.mark.parametrize("skips", [True, False])
def test_the_networks_shown_are_the_helpers(run_cells, skips):
    mine = run_cells(STEM, "unet-by-hand", **IMPORTED)["decode"](skips)
    theirs = build_unet(input_shape=(None, None, 4), filters=(8, 16, 32), skips=skips)
    theirs.set_weights(mine.get_weights())
    images = RANDOM.random((2, 20, 24, 4), dtype=np.float32)
    found = [ops.convert_to_numpy(model(images)) for model in (mine, theirs)]
    np.testing.assert_allclose(*found, atol=1e-6)


def test_the_loss_shown_is_the_helpers_and_blind_where_nobody_knows(run_cells):
    masked = run_cells(STEM, "loss-by-hand", **IMPORTED)["masked_crossentropy"]
    labels = RANDOM.integers(0, 7, (3, 8, 8)).astype("int32")
    guess = RANDOM.dirichlet(np.ones(7), labels.shape).astype("float32")
    wanted = -np.log(np.take_along_axis(guess, labels[..., None], -1)[..., 0])[labels > 0].mean()
    other = np.where((labels == 0)[..., None], guess[..., ::-1], guess)
    for each in (guess, other):
        assert float(masked(labels, each)) == pytest.approx(wanted, rel=1e-5)
        assert float(MaskedCrossentropy()(labels, each)) == pytest.approx(wanted, rel=1e-5)


def test_another_guess_where_nobody_knows_moves_the_loss_without_a_mask_only(run_cells):
    labels = RANDOM.integers(1, 7, (8, 16, 16)).astype("int32")
    tools = {"labels": labels, "MaskedCrossentropy": MaskedCrossentropy, "Table": list}
    found = run_cells(STEM, "loss-by-hand", "loss-without-mask", **IMPORTED, **tools)
    losses = {
        n: [float(f(found["some"], each)) for each in (found["guess"], found["other"])]
        for n, f in found["losses"].items()
    }
    assert losses["masked"][0] == pytest.approx(losses["masked"][1]) == pytest.approx(losses["helper"][1])
    assert losses["not masked"][1] > losses["not masked"][0] + 0.5


def test_a_class_without_pixels_divides_nothing(run_cells, capsys):
    counts = np.diag([0, 9, 9, 0, 0, 9, 9])
    counts[4, 2] = 9
    names = ["none", "water", "trees", "low", "barren", "impervious", "road"]
    found = run_cells(STEM, "classes-missed", **IMPORTED, results={"U-Net": counts}, names=names)
    assert found["unnamed"] == 1 and capsys.readouterr().out == "found in less than 1 pixel of 50: barren\n"


def named(tiles: int, per_tile: int, folder: str = "train") -> list[str]:
    return [
        f"/d/{folder}/wv_1m_2014-m_37080{tile:02d}_sw_17_1-{n}.npz" for tile in range(tiles) for n in range(per_tile)
    ]


def folds_of(run_cells, files):
    from sklearn.model_selection import GroupKFold

    tiles = [Path(file).name.rpartition("-")[0] for file in files]
    labels = np.zeros((len(files), 4, 4), int)
    needed = {"files": files, "tiles": tiles, "labels": labels, "GroupKFold": GroupKFold}
    return run_cells(STEM, "folds", "held-out-tiles", **IMPORTED, **needed), np.array(tiles)


def test_no_tile_is_on_two_sides_of_a_fold_and_every_patch_is_held_out_once(run_cells):
    found, tiles = folds_of(
        run_cells, named(8, 3) + [name.replace("370", "380") for name in named(2, 3, "x-val_patches")]
    )
    for inside, outside in found["folds"]:
        assert not set(tiles[inside]) & set(tiles[outside])
    assert sorted(np.concatenate([outside for _, outside in found["folds"]])) == list(range(30))
    np.testing.assert_array_equal(found["test_rows"], range(24, 30))


def test_one_tile_gives_folds_of_patches_and_a_warning(run_cells, capsys):
    found, _ = folds_of(run_cells, named(1, 8))
    assert "Only 1 tile(s): folds are of patches" in capsys.readouterr().out
    assert sorted(len(outside) for _, outside in found["folds"]) == [1, 1, 2, 2, 2]
    np.testing.assert_array_equal(found["test_rows"], found["folds"][0][1])


def test_the_judge_counts_the_classes_that_are_named(run_cells):
    from helpers.segmentation import confusion_matrix, scores

    truth = np.array([[1, 2, 2, 0]])
    tools = {"confusion_matrix": confusion_matrix, "scores": scores}
    judge = run_cells(STEM, "judge", until="majority", **IMPORTED, truth=truth, **tools)["judge"]
    assert judge("a", np.array([[2, 2, 2, 6]])) == {
        "": "a",
        "accuracy": pytest.approx(2 / 3),
        "mIoU": pytest.approx(1 / 3),
        "classes named": 1,
    }


def test_a_seam_is_change_where_windows_begin(run_cells):
    seam = run_cells(STEM, "seam", until="seam_cut", **IMPORTED)["seam"]
    ramp = np.arange(1024.0)[None, :, None].repeat(2, axis=0)
    borders = np.arange(128, 1024, 128)
    assert seam(ramp, borders) == pytest.approx(1)
    assert seam(ramp + 4 * (np.arange(1024) // 128)[:, None], borders) == pytest.approx(5)


def test_distances_are_metres_to_the_border(run_cells):
    from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

    tools = {function.__name__: function for function in (distance_transform_edt, maximum_filter, minimum_filter)}
    distance = run_cells(STEM, "distance-to-border", until="distance", **IMPORTED, **tools)["distance_to_border"]
    classes = np.repeat([[1] * 5 + [2] * 3], 4, axis=0)
    np.testing.assert_array_equal(distance(classes), np.repeat([[4, 3, 2, 1, 0, 0, 1, 2]], 4, axis=0))


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert code.count('BANDS, FILTERS, EPOCHS = 128, ["naip_new"]') == 1
    assert code.count("power=0.5") == 1


def test_rows_named_after_four_bands_have_four_bands_whatever_the_networks_get(cells):
    code = "\n".join(cells)
    assert '"RGB + near infrared": ["naip_new"]' in code
    assert [code.count(f'("{kind}, 4 bands", {kind}, ["naip_new"])') for kind in ("linear", "forest")] == [1, 1]


@pytest.mark.long
@pytest.mark.turns
def test_course_train_gives_the_numbers_of_the_lecture(tmp_path, monkeypatch, stand_ins):
    for name, value in {**without_data(stand_ins), "COURSE_EXPERIMENTS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    promised = tomllib.loads((LECTURES / "expected.toml").read_text(encoding="utf-8"))["12_segmentation"]
    value = {name: entry["value"] for name, entry in promised.items()}
    tolerance = {name: entry["tolerance"] for name, entry in promised.items()}
    experiments = read_run(LECTURES / "runs" / "lecture_12.toml").experiments
    for experiment in experiments:
        train(experiment)
    plain, unet = (experiment.results() for experiment in experiments)
    assert plain["source"] == "STAND-IN, Chesapeake patches: 70 for training, 10 for validation, 20 for testing"
    assert unet["accuracy"] == pytest.approx(value["unet_accuracy"], abs=tolerance["unet_accuracy"])
    assert unet["mean_iou"] == pytest.approx(value["unet_miou"], abs=tolerance["unet_miou"])
    plain_gain = plain["accuracy"] - value["linear_accuracy"]
    assert plain_gain == pytest.approx(value["plain_gain"], abs=tolerance["plain_gain"])
