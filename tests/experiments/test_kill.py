"""A process that trains is killed for real: by `kill -9` at random steps, and by the signals that Slurm sends."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.experiments import load_experiments
from helpers.experiments.attempt import checkpoint_dir

ROOT = Path(__file__).resolve().parents[2]
# `course train` in a process that gets a signal from nobody but itself, after so many steps
COURSE = """
import os, sys
from helpers.experiments import train
from helpers import cli

class Killed(train.Resume):
    left = int(os.environ.get("STEPS", 0))

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
            if os.environ["SIGNAL"] != "9":
                import time; time.sleep(60)

train.Resume = Killed
sys.exit(cli.main(["train", *sys.argv[1:]]))
"""
pytestmark = pytest.mark.long


@pytest.fixture
def course(experiment, patches, tmp_path):
    """Return a function that trains in a process of its own, which a signal may reach after some steps."""

    def course(name, steps=0, number=0):
        experiment("epochs=6", name=name)  # writes the file
        environment = {**os.environ, "STEPS": str(steps), "SIGNAL": str(int(number)), "PYTHONPATH": str(ROOT)}
        arguments = [tmp_path / f"{name}.toml", "epochs=6", "fold=0", "patience=6", "--data", patches]
        return subprocess.run(
            [sys.executable, "-c", COURSE, *map(str, arguments)], env=environment, text=True, capture_output=True
        )

    return course


def outcome(run):
    (found,) = load_experiments(run)
    return [*found.load().get_weights(), *map(np.array, found.history().values())]


def test_killed_at_random_steps_a_training_ends_with_the_same_weights(course, pytestconfig):
    assert course("whole").returncode == 0
    luck = random.Random(8)
    for _ in range(5 if pytestconfig.getoption("deep") else 2):
        assert course("broken", luck.randint(2, 9), signal.SIGKILL).returncode == -signal.SIGKILL
    done = course("broken")
    assert done.returncode == 0 and "Epoch 1/6" not in done.stdout, "it did not begin anew"
    for one, other in zip(outcome("broken"), outcome("whole"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_before_the_time_limit_it_leaves_and_asks_for_another_attempt(course, experiment):
    left = course("land", 7, signal.SIGUSR1)
    assert left.returncode == 75
    assert "epochs=6,fold=0,patience=6 stands at epoch 1; the same command goes on from there." in left.stderr
    assert checkpoint_dir(experiment("epochs=6", "patience=6", name="land")).exists()


def test_a_job_in_which_no_epoch_ends_is_not_queued_for_ever(course):
    left = course("land", 2, signal.SIGUSR1)
    assert left.returncode == 1 and "steps_per_epoch=100" in left.stderr


def test_a_job_that_must_go_early_comes_again(course):
    assert course("land", 2, signal.SIGTERM).returncode == 75
