"""Places to make a map of: tiles side by side on one grid, parts of them, and rasters of one's own."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from chesapeake_tiles import make_land, poke, write_tile
from rasterio.transform import from_origin

from helpers.data import DataError, NoDataError
from helpers.data.chesapeake.bands import LABELS, channels
from helpers.data.chesapeake.mosaic import Mosaic, Picture, bounds_of, degrees, find_tile, tile_bounds, tiles_in
from helpers.data.chesapeake.tiles import Tile
from helpers.data.streaming import FileError

NAIP = channels(["naip_new"])
COURSE = channels(["naip_new", "naip_old", "landsat_leaf_on", "landsat_leaf_off"])
WEST, NORTH = 300_000, 4_400_000


def tile(folder, seed, name, *, east=0, south=0, size=(90, 80), **profile):
    """Write a tile some metres from the first; return it and its land."""
    land = make_land(seed, *size)
    place = {"transform": from_origin(WEST + east, NORTH - south, 1, 1), **profile}
    return Tile(write_tile(folder, land, name, **place)), land


@pytest.fixture
def two(tmp_path):
    """Give two tiles that overlap by 20 columns, and the second of which begins 10 rows further down."""
    return [
        tile(tmp_path / "a", 1, "m_3907501_nw_18_1"),
        tile(tmp_path / "b", 2, "m_3907501_ne_18_1", east=60, south=10),
    ]


@pytest.mark.parametrize("chosen", [NAIP, COURSE, [LABELS], [27, 3, 0]])
@pytest.mark.parametrize("place", [(0, 0, 90, 80), (3, 5, 20, 31), (89, 79, 1, 1)])
def test_one_tile_is_read_as_it_is(tmp_path, chosen, place):
    own, land = tile(tmp_path, 1, "m_3907501_nw_18_1")
    mosaic = Mosaic([own])
    row, column, rows, columns = place
    block = mosaic.read(*place, chosen)
    np.testing.assert_array_equal(block.pixels, land[chosen, row : row + rows, column : column + columns])
    assert block.has_data.all() and block.pixels.dtype == np.float32
    assert (mosaic.shape, mosaic.crs, mosaic.transform) == (own.shape, own.crs, own.transform)


def test_tiles_lie_where_they_lie_the_first_on_top_and_nothing_between_them(two):
    (first, one), (second, other) = two
    mosaic = Mosaic([first, second])
    assert mosaic.shape == (100, 140) and mosaic.name == "m_3907501_nw_18_1, m_3907501_ne_18_1"
    block = mosaic.read(0, 0, 100, 140, COURSE)
    np.testing.assert_array_equal(block.pixels[:, :90, :80], one[COURSE])
    np.testing.assert_array_equal(block.pixels[:, 10:, 80:], other[COURSE][..., 20:])
    np.testing.assert_array_equal(block.pixels[:, 90:, 60:80], other[COURSE][:, 80:, :20])
    assert not block.has_data[:10, 80:].any() and not block.has_data[90:, :60].any()
    assert block.has_data.sum() == 2 * 90 * 80 - 80 * 20
    part = mosaic.read(40, 50, 30, 70, COURSE)
    np.testing.assert_array_equal(part.pixels, block.pixels[:, 40:70, 50:120])
    turned = Mosaic([second, first])
    assert (turned.shape, turned.transform) == (mosaic.shape, mosaic.transform)
    np.testing.assert_array_equal(turned.read(10, 60, 90, 80, NAIP).pixels, other[NAIP])


@pytest.mark.parametrize("mark", [-9999, np.nan])
def test_a_gap_is_filled_by_the_tile_below_or_has_no_data(tmp_path, mark):
    files = write_tile(tmp_path / "a", make_land(1, 40, 40), "m_3907501_nw_18_1")
    poke(files["landsat-leaf-on"], mark)
    below, land = tile(tmp_path / "b", 2, "m_3907501_ne_18_1", size=(40, 40))
    alone = Mosaic([Tile(files)]).read(0, 0, 40, 40, COURSE)
    assert not alone.has_data[:2, :3].any() and alone.has_data.sum() == 1600 - 6
    assert (alone.pixels[:, ~alone.has_data] == 0).all()
    assert Mosaic([Tile(files)]).read(0, 0, 40, 40, NAIP).has_data.all(), "a layer that is not asked for has no gaps"
    both = Mosaic([Tile(files), below]).read(0, 0, 40, 40, COURSE)
    assert both.has_data.all()
    np.testing.assert_array_equal(both.pixels[:, :2, :3], land[COURSE, :2, :3])


def test_bounds_cut_to_whole_pixels_and_to_the_tiles_that_they_meet(two):
    tiles = [each for each, _ in two]
    west, south, east, north = bounds_of(tiles[0].crs, from_origin(WEST + 10, NORTH - 20, 1, 1), (30, 40))
    part = Mosaic(tiles, (west, south, east, north))
    assert part.tiles == [tiles[0]]
    # turned by the convergence of the meridians, a rectangle in degrees is a little larger in metres
    assert abs(part.shape[0] - 30) <= 5 and abs(part.shape[1] - 40) <= 5
    down, right = round(NORTH - part.transform.f), round(part.transform.c - WEST)
    assert abs(down - 20) <= 3 and abs(right - 10) <= 3
    rows, columns = part.shape
    found = part.read(0, 0, rows, columns, NAIP).pixels
    np.testing.assert_array_equal(found, two[0][1][NAIP, down : down + rows, right : right + columns])
    whole = Mosaic(tiles, (west - 1, south - 1, east + 1, north + 1))
    assert whole.shape == Mosaic(tiles).shape and whole.tiles == tiles


def test_bounds_beside_all_tiles_are_told_where_the_tiles_are(two):
    with pytest.raises(DataError, match=r"no tile shows anything of W 1\.0.* The 2 tiles that are here lie in W -77\."):
        Mosaic([each for each, _ in two], (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ({"crs": "EPSG:26917"}, r"is in EPSG:26917, and m_3907501_nw_18_1 in EPSG:26918: a map has one"),
        ({"transform": from_origin(WEST, NORTH, 2, 2)}, r"has pixels of 2 units, and m_3907501_nw_18_1 of 1"),
    ],
)
def test_tiles_that_make_no_one_raster_are_named(tmp_path, profile, told):
    first, _ = tile(tmp_path / "a", 1, "m_3907501_nw_18_1")
    other, _ = tile(tmp_path / "b", 2, "m_3907501_ne_18_1", **profile)
    with pytest.raises(DataError, match=told):
        Mosaic([first, other])


@pytest.mark.parametrize("beside", [0.4, -0.4])
def test_a_tile_between_the_pixels_is_moved_to_the_nearest(tmp_path, beside):
    first, _ = tile(tmp_path / "a", 1, "m_3907501_nw_18_1")
    other, land = tile(tmp_path / "b", 2, "m_3907501_ne_18_1", east=80 + beside)
    mosaic = Mosaic([first, other])
    assert mosaic.shape == (90, 160)
    np.testing.assert_array_equal(mosaic.read(0, 80, 90, 80, NAIP).pixels, land[NAIP])


def test_a_tile_is_found_by_its_name_and_a_slip_is_told(two, tmp_path):
    assert find_tile("m_3907501_ne_18_1", [tmp_path]).shape == (90, 80)
    found = tiles_in((-180, -90, 180, 90), [tmp_path / "b", tmp_path])
    assert [each.name for each in found] == ["m_3907501_ne_18_1", "m_3907501_nw_18_1"]
    with pytest.raises(NoDataError, match=r"no tile m_3907501_ne_18_2 in .* Did you mean 'm_3907501_ne_18_1'\? 2 are"):
        find_tile("m_3907501_ne_18_2", [tmp_path])
    (tmp_path / "c").mkdir()
    with pytest.raises(NoDataError, match=r"there are no tiles in .*c\. A tile is seven layers"):
        find_tile("m_3907501_ne_18_1", [tmp_path / "c"])


def spoil(tile, how):
    """Take the labels of a tile away, or cut the file of its first layer short."""
    tile.close()
    if how == "missing":
        Path(tile.files["lc"]).unlink()
    else:
        Path(tile.files["naip-new"]).write_bytes(b"II*\0")


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_broken_tile_stops_only_who_wants_it(tmp_path, how):
    good, _ = tile(tmp_path / "a", 1, "m_3907501_nw_18_1")
    bad, _ = tile(tmp_path / "b", 2, "m_3907501_ne_18_1", east=5000)
    at_good, at_bad = tile_bounds(good), tile_bounds(bad)
    spoil(bad, how)
    told = []
    assert find_tile(good.name, [tmp_path]).name == good.name
    assert [each.name for each in tiles_in(at_good, [tmp_path], tell=told.append)] == [good.name]
    with pytest.raises(DataError, match=r"lacks lc|cannot be opened"):
        Mosaic(tiles_in(at_bad, [tmp_path], tell=told.append), at_bad)
    assert told == []
    for layer in bad.files.values():
        Path(layer).write_text("nothing")
    assert [each.name for each in tiles_in(at_good, [tmp_path], tell=told.append)] == [good.name]
    assert len(told) == 1 and "m_3907501_ne_18_1: no layer can be opened" in told[0]
    with pytest.raises(DataError, match=r"no tile shows anything of W 1\.0.* The 1 tiles that are here lie in W -77\."):
        tiles_in((1, 2, 3, 4), [tmp_path], tell=told.append)


@pytest.mark.parametrize("label", [9, 255])
def test_a_label_that_is_none_is_named_with_its_file(tmp_path, label):
    own, _ = tile(tmp_path, 1, "m_3907501_nw_18_1")
    poke(own.files["lc"], label)
    with pytest.raises(FileError, match=rf"_lc\.tif: has label {label} at 6 pixels"):
        Mosaic([own]).read(0, 0, 90, 80, [LABELS])
    Mosaic([own]).read(0, 0, 90, 80, NAIP)


def test_what_a_tile_shows_is_told_in_degrees(two):
    west, south, east, north = tile_bounds(two[0][0])
    assert -78 < west < east < -77 and 39 < south < north < 40
    assert degrees((west, south, east, north)).startswith("W -77.")


# ---- rasters of one's own ----


def write_picture(path, bands, **profile):
    place = {"crs": "EPSG:26918", "transform": from_origin(WEST, NORTH, 1, 1)}
    size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", **{**place, **size, **profile}) as file:
        file.write(bands)
    return path


@pytest.mark.parametrize(("chosen", "dtype"), [(NAIP, "uint8"), (COURSE, "float32"), (COURSE, "uint16")])
def test_a_raster_has_the_bands_of_the_network_in_their_order(tmp_path, chosen, dtype):
    land = make_land(1, 50, 60)[chosen].astype(dtype)
    picture = Picture(write_picture(tmp_path / "town.tif", land), chosen)
    assert (picture.name, picture.shape) == ("town", (50, 60))
    block = picture.read(5, 6, 7, 8, chosen)
    np.testing.assert_array_equal(block.pixels, land[:, 5:12, 6:14].astype(np.float32))
    np.testing.assert_array_equal(picture.read(5, 6, 7, 8, chosen[2:3]).pixels, block.pixels[2:3])
    assert block.has_data.all()


@pytest.mark.parametrize(("dtype", "mark"), [("uint8", 0), ("float32", -9999), ("float32", np.nan)])
def test_no_data_of_a_raster_are_none(tmp_path, dtype, mark):
    land = np.maximum(make_land(1, 20, 30)[NAIP], 1).astype(dtype)
    land[:, 3:5, 7:9] = mark
    block = Picture(write_picture(tmp_path / "town.tif", land, nodata=mark), NAIP).read(0, 0, 20, 30, NAIP)
    assert not block.has_data[3:5, 7:9].any() and block.has_data.sum() == 596
    assert (block.pixels[:, 3:5, 7:9] == 0).all()


def test_a_dark_pixel_has_data_where_0_marks_none(tmp_path):
    land = np.maximum(make_land(1, 20, 30)[NAIP], 1).astype(np.uint8)
    land[0, 3, 7] = 0
    assert Picture(write_picture(tmp_path / "town.tif", land, nodata=0), NAIP).read(0, 0, 20, 30, NAIP).has_data.all()


@pytest.mark.parametrize("beside", [False, True])
def test_a_mask_of_a_raster_says_where_there_are_no_data(tmp_path, beside):
    land = np.maximum(make_land(1, 20, 30)[NAIP], 1).astype(np.uint8)
    path = write_picture(tmp_path / "town.tif", land)
    mask = np.full((20, 30), 255, np.uint8)
    mask[3:5, 7:9] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not beside), rasterio.open(path, "r+") as file:
        file.write_mask(mask)
    assert (tmp_path / "town.tif.msk").exists() == beside
    np.testing.assert_array_equal(Picture(path, NAIP).read(0, 0, 20, 30, NAIP).has_data, mask > 0)


def test_bands_may_mark_no_data_each_by_another_number(tmp_path):
    land = np.maximum(make_land(1, 20, 30)[NAIP], 3).astype(np.uint8)
    land[0, 3, 7], land[2, 4, 8], land[2, 5, 9] = 1, 2, 1
    path = write_picture(tmp_path / "town.tif", land)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}">{f"<NoDataValue>{tag}</NoDataValue>" if tag else ""}'
        f'<SimpleSource><SourceFilename relativeToVRT="1">town.tif</SourceFilename><SourceBand>{band}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for band, tag in enumerate([1, None, 2, None], start=1)
    )
    with rasterio.open(path) as file:
        place = f"<SRS>EPSG:26918</SRS><GeoTransform>{', '.join(map(str, file.transform.to_gdal()))}</GeoTransform>"
    (tmp_path / "town.vrt").write_text(f'<VRTDataset rasterXSize="30" rasterYSize="20">{place}{bands}</VRTDataset>')
    has_data = Picture(tmp_path / "town.vrt", NAIP).read(0, 0, 20, 30, NAIP).has_data
    assert np.argwhere(~has_data).tolist() == [[3, 7], [4, 8]]


@pytest.mark.parametrize("opaque", [0.5, 1])
def test_a_mask_in_place_of_a_band_is_named(tmp_path, opaque):
    land = make_land(1, 20, 30)[NAIP].astype(np.uint8)
    assert Picture(write_picture(tmp_path / "town.tif", land), NAIP), "GDAL calls the fourth band of bytes alpha"
    assert Picture(write_picture(tmp_path / "hole.tif", 0 * land), NAIP), "nor is a hole in the middle a mask"
    land[3] = 255 * (np.random.default_rng(0).random((20, 30)) < opaque)
    path = write_picture(tmp_path / "town.tif", land)
    with pytest.raises(FileError, match=r"has a mask \(alpha\) in place of naip_new_nir"):
        Picture(path, NAIP)


@pytest.mark.parametrize("border", [2, 3])
def test_a_mask_that_fades_is_named_and_bright_infrared_is_none(tmp_path, border):
    land = make_land(1, 20, 30)[NAIP].astype(np.uint8)
    land[3] = np.random.default_rng(1).integers(1, 256, (20, 30))
    land[3, :, :10] = 255  # a roof
    assert Picture(write_picture(tmp_path / "town.tif", land), NAIP)
    rows, columns = np.ogrid[:20, :30]
    edge = np.minimum(np.minimum(rows, 19 - rows), np.minimum(columns, 29 - columns))
    land[3] = np.minimum(255, edge * 255 // border)
    assert len(np.unique(land[3])) > 2
    with pytest.raises(FileError, match=r"has a mask \(alpha\) in place of naip_new_nir"):
        Picture(write_picture(tmp_path / "soft.tif", land), NAIP)


@pytest.mark.parametrize(
    ("bands", "profile", "told"),
    [
        (3, {}, r"has 3 bands, and the network was trained on 4: naip_new_red, .*, naip_new_nir"),
        (1, {}, r"has 1 band, and"),
        (4, {"crs": None}, "has no georeference"),
        (
            4,
            {"crs": "EPSG:4326", "transform": from_origin(-77, 39, 1e-5, 1e-5)},
            r"is in degrees \(EPSG:4326\).*rio warp",
        ),
        (4, {"transform": rasterio.Affine(1, 0.1, WEST, 0.1, -1, NORTH)}, r"is turned; .*rio warp"),
        (4, {"transform": rasterio.Affine(1, 0, WEST, 0, 1, NORTH)}, "is turned; rows must run"),
        (4, {"transform": rasterio.Affine(-1, 0, WEST, 0, -1, NORTH)}, "is turned; rows must run"),
        (
            4,
            {"crs": "EPSG:3857", "transform": from_origin(-8_570_000, 4_790_000, 1, 1)},
            r"seem 1\.6\d times as large as they are \(EPSG:3857\); .*rio warp",
        ),
        (4, {"transform": from_origin(WEST + 2_000_000, NORTH, 1, 1)}, r"seem 1\.\d+ times as large as they are"),
    ],
)
def test_a_raster_that_does_not_fit_is_named(tmp_path, bands, profile, told):
    path = write_picture(tmp_path / "town.tif", make_land(1, 20, 30)[:bands].astype(np.uint8), **profile)
    with pytest.raises(FileError, match=rf"town\.tif.*{told}"):
        Picture(path, NAIP)


def test_a_raster_that_is_scaled_already_or_none_is_named(tmp_path):
    bytes_ = make_land(1, 20, 30)[:4]
    for scaled, most in [((bytes_ / 255).astype(np.float32), "1"), ((bytes_ * 200).astype(np.uint16), "51000")]:
        with pytest.raises(FileError, match=f"values of 0 to {most} where a camera's go from 0 to 255"):
            Picture(write_picture(tmp_path / "town.tif", scaled), NAIP)
    (tmp_path / "text.tif").write_text("text")
    with pytest.raises(FileError, match=r"text\.tif.*cannot be opened as a raster"):
        Picture(tmp_path / "text.tif", NAIP)


def test_a_raster_that_is_cut_short_is_named(tmp_path):
    path = write_picture(tmp_path / "town.tif", make_land(1, 400, 300)[:4].astype(np.uint8))
    path.write_bytes(path.read_bytes()[:-200_000])
    with pytest.raises(FileError, match=r"town\.tif.*cut short or damaged"):
        Picture(path, NAIP).read(0, 0, 400, 300, NAIP)
