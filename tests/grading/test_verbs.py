"""What an instructor gets wrong on the command line: nothing is done, and a message says why."""

import pytest
from toycourse import HOMEWORK, answered, canvas, zipped

from helpers import cli
from helpers.grading.pipeline import Course, exporting

pytestmark = pytest.mark.slow


def say(course: Course, verb: str, *arguments: object, of: str = HOMEWORK) -> int:
    """Do a verb of `./course homework` in this course."""
    return cli.main(["homework", verb, of, *map(str, arguments), "--course", str(course.root)])


@pytest.fixture
def enrolled(course) -> Course:
    rows = [{"student_id": f"s{n}", "name": f"Student {n}", "email": "", "lms_id": str(n)} for n in (1, 2)]
    exporting.write(course.grading / "roster.csv", rows)
    return course


def collected(course: Course, *names: str) -> int:
    archive = course.root / "submissions.zip"
    archive.write_bytes(zipped({name: answered(course) for name in names}))
    return say(course, "collect", archive)


@pytest.mark.parametrize("verb", ["export", "feedback", "grade", "collect", "release"])
def test_a_homework_that_is_not_there_is_answered_with_those_that_are(enrolled, capsys, verb):
    before = sorted(enrolled.root.rglob("*"))
    assert say(enrolled, verb, *[__file__] * (verb == "collect"), of="hw9_typo") == 2
    assert HOMEWORK in capsys.readouterr().err
    assert sorted(enrolled.root.rglob("*")) == before


def test_feedback_on_nothing_is_no_zip_of_no_pages(enrolled, capsys):
    assert say(enrolled, "feedback") == 1
    assert "nothing of hw0_squares is graded yet" in capsys.readouterr().err
    assert list(enrolled.grading.glob("feedback/*")) == []


def test_a_student_who_handed_in_nothing_cannot_be_graded(enrolled, capsys):
    collected(enrolled, canvas(1))
    assert say(enrolled, "grade", "--student", "nobody") == 2
    assert "nothing of nobody to grade; there is of: s1" in capsys.readouterr().err


def test_a_copy_is_shown_beside_what_it_is_a_copy_of(enrolled, tmp_path, capsys):
    assert say(enrolled, "similar") == 1 and "is collected yet" in capsys.readouterr().err
    lines = ["def square({0}):", "total = [0, 0]", "for step in range(len({0})):", "    total[step % 2] += abs({0})"]
    slow = "\n    ".join([*lines, "if total[0] > total[1]:", "    print(total[0] - total[1])", "return max(total) / 2"])
    rows = {canvas(1): slow.format("x"), canvas(2): slow.format("number").replace("total", "s") + "  # mine"}
    archive = tmp_path / "submissions.zip"
    archive.write_bytes(zipped({name: answered(enrolled, square=code) for name, code in rows.items()}))
    say(enrolled, "collect", archive)
    assert say(enrolled, "similar") == 0
    assert "100%  s1  s2" in capsys.readouterr().out
    page = (enrolled.grading / f"similar/{HOMEWORK}.html").read_text()
    assert "<mark>    for step in range(len(number))" in page
    assert say(enrolled, "similar", "--html", tmp_path / "new/pairs.html") == 0
    assert (tmp_path / "new/pairs.html").read_text() == page


@pytest.mark.parametrize("due", ["next friday", "2026-11-30 23:59 PST", "2026-11-30 23:59", "30.11.2026 23:59 UTC"])
def test_a_time_that_is_not_understood_releases_nothing(course, capsys, due):
    course.source(HOMEWORK).joinpath("new.txt").write_text("new")
    assert say(course, "release", "--due", due) == 2
    assert "Europe/Berlin" in capsys.readouterr().err
    assert not (course.released(HOMEWORK) / "new.txt").exists()


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 23), ("+0100", 22), ("-08:00", 7), ("America/New_York", 4)])
def test_a_due_time_is_kept_in_utc(course, zone, hour):
    assert say(course, "release", "--due", f"2026-11-30 23:59 {zone}") == 0
    with course.gradebook() as gradebook:
        assert gradebook.find_assignment(HOMEWORK).duedate.hour == hour


def test_a_due_time_without_a_zone_is_in_that_of_the_course(course):
    (course.grading / "course.toml").write_text('zone = "Europe/Berlin"')
    for due, wanted in (("2026-11-30 12:00", (11, 0)), ("2026-11-30", (22, 59))):
        assert say(course, "release", "--due", due) == 0
        with course.gradebook() as gradebook:
            found = gradebook.find_assignment(HOMEWORK).duedate
        assert (found.hour, found.minute) == wanted


def test_canvas_table_in_another_encoding_is_refused(enrolled, tmp_path, capsys):
    template = tmp_path / "canvas.csv"
    template.write_bytes(f"Student,ID,SIS Login ID,{HOMEWORK} (7)\nJürgen,1,s1,\n".encode("latin-1"))
    assert say(enrolled, "export", "--canvas", template) == 1
    assert "CSV UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", [f"anon_aB3dE_987654_{HOMEWORK}.ipynb", f"LATE_anon_Zx9_987654_{HOMEWORK}.ipynb"])
def test_a_zip_without_names_is_told_from_strangers(enrolled, capsys, name):
    assert collected(enrolled, name, canvas(77)) == 1
    said = capsys.readouterr().out
    assert f"{name}: Canvas gave no names; switch anonymous grading" in said
    assert f"{canvas(77)}: nobody on the roster" in said
