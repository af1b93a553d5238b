"""Two workers, or two devices, train what one would have trained: the same batches, the same losses."""

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import LAND

from helpers.data.streaming import Loader, Spec
from helpers.experiments import load_experiments
from helpers.experiments.attempt import checkpoint_dir
from helpers.experiments.distributed import WorkerGroup, assemble
from helpers.experiments.run_file import RunError
from helpers.experiments.train import STATE

ROOT = Path(__file__).resolve().parents[2]
OVERRIDES = ["fold=0", "epochs=2"]
HASTY = "--xla_backend_optimization_level=0"  # what is run once or twice is compiled in a quarter of the time
# Stands for a machine with two GPUs: `course train` over two logical processors.
MIRRORED = """
import sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from helpers.experiments import distributed
distributed._mirrored = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
from helpers import cli
sys.exit(cli.main(["train", *sys.argv[1:]]))
"""


class Numbers:
    """A data set of so many numbers, each its own index."""

    def __init__(self, count):
        self.count, self.arrays = count, {"number": Spec((), "int64")}

    def __len__(self):
        return self.count

    def name(self, index):
        """Name a sample."""
        return str(index)

    def fill(self, index, rng, out):
        """Fill in the index."""
        out["number"][...] = index

    def finish(self, arrays):
        """Give the indices of a batch."""
        return arrays["number"]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("workers", [2, 3])
def test_the_parts_of_the_workers_are_disjoint_and_together_the_batches_of_one(workers, shuffle):
    loader = Loader(Numbers(32), batch_size=6, shuffle=shuffle, seed=5, drop_remainder=True)
    parts = [list(WorkerGroup(worker, workers).share(loader).stream(epochs=2)) for worker in range(workers)]
    together = [np.concatenate(batch) for batch in zip(*parts, strict=True)]
    np.testing.assert_array_equal(together, list(loader.stream(epochs=2)))
    assert all(len(set(batch.tolist())) == 6 for batch in together)


def test_alone_the_last_batch_may_be_short_but_several_workers_leave_it_out():
    loader = Loader(Numbers(5), batch_size=2)
    assert [len(batch) for batch in WorkerGroup().share(loader)] == [2, 2, 1]
    assert [len(batch) for batch in WorkerGroup(1, 2).share(loader)] == [1, 1]


def test_a_batch_that_cannot_be_divided_is_told():
    with pytest.raises(RunError, match="batch_size 6 cannot be divided among 4 workers"):
        WorkerGroup(0, 4).share(Loader(Numbers(32), batch_size=6))


def test_a_batch_is_divided_among_the_devices_of_all_workers():
    with pytest.raises(RunError, match="batch_size 6 cannot be divided among 2 workers, each with 2 devices"):
        WorkerGroup(0, 2, devices=2).share(Loader(Numbers(32), batch_size=6))
    assert [len(batch) for batch in WorkerGroup(0, 2, devices=2).share(Loader(Numbers(8), batch_size=4))] == [2, 2]


def test_several_processes_on_another_backend_are_told_what_to_do(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(RunError, match=r"2 processes train one model on JAX only.*--group jax"):
        assemble({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"})


# ---- training ----


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Give the variables of all processes: on JAX, one compiles for the others."""
    always = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    folder = tmp_path_factory.mktemp("compiled")
    return {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(folder), **always}


def begin(folder, name, patches, *overrides, code="", **environment):
    """Start `course train` in a process of its own, with a run file and experiments in a folder."""
    path = folder / f"{name}.toml"
    path.write_text(LAND)
    environment["XLA_FLAGS"] = f"{HASTY} {environment.get('XLA_FLAGS', '')}"
    return subprocess.Popen(
        [
            *(sys.executable, *(["-c", code] if code else ["-m", "helpers.cli", "train"])),
            *map(str, (path, *OVERRIDES, *overrides, "--data", patches)),
        ],
        env={**os.environ, **environment, "COURSE_EXPERIMENTS": str(folder / "experiments")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def start(experiment, patches, shared, tmp_path):
    """Return a function that starts `course train`; `experiment` finds what it saves."""
    return lambda name, *overrides, **options: begin(tmp_path, name, patches, *overrides, **{**shared, **options})


@pytest.fixture(scope="module")
def alone(require, patches, shared, tmp_path_factory):
    """Give the losses and the results of one process on JAX."""
    require(find_spec("jax"), "no JAX here; ./course run python -m uv pip install --group jax")
    folder = tmp_path_factory.mktemp("alone")
    succeed(begin(folder, "one", patches, **{**shared, "KERAS_BACKEND": "jax"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_EXPERIMENTS", str(folder / "experiments"))
        return losses("one"), results("one")


@pytest.fixture
def start_team(start):
    """Return a function that starts two workers on JAX."""

    def start_team(name, *overrides, **environment):
        common = {"COURSE_WORKERS": "2", "COURSE_COORDINATOR": f"127.0.0.1:{free_port()}", **environment}
        return [start(name, *overrides, COURSE_WORKER=str(worker), **common) for worker in (0, 1)]

    return start_team


def succeed(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors


def losses(run):
    (found,) = load_experiments(run)
    history = found.history()
    return np.array([history["loss"], history["val_loss"]])


def results(run):
    (found,) = load_experiments(run)
    return found.results()["confusion"]


@pytest.mark.long
@pytest.mark.turns
def test_two_processes_on_jax_train_as_one_does_and_go_on_when_they_are_killed(alone, start_team, experiment):
    succeed(*start_team("two"))
    np.testing.assert_allclose(losses("two"), alone[0], rtol=1e-4)
    assert results("two") == alone[1]
    state = checkpoint_dir(experiment(*OVERRIDES, name="broken")) / STATE
    both = start_team("broken")
    while not state.exists():
        assert all(process.poll() is None for process in both)
        time.sleep(0.05)
    for process in both:
        process.kill()
        process.communicate()
    succeed(*start_team("broken"))
    np.testing.assert_array_equal(losses("broken"), losses("two"))


@pytest.mark.deep  # two processes, and two devices, are trained with elsewhere
def test_two_processes_of_two_devices_each_train_as_one_does(require, start, start_team):
    require(find_spec("jax"), "no JAX here; ./course run python -m uv pip install --group jax")
    succeed(start("one", "batch_size=4", KERAS_BACKEND="jax"))
    succeed(*start_team("two", "batch_size=4", XLA_FLAGS="--xla_force_host_platform_device_count=2"))
    np.testing.assert_allclose(losses("two"), losses("one"), rtol=1e-4)


@pytest.mark.long
def test_two_tasks_of_srun_train_as_one_process_does(alone, slurm, shared, experiment, patches, tmp_path):
    experiment(name="two")
    command = ["srun", "--nodes=2", "--mem=3G", "--kill-on-bad-exit=1", sys.executable, "-m", "helpers.cli"]
    arguments = ["train", tmp_path / "two.toml", *OVERRIDES, "--data", patches]
    # pretend nodes have names that no resolver knows, so JAX cannot find the first one by itself
    environment = {**os.environ, **shared, "COURSE_COORDINATOR": f"127.0.0.1:{free_port()}", "XLA_FLAGS": HASTY}
    done = subprocess.run([*command, *map(str, arguments)], env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is saved") == 1, "one of the workers talks"
    np.testing.assert_allclose(losses("two"), alone[0], rtol=1e-4)


@pytest.mark.long
def test_two_devices_of_one_process_train_as_one_does(start):
    same = ["batch_norm=false", "dropout=0", "augment=false"]  # see helpers.experiments.distributed
    succeed(start("one", *same))
    succeed(start("two", *same, code=MIRRORED))
    np.testing.assert_allclose(losses("two"), losses("one"), rtol=1e-4)
