"""The instructor's guide: every command in it is run, in its order, with students of Canvas and of Moodle."""

import csv
import re
import shlex
import shutil

import nbformat
import pytest
import toycourse
from toycourse import HOMEWORK, answered, as_bytes, canvas, zipped

from helpers import cli
from helpers.cli import table
from helpers.grading.pipeline import Course
from helpers.grading.pipeline.exporting import page

GUIDE = (toycourse.ROOT / "homework/README.md").read_text()
COMMANDS = re.findall(r"(?m)^    \./course homework (.+)$", GUIDE)
WRONG = "def square(x):\n    return 0"
LATE, BLANK, UNREADABLE, ABSENT, AGAIN = 3, 5, 7, 9, 11
ON_CANVAS, ON_MOODLE = range(1, 13), range(501, 505)
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("sandbox")]


def write(path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def canvas_files(course: Course, *, resubmitted: bool) -> dict[str, bytes]:
    """Return what the students hand in: all right but for some, one of whom thinks again."""
    right, wrong = as_bytes(answered(course)), as_bytes(answered(course, square=WRONG))
    blank = (course.released(HOMEWORK) / f"{HOMEWORK}.ipynb").read_bytes()
    files = {canvas(n, late=n == LATE): right for n in ON_CANVAS if n not in (ABSENT, AGAIN)}
    files |= {canvas(BLANK): blank, canvas(UNREADABLE): b""}
    again = {f"student{AGAIN}_{AGAIN}_95000_{HOMEWORK}-1.ipynb": right}
    return files | (again if resubmitted else {canvas(AGAIN): wrong})


def moodle_files(course: Course) -> dict[str, bytes]:
    """Return what Moodle gives, with folders and without."""
    right = as_bytes(answered(course))
    names = {n: f"Ada von Moodle {n}_{n}_assignsubmission_file_{'/' * (n % 2)}{HOMEWORK}.ipynb" for n in ON_MOODLE}
    return {name: right for name in names.values()}


@pytest.fixture(scope="module")
def term(released, tmp_path_factory, sandbox):
    """Run every command of the guide where its files are; return the course, its folder and the exit statuses."""
    folder = tmp_path_factory.mktemp("term")
    course = Course(folder / "course")
    shutil.copytree(released.root, course.root)
    heading = ["Student", "ID", "SIS Login ID", f"{HOMEWORK} (77)"]
    gradebook = [[f"Name {n}", str(n), f"u{n}", ""] for n in ON_CANVAS]
    for path in (folder / "canvas.csv", course.grading / "roster.csv"):
        write(path, [heading, ["    Points Possible", "", "", "14"], *gradebook])
    moodle = [[f"Participant {n}", f"Ada von Moodle {n}", f"ada{n}@example.org"] for n in ON_MOODLE]
    write(folder / "moodle.csv", [["Identifier", "Full name", "Email address"], *moodle])
    (folder / "submissions.zip").write_bytes(zipped(canvas_files(course, resubmitted=False)))
    (folder / "resubmissions.zip").write_bytes(zipped(canvas_files(course, resubmitted=True)))
    (folder / "moodle.zip").write_bytes(zipped(moodle_files(course)))
    mine = folder / f"{HOMEWORK}.ipynb"
    nbformat.write(answered(course), mine)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        statuses = [(command, run(course, command, str(mine))) for command in COMMANDS]
    return course, folder, statuses


def run(course: Course, command: str, mine: str) -> int:
    verb, _, *options = ["u1" if word == "ada" else word for word in shlex.split(command)]
    if verb == "feedback":
        grade_by_hand(course)
    if verb == "check":
        return cli.main(["homework", verb, mine])
    return cli.main(["homework", verb, HOMEWORK, *options, "--course", str(course.root)])


def grade_by_hand(course: Course) -> None:
    with course.gradebook() as gradebook:
        for submission in gradebook.assignment_submissions(HOMEWORK):
            grade = gradebook.find_grade("why", HOMEWORK, HOMEWORK, submission.student_id)
            grade.manual_score, grade.needs_manual_grade = 5, False
        gradebook.db.commit()


def rows(path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row.get("student_id") or row["SIS Login ID"]: row for row in csv.DictReader(file)}


def test_every_verb_of_an_instructor_is_in_the_guide():
    assert {command.split()[0] for command in COMMANDS} == table.VERBS["homework"].verbs.keys() - {"selftest"}


def test_every_command_does_its_work(term):
    _, _, statuses = term
    assert 2 not in [status for _, status in statuses]
    assert ("check hw1_dense", 0) in statuses
    assert [status for command, status in statuses if command == "grade hw1_dense"] == [0, 0]


def test_the_table_tells_everybody_s_story(term):
    course, _, _ = term
    table = rows(course.grading / f"{HOMEWORK}.csv")
    assert table["u1"]["score"] == "14"
    assert table[f"u{BLANK}"]["score"] == "5"  # what the person gave for nothing
    assert table[f"u{LATE}"]["late"] == "late"
    assert (table[f"u{UNREADABLE}"]["status"], table[f"u{UNREADABLE}"]["score"]) == ("failed", "")
    assert (table[f"u{ABSENT}"]["status"], table[f"u{ABSENT}"]["score"]) == ("missing", "")
    # 4 by tests became 9; the 5 points by hand stay, for the answer is the same
    assert (table[f"u{AGAIN}"]["score"], table[f"u{AGAIN}"]["status"]) == ("14", "graded")
    assert len(table) == len(ON_CANVAS)


def test_canvas_takes_back_final_scores(term):
    course, _, _ = term
    filled = rows(course.grading / f"{HOMEWORK}-canvas.csv")
    assert filled["u1"][f"{HOMEWORK} (77)"] == "14"
    assert filled[f"u{AGAIN}"][f"{HOMEWORK} (77)"] == "9"  # before the resubmission: 4 by tests and 5 by hand
    assert filled[f"u{ABSENT}"][f"{HOMEWORK} (77)"] == ""


def test_moodle_s_students_have_grades_of_their_own(term):
    _, folder, _ = term
    table = rows(folder / "moodle_grades.csv")
    assert [table[f"ada{n}"]["score"] for n in ON_MOODLE] == ["9"] * len(ON_MOODLE)


def test_feedback_is_there_for_whoever_has_a_score(term):
    course, _, _ = term
    assert page(course, HOMEWORK, "u1").exists()
    assert not page(course, HOMEWORK, f"u{UNREADABLE}").exists()
