"""What changed about grades after they were given is kept with its reason; nothing is run."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from toycourse import HOMEWORK, canvas

from helpers import cli
from helpers.files import locked
from helpers.grading import GradingError
from helpers.grading.pipeline import Course, records
from helpers.grading.pipeline import grading as pipeline

pytestmark = pytest.mark.slow
WHY = "question 2 can be read both ways"


def say(course: Course, *words: str) -> int:
    verb, *rest = words
    return cli.main(["homework", verb, HOMEWORK, *rest, "--course", str(course.root)])


def take_away(course: Course, points: float) -> None:
    with course.gradebook() as gradebook:
        gradebook.find_grade("halves_sum", HOMEWORK, HOMEWORK, "s2").auto_score = 4 - points
        gradebook.db.commit()


def grade(course: Course, homework: str, todo: list, *, unsafe: bool) -> list:
    """Grade worse than the first time."""
    take_away(course, 3)
    return [records.save(course, homework, todo[0].now(state=records.GRADED, kit="0.3.0"))]


def test_a_regrade_is_kept_with_its_reason_and_both_grades(one_graded, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "grade", grade)
    assert say(one_graded, "regrade", "s2", "--why", f"{WHY}\n", "--by", "ada") == 0
    [change] = records.changes(one_graded, HOMEWORK)["s2"]
    assert (change.who, change.what, change.why) == ("ada", "regrade", WHY)
    assert (change.before["points"], change.after["points"], change.after["kit"]) == ("14", "11", "0.3.0")
    assert change.before["sha256"] == change.after["sha256"] != ""
    line = f"regrade by ada: 14 of 14 -> 11 of 14 ({WHY})"
    assert line in capsys.readouterr().out
    assert say(one_graded, "regrade", "s2", "--why", "again", "--by", "bob") == 0
    assert [change.who for change in records.changes(one_graded, HOMEWORK)["s2"]] == ["ada", "bob"]
    assert say(one_graded, "status") == 0
    assert line in capsys.readouterr().out
    assert say(one_graded, "status", "--student", "s2") == 0
    said = capsys.readouterr().out
    assert line in said
    assert f"original   {canvas(2)}\n" in said


def test_the_user_s_name_is_kept_where_nobody_says_another(one_graded, monkeypatch):
    monkeypatch.setattr(pipeline, "grade", grade)
    monkeypatch.setenv("LOGNAME", "grace")
    assert say(one_graded, "regrade", "s2", "--why", WHY) == 0
    assert records.changes(one_graded, HOMEWORK)["s2"][0].who == "grace"


def test_a_regrade_that_is_killed_is_not_lost(one_graded, monkeypatch):
    def killed(*arguments: object, **options: object) -> list:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "grade", killed)
    assert say(one_graded, "regrade", "s2", "--why", WHY, "--by", "ada") == 130
    [change] = records.changes(one_graded, HOMEWORK)["s2"]
    assert "14 of 14 -> not finished; do it again" in str(change)


def test_a_regrade_that_cannot_begin_leaves_no_trace(one_graded, monkeypatch, capsys):
    def refused(*arguments: object, **options: object) -> list:
        raise GradingError("there is no sandbox")

    monkeypatch.setattr(pipeline, "grade", refused)
    assert say(one_graded, "regrade", "s2", "--why", WHY) == 1
    for words in (["s2"], ["s2", "--why", " "], ["s9", "--why", WHY]):
        assert say(one_graded, "regrade", *words) == 2
    said = capsys.readouterr().err
    assert "needs a reason; say --why" in said
    assert "nothing of s9 to grade; there is of: s2" in said
    assert records.changes(one_graded, HOMEWORK) == {}
    monkeypatch.setattr(pipeline.sandbox, "find", refused)
    for words in (["regrade", "s2", "--why", WHY], ["grade", "--student", "s2"]):
        assert say(one_graded, *words, "--version", "1") == 1
    with records.alone(one_graded, HOMEWORK):
        assert say(one_graded, "regrade", "s2", "--why", WHY, "--version", "1", "--unsafe") == 1
    assert "`regrade` or `import` is at work" in capsys.readouterr().err
    assert records.changes(one_graded, HOMEWORK) == {}
    assert records.grade_of(one_graded, HOMEWORK, "s2")["points"] == "14"


def test_a_change_that_fails_when_the_grade_is_gone_is_kept(one_graded):
    with (
        pytest.raises(GradingError),
        records.change(one_graded, HOMEWORK, "s2", records.REGRADE, who="ada", why=WHY),
    ):
        records.forget(one_graded, HOMEWORK, "s2")
        raise GradingError("there is no sandbox")
    [change] = records.changes(one_graded, HOMEWORK)["s2"]
    assert "14 of 14 -> not finished; do it again" in str(change)


def test_changes_that_others_note_meanwhile_stay(one_graded):
    def change(who: str):
        return records.change(one_graded, HOMEWORK, "s2", records.REGRADE, who=who, why=WHY)

    with change("ada"):
        with change("bob"):
            pass
        with pytest.raises(GradingError), change("eve"):
            raise GradingError("there is no sandbox")
    found = records.changes(one_graded, HOMEWORK)["s2"]
    assert [(one.who, one.after["points"]) for one in found] == [("ada", "14"), ("bob", "14")]


def test_those_who_note_changes_at_once_wait_for_each_other(one_graded, monkeypatch):
    monkeypatch.setattr(records, "grade_of", lambda *about: {"state": "graded"})

    def change(who: str) -> None:
        with records.change(one_graded, HOMEWORK, "s2", records.REGRADE, who=who, why=WHY):
            pass

    people = {f"person {n}" for n in range(12)}
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(change, people))
    found = records.changes(one_graded, HOMEWORK)["s2"]
    assert {one.who for one in found} == people and all(one.after for one in found) and len(found) == 12


def test_a_change_that_cannot_be_noted_is_not_made(one_graded, monkeypatch):
    monkeypatch.setattr(records, "PATIENCE", 0.1)
    folder = one_graded.grading / "history" / HOMEWORK
    folder.mkdir(parents=True)
    made = []
    with (
        locked(folder / "s2.lock"),
        pytest.raises(GradingError, match=f"is being written; do this again.*{os.getpid()}"),
        records.change(one_graded, HOMEWORK, "s2", records.REGRADE, who="ada", why=WHY),
    ):
        made.append("a change")
    assert made == [] and records.changes(one_graded, HOMEWORK) == {}


def test_records_of_earlier_code_are_read(one_graded):
    path = one_graded.grading / "records" / HOMEWORK / "s2.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({key: known[key] for key in known.keys() - {"sha256", "graded", "kit", "machine"}}))
    assert records.load(one_graded, HOMEWORK)["s2"].kit == ""
    assert records.grade_of(one_graded, HOMEWORK, "s2")["points"] == "14"
