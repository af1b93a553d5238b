"""What students hand in, collected: whatever is odd about one of them, the others are collected and no score is old."""

import errno
import io
import json
import zipfile
from contextlib import suppress

import pytest
from toycourse import HOMEWORK, answered, as_bytes, canvas, zipped

from helpers import cli
from helpers.grading import GradingError
from helpers.grading.pipeline import Course, collecting, exporting, records
from helpers.grading.pipeline.collecting import collect
from helpers.grading.pipeline.grading import grade, waiting
from helpers.grading.pipeline.roster import Student

pytestmark = pytest.mark.slow
NAME = f"{HOMEWORK}.ipynb"
STUDENTS = {str(n): Student(f"s{n}", f"Student {n}", "", str(n)) for n in (1, 2, 3)}


def take(course: Course, files: dict, **options: tuple) -> collecting.Collected:
    """Collect a zip of these files."""
    archive = course.root / "submissions.zip"
    archive.write_bytes(zipped(files, **options))
    return collect(course, HOMEWORK, archive, STUDENTS)


def deflated(files: dict) -> bytes:
    """Make a zip as students do."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, as_bytes(content))
    return buffer.getvalue()


def damaged(right: bytes) -> bytes:
    """Make a zip whose contents cannot be inflated."""
    data = bytearray(deflated({NAME: right}))
    start = data.find(NAME.encode()) + len(NAME)
    data[start : start + 40] = b"\xff" * 40
    return bytes(data)


def submitted(course: Course, student: str = "s2") -> dict[str, bytes]:
    folder = course.submitted(student, HOMEWORK)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def row(course: Course, student: str = "s2") -> dict[str, str]:
    return next(row for row in exporting.rows(course, HOMEWORK, STUDENTS) if row["student_id"] == student)


def pretend_graded(course: Course, student: str = "s2") -> None:
    """Give full marks without running anything."""
    with course.gradebook() as gradebook, gradebook.db.no_autoflush:
        for notebook in gradebook.add_submission(HOMEWORK, student).notebooks:
            for one in notebook.grades:
                one.auto_score, one.needs_manual_grade = one.max_score_gradecell, False
        gradebook.db.commit()
    records.save(course, HOMEWORK, records.load(course, HOMEWORK)[student].now(state=records.GRADED))
    assert row(course, student)["score"] == "14"


# ---- odd submissions ----


def surrogate(right: bytes) -> bytes:
    notebook = json.loads(right)
    notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": "x = 'HALF'"})
    return json.dumps(notebook).replace("HALF", "\\ud800").encode()


MOODLE = "Имя Фамилия_2_assignsubmission_file_/" + "Очень длинная папка домашнего задания/" * 4 + NAME
ODD = {
    "damaged zip": (lambda right: {canvas(2, "all.zip"): damaged(right)}, "cannot be unpacked"),
    "odd name in a zip": (
        lambda right: {
            canvas(2, "all.zip"): deflated({NAME: right, "é.json": "{}"}).replace("é".encode(), b"\xff\xfe")
        },
        "cannot be unpacked",
    ),
    "long name in a zip": (
        lambda right: {canvas(2, "all.zip"): deflated({NAME: right, f"r/{'y' * 300}.json": "{}"})},
        "its name is too long",
    ),
    "file and folder": (
        lambda right: {canvas(2, "all.zip"): deflated({NAME: right, "a.json": "{}", "a.json/b.json": "{}"})},
        "a.json/b.json: left out",
    ),
    "folder like the notebook": (
        lambda right: {canvas(2, "all.zip"): deflated({f"{NAME}/b.json": "{}", NAME: right})},
        f"{NAME}/b.json: left out",
    ),
    "long path": (lambda right: {MOODLE: right}, ""),
    "long name": (lambda right: {canvas(2, f"{'x' * 240}.ipynb"): right}, "was named xxx"),
    "half a character": (lambda right: {canvas(2): surrogate(right)}, ""),
    "deep": (lambda right: {canvas(2): b"[" * 200_000}, "no notebook"),
}


@pytest.mark.parametrize("name", ODD)
def test_one_odd_submission_keeps_nobody_s_from_being_collected(course, name):
    right = as_bytes(answered(course))
    files, line = ODD[name]
    found = take(course, {canvas(1): right, **files(right), canvas(3): right})
    states = {record.student: (record.state, record.lines) for record in found.records}
    assert states["s1"] == states["s3"] == (records.COLLECTED, [])
    state, lines = states["s2"]
    assert line in "; ".join(lines)
    assert (state == records.COLLECTED) == (NAME in submitted(course)) == (len(waiting(course, HOMEWORK)) == 3)
    again = take(course, {canvas(1): right, **files(right), canvas(3): right})
    assert [record.lines for record in again.records] == [record.lines for record in found.records]


def test_a_member_that_is_damaged_is_the_fault_of_one(course, monkeypatch):
    right = as_bytes(answered(course))
    data = bytearray(zipped({canvas(n): right for n in (1, 2, 3)}))
    data[data.find(b"square", data.find(canvas(2).encode()))] ^= 1  # its checksum is wrong now
    (course.root / "submissions.zip").write_bytes(bytes(data))
    found = collect(course, HOMEWORK, course.root / "submissions.zip", STUDENTS)
    assert [record.state for record in found.records] == [records.COLLECTED, records.FAILED, records.COLLECTED]
    assert "download the zip again" in found.records[1].failure


@pytest.mark.parametrize("data", [b"", b"no zip", deflated({"é": ""}).replace("é".encode(), b"\xff\xfe")])
def test_what_is_no_zip_is_told(course, data):
    (course.root / "submissions.zip").write_bytes(data)
    with pytest.raises(GradingError, match="cannot be read"):
        collect(course, HOMEWORK, course.root / "submissions.zip", STUDENTS)


# ---- no score is old ----


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=str)
def test_collecting_that_was_cut_off_is_done_again(course, monkeypatch, error):
    right, other = as_bytes(answered(course)), as_bytes(answered(course, square="def square(x):\n    return 0"))
    take(course, {canvas(2): right})
    pretend_graded(course)

    def cut_off(*arguments) -> None:
        raise error

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(collecting, "canonical", cut_off)
        take(course, {canvas(2): other})
    assert (row(course)["status"], row(course)["score"]) == ("failed", "")
    [record] = take(course, {canvas(2): other}).records
    assert (record.state, record.lines) == (records.COLLECTED, [])
    assert waiting(course, HOMEWORK) == [record]
    assert b"return 0" in submitted(course)[NAME]


def test_a_disk_that_is_full_from_the_start_changes_nothing(course, monkeypatch):
    right = as_bytes(answered(course))
    take(course, {canvas(2): right})
    pretend_graded(course)
    before = submitted(course)

    def full(*arguments) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(records, "save", full)
        take(course, {canvas(2): as_bytes(answered(course, square=""))})
    assert (submitted(course), row(course)["score"]) == (before, "14")
    assert take(course, {canvas(2): as_bytes(answered(course, square=""))}).records[0].state == records.COLLECTED


def test_only_one_at_a_time_collects_grades_or_releases(course, capsys):
    files = {canvas(2): answered(course)}
    take(course, files)
    with records.alone(course, HOMEWORK):
        with pytest.raises(GradingError, match=r"at work on .*; wait"):
            take(course, files)
        for verb in (["grade", HOMEWORK, "--unsafe"], ["release", HOMEWORK]):
            assert cli.main(["homework", *verb, "--course", str(course.root)]) == 1
            assert f"at work on {HOMEWORK}; wait" in capsys.readouterr().err
    assert records.load(course, HOMEWORK)["s2"].state == records.COLLECTED
    assert take(course, files).records[0].state == records.COLLECTED


@pytest.mark.long
def test_what_is_collected_before_grading_begins_is_what_is_graded(course, sandbox):
    take(course, {canvas(2): answered(course, square="")})
    todo = waiting(course, HOMEWORK)
    take(course, {canvas(2, f"{HOMEWORK}-1.ipynb"): answered(course)})
    [record] = grade(course, HOMEWORK, todo)
    assert record.original == canvas(2, f"{HOMEWORK}-1.ipynb")
    assert row(course)["score"] == "9"


# ---- another homework ----


def of_another(course: Course) -> bytes:
    """Make a notebook of another homework, which shares the label of its first cell with ours, as they all do."""
    notebook = answered(course)
    for cell in notebook.cells:
        cell.id, cell.source = f"x{cell.id}", "# another homework\nprint(1)"
        if "nbgrader" in cell.metadata and cell.metadata.nbgrader.grade_id != "given":
            cell.metadata.nbgrader.grade_id = f"x{cell.metadata.nbgrader.grade_id}"
    return as_bytes(notebook)


def test_the_zip_of_another_homework_changes_nothing(course):
    right = as_bytes(answered(course))
    before = take(course, {canvas(n): right for n in (1, 2, 3)}).records
    pretend_graded(course)
    with pytest.raises(GradingError, match="2 of 3 students have a copy of another homework"):
        take(course, {canvas(1): right} | {canvas(n, "hw9.ipynb"): of_another(course) for n in (2, 3)})
    assert row(course)["score"] == "14"
    assert records.load(course, HOMEWORK)["s3"] == before[2]
    assert b"a square is never negative" in submitted(course, "s3")[NAME]


def test_one_student_s_copy_of_another_homework_is_told(course):
    right = as_bytes(answered(course))
    found = take(course, {canvas(1): right, canvas(2): of_another(course), canvas(3): right})
    assert [record.state for record in found.records] == [records.COLLECTED, records.FAILED, records.COLLECTED]
    assert "copy of another homework" in found.records[1].failure


def test_the_right_notebook_beside_one_of_another_homework_is_graded(course):
    [record] = take(course, {canvas(2): of_another(course), canvas(2, "mine.ipynb"): answered(course)}).records
    assert (record.state, record.original) == (records.COLLECTED, canvas(2, "mine.ipynb"))
