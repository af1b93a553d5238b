"""Read lock files and hold them against requirements: read_lock, pins_for, unmet. Used by test_environment."""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(r"[A-Za-z0-9._-]+==[^;\s]+( ; .+)?")
MACHINES = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))


def read_lock(path: Path) -> list[Requirement]:
    """Return the pins of a lock file.

    Raises:
        ValueError: a line is more than a name, an exact version and a marker: a host, a path, an option, a range.
    """
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        if not PIN.fullmatch(line):
            raise ValueError(f"{path.name} holds {line!r}; wanted name==version. Write it with `./course lock`.")
    return [Requirement(line) for line in lines]


def machines(*systems: str) -> Iterator[dict[str, str]]:
    """Yield the marker variables of every Python and machine that the course is for, on the systems named."""
    for python, (system, processor) in itertools.product(("3.11", "3.12", "3.13"), MACHINES):
        if system in systems:
            yield {
                "python_version": python,
                "python_full_version": f"{python}.7",
                "sys_platform": system,
                "platform_machine": processor,
                "platform_system": system.capitalize(),
                "os_name": "posix",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                "extra": "",
            }


def applies(requirement: Requirement, machine: dict[str, str] | None) -> bool:
    """Tell whether a requirement holds on a machine; None is this one."""
    return requirement.marker is None or requirement.marker.evaluate(machine)


def pins_for(lock: Iterable[Requirement], machine: dict[str, str] | None) -> dict[str, str]:
    """Return name -> version on a machine; None is this one.

    Raises:
        ValueError: a package has two versions on the same machine.
    """
    pins: dict[str, str] = {}
    for pin in filter(lambda pin: applies(pin, machine), lock):
        if canonicalize_name(pin.name) in pins:
            raise ValueError(f"two versions of {pin.name} on {machine}. Write the lock with `./course lock`.")
        pins[canonicalize_name(pin.name)] = next(iter(pin.specifier)).version
    return pins


def unmet(requirements: Iterable[str], pins: dict[str, str], machine: dict[str, str] | None) -> list[str]:
    """Return the requirements that hold on a machine and that the pins do not meet."""
    wanted = [requirement for requirement in map(Requirement, requirements) if applies(requirement, machine)]
    versions = [pins.get(canonicalize_name(requirement.name)) for requirement in wanted]
    return [str(r) for r, version in zip(wanted, versions, strict=True) if not version or version not in r.specifier]
