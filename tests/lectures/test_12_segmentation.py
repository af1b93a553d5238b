"""Lecture 12 shows what the helpers build and measure; its folds, means and distances mean what it says."""

import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.experiments.run_file import read_run
from helpers.models.unet import build_unet
from helpers.segmentation import MaskedCrossentropy, windows
from helpers.training import Progress, seed_everything

LECTURES = Path(__file__).resolve().parents[2] / "lectures"
STEM = "12_segmentation"
RANDOM = np.random.default_rng(0)
EXPECTED = tomllib.loads((LECTURES / "expected.toml").read_text(encoding="utf-8"))[STEM]
IMPORTED = {"keras": keras, "layers": layers, "np": np, "ops": ops, "Path": Path}


@pytest.mark.slow
@pytest.mark.parametrize("skips", [True, False])
def test_the_networks_shown_are_the_helpers(run_cells, skips):
    mine = run_cells(STEM, "unet-by-hand", **IMPORTED)["decode"](skips)
    theirs = build_unet(input_shape=(None, None, 26), filters=(8, 16, 32), skips=skips)
    theirs.set_weights(mine.get_weights())
    images = RANDOM.random((2, 20, 24, 26), dtype=np.float32)
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


@pytest.mark.slow
@pytest.mark.parametrize("skips", [True, False])
def test_a_network_trained_again_is_the_same_whatever_was_drawn_meanwhile(run_cells, monkeypatch, skips):
    random = np.random.default_rng(0)
    shown = {"BANDS": ["r", "g"], "FILTERS": (2, 4), "EPOCHS": 1, "WINDOW": 8}
    shown |= {"images": random.random((38, 8, 8, 2), np.float32), "labels": random.integers(0, 7, (38, 8, 8))}
    shown |= {"fit_rows": np.arange(36), "watch_rows": np.arange(36, 38)}
    tools = {"build_unet": build_unet, "windows": windows, "seed_everything": seed_everything, "Progress": Progress}
    train = run_cells(STEM, "train", **IMPORTED, **tools, **shown, MaskedCrossentropy=MaskedCrossentropy)["train"]
    monkeypatch.setattr(keras.Model, "run_eagerly", True)  # to trace a step takes longer than ten of them
    first, first_history = train("first", np.arange(36), skips=skips)
    build_unet(input_shape=(None, None, 2), filters=(2, 4))  # draws weights, as other cells do
    again, history = train("again", np.arange(36), skips=skips)
    assert history == first_history
    for mine, theirs in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


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


def test_an_absent_class_is_left_out_or_counts_as_said(run_cells):
    from helpers.segmentation import scores

    tools = {"scores": scores}
    mean_iou = run_cells(STEM, "conventions", until="predicted", **IMPORTED, **tools)["mean_iou"]
    counts = np.diag([0, 4, 4, 0, 0, 0, 0])  # two classes, both found
    counts[2, 1] = 4  # half of one is called the other
    ious = 0.5, 0.5
    assert [mean_iou(counts, absent) for absent in (None, 0.0, 1.0)] == pytest.approx(
        [np.mean(ious), sum(ious) / 6, (sum(ious) + 4) / 6]
    )
    counts[2, 3] = 2  # what is predicted where it never is counts as 0, whatever is said of absent ones
    assert mean_iou(counts, None) == pytest.approx((0.5 + 0.4) / 3)


def test_roads_under_trees_are_those_within_three_metres_of_trees(run_cells):
    from scipy.ndimage import distance_transform_edt

    truth = np.full((1, 9, 12), 3)
    truth[:, 4], truth[:, 2, :3] = 6, 2  # a road, and three trees two metres beside its beginning
    found = np.where(truth == 6, 6, 1)
    found[0, 4, :2] = 2
    tools = {"distance_transform_edt": distance_transform_edt, "Table": list}
    values = run_cells(STEM, "under-trees", **IMPORTED, truth=truth, predicted={"weighted U-Net": found}, **tools)
    assert values["road_open"] == 1 and values["road_trees"] == pytest.approx(1 - 2 / 5)


def test_distances_are_metres_to_the_border(run_cells):
    from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

    tools = {function.__name__: function for function in (distance_transform_edt, maximum_filter, minimum_filter)}
    distance = run_cells(STEM, "distance-to-border", until="distance", **IMPORTED, **tools)["distance_to_border"]
    classes = np.repeat([[1] * 5 + [2] * 3], 4, axis=0)
    np.testing.assert_array_equal(distance(classes), np.repeat([[4, 3, 2, 1, 0, 0, 1, 2]], 4, axis=0))


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert code.count("SIZE, BANDS, FILTERS, EPOCHS, WINDOW = 128, list(chesapeake.COURSE_BANDS)") == 1
    assert code.count("power=0.5") == 1


def test_the_ladder_holds_for_five_seeds():
    """The U-Net is right most often with every seed, and weighted it has a higher mean IoU than every baseline."""
    seeds = {name: np.array(entry["seeds"]) for name, entry in EXPECTED.items()}
    for below in ("majority", "indices", "linear", "forest", "plain"):
        assert (seeds["unet_accuracy"] > seeds[f"{below}_accuracy"]).all()
    baselines = np.max([seeds[name] for name in ("indices_miou", "linear_miou", "forest_miou")], axis=0)
    assert (seeds["weighted_miou"] > baselines + 0.01).all() and seeds["weighted_gain"].mean() > 0.01
    assert seeds["unet_miou"].min() < baselines.min(), "the text says that it does not lead with every seed"


@pytest.mark.parametrize("name", ["chesapeake", "land_cover"])
def test_the_full_setting_is_a_run_that_can_be_read(name):
    for experiment in read_run(LECTURES / "runs" / f"{name}.toml").experiments:
        assert experiment.parameters["filters"][0] == 32 and experiment.parameters["augment"]
