"""Lecture 13 where there is no Slurm. A file of its own, so that another process than the Slurm tests' runs it."""

import json
from pathlib import Path

import pytest

from helpers.notebooks import STAND_IN, execute, without_data

ROOM = Path(__file__).resolve().parents[2] / "lectures"
LECTURE, RECORDING = ROOM / "13_on_the_cluster.ipynb", ROOM / "recorded/13_on_the_cluster.json"


@pytest.mark.long
@pytest.mark.turns  # with Slurm, its cells run in each run of CI
def test_without_slurm_the_lecture_shows_the_recording(stand_ins, kernels):
    """Of the sweep, one network is trained: the others take the same way."""
    environment = {**without_data(stand_ins), "COURSE_PRACTICE": "0"}
    smaller = 'RUN.write_text(RUN.read_text().replace("[[8, 16], [8, 16, 32], [16, 32, 64]]", "[[8, 16]]"))'
    names = ["terminal.is_live", "by_array", "len(run.experiments)", STAND_IN]
    notebook, values, _ = execute(
        LECTURE, names=names, replace={"print(RUN.read_text())": smaller}, env=environment, **kernels
    )
    assert values == {"terminal.is_live": False, "by_array": 0, "len(run.experiments)": 2, STAND_IN: True}
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "stand-in" in str(outputs).lower()
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert pictures and all(picture.metadata["image/png"]["alt"] for picture in pictures)
    said = "\n".join(output.get("text", "") for output in outputs)
    for entry in json.loads(RECORDING.read_text()):
        assert f"$ {entry['command']}\n{entry['answer']}" in said
