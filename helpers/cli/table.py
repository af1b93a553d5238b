"""The table of all verbs: what `./course help` lists, what is completed, and what the tests go through."""

from argparse import REMAINDER, SUPPRESS
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from helpers.cli.cluster import CLUSTER, RESULTS, TRAIN
from helpers.cli.data import DATA
from helpers.cli.homework import HOMEWORK
from helpers.cli.verbs import DEV, STUDENT, TEACHER, Group, OneOf, Parser, Verb, existing

ROOT = Path(__file__).resolve().parents[2]
IS_STUDENT_EDITION = not (ROOT / "helpers/grading/student_edition.py").exists()  # an edition makes no edition


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
    parser.usage = "./course check [-h] [--root DIR]"
    _notebooks(parser)
    parser.add_argument("words", nargs="*", help=SUPPRESS)  # what other verbs check: they are named then


def _edition(parser: Parser) -> None:
    parser.add_argument(
        "target", type=Path, metavar="DIR|FILE.zip", help="a folder that is empty or not there yet, or a zip file"
    )


def _lock(parser: Parser) -> None:
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml admits")


def _run(parser: Parser) -> None:
    parser.usage = "./course run CMD [arguments]"
    parser.add_argument("command", metavar="CMD", help="the command; all words behind it are its own")
    parser.add_argument("words", nargs=REMAINDER, help=SUPPRESS)


def _words(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="VERB", help="a verb, or a group and a verb; default: all verbs")


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", type=OneOf(["bash", "zsh"]), metavar="SHELL", help="bash or zsh")


_ALL: Mapping[str, Verb | Group] = {
    "lab": Verb(
        "Open the lectures in JupyterLab.",
        "helpers.commands.programs:lab",
        (
            ("./course lab", "open the first lecture in the browser"),
            ("COURSE_NO_BROWSER=1 ./course lab --port=9999", "print the address to open elsewhere"),
        ),
        _flavour,
        passes_on="jupyter lab",
    ),
    "setup": Verb(
        "Make the environment, for a cluster's jobs above all, and open nothing.",
        "helpers.commands.programs:setup",
        (
            ("./course setup", "what it is, made if it is not there"),
            ("./course setup --gpu", "the one with CUDA, before the first job with GPUs"),
        ),
        _setup,
    ),
    "test": Verb(
        "Run the tests.",
        "helpers.commands.programs:test",
        (
            ("./course test", "try the course on this machine: a quarter of an hour"),
            ("./course test --fast -k digits", "the quick tests that have `digits` in their name"),
        ),
        _test,
        passes_on="pytest",
        environment=DEV,
    ),
    "doctor": Verb(
        "Check what this machine has, and print what to do about what is missing.",
        "helpers.commands.doctor:run",
        (
            ("./course doctor", "works before the set-up as well"),
            ("COURSE_DATA=/path/to/data ./course doctor", "also looks for data there"),
        ),
        more="Exit status 1 if the lectures cannot run without what is missing.",
        needs_set_up=False,
    ),
    "run": Verb(
        "Run a command inside the environment, where you are.",
        "helpers.commands.programs:run",
        (
            ("./course run python my_program.py", "a program that imports helpers"),
            ("./course run python -m pip list", "what is installed"),
        ),
        _run,
        "The exit status is that of the command.",
    ),
    "data": DATA,
    "train": TRAIN,
    "results": RESULTS,
    "cluster": CLUSTER,
    "homework": HOMEWORK,
    "student-edition": Verb(
        "Write what students get: no solution, hidden test or mutant is in it.",
        "helpers.cli.student_edition:run",
        (
            ("./course student-edition ~/course-2026", "as a folder"),
            ("./course student-edition course.zip", "as a zip file, to be uploaded"),
        ),
        _edition,
        "Homework is released as by `homework release`. The same course gives the same bytes.",
        environment=TEACHER,
    ),
    "build": Verb(
        "Make the notebooks from their sources in authoring/.",
        "helpers.commands.programs:build",
        (
            ("./course build", "write those that are not what their sources say"),
            ("./course build --root ~/another-course", "those of another checkout"),
        ),
        _notebooks,
        environment=TEACHER,
    ),
    "check": Verb(
        "Check notebooks against their sources. (Data: `data check`; homework: `homework check`.)",
        "helpers.commands.programs:check",
        (
            ("./course check", "which are stale, and what else would harm a reader"),
            ("./course check --root ~/another-course", "those of another checkout"),
        ),
        _check,
        environment=TEACHER,
    ),
    "lock": Verb(
        "Write the lock files from pyproject.toml.",
        "helpers.commands.lock:run",
        (
            ("./course lock", "keep the versions that still fit"),
            ("./course lock --upgrade", "take newer ones"),
        ),
        _lock,
        passes_on="uv pip compile",
        environment=DEV,
    ),
    "completion": Verb(
        "Print a script that lets a shell complete the words of ./course.",
        "helpers.cli.completion:run",
        (
            ("./course completion bash >>~/.bashrc", "for bash, from the next shell on"),
            ("./course completion zsh >>~/.zshrc", "for zsh"),
        ),
        _completion,
        needs_set_up=False,
    ),
    "version": Verb(
        "Print the versions of the course and of Python; also --version.",
        "helpers.cli.help:show_version",
        (("./course version", "what to write into a question"), ("./course --version", "the same")),
        needs_set_up=False,
    ),
    "help": Verb(
        "List the verbs, or explain one.",
        "helpers.cli.help:show_help",
        (("./course help", "list the verbs"), ("./course help data check", "the same as ./course data check --help")),
        _words,
        needs_set_up=False,
    ),
}


def for_students(verbs: Mapping[str, Verb | Group]) -> dict[str, Verb | Group]:
    """Return the verbs of the student edition: those that need no more than students install, and its own `test`."""
    test = verbs["test"]
    assert isinstance(test, Verb)
    kept = {name: entry for name, entry in verbs.items() if isinstance(entry, Group) or entry.environment == STUDENT}
    check = {name: verb for name, verb in HOMEWORK.verbs.items() if verb.environment == STUDENT}
    own: dict[str, Verb | Group] = {
        "test": replace(test, environment=STUDENT),
        "homework": Group("Check homework before it is handed in.", check, check["check"].examples),
    }
    return {name: own.get(name, verbs[name]) for name in verbs if name in kept or name in own}


VERBS = for_students(_ALL) if IS_STUDENT_EDITION else _ALL


def every_verb() -> dict[str, Verb]:
    """Return all verbs by the words that call them, such as "data check"."""
    found: dict[str, Verb] = {}
    for name, entry in VERBS.items():
        if isinstance(entry, Group):
            found |= {f"{name} {verb}": each for verb, each in entry.verbs.items()}
        else:
            found[name] = entry
    return found
