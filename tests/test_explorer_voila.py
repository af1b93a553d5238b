"""The latent-space explorer as a page of its own, served by voila.

COURSE_SCREENSHOTS names a folder to keep the picture in.
"""

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import explorerpage
import labdriver
import pytest

# Without these the page is complete: icons that voila's template fetches from the network, and extensions of JupyterLab
# that look in vain for a JupyterLab around them.
NOT_OURS = ("fontawesome", "ERR_NAME_NOT_RESOLVED", "jupyterlab-jupytext", "@jupyter-notebook", "nbgrader")
pytestmark = pytest.mark.needs("a browser")


@pytest.fixture
def address(tmp_path, require):
    """Serve the notebook by voila, on this machine only, and give the address."""
    require(labdriver.find_chromium(), "no Chromium here; on Debian and Ubuntu: sudo apt install chromium")
    explorerpage.write_notebook(tmp_path / "explorer.ipynb", explorerpage.KNOWN_CELLS)
    port = labdriver.free_port()
    options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with (tmp_path / "voila.log").open("w") as log:
        command = [sys.executable, "-m", "voila", tmp_path / "explorer.ipynb", *options]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until_up(port, server)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(20)


def wait_until_up(port: int, server: subprocess.Popen) -> None:
    """Wait until voila answers; for a static file, because each visit of the page runs the notebook."""
    end = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, TimeoutError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=2).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"voila does not answer; its exit status: {server.poll()}")


def complaints(browser: labdriver.Browser) -> list[str]:
    """Return what the page complains about that is ours to mend."""
    return [text for text in browser.complaints if not any(name in text for name in NOT_OURS)]


def test_a_slider_moves_the_decoded_image(address):
    with labdriver.Browser() as browser:
        browser.page.goto(address)
        explorer = explorerpage.Explorer(browser.page).wait()
        mean = 255 * (1 - explorerpage.KNOWN_CODES.mean(axis=0))
        explorer.until_decoded(*mean)
        explorer.sliders.nth(0).press("End")
        explorer.until_decoded(0, *mean[1:])
        explorer.keep("voila")
        assert complaints(browser) == []


def test_a_sharp_screen_gets_sharp_points(address):
    with labdriver.Browser() as browser:
        page = browser.new_page(device_scale_factor=2)
        page.goto(address)
        explorer = explorerpage.Explorer(page).wait()
        box = explorer.points.bounding_box()
        assert explorer.points.evaluate("canvas => [canvas.width, canvas.height]") == [
            2 * box["width"],
            2 * box["height"],
        ]
        explorer.click(1, 1)
        explorer.until_decoded(0, 0, 0)
        explorer.keep("sharp")
