"""Who takes the course: nobody who is in the table is lost without a word."""

import pytest

from helpers.grading import GradingError
from helpers.grading.pipeline import roster

OURS = "student_id,name,email,lms_id\n"
MOODLE = "Identifier,Full name,Email address\n"


def read(tmp_path, text: str) -> dict[str, roster.Student]:
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    return roster.read(tmp_path / "roster.csv")


def ids(tmp_path, text: str) -> dict[str, str]:
    return {number: student.id for number, student in read(tmp_path, text).items()}


def test_a_roster_is_read_from_canvas_moodle_or_our_own_table(tmp_path):
    canvas = '\ufeffStudent,ID,SIS Login ID\n    Points Possible,,\n"Lovelace, Ada",4711,ada\n"Student, Test",9,4fe2\n'
    assert ids(tmp_path, canvas) == {"4711": "ada"}
    moodle = MOODLE + "Participant 4711,Ada Lovelace,ada@example.org\n"
    assert {n: (s.id, s.name) for n, s in read(tmp_path, moodle).items()} == {"4711": ("ada", "Ada Lovelace")}
    assert read(tmp_path, OURS + "ada,Ada,,4711\n")["4711"].name == "Ada"


def test_names_that_cannot_be_a_folder_s_are_changed(tmp_path):
    rows = "o'brien,B,,2\nada+cs,C,,3\nDOMAIN\\bob,D,,4\nmary ann,E,,5\njosé,F,,6\n../../x,G,,7\n..,H,,8\n"
    wanted = {"2": "o-brien", "3": "ada-cs", "4": "DOMAIN-bob", "5": "mary-ann", "6": "josé", "7": "x", "8": "8"}
    assert ids(tmp_path, OURS + rows) == wanted


def test_those_without_an_address_go_by_their_number(tmp_path):
    assert ids(tmp_path, MOODLE + "Participant 1,A,ada@uni.edu\nParticipant 2,B,\n") == {"1": "ada", "2": "2"}
    assert ids(tmp_path, "Identifier,Full name\nParticipant 1,A\n") == {"1": "1"}


def test_addresses_that_begin_the_same_are_told_apart_by_the_rest(tmp_path):
    rows = "Participant 1,A,ada@uni.edu\nParticipant 2,B,ada@student.uni.edu\nParticipant 3,C,bob@uni.edu\n"
    assert ids(tmp_path, MOODLE + rows) == {"1": "ada@uni.edu", "2": "ada@student.uni.edu", "3": "bob"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name,mark\nAda,1\n", "none of the columns"),
        (OURS, "none of the columns"),
        ("Student,ID,SIS Login ID\n    Points Possible,,\n", "no students"),
        (OURS + "ada,Ada,,1\nada,Ada,,2\n", r"twice: ada \(1\), ada \(2\)"),
        (OURS + "ada,Ada,,1\nbob,Bob,,1\n", r"twice: ada \(1\), bob \(1\)"),
        (OURS + "o'brien,B,,1\no+brien,C,,2\n", "twice: o-brien"),
        (OURS + "ada,Ada,,1\nbob,Bob King,,\n", "no number for Bob King"),
    ],
)
def test_a_roster_that_is_none_is_refused(tmp_path, text, fault):
    with pytest.raises(GradingError, match=fault):
        read(tmp_path, text)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_in_another_encoding_is_refused_with_the_remedy(tmp_path, encoding):
    (tmp_path / "roster.csv").write_bytes((OURS + "u1,Jürgen,,1\n").encode(encoding))
    with pytest.raises(GradingError, match="CSV UTF-8"):
        roster.read(tmp_path / "roster.csv")
