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
        (["droput=0.1"], r"'droput' is no parameter; 'dropout' may be meant\. Of training: epochs"),
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
        ("epochs=0", "a whole number above 0; received 0"),
        ("epochs=true", "a whole number above 0; received True"),
        ("epochs=2.5", "a whole number above 0; received 2.5"),
        ("batch_size=two", "a whole number above 0; received 'two'"),
        ("batch_size=2.0", "a whole number above 0"),
        ("batch_size=[2, 4]", "a whole number above 0"),
        ("batch_size=-2", "a whole number above 0"),
        ("steps_per_epoch=1.5", "a whole number above 0"),
        ("patience=1.5", "a whole number above 0"),
        ("learning_rate=high", "a number above 0; received 'high'"),
        ("decay=linear", "\"cosine\"; received 'linear'"),
        ("precision=float23", '"float32" or "mixed_bfloat16"'),
        ("deterministic=maybe", "true or false; received 'maybe'"),
        ("seed=x", "a whole number from 0 to 4294967295"),
        ("seed=-1", "a whole number from 0 to"),
        ("seed=4294967296", "a whole number from 0 to"),
        ("seed=1.5", "a whole number from 0 to"),
        ("filters=8", "a list of whole numbers; received 8"),
        ("filters=[4, 8.5]", "a list of whole numbers"),
        ("dropout=high", "a number; received 'high'"),
        ("skips='false'", "true or false; received 'false'"),
        ("upsampling=max", '"nearest" or "transpose"'),
        ("fold=a", "a whole number that is not negative"),
        ("fold=-1", "a whole number that is not negative"),
        ("split=tiles", '"tile" or "folds" or "digit"; received \'tiles\''),
        ("folds=2", "a whole number of 3 or more; received 2"),
        ("image_size=a", "a whole number"),
        ("train_filter=5", "a text or a list of texts; received 5"),
        ("bands=[1]", "a list of texts"),
        ("augment='no'", "true or false"),
        ("window=-8", "a whole number that is not negative"),
        ("loss=mse", '"crossentropy" or "dice"; received \'mse\''),
        ("weight_power=x", "a number that is not negative"),
        ("weight_power=-1", "a number that is not negative"),
        ("model=[1]", "a text; received \\[1\\]"),
        ("data=5", "a text; received 5"),
    ],
)
def test_a_value_of_a_wrong_kind_is_told_before_anything_is_read(experiment, override, wanted):
    with pytest.raises(RunError, match=f"^{override.partition('=')[0]} must be {wanted}"):
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
