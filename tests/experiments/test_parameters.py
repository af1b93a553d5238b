"""A parameter that makes no sense is told in plain words: its name, what it takes, and what came."""

from pathlib import Path

import pytest

from helpers.data import grss
from helpers.experiments.run_file import RunError
from helpers.experiments.tasks import build, task_of
from helpers.experiments.train import train

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["droput=0.1"],
            r"'droput' is not known\. Did you mean 'dropout'\? What can be set: activation",
        ),
        (["model=unett"], r"no model 'unett'; 'unet' may be meant"),
        (["data=cheasapeake"], r"no runs on 'cheasapeake'; 'chesapeake' may be meant"),
        (["filters=[3]"], "filters wants two or more whole numbers"),
        (["window=16"], "window keeps patches in memory .* leave one of them out"),
        (["loss=dice", "weight_power=0.5"], '"dice" takes no weight_power: leave one of the two out'),
        (["image_size=33"], r"^images of 33 x 33 pixels cannot be halved 1 times.*multiples of 2"),
        (["image_size=300"], "image_size must be 1 to 256 pixels; received 300"),
        (["dropout=2"], "dropout and spatial_dropout must be 0 to below 1; received 2"),
        (["activation=relo"], "relo"),
        (["batch_size=13"], "12 samples do not fill one batch of 13"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_told(experiment, patches, overrides, message):
    with pytest.raises(RunError, match=message):
        train(experiment(*overrides), folder=patches)


def test_runs_on_tiles_take_the_splits_of_every_data_set(aerial, tiles):
    with pytest.raises(RunError, match="needs a fold from 0 to 4"):
        task_of(aerial("split=folds").parameters)
    tested = set()
    for fold in range(3):
        chosen = aerial("split=folds", "folds=3", f"fold={fold}").parameters
        found = {tile.place for tile in task_of(chosen).load(chosen, tiles).test.source.tiles}
        assert found and not found & tested
        tested |= found
    assert tested == {tile.place for tile in grss.find_tiles(tiles)}


def test_windows_of_a_size_that_the_model_does_not_take_are_told(aerial, tiles):
    with pytest.raises(RunError, match="128"):
        train(aerial("size=64"), folder=tiles)


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("epochs=0", "greater than 0; received 0"),
        ("epochs=true", "a valid integer; received True"),
        ("epochs=2.5", "a valid integer; received 2.5"),
        ("batch_size=two", "a valid integer; received 'two'"),
        ("batch_size=2.0", "a valid integer; received 2.0"),
        ("batch_size=[2, 4]", r"a valid integer; received \[2, 4\]"),
        ("batch_size=-2", "greater than 0; received -2"),
        ("steps_per_epoch=1.5", "a valid integer"),
        ("patience=1.5", "a valid integer"),
        ("patience=0", "greater than 0"),
        ("learning_rate=high", "a valid number; received 'high'"),
        ("learning_rate=true", "a valid number; received True"),
        ("learning_rate=0", "greater than 0"),
        ("decay=linear", "'cosine'; received 'linear'"),
        ("precision=float23", "'float32' or 'mixed_bfloat16'; received 'float23'"),
        ("deterministic=maybe", "a valid boolean; received 'maybe'"),
        ("deterministic=1", "a valid boolean; received 1"),
        ("seed=x", "a valid integer"),
        ("seed=-1", "greater than or equal to 0; received -1"),
        ("seed=4294967296", "less than 4294967296; received 4294967296"),
        ("seed=1.5", "a valid integer"),
        ("filters=8", "a valid list; received 8"),
        ("filters=[4, 8.5]", "a valid integer; received 8.5"),
        ("filters=[4, 'x']", "a valid integer; received 'x'"),
        ("dropout=high", "a valid number; received 'high'"),
        ("skips='false'", "a valid boolean; received 'false'"),
        ("upsampling=max", "'nearest' or 'transpose'; received 'max'"),
        ("fold=a", "a valid integer; received 'a'"),
        ("fold=-1", "greater than or equal to 0; received -1"),
        ("split=tiles", "'tile', 'folds' or 'digit'; received 'tiles'"),
        ("folds=2", "greater than or equal to 3; received 2"),
        ("image_size=a", "a valid integer"),
        ("train_filter=5", "a valid string or a valid list; received 5"),
        ("train_filter=['a', 5]", "a valid string; received 5"),
        ("bands=[1]", "a valid string; received 1"),
        ("augment='no'", "a valid boolean; received 'no'"),
        ("window=-8", "greater than or equal to 0; received -8"),
        ("loss=mse", "'crossentropy' or 'dice'; received 'mse'"),
        ("weight_power=x", "a valid number; received 'x'"),
        ("weight_power=-1", "greater than or equal to 0; received -1"),
        ("model=[1]", "a valid string; received \\[1\\]"),
        ("data=5", "a valid string; received 5"),
    ],
)
def test_a_value_of_a_wrong_kind_is_told_before_anything_is_read(experiment, override, wanted):
    with pytest.raises(RunError, match=rf"^{override.partition('=')[0]}(\[\d\])? must be {wanted}"):
        train(experiment(override), folder=Path("no data"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("split=tile",), 'fold=0 needs split="folds".*leave fold out'),
        (("split=digit", "fold=2"), 'fold=2 needs split="folds"'),
        (("fold=5",), "needs a fold from 0 to 4; received fold=5"),
        (("folds=10", "fold=10"), "from 0 to 9"),
    ],
)
def test_a_fold_that_there_is_not_is_told_before_anything_is_read(experiment, overrides, message):
    with pytest.raises(RunError, match=message):
        train(experiment(*overrides), folder=Path("no data"))


def test_a_run_file_of_old_that_swept_folds_of_one_test_set_is_told_what_to_write(experiment):
    """Its folds all tested on the publishers' held-out tiles, and its matrices could not be added."""
    with pytest.raises(RunError, match='fold=0 needs split="folds", which tests every tile once'):
        train(experiment(change=('split = "folds"\n', "")), folder=Path("no data"))


@pytest.mark.parametrize("number", ["inf", "nan"])
def test_a_number_that_no_file_can_hold_is_told_with_its_name(experiment, number):
    with pytest.raises(RunError, match=f"Parameter 'learning_rate' is {number}, which parameters.json cannot hold"):
        experiment(f"learning_rate={number}")


def test_a_single_text_is_as_good_as_a_list_of_one_and_a_whole_number_is_a_number(experiment):
    task_of(experiment("bands=naip_new", "train_filter=*1", "dropout=0", "learning_rate=1", "patience=3").parameters)


def test_an_option_of_a_model_may_have_the_name_that_run_files_of_earlier_code_hold(experiment):
    parameters = experiment("model=unet", "image_shape=[64, 64, 4]", "bands=naip_new").parameters
    model = build(parameters, task_of(parameters))
    assert model.input_shape == (None, 64, 64, 4)
