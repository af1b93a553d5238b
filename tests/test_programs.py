"""The verbs of `./course` that hand over to a program: JupyterLab, pytest, the notebooks' builder, uv."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import cli
from helpers.cli import programs
from helpers.cli.doctor import PLACES, make_do


class BecameError(BaseException):
    """Stands for the process that would have replaced this one."""


@pytest.fixture
def became(monkeypatch):
    """Catch the program that a verb would become: `became(verb, option, …)` returns its arguments."""

    def run(*arguments: str) -> list[str]:
        with pytest.raises(BecameError) as caught:
            cli.main(list(arguments))
        assert Path.cwd() == programs.ROOT
        assert caught.value.args[0] == sys.executable
        return caught.value.args[1][1:]

    def execv(program: str, arguments: list[str]) -> None:
        raise BecameError(program, arguments)

    monkeypatch.chdir("/")
    monkeypatch.setattr(os, "execv", execv)
    return run


def lab_command(*arguments: str, is_root: bool = False, **environment: str) -> list[str]:
    return programs.lab_command(list(arguments), environment=environment, is_root=is_root)


def test_lab_opens_the_first_lecture_in_the_root_of_the_project():
    command = lab_command()
    assert command[:2] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={programs.ROOT}" in command
    assert "--LabApp.default_url=/lab/tree/lectures/00_start_here.ipynb" in command
    assert "--no-browser" not in command
    assert "--allow-root" not in command


def test_lab_asks_about_no_news():
    folder = next(o.split("=")[1] for o in lab_command() if o.startswith("--LabApp.app_settings_dir="))
    settings = json.loads(Path(folder, "overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_lab_keeps_the_browser_shut_when_told_so():
    assert "--no-browser" in lab_command(COURSE_NO_BROWSER="1")


def test_lab_runs_as_root_in_a_container():
    assert "--allow-root" in lab_command(is_root=True)


def test_lab_passes_options_on_but_not_the_flavour():
    assert lab_command("--gpu", "--port=9999", "--cpu")[-1] == "--port=9999"
    assert not {"--gpu", "--cpu"} & set(lab_command("--gpu", "--cpu"))


def test_an_option_given_to_lab_replaces_ours():
    # Jupyter refuses an option that is given twice
    roots = [o for o in lab_command("--ServerApp.root_dir=/elsewhere") if o.startswith("--ServerApp.root_dir")]
    assert roots == ["--ServerApp.root_dir=/elsewhere"]


def test_lab_makes_the_stand_in_data_first(became, monkeypatch):
    from helpers.data import digits

    made = []
    monkeypatch.setattr(digits, "make_stand_in", lambda: made.append("digits"))
    assert became("lab", "--port=9999")[:2] == ["-m", "jupyterlab"]
    assert made == ["digits"]


def test_lab_opens_where_the_data_folder_cannot_be_written(became, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "file"))
    assert became("lab")[:2] == ["-m", "jupyterlab"]


def test_test_runs_pytest_with_the_options_given(became):
    processes = str(min(4, os.cpu_count()))
    assert became("test", "--fast", "-k", "dense") == ["-m", "pytest", "-n", processes, "--fast", "-k", "dense"]


@pytest.mark.parametrize("verb", ["build", "check"])
def test_build_and_check_are_the_notebook_builder(verb, became):
    assert became(verb, "--root", "tmp") == ["authoring/notebooks.py", verb, "--root", "/tmp"]  # from where we are
    assert became(verb) == ["authoring/notebooks.py", verb, "--root", str(programs.ROOT)]


def test_check_prints_the_report_where_it_is_asked_for(became):
    assert became("check", "--report")[-1] == "--report"


@pytest.mark.parametrize(("word", "meant"), [("hw1_dense", "homework check hw1_dense"), ("/", "data check /")])
def test_check_knows_the_other_checks(word, meant, capsys):
    assert cli.main(["check", word]) == 2
    assert f"Did you mean ./course {meant}?" in capsys.readouterr().err


# Stands for uv: adds a line to the file it is told to write, unless told to fail, and repeats what it was told.
FAKE_UV = """
import sys
draft = sys.argv[sys.argv.index("--output-file") + 1]
with open(draft, "a") as file:
    print("half==1" if "--fail" in sys.argv else "keras==9", *sys.argv[1:-2], file=file)
sys.exit(7 if "--fail" in sys.argv else 0)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Give an empty project whose uv is the fake."""
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    monkeypatch.setattr(programs, "compile_command", lambda: [sys.executable, "-c", FAKE_UV])
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_lock_writes_both_files_and_nothing_else(project):
    assert cli.main(["lock"]) == 0
    locks = contents(project)
    assert set(locks) == {"requirements.txt", "requirements-gpu.txt"}
    assert all(text.startswith(programs.LOCK_HEADER + "keras==9 --extra") for text in locks.values())


def test_lock_binds_the_gpu_versions_to_the_cpu_versions(project):
    cli.main(["lock", "--upgrade"])
    locks = contents(project)
    assert locks["requirements.txt"].endswith("keras==9 --extra cpu --upgrade\n")
    assert f"--constraints {project / 'requirements.txt'} --upgrade\n" in locks["requirements-gpu.txt"]


def test_lock_starts_from_what_is_locked(project):
    (project / "requirements.txt").write_text("numpy==1\n")
    cli.main(["lock"])
    assert "\nnumpy==1\nkeras==9" in contents(project)["requirements.txt"]


def test_a_resolution_that_fails_leaves_the_lock_alone(project):
    (project / "requirements.txt").write_text("numpy==1\n")
    assert cli.main(["lock", "--fail"]) == 7
    assert contents(project) == {"requirements.txt": "numpy==1\n"}


@pytest.mark.parametrize("words", [["--help"], ["--upgrade", "-h"], ["--upgrad"], ["--hlep"]])
def test_asking_for_help_or_a_slip_writes_no_lock(project, words, capsys):
    assert cli.main(["lock", *words]) == (0 if {"-h", "--help"} & set(words) else 2)
    assert contents(project) == {}


def test_lock_without_uv_says_what_to_do(project, monkeypatch, capsys):
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    assert cli.main(["lock"]) == 1
    assert "pip install uv" in capsys.readouterr().err
    assert contents(project) == {}


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/proc/no/home", "/dev/null"])
def test_a_home_that_cannot_be_written_keeps_nothing_from_starting(home, tmp_path):
    (tmp_path / "a.npz").write_text("no zip")  # `show` imports Matplotlib, which would complain about the home
    words = ["-m", "helpers.cli", "data", "show", "a.npz"]
    environment = {**os.environ, "HOME": home, "TMPDIR": str(tmp_path), "PYTHONPATH": str(programs.ROOT)}
    for name in PLACES:
        environment.pop(name, None)
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, text=True, capture_output=True)
    first, *others, second = done.stderr.splitlines()
    assert first.startswith("course: the home folder cannot be written")
    assert all("font cache" in other for other in others), "Matplotlib says so where that takes long"
    assert second.startswith("course data show: a.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"], "the temporary folder is gone"


def test_a_home_that_can_be_written_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    environment: dict[str, str] = {}
    make_do(environment)
    assert environment == {}
