"""One training, from the first epoch or from where an earlier process stopped, to a saved experiment. Lecture 13."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from helpers.backend import keras, machine
from helpers.data.fetch import find
from helpers.data.stand_in import is_stand_in
from helpers.data.streaming import Loader, Position, as_dataset
from helpers.errors import CourseError
from helpers.experiments import SAME_RESULT, Experiment, code_state, provenance
from helpers.experiments.attempt import checkpoint_dir, lock, on_preemption
from helpers.experiments.checkpoint import Resume, ResumeError
from helpers.experiments.distributed import SINGLE_PROCESS, WorkerGroup
from helpers.experiments.own_code import Own, hashes_of, own_functions, sources_of
from helpers.experiments.run_file import STAND_IN, RunError
from helpers.experiments.tasks import NOTHING, TRAINING, SplitLoaders, Task, build, sensible, taking, task_of
from helpers.training import Progress, seed_everything

STATE = "state.npz"
SAMPLED = 10  # seconds between two looks at how busy the GPUs are
LOOP = 1  # version of the training loop: one more when a training would no longer go on as it was begun


def train(
    experiment: Experiment,
    *,
    folder: Path | None = None,
    group: WorkerGroup = SINGLE_PROCESS,
    fresh: bool = False,
    tensorboard: bool = False,
    wandb: bool = False,
    submitted: Mapping[str, str] | None = None,
) -> None:
    """Train an experiment to its end and save it; one that is saved already is left alone.

    After each epoch the training is kept on disk. Ended by a signal of Slurm, by `kill -9` or by a failing machine, it
    goes on from there when this is called again, and ends with the same weights as if it had not been interrupted.

    Args:
        experiment: of `run_file.read_run`.
        folder: of the data; by default those that are here, or their stand-in.
        group: the workers that train together; each of them calls this.
        fresh: whether to begin anew, without what an earlier process has kept.
        tensorboard: whether to write events for TensorBoard, after each epoch, into `tensorboard_dir`.
        wandb: whether to log each epoch to Weights & Biases as well: offline, unless WANDB_MODE says otherwise.
        submitted: which code there was when this was submitted, to be kept beside the code that trains.

    Raises:
        RunError: a parameter makes no sense, somebody else trains the same, or what is kept on disk does not fit.
        DataError: the data are broken, or too few.
    """
    own = own_functions(experiment.parameters, experiment.beside)
    task = task_of(experiment.parameters, own=own)
    if experiment.is_saved():
        return
    with lock(experiment) if group.is_main_process else nullcontext(checkpoint_dir(experiment)) as place:
        if experiment.is_saved():  # since a moment ago, by the process that had the lock
            return
        try:
            training = _Training(experiment, task, _load(experiment, task, folder), group, own, submitted)
            training.run(place, fresh=fresh, tensorboard=tensorboard, wandb=wandb)
        except ResumeError as error:
            raise RunError(str(error)) from error
        if group.is_main_process:
            shutil.rmtree(place)


def tensorboard_dir(experiment: Experiment) -> Path:
    """Return where the events of an experiment are, beside those of all others of its run."""
    return experiment.folder.parent / "tensorboard" / experiment.name


def is_outdated(experiment: Experiment, folder: Path | None) -> bool:
    """Return whether a saved experiment was trained on a stand-in, and real data are here now.

    Args:
        experiment: that is saved.
        folder: of the data, as for `train`.
    """
    if not experiment.results().get("source", "").startswith(STAND_IN):
        return False
    return not is_stand_in(folder) if folder else find(experiment.parameters["data"]) is not None


def _complete(experiment: Experiment) -> dict[str, Any]:
    return {**TRAINING, **experiment.parameters}


def _load(experiment: Experiment, task: Task, folder: Path | None) -> SplitLoaders:
    with sensible():  # too few data for a batch, say
        return task.load(_complete(experiment), folder)


class _Training:
    """One experiment, its data and its model."""

    def __init__(
        self,
        experiment: Experiment,
        task: Task,
        splits: SplitLoaders,
        group: WorkerGroup,
        own: Own = NOTHING,
        submitted: Mapping[str, str] | None = None,
    ) -> None:
        self.experiment, self.task, self.splits, self.group = experiment, task, splits, group
        self.own, self.submitted = own, submitted
        self.parameters, self.code = _complete(experiment), code_state()
        self.steps = self.parameters["steps_per_epoch"] or len(splits.training)
        self.data_wait = 0.0
        self.gpu_share: list[float] = []

    def run(self, folder: Path, *, fresh: bool = False, tensorboard: bool = False, wandb: bool = False) -> None:
        """Train, evaluate, save."""
        _prepare(self.parameters)
        validation = self._validation()
        early = self._early_stopping()
        write = self.group.is_main_process
        resume = Resume(folder / STATE, self._identity(), others=[early], write=write, fresh=fresh)
        self.group.check_agreement(resume.epoch)
        began = resume.epoch
        told = f"{self.experiment.name} stands at epoch {{}}; the same command goes on from there."
        with on_preemption(lambda: told.format(resume.epoch), lambda: resume.epoch > began):
            curves = [*self._curves(resume, wanted=tensorboard), *self._logged(wanted=wandb)]
            with _gpu_share() as self.gpu_share:
                weights = self._fit(validation, [early, *curves], resume)
            self.group.shutdown()
            if self.group.is_main_process:
                self._save(weights, resume)

    def _fit(self, validation: Loader, others: list[keras.callbacks.Callback], resume: Resume) -> list[Any]:
        """Fit from where the training stands; return the best weights."""
        with self.group.scope():
            model = self._model(resume)
        shown, verbose = self._shown()
        training = self.group.share(self.splits.training)
        began = time.monotonic()
        with _broken_data_told(training, validation):
            model.fit(
                self._batches(training, resume.epoch),
                validation_data=as_dataset(validation),
                steps_per_epoch=self.steps,
                initial_epoch=resume.epoch,
                epochs=resume.last_epoch(self.parameters["epochs"]),
                callbacks=[*others, *shown, resume],
                verbose=verbose,
                shuffle=False,  # the loader does
            )
        self.data_wait = training.waited / (time.monotonic() - began)
        return model.get_weights()

    def _model(self, resume: Resume) -> keras.Model:
        """Build and compile the model; check that it is the one to go on with, and takes what it is to learn from."""
        built = build(self.parameters, self.task, self.own)
        resume.check_model(built)  # before it is made to take compact samples, which change no weight
        model = taking(built, self.splits.training)
        with sensible():
            for split in (self.splits.training, self.splits.validation):
                model(_input_of(split))  # nothing is computed
            options = self.task.compile_options(self.parameters, self.splits.training)
        if built.compiled:  # by its own function
            if model is not built:
                with keras.saving.custom_object_scope(self.own["model"].objects):
                    model.compile_from_config(built.get_compile_config())
            return model
        model.compile(keras.optimizers.Adam(_learning_rate(self.parameters, self.steps)), **options)
        return model

    def _validation(self) -> Loader:
        """Share the validation split in equal parts; of samples, fewer than there are parts may be left out.

        Raises:
            RunError: there is not one sample for each part, or not in a batch.
        """
        split = self.splits.validation
        if self.group.workers == 1:
            return split
        parts = self.group.workers * self.group.devices
        length, most = split.order.length, split.order.batch_size
        rest = length % parts
        fitting = [size for size in range(parts, most + 1, parts) if (length - rest) % size == 0]
        if not fitting or length < parts:
            raise RunError(
                f"{length} samples for validation, in batches of at most {most}, are too few for {parts} devices. Ask "
                "for fewer workers."
            )
        if rest and self.group.is_main_process:
            print(f"Validation leaves out {rest} of {length} samples: {parts} devices share the others evenly.")
        return self.group.share(Loader(split.source, batch_size=fitting[-1], drop_remainder=True))

    def _batches(self, loader: Loader, epoch: int) -> Any:
        """Return the training batches without end, from an epoch (of `steps_per_epoch`) on."""
        return as_dataset(loader, epochs=None, start=Position(*divmod(epoch * self.steps, len(loader))))

    def _save(self, weights: list[Any], resume: Resume) -> None:
        """Evaluate the model by itself, without optimizer and group, and save it."""
        model = build(self.parameters, self.task, self.own)
        model.set_weights(weights)
        result = self.task.evaluate(model, self.splits.test)
        about = {"source": self.splits.source, "epochs_trained": resume.epoch, "seconds": resume.seconds}
        results = {**result.results, **about, "weights": model.count_params(), "provenance": self._provenance(resume)}
        try:
            code = sources_of(self.own)
            self.experiment.save(model, resume.history, codes=result.codes, results=results, code=code)
        except OSError as error:
            raise RunError(
                f"{self.experiment.name} is trained, but could not be saved in {self.experiment.folder.parent}: "
                f"{error.strerror or error}. Make room and run this again: nothing is trained a second time."
            ) from error

    def _provenance(self, resume: Resume) -> dict[str, Any]:
        """Return where the result comes from, and how fast it came."""
        samples = resume.epoch * self.steps * self.splits.training.order.batch_size
        about = {name.replace(" ", "_"): value for name, value in machine().items()}
        about |= hashes_of(self.own)
        speed: dict[str, Any] = {"samples_per_second": round(samples / max(resume.seconds, 1e-9), 1)}
        speed["data_wait"] = round(self.data_wait, 3)
        speed |= {"gpu_share": round(float(np.mean(self.gpu_share)) / 100, 3)} if self.gpu_share else {}
        then = {f"submitted_{name}": value for name, value in (self.submitted or {}).items()}
        return {**about, **provenance(self.code), **speed, **then}

    def _identity(self) -> dict[str, Any]:
        """Return what makes this training this one: were any of it another, it could not go on exactly."""
        about = {"source": self.splits.source, "batches": self.splits.training.fingerprint()}
        mirrors = self.group.strategy.num_replicas_in_sync if self.group.strategy else 1
        engine = {"keras": keras.version(), "backend": keras.backend.backend(), "mirrors": mirrors}
        engine["training_loop"] = LOOP
        same = {name: value for name, value in self.parameters.items() if name not in SAME_RESULT}
        # a change of code is told before what follows from it
        return {**hashes_of(self.own), **same, **about, **engine}

    def _early_stopping(self) -> keras.callbacks.EarlyStopping:
        """Keep the best weights; stop early if that is asked for."""
        patience = self.parameters["patience"]
        patience = self.parameters["epochs"] if patience is None else patience
        return keras.callbacks.EarlyStopping("val_loss", mode="min", patience=patience, restore_best_weights=True)

    def _curves(self, resume: Resume, *, wanted: bool) -> list[keras.callbacks.Callback]:
        """Write curves for TensorBoard; those of a training that goes on are gone on with."""
        if not wanted or not self.group.is_main_process:
            return []
        folder = tensorboard_dir(self.experiment)
        if resume.epoch == 0:
            shutil.rmtree(folder, ignore_errors=True)
        return [keras.callbacks.TensorBoard(folder, write_graph=False)]

    def _logged(self, *, wanted: bool) -> list[keras.callbacks.Callback]:
        """Log to Weights & Biases; a training that goes on goes on there under the same name.

        Raises:
            RunError: it is not installed.
        """
        if not wanted or not self.group.is_main_process:
            return []
        try:
            import wandb
        except ModuleNotFoundError:
            raise RunError("wandb is not installed here: ./course run python -m uv pip install --group wandb") from None
        about = self.experiment
        number = hashlib.sha256(f"{about.run}/{about.name}".encode()).hexdigest()[:16]
        os.environ.setdefault("WANDB_MODE", "offline")  # nothing leaves this machine unless that is asked for
        folder = about.folder.parent / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        log = wandb.init(
            project=about.run, name=about.name, id=number, resume="allow", config=self.parameters, dir=str(folder)
        )
        return [
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: log.log({**(logs or {}), "epoch": epoch + 1}),
                on_train_end=lambda logs: log.finish(),
            )
        ]

    def _shown(self) -> tuple[list[keras.callbacks.Callback], int]:
        """Show a bar in a terminal, a line for each epoch in a log file."""
        if not self.group.is_main_process:
            return [], 0
        return ([Progress(self.experiment.name)], 0) if sys.stdout.isatty() else ([], 2)


@contextmanager
def _broken_data_told(*loaders: Loader) -> Iterator[None]:
    """Raise what a loader has raised, in place of the error of TensorFlow that it became on the way.

    Raises:
        CourseError: a sample is broken, or a source of your own fails.
    """
    try:
        yield
    except Exception as error:
        for loader in loaders:
            if isinstance(loader.error, CourseError):
                raise loader.error from error
        raise


@contextmanager
def _gpu_share() -> Iterator[list[float]]:
    """Sample how busy the GPUs of this job are within the block, into the list, in percent.

    Without `nvidia-smi` it stays empty. Each look is a process of its own: one that looks again and again would outlive
    a training that a signal ends.
    """
    found: list[float] = []
    if not shutil.which("nvidia-smi"):
        yield found
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    if gpus := os.environ.get("CUDA_VISIBLE_DEVICES"):  # nvidia-smi takes no notice of it
        command.append(f"--id={gpus}")
    is_over = threading.Event()

    def sample() -> None:
        with suppress(OSError, subprocess.TimeoutExpired):  # it then says no more
            while True:
                done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SAMPLED)
                found.extend(float(word) for word in done.stdout.split() if word.replace(".", "", 1).isdecimal())
                if done.returncode or is_over.wait(SAMPLED):
                    return

    sampler = threading.Thread(target=sample, name="gpu_share", daemon=True)
    sampler.start()
    try:
        yield found
    finally:
        is_over.set()
        sampler.join()


def _input_of(split: Loader) -> Any:
    """Describe the input of a batch for Keras, by finishing one without samples."""
    batch = split.source.finish({name: np.empty((0, *s.shape), s.dtype) for name, s in split.source.arrays.items()})
    images = batch[0] if isinstance(batch, tuple) else batch
    return keras.tree.map_structure(lambda array: keras.KerasTensor((None, *array.shape[1:]), array.dtype.name), images)


def _learning_rate(parameters: Mapping[str, Any], steps: int) -> Any:
    """Return the optimizer's rate: a number, or what makes one of the steps so far."""
    rate = parameters["learning_rate"]
    if parameters["decay"] is None:
        return rate
    return keras.optimizers.schedules.CosineDecay(rate, parameters["epochs"] * steps)


def _prepare(parameters: Mapping[str, Any]) -> None:
    """Set what holds for the whole process."""
    seed_everything(parameters["seed"])
    keras.config.set_dtype_policy(parameters["precision"])
    if parameters["deterministic"] and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
