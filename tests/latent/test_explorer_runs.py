"""Experiments are chosen by run, by parameter and by name, and the explorer shows the one chosen."""

import re
import shutil

import numpy as np
import pytest

from helpers.experiments import Experiment
from helpers.latent.explorer import compare_runs, explore_run, runs
from helpers.latent.explorer.points import collect
from helpers.models import dense

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 4, 4, 1), dtype=np.float32)
LABELS = np.arange(12) % 2
CODES = RNG.random((12, 2), dtype=np.float32)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Save two runs: one of three experiments, one without codes."""
    folder = tmp_path_factory.mktemp("experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_EXPERIMENTS", str(folder))
        for latent_dim, l1 in ((2, 0.0), (16, 0.0), (2, 0.1)):
            model = dense.build_autoencoder(latent_dim, input_shape=(4, 4, 1), code_activation="linear")
            codes = np.asarray(model.get_layer("encoder")(IMAGES)), LABELS
            Experiment("sweep", {"latent_dim": latent_dim, "l1": l1, "epochs": 1}).save(
                model, {"loss": [1.5, 0.25]}, codes=codes
            )
        Experiment("bare", {"epochs": 1}).save(model, {"loss": [1]})
        yield folder


@pytest.fixture
def chooser():
    return explore_run("sweep", images=IMAGES)


def shown_axes(chooser):
    return len(chooser.explorer.scene["axes"])


def names(chooser):
    return [name for name, _ in chooser.experiment_choice.options]


def test_parameters_that_differ_can_be_chosen(chooser):
    assert {key: choice.options for key, choice in chooser.parameter_choices.items()} == {
        "l1": ("any", "0.0", "0.1"),
        "latent_dim": ("any", "2", "16"),
    }
    assert chooser.run_choice.options == ("bare", "sweep")
    assert len(names(chooser)) == 3


def test_a_parameter_leaves_the_experiments_that_have_it(chooser):
    chooser.parameter_choices["latent_dim"].value = "16"
    assert names(chooser) == ["epochs=1,l1=0.0,latent_dim=16"]
    assert chooser.experiment_choice.index == 0, "what the page shows"
    assert chooser.experiment.parameters["latent_dim"] == 16
    assert shown_axes(chooser) == 16
    chooser.parameter_choices["latent_dim"].value = "any"
    assert len(names(chooser)) == 3
    assert chooser.experiment_choice.label == "epochs=1,l1=0.0,latent_dim=16", "the one that was shown stays"
    chooser.experiment_choice.index = 1
    assert chooser.experiment.parameters["latent_dim"] == shown_axes(chooser) == 2


def test_the_explorer_shows_codes_and_decoder_of_the_experiment(chooser):
    chooser.parameter_choices["l1"].value = "0.1"
    (chosen,) = [e for _, e in chooser.experiment_choice.options]
    codes, _ = chosen.codes()
    np.testing.assert_array_equal(np.frombuffer(chooser.explorer.points, "<f4").reshape(2, 12), codes.T)
    _, data = chooser.explorer.answer({"kind": "decode"}, [codes[0].tobytes()])
    np.testing.assert_allclose(list(data), np.asarray(chosen.load()(IMAGES[:1])).ravel() * 255, atol=0.6)


def test_values_of_all_kinds_are_offered_in_order():
    values = [10, 9.5, None, "relu", [128, 64], True]
    experiments = [Experiment("mixed", {"a": value}) for value in values] + [Experiment("mixed", {"b": 1})]
    assert runs._values(experiments, "a") == ["true", "9.5", "10", "[128, 64]", "not set", "null", "relu"]


def test_the_card_says_what_the_experiment_is_and_how_its_training_went(chooser):
    chooser.parameter_choices["latent_dim"].value = "16"
    card = chooser.card.value
    assert re.search(r"latent_dim</th><td>16</td>.*loss in the end</th><td>0\.25</td>", card)
    assert 'alt="Learning curve of 2 epochs: loss from 1.5 to 0.25."' in card
    chooser.parameter_choices["latent_dim"].value = "2"
    assert re.search("latent_dim</th><td>2</td>", chooser.card.value)


def test_one_epoch_makes_no_curve_and_names_are_written_as_they_are():
    with_signs = Experiment("signs", {"a": "<b> & c"})
    with_signs.save(dense.build_autoencoder(2, input_shape=(4, 4, 1)), {"loss": [1], "val_loss": []})
    card = runs.card(with_signs)
    assert "<td>&lt;b&gt; &amp; c</td>" in card
    assert "<img" not in card
    shutil.rmtree(with_signs.folder.parent)


def test_what_is_chosen_in_one_run_is_chosen_in_the_other():
    pair = compare_runs("sweep", "sweep", images=IMAGES)
    left, right = pair.left.explorer, pair.right.explorer
    pair.right.parameter_choices["latent_dim"].value = "16"
    mask = np.uint8(np.isin(np.arange(12), [2, 5]))
    left.answer({"kind": "select"}, [mask.tobytes()])
    assert right.selected.tolist() == [2, 5]
    right.answer({"kind": "select"}, [np.zeros(12, np.uint8).tobytes()])
    assert left.selected.tolist() == []
    right.show(collect(CODES[:5]))
    left.choose([7])
    assert right.selected.tolist() == [], "five points are not twelve"


def test_parameters_that_no_experiment_has_are_told(chooser):
    shown = chooser.experiment
    chooser.parameter_choices["l1"].value = "0.1"
    chooser.parameter_choices["latent_dim"].value = "16"
    assert "back to any" in chooser.message.value
    assert chooser.experiment is not shown, "the first choice is still shown"
    chooser.parameter_choices["l1"].value = "any"
    assert chooser.message.value == ""


def test_an_experiment_that_cannot_be_shown_is_told(chooser):
    shown = chooser.experiment
    chooser.run_choice.value = "bare"
    assert "has no codes.npz" in chooser.message.value
    assert chooser.experiment is shown
    chooser.run_choice.value = "sweep"
    assert chooser.message.value == ""
    assert len(names(chooser)) == 3


@pytest.mark.parametrize("file", ["codes.npz", "decoder.keras"])
def test_a_damaged_file_is_told_and_what_is_shown_stays(chooser, file):
    shown, card, codes = chooser.experiment, chooser.card.value, chooser.explorer.count
    whole = next(one for one in chooser.experiment_choice.options if one[1] != shown)[1]
    path = whole.folder / file
    kept = path.read_bytes()
    path.write_bytes(kept[: len(kept) // 2])
    try:
        chooser.experiment_choice.value = whole
        assert f"{whole.name} cannot be shown" in chooser.message.value
        assert (chooser.experiment, chooser.card.value, chooser.explorer.count) == (shown, card, codes)
    finally:
        path.write_bytes(kept)


def test_a_run_that_is_gone_meanwhile_is_told(chooser, monkeypatch):
    def gone(run):
        raise LookupError(f"there is no run {run}")

    shown = chooser.experiment
    monkeypatch.setattr(runs, "load_experiments", gone)
    chooser.run_choice.value = "bare"
    assert "there is no run bare" in chooser.message.value and chooser.experiment is shown


def test_images_of_something_else_are_refused():
    with pytest.raises(ValueError, match=r"There are 12 codes, so images.*\(11, 4, 4, 1\)"):
        explore_run("sweep", images=IMAGES[:11])


def test_an_unknown_run_is_told_with_those_there_are():
    with pytest.raises(LookupError, match="bare, sweep"):
        explore_run("swep")
    with pytest.raises(FileNotFoundError, match=r"has no codes\.npz"):
        explore_run("bare")
