"""The stand-in says what it is: a file in its folder, and a function that looks for it."""

from pathlib import Path

from helpers.files import whole

NAME = "STAND_IN.txt"
_TEXT = """\
STAND-IN: these files are made up. They have the format of real data and show no real place.
Results on them say that a program works, never how well a method works on real land cover.
"""


def announce(folder: Path, facts: dict[str, object]) -> None:
    """Write STAND_IN.txt into a folder, or check that the one there says the same.

    Raises:
        ValueError: the folder holds a stand-in that was made otherwise.
    """
    note = folder / NAME
    text = _TEXT + "".join(f"{key}: {value}\n" for key, value in facts.items())
    if note.exists() and note.read_text() != text:
        wanted = ", ".join(f"{key} {value}" for key, value in facts.items())
        raise ValueError(f"{note} tells of another stand-in than {wanted}. Choose another folder, or remove this one.")
    folder.mkdir(parents=True, exist_ok=True)
    with whole(note) as unfinished:
        unfinished.write_text(text)


def is_stand_in(folder: Path | str) -> bool:
    """Tell whether the files in a folder are made up: whether it, or a folder above it, holds STAND_IN.txt.

    >>> is_stand_in("/")
    False
    """
    folder = Path(folder).resolve()
    return any((place / NAME).is_file() for place in (folder, *folder.parents))
