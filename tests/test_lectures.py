"""Every lecture runs from top to bottom, and gives the numbers that it promises."""

import os
import re
import tomllib
from math import floor, log10
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from helpers.notebooks import STAND_IN, TWO_BATCHES, execute, without_data

ROOM = Path(__file__).resolve().parents[1] / "lectures"
# a copy such as 01_simple-Copy1.ipynb is somebody's own
LECTURES = [path for path in sorted(ROOM.glob("*.ipynb")) if re.fullmatch(r"\d\d_\w+", path.stem)]
EXPECTED = tomllib.loads((ROOM / "expected.toml").read_text(encoding="utf-8"))
ON_STAND_IN = EXPECTED.pop("on_stand_in")  # lectures that promise the numbers of their stand-in
# Take two and six minutes of CPU time. What `./course train` must give of 12's numbers is tested in tests/lectures.
LONGEST = ("10_aerial_tiles", "12_segmentation")
# Whose full run was heard to write nothing to stderr; the others were not listened to yet.
NOTHING_RED = (
    "01_simple",
    "02_sparse",
    "03_deep",
    "04_convolutional",
    "05_denoising",
    "06_variational",
    "09_sequences",
)
ENOUGH = 5  # seeds, to tell what chance does
# Whose cells train from the same start when they run again; the others were not mended yet.
BEGINS_ANEW = (
    "00_start_here",
    "01_simple",
    "02_sparse",
    "03_deep",
    "04_convolutional",
    "05_denoising",
    "10_aerial_tiles",
    "11_image_to_image",
)
GOES_ON = """
def _watched(self, *arguments, fit=keras.Model.fit, left={}, **options):
    cells = get_ipython().user_ns["In"]
    number = len(cells) - 1
    weights = [weight.tobytes() for weight in self.get_weights()]
    if cells[number] == cells[number - 1] and weights in left.get(number - 1, []):
        goes_on.append(cells[number])
    history = fit(self, *arguments, **options)
    left.setdefault(number, []).append([weight.tobytes() for weight in self.get_weights()])
    return history

goes_on = []  # cells that, run again, train what they have trained before
keras.Model.fit = _watched
"""

# 12 first: were it to begin with 11, both would make the same stand-in, each for itself.
each_lecture_but_the_last = pytest.mark.parametrize(
    "lecture", [LECTURES[12], *LECTURES[:12]], ids=lambda path: path.stem
)
each_lecture_with_numbers = pytest.mark.parametrize(
    "lecture",
    [
        pytest.param(path, marks=pytest.mark.deep if path.stem in LONGEST else (), id=path.stem)
        for path in LECTURES
        if path.stem in EXPECTED
    ],
)
each_with_numbers = pytest.mark.parametrize("stem", EXPECTED)


def far_off(numbers: dict[str, dict], values: dict[str, float]) -> list[str]:
    """List the numbers that are farther from what the seeds gave than their tolerance; not-a-number is."""
    found = []
    for name, entry in numbers.items():
        seeds, tolerance = entry.get("seeds", [entry["value"]]), entry.get("tolerance", 0)
        low, high = min(seeds) - tolerance, max(seeds) + tolerance
        if not low <= values[name] <= high:
            found.append(f"{name} is {values[name]:.6g}; lectures/expected.toml promises {low:.6g} to {high:.6g}")
    return found


def outputs(notebook: nbformat.NotebookNode) -> str:
    """Join all text that the cells gave out."""
    parts = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(part.get("text", "") or str(part.get("data", "")) for part in parts)


def undescribed(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the code of the cells that show a picture without alt text."""
    return [
        cell.source
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {}) and not output.metadata.get("image/png", {}).get("alt")
    ]


def red(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what the cells wrote to stderr, which JupyterLab shows in red, except about a stand-in that is made.

    oneDNN is heard in tests only, whose TensorFlow is less quiet than the lectures'.
    """
    said = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    return [text for text in said if text.strip() and not re.search("stand-in|oneDNN", text, re.IGNORECASE)]


@pytest.mark.long
@pytest.mark.turns
@each_lecture_with_numbers
def test_lecture_keeps_its_numbers(lecture, stand_ins, kernels):
    """With the data that its numbers were measured on."""
    on_stand_in = lecture.stem in ON_STAND_IN
    names = [*EXPECTED[lecture.stem], STAND_IN]
    notebook, values, _ = execute(lecture, names=names, **kernels, env=without_data(stand_ins) if on_stand_in else {})
    if on_stand_in:
        assert values[STAND_IN] and "stand-in" in outputs(notebook).lower()
    elif values[STAND_IN]:
        pytest.skip("it runs; its numbers hold for the real data, which are not on this machine")
    assert far_off(EXPECTED[lecture.stem], values) == []
    assert lecture.stem not in NOTHING_RED or red(notebook) == []


@pytest.mark.slow
@each_lecture_but_the_last
def test_lecture_runs_without_data_and_network(lecture, stand_ins, kernels):
    """At reduced training. The last one trains in processes of its own: see test_13_on_the_cluster."""
    options = {"env": without_data(stand_ins), "first": TWO_BATCHES}
    notebook, values, _ = execute(lecture, names=[STAND_IN], **options, **kernels)
    assert values[STAND_IN], "no variable of the notebook has is_stand_in"
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
    assert "stand-in" in outputs(notebook).lower()
    assert undescribed(notebook) == []


@pytest.mark.long
@pytest.mark.turns
@each_lecture_but_the_last
def test_each_cell_of_a_lecture_may_run_twice(lecture, stand_ins, kernels):
    """At reduced training, and before the next one runs."""
    options = {"env": without_data(stand_ins), "first": TWO_BATCHES + GOES_ON, "times": 2}
    notebook, values, _ = execute(lecture, names=["goes_on"], **options, **kernels)
    assert lecture.stem not in BEGINS_ANEW or values["goes_on"] == [], (
        "these cells train on when they run again: set the weights that they start from"
    )
    assert undescribed(notebook) == []


def test_a_picture_without_alt_text_and_a_red_line_would_be_seen():
    one = nbformat.v4.new_output
    pictures = [
        one("display_data", {"image/png": "aA=="}, metadata=about) for about in ({"image/png": {"alt": "x"}}, {})
    ]
    cells = [nbformat.v4.new_code_cell(str(number), outputs=[output]) for number, output in enumerate(pictures)]
    cells.append(nbformat.v4.new_code_cell("2", outputs=[one("stream", name="stderr", text="Warning")]))
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert undescribed(notebook) == ["1"] and red(notebook) == ["Warning"]


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_nothing_imports_keras_before_it_is_told_to_be_quiet(lecture):
    """TensorFlow writes red lines while it loads, unless Keras is imported by `helpers.backend`; see there."""
    code = next(cell.source for cell in nbformat.read(lecture, as_version=4).cells if "from helpers" in cell.source)
    first, second = re.findall(r"^from (helpers\S*) import", code, re.MULTILINE)[:2]
    assert first == "helpers" and second in ("helpers.training", "helpers.backend"), "these come first"


@pytest.mark.deep
@pytest.mark.parametrize("stem", ON_STAND_IN)
def test_lecture_runs_on_real_data(stem):
    """At reduced training: nobody promises numbers of data that everybody has to get by hand."""
    _, values, _ = execute(ROOM / f"{stem}.ipynb", names=[STAND_IN], first=TWO_BATCHES)
    if values[STAND_IN]:
        pytest.skip("there are no real data on this machine")


@each_with_numbers
def test_the_text_promises_what_the_seed_of_the_notebook_gave(stem):
    for name, entry in EXPECTED[stem].items():
        assert len(entry.get("seeds", [])) >= ENOUGH, f"{name}: measure it by authoring/measure.py {stem}"
        first = entry["seeds"][0]  # itself rounded to four digits: at 0.6225 either of 0.622 and 0.623 may be right
        assert entry["value"] == float(f"{entry['value']:.3g}"), name
        assert entry["value"] == pytest.approx(first, abs=0.501 * 10 ** (floor(log10(abs(first) or 1)) - 2)), name


def write_notebook(path: Path, *code: str) -> Path:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in code]), path)
    return path


@pytest.mark.slow
def test_a_cell_error_is_reported_with_its_notebook(tmp_path):
    path = write_notebook(tmp_path / "07_bad.ipynb", "loss = 1", "loss / 0")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError") as caught:
        execute(path)
    assert caught.value.__notes__ == [f"in the notebook {path}"]


@pytest.mark.slow
def test_a_missing_variable_is_reported_by_its_name(tmp_path):
    path = write_notebook(tmp_path / "07_bad.ipynb", "loss = 1")
    with pytest.raises(CellExecutionError, match="name 'accuracy' is not defined"):
        execute(path, names=["accuracy"])


@pytest.mark.slow
def test_values_come_back_as_plain_python(tmp_path):
    code = "import os, numpy as np\nname, loss, wide, bad = 'VAE', np.float32(0.5), np.arange(2), float('nan')"
    path = write_notebook(tmp_path / "01_values.ipynb", code, "seed = int('0')", "print(os.environ['COURSE_TEST'])")
    before = path.read_bytes()
    names = ["name", "loss", "wide.tolist()", "seed", "bad", "os.getcwd()", STAND_IN]
    environment = {"COURSE_TEST": "set"}
    notebook, values, seconds = execute(
        path, names=names, replace={"int('0')": "int('3')"}, env=environment, first="seed = loss = 7"
    )
    assert str(values.pop("bad")) == "nan"
    assert list(values.values()) == ["VAE", 0.5, [0, 1], 3, os.fspath(tmp_path), False]
    assert outputs(notebook) == "set\n"
    assert len(notebook.cells) == 3, "the cell that reads the values is not part of the notebook"
    assert 0 < seconds < 600
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_cell_may_run_several_times_before_the_next_one_does(tmp_path):
    path = write_notebook(tmp_path / "01_twice.ipynb", "count = 0", "count += 1\nprint(count)", "count")
    notebook, values, _ = execute(path, names=["count"], times=3)
    assert values == {"count": 3} and outputs(notebook).split() == ["1", "2", "3", *["{'text/plain':", "'3'}"] * 3]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells) == 9


def test_replacing_what_is_not_there_is_refused(tmp_path):
    path = write_notebook(tmp_path / "01_seed.ipynb", "seed = 0")
    with pytest.raises(ValueError, match="no code cell with 'seed = 1'"):
        execute(path, replace={"seed = 1": "seed = 2"})


def test_numbers_far_off_and_not_a_number_are_told():
    numbers = {"loss": {"value": 0.5, "tolerance": 0.1, "seeds": [0.5, 0.7, 0.4]}}
    assert far_off(numbers, {"loss": 0.79}) == far_off(numbers, {"loss": 0.31}) == []
    for loss in (0.81, 0.29, float("nan")):
        assert len(far_off(numbers, {"loss": loss})) == 1
