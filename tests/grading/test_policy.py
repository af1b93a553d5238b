"""What late work costs and who has more time: `course.toml` and the roster, without anything being graded."""

import re
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from helpers.grading import GradingError
from helpers.grading.pipeline import Course, policy, records, roster
from helpers.grading.pipeline.policy import Late, Policy
from helpers.grading.pipeline.records import Record, Score

ROOT = Path(__file__).resolve().parents[2]
HOMEWORK = "hw1_dense"
DUE = datetime(2026, 11, 30, 12, tzinfo=UTC)
BERLIN = 'zone = "Europe/Berlin"\n'


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    """Give a course with two homeworks that are due and no gradebook."""
    monkeypatch.setattr(records, "due", lambda course, homework: DUE)
    found = Course(tmp_path)
    for homework in (HOMEWORK, "hw2_convolutional"):
        found.source(homework).mkdir(parents=True)
    found.grading.mkdir(parents=True)
    return found


def read(course: Course, settings: str = "", columns: str = "", cells: str = "") -> Policy:
    """Read a policy of these settings, and of a roster in which Ada has these cells."""
    (course.grading / "course.toml").write_text(settings, encoding="utf-8")
    rows = f"student_id,name,email,lms_id{columns}\nbob,Bob,,2\n" + f"ada,Ada,,1{cells}\n"
    (course.grading / "roster.csv").write_text(rows, encoding="utf-8")
    return policy.read(course, HOMEWORK, roster.read(course.grading / "roster.csv"))


def handed_in(late: timedelta, **facts: object) -> Record:
    return Record("ada", records.GRADED, submitted=f"{DUE + late:%Y-%m-%d %H:%M:%S} UTC", **facts)  # type: ignore[arg-type]


def stands(found: Policy, late: timedelta, points: float = 30, student: str = "ada") -> tuple:
    """Return days late, points taken off and what is left of 40."""
    standing = found.standing(student, handed_in(late), Score(points, 40, False, 0))
    return standing.days_late, standing.taken_off, standing.final


H, D = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("settings", "late", "wanted"),
    [
        ("", 2 * D, (2, 0, 30)),  # nothing is taken off where nobody said so
        ("[late]\npercent = 10", -H, (0, 0, 30)),
        ("[late]\npercent = 10", H, (1, 4, 26)),
        ("[late]\npercent = 10", D + H, (2, 8, 22)),
        ("[late]\npercent = 10\nof = 'score'", D, (1, 3, 27)),
        ("[late]\npercent = 10\ngrace = 60", H, (0, 0, 30)),
        ("[late]\npercent = 10\ngrace = 60", D + H, (1, 4, 26)),
        ("[late]\npercent = 10\ncap = 25", 9 * D, (9, 10, 20)),
        ("[late]\npercent = 10\ncap = 25\ndays = 3", 4 * D, (4, 30, 0)),
        ("[late]\npercent = 50", 9 * D, (9, 30, 0)),  # never below 0
        ("[late]\npercent = 10\n[late.hw1_dense]\npercent = 2.5", D, (1, 1, 29)),
        ("[late]\npercent = 10\n[late.hw2_convolutional]\npercent = 50", D, (1, 4, 26)),
    ],
)
def test_late_work_costs_what_the_policy_says(course, settings, late, wanted):
    assert stands(read(course, settings), late) == wanted


@pytest.mark.parametrize(
    ("column", "cell", "hours"),  # of more time
    [
        ("extension hw1_dense", "2", 48),
        ("Extension: hw1_dense", "+2 days", 48),
        ("extension_hw1_dense", "0.5", 12),
        ("extension", "12 h", 12),
        ("extension hw2_convolutional", "2", 0),
        ("extension hw1_dense", "2026-12-02 12:00 UTC", 48),
        ("extension hw1_dense", "2026-12-02T13:00+01:00", 48),
        ("extension hw1_dense", "2026-12-02 07:00 America/New_York", 48),
        ("extension hw1_dense", "2026-12-02 13:00", 48),  # in the zone of course.toml
        ("extension hw1_dense", "2026-12-02T13:00:00", 48),
    ],
)
def test_an_extension_moves_the_day_on_which_it_is_due(course, column, cell, hours):
    found = read(course, BERLIN + "[late]\npercent = 10", f",{column}", f",{cell}")
    assert found.due_for("ada") == DUE + hours * H
    assert found.due_for("bob") == DUE
    assert stands(found, hours * H) == (0, 0, 30)
    assert stands(found, hours * H + H) == (1, 4, 26)


def test_a_day_alone_is_meant_until_its_end(course):
    assert read(course, BERLIN, ",extension hw1_dense", ",2026-12-02").due_for("ada") == datetime(
        2026, 12, 2, 22, 59, 59, tzinfo=UTC
    )


def test_what_names_the_homework_counts_before_what_holds_for_all(course):
    for columns, cells in ((",extension,extension hw1_dense", ",1,3"), (",extension hw1_dense,extension", ",3,1")):
        assert read(course, "", columns, cells).due_for("ada") == DUE + 3 * D


def test_columns_of_platforms_are_no_extensions(course):
    assert not read(course, "", ",Extension school (4711),Section", ",12,north").extensions


def test_the_examples_of_the_pages_are_read_as_they_say(course):
    course.source("hw7_land_cover").mkdir()
    guide = re.findall(r"(?m)^    zone = (?:.|\n)+?days = 7$", (ROOT / "homework/README.md").read_text())
    page = re.findall(r"```toml\n((?:.|\n)+?)```", (ROOT / "docs/teaching.md").read_text())
    found = [read(course, textwrap.dedent(example)).late for example in guide + page]
    assert found == [Late(percent=10, days=3, grace=15, cap=50), Late(percent=10, days=3, grace=15)]


BAD_SETTINGS = {
    "[late]\npercent = 110": ("line 2: percent must be less than or equal to 100; received 110", 2),
    "\n[late]\npercent = '10%'": ("line 3: percent must be a valid number; received '10%'", 3),
    "[late]\ndays = -1": ("days must be greater than or equal to 0; received -1", 2),
    "[late]\ngrace = true": ("grace must be a valid number; received True", 2),
    "[late]\ncap = nan": ("cap must be a finite number; received nan", 2),
    "[late]\nof = 'points'": ("of must be 'maximum' or 'score'; received 'points'", 2),
    "[late]\npercents = 10": ("'percents' is not known. Did you mean 'percent'?", 2),
    "late = 10": ("late must be a table", 1),
    "[late.hw1_dens]\npercent = 5": ("'hw1_dens' is not known. Did you mean 'hw1_dense'?", 1),
    "[late]\n[late.hw1_dense]\ncap = 200": ("line 3: cap must be less than", 3),
    "zone = 'Berlin'": ("line 1: zone must be the name of a time zone, such as", 1),
    "zone = 2": ("zone must be a valid string; received 2", 1),
    "[latte]\npercent = 10": ("'latte' is not known. Did you mean 'late'?", 1),
    "[late]\npercent = 10 %": ("line 2", 2),
}


@pytest.mark.parametrize("settings", BAD_SETTINGS)
def test_a_setting_that_is_wrong_is_told_with_its_place(course, settings):
    message, line = BAD_SETTINGS[settings]
    with pytest.raises(GradingError) as caught:
        read(course, settings)
    assert f"{course.grading / 'course.toml'}" in str(caught.value)
    assert f"line {line}" in str(caught.value)
    assert message in str(caught.value)


def test_settings_in_another_folder_are_not_passed_over(course):
    for folder in (course.root, course.grading.parent):
        (folder / "course.toml").write_text("[late]\npercent = 10\n")
        with pytest.raises(GradingError, match="is not read; move it to"):
            read(course)
        (folder / "course.toml").unlink()


BAD_CELLS = {
    ("extension hw1_dense", "next friday"): "'next friday' is not understood; wanted is a number of days",
    ("extension hw1_dense", "-2"): "'-2' is not understood",
    ("extension hw1_dense", "02.12.2026"): "'02.12.2026' is not understood",
    (
        "extension hw1_dense",
        "2026-12-02 13:00",
    ): 'no time zone; write it behind the time, or zone = "Europe/Berlin"',
    ("extension hw1_dense", "2026-12-02 13:00 PST"): "is not understood",
    ("extension hw1_dense", "2026-13-02 UTC"): "is not understood",
    ("extension hw1_dense", "20261202"): "is not understood",
    ("extension hw1_dense", "2026-11-02 UTC"): "is before the homework is due, 2026-11-30 12:00 UTC",
    ("extension", "2026-12-02 UTC"): "is a time, which is for one homework",
    ("extension hw1_dens", "2"): "there is no homework 'hw1_dens'. Did you mean 'hw1_dense'?",
    ("days late hw1_dense", "two"): "'two' is not understood; wanted is a whole number of days",
}


@pytest.mark.parametrize(("column", "cell"), BAD_CELLS)
def test_a_cell_that_is_wrong_is_told_with_its_place(course, column, cell):
    with pytest.raises(GradingError) as caught:
        read(course, "", f",{column}", f",{cell}")
    assert f"{course.grading / 'roster.csv'}, line 3, column {column!r}" in str(caught.value)
    assert BAD_CELLS[column, cell] in str(caught.value)


def test_two_columns_for_one_extension_are_refused(course):
    for columns in (",extension,extension", ",extension hw1_dense,Extension: hw1_dense"):
        with pytest.raises(GradingError, match="two columns for extension"):
            read(course, "", columns, ",1,2")


def test_what_only_the_platform_calls_late_counts_one_day_until_somebody_says_how_many(course):
    flagged, score = Record("ada", records.GRADED, late=True), Score(40, 40, False, 0)
    found = read(course, "[late]\npercent = 10").standing("ada", flagged, score)
    assert (found.days_late, found.taken_off) == (1, 4)
    assert "counted as 1 day" in found.notes[0]
    told = read(course, "[late]\npercent = 10", ",days late hw1_dense", ",3").standing("ada", flagged, score)
    assert (told.days_late, told.taken_off, told.notes) == (3, 12, ())
    more = read(course, "[late]\npercent = 10", ",extension", ",3").standing("ada", flagged, score)
    assert (more.days_late, more.taken_off) == (0, 0)
    assert "the extension is taken to cover it" in more.notes[0]


def test_a_version_that_an_extension_brings_in_time_is_told(course):
    rows = [{"version": str(n), "handed in": f"2026-12-0{n} 12:00:00 UTC", "why": "late"} for n in (2, 3, 9)]
    record = handed_in(-H, version=1, versions=rows)
    assert not read(course).standing("ada", record, None).notes
    [note] = read(course, "", ",extension", ",4").standing("ada", record, None).notes
    assert "version 3 came within the extension; collect the zip again" in note


def test_nbgrader_s_own_penalty_holds_where_the_course_has_none(course):
    score = Score(30, 40, False, 3600, penalty=5)
    record = Record("ada", records.GRADED)
    assert read(course).standing("ada", record, score).final == 25
    assert read(course, "[late]\npercent = 10").standing("ada", record, score).final == 26  # came without `collect`


def test_half_points_stay_readable():
    assert Late(percent=7).taken_off(1, 30, 35.1) == 2.46


@pytest.mark.parametrize(
    ("due", "column", "cell", "wanted"),
    [
        ("2026-10-24 23:59", "extension", "2", "2026-10-26 23:59"),  # of 25 hours
        ("2026-10-24 23:59", "extension", "48 h", "2026-10-26 22:59"),
        ("2026-03-28 23:59", "extension", "1", "2026-03-29 23:59"),  # of 23 hours
        ("2026-03-28 12:00", "extension hw1_dense", "1.5", "2026-03-30 00:00"),
    ],
)
def test_days_are_those_of_the_clock_where_the_zone_is_known(course, monkeypatch, due, column, cell, wanted):
    berlin = ZoneInfo("Europe/Berlin")
    at = datetime.fromisoformat(due).replace(tzinfo=berlin).astimezone(UTC)
    monkeypatch.setattr(records, "due", lambda course, homework: at)
    found = read(course, BERLIN, f",{column}", f",{cell}").due_for("ada")
    assert f"{found.astimezone(berlin):%Y-%m-%d %H:%M}" == wanted


@pytest.mark.parametrize("due", ["2026-10-24 23:59", "2026-10-25 02:30", "2026-03-28 23:59", "2026-03-29 01:30"])
def test_late_days_begin_at_the_same_time_of_the_clock(due):
    berlin = ZoneInfo("Europe/Berlin")
    begins = datetime.fromisoformat(due).replace(tzinfo=berlin)
    at = begins.astimezone(UTC)
    for days in range(4):
        end = (begins + days * D).astimezone(UTC)
        assert Late().days_late(at, end, berlin) == days
        assert Late().days_late(at, end + timedelta(minutes=1), berlin) == days + 1
    assert Late().days_late(at, at - 9 * D, berlin) == 0


def test_who_is_not_on_the_roster_loses_nothing_for_late_work(course):
    found, score = read(course, "[late]\npercent = 10"), Score(30, 40, False, 0, penalty=5)  # Eve is on another roster
    for late in (handed_in(D), Record("eve", late=True)):
        standing = found.standing("eve", late, score)
        assert (standing.taken_off, standing.final) == (0, 30)
        assert standing.notes == ("not on this roster: nothing taken off for late work",)
        assert found.standing("bob", late, score).final == 26
    assert not found.standing("eve", handed_in(-H), score).notes
    assert read(course).standing("eve", Record("eve"), score).final == 30  # nor is nbgrader's own penalty
    assert policy.read(course, HOMEWORK, {}).standing("eve", Record("eve"), score).final == 25


def test_late_days_are_of_one_homework(course):
    with pytest.raises(GradingError, match=r"line 3, column 'days late': name the homework: 'days late hw1_dense'"):
        read(course, "", ",days late", ",2")
