"""What a kernel sees: the command of bubblewrap that shuts it in, and its environment.

Python, the package `helpers` and the data can be read; nothing else of this machine is there: no course, no gradebook,
no other student, no home, no network. /tmp and the working folder are in memory, bounded, and gone afterwards.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import helpers
from helpers.data.fetch import COURSE_ROOT, data_folders
from helpers.grading.faults import GradingError

HOME = "/home/student"
WORK = f"{HOME}/homework"
OLDEST = (0, 7)  # the first that bounds its memory file systems
TMP_MB = 1024
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_LINKED = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
_KEPT = ("KERAS_BACKEND", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def find() -> str:
    """Return the path of bubblewrap.

    Raises:
        GradingError: it is not here, is too old, or this system does not let it work.
    """
    program = shutil.which("bwrap")
    remedy = "On Debian and Ubuntu: sudo apt install bubblewrap. Or grade without a sandbox: --unsafe"
    if program is None:
        raise GradingError(f"submissions run in a sandbox, and bubblewrap is not installed. {remedy}")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = tuple(map(int, re.findall(r"\d+", version)))
    if numbers < OLDEST:
        raise GradingError(f"{program} is version {version.strip()}; wanted 0.7 or newer. {remedy}")
    trial = [program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GradingError(f"bubblewrap does not work here: {done.stderr.strip()}. {remedy}")
    return program


def command(program: str, run: Path, files: Mapping[str, Path]) -> list[str]:
    """Return the command that a program to be shut in is appended to.

    Args:
        program: bubblewrap.
        run: the folder of this kernel with its connection file, seen under the same name; sockets go there.
        files: what lies in the working folder, by name; can be read, not changed.
    """
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--uid", "1000", "--gid", "1000"]
    options += ["--cap-drop", "ALL", "--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", HOME, WORK):
        options += ["--size", str(TMP_MB << 20), "--tmpfs", folder]
    options += [*_system(), *_course(), "--bind", str(run), str(run)]
    for name, path in files.items():
        options += ["--ro-bind", str(path), f"{WORK}/{name}"]
    options += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", WORK, "--clearenv"]
    for name, value in environment().items():
        options += ["--setenv", name, value]
    return [program, *options]


def environment() -> dict[str, str]:
    """Return all environment variables of a kernel: nothing of ours that it does not need."""
    given = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if folders := [str(folder.absolute()) for folder in data_folders() if folder.is_dir()]:
        given["COURSE_DATA"] = os.pathsep.join(folders)  # ours, as they are called inside
    return {
        "HOME": HOME,
        "USER": "student",
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",  # a numpy.py beside the notebook is not NumPy
        "NBGRADER_EXECUTION": "autograde",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "COURSE_OFFLINE": "1",
        **given,
    }


def _system() -> Iterator[str]:
    """Yield the options that show programs and libraries; where /bin is a link to /usr/bin, it is one inside too."""
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))
    for name in _LINKED:
        yield from ("--ro-bind-try", name, name)


def _course() -> Iterator[str]:
    """Yield the options that show Python, `helpers`, the registry of data and the data: no notebook, no test."""
    seen = [Path(sys.base_prefix), Path(sys.prefix), Path(helpers.__file__).parent]
    for path in [*seen, COURSE_ROOT / "datasets" / "registry.toml", *data_folders()]:
        yield from ("--ro-bind-try", str(path.absolute()), str(path.absolute()))
