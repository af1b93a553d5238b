"""A run with other overrides goes by another name: what one submission brought does not replace that of another."""

import csv
import re

import pytest

from helpers import cli
from helpers.experiments.run_file import Run, read_run
from helpers.models.unet import build_unet
from helpers.slurm.jobs import label_of

GRID = '[data]\nname = "grss"\n[model]\nname = "aerial_vae"\n[sweep]\nkernel = [3, 5]\nlatent_dim = [2, 4]\n'


@pytest.mark.parametrize("override", ["text=50%, a/b", "text='quoted'", "filters=[8,16]", "text=" + 300 * "x"])
def test_a_label_is_fit_for_file_names_and_for_slurm(override):
    label = label_of(Run("folds", []), [override])
    assert re.fullmatch(r"folds\+[\w.+=-]+", label) and len(f"results-{label}_results.csv") < 200
    assert label != label_of(Run("folds", []), [override + "y"]), "another override is another label"


@pytest.mark.slow
def test_results_with_overrides_do_not_replace_those_without(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path))
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    for overrides in ([], ["latent_dim=8"]):
        for experiment in read_run(path, overrides).experiments:
            history = {"loss": [3.0, 2.0], "val_loss": [3.0, 2.5]}
            model = build_unet(input_shape=(4, 4, 1), filters=(1, 1))
            experiment.save(model, history, results={"mae": 0.4, "kl": 4.0})
        assert cli.main(["results", str(path), *overrides]) == 0
    sizes = {}
    for file in (tmp_path / "grid").glob("*.csv"):
        with file.open(newline="") as lines:
            sizes[file.name] = len(list(csv.reader(lines))) - 1
    assert sizes == {"results.csv": 4, "results+latent_dim=8.csv": 2}
    pictures = {picture.name for picture in (tmp_path / "grid").glob("*.png")}
    assert pictures >= {"curves.png", "curves+latent_dim=8.png"}
