"""A stranger's model and data go through the real `./course` in jobs of a real Slurm: submit, kill, resume, results."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cluster_desk import Desk

from helpers import cli
from helpers.experiments.run_file import read_run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.long


@pytest.fixture
def desk(slurm, strangers_run, tmp_path, capsys):
    """Give a desk with the example of docs/own_model.md, whose jobs call the course itself."""
    desk = Desk(tmp_path, capsys)
    desk.run = strangers_run
    course = f"env PYTHONPATH={ROOT} {sys.executable} -m helpers.cli"
    desk.site.write_text(f'course = "{course}"\ntime = "00:10:00"\nmemory = "2G"\ncores = 1\n')
    yield desk
    subprocess.run(["scancel", "--me"], check=True)
    desk.wait()


def test_submitted_killed_and_resumed_it_ends_with_the_same_weights(desk):
    options = ["width=4", "epochs=60", "patience=60"]
    job = desk.submit(*options)
    desk.wait_for(desk.log(job, 0), "Epoch 5/60", seconds=400)
    subprocess.run(["scancel", "--signal=KILL", "--full", f"{job}_0"], check=True)
    subprocess.run(["scancel", "--me"], check=True)  # what was to gather the results
    desk.wait(seconds=400)
    assert not read_run(desk.run, options).experiments[0].is_saved(), "it was killed before its end"
    job = desk.submit(*options, "--missing")
    desk.wait(seconds=400)
    assert "Epoch 1/60" not in desk.log(job, 0).read_text(), "it did not begin anew"
    whole = ["width=4", "epochs=60", "patience=61"]
    assert cli.main(["train", str(desk.run), *whole]) == 0
    found, wanted = (read_run(desk.run, words).experiments[0] for words in (options, whole))
    for one, other in zip(found.load().get_weights(), wanted.load().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert cli.main(["results", str(desk.run), *options, "--no-figures"]) == 0
