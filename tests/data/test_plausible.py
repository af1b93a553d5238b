"""What `./course data check` says of values that can be read: impossible is an error, unlike real land is a warning."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from chesapeake_patches import make_patch, names, write

from helpers import cli
from helpers.data import chesapeake, fetch
from helpers.data.chesapeake.bands import CHANNELS, GROUPS, THERMAL
from helpers.data.packing import pack
from helpers.data.synthetic.patches import tile_layers

NAME = names(3907506, [0])[0]
LEAF_ON, LEAF_OFF = list(GROUPS["landsat_leaf_on"]), list(GROUPS["landsat_leaf_off"])
LANDSAT = LEAF_ON + LEAF_OFF
REFLECTANCE = [channel for channel in LANDSAT if channel not in THERMAL]

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute


@pytest.fixture(scope="module")
def base():
    """Return a patch of which nothing is odd, float32, (29, 256, 256)."""
    return make_patch(0)[0]


@pytest.fixture
def check(tmp_path, capsys):
    """Check one patch: returns the exit status, what is wrong, what is odd with the numbers, and the printed text."""

    def call(patch):
        np.savez(tmp_path / NAME, patch)
        capsys.readouterr()
        status = cli.main(["data", "check", str(tmp_path)])
        text = capsys.readouterr().out
        assert cli.main(["data", "check", str(tmp_path), "--json"]) == status
        found = json.loads(capsys.readouterr().out)
        path = str(tmp_path / NAME)
        return status, found["broken"].get(path, ""), found["warnings"].get(path, {}), text

    return call


def changed(patch, channels, change):
    """Return a copy in which some channels are changed."""
    copy = patch.copy()
    copy[channels] = change(copy[channels])
    return copy


def constant(value):
    return lambda planes: np.full_like(planes, value)


def part(value):
    return lambda planes: np.concatenate([np.full_like(planes[:, :32], value), planes[:, 32:]], axis=1)


def wrapped(planes):
    return planes.astype(np.uint16) % 256


def stretched(planes):
    low, high = planes.min((1, 2), keepdims=True), planes.max((1, 2), keepdims=True)
    return np.rint(255 * (planes - low) / (high - low))


# ---- errors ----


@pytest.mark.parametrize(("dtype", "wanted"), [(bool, "true and false"), (np.uint8, "uint8"), (np.int8, "int8")])
def test_a_dtype_too_small_is_an_error(base, check, dtype, wanted):
    status, problem, _, _ = check(base.astype(np.int64).astype(dtype))
    assert status == 1 and wanted in problem and "again as float32" in problem


IMPOSSIBLE = {
    "landsat_marked": (LANDSAT, constant(-9999), "nothing but -9999", "landsat_leaf_on_1"),
    "landsat_full": (LANDSAT, constant(65535), "nothing but 65535", "and 15 more"),
    "landsat_zero": (LANDSAT, constant(0), "nothing but 0", "and 15 more"),
    "one_band": ([12], constant(-32768), "nothing but -32768", "landsat_leaf_on_3"),
    "gdal": ([23], constant(np.finfo(np.float32).min), "nothing but -3.40282e+38", "landsat_leaf_off_5"),
    "celsius": (THERMAL, lambda planes: planes / 10 - 273.15, "degrees Celsius", "leaf_on_10, landsat_leaf_on_11"),
    "kelvin": ([26], lambda planes: planes / 10, "in kelvin", "landsat_leaf_off_10;"),
    "fraction": (LANDSAT, lambda planes: planes / 10_000, "scaled to 0 to 1", "landsat_leaf_on_10"),
    "collection_2": (LANDSAT, lambda planes: planes * 4 + 30_000, "Collection 2", "landsat_leaf_on_1"),
    "wrapped": (LANDSAT, wrapped, "remainders of 256", "landsat_leaf_on_10"),
    "one_season": (LEAF_OFF, wrapped, "remainders of 256", "leaf_off_10 and landsat_leaf_off_11;"),
    "negative": ([14], lambda planes: np.where(planes < 300, 65_530, planes), "take 65,536 off", "landsat_leaf_on_5"),
    "one_pixel": ([19], lambda planes: np.where(np.arange(65536).reshape(256, 256) == 7, 1e9, planes), "1e+09", "_1;"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_no_sensor_gives_is_an_error(base, check, case):
    channels, change, wanted, where = IMPOSSIBLE[case]
    status, problem, _, text = check(changed(base, channels, change))
    assert status == 1 and wanted in problem and where in problem and wanted in text


# ---- warnings ----

ODD = {
    "naip_black": (range(8), constant(0), "one value at every pixel", "naip_new_red: 0 (real patches: 12 to 251)"),
    "naip_white": (range(8), constant(255), "one value at every pixel", "naip_old_nir: 255 (real patches: 2 to 255)"),
    "one_colour": ([3], constant(0), "one value at every pixel", "naip_new_nir: 0 (real patches: 0 to 220)"),
    "one_landsat": ([22], constant(700.5), "one value", "landsat_leaf_off_4: 700.5 (real patches: 73 to 6742.5)"),
    "one_zero": ([10], constant(0), "one value", "landsat_leaf_on_1: 0 (real patches: 16 to 2655)"),
    "one_thermal": ([17], constant(2945), "one value", "landsat_leaf_on_10: 2945 (real patches: 2916 to 3063)"),
    "naip_bits": (range(8), lambda planes: planes > 99, "far darker", "naip_old_blue: mean on land 0."),
    "over_255": (REFLECTANCE, lambda planes: np.rint(planes / 40), "far darker", "landsat_leaf_off_7: mean on land"),
    "naip_light": (range(4), lambda planes: 255 - planes // 128, "far brighter", "naip_new_green: mean on land 254"),
    "clouds": ([11], lambda planes: planes + 6000, "Collection 2", "landsat_leaf_on_2: mean on land"),
    "fraction": (REFLECTANCE, lambda planes: planes / 10_000, "lies between -2 and 2", "landsat_leaf_off_1: 0.01"),
    "ndvi": ([14], lambda planes: planes / 4500, "an index such as NDVI", "landsat_leaf_on_5: 0.0"),
    "wrapped": (REFLECTANCE, wrapped, "remainder of 256", "landsat_leaf_on_7: "),
    "wrapped_one": ([24], wrapped, "remainder of 256", "landsat_leaf_off_6: "),
    "stretched": ([13], stretched, "stretched", "landsat_leaf_on_4: 0 to 255 (real patches: 123 to 4385)"),
    "cold": ([27], lambda planes: planes * 0.75, "colder than -40", "(real patches: 2607 to 2914.5)"),
    "marked": ([11, 26], part(-9999), "a mark for missing data", "landsat_leaf_off_10: at 12.50% of the pixels"),
    "cut_off": (range(4, 8), part(0), "a part of the picture is empty", "naip_old: 0 in all bands of 12.5% of"),
    "no_landsat": (LEAF_ON, part(0), "a part of the picture is empty", "landsat_leaf_on: 0 in all bands of 12.5% of"),
    "unlabelled": ([8], constant(15), "no pixel has a class", "labels: 15"),
    "no_data": ([8], lambda planes: np.where(planes > 3, 15, 0), "no pixel has a class", "labels: 0 to 15"),
    "nlcd": ([9], part(57), "codes that do not exist", "nlcd: 57 at 12.5% of the pixels"),
    "no_nlcd": ([9], constant(0), "one value at every pixel", "nlcd: 0"),
    "roofs": ([28], lambda planes: planes * 255, "codes that do not exist", "buildings: 255 at"),
    "one_roof": ([28], constant(1), "one value at every pixel", "buildings: 1"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_no_land_has_is_a_warning_with_numbers(base, check, case):
    channels, change, wanted, numbers = ODD[case]
    status, problem, warnings, text = check(changed(base, list(channels), change))
    assert (status, problem) == (0, "") and "1 patch, none broken, 1 with warnings." in text
    (found,) = [warnings[message] for message in warnings if wanted in message]
    assert any(line.startswith(numbers) or numbers in line for line in found), found
    assert "Warning, 1 file: " in text and wanted in text
    assert len(warnings) == 1 or case == "no_landsat"  # one fault, one warning; there the thermal bands have theirs


def test_only_the_bands_that_are_odd_are_named(base, check):
    _, _, warnings, text = check(changed(base, [3, 22], constant(9)))
    (found,) = warnings.values()
    assert [line.partition(":")[0] for line in found] == [CHANNELS[3], CHANNELS[22]]
    _, _, warnings, text = check(changed(base, list(range(8)), constant(9)))
    assert [len(found) for found in warnings.values()] == [8] and "… and 5 bands more" in text


def test_files_with_the_same_warning_stand_together(base, tmp_path, capsys):
    for number, channel in enumerate([0, 1, 2, 3, 4, 5, 6]):
        np.savez(tmp_path / f"a-{number}.npz", changed(base, [channel], constant(number)))
    np.savez(tmp_path / "b-0.npz", changed(base, [8], constant(15)))
    np.savez(tmp_path / "c-0.npz", changed(base, [8], constant(99)))
    assert cli.main(["data", "check", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "9 patches, 1 broken, 8 with warnings." in text
    assert text.index("1 file: has label 99") < text.index("Warning, 7 files") < text.index("Warning, 1 file")
    assert "… and 2 more (--json names all)" in text and text.count("one value at every pixel") == 1


# ---- nothing odd ----


def test_open_water_may_be_dark_and_of_one_temperature(base, check):
    water = changed(changed(base, [8], constant(1)), REFLECTANCE, lambda planes: planes / 100 // 0.5 / 2)
    assert check(changed(water, [17], constant(2945)))[:3] == (0, "", {})


def test_snow_and_a_little_black_are_nothing_odd(base, check):
    snow = changed(base, LEAF_OFF[:7], lambda planes: 8000 + planes / 10)
    snow[:8, :1] = 0
    assert check(snow)[:3] == (0, "", {})


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.float64, ">f4"])
def test_what_is_odd_does_not_hang_on_the_dtype(base, check, dtype):
    assert check(base.astype(dtype))[:3] == (0, "", {})
    assert "one value" in check(changed(base, [3], constant(0)).astype(dtype))[3]


def test_stand_ins_give_no_warnings(check):
    layers = tile_layers(0, 0)
    for corner in ((8, 8), (300, 500)):
        cut = tuple(slice(first, first + 256) for first in corner)
        assert check(layers[:, *cut])[:3] == (0, "", {})


def test_real_patches_give_no_warnings(require):
    folder = fetch.find("chesapeake")
    require(folder, "no real patches in the data folders")
    for patch in chesapeake.find_patches(folder)[:50]:
        assert chesapeake.DATA_SET.check(patch.path) == {}


def test_a_real_tile_with_every_class_gives_no_warnings(check):
    layers = ("naip-new", "naip-old", "lc", "nlcd", "landsat-leaf-on", "landsat-leaf-off", "buildings")
    found = [path for folder in fetch.data_folders() for path in folder.glob("chesapeake_tiles/*/*_lc.tif")]
    if not found:
        pytest.skip("no real tile in the data folders")
    planes = [tifffile.imread(str(found[0]).replace("_lc.tif", f"_{layer}.tif")) for layer in layers]
    planes = [
        plane[None] if plane.ndim == 2 else np.moveaxis(plane, int(np.argmin(plane.shape)), 0) for plane in planes
    ]
    tile = np.concatenate([plane.astype(np.float32) for plane in planes])
    for row, column in ((0, 0), (100, 60), (228, 228)):  # 32 x 32 of its pixels become a patch
        part = tile[:, row : row + 32, column : column + 32].repeat(8, axis=1).repeat(8, axis=2)
        assert check(part)[:3] == (0, "", {})


def test_packed_patches_are_judged_alike(base, tmp_path, capsys):
    write(tmp_path / "in", ["a-0.npz"], base)
    write(tmp_path / "in", ["b-0.npz"], changed(base, [3], constant(0)))
    write(tmp_path / "in", ["c-0.npz"], changed(base, LANDSAT, constant(-9999)))
    pack(tmp_path / "in", tmp_path / "out", progress=False)
    told = []
    for folder in ("in", "out"):
        assert cli.main(["data", "check", str(tmp_path / folder), "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        told.append([{Path(path).name: facts for path, facts in found[key].items()} for key in ("broken", "warnings")])
    assert told[0] == told[1] and list(told[0][0]) == ["c-0.npz"] and list(told[0][1]) == ["b-0.npz"]
