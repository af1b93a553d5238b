"""Pictures of single files as they are stored, what they are made of, and how a terminal shows one.

Used by `./course data show`, and by lecture 10.
"""

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch as Swatch

from helpers.data import DataError
from helpers.data.base import data_sets
from helpers.figures import Figure

_HEADING = 0.55  # inches
_KITTY_CHUNK = 4096  # most characters that kitty's protocol allows at once
Legend = Mapping[int, tuple[str, str]]


def draw(path: str | Path) -> Figure:
    """Draw what a file holds, as its data set does.

    Raises:
        DataError: the file is broken, or belongs to no data set of the registry.
    """
    name = Path(path).name
    sets = data_sets().values()
    owner = next((each for each in sets if each.claims(name)), None)
    if found := owner or next((each for each in sets if each.draws(name)), None):
        return found.plot(str(path))
    nouns = ", ".join(each.noun for each in data_sets().values())
    raise DataError(f"{path} is no file of a data set of the course ({nouns}). See ./course data list.")


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


def panels(rows: int, columns: int, path: str | Path) -> tuple[Figure, np.ndarray]:
    """Make a figure with the name of a file above rows and columns of axes."""
    height = 4.6 * rows + _HEADING
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - _HEADING / height))
    figure = Figure(figsize=(4 * columns, height), layout=layout)
    figure.suptitle(Path(path).name, x=0.01, y=1 - 0.1 / height, ha="left", va="top")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return figure, axes


def image(ax: Axes, title: str, pixels: np.ndarray) -> None:
    """Draw colours in [0, 1]; what lies outside is cut off."""
    ax.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
    ax.set_title(title)


def coloured(codes: np.ndarray, legend: Legend) -> np.ndarray:
    """Return the colours of codes, float64, (height, width, 3); white for those without."""
    image = np.ones((*codes.shape, 3))
    for code, (_, colour) in legend.items():
        image[codes == code] = to_rgb(colour)
    return image


def codes(ax: Axes, title: str, codes: np.ndarray, legend: Legend) -> None:
    """Draw classes, and below them a legend of those that occur, with their shares."""
    image(ax, title, coloured(codes, legend))
    found, counts = np.unique(codes, return_counts=True)
    swatches = [
        Swatch(facecolor=colour, edgecolor="0.5", label=f"{name} {_percent(count / codes.size)}")
        for code, count in zip(found.tolist(), counts, strict=True)
        for name, colour in [legend.get(code, (str(code), "#ffffff"))]
    ]
    ax.legend(handles=swatches, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=2, fontsize=8, borderaxespad=0)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "below 1%"


def heights(ax: Axes, title: str, metres: np.ndarray) -> None:
    """Draw heights; where they are unknown the paper shows."""
    drawn = ax.imshow(metres, cmap="viridis", interpolation="nearest")
    ax.set_title(title)
    ax.figure.colorbar(drawn, ax=ax, location="bottom", shrink=0.8, pad=0.02)
