"""GRSS tiles are found wherever they lie, no place is on two sides of a split, and pixels mean what they say."""

import os

import numpy as np
import pytest
from grss_tiles import write_many

from helpers.data import DataError, base, fetch, grss
from helpers.data.grss.tiles import Tile, fill


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def fake(views: dict[str, int]) -> list[Tile]:
    return [Tile(place, f"{view:03d}", files={}) for place, count in views.items() for view in range(count)]


# ---- finding and pairing ----


def test_track_1_folders_are_paired_by_place_and_view(tmp_path):
    touch(
        tmp_path,
        "Train-Track1-RGB/Track1-RGB/JAX_004_006_RGB.tif",
        "Train-Track1-RGB/Track1-RGB/OMA_132_003_RGB.tif",
        "Train-Track1-MSI-1/Track1-MSI/JAX_004_006_MSI.tif",
        "Train-Track1-Truth/Track1-Truth/JAX_004_006_CLS.tif",
        "Train-Track1-Truth/Track1-Truth/JAX_004_006_AGL.tif",
        "Train-Track1-Truth/Track1-Truth/OMA_132_003_CLS.tif",
        "Train-Track1-Truth/Track1-Truth/OMA_132_003_AGL.tif",
    )
    jax, oma = grss.find_tiles(tmp_path, ("RGB", "CLS", "AGL"))
    assert (jax.place, jax.view, jax.name) == ("JAX_004", "006", "JAX_004_006")
    assert {kind: path.name for kind, path in jax.files.items()} == {
        kind: f"JAX_004_006_{kind}.tif" for kind in ("RGB", "MSI", "CLS", "AGL")
    }
    assert oma.name == "OMA_132_003" and oma.missing(("RGB", "MSI")) == ["MSI"]


def test_other_files_are_passed_over(tmp_path):
    touch(
        tmp_path,
        "JAX_004_006_RGB.tif",
        "deep/er/JAX_004_007_RGB.TIFF",
        "._JAX_004_006_RGB.tif",
        "JAX_004_006_RGB_128x128_1split8.tif",
        "JAX_068_013_011_LEFT_RGB.tif",
        "LAX_004_006_RGB.tif",
        "JAX_004_006_RGB.tif.part",
        "readme.txt",
    )
    assert [tile.name for tile in grss.find_tiles(tmp_path)] == ["JAX_004_006", "JAX_004_007"]


def test_the_order_is_that_of_the_names_whatever_the_folders(tmp_path):
    touch(tmp_path, "z/JAX_004_001_RGB.tif", "a/OMA_004_001_RGB.tif", "m/JAX_010_001_RGB.tif", "b/JAX_004_002_RGB.tif")
    names = [tile.name for tile in grss.find_tiles(tmp_path)]
    assert names == ["JAX_004_001", "JAX_004_002", "JAX_010_001", "OMA_004_001"]


def test_truth_of_track_3_belongs_to_a_place_and_lies_over_no_view(tmp_path):
    touch(tmp_path, "RGB/JAX_004_013_RGB.tif", "Truth/JAX_004_DSM.tif", "Truth/JAX_004_CLS.tif")
    (view,) = grss.find_tiles(tmp_path)
    assert view.name == "JAX_004_013"
    (truth,) = grss.find_tiles(tmp_path, ("CLS", "DSM"))
    assert (truth.name, truth.place, truth.view) == ("JAX_004", "JAX_004", "")
    with pytest.raises(DataError, match=r"JAX_004_013 lacks CLS.*lies over no view"):
        grss.find_tiles(tmp_path, ("RGB", "CLS"))


def test_a_missing_partner_is_named_or_left_out_on_demand(tmp_path):
    write_many(tmp_path, {"JAX_004": 3})
    (tmp_path / "JAX_004_002_CLS.tif").unlink()
    with pytest.raises(DataError, match=r"1 of 3 tiles .*: JAX_004_002 lacks CLS\. .*drop_incomplete=True"):
        grss.find_tiles(tmp_path, ("RGB", "CLS"))
    left = grss.find_tiles(tmp_path, ("RGB", "CLS"), drop_incomplete=True)
    assert [tile.name for tile in left] == ["JAX_004_001", "JAX_004_003"]
    assert len(grss.find_tiles(tmp_path, ("RGB", "AGL"))) == 3


def test_two_files_of_one_name_are_not_chosen_from(tmp_path):
    touch(tmp_path, "track1/JAX_004_006_RGB.tif", "track3/JAX_004_006_RGB.tif")
    with pytest.raises(DataError, match=r"track1/JAX_004_006_RGB\.tif and .*track3/JAX_004_006_RGB\.tif"):
        grss.find_tiles(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path, monkeypatch):
    touch(tmp_path / "disk", "JAX_004_006_RGB.tif")
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "grss").symlink_to(tmp_path / "disk")
    for name in ("again", "and_again"):  # ways through two circles double with every step
        (tmp_path / "disk" / name).symlink_to(tmp_path / "disk")
    folders, real = [], os.path.realpath

    def count(path, **options):
        folders.append(path)
        assert len(folders) < 10
        return real(path, **options)

    monkeypatch.setattr(os.path, "realpath", count)
    assert len(grss.find_tiles(tmp_path / "course")) == 1


@pytest.mark.parametrize("links", [{"latest": "z"}, {"a_latest": "z", "z/back": "..", "z/y/over": "../../z"}])
def test_a_folder_that_links_lead_to_as_well_is_read_once_and_by_its_own_path(tmp_path, links):
    wanted = ["b/JAX_004_001_RGB.tif", "z/JAX_004_002_RGB.tif", "z/y/JAX_004_3_RGB.tif"]
    touch(tmp_path, *wanted)
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    for found in ([tile.files["RGB"] for tile in grss.find_tiles(tmp_path)], base.data_set("grss").files(tmp_path)):
        assert sorted(os.path.relpath(path, tmp_path) for path in found) == wanted


@pytest.mark.parametrize("drop", [False, True])
def test_an_empty_folder_says_what_was_wanted(tmp_path, drop):
    with pytest.raises(DataError, match=r"no tile with RGB, MSI.*JAX_004_006_RGB\.tif"):
        grss.find_tiles(tmp_path, ("RGB", "MSI"), drop_incomplete=drop)
    with pytest.raises(DataError, match="is not a folder"):
        grss.find_tiles(tmp_path / "nowhere")


def test_the_data_folder_is_searched_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(fetch.FetchError, match=r"no GRSS tiles in .*grss\. Free account"):
        grss.find_tiles()
    touch(tmp_path / "grss", "JAX_004_006_RGB.tif")
    assert len(grss.find_tiles()) == 1


@pytest.mark.parametrize("kinds", ["RGB", (), ("RGB", "XYZ"), ("RGB", "RGB")])
def test_kinds_that_are_none_are_refused(tmp_path, kinds):
    with pytest.raises(ValueError, match="kinds must be some of RGB, MSI, CLS, AGL, DSM"):
        grss.find_tiles(tmp_path, kinds)


# ---- split by place ----

# As in the contest: places with 1 to 43 views.
CONTEST = {f"{'JAX' if number % 2 else 'OMA'}_{number:03d}": 1 + number * 7 % 43 for number in range(108)}


@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.98, 0.01, 0.01), (1, 1), 5, 108])
def test_no_place_is_on_two_sides_and_no_side_is_empty(shares):
    tiles = fake(CONTEST)
    for seed in range(50):
        sides = grss.split_by_place(tiles, shares, seed=seed)
        places = [{tile.place for tile in side} for side in sides]
        assert all(places) and sum(map(len, places)) == len(set().union(*places)) == 108
        assert sorted(id(tile) for side in sides for tile in side) == sorted(map(id, tiles))


def test_sides_come_close_to_their_shares():
    tiles = fake(CONTEST)
    for seed in range(50):
        sides = grss.split_by_place(tiles, (7, 1.5, 1.5), seed=seed)
        assert [len(side) / len(tiles) for side in sides] == pytest.approx([0.7, 0.15, 0.15], abs=0.02)


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_the_tiles():
    tiles = fake(CONTEST)
    once = grss.split_by_place(tiles, (0.8, 0.2), seed=3)
    again = grss.split_by_place(tiles[::-1], (0.8, 0.2), seed=3)
    assert [set(side) for side in once] == [set(side) for side in again]
    assert len({tuple(grss.split_by_place(tiles, (0.8, 0.2), seed=seed)[1]) for seed in range(20)}) == 20


def test_the_split_is_the_same_on_every_machine_and_in_every_year():
    sides = grss.split_by_place(fake({f"JAX_{number:03d}": 1 for number in range(8)}), (6, 1, 1), seed=0)
    assert [[tile.place for tile in side] for side in sides[1:]] == [["JAX_001"], ["JAX_000"]]


@pytest.mark.parametrize("seed", range(10))
def test_as_many_sides_as_places_still_leave_none_empty(seed):
    sides = grss.split_by_place(fake({"JAX_001": 43, "JAX_002": 1, "OMA_001": 1}), (0.8, 0.1, 0.1), seed=seed)
    assert all(sides)


def test_too_few_places_are_counted_and_named():
    with pytest.raises(DataError, match=r"3 sides need .* 3 places; these 12 tiles show 2: JAX_001, JAX_002\."):
        grss.split_by_place(fake({"JAX_001": 6, "JAX_002": 6}), (0.6, 0.2, 0.2))


@pytest.mark.parametrize("shares", [(0.8, 0.2, 0), (0.8, -0.1), (1.0,), (), 1, 0])
def test_shares_that_leave_a_side_empty_are_refused(shares):
    with pytest.raises(ValueError, match="shares must be two or more numbers above 0"):
        grss.split_by_place(fake(CONTEST), shares)


# ---- what pixels mean ----


def test_codes_become_labels_bridges_are_17_and_unlabeled_is_ignored(tmp_path):
    arrays = {"CLS": np.zeros((2, 3), np.uint8)}
    fill("CLS", np.array([[2, 5, 6], [9, 17, 65]], np.uint8), arrays, tmp_path)
    assert arrays["CLS"].tolist() == [[0, 1, 2], [3, 4, grss.IGNORE]]
    assert [grss.CLASS_NAMES[label] for label in (0, 4)] == ["ground", "bridge or elevated road"]


def test_every_other_code_stops_and_is_named(tmp_path):
    arrays = {"CLS": np.zeros((2, 2), np.uint8)}
    for code in set(range(256)) - {2, 5, 6, 9, 17, 65}:
        with pytest.raises(DataError, match=rf"JAX_004_006_CLS\.tif has the class code {code};"):
            fill("CLS", np.array([[2, 5], [code, 65]], np.uint8), arrays, tmp_path / "JAX_004_006_CLS.tif")


def test_unknown_heights_are_zero_under_a_mask_and_negative_ones_stay(tmp_path):
    arrays = {"AGL": np.full((2, 2), 9, np.float32), "AGL_valid": np.zeros((2, 2), bool)}
    fill("AGL", np.array([[1.5, np.nan], [-0.25, np.inf]], np.float32), arrays, tmp_path)
    assert arrays["AGL"].tolist() == [[1.5, 0], [-0.25, 0]]
    assert arrays["AGL_valid"].tolist() == [[True, False], [True, False]]


def test_the_predominant_class_does_not_count_the_unlabeled():
    labels = np.array([[[4, 4], [255, 1]], [[255, 255], [255, 2]], [[255, 255], [255, 255]], [[3, 0], [0, 3]]])
    winner, labeled = grss.predominant_class(labels.astype(np.uint8))
    assert winner.tolist() == [4, 2, grss.IGNORE, 0] and winner.dtype == np.uint8
    assert labeled.tolist() == [0.75, 0.25, 0, 1]


def test_the_mean_height_does_not_count_the_unknown(recwarn):
    heights = np.array([[[1, 3], [0, 0]], [[0, 0], [0, 0]], [[-2, 0], [0, 0]]], np.float32)
    valid = np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]], bool)
    mean, known = grss.mean_height(heights, valid)
    np.testing.assert_array_equal(mean, np.float32([2, np.nan, -0.5]))
    assert known.tolist() == [0.5, 0, 1] and not recwarn.list
