"""`./course data VERB`: a new verb is a line in `VERBS` and a module; see `helpers.commands.verbs`.

A `DataError` or `FetchError` becomes a message and exit status 1.
"""

import sys

from helpers.commands.verbs import parse

VERBS = {
    "list": "tell which data are here, how large, under which licence, and how to get the others",
    "fetch": "download a data set, or tell step by step how a person gets it",
    "check": "look into every file: exit status 0 if all are good, 1 if some are broken, 2 if there are none",
    "show": "draw a patch, a tile or digits",
    "stats": "count patches, tiles and classes, and measure every channel",
    "make": "write a stand-in: made-up patches or tiles in the format of the real ones",
    "pack": "make a copy of patches that is read several times faster, with the same values",
    "stage": "copy a fold to the local disk of the machine that computes, and print where it is",
    "cut": "cut tiles into pieces, each a file of its own",
}


def main(arguments: list[str]) -> int:
    """Do the verb that `arguments` begin with; return the exit status."""
    options = parse(__name__, "Find, get, check and see the data of the course.", VERBS, arguments)
    from helpers.data import DataError, fetch

    try:
        return options.run(options)
    except (DataError, fetch.FetchError, OSError) as error:
        print(f"course data: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("course data: stopped.", file=sys.stderr)
        return 130
