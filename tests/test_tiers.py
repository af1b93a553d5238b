"""What a run takes and tells: conftest.py at the root, tried on a small project of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
import os, time
import pytest

@pytest.fixture
def slurm():
    pass

def test_quick(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.long
def test_long(): pass

@pytest.mark.needs("a browser")
def test_page(): pass

@pytest.mark.slow
def test_job(slurm): pass

@pytest.mark.deep
def test_night(): pass
"""
TURNS = """
import pytest

@pytest.mark.long
@pytest.mark.turns
@pytest.mark.parametrize("lecture", range(4))
def test_numbers(lecture): pass
"""
MARKERS = "[pytest]\nmarkers =\n    slow\n    long\n    turns\n    deep\n    needs(what)\naddopts = --strict-markers\n"
TAKES = {
    "--fast": {"quick"},
    "": {"quick", "slow"},
    "--rest": {"long", "page", "job"},
    "--full": {"quick", "slow", "long", "page", "job"},
    "--deep": {"quick", "slow", "long", "page", "job", "night"},
}


pytestmark = pytest.mark.long  # for those who write tests: each starts a pytest of its own


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text(MARKERS)
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_two.py").write_text("def test_other(): pass\n")
    return folder


def run(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *filter(None, options)]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False).stdout


@pytest.mark.parametrize("option", TAKES)
def test_a_run_takes_what_it_says(project, option):
    said = run(project, option, "test_some.py")
    assert set(re.findall(r"::test_(\w+) PASSED", said)) == TAKES[option], said


@pytest.mark.parametrize("processes", ["0", "2"])
def test_those_that_take_turns_run_in_one_of_three_runs(project, processes):
    (project / "test_turns.py").write_text(TURNS)
    ran = []
    for turn in (22, 23, 0):  # hours that follow each other
        said = run(project, "--rest", "--turn", str(turn), "-n", processes, "test_turns.py")
        ran.append(set(re.findall(r"PASSED.*(\[\d\])|(\[\d\]) PASSED", said)))
        assert f"{4 - len(ran[-1])} that take turns: ./course test --full" in said
    assert sum(map(len, ran)) == len(set.union(*ran)) == 4 and all(ran)
    assert run(project, "--full", "-n", processes, "test_turns.py").count("PASSED") == 4
    (project / "test_turns.py").unlink()


@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_is_left_out_is_told_with_the_reason_and_the_command(project, processes):
    left_out = run(project, "-n", processes).partition("left out")[2]
    assert "1 that need Slurm: ./course test --full" in left_out
    assert "1 that need a browser: ./course test --full" in left_out
    assert "1 that take minutes: ./course test --full" in left_out
    assert "1 that take a night: ./course test --deep" in left_out
    assert "left out" not in run(project, "--deep", "-n", processes)


def test_the_tests_of_a_file_share_a_process_and_those_of_two_lectures_do_not(project):
    code = "import os, pytest, time\n@pytest.mark.parametrize('n', ['01_one', '02_two'])\n"
    code += "def test_a(n):\n    print(f'<{n} {os.getpid()}>'); time.sleep(1)\n"
    code += "def test_b(): print(f'<b {os.getpid()}>')\ndef test_c(): print(f'<c {os.getpid()}>')\n"
    (project / "test_lectures.py").write_text(code)
    places = dict(re.findall(r"<(\w+) (\d+)>", run(project, "-n", "2", "-rP", "test_lectures.py")))
    assert places["b"] == places["c"]
    assert places["01_one"] != places["02_two"]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_time_of_a_child_is_part_of_a_tests_cpu_time(project, tmp_path, processes):
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    code = f"import subprocess, sys\ndef test_burns(): subprocess.run([sys.executable, '-c', {burn!r}])\n"
    (project / "test_burning.py").write_text(code + "def test_idles(): pass\n")
    run(project, "-n", processes, f"--junitxml={tmp_path}/run.xml", "test_burning.py")
    summary = [sys.executable, ROOT / ".ci/summary.py", tmp_path / "run.xml"]
    said = subprocess.run(summary, text=True, capture_output=True, check=True).stdout
    (seconds,) = re.findall(r"([\d.]+) CPU-s.*test_burns", said)
    assert 0.4 < float(seconds) < 3


@pytest.mark.parametrize(("broken", "flaky"), [(["a", "b"], ["a"]), (["a", "b"], ["b", "a"]), (["a"], []), ([], [])])
def test_what_fails_once_and_passes_alone_is_told_at_the_end(tmp_path, broken, flaky):
    def write(name: str, ran: list[str], failed: list[str]) -> Path:
        cases = "".join(
            f'<testcase classname="tests.x" name="{test}">{"<failure/>" if test in failed else ""}</testcase>'
            for test in ran
        )
        (tmp_path / name).write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        return tmp_path / name

    first = [write(name, ["a", "b", "c"], broken) for name in ("usual.xml", "rest.xml")]
    again = write("again.xml", broken, [test for test in broken if test not in flaky])
    summary = [sys.executable, ROOT / ".ci/summary.py", *first, tmp_path / "gone.xml", "--again", again]
    said = subprocess.run(summary, text=True, capture_output=True, check=True).stdout
    lines = [f"failed 2 time(s), passed alone: tests.x::{test}" for test in broken if test in flaky]
    assert said.splitlines()[-1 - len(lines) :] == [f"==== flaky: {len(lines)} ====", *lines]
