"""A worker computes on the GPUs that Slurm gave it: on all of them, and on nothing else in their place."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.experiments import distributed
from helpers.experiments.distributed import WorkerGroup, assemble
from helpers.experiments.run_file import RunError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("given", [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"SLURM_JOB_GPUS": "2"}])
def test_a_job_whose_gpu_the_environment_cannot_use_does_not_train_on_the_cpu(monkeypatch, given):
    monkeypatch.setattr("helpers.backend.accelerators", list)
    with pytest.raises(RunError, match=r"this job has a GPU.*cannot use.*\./course setup --gpu"):
        assemble({"SLURM_JOB_ID": "7", **given})


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_JOB_ID": "7"},
        {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": "-1"},  # hidden on purpose
        {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": ""},
        {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "NoDevFiles"},
        {"CUDA_VISIBLE_DEVICES": "0"},  # a workstation, and no job
    ],
)
def test_without_a_gpu_of_a_job_the_cpu_trains(monkeypatch, environment):
    monkeypatch.setattr("helpers.backend.accelerators", list)
    assert assemble(environment) == WorkerGroup()


def test_a_gpu_that_is_seen_is_used(monkeypatch):
    monkeypatch.setattr("helpers.backend.accelerators", lambda: ["gpu:0"])
    assert assemble({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"}) == WorkerGroup()


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, [0, 1, 2, 3]),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_STEP_NUM_NODES": "1"}, None),  # two tasks on a node: JAX gives each one
        ({}, None),
    ],
)
def test_a_worker_has_all_gpus_of_its_node(monkeypatch, given, devices):
    """JAX would take one a process under Slurm."""
    asked = []
    initialize = SimpleNamespace(initialize=lambda *args, **options: asked.append(options))
    jax = SimpleNamespace(distributed=initialize, local_device_count=lambda: 4)
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setattr(distributed, "find_spec", lambda name: True)
    monkeypatch.setattr("helpers.backend.accelerators", lambda: ["gpu:0"])
    monkeypatch.setattr("helpers.backend.keras.distribution.set_distribution", lambda distribution: None)
    monkeypatch.setattr("helpers.backend.keras.distribution.DataParallel", lambda **options: None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "2"}
    assert assemble({**step, **given}) == WorkerGroup(0, 2, devices=4)
    assert asked == [{"local_device_ids": devices}]


@pytest.mark.slow
@pytest.mark.parametrize(("tasks", "devices"), [("--nodes=2", "[0, 1]"), ("--ntasks=2", "None")])
def test_slurm_tells_a_worker_whether_it_has_its_node_to_itself(slurm, tasks, devices):
    code = "import os; from helpers.experiments.distributed import _devices; print(_devices(os.environ, 2))"
    command = ["srun", tasks, "--gres=gpu:2", "--mem=1G", sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True)
    assert done.stdout.split("\n") == [devices, devices, ""], done.stderr
