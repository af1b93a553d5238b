"""Run files: one readable file says what is trained, and a list in it makes a sweep. Used by `course train`.

    [data]       name = "chesapeake", and how it is split and cut; or source = "my_data.py:open", a function of your own
    [model]      name = "unet", and options of its builder; or build = "my_models.py:build"
    [training]   epochs, batch_size, learning_rate, …
    [script]     in place of [data] and [model], a program of your own: command = "python train.py --lr {lr}"
    [sweep]      a parameter of the tables above = [values]; every combination is one experiment. Models are swept as
                 model = ["dense_vae", "aerial_vae"], and [model] then has no name; a run is on one data set
    [cluster]    what its jobs ask for: read by `course cluster submit`, passed over here

Parameters have one name in all tables; what [data] and [model] call `name`, or `source` and `build`, is called `data`
and `model` elsewhere.
Nothing here imports Keras, so that a login node answers at once.
"""

import itertools
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from helpers.errors import CourseError, UsageError
from helpers.experiments import Experiment, UnreadableError, experiments_folder
from helpers.experiments.own_code import EXAMPLE, is_own
from helpers.experiments.validation import place_in, validate
from helpers.files import names_in

TABLES = ("data", "model", "training", "script")
NAMED = {"data": "chesapeake", "model": "unet"}  # tables that say which, and an example
OWN = {"data": "source", "model": "build"}  # what names a function of your own there, in place of `name`
SCRIPT = {"command": str, "results": str}
SUBMISSION = "submission.json"  # lies beside a run file that was frozen when it was submitted: jobs/LABEL/N/RUN.toml
STAND_IN = "STAND-IN"  # stands before the source of results on made-up data


class RunError(CourseError):
    """A run file that cannot be used, or a training that cannot begin or go on. The message says what to do."""


class UnknownRunError(RunError, UsageError):
    """A run file that is not there, or a parameter, value or index that it does not admit."""


@dataclass(frozen=True)
class Run:
    """What a run file describes.

    Attributes:
        name: of the run, under which its experiments are kept: the file's name, or what it says under `run`.
        experiments: every combination of the sweep; the last parameter of [sweep] changes fastest.
        cluster: the table [cluster] as it stands.
        where: returns where a parameter was set, for messages: the file and the line, or an override.
        overridden: the parameters that overrides have set.
    """

    name: str
    experiments: list[Experiment]
    cluster: Mapping[str, Any] = field(default_factory=dict)
    where: Callable[[str], str] = field(default=lambda parameter: "", compare=False)
    overridden: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def has_script(self) -> bool:
        """Whether a program of your own is run in place of the course's training."""
        return "script" in self.experiments[0].parameters

    @contextmanager
    def at_home(self) -> Iterator[None]:
        """Work in the folder of the run file within the block: relative paths of your code begin there, in jobs too."""
        beside = self.experiments[0].beside
        with chdir(home_of(beside / "run.toml") if beside else "."):
            yield

    def missing(self) -> list[int]:
        """List the indices of the experiments that have not finished.

        Raises:
            FileExistsError: the run holds experiments of another version of the file.
        """
        there = set(names_in(experiments_folder() / self.name))  # one look, for all that are not there at all
        return [index for index, each in enumerate(self.experiments) if each.name not in there or not _is_saved(each)]


def read_run(path: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Read a run file.

    Args:
        path: the file.
        overrides: `"epochs=2"` sets a parameter, one that is swept too, which then has this one value;
            `"sweep.fold=[0, 1]"` sweeps one. Values as in TOML; a bare word is a text.

    Raises:
        RunError: no such file, not TOML, or not a run file; or an override that is none.
    """
    path = Path(path)
    whole = path.absolute()  # whoever asks where something stands may work elsewhere by then
    tables = _read(path)
    sweep, cluster = tables.pop("sweep", {}), tables.pop("cluster", {})
    name = str(tables.pop("run", path.stem))
    defaults = _flat(tables, str(path))
    if twice := sorted(defaults.keys() & sweep.keys()):
        raise RunError(f"{path}: {', '.join(twice)} stands in [sweep] and in a table above. Leave one of the two.")
    chosen = dict(defaults)
    for override in overrides:
        _apply(override, chosen, sweep)
    if "script" not in tables:  # of which a program of your own knows nothing
        _check_names(chosen, sweep)
    by_override = {override.partition("=")[0].strip().removeprefix("sweep."): override for override in overrides}

    def where(parameter: str) -> str:
        keys = [f"{table}.{parameter}" for table in (*TABLES, "sweep")]
        keys += [f"{parameter}.{which}" for which in (*_which(parameter), "command")]
        return by_override.get(parameter) or place_in(whole, *keys)

    experiments = _experiments(name, chosen, sweep, defaults, whole.parent)
    return Run(name, experiments, cluster, where, frozenset(by_override))


def is_frozen(path: Path) -> bool:
    """Return whether a run file is the copy that `course cluster submit` keeps, from which jobs train."""
    folder = path.absolute().parent
    return folder.parent.parent.name == "jobs" and (folder / SUBMISSION).exists()


def home_of(path: Path) -> Path:
    """Return the folder where relative paths in a run file begin: its own, or that of the file it is a copy of."""
    folder = path.absolute().parent
    return folder.parents[2] if is_frozen(path) else folder


def array_string(indices: Iterable[int]) -> str:
    """Write indices as `sbatch --array` takes them.

    >>> array_string([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    groups: list[list[int]] = []
    for index in sorted(indices):
        if groups and index == groups[-1][-1] + 1:
            groups[-1].append(index)
        else:
            groups.append([index])
    return ",".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)


def _is_saved(experiment: Experiment) -> bool:
    """Return whether an experiment is there; one that cannot be read has to be trained again."""
    try:
        return experiment.is_saved()
    except UnreadableError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except FileNotFoundError:
        raise UnknownRunError(f"There is no run file {path}. lectures/runs/ has those of the lectures.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error
    tables = {**dict.fromkeys((*TABLES, "sweep", "cluster"), dict), "run": Any}
    validate(found, tables, partial(place_in, path), wrong=RunError, unknown=RunError)
    if "script" in found:
        _check_script(path, found)
    for table, example in NAMED.items() if "script" not in found else ():
        said = {key: found.get(table, {}).get(key) for key in _which(table) if key in found.get(table, {})}
        own = OWN[table]
        if table not in found.get("sweep", {}) and not all(isinstance(said.get(key), str) for key in said or ["name"]):
            hint = f'name = "{example}", or {own} = "{EXAMPLE[table]}" for one of your own'
            raise RunError(f"{path}: [{table}] must say which: {hint}.")
        if len(said) > 1:
            raise RunError(f"{path}: [{table}] has name and {own}. Leave one of the two.")
        if own in said and not is_own(said[own]):
            raise RunError(
                f"{place_in(path, f'{table}.{own}')}: {own} names a function in a file: {EXAMPLE[table]!r}; received "
                f"{said[own]!r}. One of the course goes by its name: name = {said[own]!r}."
            )
    return found


def _check_script(path: Path, found: Mapping[str, Any]) -> None:
    """Check the tables of a run of a program of your own."""

    def where(key: str) -> str:
        return place_in(path, f"script.{key}")

    validate(found["script"], SCRIPT, where, wrong=RunError, unknown=RunError)
    if "command" not in found["script"]:
        raise RunError(f'{path}: [script] must say what is run: command = "python train.py --lr {{lr}}".')
    if others := sorted(found.keys() & NAMED.keys()):
        raise RunError(f"{path}: a program of your own takes no [{'] and no ['.join(others)}]: leave them out.")
    names = [*found.get("training", {}), *found.get("sweep", {})]
    if taken := sorted({"index", "folder", "script", "command", "results"}.intersection(names)):
        raise RunError(
            f"{path}: {', '.join(taken)} has a meaning of its own in [script]: give the parameter another name."
        )


def _which(table: str) -> tuple[str, ...]:
    """Return the keys by which a table says which data or model."""
    return ("name", OWN[table]) if table in NAMED else ()


def _flat(tables: Mapping[str, Mapping[str, Any]], path: str) -> dict[str, Any]:
    """Put the parameters of all tables side by side."""
    found: dict[str, Any] = {}
    for table, parameters in tables.items():
        for key, value in parameters.items():
            parameter = table if key in _which(table) or (table, key) == ("script", "command") else key
            if parameter in found:
                raise RunError(f"{path}: {parameter!r} stands in two tables. Leave one of the two.")
            found[parameter] = value
    return found


def _apply(override: str, chosen: dict[str, Any], sweep: dict[str, Any]) -> None:
    """Set or sweep the parameter that an override names."""
    name, equals, text = (part.strip() for part in override.partition("="))
    parameter = name.removeprefix("sweep.")
    if not equals or not parameter.isidentifier():
        raise UnknownRunError(f"{override!r} sets nothing. Write epochs=2, or 'sweep.fold=[0, 1]' for a sweep.")
    target, other = (sweep, chosen) if name.startswith("sweep.") else (chosen, sweep)
    target[parameter] = _value(text)
    other.pop(parameter, None)


def _check_names(chosen: Mapping[str, Any], sweep: Mapping[str, Any]) -> None:
    """Check that `name` stands where it says of what, and that there is one data set, whose results can be compared."""
    places = {"name": "[data] and in [model]", **{word: f"[{table}]" for table, word in OWN.items()}}
    for word, place in places.items():
        if word in chosen or word in sweep:
            raise RunError(f"{word} says in {place} which one. Elsewhere it has no meaning: write data or model.")
    if "data" in sweep:
        raise RunError("a run is on one data set, for its results to be compared. Write a run file for each data set.")


def _value(text: str) -> Any:
    """Read a value as TOML has it; what is none is a text.

    >>> _value("1e-3"), _value("[0, 1]"), _value("true"), _value("max")
    (0.001, [0, 1], True, 'max')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if re.search(r"^(True|False|None)$|^\[.*\b(True|False|None)\b", text):
            raise RunError(
                f"{text} is Python. TOML writes true and false; for None, leave the parameter out."
            ) from None
        return text


def _has_twice(values: Sequence[Any]) -> bool:
    """Return whether two values are equal: 1 and 1.0 are; true and 1, which Python takes for equal, are not.

    >>> _has_twice([1, True, [1, 2]]), _has_twice([[1, 2], 3, [1.0, 2]])
    (False, True)
    """
    return len(set(map(_comparable, values))) < len(values)


def _comparable(value: Any) -> Any:
    """Return a value as something that a set can hold."""
    if isinstance(value, list):
        return tuple(map(_comparable, value))
    return (isinstance(value, bool), str(value) if isinstance(value, dict) else value)


def _experiments(
    run: str, fixed: Mapping[str, Any], sweep: Mapping[str, Any], defaults: Mapping[str, Any], beside: Path
) -> list[Experiment]:
    for parameter, values in sweep.items():
        if not isinstance(values, list) or not values:
            raise RunError(f"[sweep] wants a list of values, as in {parameter} = [{values}]; received {values!r}.")
    every = [dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())]
    try:
        found = [Experiment(run, {**fixed, **values}, defaults, beside) for values in every]
    except ValueError as error:
        raise RunError(str(error)) from error
    if len({experiment.name for experiment in found}) < len(found) or any(map(_has_twice, sweep.values())):
        told = "has a value twice, such as 1 and 1.0, or two that are written alike"
        raise RunError(f"[sweep] of run {run!r} {told}. Leave one of them.")
    return found
