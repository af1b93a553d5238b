"""Every version of what a student hands in is kept, and the newest counts that can be read and was in time."""

import csv
import json
import shutil
from dataclasses import replace
from datetime import datetime

import pytest
from test_collecting import NAME, STUDENTS, damaged, of_another, pretend_graded, row, submitted, take
from toycourse import HOMEWORK, answered, as_bytes, canvas, zipped

from helpers import cli
from helpers.grading import GradingError, UnknownError
from helpers.grading.pipeline import Course, collecting, exporting, policy, records
from helpers.grading.pipeline.collecting import take_version
from helpers.grading.pipeline.roster import Term
from helpers.grading.pipeline.versions import choose

pytestmark = pytest.mark.slow


def moodle(name: str = NAME) -> str:
    return f"Ada_2_assignsubmission_file_/{name}"


def due(course: Course, day: int) -> None:
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(HOMEWORK, duedate=datetime(2026, 11, day))  # in UTC


def on(day: int) -> tuple:
    return (2026, 11, day, 12, 0, 0)


def other(course: Course) -> bytes:
    return as_bytes(answered(course, square="def square(x):\n    return 0"))


def blank(course: Course) -> bytes:
    return (course.released(HOMEWORK) / NAME).read_bytes()


BAD = {
    "empty": (lambda course: {canvas(2, f"{HOMEWORK}-1.ipynb"): b""}, "the file is empty"),
    "cut off": (lambda course: {canvas(2, f"{HOMEWORK}-1.ipynb"): other(course)[:700]}, "cut off"),
    "web page": (lambda course: {canvas(2, f"{HOMEWORK}-1.ipynb"): b"<html>Log in</html>"}, "web page"),
    "another homework": (lambda course: {canvas(2, f"{HOMEWORK}-1.ipynb"): of_another(course)}, "copy of another"),
    "no zip": (lambda course: {canvas(2, "all.zip"): damaged(other(course))}, "cannot be unpacked"),
    "no notebook": (lambda course: {canvas(2, "homework.pdf"): b"%PDF"}, "only "),
    "blank": (lambda course: {canvas(2, f"{HOMEWORK}-1.ipynb"): blank(course)}, "no answer in it"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_resubmission_that_is_none_leaves_what_was_there_with_its_grade_and_its_late_mark(course, name):
    make, why = BAD[name]
    files = make(course)
    take(course, {canvas(2, late=True): answered(course)})
    pretend_graded(course)
    for _ in range(2):  # the second time nothing is new
        [record] = take(course, files).records
        assert why in row(course)["problems"]
        assert (row(course)["score"], row(course)["late"]) == ("14", "late")
        assert [one["graded"] for one in record.versions] == ["yes", "no"]
    assert b"a square is never negative" in submitted(course)[NAME]


def test_a_resubmission_that_can_be_read_counts_and_earlier_ones_are_kept(course):
    take(course, {canvas(2): answered(course)})
    pretend_graded(course)
    [record] = take(course, {canvas(2, f"{HOMEWORK}-1.ipynb"): other(course)}).records
    assert (record.state, record.version) == (records.COLLECTED, 2)
    assert row(course)["score"] == ""  # no score is old
    assert b"return 0" in submitted(course)[NAME]
    assert len(list((course.grading / "inbox" / HOMEWORK / "s2").iterdir())) == 2


def test_the_newest_in_time_counts_and_where_none_was_the_newest(course):
    due(course, 10)
    take(course, {moodle(): answered(course)}, date=on(5))
    [record] = take(course, {moodle(): other(course)}, date=on(12)).records
    assert (record.version, record.submitted[:10]) == (1, "2026-11-05")
    assert "late" in record.versions[1]["why"]
    due(course, 3)
    [record] = take(course, {moodle(): other(course)}, date=on(12)).records
    assert (record.version, record.late) == (2, True)


def test_a_late_version_of_canvas_gives_way_to_one_in_time(course):
    take(course, {canvas(2): answered(course)})
    [record] = take(course, {canvas(2, f"{HOMEWORK}-1.ipynb", late=True): other(course)}).records
    assert (record.version, record.late) == (1, False)


def test_an_older_zip_that_is_collected_afterwards_changes_nothing(course):
    old, new = f"student2_2_99999_{NAME}", f"student2_2_100001_{NAME}"
    take(course, {new: answered(course)})
    pretend_graded(course)
    [record] = take(course, {old: other(course)}).records
    assert (record.version, row(course)["score"]) == (1, "14")
    [record] = take(course, {new: answered(course)}).records
    assert (record.version, len(record.versions), row(course)["score"]) == (1, 2, "14")


def test_somebody_chooses_another_version(course):
    take(course, {canvas(2): answered(course)})
    take(course, {canvas(2, f"{HOMEWORK}-1.ipynb"): other(course)})
    record = take_version(course, HOMEWORK, "s2", 1)
    assert (record.version, record.state) == (1, records.COLLECTED)
    assert b"a square is never negative" in submitted(course)[NAME]
    [record] = take(course, {canvas(2, f"{HOMEWORK}-2.ipynb"): other(course) + b" "}).records
    assert (record.version, record.by_hand, len(record.versions)) == (1, True, 3)
    assert "version 1 was chosen by hand" in "; ".join(record.lines)
    take(course, {canvas(2, f"{HOMEWORK}-3.ipynb"): b""})
    with pytest.raises(UnknownError, match="no version 9 of what s2 handed in; there is: 1, 2, 3, 4"):
        take_version(course, HOMEWORK, "s2", 9)
    with pytest.raises(GradingError, match="version 4 of s2 cannot be graded: the file is empty"):
        take_version(course, HOMEWORK, "s2", 4)


def test_the_table_is_printed_and_written(course, capsys):
    exporting.write(
        course.grading / "roster.csv",
        [{"student_id": one.id, "name": one.name, "email": "", "lms_id": one.lms_id} for one in STUDENTS.values()],
    )
    for data in (as_bytes(answered(course)), b""):
        (course.root / "submissions.zip").write_bytes(zipped({canvas(2): data, canvas(1): answered(course)}))
        zip_path = str(course.root / "submissions.zip")
        assert cli.main(["homework", "collect", HOMEWORK, zip_path, "--course", str(course.root)]) == 0
    said = capsys.readouterr().out
    assert "s2                     1  yes     the newest that can be read" in said
    assert "s2                     2  no      the file is empty" in said
    with (course.grading / "versions" / f"{HOMEWORK}.csv").open(newline="") as file:
        assert [(one["student_id"], one["graded"]) for one in csv.DictReader(file)] == [("s2", "yes"), ("s2", "no")]
    assert cli.main(["homework", "grade", HOMEWORK, "--version", "1", "--course", str(course.root)]) == 2


def test_what_earlier_code_collected_is_version_1(course):
    take(course, {moodle(): answered(course), moodle("data/a.json"): "1"})
    pretend_graded(course)
    inbox = course.grading / "inbox" / HOMEWORK / "s2"
    shutil.rmtree(inbox)
    inbox.mkdir()
    for name, data in {moodle(): as_bytes(answered(course)), moodle("data/a.json"): b"1"}.items():
        (inbox / name.replace("/", "__")).write_bytes(data)
    new = {"version", "by_hand", "versions", "notes"}
    path = course.grading / "records" / HOMEWORK / "s2.json"
    old = {key: value for key, value in vars(records.load(course, HOMEWORK)["s2"]).items() if key not in new}
    path.write_text(json.dumps(old))
    [record] = take(course, {moodle(): answered(course), moodle("data/a.json"): "1"}).records
    assert (record.version, len(record.versions), row(course)["score"]) == (1, 1, "14")
    [record] = take(course, {moodle(): b""}, date=on(20)).records
    assert (record.version, len(record.versions), row(course)["score"]) == (1, 2, "14")
    assert submitted(course)["data/a.json"] == b"1"


def test_a_version_that_is_damaged_on_the_disk_costs_nobody_theirs(course):
    right = as_bytes(answered(course))
    take(course, {canvas(n): right for n in (1, 2)})
    (course.grading / "inbox" / HOMEWORK / "s1" / "1.zip").write_bytes(b"no zip")
    found = take(course, {canvas(n): right for n in (1, 2)}).records
    assert [record.state for record in found] == [records.COLLECTED, records.COLLECTED]


# ---- which of several files ----


@pytest.fixture
def chosen(course):
    release = collecting.read_release(course.released(HOMEWORK) / NAME)

    def choice(*files: tuple[str, bytes]) -> str:
        archive = course.root / "submissions.zip"
        archive.write_bytes(zipped(dict(files)))
        with collecting._opened(archive) as opened:
            contents = {file: opened.read(file.original) for file in collecting.files_in(opened)}
        return choose(contents, release, HOMEWORK)[0].original

    return choice


def test_numbers_of_attempts_compare_as_numbers(chosen, course):
    work = other(course)
    for older, newer in [
        (f"a_2_99999_{NAME}", f"a_2_100001_{NAME}"),
        (f"a_2_7_{HOMEWORK}-9.ipynb", f"a_2_7_{HOMEWORK}-10.ipynb"),
        (moodle(f"{HOMEWORK} (9).ipynb"), moodle(f"{HOMEWORK} (10).ipynb")),
        (f"a_2_99999_{HOMEWORK}-3.ipynb", f"a_2_100001_{HOMEWORK}-2.ipynb"),
    ]:
        assert chosen((newer, work), (older, work)) == newer
        assert chosen((newer, b""), (older, work)) == older


def test_work_goes_before_a_blank_notebook_of_the_right_name(chosen, course):
    empty = as_bytes(answered(course, square="", halves=" ", why=""))
    for name in (canvas(2, "final.ipynb"), canvas(2, "a/b.ipynb").replace("/", "_"), canvas(2, "hw0.ipynb")):
        assert chosen((canvas(2), blank(course)), (name, other(course))) == name
        assert chosen((canvas(2), empty), (name, other(course))) == name
    assert chosen((canvas(2), blank(course)), (canvas(2, "final.ipynb"), blank(course))) == canvas(2)


def test_a_version_within_an_extension_counts(course):
    due(course, 5)
    term = Term("extension", "", "3", "roster.csv, line 3")
    archive = course.root / "submissions.zip"
    archive.write_bytes(zipped({moodle(): answered(course)}, date=on(4)))
    collecting.collect(course, HOMEWORK, archive, STUDENTS)
    for day, more, wanted in ((7, (), 1), (7, (term,), 2), (9, (term,), 2)):
        archive.write_bytes(zipped({moodle(f"{HOMEWORK} ({day}).ipynb"): other(course)}, date=on(day)))
        students = {number: replace(one, terms=more) for number, one in STUDENTS.items()}
        [record] = collecting.collect(course, HOMEWORK, archive, students).records
        assert (record.version, record.late) == (wanted, False)


def with_term(kind: str, homework: str, text: str) -> dict:
    """Return the students, all with this cell in the roster."""
    terms = (Term(kind, homework, text, "roster.csv, line 3"),)
    return {number: replace(one, terms=terms) for number, one in STUDENTS.items()}


@pytest.mark.parametrize(
    ("kind", "homework", "text", "version"),
    [("extension", "", "3", 2), ("days late", HOMEWORK, "0", 2), ("days late", HOMEWORK, "2", 1)],
)
def test_a_late_version_of_canvas_counts_where_the_roster_gives_more_time(course, kind, homework, text, version):
    archive, students = course.root / "submissions.zip", with_term(kind, homework, text)
    for name in (canvas(2), canvas(2, f"{HOMEWORK}-1.ipynb", late=True)):
        archive.write_bytes(zipped({name: other(course) if "LATE" in name else answered(course)}))
        [record] = collecting.collect(course, HOMEWORK, archive, students).records
    assert record.version == version
    notes = "".join(policy.read(course, HOMEWORK, students).standing("s2", record, None).notes)
    assert ("the extension is taken to cover it" in notes) == (kind == "extension")


def test_an_extension_that_comes_afterwards_asks_for_what_canvas_calls_late(course):
    take(course, {canvas(2): answered(course)})
    [record] = take(course, {canvas(2, f"{HOMEWORK}-1.ipynb", late=True): other(course)}).records
    [note] = policy.read(course, HOMEWORK, with_term("extension", "", "3")).standing("s2", record, None).notes
    assert "version 2 came within the extension; collect the zip again" in note
