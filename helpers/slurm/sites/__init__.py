"""What a cluster wants to read in each script: partitions, modules, the environment. One small file for each site.

`plain.toml` is for any Slurm, `oscer.toml` the worked example. A student's own file is `~/.config/course/site.toml`.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

from helpers.errors import CourseError, UsageError, nearest

_SHIPPED = Path(__file__).parent
_OPTION = re.compile(r"--[a-z][a-z-]*(=\S.*)?")
# What the course writes into each script; `account` and others have fields of their own.
_OURS = (
    *("array", "job-name", "output", "open-mode", "signal", "requeue", "dependency"),
    *("time", "mem", "cpus-per-task", "nodes", "ntasks-per-node", "partition", "mail-user", "mail-type"),
)
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


def _site(path: Path, settings: Mapping[str, Any]) -> Site:
    from helpers.experiments.validation import place_in

    own = {each.name for each in fields(Site)} - {"name", "request"}
    about = {key: value for key, value in settings.items() if key in own}
    _validate(settings, Request, Site, where=lambda key: place_in(path, key))
    return Site(path.stem, replace(Request(), **{key: settings[key] for key in settings.keys() - own}), **about)


def _validate(settings: Mapping[str, Any], *classes: type, where: Callable[[str], str]) -> None:
    """Raise a ClusterError if a setting is none of the classes' fields, or its value does not fit."""
    from pydantic import AfterValidator, NonNegativeInt, PositiveInt  # not before a verb needs it: help does without

    from helpers.experiments.validation import validate

    line: Any = Annotated[str, AfterValidator(_one_line)]
    stands_for = {str: line, list[str]: list[line], int: PositiveInt, bool: bool}
    every = [each for kind in classes for each in fields(kind)]
    types = {each.name: stands_for[each.type] for each in every if each.type in stands_for and each.name != "name"}
    if Site in classes:
        option: Any = Annotated[line, AfterValidator(_option_of)]
        types |= {"gpu": Annotated[line, AfterValidator(_gpu)], "sbatch": list[option]}
    validate(settings, {**types, "gpus": NonNegativeInt}, where, wrong=ClusterError, unknown=ClusterError)


def _one_line(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("text on one line, without control characters")
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
