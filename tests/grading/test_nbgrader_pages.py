"""nbgrader's own pages in the real JupyterLab: Validate, Create Assignment, formgrader, on our files.

COURSE_SCREENSHOTS names a folder to keep the pictures in.
"""

import shutil
from pathlib import Path

import labdriver
import nbformat
import pytest
import toycourse
from toycourse import FULL, HOMEWORK, POINTS, answered

from helpers.grading.pipeline import exporting
from helpers.grading.pipeline.collecting import collect
from helpers.grading.pipeline.grading import grade, waiting
from helpers.grading.pipeline.roster import Student

ROOT = Path(__file__).resolve().parents[2]
LONG = "hw7_land_cover"
STUDENTS = {
    "1": Student("ada", "Ada Lovelace", "ada@example.edu", "1"),  # as Moodle writes names
    "2": Student("bob", "Burns, Bob", "", "2"),  # as Canvas does
}
DIALOG = ".jp-Dialog:has(#validation-message)"
SHOWS_ALL_CELLS = "number => document.querySelectorAll('.nbgrader-CellWidget').length >= number"
pytestmark = [pytest.mark.needs("a browser"), pytest.mark.usefixtures("sandbox")]


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sandbox):
    """Grade two submissions, one without a solution; beside them lie a student's and the instructor's homework 7."""
    root = tmp_path_factory.mktemp("pages") / "course"
    shutil.copytree(released.root, root)
    course = type(released)(root)
    blank = "def halves(n):\n    raise NotImplementedError"
    handed = {"1": answered(course), "2": answered(course, halves=blank)}
    files = {toycourse.canvas(int(n)): toycourse.as_bytes(notebook) for n, notebook in handed.items()}
    (root / "submissions.zip").write_bytes(toycourse.zipped(files))
    collect(course, HOMEWORK, root / "submissions.zip", STUDENTS)
    grade(course, HOMEWORK, waiting(course, HOMEWORK), jobs=2)
    for folder in ("homework", "homework/_instructor/source"):
        shutil.copytree(ROOT / folder / LONG, root / folder / LONG)
    return course


@pytest.fixture(scope="module")
def lab(graded, tmp_path_factory):
    """Start a JupyterLab in the course's folder, where TensorFlow says on stderr whatever it would say to a student."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
        with labdriver.Lab(graded.root, tmp_path_factory.mktemp("profile"), course=graded.root) as lab:
            yield lab


def released_file(course) -> Path:
    return course.released(LONG) / f"{LONG}.ipynb"


def source_cells(course) -> dict[str, nbformat.NotebookNode]:
    return toycourse.named(nbformat.read(course.source(LONG) / f"{LONG}.ipynb", 4))


def validated(lab, browser) -> str:
    """Open a student's homework 7, press Validate, and return what the dialog says."""
    notebook = lab.open(browser, f"homework/{LONG}/{LONG}.ipynb")
    assert notebook.pop_ups() == []
    browser.page.get_by_role("button", name="Validate").click()
    browser.page.wait_for_selector(DIALOG, timeout=150_000)
    return browser.page.locator(DIALOG).inner_text()


def test_validate_tells_what_fails_in_a_homework_as_handed_out(lab, browser, keep, graded):
    said = validated(lab, browser)
    keep("validate_as_handed_out", browser.page.screenshot())
    handed_out = [cell.source for cell in nbformat.read(released_file(graded), 4).cells]
    open_tests = [source for source in handed_out if source.startswith("read = ")]
    assert all(test.splitlines()[0] in said for test in open_tests)
    assert said.count("The following cell failed") == len(open_tests) + 1  # and the reflection, unanswered
    assert "NotImplementedError" in said


def test_validate_passes_a_right_solution_whatever_tensorflow_remarks(lab, browser, keep, graded):
    notebook = nbformat.read(released_file(graded), 4)
    for name, cell in toycourse.named(notebook).items():
        if cell.metadata.nbgrader.solution:
            cell.source = source_cells(graded)[name].source
    nbformat.write(notebook, released_file(graded))
    said = validated(lab, browser)
    keep("validate_solved", browser.page.screenshot())
    assert "Success! Your notebook passes all the tests." in said


def test_create_assignment_shows_every_cell_with_its_points(lab, browser, keep, graded):
    cells = source_cells(graded)
    lab.open(browser, f"homework/_instructor/source/{LONG}/{LONG}.ipynb")
    page = browser.page
    page.evaluate("window.jupyterapp.commands.execute('nbgrader:open-create-assignment')")
    page.wait_for_function(SHOWS_ALL_CELLS, arg=len(cells))
    keep("create_assignment", page.screenshot())
    names = page.locator(".nbgrader-CellId input").evaluate_all("inputs => inputs.map(input => input.value)")
    assert set(cells) <= set(names)
    points = sum(cell.metadata.nbgrader.get("points", 0) for cell in cells.values())
    assert float(page.locator(".nbgrader-TotalPointsInput").input_value()) == points == 100


def open_formgrader(lab, browser, keep, path: str, name: str) -> str:
    """Open a page of formgrader, wait until its table is filled, and return the page's text."""
    browser.page.request.get(f"{lab.url}/lab?token={lab.token}")  # brings the cookie that formgrader asks for
    browser.page.goto(f"{lab.url}/formgrader/{path}", wait_until="networkidle")
    keep(f"formgrader_{name}", browser.page.screenshot())
    return browser.page.locator("body").inner_text()


def test_formgrader_is_a_menu_away(lab, browser, keep):
    browser.page.goto(f"{lab.url}/lab?reset&token={lab.token}", wait_until="domcontentloaded")
    browser.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    browser.page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    browser.page.locator("li[data-command='nbgrader:open-formgrader']").click()
    frame = browser.page.frame_locator("#formgrader iframe")
    frame.get_by_role("link", name=HOMEWORK, exact=True).wait_for(timeout=60_000)
    keep("formgrader_in_lab", browser.page.screenshot())
    assert frame.get_by_role("link", name=LONG, exact=True).count() == 1


def test_formgrader_shows_the_scores_of_our_pipeline(lab, browser, keep):
    assert HOMEWORK in open_formgrader(lab, browser, keep, "gradebook", "gradebook")
    students = open_formgrader(lab, browser, keep, "manage_students", "students")
    tests, half = sum(FULL.values()), sum(FULL.values()) - FULL["halves_sum"]
    most = sum(POINTS.values())
    assert f"Lovelace, Ada\tada\tada@example.edu\t{tests:g} / {most:g}" in students
    assert f"Burns, Bob\tbob\tNone\t{half:g} / {most:g}" in students


def test_points_by_hand_land_in_the_gradebook_and_in_the_export(lab, browser, keep, graded):
    with graded.gradebook() as gradebook:
        submission = gradebook.find_submission_notebook(HOMEWORK, HOMEWORK, "bob").id
    open_formgrader(lab, browser, keep, f"submissions/{submission}/", "before")
    browser.page.locator("#why").fill("4")
    with browser.page.expect_response(lambda response: "/api/grade/" in response.url and response.ok):
        browser.page.locator("#why").press("Tab")
    keep("formgrader_by_hand", browser.page.screenshot())
    with graded.gradebook() as gradebook:
        assert gradebook.find_grade("why", HOMEWORK, HOMEWORK, "bob").manual_score == 4
    table = {row["student_id"]: row for row in exporting.rows(graded, HOMEWORK, STUDENTS)}
    assert float(table["bob"]["score"]) == FULL["square_small"] + FULL["square_shape"] + 4
    assert [text for text in browser.complaints if lab.url in text] == []  # MathJax would come from the internet
