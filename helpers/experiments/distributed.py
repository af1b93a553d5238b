"""Who takes part in a training: one process with one device, or more. Used by `course train`; lecture 13.

- One GPU, or none: plain `fit`.
- Several GPUs of one process: TensorFlow's `MirroredStrategy`. Each GPU averages the loss over its own labelled pixels
  and normalises its own part of the batch: with ignored pixels or batch normalisation, close to one GPU, not equal.
- Several processes, on one node or more: Keras on JAX, `DataParallel` and `jax.distributed`. A process that has a node
  to itself computes on all of its GPUs. Loss, batch normalisation and dropout are those of the whole batch: equal to
  one process but for the rounding of sums.

Every worker reads its own part of every batch. Nothing here imports Keras before the backend is chosen.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from helpers.data.streaming import Loader
from helpers.experiments.run_file import RunError

_CUDA = "'jax[cuda12]>=0.10,<0.11'"  # JAX for GPUs


@dataclass(frozen=True)
class WorkerGroup:
    """The processes that train one model together.

    Attributes:
        worker, workers: this is worker number `worker` (from 0) of `workers`.
        strategy: TensorFlow's, where this process is alone and has several devices; otherwise None.
        devices: of each of several workers.
    """

    worker: int = 0
    workers: int = 1
    strategy: Any = None
    devices: int = 1

    @property
    def is_main_process(self) -> bool:
        """Whether this worker is the one that writes and talks."""
        return self.worker == 0

    def scope(self) -> AbstractContextManager:
        """Return the context in which the model is built."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def share(self, loader: Loader) -> Loader:
        """Return this worker's part of the batches; of several workers all leave out a last batch that is not full.

        Raises:
            RunError: a batch cannot be divided.
        """
        if self.workers == 1:
            return loader
        order = loader.order
        if order.batch_size % (self.workers * self.devices):
            each = f", each with {self.devices} devices" if self.devices > 1 else ""
            raise RunError(f"batch_size {order.batch_size} cannot be divided among {self.workers} workers{each}.")
        options = {name: getattr(order, name) for name in ("batch_size", "shuffle", "seed", "permutation")}
        options |= {name: getattr(loader, name) for name in ("threads", "prefetch", "on_error")}
        return Loader(loader.source, drop_remainder=True, worker=self.worker, workers=self.workers, **options)

    def check_agreement(self, epoch: int) -> None:
        """Check that all workers stand at the same epoch.

        Raises:
            RunError: they do not, because a shared disk shows them different files.
        """
        if self.workers == 1:
            return
        from jax.experimental import multihost_utils

        epochs = multihost_utils.process_allgather(epoch).tolist()
        if len(set(epochs)) > 1:
            raise RunError(f"the workers found this training at epochs {epochs}: a shared disk is late. Submit again.")

    def shutdown(self) -> None:
        """Part with the other workers; what is left to do, the first worker does alone."""
        if self.workers > 1:
            import jax

            from helpers.backend import keras

            keras.distribution.set_distribution(None)
            jax.distributed.shutdown()


SINGLE_PROCESS = WorkerGroup()


def assemble(environment: Mapping[str, str] = os.environ) -> WorkerGroup:
    """Find out who takes part, and meet them. Call it before Keras is imported: several processes need JAX.

    Under `srun` the tasks of the step are the workers. Without Slurm: COURSE_WORKERS tells how many there are,
    COURSE_WORKER which one this is, and COURSE_COORDINATOR where the first one is, as in `localhost:7777`.

    Raises:
        RunError: JAX is not installed, or another backend was asked for; or Slurm gave a GPU that cannot be used.
    """
    worker, workers = _place(environment)
    devices = _meet(worker, workers, environment) if workers > 1 else 1
    if _gpus(environment):
        _see_gpu()
    return WorkerGroup(worker, workers, devices=devices) if workers > 1 else WorkerGroup(strategy=_mirrored())


def _place(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return which worker this is, and of how many.

    >>> _place({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_PROCID": "2"}), _place({"SLURM_NTASKS": "4"})
    ((2, 4), (0, 1))
    """
    if "COURSE_WORKERS" in environment:
        return int(environment.get("COURSE_WORKER", 0)), int(environment["COURSE_WORKERS"])
    if "SLURM_STEP_ID" in environment:  # a batch script has the number of tasks too, but is none of them
        return int(environment.get("SLURM_PROCID", 0)), int(environment.get("SLURM_NTASKS", 1))
    return 0, 1


def _gpus(environment: Mapping[str, str]) -> int:
    """Count the GPUs of this node that Slurm gave to this job.

    >>> _gpus({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}), _gpus({"SLURM_JOB_ID": "7"})
    (2, 0)
    """
    if "SLURM_JOB_ID" not in environment:
        return 0
    given = environment.get("CUDA_VISIBLE_DEVICES", environment.get("SLURM_JOB_GPUS", ""))
    return 0 if given in ("", "-1", "NoDevFiles") else len(given.split(","))


def _see_gpu() -> None:
    """Check that the backend sees a GPU: a CPU would take days for what a GPU was asked for.

    Raises:
        RunError: it sees none.
    """
    from helpers.backend import accelerators, keras

    if accelerators():
        return
    jax = f", then ./course run python -m uv pip install {_CUDA}"
    raise RunError(
        "this job has a GPU, and this environment cannot use it: it is one for the CPU, or the node's driver is too "
        "old. On the login node do: ./course setup --gpu"
        f"{jax if keras.backend.backend() == 'jax' else ''}; then submit again. Or ask for no GPU: --gpus 0."
    )


def _meet(worker: int, workers: int, environment: Mapping[str, str]) -> int:
    """Connect with the other workers, have Keras divide every batch among them, and count the devices of this one."""
    if os.environ.setdefault("KERAS_BACKEND", "jax") != "jax" or find_spec("jax") is None:
        raise RunError(
            f"{workers} processes train one model on JAX only. Do: ./course run python -m uv pip install --group jax "
            f"(for GPUs {_CUDA} in place of --group jax), and leave KERAS_BACKEND unset; or ask for one task, with "
            "several GPUs: --ntasks=1 --gres=gpu:2."
        )
    import jax

    coordinator = environment.get("COURSE_COORDINATOR")
    # under Slurm, JAX finds the others by itself
    address, processes, number = (coordinator, workers, worker) if coordinator else (None, None, None)
    jax.distributed.initialize(address, processes, number, local_device_ids=_devices(environment, workers))
    from helpers.backend import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return jax.local_device_count()


def _devices(environment: Mapping[str, str], workers: int) -> list[int] | None:
    """Choose the GPUs of this worker; None leaves it to JAX, which under Slurm takes one for each process.

    >>> alone = {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_NODES": "2", "CUDA_VISIBLE_DEVICES": "0,1"}
    >>> _devices(alone, 2), _devices(alone, 4)
    ([0, 1], None)
    """
    has_node = environment.get("SLURM_STEP_NUM_NODES") == str(workers)  # for itself: all of its GPUs are its own
    return list(range(_gpus(environment))) or None if has_node else None


def _mirrored() -> Any:
    """Return the strategy for several GPUs, if this process sees them and computes on TensorFlow."""
    from helpers.backend import accelerators, keras

    if keras.backend.backend() != "tensorflow" or len(accelerators()) < 2:
        return None
    import tensorflow as tf

    return tf.distribute.MirroredStrategy()
