"""The page that opens a saved run shows its codes, or says what to type where none is saved."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.data import digits
from helpers.experiments import Experiment
from helpers.latent.explorer import RunExplorer
from helpers.models import dense

STEM = "explorer"
IMAGES = np.zeros((12, 28, 28, 1), np.float32)


@pytest.fixture
def open_page(cells, monkeypatch, tmp_path):
    """Give a function that runs the page, on twelve digits, and returns what it shows."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path))

    def run(*, is_stand_in):
        data = SimpleNamespace(is_stand_in=is_stand_in, test=SimpleNamespace(images=IMAGES))
        monkeypatch.setattr(digits, "load", lambda: data)
        names = {}
        for cell in cells:
            exec(cell, names)
        return names["shown"]

    return run


@pytest.mark.parametrize(("is_stand_in", "run"), [(False, "08_spaces"), (True, "08_spaces_stand_in")])
def test_a_saved_run_is_opened(open_page, is_stand_in, run):
    model = dense.build_autoencoder(2, code_activation="linear")
    Experiment(run, {"latent_dim": 2}).save(model, {"loss": [2, 1]}, codes=(np.eye(12, 2), np.arange(12) % 10))
    shown = open_page(is_stand_in=is_stand_in)
    assert isinstance(shown, RunExplorer)
    assert shown.experiment.run == run and shown.explorer.count == 12


def test_where_no_run_is_saved_the_page_says_what_to_type(open_page):
    said = open_page(is_stand_in=False).data
    assert "Run `08_spaces` cannot be opened" in said
    assert "`./course run jupyter execute lectures/08_latent_spaces.ipynb`" in said


@pytest.mark.parametrize("codes", [None, (np.eye(7, 2), np.arange(7))])
def test_a_run_that_is_not_whole_is_told(open_page, codes):
    model = dense.build_autoencoder(2, code_activation="linear")
    Experiment("08_spaces", {"latent_dim": 2}).save(model, {"loss": [2, 1]}, codes=codes)
    said = open_page(is_stand_in=False).data
    assert "Run `08_spaces` cannot be opened" in said and ("codes.npz" in said or "There are 7 codes" in said)
