"""A program of your own in place of the course's training: `[script] command = "python train.py --lr {lr}"`.

Sweep, freezing, jobs, status, logs and results are those of any run. The files that the command names, and what a
Python file imports from its own folder, belong to it as `own_code` has it. What the program found it leaves as JSON, or
as a pickle of plain values, which is read as data: code in it is refused. docs/own_model.md is the contract.

Nothing here imports Keras.
"""

import argparse
import glob
import json
import os
import pickle
import shlex
import shutil
import string
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import message_of, nearest
from helpers.experiments import (
    Experiment,
    Value,
    code_state,
    differing,
    plain,
    provenance,
    write_history,
    write_json,
)
from helpers.experiments.attempt import lock, on_preemption
from helpers.experiments.own_code import EXAMPLE, OwnCode, OwnCodeError, belonging, hashes_of, own_functions
from helpers.experiments.run_file import Run, RunError, UnknownRunError, home_of
from helpers.files import swap

INDEX, FOLDER = "index", "folder"  # what a command may name beside parameters
RESULTS = ("results.json", "results.pkl")  # looked for in {folder} where the run file names no results
PATIENCE = 30  # seconds that the program has to save what it needs to go on
_FILES, _IDENTITY, _ENDED = "files", "identity.json", "ended.json"
# What a pickle may be made of: none of it does anything when it is called but hold values.
_PLAIN = {
    **dict.fromkeys(("set", "frozenset", "complex", "bytearray", "slice", "range"), "builtins"),
    **{"OrderedDict": "collections", "Namespace": "argparse", "ndarray": "numpy", "dtype": "numpy"},
    **{"_reconstruct": "numpy._core.multiarray", "scalar": "numpy._core.multiarray"},
    "_frombuffer": "numpy._core.numeric",
}
_ADVICE = (
    "\nIt wrote nothing into {folder} in the time of this job, so another would begin anew: ask for more time, or have "
    "it save there what it needs to go on."
)


class OwnCommand(OwnCode):
    """The command of one experiment, and the files that belong to it.

    Args:
        parameters: of the experiment; `script` is the command as the run file has it.
        beside: folder of the run file, or of its frozen copy.

    Attributes:
        template: its words, with names in braces.
        files: that it names.

    Raises:
        RunError: the command names something that there is not, or is none.
    """

    def __init__(self, parameters: Mapping[str, Value], beside: Path) -> None:
        self.parameters, self.beside = parameters, beside.absolute()
        try:
            self.template = shlex.split(str(parameters["script"]))
        except ValueError as error:
            raise RunError(f"the command {parameters['script']!r} cannot be read: {error}.") from error
        if not self.template:
            raise RunError('the command is empty. Write one, such as "python train.py --lr {lr}".')
        for word in self.template:
            _check_fields(word, parameters)
        named = [word for word in self.template if not {INDEX, FOLDER} & set(_fields(word))]
        self.files = sorted(filter(None, {self._file(each) for word in named for each in _filled(word, parameters)}))

    @cached_property
    def sources(self) -> dict[str, bytes]:  # type: ignore[override]  # read when it is asked for
        """What each file holds, by its path below `beside`."""
        return {path.relative_to(self.beside).as_posix(): source for path, source in belonging(self.files).items()}

    def words(self, index: int, folder: Path) -> list[str]:
        """Return the command as it is run; files that belong to it by their whole names.

        Args:
            index: of the experiment.
            folder: stands for {folder}.
        """
        every = {**self.parameters, INDEX: index, FOLDER: str(folder)}
        found = [each for word in self.template for each in _filled(word, every)]
        found = [self._whole(word) for word in found]
        return [sys.executable if found[0] in ("python", "python3") else found[0], *found[1:]]

    def results(self, index: int, folder: Path, home: Path) -> Path:
        """Find the file with what the program found: the newest of those that the run file names.

        Raises:
            RunError: there is none.
        """
        if "results" not in self.parameters:
            found = [folder / name for name in RESULTS]
            wanted = f"{' or '.join(RESULTS)} in {{folder}}, and the run file names no results"
        else:
            pattern = str(self.parameters["results"])
            every = {**self.parameters, INDEX: index, FOLDER: str(folder)}
            safe = {name: glob.escape(_text(value)) for name, value in every.items()}
            _check_fields(pattern, self.parameters)
            pattern = string.Formatter().vformat(pattern, (), safe)
            pattern = str(Path(glob.escape(str(home)), pattern))
            found = [Path(path) for path in glob.glob(pattern)]  # noqa: PTH207 - a pattern may begin at the root
            wanted = f"file like {pattern}"
        found = [path for path in found if path.is_file()]
        if not found:
            raise RunError(f"the command ended well and left no {wanted}. Nothing is run a second time: put it there.")
        return max(found, key=lambda path: path.stat().st_mtime)

    def _file(self, word: str) -> Path | None:
        path = self.beside / word.removeprefix("@")
        inside = self.beside in path.resolve().parents or self.beside.resolve() in path.resolve().parents
        return path if word and inside and path.is_file() else None

    def _whole(self, word: str) -> str:
        path = self._file(word)
        return f"{'@' * word.startswith('@')}{path}" if path else word


def command_of(experiment: Experiment) -> OwnCommand:
    """Return the command of an experiment.

    Raises:
        RunError, OwnCodeError: see `OwnCommand`.
    """
    if experiment.beside is None:
        raise OwnCodeError("a command lies beside a run file; read that by run_file.read_run.")
    return OwnCommand(experiment.parameters, experiment.beside)


def code_of(experiment: Experiment) -> Mapping[str, OwnCode]:
    """Return all code of your own that an experiment is made by: functions, or the files of a command."""
    if "script" in experiment.parameters:
        return {"script": command_of(experiment)}
    return own_functions(experiment.parameters, experiment.beside)


def code_key(experiment: Experiment) -> str:
    """Return what is the same for experiments whose code is: of thousands it then need be read once."""
    if "script" in experiment.parameters:
        return str(command_of(experiment).files)
    return json.dumps([experiment.parameters.get(key) for key in EXAMPLE])


def rehearse(run: Run) -> None:
    """Check the command of every experiment, and that no two would be the same.

    Raises:
        RunError: the program is not there, a name in braces is not known, or a parameter is swept in vain.
    """
    first = run.experiments[0]
    command = command_of(first)
    fields = {name for word in command.template for name in _fields(word)}
    swept = {name for each in run.experiments for name in differing(each.parameters, first.parameters)} - {"script"}
    if (unused := sorted(swept - fields)) and INDEX not in fields:
        raise RunError(
            f"{', '.join(unused)} is swept, and the command does not name it. Write {{{unused[0]}}} in it, or "
            "{{index}} for a program that knows its experiments by their number."
        )
    for experiment in {code_key(each): each for each in run.experiments}.values():
        _ = command_of(experiment).sources  # a Python file that is none is told now
    program = command.words(0, Path())[0]
    home = home_of_experiment(first)
    if not (shutil.which(program) or shutil.which(str(home / program))):
        raise RunError(f"there is no program {program!r} to run: neither on the PATH nor in {home}.")


def home_of_experiment(experiment: Experiment) -> Path:
    """Return the folder in which the command of an experiment runs: that of the run file, even of a frozen one."""
    return home_of(Path(experiment.beside or ".") / "run.toml")


def run_script(
    experiment: Experiment, index: int, *, fresh: bool = False, submitted: Mapping[str, str] | None = None
) -> None:
    """Run the command of an experiment to its end, and save what it found; one that is saved is left alone.

    Ended by a signal of Slurm, by `kill -9` or by a failing machine, it is run again when this is called again, with
    the same {folder}: whatever the program has kept there is its own to go on from.

    Args:
        experiment: of `run_file.read_run`.
        index: of the experiment in its run.
        fresh: whether to empty {folder} first.
        submitted: which code there was when this was submitted, to be kept beside the code that runs.

    Raises:
        RunError: the command fails, or leaves no results; somebody else runs the same; or its files have changed since
            an earlier attempt.
    """
    if experiment.is_saved():
        return
    command, code = command_of(experiment), code_state()
    with lock(experiment) as place:
        if experiment.is_saved():
            return
        folder = place / _FILES
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            for name in (_IDENTITY, _ENDED):
                (place / name).unlink(missing_ok=True)
        _check_identity(place, {**hashes_of({"script": command}), "command": command.words(index, Path("{folder}"))})
        folder.mkdir(exist_ok=True)
        if not (place / _ENDED).exists():
            write_json(place / _ENDED, _run(experiment, command.words(index, folder), folder))
        about = json.loads((place / _ENDED).read_text(encoding="utf-8"))
        home = home_of_experiment(experiment)
        path = command.results(index, folder, home)
        results, history = summary_of(path)
        then = {f"submitted_{name}": value for name, value in (submitted or {}).items()}
        made = {**hashes_of({"script": command}), **provenance(code), "memory_mb": about.pop("memory_mb"), **then}
        about |= {
            "source": shlex.join(command.words(index, Path("{folder}"))),
            "results_file": str(path),
            "index": index,
        }
        write_history(folder / "history.csv", history)
        write_json(folder / "results.json", plain({**results, **about, "provenance": made}))
        write_json(folder / "parameters.json", {"parameters": experiment.parameters, "defaults": experiment.defaults})
        swap(folder, experiment.folder)
        shutil.rmtree(place)


def summary_of(path: Path) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Return the numbers and texts that a program left, and its history: one list per quantity, a number per epoch.

    Args:
        path: JSON with an object, or a pickle with a dictionary of plain values and NumPy arrays. What is neither
            number nor text, nor a dictionary of these, stays where it is.

    Raises:
        RunError: it is neither, or holds code.
    """
    found = load_results_file(path)
    history = found.pop("history", {})
    lists = {str(key): np.asarray(values) for key, values in history.items()} if isinstance(history, Mapping) else {}
    kept = {key: values for key, values in lists.items() if values.ndim == 1 and values.dtype.kind in "fiub"}
    return _numbers(found), {key: [float(value) for value in values] for key, values in kept.items()}


def load_results_file(path: Path) -> dict[str, Any]:
    """Load what a program left, as it left it; a pickle by plain types alone.

    Raises:
        RunError: it cannot be read, is no dictionary, or holds code.
    """
    try:
        if path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open("rb") as file:
                found = _PlainUnpickler(file).load()
    except RunError as error:
        raise RunError(f"{path} {error}") from None
    except Exception as error:  # a pickle that is cut or forged raises anything
        raise RunError(f"{path} cannot be read: {message_of(error)}. It must be JSON, or a pickle.") from error
    if not isinstance(found, Mapping):
        raise RunError(f"{path} must hold a dictionary of results; it holds a {type(found).__name__}.")
    return dict(found)


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values and NumPy arrays, and refuses all else: what a pickle names, it would call."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if it is plain.

        Raises:
            RunError: it is not.
        """
        module = module.replace("numpy.core.", "numpy._core.")  # as NumPy 1 wrote it
        if _PLAIN.get(name) != module:
            raise RunError(
                f"holds {module}.{name}. A pickle can run any code, so only numbers, texts, lists, dictionaries and "
                "NumPy arrays are read from one. Convert what else there is, or write JSON."
            )
        return super().find_class(module, name)


def _numbers(found: Mapping[Any, Any], depth: int = 1) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in found.items():
        value = value.item() if isinstance(value, np.generic) else value
        value = vars(value) if isinstance(value, argparse.Namespace) else value
        if value is None or isinstance(value, (str, int, float)):
            kept[str(key)] = value
        elif isinstance(value, Mapping) and depth:
            kept[str(key)] = _numbers(value, depth - 1)
    return kept


def _run(experiment: Experiment, words: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run a command; return how long it took, and the most memory that it had."""
    print(f"$ {shlex.join(words)}", flush=True)
    began, at = time.monotonic(), time.time()
    try:
        process = subprocess.Popen(words, cwd=home_of_experiment(experiment))
    except OSError as error:
        raise RunError(f"{words[0]!r} cannot be run: {error.strerror or error}.") from error

    is_ended = threading.Event()

    def end() -> str:
        is_ended.set()
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        process.kill()
        return f"{experiment.name} was ended; the same command runs it again, with the same {{folder}}: {folder}."

    def has_written() -> bool:
        return any(path.stat().st_mtime >= at for path in folder.rglob("*") if path.is_file())

    with on_preemption(end, has_written, advice=_ADVICE):
        try:
            status = process.wait()
            if is_ended.is_set():
                time.sleep(2 * PATIENCE)  # the thread that ended it ends this process too
        except BaseException:  # Ctrl-C
            end()
            raise
    if status:
        told = f"status {status}" if status > 0 else f"signal {-status}"
        raise RunError(f"the command of {experiment.name} ended with {told}; what it wrote stands above.")
    return {"seconds": round(time.monotonic() - began, 1), "memory_mb": _peak_of_children()}


def _peak_of_children() -> int | None:
    if os.name == "nt":  # it does not tell
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 2**20)


def _check_identity(place: Path, identity: Mapping[str, Any]) -> None:
    """Check that an earlier attempt ran the same command on the same files; note it for the next one."""
    path = place / _IDENTITY
    if path.exists() and (keys := differing(json.loads(path.read_text(encoding="utf-8")), identity)):
        raise RunError(
            f"{place} holds an attempt that began with another {', '.join(keys).replace('SHA-256 of ', '')}. Make it "
            "as it was, or begin anew: --fresh, or remove that folder."
        )
    write_json(path, identity)


def _fields(word: str) -> Iterable[str]:
    """Return the names in braces of a word."""
    return [name for _, name, _, _ in string.Formatter().parse(word) if name is not None]


def _check_fields(word: str, parameters: Mapping[str, Value]) -> None:
    known = [*(name for name in parameters if name not in ("script", "results")), INDEX, FOLDER]
    try:
        fields = _fields(word)
    except ValueError as error:
        raise RunError(f"{word!r} in [script]: {error}. A brace that is meant is written twice.") from error
    for name in fields:
        if name not in known:
            raise UnknownRunError(
                f"{word!r} in [script] names {{{name}}}, which is not known.{nearest(name, known)} There are: "
                f"{', '.join(known)}. A brace that is meant is written twice."
            )


def _filled(word: str, values: Mapping[str, Value]) -> list[str]:
    """Fill a word in; one that is a list alone becomes a word for each of its values."""
    if (name := word[1:-1]) in values and word == f"{{{name}}}" and isinstance(values[name], list):
        return list(map(str, values[name]))
    return [
        string.Formatter().vformat(word, (), {k: v if not isinstance(v, list) else _text(v) for k, v in values.items()})
    ]


def _text(value: Value) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
