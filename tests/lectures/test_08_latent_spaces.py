"""Lecture 08 keeps, finds and shows experiments as it says; its strip, its count of axes and its tree are checked."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import make_swiss_roll

from helpers.experiments import load_experiments
from helpers.latent.codes import cluster_tree
from helpers.latent.explorer import RunExplorer
from helpers.models.catalogue import from_experiment

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

STEM = "08_latent_spaces"
RANDOM = np.random.default_rng(0)
IMAGES, LABELS = RANDOM.random((40, 28, 28, 1), dtype=np.float32), np.arange(40) % 10


@pytest.fixture(scope="module")
def lecture(run_cells, tmp_path_factory):
    """Give the names of the lecture once its experiments are on disk, untrained; code 10 of beta 4 uses three axes."""
    known = {"data": SimpleNamespace(is_stand_in=False), "images": IMAGES, "labels": LABELS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_EXPERIMENTS", str(tmp_path_factory.mktemp("experiments")))
        names = run_cells(STEM, "imports", until="seed_everything", **known)
        names = run_cells(STEM, "experiments", **names)
        for experiment in names["experiments"]:
            codes = RANDOM.standard_normal((40, experiment.parameters["latent_dim"])).astype("float32")
            codes[:, 3:] *= 0.1 if experiment.parameters["beta"] == 4 else 1
            history = {"loss": [1], "reconstruction": [1], "kl": [1]}
            experiment.save(from_experiment(experiment.parameters), history, codes=(codes, LABELS))
        yield names


def test_an_experiment_is_its_parameters(lecture):
    built = [from_experiment(experiment.parameters) for experiment in lecture["experiments"]]
    assert [(model.latent_dim, model.beta) for model in built] == [(2, 1), (2, 4), (10, 1), (10, 4)]
    assert len(load_experiments(lecture["RUN"])) == 4
    assert len(load_experiments(lecture["RUN"], {"latent_dim": 10})) == 2


def test_an_axis_is_in_use_where_codes_differ_along_it(run_cells, lecture):
    found = run_cells(STEM, "describe-experiment", "sharp-and-strict", **lecture)
    assert (found["axes_sharp"], found["axes_strict"]) == (10, 3)
    assert found["describe"](found["strict"])["axes in use"] == 3


def test_a_parameter_that_is_not_there_fails_on_purpose(run_cells, lecture, capsys):
    run_cells(STEM, "unknown-parameter", **lecture)
    assert "latent_dim" in capsys.readouterr().out, "the message says what there is"


def test_the_explorer_is_set_by_code_and_has_a_twin_on_paper(run_cells, lecture):
    explorer = run_cells(STEM, "explorer", "explorer-by-code", **lecture)["explorer"]
    assert isinstance(explorer, RunExplorer)
    assert (explorer.experiment.parameters["latent_dim"], explorer.experiment.parameters["beta"]) == (10, 4)
    figure = explorer.explorer.figure()
    assert isinstance(figure, Figure)
    pictures = [ax for ax in figure.get_axes() if ax.get_images()]
    assert len(pictures) == 6 * 7, "a walk of seven images along each of six axes"


@pytest.mark.parametrize("clicked", [None, 0, 7])
def test_the_point_that_was_clicked_stands_first(run_cells, lecture, clicked):
    names = lecture | {"explorer": SimpleNamespace(explorer=SimpleNamespace(picked=clicked))}
    nearest = run_cells(STEM, "sharp-and-strict", "nearest-to-click", **names)["nearest"]
    assert nearest[0] == (clicked or 0)
    assert len(set(nearest)) == 10


def test_the_strip_is_the_roll_unrolled(run_cells):
    roll, along = make_swiss_roll(800, random_state=0)
    names = run_cells(STEM, "strip-by-formula", until="on_strip", np=np, roll=roll, along=along)
    order = np.argsort(along)
    spiral = np.linspace(0, along.max(), 200_001)
    steps = np.hypot(np.diff(spiral * np.cos(spiral)), np.diff(spiral * np.sin(spiral)))  # walk it in small steps
    length = np.interp(along[order], spiral, np.concatenate([[0], np.cumsum(steps)]))
    np.testing.assert_allclose(names["strip"][order, 0], length, rtol=1e-4)
    np.testing.assert_array_equal(names["strip"][:, 1], roll[:, 1])


def test_the_share_in_the_main_class_is_counted_over_the_leaves(run_cells, capsys):
    codes = np.repeat(np.arange(10)[:, np.newaxis] * 100.0, 4, axis=0) + RANDOM.random((40, 1))
    labels = np.repeat(np.arange(10), 4)
    labels[3] = 1  # one code among the zeros is a one
    names = run_cells(STEM, "purity-of-leaves", root=cluster_tree(codes, labels, levels=(3, 10)))
    assert names["tree_purity"] == pytest.approx(39 / 40)
    assert names["leading"] == list(range(10))
    assert "98%" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_saved_is_the_mean_of_the_cloud(run_cells, lecture):
    names = lecture | {"data": SimpleNamespace(train=SimpleNamespace(images=IMAGES)), "EPOCHS": 1, "experiments": []}
    names = run_cells(STEM, "train-and-save", **names)
    (experiment,) = load_experiments(lecture["RUN"], {"latent_dim": 2, "beta": 4.0})
    names["train_and_save"](experiment)
    codes, labels = experiment.codes()
    np.testing.assert_array_equal(labels, LABELS)
    z_mean, _, z = experiment.load("encoder").predict(IMAGES, verbose=0)
    np.testing.assert_allclose(codes, z_mean, atol=1e-5)
    assert np.abs(codes - z).max() > 0.1
    assert len(experiment.history()["kl"]) == 1


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert code.count("levels=(3, 10)") == 1
    assert "project(codes, method)" in code
