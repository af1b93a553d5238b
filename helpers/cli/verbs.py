"""What a verb of `./course` is, how its words are read, and the one shape of its help.

Imports nothing but the standard library, so that help and complaints need no environment.
"""

import argparse
import re
import stat
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

from helpers.errors import UsageError, closest, nearest
from helpers.files import names_in

Examples = tuple[tuple[str, str], tuple[str, str]]
HELP = ("-h", "--help")
STUDENT, TEACHER, DEV = ENVIRONMENTS = ("student", "teacher", "dev")  # each has all that is in those before it


class Parser(argparse.ArgumentParser):
    """Reads the words behind a verb, and complains by a UsageError that names the nearest word."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            UsageError: always.
        """
        if message.startswith("the following arguments are required"):  # argparse names those that may be left out too
            optional = ("*", "?", argparse.REMAINDER)
            wanted = [each.metavar for each in self._actions if not each.option_strings and each.nargs not in optional]
            message = f"missing argument: {' '.join(map(str, wanted))}"
        plain = re.sub(r"^argument [^-]\S*: ", "", message)  # what stands there shows which; an option is named
        raise UsageError(plain if plain.endswith(("?", ".")) else f"{plain}.")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the options; they may stand between the arguments.

        Raises:
            UsageError: an option or argument that the verb does not take, or a value that makes no sense.
        """
        is_command = any(action.nargs == argparse.REMAINDER for action in self._actions)
        if is_command:  # what is behind it is its own
            return self.parse_args(words)
        self.refuse_slips(words)
        options, rest = self.parse_known_intermixed_args(words)
        rest = [word for word in rest if word != "--"]
        if rest and rest[0].startswith("-"):
            raise UsageError(f"there is no option {rest[0]}.{nearest(rest[0].partition('=')[0], self.options())}")
        if rest:
            raise UsageError(f"unexpected argument {rest[0]!r}.")
        return options

    def refuse_slips(self, words: Sequence[str], *, cutoff: float = 0) -> None:
        """Look for options that are not known, before anything else is said to be missing.

        Args:
            words: what was typed.
            cutoff: how like ours an option must be to be called a slip of it; 0 where all are ours, which may then be
                shortened.

        Raises:
            UsageError: there is one.
        """
        for word in takewhile(lambda word: word != "--", words):
            option = word.partition("=")[0]
            is_known = any(known == option or (not cutoff and known.startswith(option)) for known in self.options())
            if option.startswith("--") and not is_known and closest(option, self.options(), cutoff=cutoff):
                raise UsageError(f"there is no option {option}.{nearest(option, self.options())}")

    def options(self) -> list[str]:
        """List the names of the options."""
        return [name for action in self._actions for name in action.option_strings]

    def values(self) -> list[str]:
        """List the words that an argument can be, of those that can be only a few."""
        return [name for action in self._actions if isinstance(action.type, OneOf) for name in action.type.names]


def _nothing(parser: Parser) -> None:
    """Take no options."""


@dataclass(frozen=True)
class Verb:
    """Something that `./course` does.

    Args:
        summary: what it does, in one sentence.
        does: it; takes the options and returns the exit status. What needs more than the standard library is imported
            inside, so that help needs none of it.
        examples: two commands, each with what it does.
        arguments: adds the arguments to a parser.
        more: what else one must know, beside the meaning of the options.
        passes_on: the program that every word is handed to; its options are not known here.
        needs_set_up: whether it needs more than the standard library.
        environment: the smallest environment that has what it needs: one of ENVIRONMENTS.
    """

    summary: str
    does: Callable[[argparse.Namespace], int]
    examples: Examples
    arguments: Callable[[Parser], None] = _nothing
    more: str = ""
    passes_on: str = ""
    needs_set_up: bool = True
    environment: str = STUDENT

    def parser(self, name: str) -> Parser:
        """Return what reads the words behind this verb, and writes its help."""
        more = f" Options of `{self.passes_on}` are passed on to it." if self.passes_on else ""
        parser = Parser(
            f"./course {name}",
            description=" ".join([f"{self.summary}{more}", self.more]).strip(),
            epilog=_examples(self.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.description = _wrapped(parser.description or "")
        self.arguments(parser)
        if self.passes_on:
            parser.usage = f"./course {name} [options] [options of {self.passes_on}]"
        return parser

    def read(self, name: str, words: Sequence[str]) -> argparse.Namespace:
        """Return the options that some words are; of a verb that passes them on, the words.

        Raises:
            UsageError: there is no such option, or a value makes no sense.
        """
        parser = self.parser(name)
        if not self.passes_on:
            return parser.read(words)
        parser.refuse_slips(words, cutoff=0.8)  # one that is less like ours may be the other program's
        return argparse.Namespace(words=list(words))

    def run(self, options: argparse.Namespace) -> int:
        """Run it; return the exit status."""
        return self.does(options)


@dataclass(frozen=True)
class Group:
    """Verbs that belong together: `./course data check` is the verb `check` of the group `data`."""

    summary: str
    verbs: Mapping[str, Verb]
    examples: Examples

    def help(self, name: str) -> str:
        """Return the help of the group, in the shape of that of a verb."""
        return shape(
            f"./course {name} VERB [options]",
            self.summary,
            {"verbs": {verb: each.summary for verb, each in self.verbs.items()}},
            self.examples,
        )


def shape(usage: str, what: str, lists: Mapping[str, Mapping[str, str]], examples: Examples) -> str:
    """Return a help in the shape that argparse gives that of a verb: usage, what it does, lists, examples."""
    lists = {**lists, "options": {"-h, --help": "show this help message and exit; also behind a verb"}}
    parts = [f"{title}:\n{_rows(rows)}" for title, rows in lists.items()]
    return "\n\n".join([f"usage: {usage}", _wrapped(what), *parts, _examples(examples)]) + "\n"


def _rows(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {name:{width}}  {text}" for name, text in rows.items())


def _examples(examples: Examples) -> str:
    return "examples:\n" + "\n".join(f"  {command}\n      {meaning}" for command, meaning in examples)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.fill(line, 100, break_on_hyphens=False) for line in text.splitlines())


# ---- kinds of values: each is a `type` for `add_argument` ----


def at_least(lowest: int, *, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers that are not smaller than `lowest`, nor larger than `most`."""

    def number(text: str) -> int:
        if not text.lstrip("-").isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"must be a whole number, {lowest} or more; received {text}")
        if most is not None and int(text) > most:
            raise argparse.ArgumentTypeError(f"{text} is too many; at most {most}")
        return int(text)

    return number


class OneOf:
    """Reads one of some names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def __call__(self, text: str) -> str | Path:
        """Return the name.

        Raises:
            ArgumentTypeError: it is none of them.
        """
        if text not in self.names:
            near = nearest(text, self.names)
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(self.names)}.{near}")
        return text


class ListOf:
    """Reads some of some names, separated by commas."""

    def __init__(self, names: Iterable[str]) -> None:
        self._one = OneOf(names)

    def __call__(self, text: str) -> list[str]:
        """Return the names, each once.

        Raises:
            ArgumentTypeError: one is none of them.
        """
        return list(dict.fromkeys(str(self._one(name.strip())) for name in text.split(",")))


def byte_count(text: str) -> int:
    """Return how many bytes a size says, such as "300MB"; a number alone is bytes.

    Raises:
        ArgumentTypeError: it is no size.

    >>> byte_count("300MB"), byte_count("1.5 gb"), byte_count("4096")
    (300000000, 1500000000, 4096)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)b?", text.strip().lower())
    count = int(float(match[1]) * 1000 ** " kmgt".index(match[2] or " ")) if match else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be a size such as 300MB or 2GB; received {text}")
    return count


def existing(what: str, hint: str = "") -> Callable[[str], Path]:
    """Return a reader of paths that are there.

    Args:
        what: what is wanted, such as "file".
        hint: what to do where it is not there, as a sentence.
    """

    def path(text: str) -> Path:
        if is_missing(Path(text)):
            near = nearest(Path(text).name, names_in(Path(text).parent))
            raise argparse.ArgumentTypeError(f"there is no {what} {text}.{near}{hint and f' {hint}'}")
        if is_other(Path(text), what):
            other = "file" if what == "folder" else "folder"
            raise argparse.ArgumentTypeError(f"{text} is a {other}, where a {what} is wanted.{hint and f' {hint}'}")
        return Path(text)

    return path


def is_missing(path: Path) -> bool:
    """Return whether a path leads to nothing; one that cannot be looked at is there as far as anybody knows."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def is_other(path: Path, what: str) -> bool:
    """Return whether a path leads to a file where a folder is wanted, or the other way round."""
    try:
        return (what == "folder") != stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):  # whoever reads it says what is wrong
        return False
