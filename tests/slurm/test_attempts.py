"""The script of a training, run by bash as Slurm runs it: it comes back into the queue from its first line on."""

import subprocess

import pytest

from helpers.experiments.run_file import read_run
from helpers.slurm.jobs import Jobs
from helpers.slurm.sites import Request, Site

WARNED = "kill -USR1 $PPID; exec /bin/sleep 20"  # the step has Slurm warn its script, and would go on for long
LOST = "not in the queue again"


@pytest.fixture
def attempt(run_file, tmp_path):
    """Give the function that runs the script as a job does, and returns its exit status and its log.

    What is said to it are the commands in place of set-up, staging and training, and whether Slurm takes the job back.
    """

    def run(*, setup: str = "true", staging: str = "true", training: str = "true", admits: str = "true"):
        programs = {
            "course": f'case $1 in\ndata) {staging}; echo /node/data ;;\ntrain) echo "$*"; {training} ;;\nesac',
            "scontrol": f'{admits} && echo "$*"',
            "sleep": "kill -TERM $$",  # the signal that ends an attempt may reach this one before the script
        }
        for name, code in programs.items():
            (tmp_path / name).write_text(f"#!/bin/bash\n{code}\n")
            (tmp_path / name).chmod(0o755)
        site = Site("mine", Request(), setup=[setup], course=str(tmp_path / "course"))
        script = Jobs(run_file, read_run(run_file), Request(stage="/data"), site).training([0])
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
        environment["TMPDIR"] = str(tmp_path)
        done = subprocess.run(["bash", "-c", script], env=environment, text=True, capture_output=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_training_that_ends_well_is_the_end(attempt, run_file, tmp_path):
    frozen = run_file.parent / "jobs/folds/1/folds.toml"
    assert attempt() == (0, f"train {frozen} --index 3 --data /node/data\n")
    assert not list(tmp_path.glob("tmp*")), "nothing is left on the node"


@pytest.mark.parametrize(
    "steps",
    [
        {"setup": "kill -USR1 $$"},
        {"setup": "(exec /bin/sleep 0.1); kill -USR1 $$; echo set up"},
        {"staging": WARNED},
        {"training": WARNED},
        {"training": "exit 75"},
        {"staging": "kill -USR1 $PPID; trap '' USR1; /bin/sleep 0.2; exit 2"},
        {"staging": "kill -USR1 $PPID; trap '' USR1; /bin/sleep 0.2"},  # it was just about to end
    ],
)
def test_it_comes_back_whenever_it_is_warned(attempt, steps):
    status, log = attempt(**steps)
    assert status != 0 and "requeue 7_3" in log and LOST not in log
    assert ("train" in log) == ("training" in steps), "after the warning nothing begins"


@pytest.mark.parametrize("steps", [{"training": "exit 1"}, {"training": "exit 9"}, {"staging": "exit 1"}])
def test_what_fails_does_not_come_back(attempt, steps):
    status, log = attempt(**steps)
    assert status in (1, 9) and "requeue" not in log and LOST not in log
    assert ("train" in log) == ("training" in steps), "without data there is no training"


@pytest.mark.parametrize("steps", [{"training": WARNED}, {"staging": WARNED}, {"training": "exit 75"}])
def test_where_slurm_does_not_take_it_back_the_log_says_so(attempt, steps):
    status, log = attempt(**steps, admits="false")
    assert status > 1 and log.count(LOST) == 1


def test_the_script_that_is_submitted_begins_with_what_hears_the_signal(run_file):
    script = Jobs(run_file, read_run(run_file), Request(), Site("mine", Request(), setup=["module load x"])).training(
        [0]
    )
    first = next(line for line in script.splitlines() if line and not line.startswith("#"))
    assert first == "told=no step=" and script.index("trap 'told=yes") < script.index("module load x")
