"""measure.py runs a lecture over the seeds and writes what its prose may promise."""

import sys
import tomllib
from pathlib import Path

import pytest
from desk import PROJECT, notebooks, plant, run, script

MEASURABLE = """\
# %% [markdown]
# The loss is <<loss>>.

# %%
def seed_everything(seed):
    global loss
    loss = 0.5 + seed / 100

class Data:
    is_stand_in = {stand_in}

data = Data()
seed_everything(0)
loss = {loss}
"""


LECTURES = {  # name: is_stand_in, loss
    "01_first": (False, "loss"),
    "02_other": (False, "loss"),
    "03_stand_in": (True, "loss"),
    "04_list": (False, "[1.0]"),
    "05_nan": (False, "float('nan')"),
    "06_on_stand_in": (True, "int(__import__('os').environ.get('COURSE_OFFLINE', '0'))"),  # 1 if data are hidden
    "07_not_on_stand_in": (False, "loss"),
}


ONES = "value = 1\ntolerance = 0.01\nseeds = [1, 1, 1, 1, 1]"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    texts = {name: MEASURABLE.format(stand_in=stand_in, loss=loss) for name, (stand_in, loss) in LECTURES.items()}
    root = plant(tmp_path_factory.mktemp("project"), {f"lectures/{name}": text for name, text in texts.items()})
    numbers = (f'# why\n["{name}".loss]  # told in Recap\nvalue = 7\n\n' for name in LECTURES)
    on_stand_in = 'on_stand_in = ["06_on_stand_in", "07_not_on_stand_in"]\n'
    (root / "lectures/expected.toml").write_text(on_stand_in + "".join(numbers))
    assert notebooks("build", root)[0] == 0
    return root


def measure(project: Path, *arguments: str) -> tuple[int, list[str], str, str]:
    """Run it; return its exit status, its lines, and expected.toml before and after."""
    expected = project / "lectures/expected.toml"
    before = expected.read_text()
    status, lines = script("measure.py", *arguments, "--root", project)
    return status, lines, before, expected.read_text()


@pytest.mark.long
def test_measure_writes_what_seed_0_gave_tolerance_and_seeds(project):
    status, lines, before, after = measure(project, "01_first")
    assert status == 0, lines
    assert [line.split(",")[0] for line in lines[:5]] == [f"seed {seed} ({seed + 1} of 5)" for seed in range(5)]
    assert lines[6].split() == ["loss", "0.5", "0.5", "0.54", "0.01"]
    measured = "value = 0.5\ntolerance = 0.01\nseeds = [0.5, 0.51, 0.52, 0.53, 0.54]"
    assert after == before.replace("value = 7", measured, 1), "order, comments and other lectures stay"
    assert tomllib.loads(after)["01_first"]["loss"]["value"] == 0.5


@pytest.mark.long
@pytest.mark.parametrize(
    ("lecture", "said"),
    [
        ("03_stand_in", "ran on stand-in data"),
        ("04_list", "loss is [1.0]"),
        ("05_nan", "loss is nan"),
        ("07_not_on_stand_in", "no variable of it has is_stand_in"),
    ],
)
def test_measure_refuses_what_is_no_number_of_the_wanted_data(project, lecture, said):
    status, lines, before, after = measure(project, lecture, "--seeds", "1")
    assert (status, after) == (1, before)
    assert said in lines[-1]


@pytest.mark.long
def test_a_lecture_of_the_stand_in_is_measured_without_data(project):
    status, lines, before, after = measure(project, "06_on_stand_in")
    assert status == 0, lines
    assert ONES in after.partition('["06_on_stand_in".loss]')[2].partition("\n[")[0]
    assert after.replace(ONES, "value = 7", 1) == before, "order, comments and other lectures stay"


@pytest.mark.long
def test_measure_with_few_seeds_writes_nothing(project):
    status, lines, before, after = measure(project, "02_other", "--seeds", "1")
    assert (status, after) == (0, before)
    assert "1 seeds are fewer than 5" in lines[-1]


@pytest.mark.long
def test_measure_wants_a_lecture_with_numbers(project):
    status, lines, _, _ = measure(project, "09_none")
    assert status == 1
    assert 'has no number of "09_none"; add a table ["09_none".name]' in lines[-1]


@pytest.mark.long
def test_the_examples_of_measure_hold():
    result = run(sys.executable, "-m", "doctest", PROJECT / "authoring/measure.py")
    assert result.returncode == 0, result.stdout + result.stderr
