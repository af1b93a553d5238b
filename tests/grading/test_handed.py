"""Which of the files in a learning platform's zip are taken, under which names, and when they were handed in."""

import io
import time
import zipfile

import pytest
from test_collecting import NAME, submitted, take
from toycourse import HOMEWORK, answered, canvas, zipped

from helpers.grading.pipeline.collecting import files_in

pytestmark = pytest.mark.slow
PATCHES = [f"results/pa_1m_2013-m_3907506_sw_18_1-{n}.npz" for n in (17, 499)]  # of hw7


# ---- which files ----


def test_numbers_at_the_end_of_a_student_s_own_names_stay(course):
    inner = {f"my-run/{NAME.replace('.', '-2.')}": answered(course)} | {f"my-run/{name}": name for name in PATCHES}
    take(course, {canvas(2, "run-1.zip"): zipped(inner)})
    assert {name: submitted(course).get(name) for name in PATCHES} == {name: name.encode() for name in PATCHES}
    assert NAME in submitted(course)


def test_folders_of_a_zip_from_windows_are_folders(course):
    inner = {f"mine\\{NAME}": answered(course), "mine\\results\\fold=0\\results.json": "{}", "mine\\results\\": ""}
    [record] = take(course, {canvas(2, "all.zip"): zipped(inner)}).records
    assert submitted(course).keys() == {NAME, "results/fold=0/results.json"}
    assert record.lines == []


def test_a_blank_copy_in_a_zip_does_not_replace_the_answers(course):
    blank = (course.released(HOMEWORK) / NAME).read_bytes()
    run = zipped({f"homework/{HOMEWORK}/{NAME}": blank, "results/x.json": "{}"})
    take(course, {canvas(2): answered(course), "student2_2_99999_run.zip": run})
    assert b"a square is never negative" in submitted(course)[NAME]
    assert "results/x.json" in submitted(course)


def test_two_files_of_one_name_do_not_become_one_in_silence(course):
    files = {canvas(2): answered(course), canvas(2, "a-1.json"): "1", canvas(2, "a-2.json"): "2"}
    [record] = take(course, files).records
    assert submitted(course)["a.json"] == b"1"
    assert record.lines == [f"{canvas(2, 'a-2.json')}: left out; another file has its name"]


NAMES = {  # in the zip: whose, and what it is called
    "lovelaceada_4711_987654_hw1-3.ipynb": ("4711", "hw1.ipynb"),
    "lovelaceada_LATE_4711_987654_my_1_2_x.ipynb": ("4711", "my_1_2_x.ipynb"),
    "lovelaceada_4711_text.html": ("4711", "text.html"),
    "O'Brien, Ann_501_assignsubmission_file_\\hw1 (2).ipynb": ("501", "hw1.ipynb"),
    "José_501_assignsubmission_file_/results/tile-17.npz": ("501", "results/tile-17.npz"),
    "José_501_assignsubmission_onlinetext_/onlinetext.html": ("501", "onlinetext.html"),
    "hw1 (2).ipynb": ("", "hw1 (2).ipynb"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_tells_whose_a_file_is(name):
    with zipfile.ZipFile(io.BytesIO(zipped({name: "x"}))) as archive:
        [found] = files_in(archive)
    assert (found.number, found.name) == NAMES[name]
    assert (found.original, found.late) == (name, "_LATE_" in name)


def test_who_typed_instead_of_handing_in_a_file_is_told_so(course):
    [record] = take(course, {"student2_2_text.html": "<p>My answer</p>"}).records
    assert record.failure == "no notebook to grade: only student2_2_text.html"


# ---- when ----


def test_the_time_in_canvas_zip_is_that_of_the_download(course):
    [one, two] = take(course, {canvas(1): answered(course), canvas(2, late=True): answered(course)}).records
    assert (one.submitted, one.late, two.submitted, two.late) == ("", False, "", True)
    assert "timestamp.txt" not in submitted(course)


def test_the_time_in_moodle_s_zip_is_that_of_the_server_s_clock(course, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC-2")  # two hours ahead, in POSIX's words
        time.tzset()
        [record] = take(course, {f"Ada_2_assignsubmission_file_/{NAME}": answered(course)}).records
    time.tzset()
    assert record.submitted == "2026-11-01 10:00:00 UTC"
    assert submitted(course)["timestamp.txt"] == b"2026-11-01 10:00:00 UTC"


def test_the_time_in_moodle_s_zip_is_in_the_zone_of_the_course(course, monkeypatch):
    (course.grading / "course.toml").write_text('zone = "America/New_York"')
    moodle = f"Ada_2_assignsubmission_file_/{NAME}"
    with monkeypatch.context() as patch:
        for here in ("UTC-2", "UTC+9"):  # the version is kept on one machine, and read again on another
            patch.setenv("TZ", here)
            time.tzset()
            [record] = take(course, {moodle: answered(course)}, date=(2026, 11, 1, 12, 0, 0)).records
            assert (record.submitted, record.version) == ("2026-11-01 17:00:00 UTC", 1)
            assert record.versions[0]["handed in"] == record.submitted
    time.tzset()
