"""A stranger's model and data, in files beside a run file, are trained, resumed, kept and loaded; mistakes are told."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from test_resume import interrupt

from helpers import cli
from helpers.backend import keras
from helpers.errors import CourseError
from helpers.experiments import checkpoint, load_experiments, load_results
from helpers.experiments import train as module
from helpers.experiments.attempt import checkpoint_dir
from helpers.experiments.own_code import OwnCodeError, OwnFunction, own_functions
from helpers.experiments.run_file import RunError, read_run
from helpers.experiments.tasks import build, rehearse, task_of
from helpers.experiments.train import train
from helpers.slurm import submissions
from helpers.slurm.submissions import Submission

MODEL = """
import keras
from my_layers import Scale


class Net(keras.Model):
    def __init__(self, num_classes, width, **options):
        super().__init__(**options)
        self.num_classes, self.width = num_classes, width
        self.first = keras.layers.Dense(width, activation="relu")
        self.rest = [Scale(), keras.layers.Flatten(), keras.layers.Dropout(0.2)]
        self.last = keras.layers.Dense(num_classes, activation="softmax")

    def call(self, x, training=None):
        x = self.first(x)
        for layer in self.rest:
            x = layer(x, training=training) if "drop" in layer.name else layer(x)
        return self.last(x)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "width": self.width}


def build(num_classes, width: int = 4):
    return Net(num_classes, width)
"""
LAYERS = """
import keras


class Scale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return self.factor * x
"""
DATA = """
import numpy as np

from helpers.data.sources import ArraySource, split


def open(samples: int = 60, labels="classes", seed: int = 0):
    y = np.arange(samples) % 3
    x = np.random.default_rng(0).normal(size=(samples, 4, 4, 1)) + y[:, None, None, None]
    pixels = np.repeat(y, 16).reshape(samples, 4, 4)
    found = {"classes": y, "pixels": pixels, "values": x[:, 0, 0, :], "none": None}
    return split(ArraySource(x, found[labels]), seed=seed)
"""
RUN = """
[data]
source = "my_data.py:open"
[model]
build = "my_models.py:build"
[training]
epochs = 3
batch_size = 8
[sweep]
width = [3, 4]
"""


class Desk:
    """A folder of a stranger, with a run file and code."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "own.toml"
        folder.mkdir(parents=True)
        for name, text in {"own.toml": RUN, "my_models.py": MODEL, "my_layers.py": LAYERS, "my_data.py": DATA}.items():
            (folder / name).write_text(text)

    def change(self, name, old, new):
        """Write something else into a file."""
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def experiment(self, *overrides):
        """Read the first experiment."""
        return read_run(self.path, overrides).experiments[0]

    def model(self, *overrides):
        """Build its model."""
        chosen = self.experiment(*overrides)
        own = own_functions(chosen.parameters, chosen.beside)
        return build(chosen.parameters, task_of(chosen.parameters, own=own), own)


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_EXPERIMENTS", str(tmp_path / "experiments"))
    return Desk(tmp_path / "some where" / "else")


# ---- from the run file to the results ----


@pytest.mark.slow
def test_a_stranger_goes_through_train_and_results_and_loads_what_came_out(stranger, capsys, monkeypatch):
    monkeypatch.chdir("/")
    assert cli.main(["train", str(stranger.path)]) == 0
    assert cli.main(["results", str(stranger.path), "--no-figures"]) == 0
    assert "2 of 2 experiments" in capsys.readouterr().out
    one, other = load_experiments("own")
    table = load_results("own")
    assert list(table["width"]) == [3, 4] and table["width"].dtype == int
    assert list(table["accuracy"]) == [one.results()["accuracy"], other.results()["accuracy"]]
    assert (one.folder / "code/my_layers.py").read_text() == LAYERS
    results = one.results()
    assert results["source"].startswith("my_data.py:open: 42 train, 9 validation, 9 test, version ")
    assert 0 <= results["accuracy"] <= 1 and len(results["provenance"]["SHA-256 of my_models.py"]) == 64
    stranger.change("my_models.py", "0.2", "0.9")
    loaded = other.load()
    assert type(loaded).__name__ == "Net" and loaded.rest[2].rate == 0.2, "it is made by the code that was kept"
    assert loaded(np.zeros((1, 4, 4, 1))).shape == (1, 3)
    assert cli.main(["train", str(stranger.path), "--index", "0"]) == 0
    assert "was trained with another my_models.py" in capsys.readouterr().out


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_weights(stranger, monkeypatch):
    whole, broken = (stranger.experiment("width=4", f"patience={n}") for n in (8, 9))
    train(whole)
    interrupt(monkeypatch, 8)
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    with np.load(checkpoint_dir(broken) / module.STATE) as kept:
        assert json.loads(str(kept["about"]))["epoch"] == 1
    train(broken)
    for mine, wanted in zip(broken.load().get_weights(), whole.load().get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("my_models.py", "0.2", "0.9"),
        pytest.param("my_layers.py", "ones", "zeros", marks=pytest.mark.long),
        pytest.param("my_data.py", "% 3", "% 2", marks=pytest.mark.long),
    ],
)
def test_changed_code_does_not_silently_go_on(stranger, monkeypatch, file, old, new):
    interrupt(monkeypatch, 8)
    with pytest.raises(KeyboardInterrupt):
        train(stranger.experiment())
    stranger.change(file, old, new)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    with pytest.raises(RunError, match=rf"begun with .*SHA-256 of {file}.*--fresh"):
        train(stranger.experiment())
    train(stranger.experiment(), fresh=True)
    assert stranger.experiment().is_saved()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "model", "scores"),
    [
        ("classes", 'keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")', {"accuracy"}),
        ("pixels", 'keras.Input(input_shape), keras.layers.Dense(3, "softmax")', {"accuracy", "mean_iou"}),
        pytest.param("values", "keras.layers.Flatten(), keras.layers.Dense(1)", {"mae"}, marks=pytest.mark.long),
        pytest.param("none", "keras.layers.Dense(width), keras.layers.Dense(1)", {"mae"}, marks=pytest.mark.long),
    ],
)
def test_what_is_learned_follows_from_the_labels(stranger, labels, model, scores):
    (stranger.folder / "my_models.py").write_text(
        f"import keras\ndef build(input_shape, width: int):\n    return keras.Sequential([{model}])\n"
    )
    chosen = stranger.experiment(f"labels={labels}", "epochs=1")
    train(chosen)
    assert scores <= chosen.results().keys()
    assert not {"accuracy", "mean_iou", "mae"} - scores & chosen.results().keys()


@pytest.mark.slow
def test_a_model_that_comes_compiled_is_trained_as_it_is(stranger):
    stranger.change(
        "my_models.py",
        "    return Net(num_classes, width)",
        "    net = Net(num_classes, width)\n"
        "    net.compile(keras.optimizers.SGD(0.01), loss=my_loss, metrics=['accuracy'])\n    return net\n\n\n"
        "def my_loss(y, p):\n    return 2 * keras.losses.sparse_categorical_crossentropy(y, p)",
    )
    chosen = stranger.experiment("epochs=1")
    train(chosen)
    assert chosen.results()["test accuracy"] == pytest.approx(chosen.results()["accuracy"])
    assert isinstance(chosen.load().optimizer, keras.optimizers.SGD)
    with pytest.raises(OwnCodeError, match=r"has its own optimizer, and the run file sets learning_rate"):
        train(stranger.experiment("epochs=2", "learning_rate=0.1"))


@pytest.mark.slow
def test_a_model_of_the_course_learns_from_own_data_and_an_own_model_from_the_courses(stranger, patches):
    text = (
        '[data]\nname = "chesapeake"\nsplit = "folds"\nfold = 0\nimage_size = 32\n[model]\nbuild = "my_unet.py:build"\n'
    )
    text += "[training]\nepochs = 1\nbatch_size = 2\nsteps_per_epoch = 2\n"
    (stranger.folder / "land.toml").write_text(text)
    (stranger.folder / "my_unet.py").write_text(
        "import keras\ndef build(input_shape, num_classes):\n    model = keras.Sequential([keras.Input(input_shape), "
        "keras.layers.Dense(num_classes, activation='softmax')])\n"
        "    model.compile('sgd', loss=own)\n    return model\n\n\n"
        "def own(y, p):\n    return keras.losses.sparse_categorical_crossentropy(y, p)\n"
    )
    chosen = read_run(stranger.folder / "land.toml").experiments[0]
    train(chosen, folder=patches)
    assert 0 <= chosen.results()["accuracy"] <= 1
    assert chosen.load().output_shape[-1] == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    ["arrays", pytest.param("order", marks=pytest.mark.long), pytest.param("length", marks=pytest.mark.long)],
)
def test_changed_arrays_do_not_silently_go_on(stranger, monkeypatch, change):
    """The version of the data is part of what makes a training this one, though no line of code is another."""
    (stranger.folder / "given").mkdir()
    (stranger.folder / "given/scale.txt").write_text("2.0")
    y = np.arange(60) % 3
    np.save(stranger.folder / "given/y.npy", y)
    (stranger.folder / "my_data.py").write_text(LATE)
    run = read_run(stranger.path)
    interrupt(monkeypatch, 8)
    with run.at_home(), pytest.raises(KeyboardInterrupt):
        train(run.experiments[0])
    changed = {"arrays": (y + 1) % 3, "order": y[::-1], "length": y[:-1]}[change]
    np.save(stranger.folder / "given/y.npy", changed)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    with run.at_home(), pytest.raises(RunError, match=r"begun with source = .*version .*--fresh"):
        train(run.experiments[0])


SOFTMAX = "keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(num_classes, 'softmax')])"
FUNCTION = f"import keras\ndef build(num_classes):\n    return {SOFTMAX}\n"
BARE = """import keras
class build(keras.Sequential):
    def __init__(self, num_classes):
        super().__init__([keras.layers.Flatten(), keras.layers.Dense(num_classes, "softmax")])
"""


@pytest.mark.parametrize(
    "code",
    [
        BARE,
        f"import keras\ndef build(*, num_classes, width: int = 3):\n    return {SOFTMAX}\n",
        f"import keras\nbuild = lambda num_classes: {SOFTMAX}\n",
        f"from .my_layers import Scale\nfrom . import my_data\n{FUNCTION}",
        f"# coding: latin-1\nname = '\xfc'\n{FUNCTION}",
        f"try:\n    import not_there\nexcept ImportError:\n    pass\n{FUNCTION}",
    ],
    ids=["class", "by keyword", "lambda", "relative imports", "latin-1", "import in vain"],
)
def test_a_model_may_be_made_in_many_ways(stranger, code):
    name = "mein Modell-2 ü.py"
    (stranger.folder / name).write_bytes(code.encode("latin-1"))
    stranger.path.write_text(RUN.replace("my_models.py", name).replace("[sweep]\nwidth = [3, 4]", ""))
    assert stranger.model().output_shape == (None, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (BARE, "got an unexpected keyword argument 'name'"),
        (
            "import keras\ndef build(num_classes):\n    class Inner(keras.layers.Flatten):\n        pass\n"
            "    return keras.Sequential([Inner(), keras.layers.Dense(num_classes)])\n",
            "Inner",
        ),
        (
            "import keras\ndef build(num_classes):\n    return keras.Sequential([keras.layers.Lambda(lambda x: 2 * x), "
            "keras.layers.Flatten(), keras.layers.Dense(num_classes)])\n",
            "Lambda",
        ),
        (MODEL, None),
        (FUNCTION, None),
        (
            "import keras\ndef loss(y, p):\n    return keras.losses.sparse_categorical_crossentropy(y, p)\n"
            f"def build(num_classes):\n    net = {SOFTMAX}\n    net.compile('sgd', loss)\n    return net\n",
            None,
        ),
    ],
    ids=["no get_config", "class in a function", "lambda", "as Keras wants it", "of layers", "compiled"],
)
def test_a_model_that_could_not_be_loaded_again_is_told_before_it_is_trained(stranger, capsys, code, told):
    (stranger.folder / "my_models.py").write_text(code)
    stranger.path.write_text(RUN if "width" in code else RUN.replace("width = [3, 4]", "seed = [0, 1]"))
    rehearse(read_run(stranger.path))
    said = capsys.readouterr().err
    assert said.count("my_models.py:build: this model can be trained and saved, and not loaded again. ") == bool(told)
    assert (told or "") in said and ("docs/own_model.md" in said) == bool(told)


@pytest.mark.parametrize("side", ["validation", "test", None])
def test_a_side_that_the_model_does_not_take_is_told_before_hours_of_training(stranger, side):
    stranger.change("my_data.py", "    return split(", "    sides = split(")
    other = f"    sides['{side or 'test'}'] = ArraySource(np.ones((9, 5, 5, 1)), y[:9])\n    return sides\n"
    (stranger.folder / "my_data.py").write_text((stranger.folder / "my_data.py").read_text() + other)
    if side:
        with pytest.raises(
            OwnCodeError, match=rf'takes samples of shape \(4, 4, 1\), and those for "{side}" have \(5, 5'
        ):
            rehearse(read_run(stranger.path))
        return
    layers = "keras.Input((None, None, 1)), keras.layers.Conv2D(width, 3)"
    layers += ", keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(3, 'softmax')"
    code = f"import keras\n\n\ndef build(width: int):\n    return keras.Sequential([{layers}])\n"
    (stranger.folder / "my_models.py").write_text(code)
    rehearse(read_run(stranger.path))


@pytest.mark.parametrize("name", ["blocks", "small.blocks"])
def test_a_package_needs_no_init_to_belong_to_the_code(tmp_path, name):
    folder = tmp_path / "nets" / name.partition(".")[0]
    folder.joinpath(*name.split(".")[1:]).mkdir(parents=True)
    inner = folder.joinpath(*name.split(".")[1:], "sizes.py")
    inner.write_text("width = 3\n")
    (tmp_path / "my_models.py").write_text(f"from nets.{name}.sizes import width\n\n\ndef build():\n    return width\n")
    function = OwnFunction("my_models.py:build", tmp_path)
    assert inner.relative_to(tmp_path).as_posix() in function.hashes and function() == 3


def test_two_files_of_one_name_do_not_meet(tmp_path):
    found = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        (folder / "parts").mkdir(parents=True)
        (folder / "my_models.py").write_text(
            "import my_part, parts.deep\nfrom parts import deep as also\n\n\ndef build():\n"
            "    import my_late\n    return my_part.NUMBER, parts.deep.NUMBER, also.NUMBER, my_late.NUMBER\n"
        )
        for name in ("my_part.py", "my_late.py", "parts/__init__.py", "parts/deep.py"):
            (folder / name).write_text(f"NUMBER = {number}\n")
        found.append(OwnFunction("my_models.py:build", folder))
    assert [function() for function in found] == [(1, 1, 1, 1), (2, 2, 2, 2)]
    assert found[0].sources.keys() == {"my_models.py", "my_part.py", "my_late.py", "parts/__init__.py", "parts/deep.py"}
    assert not {"my_models", "my_part", "my_late", "parts"} & sys.modules.keys()


def test_a_file_may_have_the_name_of_a_module_that_it_does_not_import(tmp_path):
    for name in ("data.py", "json.py"):
        (tmp_path / name).write_text("import math\n\n\ndef open():\n    return math.pi\n")
        assert OwnFunction(f"{name}:open", tmp_path)() > 3
    assert json.dumps(1) == "1"


@pytest.mark.slow
def test_the_example_of_the_docs_learns_and_is_short(strangers_run):
    assert sum(len(path.read_text().splitlines()) for path in strangers_run.parent.iterdir()) < 40
    assert cli.main(["train", str(strangers_run), "width=8", "epochs=12", "learning_rate=0.03"]) == 0
    assert max(each.results()["accuracy"] for each in load_experiments("own")) > 0.6  # a third by chance


class FakeWandb(ModuleType):
    """Stands for wandb: notes what it is told."""

    def __init__(self):
        super().__init__("wandb")
        self.began, self.logged = [], []

    def init(self, **options):
        """Begin."""
        self.began.append({**options, "mode": os.environ.get("WANDB_MODE")})
        return SimpleNamespace(log=self.logged.append, finish=lambda: self.logged.append("end"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "mode"), [(None, "offline"), pytest.param("online", "online", marks=pytest.mark.long)]
)
def test_wandb_is_told_of_each_epoch_if_that_is_wanted_and_offline_unless_that_is_too(
    stranger, monkeypatch, said, mode
):
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setenv("WANDB_MODE", said or "")
    if said is None:
        monkeypatch.delenv("WANDB_MODE")
    train(stranger.experiment("epochs=2"))
    assert not wandb.began, "nothing unless it is asked for"
    train(stranger.experiment("epochs=3"), wandb=True)
    monkeypatch.delenv("WANDB_MODE")
    ((began, *others), logged) = wandb.began, wandb.logged
    assert not others and (began["project"], began["name"], began["mode"]) == ("own", "width=3", mode)
    assert began["config"]["batch_size"] == 8 and began["resume"] == "allow"
    assert [each["epoch"] for each in logged[:-1]] == [1, 2, 3] and "val_loss" in logged[0] and logged[-1] == "end"


def test_without_wandb_it_is_told_how_to_get_it(stranger, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert cli.main(["train", str(stranger.path), "--wandb"]) == 1
    assert "wandb is not installed here: ./course run python -m uv pip install" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "share"),
    [
        ("echo 40; echo 80; echo '[N/A]'", 0.6),
        pytest.param("exit 9", None, marks=pytest.mark.long),
        pytest.param("echo 40; exec sleep 60", None, marks=pytest.mark.long),
    ],
)
def test_how_busy_the_gpus_are_is_kept_where_nvidia_smi_tells(stranger, tmp_path, monkeypatch, program, share):
    pretend_nvidia_smi(tmp_path / "bin", program, monkeypatch)
    monkeypatch.setattr(module, "SAMPLED", 1)
    chosen = stranger.experiment("epochs=1")
    train(chosen)
    made = chosen.results()["provenance"]
    assert made.get("gpu_share") == share and 0 <= made["data_wait"] < 1


@pytest.mark.long
def test_nothing_that_looks_at_the_gpus_outlives_a_training(tmp_path, monkeypatch):
    """Neither where the training leaves as `on_preemption` does, nor after kill -9; both are forks of one process."""
    (pids := tmp_path / "pids").touch()
    program = f'echo $$ >>{pids}\ncase "$*" in *--loop*) exec sleep 60;; esac\necho 40'
    pretend_nvidia_smi(tmp_path / "bin", program, monkeypatch)
    code = f"""
import os, pathlib, time
from helpers.experiments.train import _gpu_share
pids = pathlib.Path({str(pids)!r})
for number, end in enumerate((lambda: os._exit(75), lambda: os.kill(os.getpid(), 9)), 1):
    if os.fork() == 0:
        with _gpu_share():
            while pids.read_text().count("\\n") < number:
                time.sleep(0.01)
            end()
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=Path(module.__file__).parents[2], timeout=120, stdout=subprocess.PIPE, text=True)
    assert ran.stdout.split() == ["75", "-9"]
    numbers = [*map(int, pids.read_text().split())]
    assert len(numbers) == 2
    deadline = time.monotonic() + 5
    while any(map(is_running, numbers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, numbers))


def pretend_nvidia_smi(folder, program, monkeypatch):
    folder.mkdir()
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{program}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def is_running(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{number}/stat")  # one that ended and that nobody waited for is not running
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.long
def test_curves_for_tensorboard_go_on_where_the_training_does(stranger, monkeypatch):
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    chosen = stranger.experiment()
    interrupt(monkeypatch, 8)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, tensorboard=True)
    monkeypatch.setattr(module, "Resume", checkpoint.Resume)
    train(chosen, tensorboard=True)
    for side, name in {"train": "loss", "validation": "val_loss"}.items():
        steps = {}
        for file in sorted((module.tensorboard_dir(chosen) / side).iterdir()):
            events = EventAccumulator(str(file), size_guidance={"tensors": 0}).Reload()
            for event in events.Tensors("epoch_loss"):
                steps[event.step] = float(tf.make_ndarray(event.tensor_proto))
        np.testing.assert_allclose([steps[0], steps[1], steps[2]], chosen.history()[name], rtol=1e-6)
        assert len(steps) == 3


# ---- what a stranger does wrong ----


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"there is no file .*my_models.py.*Beside it are: my_data.py, my_layers.py"),
        ("def make():\n    pass\n", r"has no function 'build'.*It has: make"),
        ("x = 1\ndef build(:\n", r"my_models.py, line 2: SyntaxError.*\n    def build\(:"),
        ("import kears\n", r"my_models.py, line 1, in <module>: ModuleNotFoundError.*kears.*\n    import kears"),
        ("import my_broken\n", r"my_broken.py, line 2, in <module>: ZeroDivisionError: .*\n    1 / 0"),
        ("def build():\n    return undefined\n", r"my_models.py, line 2, in build: NameError.*\n    return undefined"),
        ("def build():\n    exit()\n", r"my_models.py, line 2, in build: SystemExit"),
        ("def build():\n    pass\n", r"must return a model of Keras.*returned None: its last line"),
        ("def build():\n    return 3\n", r"must return a model of Keras.*returned a int"),
        ("def build():\n    yield 3\n", r"must return a model of Keras.*returned a generator"),
        ("from ..my_layers import Scale\n", r"line 1, in <module>: ImportError: attempted relative import beyond"),
        ("def build(depth):\n    pass\n", r"needs depth, which neither the run file sets"),
        ("\0", r"is not Python"),
        ("import keras\n", r"has no function 'build'. It defines nothing"),
        ("import functools\nbuild = functools.partial(print)\n", r"build is partial, not a function. Write one: def"),
    ],
)
def test_a_mistake_in_the_model_is_told_with_its_line(stranger, text, told):
    (stranger.folder / "my_broken.py").write_text("x = 1\n1 / 0\n")
    if text is None:
        (stranger.folder / "my_broken.py").unlink()
        (stranger.folder / "my_models.py").unlink()
    else:
        (stranger.folder / "my_models.py").write_text(text)
    stranger.path.write_text(RUN.replace("[sweep]\nwidth = [3, 4]", ""))
    with pytest.raises(OwnCodeError, match=rf"(?s){told}"):
        stranger.model()


@pytest.mark.parametrize("line", ["import my_layers", "from my_layers import Scale"])
def test_a_module_in_another_folder_is_named_with_where_it_is_looked_for(stranger, line):
    nets = stranger.folder / "nets"
    nets.mkdir()
    (nets / "small.py").write_text(f"{line}\n\n\ndef build():\n    pass\n")
    stranger.change("own.toml", "my_models.py", "nets/small.py")
    with pytest.raises(OwnCodeError, match=r"looked for in .*nets, beside small.py; put my_layers there"):
        stranger.model()


@pytest.mark.parametrize(
    ("text", "place"), [("~/land", "home/land"), ("$LAND/a", "scratch/a"), ("b", "some where/else/b")]
)
def test_a_folder_may_begin_at_home_or_in_a_variable(stranger, tmp_path, monkeypatch, text, place):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAND", str(tmp_path / "scratch"))
    stranger.change("own.toml", '"my_data.py:open"', f'"my_data.py:open"\nfolder = "{text}"')
    stranger.change("my_data.py", "def open(", "def open(folder, ")
    stranger.change("my_data.py", "    y = np", "    raise ValueError(folder)\n    y = np")
    with pytest.raises(OwnCodeError, match=f"ValueError: {tmp_path / place}"):
        rehearse(read_run(stranger.path))


LATE = """
from pathlib import Path

import numpy as np

from helpers.data.sources import ArraySource, split


class Scaled(ArraySource):
    def fill(self, index, rng, out):
        super().fill(index, rng, out)
        out["x"] *= float(Path("given/scale.txt").read_text())


def open(seed: int = 0):
    y = np.load("given/y.npy")
    return split(Scaled(np.ones((len(y), 4, 4, 1)), y), seed=seed)
"""


@pytest.mark.slow
@pytest.mark.parametrize("begun", ["train", pytest.param("frozen", marks=pytest.mark.long)])
def test_relative_paths_of_own_code_begin_at_the_run_file_wherever_one_stands(stranger, monkeypatch, tmp_path, begun):
    (stranger.folder / "given").mkdir()
    (stranger.folder / "given/scale.txt").write_text("2.0")
    np.save(stranger.folder / "given/y.npy", np.arange(60) % 3)
    (stranger.folder / "my_data.py").write_text(LATE)
    path = stranger.path
    if begun == "frozen":  # as a job does, which begins in the folder of the course
        folder = stranger.folder / "jobs/own/1"
        submissions.write(Submission(folder, path, "own", (), read_run(path), [0]), {})
        path = folder / "own.toml"
    (tmp_path / "a/b").mkdir(parents=True)
    for folder, words in {"a": ["--check"], "a/b": ["--index", "0"]}.items():
        monkeypatch.chdir(tmp_path / folder)
        assert cli.main(["train", os.path.relpath(path), *words]) == 0
        assert Path.cwd() == tmp_path / folder
    assert stranger.experiment().is_saved()
    stranger.change("my_data.py", "seed: int = 0", "seed: int = 0, samples: int = 4")
    assert cli.main(["train", os.path.relpath(stranger.path), "--list", "samples=many"]) == 1


def test_values_that_only_the_data_take_are_rehearsed_each(stranger):
    stranger.change("my_data.py", "def open(", "def open(fold: int = 0, ")
    stranger.change("my_data.py", "    y = np", "    assert fold < 5, fold\n    y = np")
    stranger.change("own.toml", "width = [3, 4]", "fold = [0, 99]")
    with pytest.raises(CourseError, match="99"):
        rehearse(read_run(stranger.path))


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        (
            "keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)",
            r"takes samples of shape \(28, 28, 1\)",
        ),
        ("keras.layers.Flatten(), keras.layers.Dense(10)", r"gives shape \(10,\) for a sample, and .* wants \(3,\)"),
        ("keras.layers.Dense(3)", r"gives shape \(4, 4, 3\) for a sample, and .* wants \(3,\)"),
        ("keras.layers.Conv2D(3, 9)", r"my_models.py:build: ValueError: .*"),
    ],
)
def test_shapes_that_do_not_fit_are_told_both(stranger, layers, told):
    code = f"import keras\n\n\ndef build(width: int):\n    return keras.Sequential([{layers}])\n"
    (stranger.folder / "my_models.py").write_text(code)
    with pytest.raises(OwnCodeError, match=told):
        rehearse(read_run(stranger.path))


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("None", r"must return a source for each of .*it returned nothing \(None\)"),
        ("ArraySource(x, y)", r"it returned a ArraySource. helpers.data.sources.split"),
        ("{'train': ArraySource(x, y), 'test': ArraySource(x, y)}", r"a dictionary of train, test"),
        ("dict.fromkeys(['train', 'validation', 'test'], x)", r"returns a ndarray for .train., which has no"),
        (
            "split(ArraySource(x, y - 1))",
            r"my_data.py, line 10, in open: labels are .* from 0 upwards; y has -1",
        ),
        ("split(ArraySource(x, y, num_classes=2))", r"labels are whole numbers from 0 to 1; y has 2"),
        ("split(ArraySource(x / 0, y))", r"x has a number in sample 0 that is not finite"),
        ("split(ArraySource(x, y[1:]))", r"x has 60 samples and y has 59 labels"),
        ("split(ArraySource(x[:2], y[:2]))", r"no sample is left for validation|no sample is left for test"),
        ("(i for i in range(3))", r"it returned a generator. helpers.data.sources.split"),
        ("{k: iter(x) for k in ('train', 'validation', 'test')}", r"returns a \w*iterator for .train., which has no"),
        ("{k: (x, y) for k in ('train', 'validation', 'test')}", r"returns a tuple for .train., which has no"),
        ("split(ArraySource(x[:0], y[:0]))", r"my_data.py, line 10, in open: x has no samples: .*\(0, 4, 4, 1\)"),
        ("split(ArraySource(x, np.array(['a'] * 60)))", r"y must be an array of numbers.*received <U1"),
        ("split(ArraySource(np.array([None] * 60), y))", r"x must be an array of numbers.*received object"),
        (
            "{**split(ArraySource(x, y)), 'test': ArraySource(x, y + 1)}",
            r"classification into 3 classes for .train., and classification into 4 classes for .test.. Labels",
        ),
        ("{**split(ArraySource(x, y)), 'validation': ArraySource(x, y / 2)}", r"and regression for .validation."),
        ("open.__globals__['np'].load('gone.npy')", r"line 10, in open: FileNotFoundError: .*gone.npy"),
        ("split(Broken())", r"my_data.py, line 18, in fill: ValueError: could not broadcast"),
        ("split(Wrong())", r"sample \d+ has the label 7, where 3 classes go from 0 to 2"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_mistake_in_the_data_is_told(stranger, returned, told):
    (stranger.folder / "my_data.py").write_text(
        "import numpy as np\nfrom helpers.data.sources import ArraySource, split\n"
        "from helpers.data.streaming import Samples, Spec\n\n\n"
        "def open():\n    np.seterr(all='ignore')\n"
        "    y = np.arange(60) % 3\n    x = np.ones((60, 4, 4, 1))\n"
        f"    return {returned}\n\n\n"
        "class Broken(Samples):\n    arrays = {'x': Spec((4,), 'float32')}\n    def __len__(self):\n        return 60\n"
        "    def fill(self, index, rng, out):\n        out['x'][...] = np.ones(5)\n\n\n"
        "class Wrong(ArraySource):\n    def __init__(self):\n"
        "        super().__init__(np.ones((60, 4)), np.arange(60) % 3)\n"
        "        self.unpicklable = lambda: None\n"
        "    def fill(self, index, rng, out):\n        super().fill(index, rng, out)\n        out['y'][...] = 7\n"
    )
    chosen = stranger.experiment()
    task = task_of(chosen.parameters, own=(own_functions(chosen.parameters, chosen.beside)))
    with pytest.raises(Exception, match=told) as caught:
        task.load(chosen.parameters, None)
    assert type(caught.value).__module__.startswith("helpers.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("width = [3, 4]", "depth = [3, 4]"), r"own.toml, line \d+: 'depth' is not known.*What can be set:.*width"),
        (("width = [3, 4]", "width = [3, 4.5]"), r"own.toml, line \d+: width must be a valid integer.*4.5"),
        (('"my_models.py:build"', '"unet"'), r"own.toml, line 5: build names a function in a file.*name = 'unet'"),
        (('"my_models.py:build"', "3"), r"\[model\] must say which"),
        (('build = "my', 'name = "unet"\nbuild = "my'), r"\[model\] has name and build. Leave one"),
        (('"my_models.py:build"', '"../my_models.py:build"'), r"names no code. Write FILE.py:FUNCTION"),
        (("width = [3, 4]", 'build = ["a.py:b"]'), r"build says in \[model\] which one"),
    ],
)
def test_a_mistake_in_the_run_file_is_told_with_its_line(stranger, change, told):
    stranger.change("own.toml", *change)
    with pytest.raises((RunError, OwnCodeError), match=told):
        for each in read_run(stranger.path).experiments:
            task_of(each.parameters, read_run(stranger.path).where, own_functions(each.parameters, each.beside))


@pytest.mark.parametrize("name", ["keras", "random", "helpers"])
def test_a_neighbour_with_the_name_of_what_is_imported_is_refused(stranger, name):
    (stranger.folder / f"{name}.py").write_text(f"import {name}\n")
    stranger.change("my_data.py", "import numpy", f"import {name}\nimport numpy")
    with pytest.raises(OwnCodeError, match=rf"imports {name}, and there are two: .*Rename {name}.py"):
        stranger.model()


def test_no_line_of_the_course_is_shown(stranger, capsys):
    stranger.change("my_models.py", "return Net(", "return Nets(")
    assert cli.main(["train", str(stranger.path)]) == 1
    complaint = capsys.readouterr().err
    assert "in build: NameError: name 'Nets'" in complaint and "Traceback" not in complaint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1 / 0", r"my_data.py, line 10, in fill: ZeroDivisionError"),
        ("out['x'][0] = np.nan", r"sample 50 has a number in x"),
    ],
)
def test_a_sample_that_is_broken_is_told_in_the_midst_of_training(stranger, capsys, line, told):
    (stranger.folder / "my_data.py").write_text(
        "import numpy as np\nfrom helpers.data.sources import ArraySource, split\n\n\n"
        "class Source(ArraySource):\n    def fill(self, index, rng, out):\n"
        f"        super().fill(index, rng, out)\n\n        if index == 50:\n            {line}\n\n\n"
        "def open():\n    return split(Source(np.ones((60, 4, 4, 1)), np.arange(60) % 3))\n"
    )
    assert cli.main(["train", str(stranger.path)]) == 1
    complaint = capsys.readouterr().err
    assert re.search(told, complaint) and "Traceback" not in complaint and "node" not in complaint
