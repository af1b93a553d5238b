"""Grades go out to Moodle and to people, and come back from people; nothing is run."""

import csv
import re

import nbformat
import pytest
from test_history import say
from toycourse import HOMEWORK, answered

from helpers.grading.pipeline import Course, exporting, records, roster

pytestmark = pytest.mark.slow
HEADING = "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (grade)\n"


def rows(course: Course) -> dict[str, dict[str, str]]:
    say(course, "export")
    return {row["student_id"]: row for row in roster.table(course.grading / f"{HOMEWORK}.csv")}


def hand_in(course: Course, text: str) -> int:
    (course.root / "by_hand.csv").write_text(text, encoding="utf-8")
    return say(course, "import", str(course.root / "by_hand.csv"), "--by", "grace")


def test_points_by_hand_go_out_and_come_back(one_graded, capsys):
    table = one_graded.root / "by_hand.csv"
    assert say(one_graded, "export", "--by-hand", str(table)) == 0
    assert re.fullmatch(
        '"student_id","name","answers","why \\(of 5\\)"\n"s2","Student 2","a[0-9a-f]{8}",""\n', table.read_text()
    )
    assert rows(one_graded)["s2"]["by_hand"] == ""
    assert hand_in(one_graded, table.read_text().replace('""\n', '"3.5"\n')) == 0
    assert "points by hand changed for: s2." in capsys.readouterr().out
    row = rows(one_graded)["s2"]
    assert (row["by_hand"], row["raw"], row["status"]) == ("why", "12.5", "graded")
    [change] = records.changes(one_graded, HOMEWORK)["s2"]
    assert (change.what, change.who, change.why) == ("points by hand", "grace", "from by_hand.csv")
    assert (change.before["points"], change.after["points"]) == ("14", "12.5")
    table.unlink()
    say(one_graded, "export", "--by-hand", str(table))
    assert hand_in(one_graded, table.read_text()) == 0  # nothing new
    assert len(records.changes(one_graded, HOMEWORK)["s2"]) == 1
    capsys.readouterr()
    assert say(one_graded, "status") == 0
    assert "points by hand" not in capsys.readouterr().out  # a line for each would hide the rest


def test_points_for_an_answer_that_changed_are_asked_for_again(one_graded):
    hand_in(one_graded, "student_id,why\ns2,3\n")
    records.reset_score(one_graded, HOMEWORK, "s2")  # as grading does, which then lets points stand if it can
    table = one_graded.root / "again.csv"
    say(one_graded, "export", "--by-hand", str(table))
    assert table.read_text().endswith(',""\n')
    assert hand_in(one_graded, "student_id,why\ns2,3\n") == 0  # somebody has looked: they stand
    with one_graded.gradebook() as gradebook:
        assert not gradebook.find_grade("why", HOMEWORK, HOMEWORK, "s2").needs_manual_grade


def test_a_table_that_may_be_filled_in_is_not_written_over(one_graded, capsys):
    table = one_graded.root / "by_hand.csv"
    table.write_text("student_id,why\ns2,3\n")
    assert say(one_graded, "export", "--by-hand", str(table)) == 2
    assert f"{table} is there already; name another file, or remove it" in capsys.readouterr().err
    assert table.read_text() == "student_id,why\ns2,3\n"


def test_an_import_that_was_killed_ends_when_it_is_done_again(one_graded, monkeypatch):
    give = records.give_by_hand

    def killed(*arguments: object) -> None:
        give(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(records, "give_by_hand", killed)
        assert hand_in(one_graded, "student_id,why\ns2,3\n") == 130
    assert records.changes(one_graded, HOMEWORK)["s2"][0].after is None
    assert hand_in(one_graded, "student_id,why\ns2,3\n") == 0
    [change] = records.changes(one_graded, HOMEWORK)["s2"]
    assert (change.before["points"], change.after["points"]) == ("14", "12")


def test_points_for_an_answer_that_nobody_saw_are_refused(one_graded, capsys):
    path = one_graded.autograded("s2", HOMEWORK) / f"{HOMEWORK}.ipynb"
    notebook = answered(one_graded)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    table = one_graded.root / "sheet.csv"
    say(one_graded, "export", "--by-hand", str(table))
    filled, empty = table.read_text().replace(',""\n', ',"3"\n'), table.read_text()
    nbformat.write(answered(one_graded, why="Another answer."), path)  # as grading another version does
    assert hand_in(one_graded, filled) == 1
    assert "line 2: the answer of s2 changed since; export again" in capsys.readouterr().err
    assert records.changes(one_graded, HOMEWORK) == {}
    assert hand_in(one_graded, empty) == 0
    nbformat.write(answered(one_graded, square="def square(x):\n    return 0"), path)  # which has nothing to do with it
    assert hand_in(one_graded, filled) == 0
    assert records.scores(one_graded, HOMEWORK)["s2"].points == 12


def test_a_person_may_overrule_a_test(one_graded):
    assert hand_in(one_graded, "student_id,halves_sum,why\ns2,1,\ns1,,\n") == 0  # an empty field changes nothing
    assert records.scores(one_graded, HOMEWORK)["s2"].points == 11
    assert rows(one_graded)["s2"]["by_hand"] == "halves_sum"


WRONG = {
    "student_id,why\ns2,4\nS22,4\n": "line 3: nobody called 'S22' has a grade. Did you mean 's2'?",
    "student_id,why\ns1,4\n": "line 2: nobody called 's1' has a grade",  # on the roster, handed in nothing
    "student_id,why\ns2,5.5\n": "line 2: column why: '5.5' of s2; wanted is a number from 0 to 5",
    "student_id,why\ns2,-1\n": "wanted is a number from 0 to 5",
    "student_id,why\ns2,nan\n": "wanted is a number from 0 to 5",
    "student_id,why\ns2,good\n": "line 2: column why: 'good' of s2",
    "student_id,why\ns2,3,5\n": "line 2: more fields than columns: 5. Write 1.5 with a dot",
    "student_id,why\ns2,3\ns2,4\n": "line 3: s2 has a row already",
    "student_id,why,why (of 5)\ns2,3,4\n": "line 1: there are two columns for 'why'; keep one of them",
    "student_id,whi\ns2,3\n": "line 1: there is no cell 'whi'. Did you mean 'why'?",
    "name,why\nAda,3\n": "has no column student_id",
    "": "has no column student_id, or no rows",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_table_with_a_fault_changes_nothing(one_graded, capsys, text):
    assert hand_in(one_graded, text) == 1
    said = capsys.readouterr().err
    assert WRONG[text] in said
    assert str(one_graded.root / "by_hand.csv") in said
    assert records.scores(one_graded, HOMEWORK)["s2"].by_hand == ()
    assert records.changes(one_graded, HOMEWORK) == {}


def test_a_table_of_a_spreadsheet_with_decimal_commas_is_read(one_graded):
    assert hand_in(one_graded, "student_id;name;why (of 5)\ns2;Lovelace, Ada;3,5\n") == 0
    assert records.scores(one_graded, HOMEWORK)["s2"].points == 12.5


def test_all_faults_of_a_table_are_told_at_once(one_graded, capsys):
    hand_in(one_graded, "student_id,why\ns2,9\nnobody,4\n")
    said = capsys.readouterr().err
    assert "line 2: column why" in said
    assert "line 3: nobody called 'nobody'" in said


def fill(course: Course, text: str) -> int:
    (course.root / "worksheet.csv").write_text(text, encoding="utf-8-sig")
    return say(course, "export", "--moodle", str(course.root / "worksheet.csv"))


def test_moodle_s_worksheet_is_filled_in(one_graded, capsys):
    lines = [f'Participant {n},Ada,ada@example.org,"Submitted, {n}",,14.00,Yes,-\n' for n in (1, 2, 3)]
    assert fill(one_graded, HEADING + "".join(lines)) == 0
    with (one_graded.grading / f"{HOMEWORK}-moodle.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["Grade"] for row in found] == ["", "14", ""]
    assert list(found[1].values()) == [
        "Participant 2",
        "Ada",
        "ada@example.org",
        "Submitted, 2",
        "14",
        "14.00",
        "Yes",
        "-",
    ]
    assert "1 final scores filled in" in capsys.readouterr().out
    assert fill(one_graded, HEADING + lines[1].replace("Yes", "No")) == 0
    assert "1 were left out: Moodle does not let them be changed" in capsys.readouterr().out


def test_a_worksheet_that_moodle_would_refuse_or_misread_is_refused(one_graded, capsys):
    assert fill(one_graded, HEADING + "Participant 2,Ada,a@b.org,Submitted,,100.00,Yes,-\n") == 1
    assert "line 2: Maximum Grade is 100.00, and the homework has 14 points" in capsys.readouterr().err
    assert fill(one_graded, "Teilnehmer,Bewertung\nTeilnehmer/in 2,\n") == 1
    assert "no column Identifier, Grade, Last modified (grade)" in capsys.readouterr().err
    assert not (one_graded.grading / f"{HOMEWORK}-moodle.csv").exists()


def test_the_columns_of_the_table_are_these(one_graded):
    assert tuple(rows(one_graded)["s2"]) == exporting.COLUMNS
