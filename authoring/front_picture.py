"""Draw the picture of the README: the hourglass of lecture 01, and what its decoder draws between the digits.

python authoring/front_picture.py

Trains the network of lecture 01 and writes lectures/figures/front.svg. Every image in it is drawn by the network; no
pixel of a data set gets into git.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from helpers import figures
from helpers.backend import keras
from helpers.data import digits, fetch
from helpers.files import atomic_write
from helpers.models import dense
from helpers.training import Progress, seed_everything

PICTURE = fetch.COURSE_ROOT / "lectures" / "figures" / "front.svg"
STEPS = 10  # images in the strip
INK = "#0072B2"


def train() -> tuple[keras.Model, keras.Model, digits.Digits]:
    """Train the network of lecture 01; return its two halves and the data."""
    seed_everything(0)
    data = digits.load()
    model = dense.build_autoencoder(32)
    model.compile("adam", "binary_crossentropy")
    model.fit(data.train.images, data.train.images, batch_size=128, epochs=15, verbose=0, callbacks=[Progress()])
    return model.get_layer("encoder"), model.get_layer("decoder"), data


def trapezium(ax: Axes, text: str, *, narrowing: bool) -> None:
    """Draw one half of the hourglass, with its name inside."""
    left, right = (1.0, 0.45) if narrowing else (0.45, 1.0)
    corners = [(0, (1 - left) / 2), (0, (1 + left) / 2), (1, (1 + right) / 2), (1, (1 - right) / 2)]
    ax.add_patch(Polygon(corners, facecolor="#dbe9f4", edgecolor=INK, linewidth=1.5))
    ax.text(0.5, 0.5, text, ha="center", va="center", color=INK, fontsize=13)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def draw(digit: np.ndarray, code: np.ndarray, again: np.ndarray, strip: np.ndarray) -> figures.Figure:
    """Put the hourglass above the strip; images are (28, 28), the code is (32,), the strip is (n, 28, 28)."""
    figure = figures.plt.figure(figsize=(9, 3.6))
    figures.plt.close(figure)
    axes = figure.subplot_mosaic([["in", "encoder", "code", "decoder", "out"], ["strip"] * 5], height_ratios=[1.9, 1])
    panels = {"in": (digit, "784 numbers"), "code": (code.reshape(4, 8), "32 numbers"), "out": (again, "784 numbers")}
    for name, (pixels, title) in panels.items():
        axes[name].imshow(pixels, vmin=0, vmax=pixels.max())
        axes[name].set_title(title, loc="center")
    for name in ("encoder", "decoder"):
        trapezium(axes[name], name, narrowing=name == "encoder")
    axes["strip"].imshow(np.concatenate(strip, axis=1), vmin=0, vmax=1)
    axes["strip"].set_title("what the decoder draws on the way from one code to another", loc="center")
    for ax in axes.values():
        ax.axis("off")
    return figure


def main() -> None:
    """Train, draw and write."""
    encoder, decoder, data = train()
    codes = encoder.predict(data.test.images, batch_size=1000, verbose=0)
    seven, three = (codes[data.test.labels == k].mean(axis=0) for k in (7, 3))
    shares = np.linspace(0, 1, STEPS)[:, np.newaxis]
    strip = decoder.predict((1 - shares) * seven + shares * three, verbose=0)[..., 0]
    code = encoder.predict(strip[-1:, ..., np.newaxis], verbose=0)
    figure = draw(strip[-1], code[0], decoder.predict(code, verbose=0)[0, ..., 0], strip)
    PICTURE.parent.mkdir(exist_ok=True)
    with atomic_write(PICTURE) as unfinished:
        figure.savefig(unfinished, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
