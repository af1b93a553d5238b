"""Runs on land cover read compact patches: the same pixels, batches and weights as from floats, in fewer bytes."""

import shutil
from itertools import islice

import keras
import numpy as np
import pytest

from helpers.data import DataError
from helpers.data.packing import pack
from helpers.data.streaming import Position
from helpers.experiments import land_cover
from helpers.experiments.distributed import SINGLE_PROCESS
from helpers.experiments.run_file import RunError
from helpers.experiments.tasks import TRAINING, build, taking, task_of
from helpers.experiments.train import _Training, train
from helpers.models.compact import CompactInput, CompactToFloat

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

CHOICES = [
    {"split": "folds", "fold": 1, "augment": True, "image_size": 48},
    {"bands": ["landsat_leaf_on_3", "naip_old", "landsat_leaf_off_10", "buildings"], "image_size": 32},
    {"bands": ["naip_new_rgb"], "augment": True, "image_size": 32},
    {"bands": ["landsat_leaf_off"], "image_size": 64},
    {"window": 16, "image_size": 40},
    {"window": 8, "image_size": 32, "bands": ["nlcd", "landsat_leaf_on_1", "naip_new_nir"]},
]


def splits_of(options, patches, **more):
    splits = land_cover.load({"batch_size": 3, "seed": 2, **options, **more}, patches)
    return [splits.training, splits.validation, splits.test]


@pytest.fixture(scope="module")
def packed(patches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "copy"
    pack(patches, folder, progress=False)
    return folder


@pytest.mark.parametrize("folder", ["patches", "packed"])
@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_compact_batches_are_finished_to_those_of_floats(request, folder, options):
    patches = request.getfixturevalue(folder)
    for compact, floats in zip(splits_of(options, patches), splits_of(options, patches, compact=False), strict=True):
        finish = CompactToFloat(**compact.source.finishing)
        begin = Position(epoch=1)
        pairs = zip(compact.stream(start=begin, epochs=1), floats.stream(start=begin, epochs=1), strict=True)
        for (small, few), (images, labels) in pairs:
            np.testing.assert_array_equal(finish(small), images)
            np.testing.assert_array_equal(few, labels)
            assert sum(part.nbytes for part in small.values()) <= images.nbytes / 2
        assert compact.fingerprint() == floats.fingerprint(), "a training may go on in the other form"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"weight_power": 0.5, "augment": True, "precision": "mixed_bfloat16"}, marks=pytest.mark.long),
        {"loss": "dice", "window": 16},
    ],
    ids=str,
)
def test_steps_on_compact_patches_are_those_on_floats(patches, options):
    parameters = {**TRAINING, "data": "chesapeake", "model": "unet", "filters": [3, 4], "image_size": 32, **options}
    task, ends = task_of(parameters), []
    for more in ({}, {"compact": False}):
        training, *_ = splits_of({**parameters, "batch_size": 4}, patches, **more)
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(parameters["precision"])
        try:
            model = build(parameters, task)
            takes = taking(model, training)
        finally:
            keras.config.set_dtype_policy("float32")
        takes.compile("adam", **task.compile_options(parameters, training), run_eagerly=True)  # compiling takes longer
        numbers = [takes.train_on_batch(*batch, return_dict=True) for batch in islice(training.stream(), 2)]
        ends.append((numbers, model.get_weights()))
    assert ends[0][0] == ends[1][0] and np.isfinite(ends[0][0][1]["loss"])
    for one, other in zip(ends[0][1], ends[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_a_training_on_compact_patches_ends_with_the_weights_of_one_on_floats(experiment, patches):
    small, wide = experiment("epochs=2"), experiment("epochs=2", "compact=false", name="floats")
    for chosen in (small, wide):
        train(chosen, folder=patches)
    for one, other in zip(small.load().get_weights(), wide.load().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert small.history() == wide.history()
    assert small.results()["confusion"] == wide.results()["confusion"]
    (image,) = small.load().inputs
    assert (image.name, image.dtype) == ("image", "float32"), "a saved model takes images"


@pytest.mark.parametrize(
    ("overrides", "samples"),
    [([], 761169119), (["window=16", "augment=false"], 1239033250), (["bands=['naip_new']"], 2013379587)],
    ids=["patches", "windows", "bands"],
)
def test_a_training_that_earlier_code_began_on_floats_goes_on(experiment, patches, overrides, samples):
    chosen = experiment(*overrides)
    task = task_of(chosen.parameters)
    parameters = {**TRAINING, **chosen.parameters}
    identities = [
        _Training(chosen, task, task.load({**parameters, **more}, patches), SINGLE_PROCESS)._identity()
        for more in ({}, {"compact": False})
    ]
    assert identities[0] == identities[1]
    assert identities[0]["batches"]["samples"] == samples, "as code that read floats only kept it on disk"
    switched_off = experiment(*overrides, "compact=false")
    found = _Training(switched_off, task, task.load(switched_off.parameters, patches), SINGLE_PROCESS)._identity()
    assert {**found, "batches": 0} == {**identities[0], "batches": 0}, "the switch itself changes nothing"


@pytest.mark.parametrize(
    "odd", [lambda landsat: landsat + 0.25, lambda landsat: np.full_like(landsat, 17000)], ids=["means", "clouds"]
)
def test_patches_that_the_compact_form_cannot_hold_are_read_as_floats_unless_the_file_says_otherwise(
    patches, tmp_path, odd
):
    shutil.copytree(patches, tmp_path / "odd")
    for path in sorted((tmp_path / "odd").rglob("*.npz"))[::2]:
        patch = np.load(path)["arr_0"]
        patch[0, 10] = odd(patch[0, 10])
        np.savez_compressed(path, patch)
    assert [split.source.finishing for split in splits_of({"image_size": 32}, tmp_path / "odd")] == [None] * 3
    with pytest.raises(DataError, match="in a run file compact = false"):
        [list(split.stream(epochs=1)) for split in splits_of({"compact": True}, tmp_path / "odd")[1:]]


def test_a_broken_patch_is_no_reason_to_read_floats(patches, tmp_path):
    shutil.copytree(patches, tmp_path / "broken")
    for path in (tmp_path / "broken").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:1000])
    assert splits_of({}, tmp_path / "broken")[0].source.finishing is not None


def test_an_experiment_is_the_same_in_either_form(experiment, patches):
    trained, other = experiment(), experiment("compact=false")
    assert trained.name == other.name
    trained.save(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), {})
    assert other.is_saved()


def test_a_saved_model_is_evaluated_on_either_form(patches):
    network = {"model": "unet", "filters": [3, 4], "dropout": 0.2}
    parameters = {**TRAINING, "data": "chesapeake", **network, "image_size": 32, "batch_size": 3}
    model = build(parameters, task_of(parameters))
    (*_, compact), (*_, floats) = splits_of(parameters, patches), splits_of(parameters, patches, compact=False)
    found = [
        land_cover.evaluate(takes, test) for takes in (model, taking(model, compact)) for test in (compact, floats)
    ]
    assert all(each == found[0] for each in found) and np.sum(found[0].results["confusion"]) > 0
    inputs = CompactToFloat().inputs(32)
    by_hand = keras.Model(inputs, model(CompactToFloat()(inputs)))
    assert land_cover.evaluate(by_hand, compact) == found[0]
    takes = taking(model, compact)
    assert taking(model, floats) is model and isinstance(takes, CompactInput)
    pairs = zip(takes.variables, model.variables, strict=True)
    assert all(one is other for one, other in pairs), "a checkpoint lists them in their order"


def test_compact_can_be_switched_off_and_nothing_else(experiment, patches):
    with pytest.raises(RunError, match=r"compact must be .*bool.*; received 'no'"):
        train(experiment("compact=no"), folder=patches)
    images, labels = next(splits_of({"compact": False, "image_size": 32}, patches)[0].stream())
    assert images.dtype == np.float32 and labels.dtype == np.int32
