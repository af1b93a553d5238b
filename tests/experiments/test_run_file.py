"""A run file says what is trained; a list in it makes a sweep; what is missing is known without Keras."""

import subprocess
import sys

import pytest

from helpers import cli
from helpers.experiments.run_file import RunError, array_string, read_run
from helpers.experiments.tasks import task_of

FILE = """
[data]
name = "chesapeake"
[model]
name = "unet"
filters = [4, 8]
[training]
epochs = 30
[sweep]
fold = [0, 1, 2]
skips = [true, false]
[cluster]
time = "1:00:00"
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))

    def write(text=FILE):
        (tmp_path / "land.toml").write_text(text)
        return tmp_path / "land.toml"

    return write


def names(path, *overrides):
    return [experiment.name for experiment in read_run(path, overrides).experiments]


def test_the_sweep_is_every_combination_and_the_last_changes_fastest(write):
    run = read_run(write())
    assert run.name == "land" and run.cluster == {"time": "1:00:00"}
    assert [experiment.name for experiment in run.experiments] == [
        "fold=0,skips=True",
        "fold=0,skips=False",
        "fold=1,skips=True",
        "fold=1,skips=False",
        "fold=2,skips=True",
        "fold=2,skips=False",
    ]
    assert run.experiments[3].parameters == {
        "data": "chesapeake",
        "model": "unet",
        "filters": [4, 8],
        "epochs": 30,
        "fold": 1,
        "skips": False,
    }


def test_without_a_sweep_there_is_one_experiment(write):
    assert names(write(FILE.split("[sweep]")[0])) == ["defaults"]


def test_an_override_sets_what_is_swept_and_keeps_the_name_of_that_element(write):
    assert names(write(), "fold=1", "skips=true") == ["fold=1,skips=True"]


def test_an_override_of_a_default_shows_in_the_name_unless_it_says_the_same(write):
    assert names(write(), "epochs=2", "fold=1", "skips=true") == ["epochs=2,fold=1,skips=True"]
    assert names(write(), "epochs=30", "fold=1", "skips=true") == ["fold=1,skips=True"]


def test_an_override_may_sweep_and_have_lists_for_values(write):
    path = write()
    assert names(path, "sweep.fold=[7]", "skips=true", "sweep.filters=[[4, 8], [2, 4]]") == [
        "fold=7,skips=True",
        "filters=2-4,fold=7,skips=True",
    ]


def test_a_bare_word_is_a_text_and_a_run_may_have_a_name_of_its_own(write):
    run = read_run(write('run = "other"\n' + FILE), ["loss=dice"])
    assert run.name == "other" and run.experiments[0].parameters["loss"] == "dice"


@pytest.mark.parametrize(
    ("indices", "text"), [([], ""), ([3], "3"), ([0, 1, 2], "0-2"), ([9, 3, 4, 7], "3-4,7,9"), ([0, 2], "0,2")]
)
def test_indices_are_written_as_slurm_takes_them(indices, text):
    assert array_string(indices) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data\n", "cannot be read"),
        ('[data]\nname = "chesapeake"\n', r"\[model\] must say which"),
        ("[data]\nfold = 1\n", r"\[data\] must say which"),
        (
            FILE + "[optimiser]\nname = 'adam'\n",
            r"land.toml, line 14: 'optimiser' is not known\. What can be set: cluster, data",
        ),
        (FILE.replace("epochs", "filters"), "'filters' stands in two tables"),
        (FILE.replace("epochs", "fold"), r"fold stands in \[sweep\] and"),
        (FILE.replace("[0, 1, 2]", "3"), r"wants a list of values, as in fold = \[3\]"),
        (FILE.replace("[0, 1, 2]", "[]"), "wants a list of values"),
        (FILE.replace("[0, 1, 2]", "[1, 1]"), "has a value twice"),
        (FILE.replace("[0, 1, 2]", "[1, 1.0]"), "has a value twice, such as 1 and 1.0"),
        (FILE.replace("[0, 1, 2]", "[[8, 16], [8.0, 16]]"), "has a value twice"),
        (FILE.replace("epochs = 30", "started = 2026-11-21"), "'started' is a date"),
        ("run = 'a/b'\n" + FILE, "named by letters"),
        (FILE.replace("[sweep]", "[sweep]\nname = ['unet', 'dense']"), r"name says in \[data\] and in \[model\]"),
        (FILE.replace("[training]", "[training]\nname = 'long'"), r"name says in \[data\] and in \[model\]"),
        (
            FILE.replace('[data]\nname = "chesapeake"', "").replace("[sweep]", "[sweep]\ndata = ['grss']"),
            "one data set",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told(write, text, message):
    with pytest.raises(RunError, match=message):
        read_run(write(text))


@pytest.mark.parametrize("before", ["", "\n# ü\n"])
def test_a_mark_at_the_beginning_is_passed_over(write, before):
    path = write()
    path.write_text("\ufeff" + before + FILE.lstrip(), encoding="utf-8")
    assert names(path, "fold=1", "skips=true") == ["fold=1,skips=True"]
    line = 2 + before.count("\n")
    assert read_run(path).where("data") == f"{path}, line {line}"


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ("epochs = 'many'", r"land.toml, line 8: epochs must be a valid integer; received 'many'"),
        ("epochs = 30 # so many\nseed = -1", r"land.toml, line 9: seed must be greater than or equal to 0"),
        ('"epochs" = 1\n  epocs   = 2', r"land.toml, line 9: 'epocs' is not known\. Did you mean 'epochs'\?"),
        ("filters2 = [\n[4],\n[8]\n]\nbatch_size = []", r"line 8: 'filters2' is not known\. Did you mean 'filters'\?"),
        ("[sweep.seed]", r"\[sweep\] wants a list of values"),
    ],
)
def test_a_slip_is_told_with_its_line(write, slip, told):
    path = write(FILE.replace("epochs = 30", slip))
    with pytest.raises(RunError, match=told):
        task_of((run := read_run(path)).experiments[0].parameters, run.where)


def test_lines_are_told_of_tables_and_of_sweeps_and_names_and_not_guessed(write):
    path = write("training.epochs = 30" + FILE.replace("[training]\nepochs = 30\n", ""))
    where = read_run(path, ["skips=true", "sweep.fold=[1]"]).where
    assert [where(name) for name in ("epochs", "model", "filters")] == [f"{path}, line {n}" for n in (1, 5, 6)]
    assert (where("skips"), where("fold"), where("loss")) == ("skips=true", "sweep.fold=[1]", str(path))
    assert read_run(path).where("skips") == f"{path}, line 9"


@pytest.mark.parametrize("table", ["data", "model", "training", "sweep", "cluster"])
@pytest.mark.parametrize("value", ["3", '"chesapeake"', "[{name = 'unet'}]"])
def test_a_table_that_is_none_is_told(write, table, value):
    before, _, rest = FILE.partition(f"[{table}]")
    after = rest[rest.find("\n[") :] if "\n[" in rest else ""
    with pytest.raises(RunError, match=rf"land.toml, line 1: {table} must be a table, .* alone on a line; received "):
        read_run(write(f"{table} = {value}\n{before}{after}"))


def test_models_are_swept_in_place_of_a_name(write):
    path = write(FILE.replace('name = "unet"\nfilters = [4, 8]', "").replace("skips = [true, false]", ""))
    with pytest.raises(RunError, match=r"\[model\] must say which"):
        read_run(path)
    swept = path.read_text().replace("[sweep]", '[sweep]\nmodel = ["dense_vae", "aerial_vae"]')
    path = write(swept.replace("[model]\n", ""))
    assert names(path, "fold=0") == ["fold=0,model=dense_vae", "fold=0,model=aerial_vae"]
    assert names(path, "fold=0", "model=unet") == ["fold=0,model=unet"]


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RunError, match=r"no run file .*land.toml\. lectures/runs/"):
        read_run(tmp_path / "land.toml")


@pytest.mark.parametrize("override", ["epochs", "=3", "sweep.=[1]", "model.name=unet"])
def test_an_override_that_sets_nothing_is_told(write, override):
    with pytest.raises(RunError, match=r"sets nothing\. Write epochs=2"):
        read_run(write(), [override])


@pytest.mark.parametrize(
    "override", ["skips=False", "skips=True", "patience=None", "sweep.skips=[True, False]", "filters=[None,8]"]
)
def test_what_python_writes_is_told_and_not_taken_for_a_text(write, override):
    with pytest.raises(RunError, match=r"is Python\. TOML writes true and false; for None, leave the parameter out"):
        read_run(write(), [override])


def test_other_words_with_none_in_them_are_texts(write):
    run = read_run(write(), ["fold=0", "skips=true", "train_filter=None of them"])
    assert run.experiments[0].parameters["train_filter"] == "None of them"


@pytest.mark.parametrize("override", ["name=unet", "sweep.name=[1, 2]", "sweep.data=['grss']"])
def test_an_override_that_names_nothing_is_told(write, override):
    with pytest.raises(RunError, match=r"name says in \[data\]|one data set"):
        read_run(write(), [override])


def finish(experiment):
    """Put an experiment on disk as far as a look from outside goes."""
    from helpers.experiments import write_json

    experiment.folder.mkdir(parents=True)
    record = {"parameters": experiment.parameters, "defaults": experiment.defaults}
    write_json(experiment.folder / "parameters.json", record)


def course(*arguments):
    return subprocess.run([sys.executable, "-m", "helpers.cli", *map(str, arguments)], text=True, capture_output=True)


@pytest.mark.slow
def test_what_is_missing_is_printed_for_an_array(write):
    path = write()
    for index in (1, 4):
        finish(read_run(path).experiments[index])
    assert course("train", path, "--missing").stdout == "0,2-3,5\n"
    assert course("train", path, "--missing", "skips=false").stdout == "1-2\n"
    lines = course("train", path, "--list").stdout.splitlines()
    assert lines[0] == "6 experiments of run land, 4 of them not finished:"
    assert lines[2].split() == ["1", "finished", "fold=0,skips=False"]
    for index in (0, 2, 3, 5):
        finish(read_run(path).experiments[index])
    done = course("train", path, "--missing")
    assert done.stdout == "\n" and "All 6 experiments" in done.stderr and done.returncode == 0


def test_a_file_that_was_changed_after_a_training_is_noticed(write):
    finish(read_run(write()).experiments[0])
    done = course("train", write(FILE.replace("30", "40")), "--missing")
    assert done.returncode == 1 and "differs in epochs" in done.stderr


@pytest.mark.parametrize("look", ["--list", "--missing"])
@pytest.mark.parametrize("slip, near", [("nosuch=3", ""), ("epocs=3", "'epochs'"), ("sweep.flod=[0, 1]", "'fold'")])
def test_an_override_of_what_nobody_knows_lists_nothing(write, capsys, look, slip, near):
    assert cli.main(["train", str(write()), look, slip]) == 2
    said, complaint = capsys.readouterr()
    assert said == "" and "is not known" in complaint and near in complaint


@pytest.mark.parametrize("slip", ["model=unte", "data=chesapeke", "epochs=many", "sweep.model=['unet', 'unte']"])
def test_an_override_that_no_training_understands_lists_nothing(write, capsys, slip):
    assert cli.main(["train", str(write()), "--list", slip]) in (1, 2)
    said, complaint = capsys.readouterr()
    assert said == "" and ("may be meant" in complaint or "epochs=many: epochs must be a valid integer" in complaint)


def test_listing_needs_no_keras(write):
    code = f"""import sys
from helpers import cli
cli.main(["train", {str(write())!r}, "--list"])
sys.exit("keras" in sys.modules or "tensorflow" in sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
