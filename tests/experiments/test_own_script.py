"""A program of one's own goes through `train` and `results`: swept, ended and run again, its results read as data."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from helpers import cli
from helpers.experiments import load_results, own_script
from helpers.experiments.attempt import checkpoint_dir
from helpers.experiments.own_script import command_of, load_results_file, summary_of
from helpers.experiments.run_file import RunError, read_run
from helpers.slurm import submissions
from helpers.slurm.submissions import Submission

ROOT = Path(__file__).resolve().parents[2]
# As students of OU's course write it: arguments from a file, an index of the experiment, results as a pickle.
SCRIPT = """
import argparse, os, pickle
from my_numbers import square

parser = argparse.ArgumentParser(fromfile_prefix_chars="@")
parser.add_argument("--exp_index", type=int)
parser.add_argument("--lr", type=float)
parser.add_argument("--hidden", type=int, nargs="+", default=[])
parser.add_argument("--exp_type")
args = parser.parse_args()
print("runs in", os.getcwd())
results = {"args": args, "accuracy": square(args.lr), "history": {"loss": [1.0, args.lr]}, "hidden": sum(args.hidden)}
os.makedirs("results", exist_ok=True)
with open(f"results/{args.exp_type}_lr_{args.lr}_{args.exp_index}.pkl", "wb") as file:
    pickle.dump(results, file)
"""
RUN = """
[script]
command = "python train.py @arguments.txt --lr {lr} --hidden {hidden} --exp_index {index}"
results = "results/*_lr_{lr}_{index}.pkl"
[training]
hidden = [8, 16]
[sweep]
lr = [0.5, 0.25]
"""


class Desk:
    """A folder with a program, and the words typed there."""

    def __init__(self, folder, capsys):
        self.folder, self.path, self.capsys = folder, folder / "mine.toml", capsys
        folder.mkdir()
        self.write("train.py", SCRIPT)
        self.write("my_numbers.py", "def square(x):\n    return x * x\n")
        self.write("arguments.txt", "--exp_type\nmine\n")
        self.write("mine.toml", RUN)

    def write(self, name, text):
        """Write a file."""
        (self.folder / name).write_text(text)

    def run(self, command, rest=""):
        """Write a run file with another command."""
        self.write("mine.toml", f"[script]\ncommand = {json.dumps(command)}\n{rest}")

    def type(self, verb, *words):
        """Type `./course VERB RUN.toml …`; return status and all that was said."""
        self.capsys.readouterr()
        status = cli.main([*verb.split(), str(self.path), *map(str, words)])
        return status, "\n".join(self.capsys.readouterr())

    def kept(self, index=0):
        """Read an experiment."""
        return read_run(self.path).experiments[index]


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path / "my work", capsys)


@pytest.mark.slow
def test_a_sweep_of_a_program_comes_out_as_a_table(desk):
    assert desk.type("train")[0] == 0
    assert [desk.kept(index).results()["accuracy"] for index in (0, 1)] == [0.25, 0.0625]
    assert desk.kept(1).history() == {"loss": [1.0, 0.25]}
    made = desk.kept().results()
    assert made["args"]["exp_type"] == "mine" and made["hidden"] == 24 and made["index"] == 0
    files = {f"SHA-256 of {name}" for name in ("train.py", "my_numbers.py", "arguments.txt")}
    assert files <= made["provenance"].keys()
    assert made["provenance"]["memory_mb"] > 0
    status, said = desk.type("results")
    assert status == 0 and "0.0625" in said and "2 of 2 experiments" in said
    assert sorted(load_results("mine")["accuracy"]) == [0.0625, 0.25]
    assert "is finished" in desk.type("train", "--index", 1)[1], "nothing is run twice"
    desk.write("my_numbers.py", "def square(x):\n    return -x\n")
    assert "It was run with another my_numbers.py" in desk.type("train", "--index", 0)[1]
    assert "2 of the finished experiments" in desk.type("train", "--list")[1]


@pytest.mark.parametrize(
    ("command", "rest", "told"),
    [
        ("python train.py {rat}", "[sweep]\nrate = [1]", "names {rat}, which is not known. Did you mean 'rate'?"),
        ("python train.py {lr.real}", "[sweep]\nlr = [1]", "{lr.real}, which is not known"),
        ("python train.py", "[sweep]\nlr = [1, 2]", "lr is set, and the command does not name it"),
        (
            "python train.py {lr}",
            "[training]\nlrr = 5\n[sweep]\nlr = [1]",
            "lrr is set, and the command does not name it. Did",
        ),
        ("python trian.py {lr}", "[sweep]\nlr = [1]", "trian.py for Python to run"),
        ("python -u {which}.py", "[sweep]\nwhich = ['train', 'trian']", "trian.py for Python to run"),
        ("python train{index}.py", "", "train0.py would not be frozen: only a parameter may choose the file"),
        ("python -m train{index}", "", "-m train0 would not be frozen: only a parameter may choose the module"),
        (f"{sys.executable} -um train", "", "is called by python, which is that of the course"),
        ("python -W error -m trian {lr}", "[sweep]\nlr = [1]", "there is no module trian for Python to run"),
        ("python -m mine.train", "", "there is no module mine.train for Python to run"),
        ("python link.py {lr}", "[sweep]\nlr = [1]", "link.py is a link to"),
        ("python train.py --config=link.py", "", "link.py is a link to"),
        ("python train.py {lr:d}", "[sweep]\nlr = [1, 0.5]", "'{lr:d}' in [script] cannot be filled in"),
        ("python train.py {lr:{w}}", "[sweep]\nlr = [1]", "cannot be filled in: 'w'"),
        ("python train.py {index:x.}", "", "cannot be filled in"),
        ("python train.py '--lr {lr}", "[sweep]\nlr = [1]", "cannot be read: No closing quotation"),
        ("python train.py {lr", "[sweep]\nlr = [1]", "A brace that is meant is written twice"),
        ("no_such_program {lr}", "[sweep]\nlr = [1]", "there is no program 'no_such_program'"),
        ("python train.py {index}", '[model]\nname = "unet"', "a program of your own takes no [model]"),
        ("python train.py {index}", "[sweep]\nindex = [1]", "index has a meaning of its own"),
        ("python bad.py {index}", "", "bad.py, line 1: SyntaxError"),
        ("", "", "the command is empty"),
    ],
)
def test_a_slip_in_the_run_file_is_told_before_anything_runs(desk, command, rest, told):
    desk.write("bad.py", "def (:\n")
    desk.write("train0.py", "")
    (desk.folder.parent / "elsewhere.py").touch()
    (desk.folder / "link.py").symlink_to(desk.folder.parent / "elsewhere.py")
    desk.run(command, rest)
    status, said = desk.type("train")
    assert status > 0 and told in said and "$ " not in said


@pytest.mark.parametrize("verb", ["train", "train --list", "results"])
@pytest.mark.parametrize("override", ["lrr=5", "command=python other.py", "index=3", "folder=x"])
def test_an_override_that_does_not_reach_the_program_is_refused(desk, verb, override):
    desk.run("python train.py {lr} {index}", "[sweep]\nlr = [1, 2]\n")
    status, said = desk.type(verb, override)
    name = override.partition("=")[0]
    assert status == 2 and (f"{name} is set, and" in said or f"{name} has a meaning of its own" in said)


@pytest.mark.parametrize("results", ["out_{lr}.json", "out/*.json", "{lr:.0f}_*.pkl"])
def test_two_experiments_whose_results_would_be_one_file_are_refused(desk, results):
    sweep = f"results = '{results}'\n[sweep]\nlr = [0.1, 0.2]\nseed = [0, 1]\n"
    desk.run("python train.py {lr} {seed}", sweep)
    status, said = desk.type("train")
    assert status > 0 and "would both have their results in" in said and "$ " not in said


@pytest.mark.parametrize(
    ("results", "values"),
    [
        ("results_{x}*.json", "[2, 1, 10]"),
        ("*{x}.json", "[1, 2, 11]"),
        ("*_{x}_*.json", "[1, 2]"),
        ("{x}*/results.json", "['unet', 'unet_small']"),
        ("out_{x}[0-9].json", "[1, 12]"),
        ("run_{x}*/{index}*.json", "[1, 2, 3, 10, 4, 5, 6, 7, 8, 9, 20]"),  # 2 and 20 are 1 and 10 in the sweep
    ],
)
def test_results_that_could_be_of_another_experiment_are_refused(desk, results, values):
    desk.run("python train.py {x}", f"results = '{results}'\n[sweep]\nx = {values}\n")
    status, said = desk.type("train", "--list")
    assert status == 1 and "one file could be taken for the results of both x=" in said


@pytest.mark.parametrize(
    ("results", "values"),
    [
        ("results_{x}_*.json", "[1, 10]"),
        ("*_{x}.json", "[1, 11]"),
        ("*/{x}/*.json", "[1, 10]"),
        ("{x}.json", "['a', 'a*', 'ab']"),
        ("run_{x}/*_{x}.json", "['a', 'b/a']"),
        ("*_{index}.json", f"{list(range(1000))}"),
        ("run_{x}*/{index}*.json", "[1, 2, 3, 10, 4, 5, 6, 7, 8, 9, 30]"),
        ("{folder}/*.json", "[1, 10]"),
    ],
)
def test_results_that_only_look_alike_are_taken(desk, results, values):
    desk.run("python train.py {x}", f"results = '{results}'\n[sweep]\nx = {values}\n")
    assert desk.type("train", "--list")[0] == 0


def test_a_long_word_is_no_file_and_no_error(desk):
    desk.write("train.py", "import json, sys; json.dump({'words': len(sys.argv[2])}, open(sys.argv[1], 'w'))")
    desk.run(f"python train.py {{folder}}/results.json {'x' * 300}")
    assert desk.type("train")[0] == 0 and desk.kept().results()["words"] == 300


def files_of(desk, command):
    """List the files that are frozen with a command."""
    desk.run(command)
    return sorted(command_of(read_run(desk.path).experiments[0]).sources)


def test_files_are_found_wherever_they_stand_in_a_word(desk):
    own = ["my_numbers.py", "train.py"]
    link = desk.folder.parent / "link"
    link.symlink_to(desk.folder)
    for place in (desk.folder, link):
        assert files_of(desk, f"python '{place}/train.py'") == own
    assert files_of(desk, "python train.py --config=arguments.txt") == ["arguments.txt", *own]
    assert files_of(desk, "python train.py --config=@arguments.txt") == ["arguments.txt", *own]
    desk.path = link / "mine.toml"
    for place in (desk.folder, link):
        assert files_of(desk, f"python '{place}/train.py'") == own
    desk.write("mine.toml", "[script]\ncommand = 'python train.py --out=arguments.txt'\nresults = 'arguments.txt'\n")
    assert sorted(command_of(read_run(desk.path).experiments[0]).sources) == own, "what it writes is not its own"


def frozen(desk, number):
    """Freeze the run as a submission; return the copy of its file."""
    folder = desk.folder / f"jobs/mine/{number}"
    submissions.write(Submission(folder, desk.folder / "mine.toml", "mine", (), read_run(desk.path), [0]), {})
    return folder / "mine.toml"


def test_a_frozen_command_runs_the_frozen_files(desk):
    desk.run(f"python '{desk.folder}/train.py' --config=arguments.txt")
    path = frozen(desk, 1)
    live, then = (command_of(read_run(each).experiments[0]) for each in (desk.path, path))
    assert then.words(0, Path())[1:] == [f"{path.parent}/train.py", f"--config={path.parent}/arguments.txt"]
    assert then.home == live.home == desk.folder


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1])
def test_what_a_submission_or_a_desk_began_the_next_submission_goes_on_with(desk, first):
    desk.write("train.py", COUNTS)
    desk.run("python train.py {folder} keeps")
    second = frozen(desk, 2)
    desk.path = frozen(desk, 1) if first else desk.path
    ended(desk, signal.SIGTERM)
    desk.path = second
    assert desk.type("train")[0] == 0 and desk.kept().results()["began"] >= 4


MODULE = """
import json, sys
import my_numbers
from mine.scores import score
json.dump({"score": score(), "square": my_numbers.square(3)}, open(sys.argv[1] + "/results.json", "w"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "mine.train", "mine"])
def test_a_module_that_python_runs_is_frozen_with_its_package(desk, name):
    (desk.folder / "mine").mkdir()
    desk.write("mine/scores.py", "def score():\n    return 1\n")
    for path in ("train.py", "mine/train.py", "mine/__main__.py"):
        desk.write(path, MODULE)
    (desk.folder / "train").mkdir()  # of data, say
    desk.run(f"python -um {name} {{folder}}")
    desk.path = frozen(desk, 1)
    for path in ("mine/scores.py", "my_numbers.py"):
        desk.write(path, "raise SystemExit(9)\n")
    assert desk.type("train")[0] == 0
    made = desk.kept().results()
    assert (made["score"], made["square"]) == (1, 9)
    assert {"SHA-256 of mine/scores.py", "SHA-256 of my_numbers.py"} <= made["provenance"].keys()


READS = """
import json, os, pathlib, sys
found = {"lr": float(pathlib.Path("given/rate.txt").read_text()), "in": os.getcwd()}
pathlib.Path("out.json").write_text(json.dumps(found))
"""


@pytest.mark.slow
def test_relative_paths_begin_at_the_run_file_wherever_one_stands(desk, monkeypatch, tmp_path):
    (desk.folder / "given").mkdir()
    desk.write("given/rate.txt", "0.5")
    desk.write("train.py", READS)
    desk.run("python ./train.py", 'results = "out.json"\n')
    for name, path in {"a": desk.path, "a/b": frozen(desk, 1)}.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        desk.path = Path(os.path.relpath(path))
        monkeypatch.setenv("COURSE_EXPERIMENTS", "kept")
        assert desk.type("train")[0] == 0
        assert desk.kept().results()["in"] == str(desk.folder)
        assert desk.kept().folder.is_relative_to(tmp_path / name) and Path.cwd() == tmp_path / name


def test_a_file_elsewhere_is_told_and_not_frozen(desk):
    (desk.folder.parent / "shared.py").write_text("raise SystemExit(4)")
    desk.run("python ../shared.py")
    status, said = desk.type("train")
    assert status == 1 and "shared.py is not below the folder of the run file, so it is not frozen" in said


@pytest.mark.parametrize(("key", "told"), [('comand = "x"', "'command'"), ("command = 3", "must be a valid string")])
def test_a_slip_in_the_table_is_told_with_its_line(desk, key, told):
    desk.write("mine.toml", f"[script]\n{key}\n")
    status, said = desk.type("train", "--list")
    assert status > 0 and "line 2" in said and told in said


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit(3)", "ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with signal 9"),
        ("pass", "left no results.json or results.pkl in {folder}"),
        ("open(sys.argv[1] + '/results.json', 'w').write('[1]')", "must hold a dictionary of results; it holds a list"),
        ("open(sys.argv[1] + '/results.json', 'w').write('{')", "cannot be read"),
    ],
)
def test_what_went_wrong_is_told_and_nothing_is_saved(desk, code, told):
    desk.write("train.py", f"import sys\n{code}\n")
    desk.run("python train.py {folder}")
    status, said = desk.type("train")
    assert status == 1 and told in said and not desk.kept().folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("odd", ['{"mae": 0.5}', '{"accuracy": {"water": 0.5}, "mae": 0.5}', '{"accuracy": "good"}'])
def test_programs_need_not_all_give_the_same_scores(desk, tmp_path, odd):
    desk.write(
        "train.py",
        f"""
import sys
from pathlib import Path
lr, folder = sys.argv[1:]
Path(folder, "results.json").write_text('{{"accuracy": 0.75}}' if lr == "0.5" else '{odd}')
""",
    )
    for sweep in ("[0.5, 0.25]", "[0.25, 0.5]"):  # whichever comes first
        desk.run("python train.py {lr} {folder}", f"[sweep]\nlr = {sweep}\n")
        assert desk.type("train")[0] == 0
        status, said = desk.type("results", "--parquet", tmp_path / "mine.parquet")
        assert status == 0 and (tmp_path / "mine.parquet").exists()
        rows = {line.split()[0]: line.split()[1:] for line in said.split("standard deviation")[1].splitlines() if line}
        assert rows["lr=0.5"][:2] == ["1", "0.75"] and rows["lr=0.25"] == ["1", *(["0.5"] if "mae" in odd else [])]


@pytest.mark.parametrize("name", ["name", "source", "build", "data", "model"])
@pytest.mark.parametrize("table", ["training", "sweep"])
def test_parameters_may_be_called_what_the_tables_of_the_course_call_theirs(desk, name, table):
    desk.run(f"python train.py {{{name}}}", f"[{table}]\n{name} = {['a', 'b'] if table == 'sweep' else repr('a')}\n")
    assert read_run(desk.path).experiments[0].parameters[name] == "a"
    assert [each.parameters[name] for each in read_run(desk.path, [f"{name}=c"]).experiments] == ["c"]


def test_results_that_were_missing_are_looked_for_again_and_nothing_runs_twice(desk):
    desk.write("train.py", "open('ran', 'a').write('x')\n")
    desk.run("python train.py", 'results = "found.json"\n')
    assert desk.type("train")[0] == 1
    desk.write("found.json", '{"mae": 0.5}')
    assert desk.type("train")[0] == 0
    assert desk.kept().results()["mae"] == 0.5 and (desk.folder / "ran").read_text() == "x"


def test_results_from_before_the_program_began_are_of_another(desk):
    desk.write("train.py", "")
    desk.run("python train.py", 'results = "found.json"\n')
    desk.write("found.json", '{"mae": 0.5}')
    os.utime(desk.folder / "found.json", (1e9, 1e9))
    status, said = desk.type("train")
    assert status == 1 and "found.json is older than its beginning" in said
    (desk.folder / "found.json").touch()
    assert desk.type("train")[0] == 0


WRITES = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
found = {"accuracy": 0.5, "matrix": [[1, 2], [3, 4]], "seconds": 3, "source": "mine", "history": {"loss": [1, 2]}}
for name in ("results", "parameters"):
    (folder / f"{name}.json").write_text(json.dumps(found))
(folder / "history.csv").write_text("mine")
"""


def test_what_a_program_leaves_is_kept_as_it_was(desk):
    desk.write("train.py", WRITES)
    desk.run("python train.py {folder} {index}", "[training]\nwidth = 3\n")  # it knows the width by the number
    assert desk.type("train")[0] == 0
    made, files = desk.kept().results(), desk.kept().folder / "files"
    assert json.loads((files / "results.json").read_text())["matrix"] == [[1, 2], [3, 4]]
    assert json.loads((files / "parameters.json").read_text()) and (files / "history.csv").read_text() == "mine"
    assert desk.kept().history() == {"loss": [1.0, 2.0]} and desk.kept().is_saved()
    assert made["program seconds"] == 3 and made["seconds"] < 3 and made["program source"] == "mine"
    assert (desk.kept().folder / made["results_file"]).is_file()


@pytest.mark.parametrize("fails", ["swap", "write_history"])
def test_a_disk_that_is_full_while_saving_costs_nothing(desk, monkeypatch, fails):
    desk.write("train.py", WRITES + "open('ran', 'a').write('x')\n")
    desk.run("python train.py {folder}")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(own_script, fails, full)
        status, said = desk.type("train")
    assert status == 1 and "could not be saved" in said and "No space left" in said
    assert desk.type("train")[0] == 0
    assert desk.kept().results()["accuracy"] == 0.5 and (desk.folder / "ran").read_text() == "x"
    assert (desk.kept().folder / "files/history.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("out.json", b'{"mae": NaN, "history": {"loss": [Infinity, 1]}}', float("nan")),
        ("out.json", b'\xef\xbb\xbf{"mae": 0.5}', 0.5),  # as some editors and programs of Windows begin
        ("out.pickle", pickle.dumps({"mae": np.float64("inf"), "history": {"val_loss": [1.0, np.nan]}}), float("inf")),
        ("out ü.p", pickle.dumps({"mae": np.float32(0.5), "deep": {"a": {"b": [1]}}}), 0.5),
    ],
    ids=["nan", "mark", "pickle", "name"],
)
def test_results_come_as_they_are_numbers_or_not(desk, name, content, found):
    desk.write("my träin 50%.py", "")
    desk.run("python 'my träin 50%.py'", f'results = "{name}"\n')
    assert desk.type("train")[0] == 1, "there are none yet"
    (desk.folder / name).write_bytes(content)
    assert desk.type("train")[0] == 0
    assert desk.type("results")[0] == 0
    np.testing.assert_equal(load_results("mine")["mae"].tolist(), [found])


def test_results_of_a_half_finished_run_are_those_that_there_are(desk):
    desk.write(
        "train.py", WRITES.replace("folder =", "lr = float(sys.argv[2])\nif lr == 2:\n    sys.exit(3)\nfolder =")
    )
    desk.run("python train.py {folder} {lr}", "[sweep]\nlr = [1, 2, 3]\n")
    status, said = desk.type("train")
    assert status == 1 and "the command of lr=2 ended with status 3" in said
    assert desk.type("train", "--index", 2)[0] == 0
    status, said = desk.type("results")
    assert status == 0 and "2 of 3 experiments in" in said
    assert sorted(load_results("mine")["lr"]) == [1, 3]
    assert desk.type("train --missing")[1].split() == ["1"]


@pytest.mark.parametrize("bug", ["raise SystemExit(1)", "1 / 0"])
def test_a_bug_is_mended_and_the_run_begins_again(desk, bug):
    desk.write("train.py", bug)
    desk.run("python train.py {folder}")
    assert desk.type("train")[0] == 1
    desk.write("train.py", WRITES)
    assert desk.type("train")[0] == 0


COUNTS = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
kept = folder / "count"
begin = int(kept.read_text()) if kept.exists() else 0
for step in range(begin, 12):
    time.sleep(0.05)
    if sys.argv[2] == "keeps":
        kept.write_text(str(step + 1))
    print("step", step + 1, flush=True)
(folder / "results.json").write_text(json.dumps({"began": begin}))
"""


def begun(desk, after: str = "step 4") -> tuple[subprocess.Popen, str]:
    """Train in a process of its own until its program has come so far."""
    command = [sys.executable, "-m", "helpers.cli", "train", str(desk.path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    while after not in said:
        said += (line := process.stdout.readline())
        assert line, said
    return process, said


def ended(desk, number: int) -> tuple[int, str]:
    """Train in a process of its own, which gets a signal while its program runs."""
    process, said = begun(desk)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    return process.returncode, said + rest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "habit", "status"),
    [
        (signal.SIGUSR1, "keeps", 75),
        (signal.SIGTERM, "keeps", 75),
        (signal.SIGUSR1, "forgets", 1),  # another job would get no further
        (signal.SIGTERM, "forgets", 75),
    ],
)
def test_a_program_whose_time_is_up_comes_again_if_it_has_kept_something(desk, number, habit, status):
    desk.write("train.py", COUNTS)
    desk.run(f"python train.py {{folder}} {habit}")
    found, said = ended(desk, number)
    assert found == status and ("ask for more time" in said) == (status == 1)
    assert desk.type("train")[0] == 0
    assert (desk.kept().results()["began"] >= 4) == (habit == "keeps")


LEAVES_LATE = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def leave(*_):
    time.sleep(0.2)
    (folder / "state").write_text("kept")
    sys.exit(1)
signal.signal(signal.SIGTERM, leave)
print("step 4", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["python train.py {folder}", "sh -c 'python train.py {folder}; true'"])
def test_a_program_that_keeps_its_state_only_when_it_is_told_to_end_comes_again(desk, command):
    desk.write("train.py", LEAVES_LATE)
    desk.run(command.replace("'python", f"'{sys.executable}"))
    status, said = ended(desk, signal.SIGUSR1)
    assert status == 75 and "ask for more time" not in said
    assert (checkpoint_dir(desk.kept()) / "files/state").read_text() == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["python train.py {folder}", "sh -c 'python train.py {folder}; true'"])
def test_no_second_program_begins_beside_one_whose_course_was_killed(desk, command):
    desk.write("train.py", LEAVES_LATE)
    desk.run(command.replace("'python", f"'{sys.executable}"))
    process, _ = begun(desk)
    told = checkpoint_dir(desk.kept()) / "program"
    while not re.fullmatch(rf"Process (?!{process.pid} )\d+ on .+", told.read_text()):  # on a busy machine it is late
        time.sleep(0.05)
    process.kill()
    process.wait()
    status, said = desk.type("train")
    number = int(re.search(r"Process (\d+) on .* still", said)[1])
    os.killpg(number, signal.SIGTERM)
    assert status == 1 and "kill -- -NUMBER" in said and "$ " not in said
    process.stdout.read()  # it ends with the last of them
    desk.write("train.py", WRITES)
    assert desk.type("train", "--fresh")[0] == 0


@pytest.mark.slow
def test_memory_is_that_of_the_program_alone(desk):
    desk.write("train.py", "import sys\nmuch = b'x' * int(sys.argv[2])\n" + WRITES)
    desk.run("python train.py {folder} {much}", "[sweep]\nmuch = [600_000_000, 1]\n")
    process, _ = begun(desk, "much=1 is saved")
    process.communicate(timeout=60)
    first, second = (desk.kept(index).results()["provenance"]["memory_mb"] for index in (0, 1))
    assert second < 400 < 550 < first


@pytest.mark.slow
def test_changed_files_do_not_silently_go_on(desk):
    desk.write("train.py", COUNTS)
    desk.run("python train.py {folder} keeps")
    ended(desk, signal.SIGTERM)
    desk.write("train.py", COUNTS.replace("12", "13"))
    status, said = desk.type("train")
    assert status == 1 and "began with another train.py" in said and "--fresh" in said
    assert desk.type("train", "--fresh")[0] == 0 and desk.kept().results()["began"] == 0


class Evil:
    """Runs a command when it is read."""

    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.mark.parametrize("value", [Evil(), {"deep": [Evil()]}, print, Path("x")], ids=["call", "deep", "print", "path"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.pkl").write_bytes(pickle.dumps({"accuracy": 1.0, "more": value}))
    with pytest.raises(RunError, match=r"results\.pkl holds .*\. A pickle can run any code"):
        load_results_file(tmp_path / "results.pkl")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("protocol", [2, 3, pickle.HIGHEST_PROTOCOL])
def test_plain_values_and_arrays_are_read_from_a_pickle(tmp_path, protocol):
    found = {
        "a": np.float32(0.5),
        "b": {"c": np.arange(3), "d": True},
        "e": (1, {2}, b"x", defaultdict(list)),
        "history": {"loss": np.ones(2)},
    }
    (tmp_path / "results.pkl").write_bytes(pickle.dumps(found, protocol=protocol))
    assert np.array_equal(load_results_file(tmp_path / "results.pkl")["b"]["c"], np.arange(3))
    assert summary_of(tmp_path / "results.pkl") == ({"a": 0.5, "b": {"d": True}}, {"loss": [1.0, 1.0]})


def test_bytes_of_protocol_2_call_no_other_codec(tmp_path):
    (tmp_path / "results.pkl").write_bytes(
        b"\x80\x02}X\x01\x00\x00\x00ac_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00bz2\x86Rs."
    )
    with pytest.raises(RunError, match="holds a text in bz2"):
        load_results_file(tmp_path / "results.pkl")


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1]), pickle.dumps({"a": 1})[:-3]])
def test_what_is_no_pickle_is_told(tmp_path, content):
    (tmp_path / "results.pkl").write_bytes(content)
    with pytest.raises(RunError, match=r"results\.pkl (cannot be read|must hold)"):
        load_results_file(tmp_path / "results.pkl")
