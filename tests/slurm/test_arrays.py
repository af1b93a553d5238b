"""Experiments that one array cannot hold, or whose jobs ask for something else, go into arrays of their own."""

import json
import re
import subprocess

import pytest
from pretend_slurm import SBATCH, write_programs
from test_submissions import states

from helpers.experiments.run_file import read_run
from helpers.slurm import client
from helpers.slurm.sites import ClusterError, Request, Site

SINFO = {
    "plain": "normal*|2-00:00:00|8|64000|gpu:a100:2\nshort|30:00|4|16000|(null)",
    "banner": "*** Maintenance on Monday ***\nnormal*|infinite|8|64000+|gpu:2(S:0-1)\nshort|1:00:00|4+|16000|(null)",
}


@pytest.fixture
def pretend(pretend):
    """Give the folder of a pretend Slurm with arrays of two elements at most, which notes what `sbatch` was told."""
    sbatch = 'echo "$*" >>submitted\n' + SBATCH
    write_programs(pretend, {"sbatch": sbatch, "scontrol": "echo 'MaxArraySize            = 2'", "sinfo": "true"})
    return pretend


def test_more_experiments_than_an_array_holds_are_arrays_one_behind_the_other(pretend, course, run_file):
    status, said, _ = course("submit", run_file, "--dependency", "afterok:7")
    assert status == 0
    assert re.findall(r"job (\d+): (?:experiments )?(.*?) ", said) == [
        ("41", "0-1"),
        ("42", "2-3"),
        ("43", "4"),
        ("44", "the"),
    ]
    assert "once job 41, 42, 43 has ended" in said
    folder = run_file.parent / "jobs/folds/1"
    first, second, third, results = (pretend / "submitted").read_text().splitlines()
    assert "dependency" not in first and "#SBATCH --dependency=afterok:7" in (folder / "train.sbatch").read_text()
    assert "--dependency=afterok:7,afterany:41 " in second and "--dependency=afterok:7,afterany:42 " in third
    assert "--dependency=afterany:41:42:43 " in results
    script = (folder / "train+2.sbatch").read_text()
    assert "--array=0-1%20" in script and '--index "$((SLURM_ARRAY_TASK_ID + 2))"' in script
    assert "/jobs/folds/1/%A_%a+2.log" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert json.loads((folder / "submission.json").read_text())["jobs"] == {
        "training": 41,
        "training+2": 42,
        "training+4": 43,
        "results": 44,
    }


def test_each_element_is_known_by_its_experiment(pretend, course, run_file):
    course("submit", run_file)
    folder = run_file.parent / "jobs/folds/1"
    queue = [line for line in (pretend / "queue").read_text().splitlines() if not line.startswith("41|")]
    (pretend / "queue").write_text("\n".join(queue))
    for name, text in {
        "41_1.log": "one\n",
        "42_1+2.log": "three\n",
        "40_0+2.log": "old\n",
        "43_0+4.log": "four\n",
    }.items():
        (folder / name).write_text(text)
    said = course("status", run_file)[1]
    assert states(said) == {
        "0 fold=0": "stopped",
        "1 fold=1": "stopped",
        "2 fold=2": "waiting",
        "3 fold=3": "waiting",
        "4 fold=4": "waiting",
    }
    assert "42_1+2.log" in course("logs", run_file, 3)[1] and "one" in course("logs", run_file, 1)[1]
    assert course("cancel", run_file, 3)[1] == "cancelled: experiments 3 of folds\n"
    assert (pretend / "cancelled").read_text() == "42_1\n"
    assert "experiments 2-4 of folds are in the queue" in course("submit", run_file)[2]
    assert "experiments 0-1 of folds" in course("submit", run_file, "--missing")[1]


def test_an_array_that_is_refused_behind_others_is_told(pretend, course, run_file):
    sbatch = pretend / "bin/sbatch"
    sbatch.write_text(
        sbatch.read_text().replace("touch asked", "[ $(wc -l <submitted) -lt 2 ] || { echo no >&2; exit 1; }")
    )
    status, said, complaint = course("submit", run_file)
    assert status == 1 and said == "job 41: experiments 0-1 of folds\n"
    assert (
        "job 41 is in the queue all the same, without the experiments from 2 on" in complaint
        and "--missing" in complaint
    )
    (pretend / "queue").write_text("")
    assert [*states(course("status", run_file)[1]).values()] == ["stopped"] * 2 + ["not"] * 3
    sbatch.write_text(f"#!/bin/sh\ncd {pretend}\n{SBATCH}")
    said = course("submit", run_file, "--failed", "--dry-run")[1]
    assert "--array=0-1%" in said and "--array=0%" not in said, "those that were never queued have not failed"


def when(run_file, text: str) -> None:
    run_file.write_text(f"{run_file.read_text()}\n[cluster]\nmemory = '2G'\n{text}\n")


def test_some_experiments_ask_for_more_than_others(pretend, course, run_file):
    (pretend / "bin/scontrol").unlink()
    when(run_file, "[cluster.when.fold.3]\nmemory = '64G'\ncores = 8\n[cluster.when.fold.1]\nmemory = '64G'\ncores = 8")
    said = course("submit", run_file, "--cores", 4)[1]
    assert said.startswith("job 41: experiments 0,2,4 of folds\njob 42: experiments 1,3 of folds\njob 43: the results")
    folder = run_file.parent / "jobs/folds/1"
    usual, special = ((folder / name).read_text() for name in ("train.sbatch", "train-1.sbatch"))
    assert "--mem=2G" in usual and "--mem=64G" in special and "--array=1,3%20" in special
    assert "--cpus-per-task=4" in usual and "--cpus-per-task=4" in special, "the command line has the last word"
    assert "dependency" not in (pretend / "submitted").read_text().splitlines()[1], "they run side by side"
    assert course("cancel", run_file, 3)[1] == "cancelled: experiments 3 of folds\n"
    for each in read_run(run_file).experiments[2:4]:
        each.folder.mkdir(parents=True)
        (each.folder / "parameters.json").write_text(
            json.dumps({"parameters": each.parameters, "defaults": each.defaults})
        )
        (each.folder / "results.json").write_text(json.dumps({"seconds": 60, "provenance": {"memory_mb": 2048}}))
    said = course("report", run_file)[1]
    assert "asks for 02:00:00 and 2G.\n" in said and "asks for 02:00:00 and 64G.\n" in said
    assert "12 GB" not in said and "Ask for 3 GB, for 2G is nearly all used" in said and "Ask for 3 GB, not 64G" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cluster.when.flod.3]\ncores = 3", "'flod' is no parameter of this run. Did you mean 'fold'?"),
        ("[cluster.when.fold.9]\ncores = 3", "no experiment has fold = 9."),
        ("[cluster.when.fold]\n3 = 5", "no experiment has fold = 3."),
        ("[cluster.when.fold.3]\ncore = 3", "'core' is not known. Did you mean 'cores'?"),
        ("[cluster.when.fold.3]\ncores = 0", "cores must be greater than 0"),
        ("when = 3", "'when' is no parameter of this run"),
        ("[cluster.when]\nfold = 3", "'fold' is no parameter of this run"),
    ],
)
def test_a_slip_in_what_some_experiments_ask_for_is_told(pretend, course, run_file, text, told):
    when(run_file, text)
    status, _, complaint = course("submit", run_file, "--dry-run")
    assert status == 1 and told in complaint


@pytest.mark.parametrize("value", ["0.001", "0", "0.1-0.25"])
def test_a_value_with_a_dot_stands_in_quotes(pretend, course, run_file, value):
    (pretend / "bin/scontrol").unlink()
    before = run_file.read_text()
    run_file.write_text(before.replace("[0, 1, 2, 3, 4]", "[0]") + "rate = [0.001, 0, [0.1, 0.25]]")
    before = run_file.read_text()
    when(run_file, f'[cluster.when.rate."{value}"]\ncores = 7')
    assert course("submit", run_file, "--dry-run")[1].count("--cpus-per-task=7") == 1
    run_file.write_text(before)
    when(run_file, f"[cluster.when.rate.{value}]\ncores = 7")
    status, said, complaint = course("submit", run_file, "--dry-run")
    quoted = f"{run_file}, line 12: a dot divides names in TOML. Put a value that has one into quotes: "
    quoted += f'[cluster.when.rate."{value}"].'
    assert (quoted in complaint and status == 1) if "." in value else "--cpus-per-task=7" in said
    run_file.write_text(before)
    when(run_file, f'[cluster.when.rate."{value}9"]\ncores = 7')
    assert f"line 12: no experiment has rate = {value}9." in course("submit", run_file, "--dry-run")[2]


# ---- what waits for ever ----


@pytest.mark.parametrize("said", SINFO)
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Request(cores=9), "no node of partition normal has 9 cores; at most 8"),
        (Request(memory="100G"), "no node of partition normal has 102400 MB of memory; at most 64000"),
        (Request(gpus=3), "has 3 GPUs; at most 2"),
        (Request(partition="short", gpus=1), "no node of partition short has 1 GPUs; at most 0"),
        (Request(partition="short", time="02:00:00"), "partition short gives no more time than"),
        (Request(partition="short,normal", cores=8, memory="60G", time="00:20:00"), ""),
        (Request(partition="no_such", cores=99), ""),  # sbatch refuses it
    ],
)
def test_what_no_node_has_is_told_before_it_waits_for_ever(pretend, said, asked, told):
    (pretend / "bin/sinfo").write_text(f"#!/bin/sh\ncat <<'END'\n{SINFO[said]}\nEND\n")
    if not told:
        client.check_fits(asked, Site("mine", Request()))
        return
    with pytest.raises(ClusterError) as error:
        client.check_fits(asked, Site("mine", Request()))
    assert told in str(error.value)


@pytest.mark.parametrize("code", ["exit 1", "echo '*** banner ***'", "printf 'M\\374ll|1\\n'"])
def test_where_sinfo_says_nothing_that_is_told_and_slurm_decides(pretend, capsys, code):
    (pretend / "bin/sinfo").write_text(f"#!/bin/sh\n{code}\n")
    client.check_fits(Request(cores=999), Site("mine", Request()))
    assert "sinfo does not tell whether a node has 999 cores and 8G" in capsys.readouterr().err
    (pretend / "bin/sinfo").write_text(f"#!/bin/sh\ncat <<'END'\n{SINFO['plain']}\nEND\n")
    client.check_fits(Request(cores=8), Site("mine", Request()))
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("MaxArraySize = 1001", 1001), ("MaxArraySize            = 0", None), ("", None)]
)
def test_the_size_of_an_array_is_read_from_the_configuration(pretend, text, size):
    (pretend / "bin/scontrol").write_text(f"#!/bin/sh\necho 'Configuration data'\necho '{text}'\n")
    assert client.array_size() == size


@pytest.mark.slow
def test_on_a_real_slurm_a_thousand_and_fifty_are_two_arrays(slurm, run_file, course, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    monkeypatch.setattr("helpers.experiments.tasks.rehearse", lambda *_: "")
    overrides = [f"sweep.seed={list(range(1050))}", "fold=0"]
    try:
        status, said, complaint = course("submit", run_file, *overrides, "--index", "3,999-1001", "--cores", 1)
        assert status == 0, complaint
        assert "experiments 3,999-1000 of" in said and "experiments 1001 of" in said
        assert "1046 not submitted, " in course("status", run_file, *overrides)[1]
        assert "999-1001" in course("cancel", run_file, *overrides)[1]
        status, _, complaint = course("submit", run_file, "fold=1", "--cores", 999)
        assert status == 1 and "has 999 cores; at most 2" in complaint
    finally:
        subprocess.run(["scancel", "--me"], check=True)
