"""Lecture 13: what it shows of Slurm is what Slurm says today; gradients and killed trainings are as it tells.

The recording that students without Slurm see is made anew where COURSE_RECORD is
$PWD/lectures/recorded/13_on_the_cluster.json: `./course test --full tests/lectures/test_13_on_the_cluster.py`.
"""

import itertools
import json
import os
import re
import shlex
import tomllib
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest

from helpers.experiments.run_file import read_run
from helpers.models import unet
from helpers.notebooks import execute, without_data
from helpers.slurm.practice import INSTALL, RECORD, missing_programs

STEM = "13_on_the_cluster"
ROOM = Path(__file__).resolve().parents[2] / "lectures"
LECTURE, RECORDING = ROOM / f"{STEM}.ipynb", ROOM / f"recorded/{STEM}.json"


def shape(text: str) -> list[str]:
    """Return the lines of an answer without what differs from day to day: numbers, last words, how wide columns are."""
    text = re.sub(r"(stopped +)\S.*", r"\1", text)
    return [re.sub(r"\s+", " ", re.sub(r"[\d.:-]*\d", "#", line)).strip() for line in text.splitlines()]


def steady(entries: list[dict[str, str]]) -> dict[str, list[str]]:
    """Return the commands and the shapes of their answers; the queue and ends of logs depend on the moment."""
    return {
        f"{number}: {entry['command']}": shape(entry["answer"])
        for number, entry in enumerate(entries)
        if not entry["command"].startswith("squeue") and "logs" not in entry["command"]
    }


@pytest.mark.needs("Slurm")
def test_the_recording_is_what_slurm_says(require, tmp_path, stand_ins, kernels):
    require(not missing_programs(), f"no Slurm on this machine: {INSTALL}")
    new = Path(os.environ.get(RECORD, tmp_path / "recording.json"))
    names = ["terminal.is_live", "difference", "by_array"]
    _, values, _ = execute(LECTURE, names=names, env={**without_data(stand_ins), RECORD: str(new)}, **kernels)
    assert values == {"terminal.is_live": True, "difference": 0, "by_array": 0}
    assert steady(json.loads(new.read_text())) == steady(json.loads(RECORDING.read_text()))


def test_the_recording_tells_the_story_of_the_text():
    entries = json.loads(RECORDING.read_text())
    answers = {entry["command"]: entry["answer"] for entry in entries}
    assert answers["./course train /scratch/me/practice.toml --missing"] == "1"
    (before, after) = [e["answer"] for e in entries if e["command"].startswith("./course cluster status")]
    assert "5 finished, 1 stopped" in before and "practice: 6 finished" in after
    assert "PD" in answers["squeue --me"] and "R" in answers["squeue --me"]


def test_the_recording_names_no_machine():
    text = RECORDING.read_text()
    assert str(ROOM.parent) not in text and "/tmp/" not in text and "token=" not in text


def test_the_run_file_is_the_sweep_of_the_text():
    run = read_run(ROOM / "runs/practice.toml")
    assert len(run.experiments) == 6
    tables = tomllib.loads((ROOM / "runs/practice.toml").read_text())
    assert tables["training"]["epochs"] * tables["training"]["steps_per_epoch"] == 48
    assert {len(each.parameters["filters"]) for each in run.experiments} == {2, 3}


@pytest.mark.slow
def test_halves_of_a_batch_give_its_gradient_unless_the_network_normalises(run_cells):
    keras.utils.set_random_seed(0)
    names = run_cells(STEM, "gradients-of-halves", keras=keras, np=np, unet=unet)
    assert names["gap_plain"] < 1e-4
    assert names["gap_norm"] > 1e-3


@pytest.mark.parametrize(
    ("queue", "wanted"),
    [
        (
            [(2, "1_0 R 1_1 PD 2 PD"), (5, "1_1 R 2 PD"), (9, "")],
            {0: [(2, 3, "running")], 1: [(2, 3, "waiting"), (5, 4, "running")]},
        ),
        (
            [(0, "1_3 R"), (1, ""), (6, "8_3 PD 9 PD"), (7, "8_3 CG"), (8, "9 R"), (9, "")],
            {3: [(0, 1, "running"), (1, 5, "interrupted"), (6, 1, "waiting"), (7, 1, "running")]},
        ),
        ([(0, "4 PD"), (3, "")], {}),
    ],
)
def test_the_queue_becomes_bars_of_experiments(run_cells, queue, wanted):
    assert run_cells(STEM, "timeline", itertools=itertools)["timeline"](queue) == wanted


@pytest.mark.parametrize(("numbers", "hours"), [((10, 20, 60), 10 / 3), ((1, 1, 3600), 1), ((6, 8, 0.5), 24 / 3600)])
def test_a_sweep_costs_hours_times_their_price(run_cells, numbers, hours):
    found = run_cells(STEM, "cost")
    told = found["cost"](*numbers)
    assert told["GPU hours"] == pytest.approx(hours) and told["dollars"] == pytest.approx(2 * hours)
    assert told["kg CO2"] == pytest.approx(told["kWh"] * 0.4) == pytest.approx(0.2 * hours)


def test_the_recording_has_the_story_of_the_queue(run_cells):
    entries = [e for e in json.loads(RECORDING.read_text()) if e["command"].startswith("squeue --me --array")]
    lines = [line.partition(" s: ") for entry in entries for line in entry["answer"].splitlines()]
    queue = [(float(at), words) for at, _, words in lines]
    bars = run_cells(STEM, "timeline", itertools=itertools)["timeline"](queue)
    assert sorted(bars) == [*range(6)] and queue == sorted(queue)
    assert [experiment for experiment, row in bars.items() if "interrupted" in [state for *_, state in row]] == [1]
    assert all(row[-1][2] == "running" for row in bars.values())


def test_the_trial_of_the_open_end_is_one_experiment_of_one_epoch():
    prose = "\n".join(cell.source for cell in nbformat.read(LECTURE, as_version=4).cells)
    (told,) = re.findall(r"add `(epochs=1 [^`]*)` to `./course cluster submit", prose)
    run = read_run(ROOM / "runs/land_cover.toml", shlex.split(told))
    assert len(run.experiments) == 1 and run.experiments[0].parameters["filters"] == [32, 64]


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    assert "\n".join(cells).count('at="Epoch 3/"') == 1
