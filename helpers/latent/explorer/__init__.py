"""Explore codes in a notebook cell: scatter-plot matrix, brush, sliders that decode live. Used by lectures 06-10.

    explore(codes, labels, images, decode=decoder)      # a widget; without decoder it has no sliders
    explore(codes, values={"height in m": heights})     # coloured by a number
    explore_run("05_denoising", images=test_images)     # the same over experiments on disk
    compare_runs("08_spaces", "05_denoising")           # two of them, side by side
    figure(codes, labels, images, decode=decoder)       # the static twin, for print

Where it works
    JupyterLab 4.6, Notebook 7: as installed by `./course lab`. As a page: `./course run voila notebook.ipynb`;
    `lectures/explorer.ipynb` opens a saved run. The tests drive JupyterLab and voila.
    VS Code (by documentation): Jupyter extension, the kernel of `.venv`. The setting `jupyter.widgetScriptSources` must
    name a source, such as "jsdelivr.com": it fetches anywidget's own script from there.
    Colab (by documentation): `%pip install --quiet "anywidget>=0.11,<0.12"` in the first cell. anywidget then turns on
    Colab's support for such widgets by itself.
    nbconvert, PDF, a saved notebook: use `figure`.

Keys in the matrix: arrows go from point to point, Page Up and Page Down from panel to panel, Enter decodes, Shift and
arrows brush, Escape clears; plus, minus and 0 zoom, Alt and arrows pan. With a mouse, Ctrl and the wheel zoom, and
Shift and a drag pan. Sliders, lists and buttons are the browser's own.

Who knows what: `points.py` the numbers and the picture on paper, `widget.py` the kernel's half of one explorer,
`page/` the page's half, `runs.py` experiments on disk.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from helpers.figures import Figure
from helpers.latent.explorer.points import collect
from helpers.latent.explorer.runs import RunExplorer, RunPair, compare_runs, explore_run
from helpers.latent.explorer.widget import Decode, Explorer

__all__ = [
    "Explorer",
    "RunExplorer",
    "RunPair",
    "compare_runs",
    "explore",
    "explore_run",
    "figure",
]


def explore(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    images: np.ndarray | None = None,
    *,
    decode: Decode | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    axes: Sequence[int] | None = None,
) -> Explorer:
    """Make a widget that shows codes from all sides. End a cell with it.

    Args:
        codes: float, (n, latent_dim), 2 to 100,000 codes of at least two numbers.
        labels: integer, (n,), the class of each code. Default: all are of one class.
        images: the images that were encoded, in the same order: uint8, or float with values in [0, 1];
            (n, rows, columns, 1 or 3). Default: none are shown.
        decode: a Keras model or function from codes, float32 (n, latent_dim), to images, (n, rows, columns, 1 or 3),
            with values in [0, 1]; or a Keras model of codes and classes, such as a conditional VAE's decoder: the
            class is then chosen from a list. Default: no sliders.
        class_names: one name per class. Default: 0, 1, 2, ...
        values: numbers to colour by in place of classes, each by its name: float, (n,), NaN where one is not known.
            Without labels the first of them colours the points at first.
        axes: the 2 to 10 axes in the plot at first. Default: the six with the largest spread.

    Returns:
        A widget. `selected`, `picked` and `code` say what is chosen in it, `choose(indices)` chooses by code,
        `table()` gives the class statistics and `figure()` the static twin of what it shows.

    Raises:
        ValueError: something does not fit together. The message says what to do.
    """
    return Explorer(collect(codes, labels, images, class_names, values), decode=decode, axes=axes)


def figure(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    images: np.ndarray | None = None,
    *,
    decode: Decode | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    axes: Sequence[int] | None = None,
) -> Figure:
    """Draw what `explore` shows at first, as a static figure: the matrix, and what each axis does to the decoded image.

    Classes are marked by their names (or numbers) at their means, so that the figure is readable in black and white.

    Args:
        codes, labels, images, decode, class_names, values, axes: as in `explore`.

    Returns:
        A figure. At most 1,500 points are drawn in a panel; more would print as one blot.
    """
    explorer = explore(codes, labels, images, decode=decode, class_names=class_names, values=values, axes=axes)
    return explorer.figure()
