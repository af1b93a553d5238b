"""Experiments are found again by their parameters, whole or not at all, and errors say what there is."""

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from helpers import experiments
from helpers.experiments import Experiment, experiments_folder, load_experiments
from helpers.models import dense
from helpers.models.unet import build_unet

IMAGES = np.random.default_rng(0).random((3, 4, 4, 1), dtype=np.float32)
HISTORY = {"loss": [0.5, 0.25], "val_loss": [0.6, 1e-7]}
DEFAULTS = {"latent_dim": 2, "epochs": 2, "hidden": (8, 4)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def model():
    return dense.build_autoencoder(2, input_shape=(4, 4, 1))


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "defaults"),
        ({"latent_dim": 2}, "defaults"),
        ({"latent_dim": 4}, "latent_dim=4"),
        ({"l1": 1e-5, "latent_dim": 4}, "l1=1e-05,latent_dim=4"),
        ({"hidden": (8,)}, "hidden=8"),
        ({"hidden": [8, 4]}, "defaults"),
        ({"note": "a/b: c"}, "note=a_b_c"),
        ({"freeze": True, "rate": None}, "freeze=True,rate=None"),
    ],
)
def test_the_name_tells_what_differs_from_the_defaults(parameters, name):
    assert Experiment("run", parameters, defaults=DEFAULTS).name == name


def test_without_defaults_the_name_tells_every_parameter():
    assert Experiment("run", {"b": 1, "a": 2}).name == "a=2,b=1"


def test_what_is_saved_is_loaded(model, folder):
    codes = np.float32([[1, 2], [3, 4], [5, 6]]), np.array([7, 8, 9])
    path = Experiment("run", {"latent_dim": 4}, defaults=DEFAULTS).save(model, HISTORY, codes=codes)
    assert path == folder / "run" / "latent_dim=4"
    (again,) = load_experiments("run", where={"latent_dim": 4})
    assert again.parameters == {"latent_dim": 4, "epochs": 2, "hidden": [8, 4]}
    assert again.history() == HISTORY
    for found, saved in zip(again.codes(), codes, strict=True):
        np.testing.assert_array_equal(found, saved)
    np.testing.assert_allclose(again.load()(IMAGES), model(IMAGES), atol=1e-6)
    by_parts = again.load("decoder")(again.load("encoder")(IMAGES))
    np.testing.assert_allclose(by_parts, model(IMAGES), atol=1e-6)


def test_every_file_is_of_a_plain_format(model):
    codes = np.zeros((3, 2), np.float32), np.arange(3)
    path = Experiment("run", {"a": 1}).save(model, HISTORY, codes=codes)
    names = {"model.keras", "encoder.keras", "decoder.keras", "history.csv", "parameters.json", "codes.npz"}
    assert {file.name for file in path.iterdir()} == names
    assert json.loads((path / "parameters.json").read_text())["parameters"] == {"a": 1}
    assert (path / "history.csv").read_text().splitlines()[0] == "epoch,loss,val_loss"
    for name in ("model.keras", "codes.npz"):
        assert not any("pkl" in member or "pickle" in member for member in zipfile.ZipFile(path / name).namelist())


def test_one_number_is_one_value_however_it_is_written(model):
    for beta in (2, 0.5):
        Experiment("run", {"beta": beta}).save(model, HISTORY)
    assert [e.parameters["beta"] for e in load_experiments("run", where={"beta": 2.0})] == [2]
    assert [e.parameters["beta"] for e in load_experiments("run", where={"beta": 0.5})] == [0.5]
    with pytest.raises(LookupError, match=r"beta=3.*There are: 0\.5, 2\."):
        load_experiments("run", where={"beta": 3})


def test_where_chooses_by_several_parameters(model):
    for latent_dim in (2, 4):
        for l1 in (0.0, 1e-5):
            Experiment("sweep", {"latent_dim": latent_dim, "l1": l1}).save(model, HISTORY)
    assert len(load_experiments("sweep")) == 4
    assert [e.parameters["l1"] for e in load_experiments("sweep", {"latent_dim": 4})] == [0.0, 1e-5]
    assert [e.name for e in load_experiments("sweep", {"latent_dim": 2, "l1": 1e-5})] == ["l1=1e-05,latent_dim=2"]


def test_a_quantity_may_have_fewer_numbers_than_epochs_and_there_may_be_none(model):
    for parameters, history in (({"a": 1}, {"loss": [0.5, 0.25, 0.1], "val_loss": [0.6]}), ({"a": 2}, {})):
        Experiment("run", parameters).save(model, history)
        assert load_experiments("run", parameters)[0].history() == history


def test_training_again_replaces_the_result(model):
    Experiment("run", {"a": 1}).save(model, HISTORY)
    Experiment("run", {"a": 1}).save(model, {"loss": [0.1]})
    assert [e.history() for e in load_experiments("run")] == [{"loss": [0.1]}]


def test_an_experiment_with_other_parameters_is_not_replaced(model):
    Experiment("run", {"a": 1}, defaults={"epochs": 5}).save(model, HISTORY)
    with pytest.raises(FileExistsError, match=r"differs in epochs.*another name"):
        Experiment("run", {"a": 1}, defaults={"epochs": 9}).save(model, HISTORY)
    assert load_experiments("run")[0].parameters["epochs"] == 5
    Experiment("run", {"data": "a/b"}).save(model, HISTORY)
    with pytest.raises(FileExistsError, match=r"differs in data.*look alike"):
        Experiment("run", {"data": "a b"}).is_saved()


def test_a_save_that_fails_leaves_the_earlier_result(model, folder, monkeypatch):
    def disk_full(path, history):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    Experiment("run", {"a": 1}).save(model, HISTORY)
    monkeypatch.setattr(experiments, "write_history", disk_full)
    for parameters in ({"a": 1}, {"a": 2}):
        with pytest.raises(OSError, match="No space"):
            Experiment("run", parameters).save(model, {"loss": [9.0]})
    assert [e.history() for e in load_experiments("run")] == [HISTORY]
    assert [path.name for path in (folder / "run").iterdir()] == ["a=1"]


def test_what_a_killed_save_left_is_in_nobodys_way(model, folder):
    """Even if its process had the number of this one, as in containers."""
    saved = Experiment("run", {"a": 1}).save(model, HISTORY)
    killed = folder / "run" / f".unfinished-{os.getpid()}-a=1"
    saved.rename(killed)
    Experiment("run", {"a": 1}).save(model, {"loss": [0.1]})
    assert [e.history() for e in load_experiments("run")] == [{"loss": [0.1]}]


def test_whoever_may_read_a_run_may_read_what_is_saved_in_it(model, folder):
    (folder / "run").mkdir(mode=0o750)
    assert Experiment("run", {"a": 1}).save(model, HISTORY).stat().st_mode & 0o777 == 0o750


def test_an_unfinished_folder_is_not_an_experiment(model, folder):
    Experiment("run", {"a": 1}).save(model, HISTORY)
    (folder / "run" / "a=1").rename(folder / "run" / ".unfinished-1-a=1")
    with pytest.raises(LookupError, match="No run 'run'"):
        load_experiments("run")


def test_an_unknown_run_is_told_with_those_there_are(model):
    with pytest.raises(LookupError, match=r"No run 'sparse' .*There is none yet"):
        load_experiments("sparse")
    Experiment("simple", {"a": 1}).save(model, HISTORY)
    with pytest.raises(LookupError, match=r"There are: simple\."):
        load_experiments("sparse")


def test_an_unknown_parameter_or_value_is_told_with_those_there_are(model):
    for value in (1, 3):
        Experiment("run", {"a": value, "b": value}).save(model, HISTORY)
    with pytest.raises(LookupError, match=r"parameter 'c'\. There are: a, b\."):
        load_experiments("run", {"c": 1})
    with pytest.raises(LookupError, match=r"a=2\. There are: 1, 3\."):
        load_experiments("run", {"a": 2})
    with pytest.raises(LookupError, match=r"all of \{'a': 1, 'b': 3\}\. There are: a=1,b=1; a=3,b=3\."):
        load_experiments("run", {"a": 1, "b": 3})


def test_what_was_never_saved_is_told(model):
    with pytest.raises(FileNotFoundError, match=r"No experiment 'a=2' in run 'run'.*save\(\)"):
        Experiment("run", {"a": 2}).load()
    saved = Experiment("run", {"a": 1})
    saved.save(model, HISTORY)
    with pytest.raises(FileNotFoundError, match=r"has no codes\.npz; it has .*model\.keras"):
        saved.codes()


@pytest.mark.parametrize("run", ["", "a/b", "..", "two words"])
def test_a_run_must_be_a_folder_name(run):
    with pytest.raises(ValueError, match="A run is named by"):
        Experiment(run, {})


def test_a_parameter_must_fit_into_json():
    with pytest.raises(ValueError, match=r"Parameter 'images' is a ndarray"):
        Experiment("run", {"images": np.zeros(3)})


def test_a_parameter_equals_itself():
    for parameters, defaults in (({"rate": float("nan")}, {}), ({}, {"rates": [float("nan")]})):
        with pytest.raises(ValueError, match=r"Parameter 'rates?' is .*nan.*cannot hold"):
            Experiment("run", parameters, defaults=defaults)


def test_a_name_that_no_folder_can_have_is_refused_before_the_training():
    parameters = {f"{letter * 15}": 0.123456789 for letter in "abcdefghi"}
    with pytest.raises(ValueError, match=r"so long a name: aaa.*`defaults`"):
        Experiment("run", parameters)
    assert Experiment("run", parameters, defaults=parameters).name == "defaults"


def test_every_code_has_a_label(model, folder):
    with pytest.raises(ValueError, match="3 codes and 2 labels"):
        Experiment("run", {}).save(model, HISTORY, codes=(np.zeros((3, 2)), np.zeros(2)))
    assert not list((folder / "run").iterdir())


def test_a_model_without_parts_is_saved_with_what_was_measured(folder):
    unet = build_unet(3, input_shape=(4, 4, 1), filters=(2, 2))
    path = Experiment("run", {"a": 1}).save(unet, HISTORY, results={"accuracy": 0.5, "confusion": [[1, 2], [3, 4]]})
    assert {file.name for file in path.iterdir()} == {"model.keras", "history.csv", "parameters.json", "results.json"}
    (again,) = load_experiments("run")
    assert again.results() == {"accuracy": 0.5, "confusion": [[1, 2], [3, 4]]}
    np.testing.assert_allclose(again.load()(IMAGES), unet(IMAGES), atol=1e-6)


def test_what_is_saved_can_be_asked_without_keras(model, folder):
    Experiment("run", {"a": 1}).save(model, HISTORY)
    code = """import sys
from helpers.experiments import Experiment, experiments_folder, load_experiments
print(len(load_experiments("run")), Experiment("run", {"a": 1}).is_saved(), Experiment("run", {"a": 2}).is_saved())
sys.exit("keras" in sys.modules or "tensorflow" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["1", "True", "False"]


def test_experiments_are_kept_beside_the_package_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("COURSE_EXPERIMENTS")
    assert experiments_folder() == Path(__file__).resolve().parents[2] / "experiments"


def test_code_is_known_by_its_commit_and_by_what_is_changed_in_it(monkeypatch):
    said = {"rev-parse": "1a2b", "diff": "", "status": ""}
    monkeypatch.setattr(experiments, "_git", lambda *words: said[words[0]])
    assert experiments.code_state() == {"course": version("autoencoder-course"), "commit": "1a2b"}
    said["diff"] = "-dropout = 0.2"
    one = experiments.code_state()
    said["diff"] = "-dropout = 0.9"
    assert (
        one["commit"] == "1a2b" and len(one["changes"]) == 12 and one["changes"] != experiments.code_state()["changes"]
    )
    said["rev-parse"] = ""
    assert experiments.code_state().keys() == {"course"}, "outside of a clone"


@pytest.mark.parametrize("job", [{}, {"SLURM_JOB_ID": "7"}, {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}])
def test_a_result_tells_its_job(monkeypatch, job):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(experiments, "_git", lambda *words: "")
    assert experiments.provenance({})["job"] == "_".join(value for name, value in job.items())


@pytest.mark.parametrize("text", ["", '{"parameters": {"latent', "[]", '{"parameters": 3, "defaults": {}}'])
def test_a_damaged_experiment_is_named_and_the_others_are_found(text):
    good, bad = (Experiment("run", {"latent_dim": size}) for size in (2, 3))
    for each in (good, bad):
        each.folder.mkdir(parents=True)
        experiments.write_json(each.folder / "parameters.json", {"parameters": each.parameters, "defaults": {}})
    (bad.folder / "parameters.json").write_text(text)
    with pytest.warns(UserWarning, match=r"latent_dim=3.parameters\.json cannot be read"):
        assert load_experiments("run") == [good]
    with pytest.raises(experiments.UnreadableError, match=r"latent_dim=3.parameters\.json cannot be read.*Remove"):
        bad.is_saved()
