"""The front door: help without an environment, the nearest word for a slip, one meaning of exit statuses."""

import errno
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import cli
from helpers.cli import verbs
from helpers.cli.table import VERBS, every_verb, find
from helpers.errors import CourseError, UsageError
from helpers.files import DiskFullError

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ["data", "cluster", "homework"]
# Python without any package: no environment, and nothing of the user's.
BARE = [sys.executable, "-I", "-S", "-c"]
EVERY_HELP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from helpers import cli
from helpers.cli.table import VERBS, every_verb
for name in ["", *VERBS, *every_verb()]:
    for words in ([*name.split(), "--help"], ["help", *name.split()], ["--before-set-up", *name.split(), "-h"]):
        print(f"==== {{name}}")
        status = cli.main(words)
        assert status == 0, (words, status)
print("====", *(m for m in sys.modules if "." not in m and not m.startswith("_")))
"""


def asked(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own."""
    command = [sys.executable, "-m", "helpers.cli", *words]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, text=True, capture_output=True)


def test_every_help_has_one_shape_and_needs_nothing_but_the_standard_library():
    done = subprocess.run([*BARE, EVERY_HELP], cwd="/", text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    *parts, modules = done.stdout.split("==== ")[1:]
    assert len(parts) == 3 * (1 + len(VERBS) + len(every_verb()))
    for part in parts:
        name, text = part.split("\n", maxsplit=1)
        usage, what, *_, options, examples = text.strip().split("\n\n")
        assert usage.startswith(f"usage: ./course {name}".strip()) and what[0].isupper(), name
        assert options.startswith("options:\n") and "-h, --help" in options, name
        assert len(re.findall(r"^  \S*.*\./course .*\n      \S.*$", examples, re.MULTILINE)) == 2, name
    assert set(modules.split()) - {"helpers"} <= sys.stdlib_module_names


def commands() -> list[tuple[str, str]]:
    groups = [(name, command) for name in GROUPS for command, _ in VERBS[name].examples]
    return [*groups, *((name, command) for name, verb in every_verb().items() for command, _ in verb.examples)]


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda text: text)
def test_every_example_can_be_typed(name, command, monkeypatch):
    monkeypatch.setattr(verbs, "is_missing", lambda path: False)
    words = [word for word in shlex.split(command.partition(">")[0]) if not word.startswith("COURSE_")]
    assert words.pop(0) == "./course"
    if words[0] != "--version":
        found, verb, rest = find(words)
        assert found.startswith(name)
        verb.read(found, rest)


def test_every_verb_leads_to_its_own_function_in_the_file_of_its_group():
    for name, verb in every_verb().items():
        group, _, last = name.rpartition(" ")
        assert verb.does.__name__ == f"run_{last.replace('-', '_')}", name
        assert not group or verb.does.__module__ == f"helpers.cli.{group}", name
        assert list(inspect.signature(verb.does).parameters) == ["options"], name


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("chekc", "./course check or ./course data check or ./course homework check"),
        ("labb", "./course lab"),
        ("data chekc", "./course data check"),
        ("homework grdae hw1_dense", "./course homework grade"),
        ("cluster homework", "./course homework"),
        ("help data lsit", "./course data list"),
        ("sumbit", "./course cluster submit"),
        ("--hlep", "./course --help"),
        ("--verison", "./course --version"),
        ("data --hepl", "./course data --help"),
        ("data list --jsno", "'--json'"),
        ("cluster status --sit=x", ""),
        ("cluster submit --hepl", "'--help'"),
        ("data pack --zsdt", "'--zstd'"),
        ("setup --gpus", "'--gpu'"),
        ("lab --gpus", "'--gpu'"),
        ("test --fsat", "'--fast'"),
        ("data make chesapaeke", "'chesapeake'"),
        ("data cut . x --kinds RBG", "'RGB'"),
        ("homework check hw1_dens", "'hw1_dense'"),
        ("homework check hw7", "'hw7_land_cover'"),
        ("comp", "./course completion"),
        ("train lectures/runs/land_covr.toml", "'land_cover.toml'"),
        ("data check lecturs", "'lectures'"),
        ("completion bsh", "'bash'"),
    ],
)
@pytest.mark.parametrize("first", [[], [cli.BEFORE_SET_UP]], ids=["", "before"])
def test_a_slip_is_answered_with_the_nearest_word(words, meant, first, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main([*first, *words.split()]) == 2
    said, complaint = capsys.readouterr()
    assert said == "" and "See ./course" in complaint
    assert f"Did you mean {meant}?" in complaint if meant else "there is no option --sit" in complaint


def test_options_of_another_program_are_no_slips():
    for words in ("test --full-trace --ff --lf", "lab --port=9 --ip=x --debug", "lock --upgrade-package numpy"):
        name, verb, rest = find(words.split())
        assert verb.read(name, rest).words == rest


@pytest.mark.parametrize("words", ["", "data", "help", "version", "doctor --help", "run --help", "run"])
def test_before_a_set_up_what_needs_none_is_answered(words, capsys):
    assert cli.main([cli.BEFORE_SET_UP, *words.split()]) == (2 if words == "run" else 0)


@pytest.mark.parametrize("words", ["lab", "test --fast", "data list", "run python -h", "homework check hw1_dense"])
def test_before_a_set_up_the_rest_asks_for_it(words, capsys):
    assert cli.main([cli.BEFORE_SET_UP, *words.split()]) == cli.NEEDS_SET_UP
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (CourseError("the cellar is dry. Buy wine."), 1, "course data list: the cellar is dry. Buy wine.\n"),
        (UsageError("what?"), 2, "course data list: what?\nSee ./course data list --help.\n"),
        (OSError(errno.ENOSPC, "No space left", "x"), 1, "course data list: x: No space left.\n"),
        (OSError(errno.EIO, "No luck"), 1, "course data list: No luck.\n"),
        (
            DiskFullError(errno.ENOSPC, "No space left", "/x"),
            1,
            "course data list: /x could not be written: No space left. Make room there, or name another folder.\n",
        ),
        (PermissionError(errno.EACCES, "Denied", "/x"), 1, "course data list: /x: Denied.\n"),
        (FileNotFoundError(errno.ENOENT, "None", "/x"), 2, "course data list: /x: None.\n"),
        (KeyboardInterrupt(), 130, "course data list: stopped.\n"),
        (ValueError("odd"), 1, "course data list: ValueError: odd. COURSE_DEBUG=1 shows where it comes from.\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_is_one_message_and_its_status(error, status, said, monkeypatch, capsys):
    def fail(options: object) -> None:
        raise error

    monkeypatch.delenv("COURSE_DEBUG", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(verbs.Verb, "run", lambda verb, options: fail(options))
    assert cli.main(["data", "list"]) == status
    assert capsys.readouterr() == ("", said)
    monkeypatch.setenv("COURSE_DEBUG", "1")
    assert cli.main(["data", "list"]) == status
    complaint = capsys.readouterr().err
    assert complaint.startswith("Traceback") and complaint.endswith(said), "the message stays the last"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data pack README.md out", "README.md is a file, where a folder is wanted"),
        ("data show lectures", "lectures is a folder, where a file is wanted"),
        ("train lectures", "lectures is a folder, where a run file is wanted"),
    ],
)
def test_a_file_in_place_of_a_folder_is_told_and_the_other_way_round(words, said, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(words.split()) == 2
    assert said in capsys.readouterr().err


def test_folders_of_the_data_are_the_same_wherever_a_verb_starts_work(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COURSE_DATA", "datasets:~/gone")
    monkeypatch.setenv("COURSE_EXPERIMENTS", "mine")
    seen = {}
    monkeypatch.setattr(verbs.Verb, "run", lambda verb, options: seen.update(os.environ) or 0)
    assert cli.main(["data", "list"]) == 0
    assert seen["COURSE_DATA"] == f"{ROOT / 'datasets'}:{Path.home() / 'gone'}"
    assert seen["COURSE_EXPERIMENTS"] == str(ROOT / "mine")


@pytest.mark.parametrize("words", [["data", "list"], ["data", "make", "mnist"], ["doctor"]])
def test_the_home_of_nobody_is_a_folder_that_is_not_there(words, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", "~nobody_here/data")
    monkeypatch.setenv("COURSE_EXPERIMENTS", "~nobody_here/experiments")
    assert cli.main(words) == {"list": 0, "make": 2, "doctor": 1}[words[min(1, len(words) - 1)]]
    said = "".join(capsys.readouterr())
    assert "~nobody_here/data" in said and "not there" in said.lower() and "RuntimeError" not in said


def test_a_log_of_a_job_tells_where_a_surprise_came_from(monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(verbs.Verb, "run", lambda verb, options: 1 / 0)
    assert cli.main(["data", "list"]) == 1
    assert capsys.readouterr().err.startswith("Traceback")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_terminal_can_show_help(encoding):
    done = asked("data", "check", "/no/…/such", PYTHONIOENCODING=encoding)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert ("/no/.../such" in done.stderr) == (encoding != "utf-8")
    assert asked("help", PYTHONIOENCODING=encoding).returncode == 0


@pytest.mark.parametrize(
    ("output", "status", "said"),
    [(">/dev/full", 1, "No space left on device"), (">&-", 0, ""), ("| true", 141, "")],
)
def test_output_that_nobody_takes_is_no_traceback(output, status, said):
    slow = "sleep 1; " if "|" in output else ""  # until the reader has ended
    code = f"{{ {slow}{shlex.quote(sys.executable)} -m helpers.cli help; echo $? >&3; }} {output}"
    done = subprocess.run(["bash", "-c", f"exec 3>&2; {code}"], cwd=ROOT, text=True, capture_output=True)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert said in done.stderr and done.stderr.splitlines()[-1] == str(status)


@pytest.mark.parametrize(
    ("words", "missing", "said"),
    [
        (["homework", "collect", "hw1_dense", __file__], "nbgrader", "nbgrader is not installed here."),
        (["homework", "check", "hw1_dense"], "nbclient", "ModuleNotFoundError"),
        (["homework", "collect", "hw1_dense", __file__], "helpers.gone", "ModuleNotFoundError"),
    ],
)
def test_a_package_that_a_verb_for_teachers_lacks_is_named_with_what_to_do(words, missing, said, monkeypatch, capsys):
    def lacks(self: verbs.Verb, options: object) -> int:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(verbs.Verb, "run", lacks)
    assert cli.main(words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert ("pip install -c requirements.txt -e '.[teacher]'" in error) == (missing == "nbgrader")
