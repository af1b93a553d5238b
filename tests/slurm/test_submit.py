"""`./course cluster submit` queues what can run, tells what it has queued, and asks beforehand what each job would."""

import os

import pytest

from helpers import cli
from helpers.experiments.run_file import read_run
from helpers.slurm import client, sites
from helpers.slurm.sites import ClusterError, Request, Site

SBATCH = """
echo "$*" >>submitted
number=$(wc -l <submitted)
if [ "$number" -gt "$(cat admitted)" ]; then echo "error: QOSMaxSubmitJobPerUserLimit" >&2; exit 1; fi
echo "4$number"
"""


@pytest.fixture
def run_file(run_file, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    return run_file


@pytest.fixture
def sbatch(monkeypatch, tmp_path):
    """Give a Slurm with an empty queue that admits as many jobs as the number in the file `admitted`."""
    (tmp_path / "bin").mkdir()
    for name, code in {"squeue": "", "sbatch": SBATCH}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{code}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    (tmp_path / "admitted").write_text("2")
    return tmp_path / "submitted"


@pytest.mark.parametrize(
    "banner",
    [
        b"*** Maintenance on Monday: see https://centre.edu/news ***",
        b"2027: new | queues",
        b"12|more nodes",
        "Störung im Rechenzentrum".encode("latin-1"),
        b"\x1b[31mdown from 18:00\x1b[0m",
    ],
)
def test_what_a_centre_has_slurm_say_costs_no_number(run_file, sbatch, capsys, monkeypatch, banner):
    monkeypatch.setattr("helpers.experiments.tasks.rehearse", lambda *_: "")
    (sbatch.parent / "banner").write_bytes(banner + b"\n")
    say = f"cat {sbatch.parent}/banner; cat {sbatch.parent}/banner >&2"
    command = sbatch.parent / "bin/sbatch"
    command.write_text(command.read_text().replace("\necho", f"\n{say}\necho") + f"{say}\n")
    queue = sbatch.parent / "bin/squeue"
    queue.write_text(f"#!/bin/sh\n{say}\necho '41|3|PENDING||1:00:00|JobHeldUser|folds|'\n{say}\n")
    assert cli.main(["cluster", "submit", str(run_file), "--missing"]) == 0
    assert "job 41: experiments 0-2,4 of folds\njob 42: the results" in capsys.readouterr().out
    assert cli.main(["cluster", "status", str(run_file)]) == 1, "it has one of five"
    assert "is held by you" in capsys.readouterr().out
    command.write_text(f"#!/bin/sh\n{say}\n")
    assert cli.main(["cluster", "submit", str(run_file), "--missing"]) == 1
    assert "which number it gave is not told by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "content"), [("Socket timed out", '{"parameters": {"fo'), ("Unable to contact slurm controller", "")]
)
def test_where_the_queue_does_not_answer_the_disk_does(run_file, sbatch, capsys, answer, content):
    queue = sbatch.parent / "bin/squeue"
    queue.write_text(f"#!/bin/sh\necho 'slurm_load_jobs error: {answer}' >&2; exit 1\n")
    damaged = read_run(run_file).experiments[2].folder
    damaged.mkdir(parents=True)
    (damaged / "parameters.json").write_text(content)
    assert cli.main(["cluster", "status", str(run_file)]) == 1
    said, complaint = capsys.readouterr()
    assert "4 not submitted" in said and f"remove {damaged}"[:40] in said
    assert "what runs and what waits is not known" in complaint and answer in complaint


def test_an_array_whose_results_are_refused_is_told_with_its_number(run_file, sbatch, capsys):
    (sbatch.parent / "admitted").write_text("1")
    assert cli.main(["cluster", "submit", str(run_file), "fold=1"]) == 1
    said, complaint = capsys.readouterr()
    assert said == "job 41: experiments 0 of folds+fold=1\n"
    assert "job 41 is in the queue all the same" in complaint and "QOSMaxSubmitJobPerUserLimit" in complaint
    frozen = run_file.parent / "jobs/folds+fold=1/1/folds.toml"
    assert f"./course results {frozen} fold=1\n" in complaint


def test_a_parameter_that_nobody_knows_does_not_get_into_the_queue(run_file, sbatch, capsys):
    assert cli.main(["cluster", "submit", str(run_file), "epocs=3"]) == 2
    assert "'epocs' is not known" in capsys.readouterr().err and not sbatch.exists()
    assert cli.main(["cluster", "submit", str(run_file), "epochs=3"]) == 0
    assert len(sbatch.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("filters=[0]", "filters wants two or more whole numbers"),
        ("sweep.filters=[[8, 16], [8]]", "filters wants two or more whole numbers"),  # the last one of a sweep as well
        ("dropout=1.5", "dropout and spatial_dropout must be 0 to below 1"),
        ("activation=foo", "activation function identifier: foo"),
        ('bands=["zz"]', 'there is no band "zz"'),
        ("bands=[]", "bands must name channels"),
        ("image_size=-3", "image_size must be 1 to 256 pixels; received -3"),
        ("image_size=300", "image_size must be 1 to 256 pixels; received 300"),
        ("fold=99", "needs a fold from 0 to 4; received fold=99"),
        ("epoch=3", "'epoch' is not known. Did you mean 'epochs'?"),
        ("optimizer=adamm", "'optimizer' is not known"),
        ("epochs=-1", "epochs must be greater than 0; received -1"),
        ("batch_size=0", "batch_size must be greater than 0; received 0"),
        ("learning_rate=nan", "'learning_rate' is nan"),
        ("sweep.dropout=[0.1, 'high']", "dropout must be a valid number; received 'high'"),
    ],
)
def test_a_value_that_makes_no_sense_does_not_get_into_the_queue(run_file, sbatch, capsys, override, told):
    for words in (["cluster", "submit"], ["cluster", "submit", "--dry-run"], ["train", "--check"]):
        assert cli.main([*words, str(run_file), override]) in (1, 2)
        said, complaint = capsys.readouterr()
        assert told in complaint and not said and not sbatch.exists()


@pytest.mark.parametrize(
    ("options", "models"),
    [
        (["filters=[2, 4]"], "1 model was"),
        pytest.param(["sweep.filters=[[2, 4], [2, 3]]"], "2 models", marks=pytest.mark.slow),
    ],
)
def test_a_run_without_slips_is_told_to_be_fit_and_what_was_not_tried(run_file, sbatch, capsys, options, models):
    assert cli.main(["train", str(run_file), "--check", *options]) == 0
    said = capsys.readouterr().out
    assert f"can begin. {models}" in said and "no data are here" in said
    assert cli.main(["cluster", "submit", str(run_file), "--dry-run", *options]) == 0
    assert capsys.readouterr().out.startswith("#!/bin/bash") and not sbatch.exists()
    assert cli.main(["train", str(run_file), "--list", *options]) == 0
    assert capsys.readouterr().out.endswith("was not tried: --check does.\n")


@pytest.mark.parametrize(
    ("stamp", "status"), [("cpu /home/me/course 1 2\n", 1), ("gpu /home/me/course 1 2\n", 0), ("", 1)]
)
def test_gpus_are_asked_for_where_the_environment_can_use_them(run_file, sbatch, capsys, monkeypatch, stamp, status):
    monkeypatch.setattr("helpers.experiments.tasks.rehearse", lambda *_: "")
    monkeypatch.setattr(sites, "STAMP", sbatch.with_name("course-stamp"))
    sites.STAMP.write_text(stamp)
    submit = ["submit", str(run_file)]
    assert cli.main(["cluster", *submit, "--gpus", "1"]) == status
    assert ("./course setup --gpu" in capsys.readouterr().err) == (status == 1)
    assert sbatch.exists() == (status == 0)
    assert cli.main(["cluster", *submit, "--gpus", "1", "--dry-run"]) == 0
    (sbatch.parent / "admitted").write_text("4")
    assert cli.main(["cluster", *submit, "--gpus", "0"]) == 0


def test_what_another_course_command_computes_on_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setattr(sites, "STAMP", tmp_path / "course-stamp")
    conda = Site("mine", Request(), course="python -m helpers.cli")
    sites.check_environment(Request(gpus=1), conda)
    with pytest.raises(ClusterError, match=r"--gpus 0"):
        sites.check_environment(Request(gpus=1), Site("plain", Request()))


def test_without_slurm_it_says_where_to_go(run_file, monkeypatch, capsys):
    monkeypatch.setattr(client.shutil, "which", lambda name: None)
    assert cli.main(["cluster", "submit", str(run_file)]) == 1
    assert "there is no Slurm on this machine" in capsys.readouterr().err
    assert cli.main(["cluster", "status", str(run_file)]) == 0, "what has finished can be told all the same"
    assert "5 not submitted" in capsys.readouterr().out


def test_a_run_file_that_is_none_is_told(tmp_path, capsys):
    assert cli.main(["cluster", "submit", str(tmp_path / "gone.toml")]) == 2
    assert "no run file" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("override", "status"), [('states=["zz"]', 2), ("batch_size=64", 1), ("batch_size=4", 0)])
def test_the_data_that_are_here_are_looked_at_before_the_queue(
    run_file, sbatch, capsys, monkeypatch, patches, tmp_path, override, status
):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/chesapeake_patches").symlink_to(patches)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    words = ["image_size=32", "filters=[3, 4]", "fold=0", "batch_size=4", override]
    for command in (["cluster", "submit", "--dry-run"], ["train", "--check"]):
        assert cli.main([*command, str(run_file), *words]) == status
    assert ("and 1 batch was read." in capsys.readouterr().out) == (status == 0)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert cli.main(["train", "--check", str(run_file), "--data", str(tmp_path / "data"), *words]) == status
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    assert cli.main(["cluster", "submit", str(run_file), *words]) == status, capsys.readouterr().err
    assert sbatch.exists() == (status == 0)
