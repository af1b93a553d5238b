"""`./course data show FILE`: a picture in the terminal, in the system's viewer, or in a PNG."""

import argparse
import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from helpers.commands.data.pictures import draw
from helpers.data import DataError, stand_in
from helpers.files import whole

_KITTY_CHUNK = 4096  # most characters that the protocol allows at once


def run(options: argparse.Namespace) -> int:
    """Draw a file and show the picture.

    Raises:
        DataError: the file is broken, or holds nothing that the course knows.
    """
    figure = draw(options.file)
    stand_in.announce(options.file)
    path = options.png or _temporary(options.file)
    try:
        with whole(path) as unfinished:
            figure.savefig(unfinished, format="png", dpi=100)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Name another place: --png PATH.") from error
    picture = None if options.png else in_terminal(path.read_bytes(), os.environ)
    if picture and sys.stdout.isatty():
        print(picture)
        path.unlink()
        return 0
    print(path)
    if not options.png and (viewer := viewer_for(sys.platform, os.environ)):
        subprocess.Popen([viewer, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return 0


def in_terminal(png: bytes, environment: Mapping[str, str]) -> str | None:
    """Return the characters that draw a picture in this terminal; None where it cannot be done.

    Args:
        png: the picture.
        environment: tells the terminal: kitty and Ghostty have one protocol, iTerm2 and WezTerm another.
    """
    text = base64.b64encode(png).decode()
    program = environment.get("LC_TERMINAL") or environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment:  # takes the characters for its own
        return None
    if "KITTY_WINDOW_ID" in environment or program == "ghostty":
        chunks = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
        heads = ["a=T,f=100,"] + [""] * (len(chunks) - 1)
        more = [1] * (len(chunks) - 1) + [0]
        parts = zip(heads, more, chunks, strict=True)
        return "".join(f"\x1b_G{head}m={rest};{chunk}\x1b\\" for head, rest, chunk in parts)
    if program in ("iTerm2", "iTerm.app", "WezTerm"):
        return f"\x1b]1337;File=inline=1;size={len(png)}:{text}\x07"
    return None


def viewer_for(platform: str, environment: Mapping[str, str]) -> str | None:
    """Name the program that opens a picture in a window; None where there is no screen, or COURSE_NO_BROWSER=1."""
    if environment.get("COURSE_NO_BROWSER") == "1":
        return None
    if platform == "darwin":
        return "open"
    has_screen = "DISPLAY" in environment or "WAYLAND_DISPLAY" in environment
    return shutil.which("xdg-open") if has_screen else None


def _temporary(file: Path) -> Path:
    with tempfile.NamedTemporaryFile(prefix=f"{file.stem}-", suffix=".png", delete=False) as picture:
        return Path(picture.name)
