"""Patches are found in every layout, and divided as promised."""

import os
from pathlib import Path

import pytest
from chesapeake_patches import names

from helpers.data import DataError
from helpers.data.chesapeake import find_patches, some_patches, split_files, tile_of

TILES = range(3900000, 3900012)


def touch(folder, some):
    """Make empty files: to divide patches no file is opened."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in some:
        (folder / name).touch()


@pytest.fixture(scope="module")
def ou(tmp_path_factory):
    """OU's layout, F0 and F1, 12 tiles in training, 2 tiles held out, of which one is a training tile as well."""
    base = tmp_path_factory.mktemp("ou")
    for fold in (0, 1):
        for tile in TILES:
            touch(base / "pa" / "train" / f"F{fold}", names(tile, range(fold * 20, fold * 20 + 20)))
        touch(base / "pa" / "valid" / f"F{fold}", names(3800000, range(10)) + names(TILES[0], range(100, 110)))
    return base


@pytest.fixture(scope="module")
def lila(tmp_path_factory):
    base = tmp_path_factory.mktemp("lila")
    for state, year in (("pa", 2013), ("md", 2013)):
        for tile in TILES:
            touch(base / f"{state}_1m_{year}_extended-train_patches", names(tile, range(3), state, year))
        touch(base / f"{state}_1m_{year}_extended-val_patches", names(3800000, range(5), state, year))
    touch(base, ["pa_1m_2013_extended-train_patches.csv"])
    return base


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    base = tmp_path_factory.mktemp("plain")
    for tile in TILES:
        touch(base / "some" / "where", names(tile, range(5)))
    return base


def tiles(paths):
    return {tile_of(Path(path).name) for path in paths}


def digits(paths):
    return {path[-5] for path in paths}


# ---- finding ----


def test_every_layout_is_found_in_a_fixed_order(ou, lila, plain):
    for base, count in ((ou, 12 * 20 + 20), (lila, 2 * (12 * 3 + 5)), (plain, 60)):
        found = find_patches(base, ou_folder="F1")
        assert len(found) == count and found == sorted(found, key=lambda patch: patch.path)
    assert len(find_patches(ou)) == 2 * (12 * 20 + 20)
    assert {p.name[:2] for p in find_patches(lila, states=["md"])} == {"md"}
    assert find_patches(ou / "pa" / "train" / "F0") and find_patches(str(ou))


def test_unfinished_files_are_not_taken_for_patches(tmp_path):
    touch(tmp_path, [".12-a-0.npz", "a-0.npz", "a-0.csv"])
    assert [patch.name for patch in find_patches(tmp_path)] == ["a-0.npz"]


def test_an_empty_or_missing_folder_is_explained(ou, tmp_path):
    touch(tmp_path, ["readme.txt"])
    for base, options, message in (
        (tmp_path, {}, r"no patches .*readme\.txt"),
        (tmp_path / "gone", {}, "no such folder"),
        (ou, {"ou_folder": "F7"}, "ou_folder=F7"),
        (ou, {"states": ["wv"]}, r"states=\['wv'\]"),
    ):
        with pytest.raises(DataError, match=message):
            find_patches(base, **options)
    with pytest.raises(DataError, match=r"readme\.txt: cannot be listed: Not a directory"):
        find_patches(tmp_path / "readme.txt")


def test_tiles_are_told_by_name_whatever_the_state_and_year():
    assert tile_of("pa_1m_2013-m_3907506_sw_18_1-0.npz") == tile_of("md_1m_2014-m_3907506_sw_18_1-499.npz")
    assert tile_of("my-own-12.npz") == "my-own" and tile_of("alone.npz") == "alone.npz"


# ---- dividing ----


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Patches in all three of the publishers' folders; one tile is in two of them, and one in all."""
    base = tmp_path_factory.mktemp("three")
    folders = {kind: base / f"pa_1m_2013_extended-{kind}_patches" for kind in ("train", "val", "test")}
    for tile in (*TILES, 3800000, 3800001):
        touch(folders["train"], names(tile, range(3)))
    for tile in (3700000, 3800000, 3800001):
        touch(folders["val"], names(tile, range(3, 6)))
    for tile in (3600000, 3800001):
        touch(folders["test"], names(tile, range(6, 9)))
    return base


LAYOUTS = ["ou", "lila", "plain", "three"]
SPLITS = [{}, *({"split": "folds", "fold": fold} for fold in range(5)), {"split": "folds", "folds": 3, "fold": 2}]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", SPLITS)
def test_no_tile_is_on_two_sides(layout, options, request):
    splits = split_files(request.getfixturevalue(layout), **options)
    train, validation, test = map(tiles, (splits.train, splits.validation, splits.test))
    assert train and validation and test
    assert not (train & validation or train & test or validation & test)
    assert splits == split_files(request.getfixturevalue(layout), **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("folds", [3, 5, 12])
def test_over_all_folds_every_patch_is_tested_once_and_validates_once(layout, folds, request):
    base = request.getfixturevalue(layout)
    everything = sorted(patch.path for patch in find_patches(base))
    every = [split_files(base, split="folds", folds=folds, fold=fold) for fold in range(folds)]
    for side in ("test", "validation"):
        assert sorted(path for splits in every for path in getattr(splits, side)) == everything
    for splits in every:
        assert sorted([*splits.train, *splits.validation, *splits.test]) == everything
    counts = [len(tiles(splits.test)) for splits in every]
    assert max(counts) - min(counts) <= 1, "tiles are dealt evenly"


def test_folds_do_not_hang_on_the_folders_that_tiles_lie_in(lila, tmp_path):
    """The same patches in one folder are dealt in the same way."""
    touch(tmp_path / "all", [patch.name for patch in find_patches(lila)])
    for fold in range(5):
        here, there = (split_files(base, split="folds", fold=fold) for base in (lila, tmp_path))
        for side in ("train", "validation", "test"):
            assert tiles(getattr(here, side)) == tiles(getattr(there, side))


def test_held_out_folders_test_and_their_tiles_do_not_train(ou):
    splits = split_files(ou, ou_folder="F0")
    assert tiles(splits.test) == {"m_3800000_sw_18_1", "m_3900000_sw_18_1"} and len(splits.test) == 20
    assert all(f"{os.sep}valid{os.sep}F0{os.sep}" in path for path in splits.test)


def test_the_publishers_three_folders_are_the_three_sides(three):
    splits = split_files(three)
    for side, kind in (("train", "train"), ("validation", "val"), ("test", "test")):
        assert all(f"-{kind}_patches" in path for path in getattr(splits, side))
    assert len(tiles(splits.train)) == len(TILES), "those that are held out as well do not train"
    assert tiles(splits.validation) == {"m_3700000_sw_18_1", "m_3800000_sw_18_1"}
    assert tiles(splits.test) == {"m_3600000_sw_18_1", "m_3800001_sw_18_1"}


def test_a_folder_of_test_patches_alone_tests(tmp_path):
    for tile in TILES:
        touch(tmp_path / "train", names(tile, range(3)))
    touch(tmp_path / "test", names(3800000, range(3)))
    splits = split_files(tmp_path)
    assert tiles(splits.test) == {"m_3800000_sw_18_1"} and len(tiles(splits.validation)) == 2


def test_a_fold_is_no_folder(ou):
    """Of OU's folders one can be chosen with any split; without, all are read."""
    for options in ({}, {"split": "digit"}, {"split": "folds", "fold": 0}):
        one, all_of_them = (split_files(ou, **options, ou_folder=name) for name in ("F1", None))
        assert all(f"{os.sep}F1{os.sep}" in path for side in vars(one).values() for path in side)
        assert len(all_of_them.test) == 2 * len(one.test)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 0}, 'fold=0 needs split="folds".*leave fold out.*ou_folder="F0"'),
        ({"split": "digit", "fold": 3}, 'fold=3 needs split="folds"'),
        ({"split": "folds"}, "needs a fold from 0 to 4; received fold=None"),
        ({"split": "folds", "fold": 5}, "folds=5 needs a fold from 0 to 4; received fold=5"),
        ({"split": "folds", "fold": -1}, "from 0 to 4; received fold=-1"),
        ({"split": "folds", "folds": 2, "fold": 0}, "folds must be 3 or more.*Received 2"),
        ({"split": "random"}, '"tile", "folds" or "digit"; received \'random\''),
    ],
)
def test_options_that_do_not_go_together_are_told_before_anything_is_read(options, message):
    with pytest.raises(ValueError, match=message):
        split_files("no such folder", **options)


def test_digits_divide_as_at_ou(ou):
    splits = split_files(ou, split="digit", ou_folder="F1")
    assert digits(splits.train) == set("012345678") and len(splits.train) == 12 * 18
    assert digits(splits.validation) == {"9"} and len(splits.validation) == 12 * 2
    assert len(splits.test) == 20 and tiles(splits.train) == tiles(splits.validation)


def test_patterns_are_patterns(ou):
    fewer = split_files(ou, split="digit", train_filter="*[01]")
    assert digits(fewer.train) == {"0", "1"} and digits(fewer.validation) == {"9"}
    assert digits(split_files(ou, split="digit", train_filter=["*0", "*[34].npz"]).train) == {"0", "3", "4"}
    assert digits(split_files(ou, train_filter="*[012345678]").train) == set("012345678")
    with pytest.raises(ValueError, match=r"also takes pa_.*9\.npz, which is for validation"):
        split_files(ou, split="digit", train_filter="*")


def test_sides_that_would_be_empty_are_explained(ou, plain, tmp_path):
    touch(tmp_path, names(3907506, range(8)))
    for base, options, message in (
        (tmp_path, {}, "no patches are left for validation: 8 patches of 1 tiles.*three tiles"),
        (plain, {"split": "digit"}, "left for validation.*names ending 9"),
        (ou, {"train_filter": "x*"}, r"train_filter=.x\*. fits no name of a training patch, such as pa_1m"),
    ):
        with pytest.raises(DataError, match=message):
            split_files(base, **options)
    with pytest.raises(DataError, match="13 folds need 13 tiles; there are 12"):
        split_files(plain, split="folds", folds=13, fold=0)


def test_some_patches_are_whole_neighbourhoods_spread_over_all(plain):
    patches = find_patches(plain)
    chosen = [Path(path).name for path in some_patches(patches, tiles=4, per_tile=3)]
    assert chosen == [name for tile in TILES[::3] for name in names(tile, range(5))[:3]]
    everything = [patch.path for patch in patches]
    assert some_patches(patches, tiles=99, per_tile=99) == everything, "at most so many"
