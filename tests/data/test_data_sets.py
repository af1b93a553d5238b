"""Every data set of the registry is one object that does what the contract says, and verbs ask it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from chesapeake_patches import make_patch
from chesapeake_patches import names as patch_names
from chesapeake_patches import write as write_patches
from grss_tiles import SIZE, write_many
from matplotlib.figure import Figure

from helpers.data import DataError, base, digits, fetch, grss
from helpers.data.measuring import text
from helpers.data.splits import sides_of
from helpers.data.streaming import Loader

PLACES = 7
NAMES = list(base.data_sets())
CARDS = (Path(__file__).resolve().parents[2] / "datasets" / "README.md").read_text(encoding="utf-8")
POINTS = (
    "sensor", "dates", "how labels were made", "known errors", "splits", "licence", "passing it on", "cite"
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write a little of each data set of the course: returns its folder by its name."""
    folder = tmp_path_factory.mktemp("sets")
    for number in range(PLACES):
        write_patches(folder / "chesapeake", patch_names(3900000 + number, range(8, 10)), make_patch(number))
    write_many(folder / "grss", {f"JAX_{number:03d}": 2 for number in range(PLACES)})
    digits.make_stand_in(folder / "mnist" / "digits.npz")
    return {name: folder / name for name in NAMES}


def test_the_course_has_three_and_each_card_names_its_module():
    assert NAMES == ["mnist", "chesapeake", "grss"] == list(fetch.registry())
    for name, each in base.data_sets().items():
        assert each.card.title == fetch.registry()[name].title


@pytest.mark.parametrize("name", NAMES)
def test_it_finds_checks_draws_counts_and_opens_its_own_files(name, folders):
    each = base.data_set(name, tile_size=SIZE)
    files = each.files(folders[name])
    assert files and all(each.claims(file.name) for file in files)
    for other in NAMES:
        assert [found.name for found, _ in base.below(folders[other])] == [other]
    assert each.check(files[0].path) == {}
    assert isinstance(each.plot(files[0].path), Figure)
    facts = json.loads(json.dumps(each.stats(files, most=3)))
    assert {"splits", "classes", "channels", "looked into"} <= facts.keys() and set(facts["splits"]) == {
        "tile",
        "folds",
        "digit",
    }
    assert f"{facts[next(iter(facts))]:,} {each.unit}" in text(each.unit, facts)
    options = {"size": 32} if name == "grss" else {}
    for split, fold in (("tile", None), ("folds", 1)):
        sources = each.open(folders[name], split=split, fold=fold, **options)
        assert list(sources) == ["train", "validation", "test"] and all(map(len, sources.values()))
    batch = next(iter(Loader(sources["train"], batch_size=2)))
    first = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    assert len(first) == 2 and first.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_without_its_files_is_explained(name, tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        base.data_set(name).open(tmp_path)


def test_samples_of_digits_are_those_of_the_file(folders):
    sources = digits.DATA_SET.open(folders["mnist"])
    arrays = np.load(folders["mnist"] / "digits.npz")
    assert sum(map(len, sources.values())) == 1797 and len(sources["test"]) == digits.TEST_SHARE_OF_STAND_IN
    images, labels = next(iter(Loader(sources["test"], batch_size=500)))
    order = [int(sources["test"].name(row).rpartition("/")[2]) for row in range(len(labels))]
    np.testing.assert_allclose(images[..., 0], arrays["x_test"][order] / 255, atol=1e-6)
    np.testing.assert_array_equal(labels, arrays["y_test"][order])


# ---- splits of tiles ----


@pytest.fixture
def tiles(folders):
    return grss.find_tiles(folders["grss"])


def places(part):
    return {tile.place for tile in part}


@pytest.mark.parametrize("seed", [0, 3])
def test_tiles_are_split_as_run_files_always_did(tiles, seed):
    assert list(grss.split_tiles(tiles, seed=seed).values()) == grss.split_by_place(tiles, (0.7, 0.15, 0.15), seed=seed)


def test_folds_of_tiles_test_every_view_once_and_no_place_is_on_two_sides(tiles):
    tested = []
    for fold in range(PLACES):
        sides = grss.split_tiles(tiles, "folds", folds=PLACES, fold=fold)
        train, validation, test = map(places, sides.values())
        assert not train & validation and not train & test and not validation & test
        tested += sides["test"]
    assert sorted(tested) == sorted(tiles)
    with pytest.raises(DataError, match=r"9 folds need 9 tiles; there are 7\. Lower folds to 7,"):
        grss.split_tiles(tiles, "folds", folds=9, fold=0)
    with pytest.raises(ValueError, match=r'fold=1 needs split="folds"'):
        grss.split_tiles(tiles, fold=1)


def test_the_digit_split_leaks_whatever_the_files_are_called(tmp_path):
    samples = [
        base.File("", f"Forest_{number}{ending}", "") for number in (8, 19, 90) for ending in (".tif", ".npz", "")
    ]
    assert sides_of(samples, ["one"] * 9, "digit") == ["train"] * 3 + ["validation"] * 3 + ["train"] * 3
    here = tmp_path / "test/data"  # a folder above the data holds nothing out
    write_many(here / "Train-Track1", {"JAX_001": 9})
    write_many(here / "test", {"JAX_002": 1})
    sides = grss.split_tiles(grss.find_tiles(here), "digit")
    assert [tile.name for tile in sides["validation"]] == ["JAX_001_009"] and len(sides["train"]) == 8
    assert [tile.name for tile in sides["test"]] == ["JAX_002_001"]


# ---- verbs ----


def test_pack_and_stage_say_what_they_leave_out(run, folders, tmp_path):
    source = tmp_path / "mixed"
    write_patches(source, patch_names(3900000, range(2)), make_patch(0))
    write_many(source, {"JAX_001": 1})
    (source / "notes.txt").write_text("by hand")
    (source / ".hidden").touch()
    status, said, left = run("pack", source, tmp_path / "packed")
    assert (status, said.partition(" packed")[0]) == (0, "2 patches")
    assert "left out: 3 tile files and 1 other file, such as " in left
    staged, left = run("stage", source, "--to", tmp_path / "scratch")[1:]
    assert (
        staged == f"{tmp_path / 'scratch/mixed'}\n"
        and f"left out: 1 other file, such as {source / 'notes.txt'}\n" in left
    )
    assert len(list((tmp_path / "scratch/mixed").iterdir())) == 5
    left = run("stage", source, "--states", "pa", "--to", tmp_path / "some")[2]
    assert "left out: 3 tile files and 1 other file" in left
    assert "left out" not in run("stage", tmp_path / "packed", "--to", tmp_path / "some")[2]
    status, _, said = run("pack", folders["grss"], tmp_path / "tiles")
    assert status == 2 and "42 tile files, which cannot be packed" in said


def test_make_asks_the_data_set_what_it_takes(run, tmp_path):
    assert run("make", "mnist", "--to", tmp_path)[:2] == (0, f"1 file in {tmp_path}.\n")
    assert digits.DATA_SET.check(str(tmp_path / "digits.npz")) == {}
    status, _, said = run("make", "mnist", "--views", 3, "--to", tmp_path / "other")
    assert status == 1 and "a stand-in for mnist has no --views" in said


# ---- data cards ----


def rows_of(title):
    """Return what a data card says, by the first column of its table."""
    card = CARDS.partition(f"\n## {title} (lecture")[2].partition("\n## ")[0].partition("\n### ")[0]
    return dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", card, re.MULTILINE))


@pytest.mark.parametrize("name", fetch.registry())
def test_a_card_says_what_a_person_must_know_before_use(name):
    rows = rows_of(fetch.registry()[name].title)
    assert [point for point in POINTS if len(rows.get(point, "")) < 10] == []


def test_cards_say_what_is_easily_got_wrong():
    assert "not drawn by people" in rows_of("Chesapeake land-cover patches")["how labels were made"]
    assert "ships none of it" in rows_of("GRSS DFC2019 aerial tiles")["passing it on"]
    assert rows_of("A data set without a card") == {}
