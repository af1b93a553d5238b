"""Lectures in the real JupyterLab, opened by the real `./course lab`, as a student finds them on the first day.

COURSE_SCREENSHOTS names a folder to keep the pictures in.
"""

import io
import shutil
import urllib.request
from pathlib import Path

import labdriver
import nbformat
import numpy as np
import psutil
import pytest
from PIL import Image

from helpers.notebooks import TWO_BATCHES

ROOT = Path(__file__).resolve().parents[1]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
LECTURES = ["00_start_here", "01_simple"]
pytestmark = pytest.mark.needs("a browser")


def ink(picture: bytes) -> float:
    """Return the share of a PNG's pixels that differ clearly from its most frequent grey."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(int)
    background = np.bincount(grey.ravel()).argmax()
    return float(np.mean(abs(grey - background) > 32))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start one JupyterLab on a copy of the lectures: what is run there may be saved there.

    Their trainings take two batches: the numbers are the business of test_lectures.py.
    """
    served = tmp_path_factory.mktemp("served")
    shutil.copytree(ROOT / "lectures", served / "lectures")
    for lecture in LECTURES:
        path = served / f"lectures/{lecture}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        first.source = f"{TWO_BATCHES}\n{first.source}"
        nbformat.write(notebook, path)
    with labdriver.Lab(served, tmp_path_factory.mktemp("profile")) as lab:
        yield lab


@pytest.mark.parametrize("lecture", LECTURES)
def test_a_lecture_runs_from_top_to_bottom(lab, browser, keep, lecture):
    notebook = lab.open(browser, f"lectures/{lecture}.ipynb")
    assert notebook.pop_ups() == []
    notebook.run_all(timeout=600)
    assert (notebook.errors(), notebook.pop_ups(), browser.complaints) == ([], [], [])
    notebook.cell(0)
    keep(f"{lecture}_top", browser.page.screenshot())
    assert ink(notebook.sheet.screenshot()) > 0.01
    for name, kind in (("figure", "image/png"), ("table", "text/html")):
        assert ink(keep(f"{lecture}_{name}", notebook.first_output(kind).screenshot())) > 0.01


def test_the_address_that_is_printed_leads_to_the_first_lecture(lab):
    with urllib.request.urlopen(f"{lab.url}/?token={lab.token}") as page:
        assert page.url.split("?")[0] == f"{lab.url}/lab/tree/lectures/00_start_here.ipynb"


def test_the_lab_can_be_reached_from_this_machine_only(lab):
    server = psutil.Process(lab.process.pid)
    connections = [c for process in (server, *server.children(recursive=True)) for c in process.net_connections("inet")]
    listening = {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert {"127.0.0.1"} <= listening <= {"127.0.0.1", "::1"}


def test_what_goes_wrong_would_be_seen(browser, tmp_path):
    """Without our settings, with a cell that fails, a complaint on the console and a blank picture."""
    served, profile, no_settings = (tmp_path / name for name in ("served", "profile", "settings"))
    for folder in (served, profile, no_settings):
        folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source, execution_count=1) for source in ("1 / 0", "'never run'")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), served / "bad.ipynb")
    with labdriver.Lab(served, profile, f"--LabApp.app_settings_dir={no_settings}") as bad_lab:
        notebook = bad_lab.open(browser, "bad.ipynb")
        notebook.run_all(timeout=60)
        browser.page.evaluate("console.error('out of cheese')")
        assert [error["ename"] for error in notebook.errors()] == ["ZeroDivisionError"]
        assert any("Jupyter news" in text for text in notebook.pop_ups())
        assert browser.complaints == ["out of cheese"]
        with pytest.raises(LookupError, match="image/png"):
            notebook.first_output("image/png")


def test_a_blank_picture_has_no_ink():
    blank = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(blank, "png")
    assert ink(blank.getvalue()) == 0
