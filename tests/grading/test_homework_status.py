"""How a homework stands: counts, points, and what each test tells; nothing is run."""

import re
from datetime import datetime

import nbformat
import pytest
import toycourse
from bs4 import BeautifulSoup
from test_collecting import take
from toycourse import FULL, HOMEWORK, answered, canvas

from helpers import cli
from helpers.grading.pipeline import Course, collecting, exporting, records, roster
from helpers.grading.pipeline.roster import Student
from helpers.grading.pipeline.status import status

pytestmark = pytest.mark.slow
STUDENTS = {str(n): Student(f"s{n}", f"Student {n}", "", str(n)) for n in range(1, 7)}
WRONG = "Mismatch: the square: expected {}, got {}"
POINTS = {  # s1 is good, s2 to s4 are weaker and weaker; nobody has square_shape
    "s1": {"square_small": 2, "square_shape": 0, "halves_sum": 4},
    "s2": {"square_small": 2, "square_shape": 0, "halves_sum": 4},
    "s3": {"square_small": 0, "square_shape": 0, "halves_sum": 4},
    "s4": {"square_small": 0, "square_shape": 0, "halves_sum": 0},
}


@pytest.fixture
def term(course, monkeypatch) -> Course:
    """Give a course in which four of six are graded, one failed and one is missing."""
    monkeypatch.setattr("test_collecting.STUDENTS", STUDENTS)
    take(course, {canvas(n, late=n == 2): answered(course) for n in range(1, 5)} | {canvas(5): b""})
    with course.gradebook() as gradebook, gradebook.db.no_autoflush:
        for number, (student, points) in enumerate(POINTS.items()):
            for grade in gradebook.add_submission(HOMEWORK, student).notebooks[0].grades:
                grade.auto_score, grade.needs_manual_grade = points.get(grade.name, 0), student == "s4"
            notebook = nbformat.from_dict(collecting.read_release(course.released(HOMEWORK) / f"{HOMEWORK}.ipynb"))
            for name, cell in toycourse.named(notebook).items():
                if name in FULL and not points[name]:
                    text = f"the square: expected {number}.5, got {number}e-3\nread lecture 0{number}"
                    cell.outputs = [nbformat.v4.new_output("error", ename="Mismatch", evalue=text, traceback=[])]
                if name in FULL:
                    cell.metadata["seconds"] = number + 0.5
            folder = course.autograded(student, HOMEWORK)
            folder.mkdir(parents=True)
            nbformat.write(notebook, folder / f"{HOMEWORK}.ipynb")
            tests = "older" if student == "s3" else records.tests_of(course, HOMEWORK)
            known = records.load(course, HOMEWORK)[student]
            records.save(course, HOMEWORK, known.now(state=records.GRADED, tests=tests))
        gradebook.db.commit()
    return course


def test_everything_is_counted(term):
    found = status(term, HOMEWORK, STUDENTS)
    wanted = {"graded": 3, "needs manual": 1, "failed": 1, "missing": 1, "late": 1, "stale": 1}
    assert found.counts == wanted
    assert (found.scores, found.most) == ([0, 4, 6, 6], 14)


def test_what_is_collected_has_not_failed(term):
    known = records.load(term, HOMEWORK)
    records.save(term, HOMEWORK, known["s1"].now(state=records.COLLECTED))
    records.save(term, HOMEWORK, known["s2"].now(state=records.GRADING))
    found = status(term, HOMEWORK, STUDENTS).counts
    assert (found["not graded yet"], found["failed"], found["graded"]) == (2, 1, 1)


def test_a_test_tells_who_loses_it_and_how(term):
    small, shape, halves = status(term, HOMEWORK, STUDENTS).tests
    assert [(test.name, test.tried, test.lost) for test in (small, shape, halves)] == [
        ("square_small", 4, 2),
        ("square_shape", 4, 4),
        ("halves_sum", 4, 1),
    ]
    assert small.discrimination == pytest.approx(1 / 3**0.5)  # of (1, 1, 0, 0) with (1, 1, 1, 0)
    assert shape.discrimination is None
    assert (small.remark, shape.remark) == ("", "everybody loses it")
    assert small.seconds == 2
    assert shape.failures == [("Mismatch: the square: expected #, got #", 4, "s1")]


def test_it_is_printed_and_written_as_a_page(term, capsys, tmp_path):
    rows = [{"student_id": one.id, "name": one.name, "email": "", "lms_id": one.lms_id} for one in STUDENTS.values()]
    exporting.write(term.grading / "roster.csv", rows)
    page = tmp_path / "new" / "status.html"
    assert cli.main(["homework", "status", HOMEWORK, "--course", str(term.root), "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "3 graded, 1 needs manual, 1 failed, 1 missing, 1 late, 1 stale" in said
    assert "  0 to  10 %  # 1" in said
    assert "points: 0 to 6 of 14, the median 5" in said
    assert "4 x Mismatch: the square: expected #, got # (such as s1)" in said
    shown = BeautifulSoup(page.read_text(), "html.parser")
    counts, tests, unsettled = [[[one.text for one in row(["th", "td"])] for row in t("tr")] for t in shown("table")]
    assert counts[1:3] == [["handed in", "5"], ["graded", "3"]]
    assert "40 to 50 %: 2." in shown.svg["aria-label"] and "0 to 10 %: 1." in shown.svg["aria-label"]
    assert tests[1:] == [
        ["square_small", "2", "2 of 4", "0.58", "2.0", ""],
        ["square_shape", "3", "4 of 4", "–", "2.0", "everybody loses it"],
        ["halves_sum", "4", "1 of 4", "0.58", "2.0", ""],
    ]
    assert "4 students: Mismatch: the square: expected #, got # (such as s1)" in shown.text
    assert [row[:5] for row in unsettled[1:]] == [
        ["s2", "graded, late", "1", "–", "6"],
        ["s3", "graded, stale", "–", "–", "4"],
        ["s4", "needs manual", "–", "–", "0"],
        ["s5", "failed", "–", "–", "–"],
    ]


def test_an_extension_after_grading_changes_what_late_work_costs(term, capsys):
    with term.gradebook() as gradebook:
        gradebook.update_or_create_assignment(HOMEWORK, duedate=datetime(2026, 11, 1, 12))
    for student, handed_in in (("s1", "2026-11-02 13:00:00 UTC"), ("s3", "2026-11-04 13:00:00 UTC")):
        records.save(term, HOMEWORK, records.load(term, HOMEWORK)[student].now(submitted=handed_in, late=True))
    (term.grading / "course.toml").write_text("[late]\npercent = 10\ndays = 3\n")
    before = {path: path.read_bytes() for path in term.grading.glob("records/*/*")}

    def export(*extension: str) -> dict[str, list[str]]:
        columns = ("student_id", "name", "email", "lms_id", f"extension {HOMEWORK}")
        rows = [(one.id, one.name, "", one.lms_id, *extension) for one in STUDENTS.values()]
        exporting.write(term.grading / "roster.csv", [dict(zip(columns, row, strict=False)) for row in rows])
        assert cli.main(["homework", "export", HOMEWORK, "--course", str(term.root)]) == 1  # s4 waits, s5 failed
        told = ("raw", "days_late", "taken_off", "score")
        table = roster.table(term.grading / f"{HOMEWORK}.csv")
        return {row["student_id"]: [row[column] for column in told] for row in table}

    found = export()
    assert found["s1"] == ["6", "2", "2.8", "3.2"]  # 20 % of 14
    assert found["s2"] == ["6", "1", "1.4", "4.6"]  # as Canvas says
    assert found["s3"] == ["4", "4", "4", "0"]  # is not accepted any more
    assert found["s4"] == ["0", "", "", "0"]
    found = export("2")
    assert (found["s1"], found["s3"]) == (["6", "", "", "6"], ["4", "2", "2.8", "1.2"])
    assert before == {path: path.read_bytes() for path in before}  # nothing was graded again
    capsys.readouterr()
    assert cli.main(["homework", "status", HOMEWORK, "--course", str(term.root)]) == 0
    said = capsys.readouterr().out
    wanted = r"(?m)^s3 +2 days late, 2.8 of 4 points taken off, extension 2 \(due 2026-11-03 12:00:00 UTC\)$"
    assert re.search(wanted, said)
    assert "points: 0 to 6 of 14" in said
    for student, final in (
        ("s3", r"1.2 \(2 days late, 2.8 of 4 points taken off, .*\)"),
        ("s1", r"6 \(extension 2 .*\)"),
    ):
        assert cli.main(["homework", "status", HOMEWORK, "--student", student, "--course", str(term.root)]) == 0
        assert re.search(f"(?m)^final +{final}$", capsys.readouterr().out)
    assert cli.main(["homework", "status", HOMEWORK, "--student", "s5", "--course", str(term.root)]) == 0
    assert "final" not in capsys.readouterr().out


def test_a_homework_that_nobody_handed_in_stands_too(course):
    found = status(course, HOMEWORK, STUDENTS)
    assert (found.counts, found.scores) == ({"missing": 6, "late": 0, "stale": 0}, [])
    assert [test.tried for test in found.tests] == [0, 0, 0]
