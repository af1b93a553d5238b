"""A home that cannot be written, as on some clusters and in some containers. Used before every verb but help."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

PLACES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


def can_be_written() -> bool:
    """Return whether there is a home, and we may write there."""
    try:
        return Path.home().is_dir() and os.access(Path.home(), os.W_OK | os.X_OK)
    except RuntimeError:  # a user without a name
        return False


def make_do(environment: MutableMapping[str, str]) -> None:
    """Let Jupyter and Matplotlib write into a temporary folder where the home cannot be written, and say so.

    The folder goes with this process, unless that becomes another program, which needs it.
    """
    missing = [place for place in PLACES if place not in environment]
    if can_be_written() or not missing:
        return
    folder = Path(tempfile.mkdtemp(prefix="course-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment.update({place: str(folder / place.lower()) for place in missing})
    print(f"course: the home folder cannot be written; settings are kept in {folder} for now.", file=sys.stderr)
