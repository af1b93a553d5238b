"""Results of a run come together in one table, one file and figures, as far as they have come."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from helpers import cli
from helpers.experiments import load_experiments, load_results, results
from helpers.experiments.plots import draw, pooled
from helpers.experiments.run_file import RunError, read_run
from helpers.models.unet import build_unet
from helpers.segmentation import scores

pytestmark = pytest.mark.slow  # Matplotlib draws

FOLDS = '[data]\nname = "chesapeake"\nsplit = "folds"\n[model]\nname = "unet"\n'
FOLDS += "[sweep]\nfold = [0, 1, 2]\nskips = [true, false]\n"
GRID = '[data]\nname = "grss"\n[model]\nname = "aerial_vae"\n[sweep]\nkernel = [3, 5]\nlatent_dim = [2, 4]\n'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that writes a run file and reads the run."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))

    def run(text):
        (tmp_path / "land.toml").write_text(text)
        return read_run(tmp_path / "land.toml")

    return run


def save_fold(experiment):
    """Save an experiment with results as `land_cover.evaluate` has them: with skips better, each fold otherwise."""
    rng = np.random.default_rng(experiment.parameters["fold"])
    matrix = rng.integers(0, 40, (7, 7)) + np.diag([200 + 200 * experiment.parameters["skips"]] * 7)
    matrix[0] = matrix[:, 0] = matrix[4] = 0  # nothing is labelled 0, and here no pixel is barren
    found = scores(matrix)
    numbers = {"accuracy": found.accuracy, "mean_iou": found.mean_iou, "iou": {"water": found.iou[1], "barren": None}}
    curve = 0.5 + np.sort(rng.random(4)) / 2
    history = {"accuracy": curve, "val_accuracy": curve - 0.05, "loss": 1 - curve, "val_loss": [0.9, 0.4, 0.5, 0.6]}
    model = build_unet(input_shape=(4, 4, 1), filters=(1, 1))
    experiment.save(
        model, history, results={**numbers, "confusion": matrix.tolist(), "source": "real", "epochs_trained": 4}
    )
    return matrix


def save_mae(experiment, mae, **about):
    save(experiment, {"loss": [3.0, mae], "val_loss": [3.0, mae + 0.1]}, {"mae": mae, "kl": 4.0, **about})


def save(experiment, history, found):
    experiment.save(build_unet(input_shape=(4, 4, 1), filters=(1, 1)), history, results=found)


def test_every_finished_experiment_is_a_row_with_parameters_and_results(run, tmp_path, capsys):
    folds = run(FOLDS)
    for experiment in folds.experiments[:5]:
        save_fold(experiment)
    assert cli.main(["results", str(tmp_path / "land.toml"), "--no-figures"]) == 0
    with (tmp_path / "experiments/land/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["experiment"] for row in rows] == [each.name for each in folds.experiments[:5]]
    first = folds.experiments[0].results()
    assert float(rows[0]["accuracy"]) == first["accuracy"]
    assert float(rows[0]["iou water"]) == first["iou"]["water"] and rows[0]["iou barren"] == ""
    assert (rows[0]["best_epoch"], rows[0]["val_loss"], rows[0]["model"]) == ("2", "0.4", "unet")
    shown = capsys.readouterr().out
    assert "5 of 6 experiments in" in shown and "STAND-IN" not in shown
    assert shown.splitlines()[1].split() == [
        "fold",
        "skips",
        "accuracy",
        "mean_iou",
        "val_loss",
        "best_epoch",
        "epochs_trained",
    ]


def test_a_parameter_with_the_name_of_a_result_hides_none(run, tmp_path):
    for number, experiment in enumerate(run(GRID).experiments[:2]):
        chosen = replace(experiment, parameters={**experiment.parameters, "mae": f"way {number}"})
        save_mae(chosen, number / 2)
    table = load_results("land")
    assert table["mae"].tolist() == ["way 0", "way 1"] and table["result mae"].tolist() == [0.0, 0.5]


def test_the_table_comes_as_a_data_frame_and_as_a_parquet_file(run, tmp_path, capsys):
    import pandas as pd

    text = '[data]\nname = "grss"\n[model]\nname = "aerial_vae"\n[sweep]\nlatent_dim = [2, 4]\nkernel = [3, [5, 5]]\n'
    for number, experiment in enumerate(run(text).experiments):
        made = {"provenance": {"commit": "abc", "memory_mb": 70 + number}} if number else {}
        save_mae(experiment, number / 2, wide=True if number % 2 else "no", **made)
    table = load_results("land")
    assert table["mae"].tolist() == [0.0, 1.0, 0.5, 1.5] and table["latent_dim"].dtype == "int64"
    assert table["kernel"].tolist() == [3, 3, "5-5", "5-5"], "a list is written as in the name of a folder"
    assert pd.isna(table["provenance memory_mb"][0]) and table["provenance memory_mb"][3] == 73
    assert load_results("land", {"latent_dim": 4})["mae"].tolist() == [1.0, 1.5]
    with pytest.raises(LookupError, match=r"There are: land"):
        load_results("sea")
    path = tmp_path / "new/runs.parquet"
    assert cli.main(["results", str(tmp_path / "land.toml"), "--no-figures", "--parquet", str(path)]) == 0
    kept = pd.read_parquet(path)
    assert str(path) in capsys.readouterr().out and list(kept) == list(table)
    assert kept["mae"].tolist() == [0.0, 0.5, 1.0, 1.5] and kept["kernel"].tolist() == ["3", "5-5", "3", "5-5"]


def test_the_summary_averages_over_folds(run):
    experiments = run(FOLDS).experiments
    for experiment in experiments:
        save_fold(experiment)
    with_skips, without = results.summary(experiments)
    assert (with_skips["experiments"], with_skips["number"], without["experiments"]) == ("skips=True", 3, "skips=False")
    values = [each.results()["accuracy"] for each in experiments if each.parameters["skips"]]
    assert with_skips["accuracy"] == f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g}"


def test_results_on_a_stand_in_say_so(run, tmp_path, capsys):
    for experiment, source in zip(run(GRID).experiments, ("STAND-IN, GRSS windows", "GRSS windows"), strict=False):
        save_mae(experiment, 0.3, source=source)
    assert cli.main(["results", str(tmp_path / "land.toml"), "--no-figures"]) == 0
    assert "STAND-IN: 1 of them were trained and tested on made-up data" in capsys.readouterr().out
    assert "STAND-IN, GRSS windows" in (tmp_path / "experiments/land/results.csv").read_text()


def test_a_training_that_has_diverged_leaves_the_others_their_results(run, tmp_path, capsys):
    text = GRID.replace("[sweep]", "[sweep]\nfold = [0, 1]")
    experiments = run(text).experiments
    for experiment, mae in zip(experiments, (np.nan, 0.2, 0.3, 0.1, 0.4, 0.5, 0.6, np.inf), strict=True):
        save_mae(experiment, mae)
    assert cli.main(["results", str(tmp_path / "land.toml")]) == 0
    shown = capsys.readouterr().out
    assert "nan ± nan" in shown and "0.35 ± 0.21" in shown, "of the folds with 0.2 and 0.5"
    with (tmp_path / "experiments/land/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mae"] for row in rows] == ["nan", "0.2", "0.3", "0.1", "0.4", "0.5", "0.6", "inf"]
    assert (rows[0]["best_epoch"], rows[0]["val_loss"]) == ("1", "3.0")
    assert (tmp_path / "experiments/land/scores.png").exists()


def test_the_table_is_written_before_anything_else_can_fail(run, tmp_path, monkeypatch):
    save_mae(run(GRID).experiments[0], 0.3)
    monkeypatch.setattr(results, "summary", lambda experiments: 1 / 0)
    assert cli.main(["results", str(tmp_path / "land.toml")]) == 1
    assert (tmp_path / "experiments/land/results.csv").exists()


@pytest.mark.parametrize(("losses", "best"), [([np.nan, 2.0, 1.0, np.nan], (3, 1.0)), ([np.nan, np.nan], ("", ""))])
def test_the_best_epoch_is_one_that_has_not_diverged(run, losses, best):
    first, second, *_ = run(GRID).experiments
    save_mae(first, 0.3)
    save(second, {"loss": losses, "val_loss": losses}, {"mae": 0.3, "kl": 4.0})
    row = results.rows([first, second])[1]
    assert (row["best_epoch"], row["val_loss"]) == best


def test_confusion_matrices_of_the_folds_are_added(run):
    experiments = run(FOLDS).experiments
    matrices = [save_fold(experiment) for experiment in experiments]
    grouped = results.groups(experiments)
    np.testing.assert_array_equal(pooled(grouped["skips=True"]), sum(matrices[::2]))


def test_the_figures_of_folds_are_drawn(run):
    experiments = run(FOLDS).experiments
    for experiment in experiments:
        save_fold(experiment)
    drawn = draw(experiments)
    assert set(drawn) == {"curves", "scores", "confusion", "iou", "against"}
    lines = drawn["against"].axes[0].get_lines()
    (points,) = [line for line in lines if line.get_marker() == "o"]
    for name, key in (("x", True), ("y", False)):
        expected = [each.results()["accuracy"] for each in experiments if each.parameters["skips"] is key]
        assert list(getattr(points, f"get_{name}data")()) == expected
    panels = drawn["curves"].axes
    assert [len(panel.get_lines()) for panel in panels] == [3, 3, 3, 3]
    assert list(panels[2].get_lines()[0].get_ydata()) == experiments[0].history()["val_accuracy"]


def test_half_a_run_has_figures_too(run, tmp_path):
    save_fold(run(FOLDS).experiments[3])
    assert cli.main(["results", str(tmp_path / "land.toml"), "--to", str(tmp_path / "here")]) == 0
    names = {path.name for path in (tmp_path / "here").iterdir()}
    assert names == {"results.csv", "curves.png", "scores.png", "confusion.png", "iou.png"}


def test_a_grid_without_folds_is_drawn_best_first(run):
    experiments = run(GRID).experiments
    for experiment, mae in zip(experiments, (0.4, 0.2, 0.3, 0.1), strict=True):
        save_mae(experiment, mae)
    drawn = draw(experiments)
    assert set(drawn) == {"curves", "scores"}
    labels = [label.get_text() for label in drawn["scores"].axes[0].get_yticklabels()]
    assert labels[-1] == "kernel=5, latent_dim=4" and labels[0] == "kernel=3, latent_dim=2"
    assert len(drawn["curves"].axes[0].get_lines()) == 4


def test_what_has_diverged_is_drawn_last(run):
    experiments = run(GRID).experiments
    for experiment, mae in zip(experiments, (0.4, np.nan, 0.3, 0.1), strict=True):
        history = {"loss": [mae], "val_loss": [mae]}
        save(experiment, history, {"mae": mae, "kl": 4.0})
    drawn = draw(experiments)
    labels = [label.get_text() for label in drawn["scores"].axes[0].get_yticklabels()]
    assert labels[0] == "kernel=3, latent_dim=4" and labels[-1] == "kernel=5, latent_dim=4"
    shown = [line.get_label() for line in drawn["curves"].axes[0].get_lines()]
    assert shown[0] == "kernel=5,latent_dim=4" and shown[-1] == "kernel=3,latent_dim=4"


def test_a_run_without_results_is_told(run, tmp_path, capsys):
    run(FOLDS)
    assert cli.main(["results", str(tmp_path / "land.toml")]) == 1
    assert "none of its 6 experiments has finished" in capsys.readouterr().err


def test_nothing_of_a_run_is_an_error(run):
    with pytest.raises(RunError):
        results.finished(run(FOLDS))


def test_experiments_that_were_saved_before_there_were_folds_still_open(run):
    """They are not taken for those of today's run file: all of their folds tested the same tiles."""
    old = run(FOLDS.replace('split = "folds"\n', "")).experiments[0]
    old.folder.mkdir(parents=True)
    (old.folder / "parameters.json").write_text(json.dumps({"parameters": old.parameters, "defaults": old.defaults}))
    (old.folder / "results.json").write_text('{"mean_iou": 0.5}')
    (found,) = load_experiments(old.run, {"fold": 0})
    assert found.results() == {"mean_iou": 0.5} and "split" not in found.parameters
    with pytest.raises(FileExistsError, match="differs in split"):
        run(FOLDS).missing()
