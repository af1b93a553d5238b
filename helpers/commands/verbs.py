"""Verbs that are modules: `./course data VERB` is `helpers/commands/data/VERB.py`, and so on.

Such a module has `add_arguments(parser)` and `run(options) -> int`. Only the module of the verb that is asked for is
imported, so that help is quick; modules may import what they like.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def parse(package: str, description: str, verbs: Mapping[str, str], arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of a command; without any it prints its help.

    Args:
        package: where the modules are, such as `"helpers.commands.data"`; its last part is the command.
        description: what the command is for.
        verbs: what each verb does, by its name.
        arguments: what was typed behind the command.

    Returns:
        The options of the verb, with `run`, the function of its module.

    Raises:
        SystemExit: help was asked for, or there is no such verb or option; argparse has said so.
    """
    parser = argparse.ArgumentParser(f"./course {package.rpartition('.')[2]}", description=description)
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for verb, summary in verbs.items():
        subparser = subparsers.add_parser(verb, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if [verb] == list(arguments[:1]):
            module = import_module(f"{package}.{verb}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
            return subparser.parse_intermixed_args(arguments[1:])  # options may stand between the arguments
    return parser.parse_args(arguments or ["--help"])


def at_least(lowest: int) -> Callable[[str], int]:
    """Make a `type` for `add_argument`: a whole number that is not smaller."""

    def number(text: str) -> int:
        if not text.lstrip("-").isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text} is no whole number of at least {lowest}")
        return int(text)

    return number
