"""The stand-in for the DFC2019 tiles: the format of the real ones, and heights that fit the classes."""

import warnings

import numpy as np
import pytest
import tifffile

from helpers.data.synthetic import is_stand_in, make_tiles
from helpers.data.synthetic.tiles import KINDS, picture, town

pytestmark = pytest.mark.slow

FORMATS = {
    "RGB": ((1024, 1024, 3), np.uint8),
    "MSI": ((1024, 1024, 8), np.uint16),
    "AGL": ((1024, 1024), np.float32),
    "CLS": ((1024, 1024), np.uint8),
}
REAL = {2: (132, 129, 132), 5: (92, 90, 90), 6: (159, 158, 160), 9: (51, 45, 63)}  # measured on a JAX preview


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    make_tiles(folder, 3, 2, workers=2, progress=False)
    return folder


@pytest.fixture(scope="module")
def layers(folder):
    """All six tiles, kind by kind."""
    return {kind: np.stack([tifffile.imread(file) for file in sorted(folder.glob(f"*_{kind}.tif"))]) for kind in KINDS}


@pytest.mark.long
def test_names_and_formats_are_those_of_the_contest(folder, layers):
    names = {f"JAX_{place:03d}_{view:03d}_{kind}.tif" for place in (1, 2, 3) for view in (1, 2) for kind in KINDS}
    assert {file.name for file in folder.glob("*.tif")} == names
    assert {kind: (array.shape[1:], array.dtype) for kind, array in layers.items()} == FORMATS


@pytest.mark.long
def test_msi_lies_on_the_disk_as_the_contest_wrote_it(folder):
    with tifffile.TiffFile(folder / "JAX_001_001_MSI.tif") as file:
        assert len(file.pages) == 1024  # each row became a page, which other programs misread


@pytest.mark.long
def test_classes_are_las_codes_and_all_occur(layers):
    assert set(np.unique(layers["CLS"])) == {2, 5, 6, 9, 17, 65}
    assert (layers["CLS"] == 65).mean() < 0.05


@pytest.mark.long
def test_heights_fit_the_classes(layers):
    heights = {code: layers["AGL"][layers["CLS"] == code] for code in (2, 5, 6, 9, 17)}
    assert abs(np.nanmedian(heights[2])) < 0.3 and abs(np.nanmedian(heights[9])) < 0.3
    assert 2 < np.nanmedian(heights[6]) < 20 and 2 < np.nanmedian(heights[5]) < 12
    assert 5 < np.nanmedian(heights[17]) < 10
    assert -1 < np.nanmin(layers["AGL"]) < 0
    assert 0.001 < np.isnan(layers["AGL"]).mean() < 0.1


@pytest.mark.long
@pytest.mark.parametrize("code", REAL)
def test_colours_are_near_the_measured_ones(layers, code):
    assert layers["RGB"][layers["CLS"] == code].mean(0) == pytest.approx(REAL[code], abs=32)


@pytest.mark.long
def test_plants_are_bright_in_the_infrared_and_water_is_dark(layers):
    infrared = {code: layers["MSI"][..., 6][layers["CLS"] == code].mean() for code in (5, 6, 9)}
    red = layers["MSI"][..., 4][layers["CLS"] == 5].mean()
    assert infrared[5] > 1.5 * red and infrared[9] < 0.4 * infrared[6]


@pytest.mark.long
def test_two_views_show_the_same_place(layers):
    first, second = layers["CLS"][:2]
    assert 0.6 < (first == second).mean() < 0.99
    assert (layers["CLS"][0] == layers["CLS"][2]).mean() < (first == second).mean()


@pytest.mark.long
def test_same_seed_same_pixels_and_what_is_there_is_kept(folder, layers):
    scene = town(np.random.default_rng([0, 3, 2]), 1152)
    again = picture(scene, np.random.default_rng([0, 4, 2, 1]))
    assert all(np.array_equal(again[kind], layers[kind][3], equal_nan=kind == "AGL") for kind in KINDS)
    before = {file: file.stat().st_mtime_ns for file in folder.glob("*.tif")}
    make_tiles(folder, 3, 2, progress=False)
    assert {file: file.stat().st_mtime_ns for file in folder.glob("*.tif")} == before


@pytest.mark.parametrize("kinds", [("RGB", "CLS", "AGL"), ("AGL",)])
def test_without_msi_the_other_kinds_are_what_they_are_with_it(kinds):
    scene = town(np.random.default_rng(1), 320)
    every, some = (picture(scene, np.random.default_rng(2), wanted) for wanted in (KINDS, kinds))
    assert every.keys() - some.keys() == {"MSI"}
    assert all(np.array_equal(some[kind], every[kind], equal_nan=kind == "AGL") for kind in kinds)


@pytest.mark.long
def test_it_says_what_it_is(folder):
    assert is_stand_in(folder)


def test_numbers_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="must be 1 or more"):
        make_tiles(tmp_path, places=0)


def test_nothing_warns(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture(town(np.random.default_rng(5), 1152), np.random.default_rng(5))
