"""Pictures of single files as they are stored (a patch, a tile, digits), and how a terminal shows one.

Used by `./course data show`, and by lecture 10.
"""

import base64
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch as Swatch

from helpers import figures
from helpers.data import DataError, chesapeake, grss
from helpers.data.base import owner
from helpers.data.grss.tiles import KINDS
from helpers.data.streaming import Draws

_CLS_PALETTE = {2: "#d9c49a", 5: "#267300", 6: "#d7301f", 9: "#00a0e0", 17: "#7b3294", 65: "#ffffff"}
_NLCD = {  # the legend of the National Land Cover Database
    11: ("open water", "#466b9f"),
    12: ("ice, snow", "#d1def8"),
    21: ("developed, open", "#dec5c5"),
    22: ("developed, low", "#d99282"),
    23: ("developed, medium", "#eb0000"),
    24: ("developed, high", "#ab0000"),
    31: ("barren", "#b3ac9f"),
    41: ("deciduous forest", "#68ab5f"),
    42: ("evergreen forest", "#1c5f2c"),
    43: ("mixed forest", "#b5c58f"),
    51: ("dwarf scrub", "#af963c"),
    52: ("shrub", "#ccb879"),
    71: ("grassland", "#dfdfc2"),
    72: ("sedge", "#d1d182"),
    73: ("lichens", "#a4cc51"),
    74: ("moss", "#82ba9e"),
    81: ("pasture", "#dcd939"),
    82: ("crops", "#ab6c28"),
    90: ("woody wetland", "#b8d9eb"),
    95: ("herb wetland", "#6c9fb8"),
}
_HEADING = 0.55  # inches
_KITTY_CHUNK = 4096  # most characters that kitty's protocol allows at once
Legend = Mapping[int, tuple[str, str]]
_KIND = re.compile(rf"_({'|'.join(KINDS)})(?=[_.])")


def draw(path: Path) -> Figure:
    """Draw what a file holds.

    Raises:
        DataError: the file is broken, or holds nothing that the course knows.
    """
    if data_set := owner(path.name):
        return data_set.plot(str(path))
    if path.suffix.lower() in (".tif", ".tiff"):
        return tile(path)
    if path.suffix != ".npz":
        raise DataError(f"{path} is neither a patch nor digits (.npz) nor a tile (.tif).")
    return digits(path) if path.name in ("mnist.npz", "digits.npz") else patch(path)


def patch(path: Path) -> Figure:
    """Draw a patch: aerial images of two years, Landsat of two seasons in false colour, NLCD, labels, buildings."""
    names = ["naip_new_rgb", "naip_old_rgb", *_false_colour("on"), *_false_colour("off"), "nlcd", "buildings"]
    source = chesapeake.Patches([path], bands=names)
    out = {name: np.empty(spec.shape, spec.dtype) for name, spec in source.arrays.items()}
    source.fill(0, Draws(seed=0, epoch=0, index=0), out)
    image, labels = out["image"], out["labels"]
    figure, axes = _panels(2, 4, path)
    landsat = image[..., 6:12].reshape(*labels.shape, 2, 3)
    dark, bright = np.percentile(landsat, [1, 99], axis=(0, 1, 2))  # of each band over both seasons
    landsat = (landsat - dark) / np.maximum(bright - dark, 0.01)
    _image(axes[0, 0], "aerial, 2013/14", image[..., 0:3])
    _image(axes[0, 1], "aerial, 2010-12", image[..., 3:6])
    _image(axes[0, 2], "Landsat, leaf-on: NIR, red, green", landsat[..., 0, :])
    _image(axes[0, 3], "Landsat, leaf-off: NIR, red, green", landsat[..., 1, :])
    _codes(axes[1, 0], "labels", labels, _labels())
    _codes(axes[1, 1], "NLCD 2011", image[..., 12].astype(int), _NLCD)
    _image(axes[1, 2], "building mask", np.repeat(0.9 - 0.9 * image[..., 13:], 3, axis=-1))
    _image(axes[1, 3], "labels over the aerial image", 0.55 * _coloured(labels, _labels()) + 0.45 * image[..., 0:3])
    return figure


def tile(path: Path) -> Figure:
    """Draw all files there are of a tile, or a single piece of one: colours, classes, heights."""
    files = _partners(path)
    size = max(_shape(path)[:2])
    view = grss.Windows([grss.Tile("", "", files)], tuple(files), size=size, tile_size=size, native=True)
    arrays = {name: array[0] for name, array in view.read([0]).items()}
    figure, axes = _panels(1, len(files), path)
    for ax, kind in zip(axes[0], files, strict=True):
        if kind == "CLS":
            _codes(ax, "CLS", _las_codes(arrays["CLS"]), _las())
        elif kind in ("AGL", "DSM"):
            _heights(ax, f"{kind}, metres", np.where(arrays[f"{kind}_valid"], arrays[kind], np.nan))
        else:
            _image(ax, kind, _stretched(arrays[kind]) if kind == "MSI" else arrays[kind] / 255)
    return figure


def digits(path: Path) -> Figure:
    """Draw the first 40 digits of a file of Keras' form, with their labels."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, labels = archive["x_train"][:40], archive["y_train"][:40]
    except Exception as error:  # whatever a damaged zip makes of itself
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}.") from error
    return figures.image_grid(images[..., np.newaxis] / 255, titles=list(labels))


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


def _false_colour(season: str) -> list[str]:
    return [f"landsat_leaf_{season}_{band}" for band in (5, 4, 3)]


def _labels() -> Legend:
    colours = ["#ffffff", *chesapeake.PALETTE[1:]]  # class 0, which is ignored, would be as black as roads
    return {number: pair for number, pair in enumerate(zip(chesapeake.CLASS_NAMES, colours, strict=True))}


def _las() -> Legend:
    names = dict(zip(grss.CLASS_CODES, grss.CLASS_NAMES, strict=True)) | {grss.UNLABELED: "unlabeled"}
    return {code: (name, _CLS_PALETTE[code]) for code, name in names.items()}


def _las_codes(labels: np.ndarray) -> np.ndarray:
    return np.array([*grss.CLASS_CODES, grss.UNLABELED])[np.minimum(labels, len(grss.CLASS_CODES))]


def _partners(path: Path) -> dict[str, Path]:
    """Find the other kinds of a tile: beside it, or in folders beside its own, as the contest's archives lie."""
    found = _KIND.search(path.name)
    if not found:
        raise DataError(f"{path} does not say what it is. Tiles are called JAX_004_006_RGB.tif, …_CLS.tif, …_AGL.tif.")
    files: dict[str, Path] = {}
    for kind in KINDS:
        name = f"{path.name[: found.start(1)]}{kind}{path.name[found.end(1) :]}"
        near = [path.with_name(name), *path.absolute().parent.parent.parent.glob(f"*Track1*/*/{name}")]
        if file := next((file for file in near if file.exists()), None):
            files[kind] = file
    return files or {found[1]: path}  # one that is not there is named when it is read


def _shape(path: Path) -> Sequence[int]:
    try:
        with tifffile.TiffFile(path) as file:
            return file.series[0].shape
    except (OSError, ValueError, IndexError) as error:  # tifffile's own error is a ValueError
        raise DataError(f"{path} cannot be read as a TIFF: {error}.") from error


def _stretched(bands: np.ndarray) -> np.ndarray:
    """Show near infrared, red and green of eight bands, between dark and bright."""
    colours = bands[..., [6, 4, 2]].astype(np.float32)
    low, high = np.percentile(colours, [1, 99])
    return (colours - low) / max(high - low, 1)


def _panels(rows: int, columns: int, path: Path) -> tuple[Figure, np.ndarray]:
    height = 4.6 * rows + _HEADING
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - _HEADING / height))
    figure = Figure(figsize=(4 * columns, height), layout=layout)
    figure.suptitle(path.name, x=0.01, y=1 - 0.1 / height, ha="left", va="top")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return figure, axes


def _image(ax: Axes, title: str, pixels: np.ndarray) -> None:
    ax.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
    ax.set_title(title)


def _coloured(codes: np.ndarray, legend: Legend) -> np.ndarray:
    image = np.ones((*codes.shape, 3))
    for code, (_, colour) in legend.items():
        image[codes == code] = to_rgb(colour)
    return image


def _codes(ax: Axes, title: str, codes: np.ndarray, legend: Legend) -> None:
    """Draw classes, and below them a legend of those that occur, with their shares."""
    _image(ax, title, _coloured(codes, legend))
    found, counts = np.unique(codes, return_counts=True)
    swatches = [
        Swatch(facecolor=colour, edgecolor="0.5", label=f"{name} {_percent(count / codes.size)}")
        for code, count in zip(found.tolist(), counts, strict=True)
        for name, colour in [legend.get(code, (str(code), "#ffffff"))]
    ]
    ax.legend(handles=swatches, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=2, fontsize=8, borderaxespad=0)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "below 1%"


def _heights(ax: Axes, title: str, metres: np.ndarray) -> None:
    """Draw heights; where they are unknown the paper shows."""
    drawn = ax.imshow(metres, cmap="viridis", interpolation="nearest")
    ax.set_title(title)
    ax.figure.colorbar(drawn, ax=ax, location="bottom", shrink=0.8, pad=0.02)
