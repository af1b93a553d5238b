"""`./course cluster report` tells what was used of what was asked for, by Slurm's accounts or by our own."""

import json
import os

import pytest

from helpers import cli
from helpers.experiments.run_file import read_run
from helpers.slurm.sites import Request
from helpers.slurm.status import Usage, advice

SACCT = """\
7_0|600|
7_0.batch|600|2097152K
7_0.extern|600|
7_1|1200|
7_1.batch|1200|1048576K
7_1.0|1190|3145728K
"""


@pytest.fixture
def finished(run_file, tmp_path, monkeypatch):
    """Write what two experiments of the run have brought, by job 7."""
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    for index, each in enumerate(read_run(run_file).experiments[:2]):
        each.folder.mkdir(parents=True)
        about = {"parameters": each.parameters, "defaults": each.defaults}
        made = {"job": f"7_{index}", "memory_mb": 1000 + 536 * index}
        (each.folder / "parameters.json").write_text(json.dumps(about))
        (each.folder / "results.json").write_text(json.dumps({"seconds": 360.0, "provenance": made}))
    run_file.write_text(run_file.read_text() + '[cluster]\nmemory = "64G"\ntime = "10:00:00"\ngpus = 2\n')
    return run_file


def sacct(folder, code):
    (folder / "sacct").write_text(f"#!/bin/sh\n{code}\n")
    (folder / "sacct").chmod(0o755)


def test_accounts_tell_where_there_are_some(finished, tmp_path, monkeypatch, capsys):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    sacct(tmp_path / "bin", f"cat <<'END'\n{SACCT}END")
    assert cli.main(["cluster", "report", str(finished)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Each job asks for 10:00:00 and 64G."
    assert shown[2].split()[1:] == ["7_0", "00:10:00", "2.0", "GB", "sacct"]
    assert shown[3].split()[1:] == ["7_1", "00:20:00", "3.0", "GB", "sacct"]
    assert shown[-3:] == [
        "Ask for 5 GB, not 64G; and for 00:30:00, not 10:00:00: short jobs start sooner.",
        "",
        "0.5 hours in all, 1.0 GPU hours",
    ]


@pytest.mark.parametrize("code", ["echo 'Slurm accounting storage is disabled' >&2; exit 1", "echo '*** banner ***'"])
def test_without_accounts_it_is_what_the_course_measured(finished, tmp_path, monkeypatch, capsys, code):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    sacct(tmp_path / "bin", code)
    assert cli.main(["cluster", "report", str(finished)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[3].split()[1:] == ["7_1", "00:06:00", "1.5", "GB", "course"]
    assert "0.2 hours in all, 0.4 GPU hours" in shown and "Ask for 3 GB, not 64G" in shown


def test_a_run_without_results_says_so(run_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    assert cli.main(["cluster", "report", str(run_file)]) == 1
    assert "has no results" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("megabytes", "memory", "seconds", "time", "told"),
    [
        (7900.0, "8G", 3000.0, "01:00:00", "Ask for 12 GB, for 8G is nearly all used."),
        (900.0, "2G", 3000.0, "01:00:00", "What was asked for fits what was used."),
        (900.0, "8000M", 3000.0, "01:00:00", "Ask for 2 GB, not 8000M."),
        (None, "8G", 60.0, "01:00:00", "Ask for 00:10:00, not 01:00:00: short jobs start sooner."),
        (None, "8G", 1.0, "00:05:00", "What was asked for fits what was used."),
    ],
)
def test_the_advice_follows_from_what_was_used(megabytes, memory, seconds, time, told):
    found = [Usage("a", "1_0", seconds, megabytes, "course")]
    assert advice(found, Request(memory=memory, time=time)) == told


@pytest.mark.parametrize(
    ("share", "wait", "gpus", "told"),
    [
        (0.0, None, 1, "The GPUs compute 0% of the time: ask for none, or see why."),
        (0.2, 0.0, 1, "The GPUs compute 20% of the time: a larger batch_size"),
        (0.0, 0.6, 1, "Training waits for data 60% of the time"),
        (None, None, 1, "fits what was used."),
        (0.0, None, 0, "fits what was used."),
        (0.5, 0.2, 1, "fits what was used."),
    ],
)
def test_gpus_that_never_computed_are_told_and_what_is_not_known_is_not(share, wait, gpus, told):
    found = [Usage("a", "1_0", 3000.0, 900.0, "course", share, wait), Usage("b", "1_1", 3000.0, 900.0, "course")]
    said = advice(found, Request(memory="2G", time="01:00:00", gpus=gpus))
    assert told in said and said.endswith(told) == told.endswith(".")
