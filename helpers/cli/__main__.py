"""`python -m helpers.cli`: the command line as a program, on whatever terminal there is."""

import codecs
import os
import sys

from helpers.errors import STOPPED

_PLAIN = {"…": "...", "–": "-", "—": "-", "−": "-", "·": "-", "×": "x", "±": "+-", "“": '"', "”": '"', "’": "'"}
BROKEN_PIPE = 141  # as a program that SIGPIPE ended


def plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what a terminal has no letters for in plain ones; a file's name that is no text stays as it is."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    left = error.object[error.start : error.end]
    if all("\udc80" <= letter <= "\udcff" for letter in left):
        return bytes(ord(letter) - 0xDC00 for letter in left), error.end
    return "".join(_PLAIN.get(letter, "?") for letter in left), error.end


def start() -> int:
    """Do what the command line says; return the exit status."""
    codecs.register_error("plainly", plainly)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="plainly")  # type: ignore[union-attr]  # a TextIO to mypy; both are files
    try:
        from helpers import cli  # here, so that Ctrl-C meanwhile is heard as well

        status = cli.main(sys.argv[1:])
        if sys.stdout is not None:  # closed by who called
            sys.stdout.flush()
    except KeyboardInterrupt:
        return STOPPED
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains once more when it ends
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        print(f"course: what is printed cannot be written: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(start())
