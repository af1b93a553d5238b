"""A homework from release to feedback, with submissions that are good, by the verbs that an instructor types."""

import csv
import hashlib
import re
import shutil
import zipfile

import nbformat
import pytest
import toycourse
from toycourse import FULL, HOMEWORK, answered, canvas

from helpers import cli
from helpers.grading.pipeline import Course, exporting, records
from helpers.grading.pipeline.exporting import page
from helpers.grading.pipeline.grading import modules

HIDDEN = "2.25, 49"  # stands in the hidden test only
pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]


def say(course: Course, verb: str, *arguments: object) -> int:
    """Do a verb of `./course homework` in this course."""
    return cli.main(["homework", verb, HOMEWORK, *map(str, arguments), "--course", str(course.root)])


def enrol(course: Course, count: int) -> None:
    rows = [{"student_id": f"s{n}", "name": f"Student {n}", "email": "", "lms_id": str(n)} for n in range(1, count + 1)]
    exporting.write(course.grading / "roster.csv", rows)


def hand_in(course: Course, files: dict) -> int:
    path = course.root / "submissions.zip"
    path.write_bytes(toycourse.zipped(files))
    return say(course, "collect", path)


def table(course: Course) -> dict[str, dict[str, str]]:
    with (course.grading / f"{HOMEWORK}.csv").open(newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def by_tests(course: Course, student: str) -> dict[str, float | None]:
    """Return what each test gave."""
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(HOMEWORK, student)
        return {g.name: g.auto_score for notebook in submission.notebooks for g in notebook.grades if g.name in FULL}


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory, sandbox):
    """Take three students through a term: right, half right, and nothing handed in."""
    course = Course(tmp_path_factory.mktemp("term") / "course")
    shutil.copytree(released.root, course.root)
    enrol(course, 4)
    noisy = "import sys\nprint('warning', file=sys.stderr)\n" + toycourse.SQUARE
    wrong = "def square(x):\n    return 9"
    files = {canvas(1): answered(course, square=noisy), canvas(2, late=True): answered(course, square=wrong)}
    assert hand_in(course, files | {canvas(4): answered(course, why="")}) == 0
    assert say(course, "grade", "--jobs", 2) == 0
    return course


def test_points_are_exact(graded):
    assert by_tests(graded, "s1") == FULL
    assert by_tests(graded, "s2") == {"square_small": 2, "square_shape": 0, "halves_sum": 4}


def test_a_blank_notebook_gets_nothing(course):
    enrol(course, 1)
    blank = nbformat.read(course.released(HOMEWORK) / f"{HOMEWORK}.ipynb", 4)
    assert hand_in(course, {canvas(1): blank}) == 0
    assert say(course, "grade") == 0
    assert by_tests(course, "s1") == toycourse.ZERO
    score = records.scores(course, HOMEWORK)["s1"]
    assert (score.points, score.needs_manual) == (0, False)  # an answer that was not touched wants nobody's eyes


def test_the_table_tells_graded_from_late_from_missing(graded):
    assert say(graded, "export") == 1  # answers wait for a person
    rows = table(graded)
    assert {student: row["status"] for student, row in rows.items()} == {
        "s1": "needs manual",
        "s2": "needs manual",
        "s3": "missing",
        "s4": "needs manual",
    }
    assert (rows["s1"]["score"], rows["s1"]["max_score"], rows["s1"]["late"]) == ("9", "14", "")
    assert rows["s2"]["late"] == "late"
    assert rows["s3"]["score"] == ""


def test_a_grade_tells_what_it_is_by(graded):
    record = records.load(graded, HOMEWORK)["s1"]
    with zipfile.ZipFile(graded.grading / "inbox" / HOMEWORK / "s1" / "1.zip") as kept:
        assert record.sha256 == hashlib.sha256(kept.read(canvas(1))).hexdigest()
    assert record.tests == records.tests_of(graded, HOMEWORK)
    assert re.fullmatch(r"\d+\.\d+\.\d+, helpers [0-9a-f]{16}", record.kit)
    assert record.machine == records.machine()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", record.graded)


def by_hand(course: Course, points: float, student: str = "s1", cell: str = "why") -> None:
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade(cell, HOMEWORK, HOMEWORK, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


@pytest.mark.long
def test_points_by_hand_stay_and_are_marked_where_the_answer_changed(course):
    enrol(course, 2)
    wrong = "def square(x):\n    return 9"
    hand_in(course, {canvas(1): answered(course), canvas(2): answered(course, square=wrong)})
    say(course, "grade", "--jobs", 2)
    by_hand(course, 3)
    by_hand(course, 5, "s2")
    by_hand(course, 1, "s2", "square_shape")  # a test overruled
    assert say(course, "grade", "--again", "--jobs", 2) == 0
    assert say(course, "export") == 0  # nothing is to be looked at once more
    assert [(row["status"], row["score"]) for row in table(course).values()] == [("graded", "12"), ("graded", "12")]

    handed = {canvas(1, f"{HOMEWORK}-1.ipynb"): answered(course, why="No idea.")}
    hand_in(course, handed | {canvas(2, f"{HOMEWORK}-1.ipynb"): answered(course, square=wrong + "\n")})
    for again in ([], ["--again"]):  # nobody has looked in between
        assert say(course, "grade", "--jobs", 2, *again) == 0
        say(course, "export")
        one, two = table(course).values()
        assert (one["status"], one["score"]) == (two["status"], two["score"]) == ("needs manual", "12")
        assert "why: its points by hand were given before the regrade" in one["problems"]
        assert "square_shape: its points by hand were given before the regrade" in two["problems"]
        assert "why: its" not in two["problems"]
    by_hand(course, 1)
    assert say(course, "grade", "--student", "s1") == 0
    say(course, "export")
    assert (table(course)["s1"]["status"], table(course)["s1"]["score"]) == ("graded", "10")


def test_feedback_has_the_error_but_no_hidden_test(graded):
    assert say(graded, "feedback") == 0
    text = page(graded, HOMEWORK, "s2").read_text()
    assert HIDDEN not in text
    assert "HIDDEN TESTS" not in text
    assert "AttributeError" in text
    source = graded.autograded("s2", HOMEWORK) / f"{HOMEWORK}.ipynb"
    assert HIDDEN in source.read_text()  # it had been there


def test_feedback_is_handed_back_under_the_names_that_came(graded):
    say(graded, "feedback")
    with zipfile.ZipFile(graded.grading / "feedback" / f"{HOMEWORK}.zip") as archive:
        wanted = [canvas(1), canvas(2, late=True), canvas(4)]
        assert sorted(archive.namelist()) == sorted(name.replace(".ipynb", ".html") for name in wanted)


@pytest.mark.long
def test_what_is_graded_is_not_graded_again_unless_asked(graded, capsys):
    assert say(graded, "grade") == 0
    assert "0 graded" in capsys.readouterr().out
    assert say(graded, "grade", "--student", "s1") == 0
    assert re.search(r"s1 +9 of 14", capsys.readouterr().out)


def test_a_file_that_is_the_same_as_last_time_keeps_its_grade(graded):
    before = records.load(graded, HOMEWORK)["s1"]
    with zipfile.ZipFile(graded.grading / "inbox" / HOMEWORK / "s1" / "1.zip") as kept:
        noisy = kept.read(canvas(1))
    assert hand_in(graded, {canvas(1): noisy}) == 0
    assert records.load(graded, HOMEWORK)["s1"] == before


def test_canvas_gets_final_scores_only(graded, tmp_path):
    template = tmp_path / "canvas.csv"
    heading = ["Student", "ID", "SIS Login ID", f"{HOMEWORK} (77)"]
    with template.open("w", newline="") as file:
        csv.writer(file).writerows([heading, ["    Points Possible", "", "", "14"], ["One", "1", "s1", ""]])
    with graded.gradebook() as gradebook:
        grade = gradebook.find_grade("why", HOMEWORK, HOMEWORK, "s1")
        grade.manual_score, grade.needs_manual_grade = 5, False
        gradebook.db.commit()
    say(graded, "export", "--canvas", template)
    with (graded.grading / f"{HOMEWORK}-canvas.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["    Points Possible", "", "", "14"], ["One", "1", "s1", "14"]]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "-2+3"])
def test_no_cell_is_a_formula(tmp_path, text):
    exporting.write(tmp_path / "grades.csv", [{"name": text, "problems": 'a, "b"'}])
    assert (tmp_path / "grades.csv").read_text() == f'"name","problems"\n"\'{text}","a, ""b"""\n'


# ---- release ----


def test_a_release_shows_no_secret(released):
    text = (released.released(HOMEWORK) / f"{HOMEWORK}.ipynb").read_text()
    assert not [word for word in (HIDDEN, "SOLUTION", "HIDDEN", "MARK SCHEME", "** 2", "2**k") if word in text]


def rewrite(course: Course, change) -> None:
    path = course.source(HOMEWORK) / f"{HOMEWORK}.ipynb"
    notebook = nbformat.read(path, 4)
    change(toycourse.named(notebook))
    nbformat.write(notebook, path)


def test_a_script_with_the_solutions_stops_the_release(course, capsys):
    before = (course.released(HOMEWORK) / f"{HOMEWORK}.ipynb").read_bytes()
    (course.source(HOMEWORK) / f"{HOMEWORK}.py").write_text(toycourse.SQUARE)  # as jupytext pairs them
    assert say(course, "release") == 1
    assert "would show students" in capsys.readouterr().err
    assert (course.released(HOMEWORK) / f"{HOMEWORK}.ipynb").read_bytes() == before
    assert [path.name for path in (course.root / "homework").iterdir() if path.name.startswith(".")] == []


def test_other_points_are_refused_once_somebody_handed_in(graded, capsys):
    before = (graded.source(HOMEWORK) / f"{HOMEWORK}.ipynb").read_bytes()
    rewrite(graded, lambda cells: cells["square_small"].metadata.nbgrader.update(points=200))
    assert say(graded, "release") == 1
    assert "square_small" in capsys.readouterr().err
    (graded.source(HOMEWORK) / f"{HOMEWORK}.ipynb").write_bytes(before)


@pytest.mark.long
def test_a_test_may_be_corrected(course, capsys):
    enrol(course, 1)
    hand_in(course, {canvas(1): answered(course, square="def square(x):\n    return 9")})
    say(course, "grade")
    assert by_tests(course, "s1")["square_small"] == 2

    def correct(cells: dict) -> None:
        cells["square_small"].source = "assert square(3) == 9\nassert square(4) == 16"

    rewrite(course, correct)
    say(course, "export")
    assert table(course)["s1"]["stale"] == ""
    assert say(course, "release") == 0
    say(course, "export")
    assert table(course)["s1"]["stale"] == "stale"
    assert "1 of them stale: graded by earlier tests" in capsys.readouterr().out
    assert say(course, "grade", "--again") == 0
    assert by_tests(course, "s1")["square_small"] == 0
    say(course, "export")
    assert table(course)["s1"]["stale"] == ""


def test_a_homework_that_is_not_there_is_answered_with_those_that_are(course, capsys):
    assert cli.main(["homework", "release", "hw9", "--course", str(course.root)]) == 2
    assert HOMEWORK in capsys.readouterr().err


@pytest.mark.long
def test_a_due_date_makes_what_comes_later_late(course):
    enrol(course, 2)
    assert say(course, "release", "--due", "2026-10-30 23:59 UTC") == 0
    hand_in(course, {f"Ada_1_assignsubmission_file_/{HOMEWORK}.ipynb": answered(course), canvas(2): answered(course)})
    say(course, "grade")
    say(course, "export")
    assert table(course)["s1"]["late"] == "late"
    assert table(course)["s2"]["late"] == ""  # what Canvas' zip has is the time of the download


def test_what_a_homework_imports_is_loaded_once_for_all(course):
    def add(cells: dict) -> None:
        cells["given"].source = "import numpy as np, json\nfrom helpers.grading import checks"

    rewrite(course, add)
    wanted = {"json", "numpy", "helpers.grading", "helpers.grading.checks"}
    assert set(modules(course.read_source(HOMEWORK))) == wanted
