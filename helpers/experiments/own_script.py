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
import re
import shlex
import shutil
import signal
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from importlib.util import find_spec
from itertools import combinations
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
from helpers.files import LockedError, atomic_write, locked, swap

INDEX, FOLDER = "index", "folder"  # what a command may name beside parameters
RESULTS = ("results.json", "results.pkl")  # looked for in {folder} where the run file names no results
PATIENCE = 30  # seconds that the program has to save what it needs to go on
_FILES, _SAVED, _IDENTITY, _ENDED, _PROGRAM = "files", "saved", "identity.json", "ended.json", "program"
_PYTHON = ("python", "python3")
_ANY_PYTHON = re.compile(r"python[\d.]*")
_MODULE = re.compile(r"-[bBdiOqsSuvx]*m(.*)")  # the option of Python before the name of a module, or joined to it
_WILDCARD = re.compile(r"(?<!\[)[*?]+|\[[^]]{2,}\]")  # of `glob`; in a value it is one letter in brackets
_BEFORE = re.compile(r"(?:[^=]*=)?@?")  # what may stand in a word before the name of a file: "--config=", "@"
_BUILTINS = (set, frozenset, complex, bytes, bytearray, slice, range, list, dict, str, int, float)
# What a pickle may be made of: none of it does anything when it is called but hold values.
_PLAIN = {
    "builtins": [each.__name__ for each in _BUILTINS],
    "collections": ["OrderedDict", "defaultdict"],
    "argparse": ["Namespace"],
    "numpy": ["ndarray", "dtype"],
    "numpy._core.multiarray": ["_reconstruct", "scalar"],
    "numpy._core.numeric": ["_frombuffer"],
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
        home: the folder in which it runs: that of the run file, even of a frozen one.
        files: that it names, below `beside`; what it is to write is none of them.
        module: that Python is to run by -m, wherever it lies; "" for none.

    Raises:
        RunError: the command names something that there is not, or is none.
    """

    def __init__(self, parameters: Mapping[str, Value], beside: Path) -> None:
        self.parameters, self.beside = parameters, beside.absolute()
        self.home = home_of(self.beside / "run.toml")
        try:
            self.template = shlex.split(str(parameters["script"]))
        except ValueError as error:
            raise RunError(f"the command {parameters['script']!r} cannot be read: {error}.") from error
        if not self.template:
            raise RunError('the command is empty. Write one, such as "python train.py --lr {lr}".')
        for word in self.template:
            _check_fields(word, parameters)
        written = str(parameters["results"]) if "results" in parameters else None
        named = [word for word in self.template if not _varies(word)]
        named = [word for word in named if written is None or not word.endswith(written)]
        found = {self._file_of(each) for word in named for each in _filled(word, parameters)}
        self.files = sorted({path for _, path in filter(None, found)})
        name = _module_of(self.template[1:]) if self.template[0] in _PYTHON else ""
        self.module = "" if _varies(name) else " ".join(_filled(name, parameters))

    @cached_property
    def sources(self) -> dict[str, bytes]:  # type: ignore[override]  # read when it is asked for
        """What each file holds, by its path below `beside`."""
        every = belonging(self.files) | belonging(self.modules, self.beside)
        return {path.relative_to(self.beside).as_posix(): source for path, source in every.items()}

    @property
    def key(self) -> str:
        """What is the same for commands to which the same files belong."""
        return str((self.files, self.module))

    @cached_property
    def modules(self) -> list[Path]:
        """The files of `module` below `beside`; of one in a package, the whole package."""
        return _files_of_module(self.beside, self.module) if self.module else []

    @cached_property
    def _root(self) -> Path:
        return self.beside.resolve()

    @property
    def fields(self) -> set[str]:
        """The names in braces."""
        return {name for word in self.template for name in _fields(word)}

    def filled(self, index: int, folder: str) -> list[str]:
        """Return its words as the run file has them, filled in: the same in every folder and environment.

        Args:
            index: of the experiment.
            folder: stands for {folder}.
        """
        every = {**self.parameters, INDEX: index, FOLDER: folder}
        return [each for word in self.template for each in _filled(word, every)]

    def words(self, index: int, folder: Path) -> list[str]:
        """Return the command as it is run: `filled`, and files that belong to it by their whole names."""
        found = [self._whole(word) for word in self.filled(index, str(folder))]
        safe = ["-P"] if self.modules else []  # no module of the folder in which it runs: PYTHONPATH leads to ours
        return [sys.executable, *safe, *found[1:]] if found[0] in _PYTHON else found

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which it runs: those of this process, and where a module of its own is found first."""
        if not self.modules:
            return dict(os.environ)
        paths = filter(None, [str(self.beside), os.environ.get("PYTHONPATH")])
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def pattern(self, index: int, folder: Path) -> str:
        """Return where the run file says that results are, as a pattern of `glob`; "" if it says nothing."""
        if "results" not in self.parameters:
            return ""
        word = str(self.parameters["results"])
        _check_fields(word, self.parameters)
        every = {**self.parameters, INDEX: index, FOLDER: str(folder)}
        return str(Path(glob.escape(str(self.home)), *_filled(word, every, _Escaping())))

    def results(self, index: int, folder: Path, since: float) -> Path:
        """Find the file with what the program found: the newest of those that the run file names.

        Args:
            index, folder: see `filled`.
            since: when the first attempt began; what is older is of another experiment.

        Raises:
            RunError: there is none.
        """
        if pattern := self.pattern(index, folder):
            found = [Path(path) for path in glob.glob(pattern)]  # noqa: PTH207 - a pattern may begin at the root
            wanted = f"file like {pattern}"
        else:
            found = [folder / name for name in RESULTS]
            wanted = f"{' or '.join(RESULTS)} in {{folder}}, and the run file names no results"
        found = [path for path in found if path.is_file()]
        if not found:
            raise RunError(f"the command ended well and left no {wanted}. Nothing is run a second time: put it there.")
        newest = max(found, key=lambda path: path.stat().st_mtime)
        if newest.stat().st_mtime < since:
            raise RunError(
                f"the command ended well, and {newest} is older than its beginning: it may be of another experiment. "
                "Nothing is run a second time: if it is of this one, touch that file and run this again."
            )
        return newest

    def check_files(self, index: int) -> list[Path]:
        """Check that the program is there, and that the files beside the run file that it names belong to it.

        Returns:
            The files that it names elsewhere, which do not belong to it.

        Raises:
            RunError: there is no such program, or a file or module beside the run file cannot be frozen.
        """
        program, *rest = words = self.words(index, Path())
        if not (shutil.which(program) or shutil.which(str(self.home / program))):
            raise RunError(f"there is no program {program!r} to run: neither on the PATH nor in {self.home}.")
        if _ANY_PYTHON.fullmatch(Path(self.template[0]).name):
            self._check_python(rest)
        elsewhere = []
        for word in words[1:]:
            path = self.home / word[self._start(word) :]
            if self._file_of(word) or not _is_file(path):
                continue
            if not path.parent.resolve().is_relative_to(self.home.resolve()):
                elsewhere.append(path.resolve())
            elif path.is_symlink():
                raise RunError(
                    f"{path} is a link to {path.resolve()}, outside the folder of the run file, and would not be "
                    "frozen. Put a copy in its place, or write that path in the command."
                )
        return elsewhere

    def _check_python(self, words: Sequence[str]) -> None:
        if (module := _module_of(words)) and not self.modules and _files_of_module(self.home, module):
            raise RunError(
                f"python -m {module} would not be frozen: only a parameter may choose the module, not {{index}}, and "
                "it is called by python, which is that of the course."
            )
        if self.module and not self.modules and find_spec(module.partition(".")[0]) is None:
            raise RunError(f"there is no module {module} for Python to run, neither in {self.home} nor installed.")
        first = "" if module else next((word for word in words if not word.startswith("-")), "")
        if first.endswith(".py") and not _is_file(self.home / first):
            raise RunError(f"there is no file {self.home / first} for Python to run.")
        if Path(first).is_relative_to(self.beside) and Path(first) not in self.files:
            raise RunError(f"{first} would not be frozen: only a parameter may choose the file, not {{index}}.")

    def _file_of(self, word: str) -> tuple[str, Path] | None:
        """Return what stands in a word before the name of a file that belongs to the command, and the file."""
        for at in sorted({0, self._start(word)}):
            if path := self._file(word[at:]):
                return word[:at], path
        return None

    def _start(self, word: str) -> int:
        return _BEFORE.match(word).end()  # type: ignore[union-attr]  # it matches the empty text

    def _file(self, name: str) -> Path | None:
        """Return the file below `beside` that a name means, seen from `home`; None if there is none, or elsewhere."""
        with suppress(OSError, ValueError):  # it is no name of a file, or of one that is elsewhere
            path = self.beside / name
            if name.startswith("/"):
                path = self.beside / (path.parent.resolve() / path.name).relative_to(self.home.resolve())
            if path.is_file() and path.resolve().is_relative_to(self._root):
                return self.beside / (path.parent.resolve() / path.name).relative_to(self._root)
        return None

    def _whole(self, word: str) -> str:
        return "".join(map(str, self._file_of(word) or [word]))


class _Escaping(string.Formatter):
    """Fills values into a pattern of `glob`, which stand for themselves there."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Write a value."""
        return glob.escape(super().format_field(value, format_spec))


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
        return command_of(experiment).key
    return json.dumps([experiment.parameters.get(key) for key in EXAMPLE])


def rehearse(run: Run) -> str:
    """Check the command of every experiment, and that no two would be the same; tell which files do not belong to it.

    Returns:
        What was checked, in a sentence.

    Raises:
        RunError: the program or its file is not there, a file cannot be frozen, or see `check_names`.
    """
    commands = check_names(run)
    elsewhere = set()
    for index, command in {each.key: (index, each) for index, each in enumerate(commands)}.values():
        _ = command.sources  # a Python file that is none is told now
        elsewhere.update(command.check_files(index))
    for path in sorted(elsewhere):
        told = "is not below the folder of the run file, so it is not frozen, and its changes are not noticed."
        print(f"{path} {told}", file=sys.stderr)
    return "The program and its files are there; it was not run."


def check_names(run: Run) -> list[OwnCommand]:
    """Check that every parameter reaches the program, and that no two experiments have their results in one file.

    Returns:
        The command of each experiment.

    Raises:
        RunError: a name in braces is not known, a parameter is set in vain, or results would be taken for others'.
    """
    if taken := sorted({INDEX, FOLDER, "command"} & run.overridden):
        raise UnknownRunError(
            f"{taken[0]} has a meaning of its own in [script], and cannot be set. Another command: script='python …'"
        )
    commands = [command_of(each) for each in run.experiments]
    for command in {tuple(each.template): each for each in commands}.values():
        asked = {*command.parameters} if INDEX not in command.fields else run.overridden
        if unused := sorted(asked - command.fields - {"script", "results"}):
            raise UnknownRunError(
                f"{unused[0]} is set, and the command does not name it.{nearest(unused[0], command.fields)} Write "
                f"{{{unused[0]}}} in it, or for a program that knows its experiments by their number {{index}}, and "
                "override nothing."
            )
    patterns = [each.pattern(index, run.experiments[index].folder) for index, each in enumerate(commands)]
    if any(patterns):
        _check_results(patterns, [each.name for each in run.experiments])
    return commands


def _check_results(patterns: Sequence[str], names: Sequence[str]) -> None:
    """Check that no file can be taken for the results of two experiments.

    Args:
        patterns: of `glob`, one for each experiment.
        names: of the experiments.

    Raises:
        RunError: one can.
    """
    seen: dict[str, str] = {}
    for pattern, name in zip(patterns, names, strict=True):
        if (other := seen.setdefault(pattern, name)) != name:
            raise RunError(
                f"{other} and {name} would both have their results in {pattern}. Name in `results` what they differ "
                "in, or {index}."
            )
    alike: dict[tuple[str, ...], list[int]] = {}
    pieces = [[_WILDCARD.split(part) for part in pattern.split("/")] for pattern in patterns]
    for number, parts in enumerate(pieces):  # only where all that has no wildcard is the same, two may meet
        alike.setdefault(tuple("" if len(part) > 1 else part[0] for part in parts), []).append(number)
    for members in alike.values():
        wild = [at for at, part in enumerate(pieces[members[0]]) if len(part) > 1]
        ends = [[(pieces[number][at][0], pieces[number][at][-1]) for number in members] for at in wild]
        met = [pair for pair in map(_meeting, ends) if pair]
        if len(met) < len(wild) or not wild:
            continue
        for pair in met if len(wild) == 1 else combinations(range(len(members)), 2):
            if all(_meeting([each[at] for at in pair]) for each in ends):
                first, second = (f"{names[members[at]]} ({patterns[members[at]]})" for at in pair)
                raise RunError(
                    f"one file could be taken for the results of both {first} and {second}. Close off in `results` "
                    "what they differ in, as in results_{seed}_*.json for results_{seed}*.json, or end it with "
                    "_{index}."
                )


def _meeting(ends: Sequence[tuple[str, str]]) -> tuple[int, int] | None:
    """Return two patterns that one name fits; None if there are none.

    Args:
        ends: of each pattern what stands before its first wildcard and behind its last. One name fits two patterns if
            of both of their beginnings and of both of their ends one contains the other.

    >>> _meeting([("out_1", ".json"), ("out_2", ".json"), ("out_10", ".json")]), _meeting([("", "_1"), ("", "_11")])
    ((0, 2), None)
    """
    found: dict[str, tuple[dict[str, int], dict[str, int]]] = {}  # by beginning: whole ends, and parts of them
    for number in sorted(range(len(ends)), key=lambda number: len(ends[number][0])):
        head, tail = ends[number]
        parts = [tail[at:] for at in range(len(tail) + 1)]
        for at in range(len(head) + 1):
            tails, of_tails = found.get(head[:at], ({}, {}))
            meets = [of_tails[tail]] if tail in of_tails else [tails[part] for part in parts if part in tails]
            if meets:
                return meets[0], number
        tails, of_tails = found.setdefault(head, ({}, {}))
        tails[tail] = number
        of_tails.update(dict.fromkeys(parts, number))
    return None


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
    with lock(experiment) as place, _program_lock(place, experiment) as held:
        if experiment.is_saved():
            return
        folder, saved = place / _FILES, place / _SAVED
        if (saved / _FILES).exists():  # an attempt was killed while it saved
            (saved / _FILES).rename(folder)
        shutil.rmtree(saved, ignore_errors=True)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            for name in (_IDENTITY, _ENDED):
                (place / name).unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        made = hashes_of({"script": command})
        _check_identity(place, {**made, "command": command.filled(index, "{folder}")})
        if not (place / _ENDED).exists():
            about = _run(experiment, command, index, folder, held)
            with atomic_write(place / _ENDED) as unfinished:
                write_json(unfinished, about)
        about = json.loads((place / _ENDED).read_text(encoding="utf-8"))
        path = command.results(index, folder, (place / _IDENTITY).stat().st_mtime)
        results, history = summary_of(path)
        then = {f"submitted_{name}": value for name, value in (submitted or {}).items()}
        about["provenance"] = {**made, **provenance(code), "memory_mb": about.pop("memory_mb"), **then}
        about |= {
            "source": shlex.join(command.filled(index, "{folder}")),
            "results_file": str(Path(_FILES, path.relative_to(folder)) if path.is_relative_to(folder) else path),
            "index": index,
        }
        results = {f"program {key}" if key in {*about, "experiment"} else key: each for key, each in results.items()}
        try:
            saved.mkdir()
            write_history(saved / "history.csv", history)
            write_json(saved / "results.json", plain({**results, **about}))
            write_json(
                saved / "parameters.json", {"parameters": experiment.parameters, "defaults": experiment.defaults}
            )
            folder.rename(saved / _FILES)
            swap(saved, experiment.folder)
        except OSError as error:
            raise RunError(
                f"{experiment.name} has run, but could not be saved in {experiment.folder.parent}: "
                f"{error.strerror or error}. Make room and run this again: nothing is run a second time."
            ) from error
        shutil.rmtree(place)


@contextmanager
def _program_lock(place: Path, experiment: Experiment) -> Iterator[int]:
    """Lock the place for a program, which is handed the lock and keeps it while it runs, should this process be killed.

    Yields:
        The descriptor of the lock.

    Raises:
        RunError: a program that was begun there runs still.
    """
    try:
        with locked(place / _PROGRAM) as held:
            yield held
    except LockedError as error:
        raise RunError(
            f"{error} runs {experiment.name} still, though what began it was killed. Wait, or end it on that machine: "
            "kill -- -NUMBER, with a minus before its number for all that it has begun."
        ) from None


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
            found = json.loads(path.read_text(encoding="utf-8-sig"))  # some programs begin with a mark
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
        if (module, name) == ("_codecs", "encode"):  # so protocol 2 has bytes
            return _latin1
        module = module.replace("numpy.core.", "numpy._core.").replace("__builtin__", "builtins")  # as earlier ones say
        if name not in _PLAIN.get(module, ()):
            raise RunError(
                f"holds {module}.{name}. A pickle can run any code, so only numbers, texts, lists, dictionaries and "
                "NumPy arrays are read from one. Convert what else there is, or write JSON."
            )
        return super().find_class(module, name)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise RunError(f"holds a text in {encoding}. Write it by protocol 3 or later, or write JSON.")
    return text.encode(encoding)


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


def _run(experiment: Experiment, command: OwnCommand, index: int, folder: Path, held: int) -> dict[str, Any]:
    """Run a command, which keeps the lock `held`; return how long it took, and the most memory that it had."""
    words = command.words(index, folder)
    print(f"$ {shlex.join(words)}", flush=True)
    began, at = time.monotonic(), time.time()
    try:
        process = subprocess.Popen(
            words, cwd=command.home, env=command.environment, start_new_session=True, pass_fds=[held]
        )
    except OSError as error:
        raise RunError(f"{words[0]!r} cannot be run: {error.strerror or error}.") from error
    is_ended = threading.Event()

    def end() -> str:
        is_ended.set()
        _end_group(process.pid)
        return f"{experiment.name} was ended; the same command runs it again, with the same {{folder}}: {folder}."

    def has_written() -> bool:
        return any(path.stat().st_mtime >= at for path in folder.rglob("*") if path.is_file())

    with on_preemption(end, has_written, advice=_ADVICE), ThreadPoolExecutor(1) as waiter:
        try:
            (folder.parent / _PROGRAM).write_text(f"Process {process.pid} on {socket.gethostname()}", encoding="utf-8")
            _, status, used = waiter.submit(os.wait4, process.pid, 0).result()
            if is_ended.is_set():
                time.sleep(2 * PATIENCE)  # the thread that ended it ends this process too
        except BaseException:  # Ctrl-C, a full disk
            end()
            raise
    status = process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        told = f"status {status}" if status > 0 else f"signal {-status}"
        raise RunError(f"the command of {experiment.name} ended with {told}; what it wrote stands above.")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return {"seconds": round(time.monotonic() - began, 1), "memory_mb": round(used.ru_maxrss * unit / 2**20)}


def _end_group(number: int) -> None:
    """Ask all processes of a group to end, and kill those that have not after `PATIENCE`."""
    with suppress(ProcessLookupError, PermissionError):  # none is left; macOS says so of those that have just ended
        try:
            os.killpg(number, signal.SIGTERM)
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                os.killpg(number, 0)  # only asks
                time.sleep(0.05)
        finally:
            os.killpg(number, signal.SIGKILL)


def _check_identity(place: Path, identity: Mapping[str, Any]) -> None:
    """Check that an earlier attempt that left something ran the same command on the same files; note it for the next.

    The note is as old as the first attempt of this command.
    """
    path = place / _IDENTITY
    then = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if then == identity:
        return
    is_begun = (place / _ENDED).exists() or any((place / _FILES).iterdir())
    if then and is_begun:
        raise RunError(
            f"{place} holds an attempt that began with another "
            f"{', '.join(differing(then, identity)).replace('SHA-256 of ', '')}. Make it as it was, or begin anew: "
            "--fresh, or remove that folder."
        )
    with atomic_write(path) as unfinished:
        write_json(unfinished, identity)


def _module_of(words: Sequence[str]) -> str:
    """Return the module that Python is to run by -m; "" where it is to run a file.

    >>> _module_of(["-u", "-m", "my.module", "-m"]), _module_of(["-W", "error", "-um", "a"]), _module_of(["a.py", "-m"])
    ('my.module', 'a', '')
    """
    rest = iter(words)
    for word in rest:
        if found := _MODULE.fullmatch(word):
            return found[1] or next(rest, "")
        if word in ("-W", "-X"):  # a value follows
            next(rest, None)
        elif not word.startswith("-") or word.startswith("-c"):
            break
    return ""


def _files_of_module(folder: Path, name: str) -> list[Path]:
    """Return the Python files of a module in a folder: its own, or all of its package; none if it is not there."""
    path, package = folder.joinpath(*name.split(".")), folder / name.partition(".")[0]
    file = path.with_name(f"{path.name}.py")
    if path == package and _is_file(file) and not _is_file(package / "__init__.py"):  # a folder beside it is none
        return [file]
    return sorted(package.rglob("*.py")) if _is_file(file) or _is_file(path / "__main__.py") else []


@lru_cache
def _fields(word: str) -> Sequence[str]:
    """Return the names in braces of a word."""
    return [name for _, name, _, _ in string.Formatter().parse(word) if name is not None]


def _varies(word: str) -> bool:
    """Return whether a word is another in each experiment, whatever its parameters are."""
    return not {INDEX, FOLDER}.isdisjoint(_fields(word))


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


def _filled(word: str, values: Mapping[str, Value], formatter: string.Formatter | None = None) -> list[str]:
    """Fill a word in; one that is a list alone becomes a word for each of its values.

    Raises:
        RunError: a value cannot be written as the word asks.
    """
    if (
        formatter is None
        and (name := word[1:-1]) in values
        and word == f"{{{name}}}"
        and isinstance(values[name], list)
    ):
        return list(map(str, values[name]))
    texts = {key: ",".join(map(str, each)) if isinstance(each, list) else each for key, each in values.items()}
    try:
        return [(formatter or string.Formatter()).vformat(word, (), texts)]
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"{word!r} in [script] cannot be filled in: {message_of(error)}.") from error


def _is_file(path: Path) -> bool:
    with suppress(OSError, ValueError):  # too long a name, say, so none
        return path.is_file()
    return False
