"""A stranger's model, data and program go through the real `./course` in jobs of a real Slurm, killed in between."""

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
def desk(slurm, strangers_run, tmp_path, capsys, monkeypatch):
    """Give a desk with the example of docs/own_model.md, whose jobs call the course itself; one stands elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
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


PROGRAM = """
import json, pathlib, sys, time
folder, number = pathlib.Path(sys.argv[1]), int(sys.argv[2])
kept = folder / "count"
begin = int(kept.read_text()) if kept.exists() else 0
for step in range(begin, 100):
    time.sleep(0.05)
    kept.write_text(str(step + 1))
    print("step", step + 1, flush=True)
factor = int(pathlib.Path("given/factor.txt").read_text())
(folder / "results.json").write_text(json.dumps({"began": begin, "answer": factor * number}))
"""


def test_a_program_is_frozen_ended_and_comes_back(desk):
    folder = desk.run.parent
    (folder / "given").mkdir()
    (folder / "given/factor.txt").write_text("7")
    (folder / "program.py").write_text(PROGRAM)
    desk.run = Path("../a stranger/script.toml")
    desk.run.write_text('[script]\ncommand = "python -m program {folder} {number}"\n[sweep]\nnumber = [1, 2]\n')
    job = desk.submit()
    (folder / "program.py").write_text("raise SystemExit(9)\n")
    desk.wait_for(desk.log(job, 1), "step 20", seconds=120)
    subprocess.run(["scancel", "--batch", "--signal=USR1", f"{job}_1"], check=True)
    desk.wait(seconds=200)
    first, second = (each.results() for each in read_run(desk.run).experiments)
    assert (first["answer"], first["began"], second["answer"]) == (7, 0, 14) and second["began"] >= 20
    assert second["provenance"]["job"] == f"{job}_1"
    said = desk.course("status")[1]
    assert "2 finished" in said and "program.py is another file than was submitted" in said
    assert cli.main(["results", str(desk.run)]) == 0
