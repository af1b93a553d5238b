"""Every kind of model from the parameters of an experiment, and back from the disk in a fresh process."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from helpers.experiments import Experiment
from helpers.models import convolutional, variational
from helpers.models.catalogue import BUILDERS, from_experiment
from helpers.models.compact import CompactToFloat
from helpers.segmentation import Kappa, MaskedCrossentropy, MeanIoU, PixelAccuracy
from helpers.training import seed_everything

SMALL = {"latent_dim": 3, "input_shape": [8, 8, 1]}  # lists, as JSON gives them back
PARAMETERS = {
    "dense": {**SMALL, "hidden": [16]},
    "convolutional": {**SMALL, "filters": [4, 6], "strides": [2, 4], "kernel_size": [3, 5], "upsampling": "transpose"},
    "sequence": {"latent_dim": 3, "steps": 8, "features": 8},
    "dense_vae": {**SMALL, "hidden": [16], "beta": 4.0, "seed": 3},
    "convolutional_vae": {**SMALL, "filters": [4, 6], "batch_norm": True, "kl": "monte_carlo"},
    "conditional_vae": {**SMALL, "filters": [4, 6], "num_classes": 4},
    "branched_vae": {**SMALL, "hidden": [16], "num_classes": 4, "classification_weight": 3.0},
    "table_vae": {"latent_dim": 3, "numbers": 2, "categories": [3, 2], "beta": 0.5},
    "aerial_vae": {"latent_dim": 3, "bottleneck": "2x2x256", "kernel": 5, "pooling": "max"},
}
WITHOUT_PARTS = {"unet": {"num_classes": 3, "input_shape": [None, None, 2], "filters": [2, 3], "skips": False}}


def test_every_kind_is_tried():
    assert {**PARAMETERS, **WITHOUT_PARTS}.keys() == BUILDERS.keys()


def test_a_network_for_pixels_is_built_from_parameters_too():
    model = from_experiment({"model": "unet", **WITHOUT_PARTS["unet"], "epochs": 5})
    assert model.name == "encoder_decoder"
    assert (model.input_shape, model.output_shape) == ((None, None, None, 2), (None, None, None, 3))


def test_options_may_have_the_names_that_files_of_earlier_code_hold():
    parameters = {"image_shape" if name == "input_shape" else name: v for name, v in WITHOUT_PARTS["unet"].items()}
    assert "image_shape" in parameters
    assert from_experiment({"model": "unet", **parameters}).input_shape == (None, None, None, 2)
    with pytest.raises(TypeError, match="image_shape"):
        BUILDERS["unet"][0](**parameters)  # what is typed has one name


@pytest.mark.parametrize("kind", PARAMETERS)
def test_parameters_that_went_through_json_build_the_model(kind):
    experiment = Experiment("run", {"model": kind, **PARAMETERS[kind], "epochs": 5})
    model = from_experiment(experiment.parameters)
    outputs = model.get_layer("encoder").outputs
    assert [tensor.shape for tensor in outputs] == [(None, 3)] * (3 if kind.endswith("vae") else 1)
    assert model.get_layer("decoder").inputs[0].shape == (None, 3)
    for option in ("beta", "kl", "classification_weight"):
        assert getattr(model, option, None) == PARAMETERS[kind].get(option, getattr(model, option, None))


def test_the_model_is_the_one_of_the_builder():
    models = []
    for build in (
        lambda: from_experiment({"model": "convolutional", **PARAMETERS["convolutional"]}),
        lambda: convolutional.build_autoencoder(
            3, input_shape=(8, 8, 1), filters=(4, 6), strides=(2, 4), kernel_size=(3, 5), upsampling="transpose"
        ),
    ):
        seed_everything(1)
        models.append(build())
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_seed_goes_to_the_sampling_where_there_is_one():
    vae = from_experiment({"model": "dense_vae", **PARAMETERS["dense_vae"]})
    assert vae.encoder.get_layer("z").seed == 3
    assert from_experiment({**PARAMETERS["dense"], "seed": 3}).get_layer("encoder").output_shape == (None, 3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": "dens"}, r"no model 'dens'; 'dense' may be meant\. There are: dense, convolutional"),
        ({"model": "dense", "laten_dim": 4}, r"'laten_dim' is no option.*'latent_dim' may be meant.*training="),
        ({"model": "dense_vae", "filters": [4]}, "'filters' is no option of the model 'dense_vae'"),
        ({"model": "conditional_vae", "upsampling": "nearest"}, r"'upsampling' is no option of dense parts.*`filters`"),
        ({"model": "branched_vae", "filters": [4], "hidden": [8]}, "'hidden' is no option of convolutional parts"),
    ],
)
def test_what_no_model_takes_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        from_experiment(parameters)


def test_parameters_of_the_training_can_be_named():
    with pytest.raises(ValueError, match="'l1' is no option"):
        from_experiment({"latent_dim": 3, "l1": 1e-3})
    assert from_experiment({"latent_dim": 3, "l1": 1e-3}, training={"l1"}).count_params() > 0


FRESH = """
import sys
import numpy as np
from helpers.experiments import load_experiments
vae = load_experiments("kinds", {"latent_dim": 3})[0].load()
np.save(sys.argv[1], vae.reconstruct(np.full((2, 8, 8, 1), 0.5, np.float32)))
unet = load_experiments("kinds", {"num_classes": 3})[0].load()
patches = {"bytes": np.full((2, 2, 8, 8), 3, np.uint8)}
scores = unet.evaluate(patches, np.ones((2, 8, 8), np.uint8), verbose=0, return_dict=True)
print(sorted(scores))
"""


def compiled_unet():
    """Build a network on bytes, compiled with the course's own loss and metrics."""
    as_float = CompactToFloat(byte_scales=[1 / 255] * 2, half_scales=[])
    inputs = as_float.inputs(8)
    unet = keras.Model(inputs, from_experiment({"model": "unet", **WITHOUT_PARTS["unet"]})(as_float(inputs)))
    metrics = [metric(num_classes=3) for metric in (PixelAccuracy, MeanIoU, Kappa)]
    unet.compile("adam", MaskedCrossentropy(), metrics=metrics)
    return unet


def test_saved_models_name_classes_by_what_stays_where_modules_move():
    """A file holds the registered name, which decides, and the module of its day, which may be gone."""
    names = ["KLSparsity", "PixelNoise", "CompactToFloat", "MultipleOf", "Sampling"]
    names += ["VAE", "ConditionalVAE", "BranchedVAE", "TableVAE"]
    names += ["MaskedCrossentropy", "Dice", "PixelAccuracy", "MeanIoU", "Kappa"]
    assert {f"course>{name}" for name in names} <= keras.saving.get_custom_objects().keys()
    saved = keras.saving.serialize_keras_object(variational.Sampling(seed=3))
    earlier = {**saved, "module": "helpers.models.variational.terms"}
    assert keras.saving.deserialize_keras_object(earlier).seed == 3


@pytest.mark.long
def test_a_saved_model_is_loaded_in_a_process_that_has_not_seen_its_class(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path))
    parameters = {"model": "branched_vae", **PARAMETERS["branched_vae"]}
    vae = from_experiment(parameters)
    assert isinstance(vae, variational.BranchedVAE) and isinstance(vae, keras.Model)
    Experiment("kinds", parameters).save(vae, {"loss": [1.0]})
    Experiment("kinds", WITHOUT_PARTS["unet"]).save(compiled_unet(), {"loss": [1.0]})
    command = [sys.executable, "-c", FRESH, str(tmp_path / "found.npy")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['accuracy', 'kappa', 'loss', 'mean_iou']"
    wanted = vae.reconstruct(np.full((2, 8, 8, 1), 0.5, np.float32))
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), wanted, atol=1e-6)
