"""`./course data show`: what is drawn, and where it is shown."""

import base64
import re
import subprocess
import tempfile
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from chesapeake_patches import make_patch, write
from grss_tiles import write_many

from helpers import cli
from helpers.cli import data
from helpers.data import fetch
from helpers.data.base import draw

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

PNG = b"\x89PNG\r\n\x1a\n"
ON_A_SERVER = {"TERM": "xterm-256color"}


@pytest.fixture
def viewers(monkeypatch):
    """Collect the viewers that would have been opened."""
    opened = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: opened.append(command))
    return opened


def panels(figure):
    """Return the pixels that each panel shows, by its title."""
    return {
        ax.get_title(loc="left"): ax.images[0].get_array() for ax in figure.axes if ax.images and ax.get_title("left")
    }


def test_a_patch_is_drawn_as_it_is_stored(tmp_path):
    write(tmp_path, ["a.npz"], make_patch(0))
    shown, patch = panels(draw(tmp_path / "a.npz")), make_patch(0)[0]
    assert len(shown) == 8
    np.testing.assert_allclose(shown["aerial, 2013/14"], patch[0:3].transpose(1, 2, 0) / 255, atol=1e-6)
    np.testing.assert_allclose(shown["aerial, 2010-12"], patch[4:7].transpose(1, 2, 0) / 255, atol=1e-6)
    water = shown["labels"][patch[8] == 1]
    np.testing.assert_allclose(water, np.tile([0, 0xC5 / 255, 1], (len(water), 1)))
    assert (shown["labels"][np.isin(patch[8], [0, 15])] == 1).all()  # no class is paper, not road
    assert np.array_equal(shown["building mask"][..., 0] < 0.5, patch[28] == 1)
    on = shown["Landsat, leaf-on: NIR, red, green"]
    order = np.argsort(patch[14], axis=None)  # channel 14 is band 5 of leaf-on, the near infrared
    assert (np.diff(on[..., 0].ravel()[order]) >= 0).all() and on[..., 0].max() > 0.9


def test_the_legend_names_the_classes_that_occur(tmp_path):
    patch = make_patch(0)
    patch[0, 8] = 2
    patch[0, 8, :, :64] = 6
    patch[0, 8, 0, 255] = 1
    write(tmp_path, ["a.npz"], patch)
    (labels,) = [ax for ax in draw(tmp_path / "a.npz").axes if ax.get_title("left") == "labels"]
    entries = [text.get_text() for text in labels.get_legend().get_texts()]
    assert entries == ["water below 1%", "trees 75%", "road 25%"]


def test_a_tile_is_drawn_with_all_its_files_wherever_the_archives_lie(tmp_path):
    tiles = write_many(tmp_path / "Train-Track1-RGB" / "Track1-RGB", {"JAX_001": 1}, kinds=("RGB", "MSI"))
    truth = write_many(tmp_path / "Train-Track1-Truth" / "Track1-Truth", {"JAX_001": 1}, kinds=("CLS", "AGL"))
    for path in [*tmp_path.rglob("*_RGB.tif"), *tmp_path.rglob("*_AGL.tif")]:
        shown = panels(draw(path))
        assert list(shown) == ["RGB", "MSI", "CLS", "AGL, metres"]
    np.testing.assert_allclose(shown["RGB"], tiles["JAX_001_001"]["RGB"] / 255)
    heights = truth["JAX_001_001"]["AGL"]
    np.testing.assert_array_equal(np.ma.filled(shown["AGL, metres"].astype(float), np.nan), heights)
    codes = truth["JAX_001_001"]["CLS"]
    assert len({tuple(colour) for colour in shown["CLS"][codes == 17].tolist()}) == 1


def test_a_piece_is_drawn_by_itself(tmp_path):
    write_many(tmp_path / "tiles", {"JAX_001": 1})
    cli.main(["data", "cut", str(tmp_path / "tiles"), str(tmp_path), "--size", "16", "--tile-size", "64"])
    assert panels(draw(tmp_path / "JAX_001_001_RGB_16x16_3split4.tif"))["RGB"].shape == (16, 16, 3)


def test_digits_are_drawn_with_their_labels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "digits.npz", x_train=images, y_train=np.arange(50) % 10)
    axes = draw(tmp_path / "digits.npz").axes
    assert len(axes) == 40 and axes[13].get_title() == "3"
    np.testing.assert_allclose(axes[13].images[0].get_array(), images[13] / 255)


def test_png_writes_the_picture_and_opens_nothing(tmp_path, viewers, capsys):
    write(tmp_path, ["a.npz"], make_patch(0))
    assert cli.main(["data", "show", str(tmp_path / "a.npz"), "--png", str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}\n" and viewers == []
    assert matplotlib.image.imread(tmp_path / "a.png").shape == (975, 1600, 4)


def test_a_picture_goes_to_the_viewer_and_its_path_is_printed(tmp_path, viewers, monkeypatch, capsys):
    write(tmp_path, ["a.npz"], make_patch(0))
    monkeypatch.setattr(data, "viewer_for", lambda platform, environment: "viewer")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cli.main(["data", "show", str(tmp_path / "a.npz")]) == 0
    path = capsys.readouterr().out.strip()
    assert viewers == [["viewer", path]] and Path(path).read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["damaged.tif", "JAX_001_001_RGB.tif", "photo.jpg", "damaged.npz", "mnist.npz"])
def test_what_cannot_be_drawn_is_told(name, tmp_path, capsys):
    (tmp_path / name).write_text("no zip and no TIFF")
    assert cli.main(["data", "show", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err.startswith(f"course data show: {tmp_path / name}")


@pytest.mark.parametrize("name", ["gone.npz", "gone.tif", "mnist.npz"])
def test_what_is_not_there_was_asked_wrongly(name, tmp_path, capsys):
    assert cli.main(["data", "show", str(tmp_path / name)]) == 2
    assert f"there is no file {tmp_path / name}" in capsys.readouterr().err


def test_a_png_that_cannot_be_written_is_told(tmp_path, capsys):
    write(tmp_path, ["a.npz"], make_patch(0))
    assert cli.main(["data", "show", str(tmp_path / "a.npz"), "--png", str(tmp_path / "no" / "a.png")]) == 1
    assert f"{tmp_path / 'no' / 'a.png'} cannot be written: No such file" in capsys.readouterr().err


def test_the_real_patches_can_be_drawn(require):
    folder = fetch.find("chesapeake")
    require(folder, "no real patches in the data folders")
    assert len(panels(draw(next(folder.rglob("*.npz"))))) == 8


# ---- terminals ----


@pytest.mark.parametrize("size", [10, 3072, 3073, 100_000])
def test_kitty_gets_the_picture_in_chunks(size):
    png = np.random.default_rng(0).bytes(size)
    chunks = re.findall("\x1b_G(.*?);(.*?)\x1b\\\\", data.in_terminal(png, {"KITTY_WINDOW_ID": "1"}) or "")
    assert all(len(text) <= 4096 for _, text in chunks)
    assert base64.b64decode("".join(text for _, text in chunks)) == png
    assert chunks[0][0].startswith("a=T,f=100,")
    assert [head[-3:] for head, _ in chunks] == ["m=1"] * (len(chunks) - 1) + ["m=0"]


@pytest.mark.parametrize(
    "terminal", [{"TERM_PROGRAM": "iTerm.app"}, {"LC_TERMINAL": "iTerm2"}, {"TERM_PROGRAM": "WezTerm"}]
)
def test_iterm_gets_the_picture_at_once(terminal):
    head, text = (data.in_terminal(b"picture", terminal) or "").removesuffix("\x07").split(":")
    assert head == "\x1b]1337;File=inline=1;size=7" and base64.b64decode(text) == b"picture"


@pytest.mark.parametrize("environment", [ON_A_SERVER, {"KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux"}])
def test_other_terminals_get_no_strange_characters(environment):
    assert data.in_terminal(b"picture", environment) is None


def test_the_viewer_is_that_of_the_system(monkeypatch):
    monkeypatch.setattr(data.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert data.viewer_for("darwin", {}) == "open"
    assert data.viewer_for("linux", {"DISPLAY": ":0"}) == "/usr/bin/xdg-open"
    assert data.viewer_for("linux", ON_A_SERVER) is None
    assert data.viewer_for("darwin", {"COURSE_NO_BROWSER": "1"}) is None
