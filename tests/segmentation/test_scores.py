"""Scores against scikit-learn's on the same pixels, streamed and at once."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from helpers.segmentation import (
    ConfusionMatrix,
    Kappa,
    MaskedCrossentropy,
    MeanIoU,
    PixelAccuracy,
    confusion_matrix,
    estimate_areas,
    scores,
)

RNG = np.random.default_rng(1)
LABELS = RNG.choice([0, 1, 2, 3, 5, 6, 15], (6, 8, 8))  # no 4
GUESS = np.where(
    RNG.random(LABELS.shape) < 0.6, np.where(LABELS == 15, 1, LABELS), RNG.choice([0, 1, 2, 3, 5], LABELS.shape)
)
PREDICTED = np.eye(7, dtype=np.float32)[GUESS]
COUNTS = ~np.isin(LABELS, [0, 15])
TRUE, FOUND = LABELS[COUNTS], GUESS[COUNTS]
JUDGED = [1, 2, 3, 5, 6]
WANTED = {
    PixelAccuracy: metrics.accuracy_score(TRUE, FOUND),
    MeanIoU: metrics.jaccard_score(TRUE, FOUND, labels=JUDGED, average="macro"),
    Kappa: metrics.cohen_kappa_score(TRUE, FOUND),
}


def test_the_matrix_is_that_of_scikit_learn():
    matrix = confusion_matrix(LABELS, GUESS)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(TRUE, FOUND, labels=range(7)))
    np.testing.assert_array_equal(matrix, confusion_matrix(LABELS, PREDICTED))
    assert matrix.dtype == np.int64
    for wrong, message in (
        (([1, 1], [1, 9]), "a prediction is 9"),
        (([1, 1], [-1, 1]), "a prediction is -1"),
        (([1, 200], [1, 1]), "a label is 200: neither one of 7 classes"),
    ):
        with pytest.raises(ValueError, match=message):
            confusion_matrix(*wrong)
    assert confusion_matrix([0, 15], [9, 9]).sum() == 0, "pixels that do not count may be predicted as anything"
    with pytest.raises(ValueError, match="do not belong"):
        confusion_matrix(LABELS, GUESS[:3])


ONE_HOT = np.eye(7)[np.where(COUNTS, LABELS, 0)]


@pytest.mark.parametrize(
    ("labels", "predicted", "told"),
    [
        (ONE_HOT, PREDICTED, "one-hot"),
        (ONE_HOT.astype(bool), PREDICTED.argmax(-1), "one-hot"),
        (LABELS / 7, GUESS, r"a label is 0\.[0-9]+: neither one of 7"),
        (LABELS, PREDICTED.max(-1) * 0.9, "a prediction is 0.9"),
        (np.where(LABELS == 1, np.nan, LABELS), GUESS, "a label is nan"),
        (LABELS, np.full_like(PREDICTED, np.nan), "a prediction is nan"),
        (LABELS, np.where(np.arange(7) == 3, np.nan, PREDICTED), "a prediction is nan"),
    ],
)
def test_what_are_no_classes_is_not_counted_as_some(labels, predicted, told):
    with pytest.raises(ValueError, match=told):
        confusion_matrix(labels, predicted)


def test_a_small_map_that_looks_one_hot_is_a_map():
    for map_ in (np.eye(2, dtype=int), np.eye(3, dtype=int)[::-1]):
        matrix = confusion_matrix(map_, map_, num_classes=len(map_), ignore_class=None)
        np.testing.assert_array_equal(np.diag(matrix), np.bincount(map_.ravel(), minlength=len(map_)))


@pytest.mark.parametrize("metric", [ConfusionMatrix, *WANTED])
def test_streamed_too_what_are_no_classes_is_not_counted(metric):
    for labels in (ONE_HOT, LABELS[:, :4], LABELS[..., None, None]):
        with pytest.raises(ValueError, match="do not belong to probabilities"):
            metric().update_state(labels, PREDICTED)
    for labels in (LABELS / 7, np.where(LABELS == 1, np.nan, LABELS)):
        with pytest.raises(ValueError, match=r"a label is (nan|0\.\d+): neither one of 7 classes"):
            metric().update_state(labels.astype(np.float32), PREDICTED)
    whole = metric()
    whole.update_state(LABELS.astype(np.float32)[..., None], PREDICTED)
    np.testing.assert_array_equal(whole.matrix(), confusion_matrix(LABELS, GUESS))


def test_scores_are_those_of_scikit_learn():
    found = scores(confusion_matrix(LABELS, GUESS))
    assert found.accuracy == pytest.approx(WANTED[PixelAccuracy])
    assert found.mean_iou == pytest.approx(WANTED[MeanIoU])
    assert found.kappa == pytest.approx(WANTED[Kappa])
    np.testing.assert_allclose(found.iou[JUDGED], metrics.jaccard_score(TRUE, FOUND, labels=JUDGED, average=None))
    assert np.isnan(found.iou[4])


@pytest.mark.parametrize("metric", [PixelAccuracy, MeanIoU, Kappa])
def test_streamed_scores_are_those_of_all_pixels_at_once(metric):
    streamed = metric()
    for start in (0, 1, 4):
        stop = {0: 1, 1: 4, 4: 6}[start]
        streamed.update_state(LABELS[start:stop], PREDICTED[start:stop])
    assert float(streamed.result()) == pytest.approx(WANTED[metric], rel=1e-5)
    np.testing.assert_array_equal(streamed.matrix(), confusion_matrix(LABELS, GUESS))
    streamed.reset_state()
    assert streamed.matrix().sum() == 0 and float(streamed.result()) == 0


@pytest.mark.parametrize("metric", [ConfusionMatrix, *WANTED])
def test_a_network_of_another_number_of_classes_is_refused(metric):
    for outputs in (6, 9):
        with pytest.raises(
            ValueError, match=rf"num_classes is 7; received probabilities of {outputs}.*num_classes={outputs}"
        ):
            metric().update_state(LABELS, np.eye(outputs)[np.minimum(GUESS, 5)])


@pytest.mark.parametrize("strange", [-1, 7, 255])
@pytest.mark.parametrize("metric", WANTED)
def test_labels_that_are_no_class_are_not_lost(metric, strange):
    streamed, labels = metric(), LABELS.copy()
    labels[2, 3, :2] = strange
    told = rf"a label is {strange}: neither one of 7 classes, from 0, nor ignored, ignore_class=\(0, 15\)"
    for refuses in (streamed.update_state, streamed, confusion_matrix):
        with pytest.raises(ValueError, match=told):
            refuses(labels, PREDICTED)
    streamed.reset_state()
    streamed.update_state(LABELS, PREDICTED)
    assert float(streamed.result()) == pytest.approx(WANTED[metric], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [True, False])
def test_evaluate_says_which_label_is_no_class(jit_compile):
    model = keras.Sequential([keras.Input((8, 8, 7)), keras.layers.Identity()])
    model.compile(metrics=[metric() for metric in WANTED], loss=MaskedCrossentropy(), jit_compile=jit_compile)
    for strange in (-1, 9):
        with pytest.raises(ValueError, match=rf"a label is {strange}: neither one of 7 classes"):
            model.evaluate(PREDICTED, np.where(LABELS == 3, strange, LABELS), batch_size=4, verbose=0)
    found = model.evaluate(PREDICTED, LABELS, batch_size=4, verbose=0, return_dict=True)
    assert found["mean_iou"] == pytest.approx(WANTED[MeanIoU], rel=1e-5), "what came before is forgotten"


@pytest.mark.parametrize("metric", [ConfusionMatrix, *WANTED])
def test_within_a_compiled_graph_a_label_that_is_no_class_makes_the_result_useless_and_is_told_behind_it(metric):
    import tensorflow as tf

    streamed = metric()

    @tf.function
    def score(labels):
        streamed.update_state(labels, PREDICTED)
        return streamed.result()

    np.testing.assert_allclose(score(LABELS), WANTED.get(metric, confusion_matrix(LABELS, GUESS)), rtol=1e-5)
    others = {9: "9", -1: "-1", 255: "255", 256: "no whole number from -1 to 255", -3: "no whole number from -1 to 255"}
    for strange, told in others.items():
        streamed.reset_state()
        found = score(np.where(LABELS == 2, strange, LABELS))
        assert (np.array(found) == -1).all() if metric is ConfusionMatrix else np.isnan(found)
        for late in (streamed.result, streamed.matrix):
            with pytest.raises(ValueError, match=f"a label is {told}: neither one of 7 classes"):
                late()


@pytest.mark.parametrize("ignore_class", [0, 3, 255, -1])
def test_mean_iou_is_that_of_keras_where_one_label_is_ignored(ignore_class):
    labels = np.where(LABELS == 15, ignore_class, LABELS)
    judged = [number for number in range(7) if number != ignore_class]
    theirs = keras.metrics.IoU(7, judged, ignore_class=ignore_class, sparse_y_pred=False)
    theirs.update_state(labels, PREDICTED)
    ours = MeanIoU(ignore_class=ignore_class)
    ours.update_state(labels, PREDICTED)
    wanted = float(theirs.result())
    assert float(ours.result()) == pytest.approx(wanted, rel=1e-6)
    matrix = confusion_matrix(labels, PREDICTED, ignore_class=ignore_class)
    assert scores(matrix, ignore_class=ignore_class).mean_iou == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("metric", [ConfusionMatrix, *WANTED])
def test_a_metric_that_was_saved_when_the_argument_was_called_ignore_still_opens(metric):
    config = {**metric(num_classes=9, ignore_class=3).get_config()}
    config["ignore"] = config.pop("ignore_class")
    again = metric.from_config(config)
    assert (again.num_classes, again.ignore_class) == (9, (3,))


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [(LABELS[..., None], PREDICTED), (LABELS, GUESS[..., None]), (LABELS[..., None], GUESS), (LABELS, GUESS * 1.0)],
)
def test_a_last_axis_of_length_one_and_whole_floats_are_right(labels, predicted):
    np.testing.assert_array_equal(confusion_matrix(labels, predicted), confusion_matrix(LABELS, GUESS))


@pytest.mark.parametrize(
    ("labels", "predicted", "told"),
    [
        (LABELS, PREDICTED[..., :5], "do not belong.* 7 probabilities"),
        (LABELS, PREDICTED[..., :1] * 0.5 + 0.1, r"a prediction is 0\.[16]"),
        (LABELS[0], PREDICTED, "do not belong"),
    ],
)
def test_predictions_that_are_neither_classes_nor_probabilities_of_all_are_refused(labels, predicted, told):
    with pytest.raises(ValueError, match=told):
        confusion_matrix(labels, predicted)


def dominated(pixels, share):
    """Give the matrix of a map on which all but `share` of the pixels are of one class, and a third of the others."""
    rare = int(pixels * share)
    matrix = np.zeros((7, 7), np.int64)
    matrix[3, 3], matrix[3, 5], matrix[5, 3], matrix[5, 5] = pixels - 2 * rare, rare // 2, rare, rare // 2
    return matrix


@pytest.mark.parametrize("pixels", [500_000, 30_000_000, 2_000_000_000])
@pytest.mark.parametrize("share", [1e-2, 1e-4, 1e-5])
def test_kappa_is_exact_where_one_class_dominates(pixels, share):
    streamed, matrix = Kappa(), dominated(pixels, share)
    streamed.counts.assign(matrix)
    assert float(streamed.result()) == pytest.approx(scores(matrix).kappa, rel=1e-4)


@pytest.mark.parametrize("cell", [(2, 2), (2, 4)])
def test_kappa_of_one_class_only_is_nothing(cell):
    streamed, matrix = Kappa(), np.zeros((7, 7), np.int64)
    matrix[cell] = 9
    streamed.counts.assign(matrix)
    assert float(streamed.result()) == scores(matrix).kappa == 0


@pytest.mark.slow
def test_fit_and_evaluate_report_the_scores(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 7)), keras.layers.Identity()])
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=15), metrics=[metric() for metric in WANTED]
    )
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        found = each.evaluate(PREDICTED, LABELS, batch_size=4, verbose=0, return_dict=True)
        for metric, wanted in WANTED.items():
            assert found[metric().name] == pytest.approx(wanted, rel=1e-5)


def test_folds_are_pooled_by_adding_matrices():
    parts = [ConfusionMatrix() for _ in range(2)]
    for part, half in zip(parts, (slice(0, 3), slice(3, 6)), strict=True):
        part.update_state(LABELS[half], PREDICTED[half])
    np.testing.assert_array_equal(parts[0].matrix() + parts[1].matrix(), confusion_matrix(LABELS, GUESS))


def test_two_classes_out_of_six_can_be_right_for_84_of_100_pixels():
    """The trap: who answers trees and fields only has a high accuracy and a low mean IoU."""
    truth = np.repeat([1, 2, 3, 4, 5, 6], [24, 1302, 586, 11, 55, 22])
    found = np.where(truth == 3, 3, 2)
    judged = scores(confusion_matrix(truth, found))
    assert judged.accuracy > 0.84 and judged.mean_iou < 0.34 and (judged.iou[[1, 4, 5, 6]] == 0).all()


def test_nothing_and_one_class_only():
    nothing = scores(np.zeros((7, 7)))
    assert (nothing.accuracy, nothing.mean_iou, nothing.kappa) == (0, 0, 0)
    one = scores(confusion_matrix(np.full(9, 2), np.full(9, 2)))
    assert (one.accuracy, one.mean_iou, one.kappa) == (1, 1, 0)


# ---- areas ----

# Table 8 and the text of Olofsson et al., 2014: mapped classes in rows there; pixels of 30 m, in hectares.
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def test_areas_are_those_of_the_example_of_olofsson():
    found = estimate_areas(OLOFSSON.T, MAPPED * 0.09, ignore_class=None)
    assert found.mapped.tolist() == [18_000, 13_500, 288_000, 580_500]
    assert found.estimated.round().tolist() == [21_158, 11_686, 285_770, 581_386]
    assert (1.96 * found.standard_error).round().tolist() == [6_158, 3_756, 15_510, 16_282]


def test_areas_of_two_classes_are_those_of_the_formula():
    """One class of half the map, of which a tenth of 10 test pixels is really the other."""
    found = estimate_areas([[9, 0], [1, 10]], [50, 50], ignore_class=None)
    np.testing.assert_allclose(found.estimated, [45, 55])
    np.testing.assert_allclose(found.standard_error, 50 * np.sqrt(0.9 * 0.1 / 9))


@pytest.mark.parametrize("seed", [0, 1])
def test_of_the_whole_truth_areas_are_the_truth(seed):
    rng = np.random.default_rng(seed)
    truth, found = rng.integers(1, 5, (2, 4000))
    areas = estimate_areas(confusion_matrix(truth, found, num_classes=5), np.bincount(found, minlength=5))
    np.testing.assert_allclose(areas.estimated, np.bincount(truth, minlength=5))
    assert areas.estimated.sum() == pytest.approx(areas.mapped.sum())


def test_a_class_that_no_test_pixel_was_given_is_taken_as_mapped_and_has_no_error():
    matrix = [[0, 0, 0, 0], [0, 8, 2, 0], [0, 2, 8, 0], [5, 0, 0, 1]]
    found = estimate_areas(matrix, [9, 10, 10, 7])
    np.testing.assert_allclose(found.estimated, [0, 10, 10, 7])
    assert np.isnan(found.standard_error).tolist() == [False, False, False, True]
    assert np.isfinite(estimate_areas(matrix, [9, 10, 10, 0]).standard_error).all()


@pytest.mark.parametrize(
    ("mapped", "told"), [([1, 2], "areas of 2 classes want a matrix of as many"), ([5, 0, 0], "shows no class")]
)
def test_areas_that_nothing_follows_from_are_refused(mapped, told):
    with pytest.raises(ValueError, match=told):
        estimate_areas(np.ones((3, 3)), mapped)


def test_precision_and_recall_are_those_of_scikit_learn():
    found = scores(confusion_matrix(LABELS, GUESS))
    for name, judge in {"precision": metrics.precision_score, "recall": metrics.recall_score}.items():
        wanted = judge(TRUE, FOUND, labels=JUDGED, average=None)
        np.testing.assert_allclose(getattr(found, name)[JUDGED], wanted)
        assert np.isnan(getattr(found, name)[4]), "of a class that nothing has or is given"
