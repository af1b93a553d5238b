"""`./course data check` on what is good and on every kind of damage."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from chesapeake_patches import make_patch, names, write
from grss_tiles import SIZE, write_many

from helpers import cli
from helpers.data import digits, fetch
from helpers.data.checking import looks_below
from helpers.data.packing import pack

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

TILE = ["--tile-size", str(SIZE)]


@pytest.fixture
def check(capsys):
    """Check a folder: returns the exit status, the text of the report, and the broken files by name."""

    def call(folder) -> tuple[int, str, dict[str, str]]:
        capsys.readouterr()
        status = cli.main(["data", "check", str(folder), *TILE])
        text = capsys.readouterr().out
        assert cli.main(["data", "check", str(folder), *TILE, "--json"]) == status
        found = json.loads(capsys.readouterr().out)
        return status, text, {Path(path).name: problem for path, problem in found["broken"].items()}

    return call


def with_value(channel, value):
    patch = make_patch(0)
    patch[0, channel, 3, 5] = value
    return patch


def save(path, array, key="arr_0"):
    np.savez_compressed(path, **{key: array})


DAMAGES = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "is truncated"),
    "bits": (lambda path: flip(path, 9000), "is damaged"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "no_zip": (lambda path: path.write_text("<html>Sign in to download</html>"), "and is not one"),
    "key": (lambda path: save(path, make_patch(0), "image"), 'holds image, not "arr_0"'),
    "shape": (lambda path: save(path, make_patch(0)[:, :28]), "shape (1, 28, 256, 256), not (29, 256, 256)"),
    "text": (lambda path: save(path, np.array(["a", "b"])), "which are not numbers"),
    "nan": (lambda path: save(path, with_value(20, np.nan)), "not finite in landsat_leaf_off_2"),
    "infinite": (lambda path: save(path, with_value(6, np.inf)), "not finite in naip_old_blue"),
    "label": (lambda path: save(path, with_value(8, 200)), "has label 200 at 1 pixels"),
    "half_label": (lambda path: save(path, with_value(8, 2.5)), "has label 2.5"),
    "colour": (lambda path: save(path, with_value(1, 17.25)), "has 17.25 in naip_new_green, wanted whole numbers"),
    "bright": (lambda path: save(path, with_value(3, 300)), "has 300 in naip_new_nir, wanted whole numbers"),
    "gone": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "cannot be read: No such file"),
}


def flip(path, place):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 0xFF
    path.write_bytes(raw)


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_named_and_the_good_patch_beside_it_is_not(damage, tmp_path, check):
    spoil, wanted = DAMAGES[damage]
    write(tmp_path, ["good.npz"], make_patch(1))
    write(tmp_path, ["bad.npz"], make_patch(2))
    spoil(tmp_path / "bad.npz")
    status, text, broken = check(tmp_path)
    assert status == 1 and list(broken) == ["bad.npz"]
    assert wanted in broken["bad.npz"] and wanted in text
    assert "2 patches, 1 broken" in text and str(tmp_path) not in broken["bad.npz"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_good_patches_of_any_dtype_pass(dtype, tmp_path, check):
    write(tmp_path / "a" / "b", names(3900000, range(3)), make_patch(0).astype(dtype))
    assert check(tmp_path) == (0, f"{tmp_path}: 3 patches, all good.\n", {})


def test_landsat_may_hold_any_finite_number(tmp_path, check):
    write(tmp_path, ["fine.npz"], with_value(12, 1234.567))
    assert check(tmp_path)[0] == 0


def test_an_unreadable_patch_is_named(tmp_path, check, monkeypatch):
    write(tmp_path, ["secret.npz"], make_patch(0))
    write(tmp_path, ["open.npz"], make_patch(0))
    real = os.open

    def refuse(path, *rest, **options):
        if str(path).endswith("secret.npz"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    status, _, broken = check(tmp_path)
    assert status == 1 and broken == {"secret.npz": "cannot be read: Permission denied."}


def test_a_patch_that_vanishes_after_it_was_listed_is_named(tmp_path):
    (path,) = write(tmp_path, ["a.npz"], make_patch(0))
    (look,) = looks_below(tmp_path, tile_size=SIZE)
    assert look.result() == ("", {})
    Path(path).unlink()
    assert look.result().problem == "cannot be read: No such file or directory."


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch, capsys):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert cli.main(["data", "check", str(tmp_path)]) == 1
    assert "cannot be listed: Permission denied" in capsys.readouterr().out


def test_broken_files_are_grouped_by_what_is_wrong(tmp_path, check):
    for count in range(1, 8):
        patch = make_patch(0)
        patch[0, 8, 0, :count] = 99
        write(tmp_path, [f"label-{count}.npz"], patch)
    (tmp_path / "empty.npz").touch()
    _, text, broken = check(tmp_path)
    assert len(broken) == 8
    first, second = text.split("\n\n")[1:3]
    assert first.startswith("7 files: has label 99 at 1 pixels.") and "… and 2 more (--json names all)" in first
    assert second.startswith("1 file: ") and "empty.npz" in second


@pytest.mark.parametrize("place", ["nothing", "nowhere"])
def test_nothing_to_check_is_status_2(place, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    assert cli.main(["data", "check", str(tmp_path / place)]) == 2
    complaint = capsys.readouterr().err
    assert (
        f"{tmp_path / place} has no digit files, no patches and no tile files" in complaint
        or f"no folder {tmp_path / place}" in complaint
    )


def test_digits_are_checked_as_digits_and_are_no_broken_patches(tmp_path, check, monkeypatch):
    write(tmp_path, ["a.npz"], make_patch(0))
    digits.make_stand_in(tmp_path / "digits.npz")
    assert check(tmp_path)[1] == f"{tmp_path}: 1 digit file and 1 patch, all good.\n"
    shutil.copy(tmp_path / "digits.npz", tmp_path / "mnist.npz")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\2\7")
    np.savez(tmp_path / "digits.npz", **dict.fromkeys(digits.IDX_FILES, np.zeros((3, 3))))
    status, text, broken = check(tmp_path)
    assert status == 1 and "3 digit files and 1 patch, 3 broken" in text
    assert "is not MNIST: x_train is uint8 (1500, 28, 28)" in broken["mnist.npz"]
    assert "cannot be read" in broken["t10k-labels-idx1-ubyte"] and "is no stand-in" in broken["digits.npz"]


def test_the_real_patches_pass(check, require):
    folder = fetch.find("chesapeake")
    require(folder, "no real patches in the data folders")
    status, text, _ = check(folder)
    assert status == 0 and "all good" in text


# ---- shards ----


def test_packed_patches_are_checked_one_by_one(tmp_path, check):
    write(tmp_path / "files", names(3900000, range(4)), make_patch(0))
    pack(tmp_path / "files", tmp_path / "packed", progress=False)
    assert check(tmp_path / "packed")[:2] == (0, f"{tmp_path / 'packed'}: 4 patches, all good.\n")
    (shard,) = (tmp_path / "packed").rglob("*.pack")
    raw = bytearray(shard.read_bytes())
    for record in (0, 2):
        raw[len(raw) // 4 * record + 20_000] ^= 0xFF
    shard.write_bytes(raw)
    status, text, broken = check(tmp_path / "packed")
    assert (status, len(broken)) == (1, 2) and text.count("its checksum is wrong") == 1


def test_a_shard_that_cannot_be_opened_hides_nothing_else(tmp_path, check):
    for part in ("a", "b"):
        write(tmp_path / "files" / part, names(3900000, range(2)), make_patch(0))
    pack(tmp_path / "files", tmp_path / "packed", progress=False)
    shard = tmp_path / "packed/a/patches-00000.pack"
    shard.write_bytes(shard.read_bytes()[:50_000])
    status, text, broken = check(tmp_path / "packed")
    assert (status, list(broken)) == (1, [shard.name]) and "1 shard and 2 patches, 1 broken" in text


def test_a_link_that_leads_back_is_no_second_folder(tmp_path, check):
    write(tmp_path / "pa", names(3900000, range(4)), make_patch(0))
    (tmp_path / "pa/up").symlink_to("..")
    assert check(tmp_path)[:2] == (0, f"{tmp_path}: 4 patches, all good.\n")


# ---- tiles ----


def test_good_tiles_pass_unknown_heights_included(tmp_path, check):
    write_many(tmp_path, {"JAX_001": 2}, kinds=("RGB", "MSI", "CLS", "AGL"), compression="deflate")
    assert check(tmp_path) == (0, f"{tmp_path}: 8 tile files, all good.\n", {})


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-50])


TILE_DAMAGES = {
    "truncated": ("RGB", cut_off, "cannot be read as a TIFF|cut short"),
    "no_tiff": ("RGB", lambda path: path.write_text("<html>"), "not a TIFF"),
    "code": ("CLS", lambda path: tifffile.imwrite(path, np.full((SIZE, SIZE), 4, np.uint8)), "class code 4"),
    "shape": ("AGL", lambda path: tifffile.imwrite(path, np.zeros((SIZE, 8), np.float32)), r"is \(64, 8\) float32"),
    "dtype": ("AGL", lambda path: tifffile.imwrite(path, np.zeros((SIZE, SIZE))), "float64, wanted .* float32"),
    "gone": ("CLS", lambda path: (path.unlink(), path.symlink_to("nowhere")), "is gone"),
}


@pytest.mark.parametrize("damage", TILE_DAMAGES)
def test_every_damage_of_a_tile_is_named(damage, tmp_path, check):
    kind, spoil, wanted = TILE_DAMAGES[damage]
    write_many(tmp_path, {"JAX_001": 1})
    spoil(tmp_path / f"JAX_001_001_{kind}.tif")
    status, text, broken = check(tmp_path)
    assert status == 1 and "3 tile files, 1 broken" in text
    assert list(broken) == [f"JAX_001_001_{kind}.tif"]
    assert re.search(wanted, broken[f"JAX_001_001_{kind}.tif"])
