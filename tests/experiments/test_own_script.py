"""A program of one's own goes through `train` and `results`: swept, ended and run again, its results read as data."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import cli
from helpers.experiments import load_results
from helpers.experiments.own_script import load_results_file, summary_of
from helpers.experiments.run_file import RunError, read_run

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
        ("python train.py", "[sweep]\nlr = [1, 2]", "lr is swept, and the command does not name it"),
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
    desk.run(command, rest)
    status, said = desk.type("train")
    assert status > 0 and told in said and "$ " not in said


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


def ended(desk, number: int, after: str = "step 4") -> tuple[int, str]:
    """Train in a process of its own, which gets a signal when its program has come so far."""
    command = [sys.executable, "-m", "helpers.cli", "train", str(desk.path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    while after not in said:
        said += (line := process.stdout.readline())
        assert line, said
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


@pytest.mark.parametrize("protocol", [3, pickle.HIGHEST_PROTOCOL])
def test_plain_values_and_arrays_are_read_from_a_pickle(tmp_path, protocol):
    found = {"a": np.float32(0.5), "b": {"c": np.arange(3), "d": True}, "e": (1, {2}), "history": {"loss": np.ones(2)}}
    (tmp_path / "results.pkl").write_bytes(pickle.dumps(found, protocol=protocol))
    assert np.array_equal(load_results_file(tmp_path / "results.pkl")["b"]["c"], np.arange(3))
    assert summary_of(tmp_path / "results.pkl") == ({"a": 0.5, "b": {"d": True}}, {"loss": [1.0, 1.0]})


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1]), pickle.dumps({"a": 1})[:-3]])
def test_what_is_no_pickle_is_told(tmp_path, content):
    (tmp_path / "results.pkl").write_bytes(content)
    with pytest.raises(RunError, match=r"results\.pkl (cannot be read|must hold)"):
        load_results_file(tmp_path / "results.pkl")
