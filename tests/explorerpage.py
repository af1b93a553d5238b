"""The latent-space explorer in a browser, and what the page itself measures. Used by its test and its benchmark."""

from pathlib import Path

import labdriver
import nbformat
from playwright.sync_api import Locator, Page

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
# 10,000 points on 10 axes and a convolutional decoder; random weights draw as quickly as trained ones
CELLS = (
    """\
import numpy as np
from helpers.latent.explorer import explore
from helpers.models import convolutional
from helpers.training import seed_everything
seed_everything(0)
rng = np.random.default_rng(0)
labels = np.repeat(np.arange(10), 1000)
codes = rng.normal(size=(10_000, 10)) + 2 * rng.normal(size=(10, 10))[labels]
images = rng.random((10_000, 28, 28, 1), dtype=np.float32)
decoder = convolutional.build_decoder(10)""",
    "explorer = explore(codes, labels, images, decode=decoder, axes=range(10))\nexplorer",
)
# Resolves when the canvas of points has colour: milliseconds since its cell was told to run.
FIRST_PAINT = """() => new Promise(resolve => {
    const begin = performance.now();
    const isColoured = canvas => {
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let k = 0; k < data.length; k += 4) if (Math.abs(data[k] - data[k + 2]) > 40) return true;
    };
    const look = () => {
        const canvas = document.querySelector('.latent-explorer .points');
        if (canvas?.width > 300 && isColoured(canvas)) resolve(performance.now() - begin);
        else requestAnimationFrame(look);
    };
    window.jupyterapp.commands.execute('notebook:run-cell');
    look();
})"""
# Leaves in window.moved a promise of the milliseconds between the next move of a slider, as the browser dates it, and
# the first frame that has other pixels on the decoded image.
WATCH_SLIDER = """() => {
    const canvas = document.querySelector('.latent-explorer .decoded canvas');
    const pixels = () => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.join();
    const before = pixels();
    window.moved = new Promise(resolve => document.addEventListener('input', event => {
        const look = () => pixels() !== before
            ? resolve(performance.now() - event.timeStamp) : requestAnimationFrame(look);
        look();
    }, {capture: true, once: true}));
}"""
ACTIVATE = "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"
HAS_DECODED = "() => document.querySelector('.latent-explorer .decoded canvas')?.ariaLabel"


def write_notebook(path: Path, cells: tuple[str, ...] = CELLS) -> None:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=KERNEL)
    nbformat.write(notebook, path)


def first_paint(notebook: labdriver.Notebook) -> float:
    """Run the first cell, then the second; return the seconds from then until its points are on the screen."""
    notebook.page.evaluate(ACTIVATE, 0)
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    notebook.page.evaluate(ACTIVATE, 1)
    notebook.wait_until_ready(timeout=120)
    return notebook.page.evaluate(FIRST_PAINT) / 1000


def move_slider(slider: Locator, key: str) -> float:
    """Press a key on a slider; return the milliseconds until the decoded image has other pixels."""
    page: Page = slider.page
    page.evaluate(WATCH_SLIDER)
    slider.press(key)
    return page.evaluate("() => window.moved")
