"""Variants of a homework: each student has numbers and names of his own, and one set of tests serves all."""

import json
import shutil
import zipfile
from contextlib import suppress

import nbformat
import numpy as np
import pytest
import toycourse
from nbgrader.utils import compute_checksum
from toycourse import HOMEWORK, canvas, named, zipped

from helpers import cli
from helpers.grading import GradingError, UnknownError, checks, variants
from helpers.grading.canonical import canonical
from helpers.grading.checking import FAILED, PASSED, check
from helpers.grading.mutants import read_source
from helpers.grading.mutants.selftest import paths
from helpers.grading.pipeline import Course, collecting, exporting, issuing, records, roster
from helpers.grading.pipeline.releasing import release
from helpers.grading.similarity import read_works, similar

WITH_VARIANTS = sorted(path.stem for path in toycourse.ROOT.glob("homework/_instructor/variants/*.toml"))
BY_NAME = "def coded(letter):\n    return TIMES * LETTERS.index(letter)"
WANTED_ADA = {"TIMES": 8, "LETTERS": ["c", "b", "a"], "SEED": 1754045211}
WANTED_BOB = {"TIMES": 9, "LETTERS": ["c", "a", "b"], "SEED": 1868319951}
IN = {"coded_a": 1, "coded_all": 2}
LOST = {"coded_a": 1, "coded_all": 0}  # where a is the first letter of both


def choices_of(homework: str) -> variants.Choices:
    return variants.read(issuing.choices_path(toycourse.ROOT, homework))


def students(count: int) -> list[str]:
    return [f"s{n}" for n in range(1, count + 1)]


@pytest.fixture(scope="module")
def toy_choices(tmp_path_factory) -> variants.Choices:
    path = tmp_path_factory.mktemp("choices") / "choices.toml"
    path.write_text(toycourse.CHOICES)
    return variants.read(path)


# ---- what is drawn ----


@pytest.mark.parametrize("homework", WITH_VARIANTS)
def test_a_thousand_students_have_a_thousand_variants(homework):
    choices = choices_of(homework)
    drawn = [variants.draw(choices, f"autoencoders/{homework}/{student}") for student in students(1000)]
    assert len({json.dumps(one) for one in drawn}) == 1000
    for name, options in choices.items():
        found = [json.dumps(one[name]) for one in drawn]
        assert len(set(found)) >= min(len(options), 900) * 0.9  # all values are in use
        assert max(map(found.count, set(found))) < 2.5 * 1000 / min(len(options), 100)  # and none by many


@pytest.mark.parametrize("homework", WITH_VARIANTS)
def test_the_notebook_has_values_that_are_allowed(homework):
    choices, source = choices_of(homework), read_source(paths(toycourse.ROOT, homework)[0])
    own = variants.values_in(source.cells)
    assert own.keys() == choices.keys()
    assert all(value in choices[name] for name, value in own.items())
    for values in variants.corners(choices):
        assert variants.values_in(variants.put(source, values).cells) == values


@pytest.mark.slow
def test_each_other_share_fails_the_open_test_of_what_is_silent():
    source = named(read_source(paths(toycourse.ROOT, "hw1_dense")[0]))["silent_by_hand"].source
    shares = choices_of("hw1_dense")["SILENT"]
    passed = []
    for own_share in shares:
        for share in shares:
            given = {"np": np, "checks": checks, "SILENT": own_share}
            given["share_silent"] = lambda codes, share=share: float(np.mean(codes < share * codes.max()))
            with suppress(AssertionError):
                exec(source, given)
                passed.append((own_share, share))
    assert passed == [(share, share) for share in shares]


def test_a_draw_is_the_same_everywhere(toy_choices):
    assert variants.draw(toy_choices, "autoencoders/hw0/ada") == WANTED_ADA
    assert variants.draw(toy_choices, "autoencoders/hw0/bob") == WANTED_BOB
    without = {name: options for name, options in toy_choices.items() if name != "TIMES"}
    assert variants.draw(without, "autoencoders/hw0/ada") == {k: v for k, v in WANTED_ADA.items() if k != "TIMES"}


def test_numbers_may_have_steps_and_values_may_be_listed(tmp_path):
    (tmp_path / "a.toml").write_text(
        'A = { from = 0.1, to = 0.4, step = 0.1 }\nB = ["x", 2]\nC = { from = 2, to = 8, step = 3 }'
    )
    found = variants.read(tmp_path / "a.toml")
    assert {name: list(options) for name, options in found.items()} == {
        "A": [0.1, 0.2, 0.3, 0.4],
        "B": ["x", 2],
        "C": [2, 5, 8],
    }
    assert variants.read(tmp_path / "none.toml") == {}


def test_steps_never_go_beyond_the_last_value_and_may_go_down(tmp_path):
    (tmp_path / "a.toml").write_text(
        "A = { from = 0, to = 1, step = 0.35 }\nB = { from = 9, to = 1, step = -1 }\n"
        "C = { from = 0, to = 7, step = 3 }\n"
        "D = { from = 0.5, to = -0.1, step = -0.2 }\n"
        "E = { from = 0.003, to = 0.005, step = 0.0005 }"
    )
    assert {name: list(options) for name, options in variants.read(tmp_path / "a.toml").items()} == {
        "A": [0, 0.35, 0.7],
        "B": [9, 8, 7, 6, 5, 4, 3, 2, 1],
        "C": [0, 3, 6],
        "D": [0.5, 0.3, 0.1, -0.1],
        "E": [0.003, 0.0035, 0.004, 0.0045, 0.005],
    }


GIVEN = {"s1": {"TIMES": 2}, "s2": {"TIMES": 3}}


@pytest.mark.parametrize("text", [None, "", "{", "{}", "[]", '["s1"]', "3", "null", '{"s1": 3}'])
def test_a_lost_or_damaged_table_is_no_homework_without_variants(tmp_path, text):
    assert variants.read_table(tmp_path, HOMEWORK) == {}
    (tmp_path / HOMEWORK).mkdir()
    path = tmp_path / f"{HOMEWORK}.json"
    path.write_text(json.dumps(GIVEN))
    assert variants.read_table(tmp_path, HOMEWORK) == GIVEN
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(
        GradingError, match=rf"{HOMEWORK}\.json cannot be read .*Bring it back from a backup; .*{HOMEWORK} "
    ):
        variants.read_table(tmp_path, HOMEWORK)


@pytest.mark.parametrize(
    "line",
    [
        *("A = 3", "A = []", "A = {", "A = { from = 2 }", "A = { from = 5, to = 5 }", "A = { of = 1 }"),
        *('A = { order = ["x"] }', "A = { order = [1, 2, 3, 4, 5, 6, 7] }", 'A = { from = "a", to = "z" }'),
        *("A = { from = 0.1, to = 0.9 }", "A = { from = 5, to = 1 }", "A = { from = 1, to = 9, steps = 2 }"),
        *("A = { from = 1, to = 9, step = 0 }", "A = { from = 0.5, to = 1, step = 0.0 }", "A = { from = 0, to = inf }"),
        *("A = { from = nan, to = 3 }", "A = { from = 2026-01-01, to = 2026-01-09 }", "A = [2026-01-01, 2026-01-02]"),
        *("A = [1, inf]", "A = [1, 2, 1]", 'A = { order = ["x", "x"] }', 'A = { order = ["x", "y"], from = 1 }'),
    ],
)
def test_a_line_that_is_none_of_these_is_refused(tmp_path, line):
    (tmp_path / "a.toml").write_text(line)
    with pytest.raises(GradingError, match=r"a\.toml: .*A line is NAME = "):
        variants.read(tmp_path / "a.toml")


# ---- the cell ----


def test_values_take_the_place_of_others_and_nothing_else_changes():
    code = "# Yours.\nA = [1,\n     2]  # ä\nB = 'ö'  # b\ndef f():\n    A = 5\nC = D = 1\nE = f()"
    assert variants.with_values(code, {"A": ["y"], "B": 7}) == (
        "# Yours.\nA = ('y',)  # ä\nB = 7  # b\ndef f():\n    A = 5\nC = D = 1\nE = f()"
    )


def test_a_notebook_with_other_values_is_as_handed_out():
    notebook = toycourse.varied()
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    own = variants.put(notebook, {"TIMES": 7, "LETTERS": ["c", "a", "b"], "SEED": 5})
    assert variants.values_in(own.cells) == {"TIMES": 7, "LETTERS": ["c", "a", "b"], "SEED": 5}
    assert all(c.metadata.nbgrader["checksum"] == compute_checksum(c) for c in named(own).values())
    assert variants.values_in(notebook.cells) == {"TIMES": 2, "LETTERS": ["a", "b", "c"], "SEED": 0}


@pytest.mark.parametrize("values", [{"TIMES": 7}, {"TIMES": 7, "LETTERS": [], "SEED": 1, "MORE": 2}])
def test_other_names_are_refused(values):
    with pytest.raises(GradingError, match="gives values to LETTERS, SEED, TIMES; the variants, to "):
        variants.put(toycourse.varied(), values)
    with pytest.raises(GradingError, match="gives values to nothing"):
        variants.put(toycourse.source(), values)


@pytest.mark.parametrize("code", ["(", "TIMES = 1 +", "TIMES = f()", "", "TIMES, SEED = 1, 2"])
def test_whatever_a_student_writes_there_has_no_values_or_some(code):
    assert variants.values_in([toycourse.cell("code", code, "locked", "variant")]) == {}


# ---- through a term ----


def say(course: Course, verb: str, *arguments: object) -> int:
    return cli.main(["homework", verb, HOMEWORK, *map(str, arguments), "--course", str(course.root)])


def enrol(course: Course, count: int) -> None:
    rows = [{"student_id": one, "name": f"Student {one}", "email": "", "lms_id": one[1:]} for one in students(count)]
    exporting.write(course.grading / "roster.csv", rows)


def own(course: Course, student: str, coded: str = BY_NAME, **changed: str) -> nbformat.NotebookNode:
    """Return a student's copy, answered."""
    notebook = nbformat.read(issuing.folder(course) / HOMEWORK / student / f"{HOMEWORK}.ipynb", 4)
    for name, text in (toycourse.ANSWERS | {"coded": coded} | changed).items():
        named(notebook)[name].source = text
    return notebook


def with_numbers(course: Course, student: str) -> str:
    """Return the right answer of a student, who wrote numbers for names."""
    values = issuing.load(course, HOMEWORK)[student]
    return f"def coded(letter):\n    return {values['TIMES']} * {values['LETTERS']}.index(letter)"


def handed_in(course: Course, work: dict) -> int:
    (course.root / "submissions.zip").write_bytes(zipped({canvas(n): notebook for n, notebook in work.items()}))
    return say(course, "collect", course.root / "submissions.zip")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Course:
    """Make a course with a homework that has variants, released without them, and eight students."""
    course = Course(tmp_path_factory.mktemp("made") / "course")
    issuing.choices_path(course.root, HOMEWORK).parent.mkdir(parents=True)
    issuing.choices_path(course.root, HOMEWORK).write_text(toycourse.CHOICES)
    toycourse.make_course(course.root, toycourse.varied())
    enrol(course, 8)
    return course


@pytest.fixture
def course(made, tmp_path) -> Course:
    """Give a copy to each test."""
    shutil.copytree(made.root, tmp_path / "course")
    return Course(tmp_path / "course")


@pytest.fixture(scope="module")
def term(made, tmp_path_factory, sandbox) -> Course:
    """Take students through a term: s1 wrote names, s2 numbers, s3 those of s2, s4 handed in the file of s1, ..."""
    course = Course(tmp_path_factory.mktemp("term") / "course")
    shutil.copytree(made.root, course.root)
    assert say(course, "release", "--variants") == 0
    theirs = named(own(course, "s2"))["variant"].source
    letters = f"LETTERS = {issuing.load(course, HOMEWORK)['s2']['LETTERS']}"
    work = {
        1: own(course, "s1"),
        2: own(course, "s2", with_numbers(course, "s2")),
        3: own(course, "s3", with_numbers(course, "s2")),
        4: own(course, "s1"),
        5: own(course, "s5", with_numbers(course, "s2"), variant=theirs),
        6: own(course, "s6", f"TIMES = 1\n{BY_NAME}"),
        7: own(course, "s7", f"{named(own(course, 's2'))['variant'].source}\n{with_numbers(course, 's2')}"),
        8: own(course, "s8", with_numbers(course, "s2").replace(":\n", f":\n    global LETTERS\n    {letters}\n")),
    }
    enrol(course, 9)
    work[9] = own(course, "s1")  # came late, and got the file of a friend
    assert handed_in(course, work) == 1
    assert say(course, "grade", "--jobs", 2) == 0
    return course


def points(course: Course, student: str) -> dict[str, float]:
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(HOMEWORK, student)
        return {g.name: g.auto_score for notebook in submission.notebooks for g in notebook.grades if g.name in IN}


@pytest.mark.slow
def test_each_student_opens_a_notebook_of_his_own(course):
    assert say(course, "release", "--variants") == 0
    table, default = issuing.load(course, HOMEWORK), nbformat.read(course.released(HOMEWORK) / f"{HOMEWORK}.ipynb", 4)
    with zipfile.ZipFile(issuing.folder(course) / f"{HOMEWORK}.zip") as archive:
        assert sorted(archive.namelist()) == [f"{student}/{HOMEWORK}.ipynb" for student in students(8)]
        found = {one: nbformat.reads(archive.read(f"{one}/{HOMEWORK}.ipynb").decode(), 4) for one in table}
    for student, notebook in found.items():
        assert variants.values_in(notebook.cells) == table[student]
        differ = [ours.id for ours, theirs in zip(default.cells, notebook.cells, strict=True) if ours != theirs]
        assert differ == ["variant"]
        assert canonical(variants.put(default, table[student]), notebook)[1] == [
            "no answer was changed: the notebook is as it was handed out"
        ]


@pytest.mark.long
def test_who_writes_names_or_his_own_numbers_has_the_points_and_who_copies_numbers_has_not(term):
    assert points(term, "s1") == points(term, "s2") == IN
    assert points(term, "s4") == IN  # his numbers are in the place of those of s1
    assert points(term, "s3") == points(term, "s5") == LOST


@pytest.mark.slow
def test_who_gives_a_name_another_value_is_graded_with_the_right_one(term):
    assert points(term, "s6") == IN
    assert points(term, "s7") == dict.fromkeys(IN, 0)
    assert points(term, "s8") == dict.fromkeys(IN, 0)
    assert "the submission changed what tests are made of: the name LETTERS" in str(records.load(term, HOMEWORK)["s8"])


@pytest.mark.slow
def test_the_graded_notebook_has_the_students_own_values(term):
    for student, values in issuing.load(term, HOMEWORK).items():
        path = term.autograded(student, HOMEWORK) / f"{HOMEWORK}.ipynb"
        if path.exists():
            assert variants.values_in(nbformat.read(path, 4).cells) == values


@pytest.mark.slow
def test_another_student_s_file_is_told_to_the_student_and_to_the_instructor(term, capsys):
    for student in ("s4", "s5"):
        assert (
            "its variant is another student's; it is graded with your own"
            in records.load(term, HOMEWORK)[student].lines
        )
    assert say(term, "status") == 0
    said = capsys.readouterr().out
    assert "to look at: s4, handed in the variant of s1" in said
    assert "to look at: s5, handed in the variant of s2" in said
    assert said.count("handed in the variant of") == 2
    assert "8 with a variant" in said


@pytest.mark.slow
def test_who_has_no_variant_has_no_score_until_he_has_one(term, capsys):
    record = records.load(term, HOMEWORK)["s9"]
    assert record.state == records.FAILED
    assert "s9 has no variant of hw0_squares: do ./course homework release hw0_squares --variants" in record.failure


@pytest.mark.slow
def test_a_grade_tells_the_values_that_it_is_by(term, capsys):
    assert say(term, "status", "--student", "s1") == 0
    assert f"variant    {variants.told(issuing.load(term, HOMEWORK)['s1'])}" in capsys.readouterr().out


@pytest.mark.long
def test_a_page_has_the_student_s_own_values(term):
    assert say(term, "feedback") == 0
    for student in ("s1", "s4"):
        page = exporting.page(term, HOMEWORK, student).read_text()
        assert str(issuing.load(term, HOMEWORK)[student]["SEED"]) in page
        assert (str(issuing.load(term, HOMEWORK)["s1"]["SEED"]) in page) is (student == "s1")


@pytest.mark.long
def test_what_is_released_again_and_graded_again_keeps_everybody_s_values(term, capsys):
    before = issuing.load(term, HOMEWORK)
    assert say(term, "release") == 0
    assert issuing.load(term, HOMEWORK) == before
    assert say(term, "release", "--variants") == 0  # s9 is on the roster now
    after = issuing.load(term, HOMEWORK)
    assert {student: after[student] for student in before} == before
    assert after.keys() - before.keys() == {"s9"}
    assert say(term, "regrade", "s3", "--why", "asked") == 0
    assert points(term, "s3") == LOST
    assert say(term, "collect", term.root / "submissions.zip") == 0
    assert say(term, "grade", "--student", "s9") == 0
    assert points(term, "s9") == IN


@pytest.mark.slow
def test_a_copy_from_another_variant_is_found(course, tmp_path):
    release(course, HOMEWORK, students=students(4))
    lines = ["def coded(letter):", "    places = {}", "    for place, one in enumerate(LETTERS):"]
    lines += ["        places[one] = TIMES * place + len(places) - place", "    if letter not in places:"]
    code = "\n".join([*lines, "        raise KeyError(sorted(places))", "    return max(places[letter], 0)"])
    work = {"s1": code, "s2": code.replace("places", "d").replace("one", "x"), "s3": BY_NAME, "s4": BY_NAME}
    for student, answer in work.items():
        nbformat.write(own(course, student, answer), tmp_path / f"{student}.ipynb")
    given = [nbformat.read(course.released(HOMEWORK) / f"{HOMEWORK}.ipynb", 4), course.read_source(HOMEWORK)]
    works, _ = read_works({student: tmp_path / f"{student}.ipynb" for student in work}, [], given)
    assert [(pair.first.name, pair.second.name) for pair in similar(works)] == [("s1", "s2")]
    assert not any("SEED" in text for one in works for text, _ in one.answers)


@pytest.mark.slow
def test_a_student_checks_with_his_own_values(course, tmp_path):
    release(course, HOMEWORK, students=students(2))
    for student, outcome in (("s1", PASSED), ("s2", FAILED)):
        nbformat.write(own(course, student, with_numbers(course, "s1")), tmp_path / f"{student}.ipynb")
        notes = []
        rows = check(tmp_path / f"{student}.ipynb", course.released(HOMEWORK) / f"{HOMEWORK}.ipynb", note=notes.append)
        assert {row.test: row.outcome for row in rows}["coded_a"] == outcome
        assert notes == []


@pytest.mark.long
def test_a_check_with_numbers_that_a_student_changed_is_by_those_of_the_release(course, tmp_path):
    release(course, HOMEWORK, students=students(2))
    path = course.released(HOMEWORK) / f"{HOMEWORK}.ipynb"
    changed, unknown = (own(course, "s1", 'def coded(letter):\n    return 7 * "bac".index(letter)') for _ in range(2))
    for notebook in (changed, unknown):
        cell = named(notebook)["variant"]
        cell.source = variants.with_values(cell.source, {"TIMES": 7, "LETTERS": ["b", "a", "c"], "SEED": 1})
    del named(unknown)["variant"].metadata.nbgrader["checksum"]
    for notebook in (changed, unknown):
        nbformat.write(notebook, tmp_path / "own.ipynb")
        notes = []
        rows = check(tmp_path / "own.ipynb", path, note=notes.append)
        assert {row.test: row.outcome for row in rows}["coded_a"] == FAILED
        assert "variant: was changed though it is locked; it is back as it was handed out" in notes


# ---- what is refused ----


@pytest.mark.slow
def test_a_homework_without_variants_says_which_have_some(course, capsys):
    issuing.choices_path(course.root, HOMEWORK).rename(issuing.choices_path(course.root, "hw8_other"))
    assert say(course, "release", "--variants") == 2
    assert "hw0_squares has no variants; there are some of: hw8_other" in capsys.readouterr().err
    assert issuing.load(course, HOMEWORK) == {}


@pytest.mark.slow
def test_gradescope_is_refused(course, tmp_path, capsys):
    assert say(course, "release", "--variants", "--autograder", tmp_path / "a.zip") == 2
    assert "--autograder cannot grade --variants" in capsys.readouterr().err
    release(course, HOMEWORK, students=["s1"])
    assert say(course, "release", "--autograder", tmp_path / "a.zip") == 1
    assert "does not know whose it grades" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.slow
def test_a_course_whose_grading_would_not_put_them_is_refused(course):
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("    ours.PutVariant,\n", ""))
    with pytest.raises(GradingError, match="has no step PutVariant"):
        release(course, HOMEWORK, students=["s1"])


@pytest.mark.slow
def test_variants_after_somebody_handed_in_are_refused(course):
    records.save(course, HOMEWORK, records.Record("s1"))
    with pytest.raises(GradingError, match="has been handed in without variants"):
        release(course, HOMEWORK, students=students(2))
    assert issuing.load(course, HOMEWORK) == {}


@pytest.mark.parametrize("handed", [[], ["s1"], ["s2"]])
@pytest.mark.parametrize("more", [None, ["s3"]])
@pytest.mark.slow
def test_who_opened_a_notebook_keeps_values_that_are_not_allowed_any_more(course, handed, more):
    release(course, HOMEWORK, students=["s1", "s2"])
    before = issuing.load(course, HOMEWORK)
    path = issuing.choices_path(course.root, HOMEWORK)
    path.write_text(path.read_text().replace("to = 9", "to = 3").replace("from = 2", "from = 1"))
    spoilt = [one for one in ("s1", "s2") if before[one]["TIMES"] > 3]
    assert spoilt
    for student in handed:
        records.save(course, HOMEWORK, records.Record(student))
    with pytest.raises(
        GradingError, match=f"any more what was handed out to {', '.join(spoilt)}. Take the change back"
    ):
        release(course, HOMEWORK, students=more)
    assert issuing.load(course, HOMEWORK) == before


@pytest.mark.slow
def test_values_that_nobody_opened_may_be_drawn_anew(course):
    release(course, HOMEWORK, students=["s1", "s2"])
    path = issuing.choices_path(course.root, HOMEWORK)
    path.write_text(path.read_text().replace("to = 9", "to = 3").replace("from = 2", "from = 1"))
    issuing.table_path(course, HOMEWORK).unlink()
    shutil.rmtree(issuing.folder(course) / HOMEWORK)
    release(course, HOMEWORK, students=["s1", "s2"])
    assert all(values["TIMES"] <= 3 for values in issuing.load(course, HOMEWORK).values())


@pytest.mark.slow
def test_choices_that_are_gone_are_wanted_back(course, capsys):
    release(course, HOMEWORK, students=["s1", "s2"])
    before = issuing.load(course, HOMEWORK)
    issuing.choices_path(course.root, HOMEWORK).unlink()
    for arguments in ([], ["--variants"]):
        assert say(course, "release", *arguments) == 1
        said = capsys.readouterr().err
        assert f"students have variants of {HOMEWORK} (" in said
        assert f"{HOMEWORK}.toml is gone; bring it back" in said
    assert issuing.load(course, HOMEWORK) == before


@pytest.mark.parametrize("text", [None, "{"])
@pytest.mark.slow
def test_each_verb_tells_that_the_table_is_lost(course, sandbox, capsys, text):
    release(course, HOMEWORK, students=students(8))
    assert handed_in(course, {1: own(course, "s1")}) == 0
    path = issuing.table_path(course, HOMEWORK)
    path.unlink() if text is None else path.write_text(text)
    for verb in (
        ["release"],
        ["release", "--variants"],
        ["collect", course.root / "submissions.zip"],
        ["grade"],
        ["status"],
    ):
        capsys.readouterr()
        assert say(course, *verb) == 1, verb
        said = "".join(capsys.readouterr())
        assert "Bring it back from a backup" in said, verb
        assert "Traceback" not in said, verb
    assert records.load(course, HOMEWORK)["s1"].state == records.COLLECTED


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["collect", "take_version"])
def test_the_table_is_read_when_no_release_is_at_work(course, monkeypatch, verb):
    release(course, HOMEWORK, students=students(2))
    assert handed_in(course, {1: own(course, "s1")}) == 0
    read = []

    def load(course, homework):
        with pytest.raises(GradingError), records.alone(course, homework):
            pass
        read.append(homework)
        return variants.read_table(issuing.folder(course), homework)

    monkeypatch.setattr(issuing, "load", load)
    if verb == "collect":
        collecting.collect(
            course, HOMEWORK, course.root / "submissions.zip", roster.read(course.grading / "roster.csv")
        )
    else:
        collecting.take_version(course, HOMEWORK, "s1", 1)
    assert read


@pytest.mark.slow
def test_a_homework_that_nobody_knows_is_unknown(course):
    with pytest.raises(UnknownError):
        issuing.drawn(course, "hw7_squares", toycourse.varied(), ["s1"])
