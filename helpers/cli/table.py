"""The table of all verbs, and what is written from it: what `./course help` lists, and what a shell completes."""

import argparse
import platform
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helpers.cli.cluster import CLUSTER
from helpers.cli.data import DATA
from helpers.cli.doctor import DOCTOR
from helpers.cli.experiments import RESULTS, TRAIN
from helpers.cli.homework import HOMEWORK
from helpers.cli.maps import MAP
from helpers.cli.programs import BUILD, CHECK, EDITION, IS_STUDENT_EDITION, LAB, LOCK, RUN, SETUP, TEST
from helpers.cli.verbs import HELP, STUDENT, Group, OneOf, Parser, Verb, shape
from helpers.errors import UsageError, closest

ROOT = Path(__file__).resolve().parents[2]
STATUSES = {
    "0": "all went well",
    "1": "it failed: something is broken or missing, and the message says what to do",
    "2": "the command was wrong: an unknown word, or a file that is not there",
    "75": "time ran out: run the same command again, and it continues",
    "130": "stopped with Ctrl-C",
}
SETTINGS = {
    "COURSE_DATA": "folder of the data, or several separated as in PATH (datasets/)",
    "COURSE_EXPERIMENTS": "folder of what was trained (experiments/)",
    "COURSE_OFFLINE=1": "download no data",
    "COURSE_NO_BROWSER=1": "open no browser",
    "COURSE_DEBUG=1": "show the traceback of an error",
}
EXAMPLES = (
    ("./course lab", "open the lectures; the first time, this makes the environment"),
    ("./course homework check hw1_dense", "try your homework before you hand it in"),
)
_HEAD = {"bash": "", "zsh": "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"}
_SCRIPT = """\
# Completes ./course; written by `./course completion {shell}`.
{head}_course() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words="" options="--help"
    case "$COMP_CWORD ${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
        "1 "*) words="{verbs}" ;;
{cases}
    esac
    case "$word" in -*) words="$options" ;; esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _course course ./course
"""


def _words(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="VERB", help="a verb, or a group and a verb; default: all verbs")


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", type=OneOf(["bash", "zsh"]), metavar="SHELL", help="bash or zsh")


def run_help(options: argparse.Namespace) -> int:
    """Print the help that is asked for."""
    print(help_of(options.words), end="")
    return 0


def run_version(options: argparse.Namespace) -> int:
    """Print the versions of the course and of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print(f"{project['name']} {project['version']}, Python {platform.python_version()} ({sys.executable})")
    return 0


def run_completion(options: argparse.Namespace) -> int:
    """Print the script."""
    print(completion(options.shell), end="")
    return 0


_ALL: Mapping[str, Verb | Group] = {
    "lab": LAB,
    "setup": SETUP,
    "test": TEST,
    "doctor": DOCTOR,
    "run": RUN,
    "data": DATA,
    "train": TRAIN,
    "results": RESULTS,
    "map": MAP,
    "cluster": CLUSTER,
    "homework": HOMEWORK,
    "student-edition": EDITION,
    "build": BUILD,
    "check": CHECK,
    "lock": LOCK,
    "completion": Verb(
        "Print a script that lets a shell complete the words of ./course.",
        run_completion,
        (
            ("./course completion bash >>~/.bashrc", "for bash, from the next shell on"),
            ("./course completion zsh >>~/.zshrc", "for zsh"),
        ),
        _completion,
        needs_set_up=False,
    ),
    "version": Verb(
        "Print the versions of the course and of Python; also --version.",
        run_version,
        (("./course version", "what to write into a question"), ("./course --version", "the same")),
        needs_set_up=False,
    ),
    "help": Verb(
        "List the verbs, or explain one.",
        run_help,
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


def find(words: Sequence[str]) -> tuple[str, Verb | Group | None, list[str]]:
    """Find the verb that some words begin with.

    Returns:
        Its name, such as "data check", or that of a group; the verb, the group, or None if there are no words; and
        the words behind its name.

    Raises:
        UsageError: there is no such verb.
    """
    name, found, rest = "", None, list(words)
    known = VERBS
    while rest and known and rest[0] not in HELP:
        if rest[0] not in known:
            raise UsageError(_unknown(name, rest[0]))
        word = rest.pop(0)
        name, found = f"{name} {word}".strip(), known[word]
        known = found.verbs if isinstance(found, Group) else {}
    return name, found, rest


def _unknown(group: str, word: str) -> str:
    """Return the complaint about a verb that is not there, with those that may be meant, of its group before all."""
    entry = VERBS.get(group)
    known = entry.verbs if isinstance(entry, Group) else VERBS
    commands = [*VERBS, *every_verb(), "--help", "--version"]
    near = closest(word, [*known, "--help"]) if group else ""
    if near:
        meant = [f"{group} {near}"]
    else:
        near = closest(word, {command.rpartition(" ")[2] for command in commands})
        meant = [command for command in dict.fromkeys(commands) if command.rpartition(" ")[2] == near]
    question = f" Did you mean {' or '.join(f'./course {command}' for command in meant)}?" if meant else ""
    return f"there is no verb {word!r}.{question} There are: {', '.join(known)}."


def help_of(words: Sequence[str]) -> str:
    """Return the help of a verb, of a group, or of all.

    Raises:
        UsageError: there is no such verb.
    """
    name, found, _ = find(words)
    if found is None:
        return overview()
    return found.help(name) if isinstance(found, Group) else found.parser(name).format_help()


def overview() -> str:
    """Return the list of all verbs, in the shape of the help of one."""
    lists = {
        "verbs": {verb: entry.summary for verb, entry in VERBS.items()},
        "exit status": STATUSES,
        "environment": SETTINGS,
    }
    what = "Autoencoders, from a 32-number digit to a map: the lectures, their data, and what runs them."
    return shape("./course VERB [options]", what, lists, EXAMPLES)


def completion(shell: str) -> str:
    """Return the script of a shell; where it has no word to offer, the shell offers files."""
    groups = {name: entry.verbs for name, entry in VERBS.items() if isinstance(entry, Group)}
    cases = [f'"2 {name} "*) words="{" ".join(verbs)}" ;;' for name, verbs in groups.items()]
    cases.append(f'"2 help "*) words="{" ".join(VERBS)}" ;;')
    for name, verb in every_verb().items():
        parser = verb.parser(name)
        pattern = f'*" {name}"' if " " in name else f'*" {name} "*'
        cases.append(f'{pattern}) words="{" ".join(parser.values())}" options="{" ".join(parser.options())}" ;;')
    return _SCRIPT.format(
        shell=shell, head=_HEAD[shell], verbs=" ".join(VERBS), cases="\n".join(f"        {case}" for case in cases)
    )
