"""The student edition: nothing that only teachers may see is in it, and what is in it works."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest
import toycourse

from helpers import cli
from helpers.cli import table
from helpers.errors import UsageError
from helpers.grading import GradingError, student_edition
from helpers.grading.mutants import leaks, read_mutants, read_source, secrets

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # of nbgrader's own queries
]

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "homework/_instructor/source").glob("*/*.ipynb"))
SECRET = "the roster of this term"


@pytest.fixture(scope="module")
def edition(tmp_path_factory) -> Path:
    """Make the edition of this course once, as a folder."""
    folder = tmp_path_factory.mktemp("edition") / "for students"
    assert cli.main(["student-edition", str(folder)]) == 0
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def text_of(path: Path) -> str:
    """Return what can be read in a file: of a notebook what its cells say, of others everything."""
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    return path.read_bytes().decode(errors="replace")


def words_of(path: Path) -> str:
    """Return the prose of a file: of a notebook what is no code."""
    if path.suffix != ".ipynb":
        return text_of(path)
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def used_clone(folder: Path) -> Path:
    """Copy the course as it looks after a term: compiled, run, copied, graded."""
    for room in ("helpers", "authoring", "lectures", "datasets", "docs", "homework"):
        shutil.copytree(
            ROOT / room, folder / room, ignore=shutil.ignore_patterns("grading" if room == "homework" else "")
        )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    for name in (
        "helpers/__pycache__/answers.cpython-312.pyc",
        "helpers/models/__pycache__/secret.py",
        "homework/_instructor/grading/roster.csv",
        "homework/hw1_dense/answers.py",
        "homework/hw1_dense/.ipynb_checkpoints/hw1_dense-checkpoint.ipynb",
        "lectures/01_simple-Copy1.ipynb",
        "lectures/.ipynb_checkpoints/01_simple-checkpoint.ipynb",
        "datasets/grades.csv",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SECRET)
    lecture = folder / "lectures/02_sparse.ipynb"
    content = json.loads(lecture.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": [SECRET]}]}
    lecture.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return folder


# ---- what is in it ----


def test_a_used_clone_gives_the_same_bytes_as_a_fresh_one(edition, tmp_path):
    archive = tmp_path / "students.zip"
    student_edition.make_edition(used_clone(tmp_path / "used"), archive)
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        found = {member.filename.removeprefix("course/"): zipped.read(member) for member in members}
    wanted = contents(edition)
    assert found.keys() == wanted.keys()
    assert [name for name in found if found[name] != wanted[name]] == []  # not contents: to show them takes minutes
    assert not any(SECRET.encode() in content for content in found.values())
    assert [member.filename for member in members] == sorted(member.filename for member in members)
    assert len({member.date_time for member in members}) == 1
    modes = {member.filename: oct(member.external_attr >> 16 & 0o777) for member in members}
    assert {name for name, mode in modes.items() if mode != "0o644"} == {"course/course"}
    for path in (edition, *edition.rglob("*")):
        wanted = 0o755 if path.is_dir() or path.name == "course" else 0o644
        assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (wanted, edition.stat().st_mtime), path


def test_the_same_files_give_the_same_zip_file_and_others_another_time(tmp_path):
    files = {"course": b"#!/bin/sh\n", "helpers/a.py": b"answer = 41\n"}
    zips = [tmp_path / name for name in ("one.zip", "two.zip", "other.zip")]
    for path, answer in zip(zips, (b"41", b"41", b"42"), strict=True):
        student_edition._write_zip({**files, "helpers/a.py": b"answer = " + answer + b"\n"}, path)
    one, two, other = (path.read_bytes() for path in zips)
    times = [zipfile.ZipFile(path).infolist()[0].date_time for path in zips]
    assert one == two != other
    assert times[0] == times[1] != times[2], "what Python compiled of one would be taken for the other's"


def test_no_file_is_one_that_only_teachers_have(edition):
    names = [path.relative_to(edition).as_posix() for path in edition.rglob("*")]
    forbidden = (
        r"_instructor|authoring|mutant|sandbox|plugins|releas|gradebook|roster|student_edition|\.pyc|__pycache__|/\."
    )
    assert [name for name in names if re.search(forbidden, f"/{name}")] == []
    assert {path.split("/")[0] for path in names if "/" in path} == {
        "datasets",
        "docs",
        "helpers",
        "homework",
        "lectures",
        "tests",
    }
    assert {name for name in names if name.endswith(".ipynb")} == {
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / "lectures").glob("[0-9][0-9]_*.ipynb")),
        "lectures/explorer.ipynb",
        *(f"homework/{path.stem}/{path.name}" for path in SOURCES),
    }


def test_answers_to_exercises_are_in_it_only_if_they_are_named(edition, tmp_path, capsys):
    assert not (edition / "lectures/answers").exists()
    folder = tmp_path / "later"
    assert cli.main(["student-edition", str(folder), "--answers", "1, 03"]) == 0
    assert "lectures (2 with answers), " in capsys.readouterr().out
    mine = {"lectures/answers/01_simple.ipynb", "lectures/answers/03_deep.ipynb"}
    assert contents(folder).keys() - contents(edition).keys() == mine
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "- [03 · Deep autoencoders: answers](lectures/answers/03_deep.ipynb)" in readme
    for name in mine:
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("number", ["1", "99", "01_simple", ""])
def test_answers_that_are_not_there_are_refused_with_those_that_are(number, tmp_path):
    with pytest.raises(UsageError, match=rf"no answers to lecture '{number}'\. There are: 00, 01, "):
        student_edition.make_edition(ROOT, tmp_path / "edition", answers=["01", number])
    assert not (tmp_path / "edition").exists()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_solution_hidden_test_or_mark_scheme_is_in_it(edition, source):
    """Single lines of a solution stand in lectures and helpers, from where students shall take them; nothing else."""
    notebook = read_source(source)
    texts = {path: text_of(path) for path in edition.rglob("*") if path.is_file()}
    found = {secret for secret in secrets(notebook) if any(secret in text for text in texts.values())}
    public = [path for path in (ROOT / "helpers").rglob("*.py") if "grading/mutants" not in path.as_posix()]
    shown = [*(ROOT / "lectures").glob("[0-9]*.ipynb"), *(ROOT / "homework").glob("hw*/*.ipynb"), *public]
    assert {secret for secret in found if not any(secret in text_of(path) for path in shown)} == set()
    assert len(found) <= 0.06 * len(secrets(notebook)), found
    assert leaks(notebook, text_of(edition / f"homework/{source.stem}/{source.name}")) == []
    marks = [path for path, text in texts.items() if re.search("### (BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK)", text)]
    assert marks == []


@pytest.mark.parametrize(
    "table_of", sorted((ROOT / "homework/_instructor/mutants").glob("*.toml")), ids=lambda p: p.stem
)
def test_no_mutant_is_in_it(edition, table_of):
    whole = "\n".join(content.decode(errors="replace") for content in contents(edition).values())
    assert [mutant.name for mutant in read_mutants(table_of) if mutant.mistake in whole] == []


def test_a_file_with_a_solution_would_be_refused(tmp_path):
    clone = used_clone(tmp_path / "used")
    for folder in (clone / "homework/_instructor/source").iterdir():
        shutil.rmtree(folder)
    (clone / "helpers/models/dense.py").write_text("### BEGIN SOLUTION\n")
    with pytest.raises(GradingError, match=r"helpers/models/dense\.py would show students '### BEGIN SOLUTION'"):
        student_edition.make_edition(clone, tmp_path / "edition")
    assert not (tmp_path / "edition").exists()


# ---- what its papers say ----


def test_its_readme_names_nothing_that_is_missing(edition):
    readme = (edition / "README.md").read_text()
    links = [link for link in re.findall(r"\]\((.*?)\)", readme) if "://" not in link]
    assert len(links) > len(SOURCES)
    assert [link for link in links if not (edition / link).exists()] == []
    assert set(re.findall(r"\./course ([\w-]+)", readme)) <= table.for_students(table._ALL).keys()
    assert set(re.findall(r"`([\w/.]+/)`", readme)) == set()
    assert "<<" not in readme


def test_no_other_link_leads_to_what_is_missing(edition):
    dead = []
    for path in (*edition.rglob("*.md"), *edition.rglob("*.ipynb")):
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s:]+)\)", words_of(path))]
        dead += [f"{path}: {link}" for link in links if link and not (path.parent / link).exists()]
    assert dead == []


def test_students_have_the_verbs_that_need_no_teacher():
    verbs = table.for_students(table._ALL)
    lacking = {"student-edition", "build", "check", "lock"}
    assert verbs.keys() == table.VERBS.keys() - lacking
    assert verbs["homework"].verbs.keys() == {"check"}
    assert list(verbs) == [name for name in table.VERBS if name in verbs], "in the same order"


# ---- that it works ----


def inside(edition: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the front door of the edition in the environment of the tests."""
    environment = {**os.environ, "PYTHONPATH": str(edition), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "helpers.cli", *words]
    return subprocess.run(command, cwd=edition, env=environment, text=True, capture_output=True)


@pytest.fixture
def copy(edition, tmp_path) -> Path:
    return Path(shutil.copytree(edition, tmp_path / "course"))


def test_its_front_door_offers_what_is_there(copy):
    done = inside(copy, "--help")
    assert done.returncode == 0 and "homework" in done.stdout and "student-edition" not in done.stdout
    done = inside(copy, "homework", "grade", "hw1_dense")
    assert (done.returncode, "There are: check." in done.stderr) == (2, True), done.stderr
    done = inside(copy, "test", "--help")
    assert "--fast" in done.stdout and "--deep" not in done.stdout


def test_its_own_tests_pass(copy):
    """The fast ones but docstrings' examples, which run with ours: helpers are imported, homework is read."""
    done = inside(copy, "test", "--fast", "-n", "0", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "that take seconds: ./course test" in done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > len([path for path in (copy / "helpers").rglob("*.py")])


def test_a_student_can_check_homework_in_it(copy):
    cells = [toycourse.cell("code", toycourse.SQUARE.replace("np.asarray(x)", "x"), "solution", "square")]
    cells += [toycourse.cell("code", "assert square(3) == 9", "test", "square_small", 2)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), copy / "mine.ipynb")
    done = inside(copy, "homework", "check", "mine.ipynb")
    assert (done.returncode, "1 of 1 open tests passed." in done.stdout) == (0, True), done.stdout + done.stderr


def alone(home: Path) -> dict[str, str]:
    """Return the environment of somebody who has Python, a network and an empty home, and nothing of this course."""
    ours = re.compile("(COURSE_|PYTHON|JUPYTER|IPYTHON|KERAS|XDG_|UV_|PYTEST)|(CI|VIRTUAL_ENV)$")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    programs = [folder for folder in kept["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(ROOT)]
    return {**kept, "PATH": os.pathsep.join(programs), "HOME": str(home), "COURSE_NO_BROWSER": "1"}


@pytest.mark.deep
@pytest.mark.needs("a network")
def test_it_works_from_nothing(copy, tmp_path):
    """As a student gets it: in a folder of its own, with an empty home and the environment that it makes itself."""
    (tmp_path / "home").mkdir()
    environment = alone(tmp_path / "home")
    lab = subprocess.Popen([copy / "course", "lab"], env=environment, text=True, stderr=subprocess.PIPE)
    try:
        said, address = "", None
        while not address and (line := lab.stderr.readline()):
            said += line
            address = re.search(r"http://\S+/lab/tree/lectures/00_start_here\.ipynb\?token=\w+", line)
        assert address, said
        for _ in range(100):  # it says where it is a moment before it listens
            with suppress(URLError), urlopen(address[0].replace("/lab/tree/", "/files/")) as answer:
                assert json.load(answer)["cells"]
                break
            time.sleep(0.5)
        else:
            raise AssertionError(f"{address[0]} does not answer.\n{said}")
    finally:
        lab.kill()  # it has no kernel yet, and would not hear of a signal before it listens
        lab.wait()
    done = subprocess.run([copy / "course", "test"], env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [copy / "course", "run", "python", "-c", "import helpers, sys; print(helpers.__file__, *sys.path)"]
    done = subprocess.run(asked, env=environment, text=True, capture_output=True)
    assert str(copy) in done.stdout and str(ROOT) not in done.stdout


# ---- a folder in which somebody works ----


@pytest.fixture
def worked_in(tmp_path):
    """Give a folder in git with a lecture and a helper, and a function that returns what students would get of it."""
    (tmp_path / "lectures").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("loss = 1")])
    nbformat.write(notebook, tmp_path / "lectures/01_one.ipynb")
    (tmp_path / "helper.py").write_text("one = 1\n")
    for words in ("init -q", "add -A", "-c user.name=t -c user.email=t@example.org commit -qm one"):
        subprocess.run(["git", "-C", str(tmp_path), *words.split()], check=True)

    def students_get():
        paths = [path for path in tmp_path.rglob("*") if path.is_file() and ".git" not in path.parts]
        files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in paths}
        return student_edition._as_committed(tmp_path, files)

    return tmp_path, students_get


@pytest.mark.needs("git")
def test_what_git_does_not_know_is_not_for_students(worked_in):
    folder, students_get = worked_in
    (folder / "hw1_solution.py").write_text("answer = 42\n")
    (folder / "helper.py").write_text("one = 2\n")
    found = students_get()
    assert found.keys() == {"lectures/01_one.ipynb", "helper.py"} and found["helper.py"] == b"one = 2\n"


@pytest.mark.needs("git")
def test_answers_that_git_does_not_know_are_not_left_out_in_silence(worked_in):
    folder, _ = worked_in
    (folder / "lectures/answers").mkdir()
    shutil.copy(folder / "lectures/01_one.ipynb", folder / "lectures/answers")
    with pytest.raises(GradingError, match=r"lectures/answers/01_one\.ipynb is named, but git does not know it"):
        student_edition.edition(folder, answers=["01"])


@pytest.mark.needs("git")
def test_what_jupyterlab_writes_into_a_lecture_is_not_for_students_and_new_cells_are_refused(worked_in):
    folder, students_get = worked_in
    path = folder / "lectures/01_one.ipynb"
    before = path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["widgets"] = {"state": {}}
    notebook.cells[0].execution_count = 7
    nbformat.write(notebook, path)
    assert students_get()["lectures/01_one.ipynb"] == before != path.read_bytes()
    notebook.cells.append(nbformat.v4.new_code_cell("answer = 42"))
    nbformat.write(notebook, path)
    with pytest.raises(GradingError, match=r"01_one\.ipynb has cells that are not committed"):
        students_get()


# ---- what goes wrong ----


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(
        UsageError, match=r"is not empty\. Name a folder that is not there yet, or empty this one first"
    ):
        student_edition.make_edition(ROOT, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("a file", "is a file"),
        ("folder.zip", "is a folder"),
        ("no such/folder", "mkdir -p"),
        ("no such/a.zip", "mkdir -p"),
    ],
)
def test_other_targets_that_cannot_be_are_refused_at_once(target, said, tmp_path):
    (tmp_path / "a file").touch()
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(UsageError, match=said):
        student_edition.make_edition(ROOT, tmp_path / target)


@pytest.mark.parametrize("target", ["edition", "edition.zip"])
def test_a_failure_half_way_leaves_nothing(target, tmp_path, monkeypatch):
    monkeypatch.setattr(
        student_edition, "edition", lambda root, **options: {"course": b"x", "lectures/a": b"y", "lectures/a/b": b"z"}
    )
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *arguments: Path(tmp_path / "no/such").read_bytes())
    with pytest.raises(OSError):
        student_edition.make_edition(ROOT, tmp_path / target)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path, monkeypatch):
    monkeypatch.setattr(student_edition, "edition", lambda root, **options: {"course": b"x"})
    (tmp_path / "edition").mkdir()
    student_edition.make_edition(ROOT, tmp_path / "edition")
    assert contents(tmp_path / "edition") == {"course": b"x"}


def test_the_readme_of_teachers_begins_with_it():
    assert "./course student-edition" in (ROOT / "README.md").read_text()


def test_what_is_read_of_a_notebook_bears_magics():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%cd ..\nfrom helpers.data import digits")])
    found = student_edition.imported_by(nbformat.writes(notebook).encode())
    assert {"helpers.data", "helpers.data.digits"} <= found


def test_a_module_goes_with_what_it_imports_at_once_and_stays_with_what_it_imports_later():
    sources = {
        "helpers.grading": "",
        "helpers.grading.pipeline": "",
        "helpers.grading.checking": "from helpers.grading import parts",
        "helpers.grading.parts": "",
        "helpers.grading.mutants": "",
        "helpers.cli.teach": "import helpers.grading.mutants",
        "helpers.cli.table": "import helpers.cli.teach",
        "helpers.cli.later": "def run():\n    import helpers.grading.mutants",
        "helpers.cli.typed": "if TYPE_CHECKING:\n    from helpers.grading.mutants import Mutant",
        "helpers.data": "",
    }
    lost = {"helpers.grading.mutants", "helpers.grading.pipeline", "helpers.cli.teach", "helpers.cli.table"}
    assert student_edition.for_students(sources, {"helpers.data"}) == sources.keys() - lost
