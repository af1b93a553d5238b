"""`./course cluster doctor` says what jobs would find, before one waits in vain."""

import os

import pytest

from helpers import cli
from helpers.cli import doctor

WELL = {
    "sinfo": "echo 'normal*|2-00:00:00|8|64000|gpu:a100:2'; echo 'debug|30:00|4|16000|(null)'",
    "sbatch": "echo 41; echo 'ok  GPU          NVIDIA A100\n\nThe lectures can run here.' >$LOGS/41.log",
    "squeue": "true",
    "scancel": "echo $* >$LOGS/cancelled",
    "sacctmgr": "printf 'deep\\nclass\\ndeep\\n'",
}


@pytest.fixture
def centre(tmp_path, monkeypatch, capsys):
    """Give the function `look(*words, site="", **programs)` at a pretend cluster; it returns status and findings."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "root/jobs/doctor").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(doctor, "ROOT", tmp_path / "root")
    monkeypatch.setattr(doctor, "JOB_LOOK", 0.05)
    monkeypatch.setattr(doctor, "JOB_PATIENCE", 0.2)
    monkeypatch.setenv("LOGS", str(tmp_path / "root/jobs/doctor"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "scratch"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)

    def look(*words, site="", **programs):
        for name, code in {**WELL, **programs}.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{code}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        (tmp_path / "mine.toml").write_text(site)
        capsys.readouterr()
        status = cli.main(["cluster", "doctor", "--site", str(tmp_path / "mine.toml"), *words])
        return status, capsys.readouterr().out

    return look


def test_where_all_is_well_jobs_can_run(centre, tmp_path):
    status, said = centre("--account", "deep", site='setup = ["true"]')
    assert status == 0 and said.endswith("Jobs can run here.\n") and "!!" not in said
    looked_at = ["partition", "account", "home", "experiments", "scratch", "set-up", "CUDA", "job"]
    assert [line[4:17].strip() for line in said.splitlines() if line[:2] in ("ok", "- ")] == looked_at
    assert "ran, and has what it needs; GPU NVIDIA A100" in said
    script = (tmp_path / "root/jobs/doctor/doctor.sbatch").read_text()
    assert "--time=00:01:00" in script and "--account=deep" in script and script.rstrip().endswith("./course doctor")
    assert list((tmp_path / "scratch").iterdir()) == [], "what it wrote it has removed"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sinfo": "exit 1"}, "no cluster answers here"),
        ({"words": ["--partition", "nromal"]}, "there is no nromal"),
        ({"words": ["--partition", "debug", "--time", "01:00:00"]}, "gives no more time than 30:00"),
        ({"words": ["--cores", "9"]}, "has 9 cores; at most 8"),
        ({"words": ["--account", "other"]}, "Yours: class, deep."),
        ({"site": 'setup = ["echo no such module >&2; false"]'}, "fails: no such module"),
        ({"words": ["--gpus", "1"]}, "the environment is one for the CPU"),
        ({"sbatch": "echo invalid qos >&2; exit 1"}, "Slurm refuses it"),
        ({"sbatch": "echo 41; echo 'No module named keras' >$LOGS/41.log"}, "No module named keras"),
        ({"sbatch": "echo 41"}, "it wrote nothing"),
    ],
)
def test_what_would_go_wrong_is_told(centre, monkeypatch, tmp_path, options, told):
    monkeypatch.setattr("helpers.slurm.sites.STAMP", tmp_path / "no-stamp")
    words = options.pop("words", [])
    status, said = centre(*words, **options)
    assert status == 1 and told in said and "To be mended first: " in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"squeue": "echo '41|N/A|PENDING||1:00|Priority|doctor|'"}, "did not end within"),
        ({"sacctmgr": "exit 1"}, "Slurm keeps no accounts here"),
        ({"words": ["--no-job"]}, "not asked for: no GPUs"),
    ],
)
def test_what_is_not_known_stops_nobody(centre, options, told, tmp_path):
    words = options.pop("words", [])
    status, said = centre(*words, **options)
    assert status == 0 and told in said
    assert (tmp_path / "root/jobs/doctor/cancelled").exists() == ("squeue" in options)


def test_experiments_in_the_home_are_told(centre, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "home/experiments"))
    assert "experiments are kept in your home" in centre("--no-job")[1]


@pytest.mark.parametrize(("driver", "state"), [("12.4", "ok"), ("11.8", "!!"), ("13.0", "ok")])
def test_a_driver_that_is_too_old_is_told(monkeypatch, driver, state):
    monkeypatch.setattr(doctor, "_cuda_of_driver", lambda: driver)
    monkeypatch.setattr(doctor, "_version", lambda name: "12.9.79")
    assert doctor._gpu(["GPU 0: A100"], "gpu").state == state
