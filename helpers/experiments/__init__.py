"""Trained models on disk, found again by the parameters that made them. Used by lectures 03, 08 and 10-13.

    experiments/RUN/NAME/   model.keras  encoder.keras  decoder.keras  history.csv  parameters.json
                            codes.npz  results.json  code/  files/

`code/` has the files of your own that the run file named, as they were when the training began; `files/` has what a
program of your own left, as it left it. NAME tells the parameters that differ from the run's defaults, as in
`latent_dim=4,l1=1e-05`. All other files are of plain formats; none is a pickle. A folder appears only when everything
in it is written.

Beside it: `run_file` (what is to be trained), `tasks` with `land_cover` and `aerial` (what a run file may ask for),
`own_code` (the same for models and data of your own), `own_script` (a program of your own in place of all that),
`rehearsal` (what is tried before a training), `train` with `attempt`, `checkpoint` and `distributed`; `results` and
`plots` of a whole run.

Keras is imported when a model is loaded, so that listing a run on a login node takes no seconds.
"""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.errors import CourseError
from helpers.files import expanded, naming, swap

if TYPE_CHECKING:
    import keras
    import pandas as pd

PARTS = ("encoder", "decoder")
CODE = "code"
_DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "experiments"
Value = Any  # str, int, float, bool, None or a list of these: what JSON can say
SAME_RESULT = frozenset({"compact"})  # parameters that say how samples are read, not what they are
LONGEST = 200  # bytes of an experiment's name; most systems take 255, and what is beside it has longer ones


class UnreadableError(CourseError):
    """What was kept of an experiment is cut or damaged. The message names the file."""


def experiments_folder() -> Path:
    """Return where runs are kept: `COURSE_EXPERIMENTS`, or `experiments/` beside the package."""
    return expanded(os.environ.get("COURSE_EXPERIMENTS") or _DEFAULT_FOLDER)


@dataclass(frozen=True)
class Experiment:
    """One training, known by its run and its parameters.

    Args:
        run: name of a group of experiments that are compared; letters, digits, `_`, `.` and `-`.
        parameters: what this experiment sets; values that JSON can hold (tuples become lists).
        defaults: what the experiments of this run share unless they say otherwise. Not repeated in the name.
        beside: folder below which files lie that parameters name: that of the run file; `code/` of one from the disk.

    Raises:
        ValueError: a name that is no folder name or too long for one, or a value that JSON cannot hold (nor NaN, which
            equals nothing, and would never be found again).

    >>> Experiment("depth", {"latent_dim": 4, "hidden": (128, 64)}, defaults={"latent_dim": 32, "epochs": 5}).name
    'hidden=128-64,latent_dim=4'
    """

    run: str
    parameters: Mapping[str, Value]
    defaults: Mapping[str, Value] = field(default_factory=dict)
    beside: Path | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]*\w[\w.-]*", self.run):
            raise ValueError(f"A run is named by letters, digits, '_', '.' and '-'; received {self.run!r}.")
        defaults = plain(self.defaults, allow_nan=False)
        object.__setattr__(self, "defaults", defaults)
        object.__setattr__(self, "parameters", {**defaults, **plain(self.parameters, allow_nan=False)})
        if len(self.name.encode()) > LONGEST:
            raise ValueError(
                f"A folder cannot have so long a name: {self.name}. Put what all experiments of run {self.run!r} share "
                "into `defaults`, which the name does not repeat."
            )

    @cached_property
    def name(self) -> str:
        """The parameters that differ from the defaults, sorted by name; "defaults" if none does."""
        keys = sorted(differing(self.parameters, self.defaults))
        return ",".join(f"{key}={short(self.parameters[key])}" for key in keys) or "defaults"

    @property
    def folder(self) -> Path:
        """Where this experiment is kept."""
        return experiments_folder() / self.run / self.name

    def is_saved(self) -> bool:
        """Return whether this experiment is on disk.

        Raises:
            FileExistsError: its folder holds an experiment with other parameters.
        """
        if not self.folder.exists():
            return False
        if keys := differing(_read(self.folder).parameters, self.parameters):
            raise FileExistsError(
                f"{self.folder} holds an experiment that differs in {', '.join(sorted(keys))}: the defaults of "
                f"run {self.run!r} have changed, or two values look alike in a folder's name. Give the run another "
                "name, or remove that folder."
            )
        return True

    def save(
        self,
        model: "keras.Model",
        history: Mapping[str, Sequence[float]],
        *,
        codes: tuple[np.ndarray, np.ndarray] | None = None,
        results: Mapping[str, Any] | None = None,
        code: Mapping[str, bytes] | None = None,
    ) -> Path:
        """Write everything into `folder`, in place of an earlier training with the same parameters.

        Args:
            model: the model; its parts "encoder" and "decoder", if it has them, are saved by themselves as well.
            history: one list per quantity, one number per epoch: `fit(...).history`. A list may be shorter, as that
                of a loss that was not validated after every epoch.
            codes: the codes, float32 (n, latent_dim), and their labels, integer (n,), to keep as well.
            results: what was measured, anything that JSON can hold, to keep as well.
            code: what files of your own hold that the model is made by, by path below `beside`: `own_code.sources_of`.

        Returns:
            The folder.

        Raises:
            FileExistsError: the folder holds an experiment with other parameters.
            ValueError: as many labels as codes are wanted, and there are not; or JSON cannot hold a result.
        """
        self.is_saved()
        with naming(self.folder):
            self._save(model, history, codes, results, code or {})
        return self.folder

    def _save(
        self,
        model: "keras.Model",
        history: Mapping[str, Sequence[float]],
        codes: Any,
        results: Any,
        code: Mapping[str, bytes],
    ) -> None:
        """Write beside the folder, and rename when all is written."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(f"-{self.name}", ".unfinished-", self.folder.parent))
        try:
            temporary.chmod(self.folder.parent.stat().st_mode)  # whoever may look into the run may read this too
            self._write(temporary, model, history)
            if codes is not None:
                write_codes(temporary / "codes.npz", *codes)
            if results is not None:
                write_json(temporary / "results.json", plain(results))
            write_files(temporary / CODE, code)
            swap(temporary, self.folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def load(self, part: str = "model") -> "keras.Model":
        """Load the whole model, or its part "encoder" (images to codes) or "decoder" (codes to images).

        It is compiled if it was when it was saved; the course's own models, layers, losses and metrics are known, and
        those of code that was kept with it, which is run.
        """
        from helpers import segmentation  # noqa: F401 - registers losses and metrics
        from helpers.backend import keras
        from helpers.experiments.own_code import own_functions
        from helpers.models import catalogue  # noqa: F401 - registers models and layers

        path = self._file(f"{part}.keras")
        own = own_functions({"model": self.parameters.get("model")}, self.folder / CODE)
        with keras.saving.custom_object_scope(own["model"].objects if own else {}):
            return keras.saving.load_model(path)

    def history(self) -> dict[str, list[float]]:
        """Read the history as it was saved: one list per quantity, one number per epoch.

        Raises:
            UnreadableError: it is cut or damaged.
        """
        with _readable(self._file("history.csv")) as path, path.open(newline="", encoding="utf-8") as file:
            (_, *quantities), *rows = csv.reader(file)  # the first column counts the epochs
            return {key: [float(row[at]) for row in rows if row[at]] for at, key in enumerate(quantities, start=1)}

    def results(self) -> dict[str, Any]:
        """Read what was measured.

        Raises:
            UnreadableError: it is cut or damaged.
        """
        with _readable(self._file("results.json")) as path:
            return {**json.loads(path.read_text(encoding="utf-8"))}

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the codes, float32 (n, latent_dim), and their labels, integer (n,)."""
        with np.load(self._file("codes.npz"), allow_pickle=False) as archive:
            return archive["codes"], archive["labels"]

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if path.exists():
            return path
        if self.folder.exists():
            found = ", ".join(sorted(p.name for p in self.folder.iterdir()))
            raise FileNotFoundError(f"{self.folder} has no {name}; it has {found}. Save the experiment again with it.")
        raise FileNotFoundError(
            f"No experiment {self.name!r} in run {self.run!r}. {_known_experiments(self.run)} Train it and call save()."
        )

    def _write(self, folder: Path, model: "keras.Model", history: Mapping[str, Sequence[float]]) -> None:
        model.save(folder / "model.keras")
        for layer in model.layers:
            if layer.name in PARTS:
                layer.save(folder / f"{layer.name}.keras")
        write_history(folder / "history.csv", history)
        write_json(folder / "parameters.json", {"parameters": self.parameters, "defaults": self.defaults})


def load_experiments(run: str, where: Mapping[str, Value] | None = None) -> list[Experiment]:
    """Find the experiments of a run, by their parameters if wanted.

    Args:
        run: the name under which they were saved.
        where: parameters that must have exactly these values, such as `{"latent_dim": 4}`.

    Returns:
        The experiments, sorted by name; never an empty list.

    Raises:
        LookupError: no such run, no such parameter, or no experiment with that value. The message says which there are.
    """
    folder = experiments_folder() / run
    found = list(_all_in(folder))
    if not found:
        raise LookupError(f"No run {run!r} in {experiments_folder()}. {_known_runs()}")
    wanted = plain(where or {})
    for key in wanted:
        _check_known(key, wanted[key], found, run)
    chosen = [e for e in found if all(key in e.parameters and e.parameters[key] == wanted[key] for key in wanted)]
    if not chosen:
        raise LookupError(f"No experiment in run {run!r} has all of {wanted}. {_known_experiments(run)}")
    return chosen


def load_results(run: str, where: Mapping[str, Value] | None = None) -> "pd.DataFrame":
    """Load parameters, results and provenance of the experiments of a run into a table, a row for each of them.

    Args:
        run, where: see `load_experiments`.

    Returns:
        See `as_frame`. Of what is damaged a warning tells.

    Raises:
        LookupError: see `load_experiments`.
    """
    return as_frame(undamaged(load_experiments(run, where)))


def as_frame(experiments: Sequence[Experiment]) -> "pd.DataFrame":
    """Return experiments as a table, with numbers as numbers: parameters, results and where they come from.

    Returns:
        One row for each experiment, see `row`. What an experiment has not is missing (NaN); a parameter that is a list
        is a text, as in the name of its folder.
    """
    import pandas as pd  # here, since it takes half a second

    plain = [{k: v for k, v in each.parameters.items() if not isinstance(v, list)} for each in experiments]
    return pd.DataFrame([row(each) | values for each, values in zip(experiments, plain, strict=True)])


def row(experiment: Experiment) -> dict[str, Any]:
    """Return the name, the parameters as in the name, and the results of an experiment, flat.

    A result that has the name of a parameter of your own, such as "weights", is called "result weights".
    """
    parameters = {key: short(value) for key, value in experiment.parameters.items()}
    found = {**numbers(experiment.results()), **best_epoch(experiment.history())}
    results = {f"result {key}" if key in parameters else key: value for key, value in found.items()}
    return {"experiment": experiment.name, **parameters, **results}


def undamaged(experiments: Iterable[Experiment], tell: Callable[[str], None] = warnings.warn) -> list[Experiment]:
    """List those of some saved experiments of which no file is cut or damaged.

    Args:
        experiments: that are saved.
        tell: gets a line for each of the others.
    """
    found = []
    for each in experiments:
        try:
            each.is_saved()
            for read in (each.results, each.history):
                with suppress(FileNotFoundError):  # not all that is saved has both
                    read()
        except UnreadableError as error:
            tell(f"An experiment is left out. {error}")
        else:
            found.append(each)
    return found


def _all_in(folder: Path) -> Iterator[Experiment]:
    """Yield the experiments of a run; warn of what is damaged."""
    for path in sorted(folder.glob("[!.]*/parameters.json")):
        try:
            yield _read(path.parent)
        except UnreadableError as error:
            warnings.warn(f"An experiment is left out. {error}", stacklevel=3)


def _check_known(key: str, value: Value, experiments: Sequence[Experiment], run: str) -> None:
    found = [e.parameters[key] for e in experiments if key in e.parameters]
    if not found:
        keys = sorted({key for e in experiments for key in e.parameters})
        raise LookupError(f"No experiment in run {run!r} has a parameter {key!r}. There are: {', '.join(keys)}.")
    if value not in found:  # 2 and 2.0 are one value
        known = ", ".join(sorted({json.dumps(one) for one in found}))
        raise LookupError(f"No experiment in run {run!r} has {key}={json.dumps(value)}. There are: {known}.")


def _read(folder: Path) -> Experiment:
    with _readable(folder / "parameters.json") as path:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Experiment(folder.parent.name, record["parameters"], record["defaults"], folder / CODE)


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Raise an UnreadableError that names a file of an experiment, if what reads it within the block fails."""
    try:
        yield path
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:  # gone, cut, not ours
        raise UnreadableError(f"{path} cannot be read: {error}. Remove {path.parent}, and train it again.") from error


def _known_runs() -> str:
    runs = sorted({path.parent.parent.name for path in experiments_folder().glob("*/[!.]*/parameters.json")})
    return f"There are: {', '.join(runs)}." if runs else "There is none yet: train a model and call Experiment.save()."


def _known_experiments(run: str) -> str:
    names = sorted(p.parent.name for p in (experiments_folder() / run).glob("[!.]*/parameters.json"))
    return f"There are: {'; '.join(names)}." if names else _known_runs()


# ---- what experiments are written as: names of folders, and files of plain formats ----


def plain(parameters: Mapping[str, Value], *, allow_nan: bool = True) -> dict[str, Value]:
    """Return the parameters as JSON gives them back.

    Args:
        parameters: names and values.
        allow_nan: take NaN and infinity as well.

    Raises:
        ValueError: JSON cannot hold one of them.
    """
    found = {}
    for key, value in parameters.items():
        # most are like this, and a sweep may have a hundred thousand
        if value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value)):
            found[key] = value
            continue
        try:
            found[key] = json.loads(json.dumps(value, allow_nan=allow_nan))
        except (TypeError, ValueError) as error:
            what = f"a {type(value).__name__}" if isinstance(error, TypeError) else str(value)
            raise ValueError(
                f"Parameter {key!r} is {what}, which parameters.json cannot hold. "
                "Use a number, a text, True, False, None or a list of these."
            ) from error
    return found


def differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    """List the parameters that only one side has, or that have another value there; `SAME_RESULT` make none differ."""
    missing = object()
    keys = [key for key in {**one, **other} if key not in SAME_RESULT]
    return [key for key in keys if one.get(key, missing) != other.get(key, missing)]


def code_state() -> dict[str, str]:
    """Return which code runs: the course's version and, in a clone, its commit and a hash of what is changed in it."""
    found = {}
    with suppress(PackageNotFoundError):  # the folder is on the path, and nothing is installed
        found["course"] = version("autoencoder-course")
    if commit := _git("rev-parse", "HEAD"):
        found["commit"] = commit
        if changes := _git("diff", "--no-ext-diff", "--no-color", "HEAD") + _git("status", "--porcelain"):
            found["changes"] = hashlib.sha256(changes.encode()).hexdigest()[:12]
    return found


def provenance(code: Mapping[str, str]) -> dict[str, Value]:
    """Return where a result comes from: code, host, job, the time now, and the most memory that this process had.

    Args:
        code: of `code_state`, from before the training: it may be changed while the training runs.
    """
    job = [os.environ.get(name, "") for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")]
    return {
        **code,
        "numpy": np.__version__,
        "host": socket.gethostname(),
        "job": "_".join(filter(None, job)) or os.environ.get("SLURM_JOB_ID", ""),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **_peak(),
    }


def _peak() -> dict[str, int]:
    if sys.platform == "win32":  # it does not tell
        return {}
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return {"memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)}


def _git(*words: str) -> str:
    """Return what git says of the folder that the package lies in; "" without git, or where it is no clone."""
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, errors="replace", timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 and (root / ".git").exists() else ""


def short(value: Value) -> str:
    """Write a value as part of a folder name."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"[^\w.+-]+", "_", text)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write something that JSON can hold, for people to read as well."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, which is made if there are any.

    Args:
        folder: where to.
        files: what each holds, by its path below the folder.
    """
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def write_codes(path: Path, codes: np.ndarray, labels: np.ndarray) -> None:
    """Write codes, (n, latent_dim), and their labels, (n,).

    Raises:
        ValueError: there are more of the one than of the other.
    """
    if len(codes) != len(labels):
        raise ValueError(f"Every code has one label, but there are {len(codes)} codes and {len(labels)} labels.")
    np.savez_compressed(path, codes=codes, labels=labels)


def write_history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Write one row an epoch, as CSV; where a list is shorter than others, the last cells are empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history])
        writer.writerows([epoch, *row] for epoch, row in enumerate(zip_longest(*history.values()), start=1))


def numbers(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return results flat: numbers and texts as they are, named numbers under two words."""
    found: dict[str, Any] = {}
    for key, value in results.items():
        if isinstance(value, Mapping):
            found |= {f"{key} {name}": number for name, number in value.items()}
        elif not isinstance(value, list):
            found[key] = value
    return found


def best_epoch(history: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the epoch whose weights were kept, and its loss; none is the best where all have diverged."""
    losses = list(history.get("val_loss", ()))
    best = min(filter(np.isfinite, losses), default=None)
    return {} if best is None else {"best_epoch": losses.index(best) + 1, "val_loss": best}
