"""Drive the real `./course lab` in headless Chromium, as a student would: Lab, Browser, Notebook. Used by test_browser.

    with Lab(served, scratch) as lab, Browser() as browser:
        notebook = lab.open(browser, "lectures/00_start_here.ipynb")
        notebook.run_all(timeout=300)

What is not obvious in JupyterLab 4.6 is said where it is dealt with.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from helpers.cli.programs import lab_command

if TYPE_CHECKING:  # takes two seconds, and whoever collects tests imports this
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Root needs --no-sandbox; the rest keeps Chromium from calling home and from looking for a graphics card.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
POP_UPS = ".jp-Dialog, .Toastify__toast"

# The toolbar says "Idle" before the kernel's session exists, and a "Run All Cells" given then is lost, one time in
# three. The application's own model knows better: it is asked for document, session, connection and kernel.
IS_READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget, session = widget?.sessionContext;
    const kernel = session?.session?.kernel;
    return Boolean(widget?.context?.isReady && session.isReady && kernel
        && kernel.connectionStatus === 'connected' && kernel.status === 'idle');
}"""
# JupyterLab 4 draws only the cells in view, so prompts and outputs are read from the model, not from the page.
CODE_CELLS = """const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter(cell => cell.type === 'code' && cell.sharedModel.getSource().trim());"""
HAS_RUN = f"""() => {{ {CODE_CELLS}
    return cells.every(cell => cell.executionState === 'idle' && cell.executionCount !== null)
        || cells.some(cell => cell.outputs.toJSON().some(output => output.output_type === 'error'));
}}"""
OUTPUTS = f"() => {{ {CODE_CELLS} return cells.map(cell => cell.outputs.toJSON()); }}"
SCROLL_TO = "index => window.jupyterapp.shell.currentWidget.content.scrollToItem(index, 'start')"
FIND_OUTPUT = """kinds => [...window.jupyterapp.shell.currentWidget.content.model.cells].findIndex(
    cell => cell.type === 'code' && cell.outputs.toJSON().some(
        output => kinds.some(kind => kind in (output.data || {}))))"""


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def free_port() -> int:
    """Return a port on the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """A running `./course lab` with a profile that nobody has used before.

    Args:
        served: folder that JupyterLab shows as its root; notebooks run in it may be saved.
        scratch: empty folder for Jupyter's own files and `server.log`.
        options: more options of `jupyter lab`.
        course: a folder with an `nbgrader_config.py` of its own, where the lab is to start; nbgrader reads the file in
            the folder that it finds itself in, which for `./course lab` is always the project's.
    """

    def __init__(self, served: Path, scratch: Path, *options: str, course: Path | None = None) -> None:
        self.token, self.port = secrets.token_hex(8), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = scratch / "server.log"
        self.environment = os.environ | {"COURSE_NO_BROWSER": "1"}
        for kind in ("CONFIG", "DATA", "RUNTIME"):
            self.environment[f"JUPYTER_{kind}_DIR"] = str(scratch / kind.lower())
        self.options = [
            f"--ServerApp.root_dir={served}",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",
            *options,
        ]
        self.course = course

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, env=self.environment, cwd=self.course
            )
        try:
            self._wait_until_up(timeout=120)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()  # the shell script and helpers/cli have both become the server by now
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def open(self, browser: "Browser", path: str) -> "Notebook":
        """Open the notebook at `path`, relative to the served folder, and wait for its kernel."""
        # `reset` forgets the workspace: without it the notebook of the test before is opened too
        address = f"{self.url}/lab/tree/{path}?reset&token={self.token}"
        browser.page.goto(address, wait_until="domcontentloaded")
        notebook = Notebook(browser.page)
        notebook.wait_until_ready(timeout=120)
        return notebook

    def _command(self) -> list[str]:
        if self.course is None:
            return [str(ROOT / "course"), "lab", *self.options]
        python = lab_command(self.options, environment=self.environment, is_root=os.geteuid() == 0)
        return [str(ROOT / "course"), "run", "python", *python]

    def _wait_until_up(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"`./course lab` does not answer; its last words:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/status?token={self.token}", timeout=2):
                return True
        except (urllib.error.URLError, TimeoutError):
            return False


class Browser:
    """A headless Chromium with one fresh page.

    Attributes:
        page: the page.
        complaints: errors on the page's console, exceptions in its scripts and requests that failed.
    """

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        self.page = self.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        return self

    def new_page(self, device_scale_factor: float = 1) -> "Page":
        """Return a fresh page that waits for two minutes: voila runs the notebook before it answers."""
        page = self._chromium.new_page(
            device_scale_factor=device_scale_factor, viewport={"width": 1400, "height": 1000}
        )
        page.set_default_timeout(120_000)
        return page

    def __exit__(self, *_: object) -> None:
        self._chromium.close()
        self._playwright.stop()


class Notebook:
    """The notebook in front on a page of JupyterLab."""

    def __init__(self, page: "Page") -> None:
        self.page = page

    def wait_until_ready(self, timeout: float) -> None:
        """Wait until the kernel is connected and idle; timeout in seconds."""
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=timeout * 1000)
        self.page.wait_for_function(IS_READY, timeout=timeout * 1000)

    def run_all(self, timeout: float) -> None:
        """Choose Run > Run All Cells and wait until every cell has run, or one has failed; timeout in seconds."""
        # a cell that was saved with its number would pass for one that has run
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator("li[data-command='runmenu:run-all']").click()
        self.page.wait_for_function(HAS_RUN, timeout=timeout * 1000)
        self.wait_until_ready(timeout)

    @property
    def sheet(self) -> "Locator":
        """What is in view of the notebook, without JupyterLab's menus and margins."""
        return self.page.locator(".jp-NotebookPanel:visible .jp-WindowedPanel-outer")

    def outputs(self) -> list[list[dict[str, Any]]]:
        """Return the outputs of every code cell, as in the notebook format."""
        return self.page.evaluate(OUTPUTS)

    def errors(self) -> list[dict[str, Any]]:
        """Return the outputs that are exceptions."""
        return [output for cell in self.outputs() for output in cell if output["output_type"] == "error"]

    def pop_ups(self) -> list[str]:
        """Return the texts of the dialogs and notifications on the page."""
        return self.page.locator(POP_UPS).all_inner_texts()

    def cell(self, index: int) -> "Locator":
        """Scroll to a cell, counted from 0, and return it."""
        self.page.evaluate(SCROLL_TO, index)
        cell = self.page.locator(f".jp-NotebookPanel:visible .jp-Cell[data-windowed-list-index='{index}']")
        cell.wait_for()
        return cell

    def first_output(self, *kinds: str) -> "Locator":
        """Scroll to the first output of one of the MIME types `kinds`, and return it."""
        index = self.page.evaluate(FIND_OUTPUT, kinds)
        if index < 0:
            raise LookupError(f"no cell has an output of a kind in {kinds}. Look for another kind.")
        return self.cell(index).locator(".jp-OutputArea").first
