"""Verbs that hand over to a program: JupyterLab, pytest, the builder of the notebooks. Used by `./course`."""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from helpers.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
FIRST_LECTURE = "lectures/00_start_here.ipynb"
LAB_SETTINGS = ROOT / "helpers" / "lab_settings"  # what JupyterLab does unless a student's own settings say otherwise


def lab(options: argparse.Namespace) -> NoReturn:
    """Open the lectures in JupyterLab."""
    from helpers.data import digits

    with suppress(OSError):  # a data folder that cannot be written: the lectures make the digits in memory
        digits.make_stand_in()
    become(lab_command(options.words, environment=os.environ, is_root=os.geteuid() == 0))


def setup(options: argparse.Namespace) -> int:
    """Say that the environment is ready."""
    print(f"The environment is ready: {sys.prefix}")  # the script `course` has made it
    return 0


def test(options: argparse.Namespace) -> NoReturn:
    """Run the tests."""
    processes = ["-n", str(min(4, os.cpu_count() or 1))]  # each may take 3 GB
    become(["-m", "pytest", *(processes if find_spec("xdist") else []), *options.words])


def build(options: argparse.Namespace) -> NoReturn:
    """Make the notebooks."""
    become(["authoring/notebooks.py", "build", "--root", str(options.root.absolute())])


def check(options: argparse.Namespace) -> NoReturn:
    """Check the notebooks.

    Raises:
        UsageError: something is named; all notebooks are checked, and other verbs check homework and data.
    """
    for word in options.words:
        verb = "homework" if word in {folder.name for folder in (ROOT / "homework").glob("hw*/")} else "data"
        raise UsageError(f"this checks all notebooks, and takes no name. Did you mean ./course {verb} check {word}?")
    become(["authoring/notebooks.py", "check", "--root", str(options.root.absolute())])


def run(options: argparse.Namespace) -> NoReturn:
    """Replace this process by a command; the script `course` does so by itself."""
    os.execvp(options.command, [options.command, *options.words])


def lab_command(arguments: list[str], *, environment: Mapping[str, str], is_root: bool) -> list[str]:
    """Return Python's arguments that start JupyterLab on the first lecture, without news or update pop-ups.

    Args:
        arguments: options of `jupyter lab`; one that sets what we set replaces ours. `--gpu` and `--cpu` are left
            out: the script `course` has seen to them.
        environment: COURSE_NO_BROWSER=1 keeps the browser shut.
        is_root: Jupyter refuses to run as root unless told otherwise, and in containers everybody is root.
    """
    ours = {
        "--ServerApp.root_dir": str(ROOT),
        "--LabApp.default_url": f"/lab/tree/{FIRST_LECTURE}",
        # JupyterLab asks about news even where --LabApp.news_url=None says that there are none; a setting it heeds
        "--LabApp.app_settings_dir": str(LAB_SETTINGS),
    }
    given = {argument.split("=")[0] for argument in arguments}
    options = [f"{name}={value}" for name, value in ours.items() if name not in given]
    options += ["--no-browser"] if environment.get("COURSE_NO_BROWSER") == "1" else []
    options += ["--allow-root"] if is_root else []
    return ["-m", "jupyterlab", *options, *(a for a in arguments if a not in ("--gpu", "--cpu"))]


def become(arguments: list[str]) -> NoReturn:
    """Replace this process by Python with `arguments`, in the root of the project.

    A child would leave two processes to hear Ctrl-C, and one of them to answer it with a traceback.
    """
    os.chdir(ROOT)
    if sys.stdout is not None:  # closed by who called
        sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *arguments])
