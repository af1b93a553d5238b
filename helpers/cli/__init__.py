"""The command line, `./course VERB`: one table of verbs, one file a group, one handler of errors.

    table    all verbs, their help and their completion
    verbs    what a verb is, how its words are read, the shape of its help
    data, cluster, homework, experiments, programs, doctor    the verbs themselves

A verb reads options, calls the rooms below, and prints. What needs more than the standard library is imported when the
verb is run: help, complaints and completion work before there is an environment.
"""

import os
import sys
import traceback

from helpers.cli.doctor import make_do
from helpers.cli.programs import remedy
from helpers.cli.table import find, help_of
from helpers.cli.verbs import HELP, STUDENT, Group
from helpers.errors import ASKED_WRONGLY, FAILED, STOPPED, CourseError, UsageError
from helpers.files import DiskFullError, absolute
from helpers.slurm.sites import PASSED_ON

BEFORE_SET_UP = "--before-set-up"  # the script `course` asks what can be answered without an environment
NEEDS_SET_UP = 99  # the answer: this verb needs one, and its words are good
_ALIASES = {"--version": "version", "-h": "help", "--help": "help"}
_KEPT = {"train": "epoch", "map": "row of windows"}  # what is finished of a verb's work when it is stopped
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def main(arguments: list[str]) -> int:
    """Do what the words behind `./course` say; return the exit status."""
    is_early = arguments[:1] == [BEFORE_SET_UP]
    words = arguments[1:] if is_early else arguments
    words = [_ALIASES.get(words[0], words[0]), *words[1:]] if words else ["help"]
    try:
        return _do(words, is_early)
    except BrokenPipeError:
        raise  # nobody reads any more, so there is nothing to say
    except (Exception, KeyboardInterrupt) as error:
        return report(error, words)


def _do(words: list[str], is_early: bool) -> int:
    name, verb, rest = find(words)
    behind = rest[:1] if name == "run" else rest  # what is behind a command is the command's
    if verb is None or isinstance(verb, Group) or set(HELP) & set(behind):
        print(help_of(words), end="")
        return 0
    options = verb.read(name, rest)
    if verb.needs_set_up:
        if is_early:
            return NEEDS_SET_UP
        for variable in PASSED_ON:  # what we start may work elsewhere
            if os.environ.get(variable):
                os.environ[variable] = absolute(os.environ[variable])
        make_do(os.environ)
    try:
        return verb.run(options)
    except ModuleNotFoundError as error:  # the script `course` would have installed it; conda does not ask that script
        if verb.environment == STUDENT or str(error.name).startswith("helpers"):
            raise
        raise CourseError(f"{error.name} is not installed here. {remedy(verb.environment)}") from error


def report(error: BaseException, words: list[str]) -> int:
    """Print one message about what went wrong; return the exit status.

    The traceback is shown if COURSE_DEBUG is set, and in jobs of Slurm, whose logs must tell all at once.
    """
    name, is_known = _name(words), isinstance(error, CourseError | OSError)
    if os.environ.get("COURSE_DEBUG") or ("SLURM_JOB_ID" in os.environ and not is_known):
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        done = _KEPT.get(words[0])
        again = f" The same command continues after the last complete {done}." if done else ""
        print(f"{name}: stopped.{again}", file=sys.stderr)
        return STOPPED
    hint = f"\nSee ./{name} --help." if isinstance(error, UsageError) else ""
    print(f"{name}: {_plain(error)}{hint}", file=sys.stderr)
    if isinstance(error, CourseError):
        return error.status
    return ASKED_WRONGLY if isinstance(error, _NOT_THERE) else FAILED


def _plain(error: BaseException) -> str:
    """Return what an error says, without the codes of the system."""
    if isinstance(error, OSError) and not isinstance(error, DiskFullError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    if isinstance(error, CourseError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}. COURSE_DEBUG=1 shows where it comes from."


def _name(words: list[str]) -> str:
    """Return `course` and the verb, as far as there is one."""
    for end in (2, 1):
        try:
            name = find(words[:end])[0]
        except UsageError:
            continue
        return f"course {name}".strip()
    return "course"
