"""The latent-space explorer in a browser, and what the page itself measures. Used by its test and its benchmark."""

import base64
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import labdriver
import nbformat
import numpy as np
from PIL import Image

if TYPE_CHECKING:  # see labdriver
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
# 100,000 points on 6 axes
MANY_CELLS = (
    """\
import numpy as np
from helpers.latent.explorer import explore
rng = np.random.default_rng(0)
labels = np.repeat(np.arange(10), 10_000)
codes = rng.normal(size=(100_000, 6)) + 2 * rng.normal(size=(10, 6))[labels]""",
    "explorer = explore(codes, labels)\nexplorer",
)
# 400 points and a decoder that draws a code of three numbers as three pixels; the images are the codes: all is known
KNOWN_CELLS = (
    """\
import numpy as np
from helpers.latent.explorer import explore
codes = np.random.default_rng(0).uniform(0.1, 0.9, (400, 3)).astype(np.float32)
codes[0], codes[1] = 0, 1
labels = (codes[:, 0] > 0.5).astype(int)
as_pixels = lambda codes: codes.reshape(-1, 1, 3, 1)
decode = lambda codes: decoded.append(len(codes)) or as_pixels(codes)""",
    """\
decoded = []
names, values = ["left", "right"], {"first": codes[:, 0]}
explorer = explore(codes, labels, as_pixels(codes), decode=decode, class_names=names, values=values)
explorer""",
    """\
print(explorer.selected.tolist(), explorer.picked, explorer.code.astype(float).round(3).tolist())
print(f"decoded {len(decoded)} times")""",
    "print(explorer.label)",
)
KNOWN_CODES = np.random.default_rng(0).uniform(0.1, 0.9, (400, 3)).astype(np.float32)
KNOWN_CODES[0], KNOWN_CODES[1] = 0, 1
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
# Presses a key with Alt or Shift in every frame for a second; gives how many frames a second have drawn new points.
FRAMES = """({ modifier, keys }) => new Promise(resolve => {
    const matrix = document.querySelector('.latent-explorer .matrix'), begin = performance.now();
    const drawn = Number(matrix.dataset.drawn);
    let presses = 0;
    const press = () => {
        const seconds = (performance.now() - begin) / 1000;
        if (seconds > 1) { resolve((Number(matrix.dataset.drawn) - drawn) / seconds); return; }
        const key = keys[Math.floor(presses++ / 5) % keys.length]; // five steps there, five back
        matrix.dispatchEvent(new KeyboardEvent('keydown', { key, [modifier]: true }));
        requestAnimationFrame(press);
    };
    press();
})"""
ADD_CELL = """async source => {
    const notebook = window.jupyterapp.shell.currentWidget.content, { commands } = window.jupyterapp;
    notebook.activeCellIndex = notebook.model.cells.length - 1;
    await commands.execute('notebook:insert-cell-below');
    notebook.activeCell.model.sharedModel.setSource(source);
    await commands.execute('notebook:run-cell');
}"""
DELETE_CELL = "() => window.jupyterapp.commands.execute('notebook:delete-cell')"  # the active one
IN_KERNEL = "code => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}); }"
ACTIVATE = "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"
HAS_DECODED = "() => document.querySelector('.latent-explorer .decoded canvas')?.ariaLabel"


def write_notebook(path: Path, cells: tuple[str, ...] = CELLS) -> None:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=KERNEL)
    nbformat.write(notebook, path)


def run(notebook: labdriver.Notebook, cell: int) -> str:
    """Run one cell and return what it prints."""
    notebook.page.evaluate(ACTIVATE, cell)
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    notebook.wait_until_ready(timeout=120)
    return "".join(output.get("text", "") for output in notebook.outputs()[cell])


def first_paint(notebook: labdriver.Notebook) -> float:
    """Run the first cell, then the second; return the seconds from then until its points are on the screen."""
    notebook.page.evaluate(ACTIVATE, 0)
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    notebook.page.evaluate(ACTIVATE, 1)
    notebook.wait_until_ready(timeout=120)
    return notebook.page.evaluate(FIRST_PAINT) / 1000


def move_slider(slider: "Locator", key: str) -> float:
    """Press a key on a slider; return the milliseconds until the decoded image has other pixels."""
    page: Page = slider.page
    page.evaluate(WATCH_SLIDER)
    slider.press(key)
    return page.evaluate("() => window.moved")


def pixels(canvas: "Locator") -> np.ndarray:
    """Return what is on a canvas: uint8, (rows, columns, 4), red, green, blue and opacity."""
    png = canvas.evaluate("canvas => canvas.toDataURL()").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"))


def coloured(explorer: "Explorer") -> int:
    """Count the pixels of the plot that are neither white nor grey."""
    seen = pixels(explorer.points).astype(int)
    return int((abs(seen[..., 0] - seen[..., 2]) > 30).sum())


def greys(canvas: "Locator") -> list[int]:
    """Return the grey of each pixel of a small image, as seen: 255 is paper."""
    return pixels(canvas)[..., 0].ravel().tolist()


def until_greys(canvas: "Locator", wanted: Sequence[float]) -> None:
    """Wait until a small image has these greys."""
    end = time.monotonic() + 5
    while len(seen := greys(canvas)) != len(wanted) or not np.allclose(seen, wanted, atol=1.5):
        assert time.monotonic() < end, f"there are {seen}, wanted {wanted}"
        time.sleep(0.02)


class Explorer:
    """The explorer on a page, found by what a reader of the page finds it by; the view of that number, from 0."""

    def __init__(self, page: "Page", view: int = 0) -> None:
        self.page = page
        self.root = page.locator(".latent-explorer").nth(view)
        self.points = self.root.locator("canvas.points")
        self.matrix = self.root.get_by_role("application")
        self.tip = self.root.locator(".tip")
        self.status = self.root.locator(".status")
        self.sliders = self.root.get_by_role("slider")
        self.decoded, self.input = (self.root.locator(f"figure.{name} canvas") for name in ("decoded", "input"))
        self.rows = self.root.locator("tbody tr")
        self.strip = self.root.locator(".strip[role=img]")  # the way between two points
        self.steps = self.strip.locator("canvas")
        self.nearest = self.root.locator(".strip[role=group]").get_by_role("button")
        self.label = self.root.get_by_role("combobox")

    def wait(self) -> "Explorer":
        """Wait until points are drawn and the decoder has answered."""
        self.root.locator(".matrix[data-drawn]").wait_for(timeout=120_000)
        self.page.wait_for_function(HAS_DECODED)
        return self

    def place(self, across: float, up: float) -> tuple[float, float]:
        """Return where a point stands on the page, in the panel at the top: z0 across, z1 up."""
        box, side = self.points.bounding_box(), self.side()
        return box["x"] + 36 + 3 + across * (side - 6), box["y"] + 3 + (1 - up) * (side - 6)

    def side(self) -> float:
        """Return the side of a panel of two by two: what is left of the canvas without axis names and gaps."""
        return (self.points.bounding_box()["width"] - 36) / 2 - 5

    def click(self, across: float, up: float) -> None:
        """Click at a place in the panel at the top."""
        self.page.mouse.click(*self.place(across, up))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a brush in the panel at the top."""
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(*end), steps=5)
        self.page.mouse.up()

    def next_frame(self) -> None:
        """Wait until what is waiting to be drawn is drawn."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def until_status(self, text: str) -> None:
        """Wait until the line below the plot says so."""
        self.status.filter(has_text=text).wait_for(timeout=30_000)

    def until_chosen(self) -> None:
        """Wait until the table counts the chosen points: Python does, and the line below the plot is quicker."""
        self.root.locator("caption", has_text="Chosen points").wait_for(timeout=30_000)

    def until_decoded(self, *wanted: int) -> None:
        """Wait until the decoded image has these greys; an eye sees no difference of 1 in 255."""
        until_greys(self.decoded, wanted)

    def until_input(self, *wanted: int) -> None:
        """Wait until the image of the picked point has these greys."""
        until_greys(self.input, wanted)

    def keep(self, name: str) -> None:
        """Keep a screenshot if somebody wants to look at it."""
        if folder := os.environ.get("COURSE_SCREENSHOTS"):
            self.root.screenshot(path=Path(folder) / f"explorer_{name}.png")
