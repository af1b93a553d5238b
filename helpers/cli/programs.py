"""Verbs that hand over to a program: JupyterLab, pytest, the builder of the notebooks, uv, or one that is named."""

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from helpers.cli.verbs import DEV, TEACHER, Parser, Verb, existing
from helpers.errors import CourseError, UsageError
from helpers.files import atomic_write

ROOT = Path(__file__).resolve().parents[2]
FIRST_LECTURE = "lectures/00_start_here.ipynb"
LAB_SETTINGS = ROOT / "helpers" / "lab_settings"  # what JupyterLab does unless a student's own settings say otherwise
IS_STUDENT_EDITION = not (ROOT / "helpers/grading/student_edition.py").exists()  # an edition makes no edition
CPU_LOCK, GPU_LOCK = "requirements.txt", "requirements-gpu.txt"
LOCK_HEADER = (
    "# Exact versions of everything in the environment; written by `./course lock`, read by uv, pip and conda alike.\n"
)


def _flavour(parser: Parser) -> None:
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--gpu", action="store_true", help="with CUDA, for NVIDIA graphics cards under Linux: 8 GB")
    one.add_argument("--cpu", action="store_true", help="without CUDA; this is the default: 2.5 GB")


def _setup(parser: Parser) -> None:
    _flavour(parser)
    if IS_STUDENT_EDITION:
        return
    parser.add_argument("--teacher", action="store_true", help="also what grades and builds; else when first needed")
    parser.add_argument("--dev", action="store_true", help="also what the tests need; else when first needed")


def _test(parser: Parser) -> None:
    parser.add_argument("--fast", action="store_true", help="leave out what takes seconds: some minutes in all")
    if IS_STUDENT_EDITION:  # which has one process, and no tests that need more
        return
    parser.add_argument("--full", action="store_true", help="also what takes minutes, or needs git, Slurm or a browser")
    parser.add_argument("--deep", action="store_true", help="everything: a night")
    parser.add_argument("-n", metavar="N", help="processes; 0 is this one (one a core, at most 4)")


def _notebooks(parser: Parser) -> None:
    parser.add_argument(
        "--root", type=existing("folder"), default=ROOT, metavar="DIR", help="another checkout of the course than this"
    )


def _check(parser: Parser) -> None:
    parser.usage = "./course check [-h] [--root DIR] [--report]"
    _notebooks(parser)
    parser.add_argument("--report", action="store_true", help="print lengths, words and rhythm; they fail nothing")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)  # what other verbs check: they are named then


def _edition(parser: Parser) -> None:
    parser.add_argument(
        "target", type=Path, metavar="DIR|FILE.zip", help="a folder that is empty or not there yet, or a zip file"
    )
    parser.add_argument(
        "--answers",
        type=lambda text: [number.strip().zfill(2) for number in text.split(",")],
        default=[],
        metavar="01,02",
        help="with the answers to the exercises of these lectures",
    )


def _lock(parser: Parser) -> None:
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml admits")


def _command(parser: Parser) -> None:
    parser.usage = "./course run CMD [arguments]"
    parser.add_argument("command", metavar="CMD", help="the command; all words behind it are its own")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run_lab(options: argparse.Namespace) -> NoReturn:
    """Open the lectures in JupyterLab."""
    from helpers.data import digits

    with suppress(OSError):  # a data folder that cannot be written: the lectures make the digits in memory
        digits.make_stand_in()
    become(lab_command(options.words, environment=os.environ, is_root=os.geteuid() == 0))


def run_setup(options: argparse.Namespace) -> int:
    """Print that the environment is ready."""
    print(f"The environment is ready: {sys.prefix}")  # the script `course` has made it
    return 0


def run_test(options: argparse.Namespace) -> NoReturn:
    """Run the tests."""
    if not IS_STUDENT_EDITION:
        _need("xdist", DEV)
    processes = ["-n", str(min(4, os.cpu_count() or 1))]  # each may take 3 GB
    become(["-m", "pytest", *(processes if find_spec("xdist") else []), *options.words])


def run_build(options: argparse.Namespace) -> NoReturn:
    """Make the notebooks."""
    _need("jupytext", TEACHER)
    become(["authoring/notebooks.py", "build", "--root", str(options.root.absolute())])


def run_check(options: argparse.Namespace) -> NoReturn:
    """Check the notebooks.

    Raises:
        UsageError: something is named; all notebooks are checked, and other verbs check homework and data.
    """
    for word in options.words:
        verb = "homework" if word in {folder.name for folder in (ROOT / "homework").glob("hw*/")} else "data"
        raise UsageError(f"this checks all notebooks, and takes no name. Did you mean ./course {verb} check {word}?")
    _need("jupytext", TEACHER)
    report = ["--report"] if options.report else []
    become(["authoring/notebooks.py", "check", "--root", str(options.root.absolute()), *report])


def remedy(environment: str) -> str:
    """Return how to install what an environment has, where the script `course` does not: with conda."""
    return f"In the folder of the course do: python -m pip install -c requirements.txt -e '.[{environment}]'"


def _need(module: str, environment: str) -> None:
    """Refuse to start a program that would end at once for want of a module.

    Raises:
        CourseError: it is not installed.
    """
    if find_spec(module) is None:
        raise CourseError(f"{module} is not installed here. {remedy(environment)}")


def run_student_edition(options: argparse.Namespace) -> int:
    """Write the student edition, and print how many files are in it."""
    from helpers.grading.student_edition import make_edition

    files = make_edition(ROOT, options.target, answers=options.answers)
    folders = Counter(name.rpartition("/")[0] for name in files if name.endswith(".ipynb"))
    homework = sum(count for folder, count in folders.items() if folder.startswith("homework/"))
    answered = f" ({folders['lectures/answers']} with answers)" if options.answers else ""
    print(
        f"{options.target}: {folders['lectures']} lectures{answered}, {homework} homework, {len(files)} files in all; "
        "no solution, hidden test or mutant in them."
    )
    return 0


def run_run(options: argparse.Namespace) -> NoReturn:
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


def run_lock(options: argparse.Namespace) -> int:
    """Write both lock files from pyproject.toml.

    Raises:
        CourseError: there is no uv.
    """
    if find_spec("uv") is None:
        raise CourseError("only uv can write the lock. Do: ./course run python -m pip install uv")
    try:
        write_lock(ROOT / CPU_LOCK, ["--extra", "cpu", *options.words])
        # the one binds the other: with or without a GPU, the same versions
        write_lock(ROOT / GPU_LOCK, ["--extra", "gpu", "--constraints", str(ROOT / CPU_LOCK), *options.words])
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def write_lock(path: Path, arguments: list[str]) -> None:
    """Resolve pyproject.toml into the lock file `path`.

    What is locked already stays as it is wherever it still fits, unless `arguments` say `--upgrade`.

    Raises:
        CalledProcessError: uv found no versions that fit; it has said why, and `path` is as it was.
    """
    with atomic_write(path) as draft:
        draft.write_text(path.read_text() if path.exists() else "")
        subprocess.run([*compile_command(), *arguments, "--output-file", str(draft)], cwd=ROOT, check=True)
        draft.write_text(LOCK_HEADER + draft.read_text())


def compile_command() -> list[str]:
    """Return the command that resolves pyproject.toml for every platform and every Python that it admits."""
    everything = ["--extra", "teacher", "--extra", "dev", "--universal", "--python-version", "3.11"]
    quietly = ["--no-annotate", "--no-header", "--quiet"]
    return [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *everything, *quietly]


LAB = Verb(
    "Open the lectures in JupyterLab.",
    run_lab,
    (
        ("./course lab", "open the first lecture in the browser"),
        ("COURSE_NO_BROWSER=1 ./course lab --port=9999", "print the address to open elsewhere"),
    ),
    _flavour,
    passes_on="jupyter lab",
)
SETUP = Verb(
    "Make the environment, for a cluster's jobs above all, and open nothing.",
    run_setup,
    (
        ("./course setup", "what it is, made if it is not there"),
        ("./course setup --gpu", "the one with CUDA, before the first job with GPUs"),
    ),
    _setup,
)
TEST = Verb(
    "Run the tests.",
    run_test,
    (
        ("./course test", "try the course on this machine: ten minutes"),
        ("./course test --fast -k digits", "the quick tests that have `digits` in their name"),
    ),
    _test,
    passes_on="pytest",
    environment=DEV,
)
RUN = Verb(
    "Run a command inside the environment, where you are.",
    run_run,
    (
        ("./course run python my_program.py", "a program that imports helpers"),
        ("./course run python -m pip list", "what is installed"),
    ),
    _command,
    "The exit status is that of the command.",
)
BUILD = Verb(
    "Make the notebooks from their sources in authoring/.",
    run_build,
    (
        ("./course build", "write those that are not what their sources say"),
        ("./course build --root ~/another-course", "those of another checkout"),
    ),
    _notebooks,
    environment=TEACHER,
)
CHECK = Verb(
    "Check notebooks against their sources. (Data: `data check`; homework: `homework check`.)",
    run_check,
    (
        ("./course check", "which are stale, and what else would harm a reader"),
        ("./course check --report", "how long modules, cells and sentences are"),
    ),
    _check,
    environment=TEACHER,
)
EDITION = Verb(
    "Write what students get: no solution, hidden test or mutant is in it.",
    run_student_edition,
    (
        ("./course student-edition ~/course-2026", "as a folder"),
        ("./course student-edition course.zip --answers 01,02", "zipped, with the answers to two lectures"),
    ),
    _edition,
    "Homework is released as by `homework release`. Answers to the exercises of lectures are left out, but for those "
    "that you name. The same course gives the same bytes.",
    environment=TEACHER,
)
LOCK = Verb(
    "Write the lock files from pyproject.toml.",
    run_lock,
    (
        ("./course lock", "keep the versions that still fit"),
        ("./course lock --upgrade", "take newer ones"),
    ),
    _lock,
    passes_on="uv pip compile",
    environment=DEV,
)
