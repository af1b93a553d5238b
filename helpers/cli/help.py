"""What `./course help` and `./course --version` print."""

import argparse
import platform
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from helpers.cli.table import VERBS, every_verb
from helpers.cli.verbs import HELP, Group, Verb, shape
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


def show_help(options: argparse.Namespace) -> int:
    """Print the help that is asked for."""
    print(help_of(options.words), end="")
    return 0


def show_version(options: argparse.Namespace) -> int:
    """Print the versions of the course and of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print(f"{project['name']} {project['version']}, Python {platform.python_version()} ({sys.executable})")
    return 0
