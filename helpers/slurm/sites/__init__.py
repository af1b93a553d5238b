"""What a cluster wants to read in each script, and scripts written for a student to read, change and submit by hand.

Partitions, modules and the environment stand in one small file for each site: `plain.toml` is for any Slurm,
`oscer.toml` the worked example. A student's own file is `~/.config/course/site.toml`.
"""

import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from helpers.errors import CourseError, UsageError, nearest
from helpers.files import absolute, atomic_write

ROOT = Path(__file__).resolve().parents[3]
STAMP = ROOT / ".venv/course-stamp"  # written by the script `course`; its first word is cpu or gpu
WANTED = ("account", "qos", "constraint", "exclude", "reservation")  # options that a request names as `sbatch` does
_UNITS = {"K": 1 / 1024, "M": 1, "": 1, "G": 1024, "T": 1024**2}  # megabytes; without a unit Slurm takes megabytes
PASSED_ON = ("COURSE_DATA", "COURSE_EXPERIMENTS")  # variables that name folders, joined by ":"
_SHIPPED = Path(__file__).parent
_OPTION = re.compile(r"--[a-z][a-z-]*(=\S.*)?")
# What the course writes into each script; `account` and others have fields of their own.
_OURS = (
    *("array", "job-name", "output", "open-mode", "signal", "requeue", "dependency"),
    *("time", "mem", "cpus-per-task", "nodes", "ntasks-per-node", "partition", "mail-user", "mail-type"),
)
# What stands in an option as it is, and so must be one word of a kind. What else there is, is quoted.
_FORMS = {
    "memory": (r"\d+[KMGTkmgt]?", "a whole number with a unit, such as 16G"),
    "partition": (r"[\w.+-]*(,[\w.+-]+)*", "the name of a partition, or several with commas between them"),
    "gpu_partition": (r"[\w.+-]*(,[\w.+-]+)*", "the name of a partition, or several with commas between them"),
    "gpu_type": (r"[\w.-]*", "a kind of GPU, such as a100"),
    "mail": (r"[\w.+@-]*", "an address, such as me@ou.edu"),
}
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # a line break would begin a line of a script: a command


class ClusterError(CourseError):
    """Something that a cluster, a site file or a request does not admit. The message says what to do."""


class UnknownSiteError(ClusterError, UsageError):
    """A site that is named, and not there."""


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Args:
        time: at most so long, `hours:minutes:seconds` or `days-hours:minutes:seconds`.
        memory: of each node, such as "16G".
        cores: CPU cores of each node.
        gpus: GPUs of each node.
        gpu_type: kind of GPU, such as "a100"; empty for any.
        nodes: that train one experiment together, each with a worker of its own.
        at_once: elements of an array that may run at the same time.
        partition: queue; empty for that of the site.
        account: that is charged; empty for your usual one. So with what follows, up to `dependency`.
        qos: quality of service.
        constraint: features that nodes must have, such as "avx512".
        exclude: nodes to keep away from.
        reservation: that was made for a class.
        dependency: of the training on other jobs, such as "afterok:1234".
        mail: where Slurm writes when the job has ended or failed; empty for nowhere.
        stage: folder of patches to copy to the disk of the node first; empty for none.
    """

    time: str = "02:00:00"
    memory: str = "8G"
    cores: int = 2
    gpus: int = 0
    gpu_type: str = ""
    nodes: int = 1
    at_once: int = 20
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    exclude: str = ""
    reservation: str = ""
    dependency: str = ""
    mail: str = ""
    stage: str = ""


@dataclass(frozen=True)
class Site:
    """A cluster.

    Args:
        name: how the file is called.
        request: what jobs ask for unless told otherwise.
        partition: queue for jobs; empty for Slurm's default.
        gpu_partition: queue for jobs with GPUs, if it is another one.
        gpu: option that asks for GPUs, with `{gpus}` for their number, and the type before it where one is asked for.
        sbatch: more options for each script, none of which the course writes itself.
        setup: shell lines that bring Python into reach: modules, conda.
        course: how the course is called from its folder.
        login: where a laptop can reach the cluster.
        ssh_to_nodes: whether `ssh` leads on to a node on which a job of ours runs. Then JupyterLab listens to that node
            alone; else to the whole cluster, with its token as the only lock.
    """

    name: str
    request: Request
    partition: str = ""
    gpu_partition: str = ""
    gpu: str = "--gres=gpu:{gpus}"
    sbatch: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    course: str = "./course"
    login: str = ""
    ssh_to_nodes: bool = True


def own_site_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a student's own site file is looked for."""
    return Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "course/site.toml"


def load_site(name: str | None = None) -> Site:
    """Read a site file.

    Args:
        name: "plain", "oscer", or the path of a `.toml` file. Default: the variable `COURSE_SITE`, else the student's
            own file, else "plain".

    Raises:
        ClusterError: there is no such file, or it says what no site has.
    """
    own = own_site_file()
    name = name or os.environ.get("COURSE_SITE") or (str(own) if own.exists() else "plain")
    path = _SHIPPED / f"{name}.toml" if "/" not in name and not name.endswith(".toml") else Path(name).expanduser()
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except FileNotFoundError:
        shipped = sorted(each.stem for each in _SHIPPED.glob("*.toml"))
        near = nearest(name, shipped)
        raise UnknownSiteError(
            f"there is no site {name!r}.{near} Name {', '.join(shipped)} or a file of your own, such as {own}."
        ) from None
    except (OSError, ValueError) as error:  # neither TOML nor even text, or not to be read
        raise ClusterError(f"{path} is not a TOML file: {error}.") from error
    return _site(path, settings)


def _option(key: str) -> str:
    return f"option --{key.replace('_', '-')}"


def merge(request: Request, settings: Mapping[str, Any], where: Callable[[str], str] = _option) -> Request:
    """Ask for something else than before.

    Args:
        request: what was asked for before.
        settings: fields of a request and their new values.
        where: returns where a setting stands, for messages; by default it is an option of the command line.

    Raises:
        ClusterError: a request has no such field, or the value is of another type, too small, or not one line.
    """
    _validate(settings, Request, where=where)
    return replace(request, **settings)


def with_stage(request: Request, folder: Path) -> Request:
    """Return a request whose `stage` is a whole path, seen from `folder`; `~` and variables are written out."""
    stage = request.stage and str(folder / Path(os.path.expandvars(request.stage)).expanduser())
    return replace(request, stage=stage)


def _site(path: Path, settings: Mapping[str, Any]) -> Site:
    from helpers.experiments.validation import place_in

    own = {each.name for each in fields(Site)} - {"name", "request"}
    about = {key: value for key, value in settings.items() if key in own}
    _validate(settings, Request, Site, where=lambda key: place_in(path, key))
    request = replace(Request(), **{key: settings[key] for key in settings.keys() - own})
    return Site(path.stem, with_stage(request, path.absolute().parent), **about)


def _validate(settings: Mapping[str, Any], *classes: type, where: Callable[[str], str]) -> None:
    """Raise a ClusterError if a setting is none of the classes' fields, or its value does not fit."""
    from pydantic import AfterValidator, NonNegativeInt, PositiveInt  # not before a verb needs it: help does without

    from helpers.experiments.validation import validate

    line: Any = Annotated[str, AfterValidator(_one_line)]
    stands_for = {str: line, list[str]: list[line], int: PositiveInt, bool: bool}
    every = [each for kind in classes for each in fields(kind)]
    types = {each.name: stands_for[each.type] for each in every if each.type in stands_for and each.name != "name"}
    for name in types.keys() & _FORMS.keys():
        types[name] = Annotated[line, AfterValidator(partial(_of_form, name))]
    if Site in classes:
        option: Any = Annotated[line, AfterValidator(_option_of)]
        types |= {"gpu": Annotated[line, AfterValidator(_gpu)], "sbatch": list[option]}
    validate(settings, {**types, "gpus": NonNegativeInt}, where, wrong=ClusterError, unknown=ClusterError)


def _one_line(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("text on one line, without control characters")
    return text


def _of_form(name: str, text: str) -> str:
    pattern, told = _FORMS[name]
    if not re.fullmatch(pattern, text):
        raise ValueError(told)
    return text


def _gpu(text: str) -> str:
    try:
        written = text.format(gpus=1)
    except (LookupError, ValueError):
        written = ""
    if not _OPTION.fullmatch(written) or "{gpus}" not in text:
        raise ValueError('an option with {gpus} for the number, such as "--gres=gpu:{gpus}"')
    return text


def _option_of(text: str) -> str:
    if not _OPTION.fullmatch(text):
        raise ValueError('an option of sbatch, such as "--container=el9hw"')
    if (name := text[2:].partition("=")[0]) in _OURS:
        raise ValueError(f"an option that the course does not write itself, as it does --{name}")
    return text


# ---- scripts ----


def script(heading: str, options: Mapping[str, str], blocks: Iterable[str]) -> str:
    """Put a script together.

    Args:
        heading: what it is, in one line.
        options: of `sbatch`, each with what it means, or "".
        blocks: shell code; between two of them stays an empty line.

    Raises:
        ClusterError: a line break or another control character is in the heading or an option.
    """
    if strange := next(filter(CONTROL.search, (heading, *options, *options.values())), None):
        raise ClusterError(
            f"{strange!r} would stand in a script for Slurm, which takes no control characters there. Give the file or "
            "folder that it names another name."
        )
    width = max(len(option) for option, meaning in options.items() if meaning)
    lines = [
        f"#SBATCH {option:{width}}  # {meaning}" if meaning else f"#SBATCH {option}"
        for option, meaning in options.items()
    ]
    return "\n".join(["#!/bin/bash", f"# {heading}", *lines, "", *blocks])


def write_script(path: Path, text: str) -> Path:
    """Write a script, and make the folder that its logs go to: Slurm makes none, and drops the logs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def log_option(folder: Path, name: str) -> str:
    """Return the option that names the log.

    Args:
        folder: where it is kept.
        name: of the file, with Slurm's patterns, such as "%A_%a.log".

    Raises:
        ClusterError: the folder's name has a backslash, behind which Slurm knows no pattern.
    """
    if "\\" in str(folder):
        raise ClusterError(f"{folder} has a backslash in its name: Slurm would write no log there. Rename the folder.")
    return "--output=" + shlex.quote(f"{folder}/".replace("%", "%%") + name)


def resources(request: Request, site: Site) -> dict[str, str]:
    """Return the options of `sbatch` that ask for time, cores, memory and GPUs, and what else the site wants."""
    partition = partition_of(request, site)
    several = {f"--nodes={request.nodes}": "", "--ntasks-per-node=1": "each node is a worker"}
    options = {
        **(several if request.nodes > 1 else {}),
        f"--time={request.time}": "at most; short jobs start sooner",
        f"--cpus-per-task={request.cores}": "",
        f"--mem={request.memory}": "of each node",
    }
    gpus = f"{request.gpu_type}:{request.gpus}" if request.gpu_type else request.gpus
    options |= {site.gpu.format(gpus=gpus): ""} if request.gpus else {}
    options |= {f"--partition={partition}": ""} if partition else {}
    options |= dict.fromkeys(site.sbatch, f"wanted by {site.name}")  # of two alike, Slurm takes the last
    options |= {f"--{name}={shlex.quote(value)}": "" for name in WANTED if (value := getattr(request, name))}
    return options | ({f"--mail-user={request.mail}": "", "--mail-type=END,FAIL": ""} if request.mail else {})


def partition_of(request: Request, site: Site) -> str:
    """Return the partition in which a job will wait; "" for Slurm's default."""
    return request.partition or (request.gpus and site.gpu_partition) or site.partition


def environment(site: Site) -> str:
    """Return the block that brings Python and the course into reach."""
    passed = [f"export {name}={shlex.quote(absolute(os.environ[name]))}" for name in PASSED_ON if os.environ.get(name)]
    return "\n".join([*site.setup, *passed, f"cd {shlex.quote(str(ROOT))}", ""])


def check_environment(request: Request, site: Site) -> None:
    """Check that jobs with GPUs find an environment that uses them: training on the CPU would go unnoticed for hours.

    Raises:
        ClusterError: the environment of `./course` is one for the CPU. What another course command uses is not known.
    """
    if not request.gpus or site.course != Site.course:
        return
    flavour = STAMP.read_text(encoding="utf-8").partition(" ")[0] if STAMP.exists() else "cpu"
    if flavour != "gpu":
        raise ClusterError(
            f"the jobs ask for GPUs ({request.gpus} of each node), and the environment here is one for the CPU. Make "
            "the other one, once: ./course setup --gpu (8 GB; no job may be using this one). Or do without: --gpus 0."
        )


def seconds_of(time: str) -> int:
    """Return how many seconds a time limit is.

    Raises:
        ClusterError: it is not `hours:minutes:seconds` or `days-hours:minutes:seconds`, or no time at all.

    >>> seconds_of("1-02:00:30")
    93630
    """
    parts = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", time)
    if not parts:
        raise ClusterError(
            f"the time {time!r} is not hours:minutes:seconds, such as 04:00:00, or days before it: 1-12:00:00."
        )
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    found = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not found:
        raise ClusterError(f"the time {time} would be no limit for Slurm. Ask for as long as a job may take: 04:00:00.")
    return found


def megabytes_of(memory: str) -> float | None:
    """Return how many megabytes Slurm means; None if that is no amount.

    >>> megabytes_of("16G"), megabytes_of("512000K"), megabytes_of("")
    (16384.0, 500.0, None)
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", memory, re.IGNORECASE)
    return float(parts[1]) * _UNITS[parts[2].upper()] if parts else None
