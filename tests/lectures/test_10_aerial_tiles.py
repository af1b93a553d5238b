"""Lecture 10 shows what `aerial_vae` builds; its traps are traps, its stream flips, and its twins are found.

What it shows of networks that it does not train is recorded anew where COURSE_RECORD is
$PWD/lectures/recorded/10_aerial_tiles.json: `./course test --deep tests/lectures/test_10_aerial_tiles.py`.
"""

import itertools
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import tifffile
from keras import ops

from helpers.data import DataError, grss
from helpers.experiments.run_file import read_run
from helpers.models.variational import BOTTLENECKS, aerial_vae
from helpers.notebooks import execute, without_data
from helpers.slurm.practice import RECORD

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

ROOT = Path(__file__).resolve().parents[2]
STEM = "10_aerial_tiles"
LECTURE = ROOT / "lectures" / f"{STEM}.ipynb"
RECORDING = ROOT / "lectures/recorded" / f"{STEM}.json"
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def prose() -> str:
    return "\n".join(cell.source for cell in nbformat.read(LECTURE, as_version=4).cells if cell.cell_type == "markdown")


@pytest.fixture
def names(run_cells) -> dict:
    """Give what the lecture imports and sets."""
    data = SimpleNamespace(source="a test", is_stand_in=True)
    return run_cells(STEM, "settings", **run_cells(STEM, "imports", until="seed_everything"), data=data)


def write_tile(folder: Path, place: str, view: str = "001", **layers: np.ndarray) -> grss.Tile:
    files = {kind: folder / f"{place}_{view}_{kind}.tif" for kind in layers}
    for kind, path in files.items():
        tifffile.imwrite(path, layers[kind])
    return grss.Tile(place, view, files)


def test_the_network_shown_is_the_helpers(run_cells, names):
    names = run_cells(STEM, "vae-by-hand", **names)
    mine, theirs = names["shown"], aerial_vae("16x16x32", latent_dim=names["LATENT"])
    theirs.set_weights(mine.get_weights())
    assert (mine.reconstruction, mine.beta) == (theirs.reconstruction, theirs.beta)
    images = RANDOM.random((2, 128, 128, 3), np.float32)
    for one, other in zip(mine.encoder(images)[:2], theirs.encoder(images)[:2], strict=True):
        np.testing.assert_allclose(*map(ops.convert_to_numpy, (one, other)), atol=1e-5)
    codes = RANDOM.standard_normal((2, names["LATENT"]), np.float32)
    drawn = [ops.convert_to_numpy(model.decoder(codes)) for model in (mine, theirs)]
    np.testing.assert_allclose(*drawn, atol=1e-5)


def test_the_table_has_the_parameters_of_the_thesis(prose):
    told = dict(re.findall(r"\| (\d+ x \d+ x \d+) \| \d \| ([\d,]+) \|", prose))
    assert list(told) == [name.replace("x", " x ") for name in BOTTLENECKS]
    for bottleneck in BOTTLENECKS:
        one, two = (aerial_vae(bottleneck, latent_dim=latent_dim) for latent_dim in (1, 2))
        counts = [model.encoder.count_params() + model.decoder.count_params() for model in (one, two)]
        whole = counts[0] + 1023 * (counts[1] - counts[0])  # each number of a code costs the same
        assert told[bottleneck.replace("x", " x ")] == f"{whole:,}"


def test_the_grid_names_seven_networks_that_differ_and_records_them_all(run_cells, names):
    names = run_cells(STEM, "grid", **names)
    networks = {str([layer.get_config() for layer in vae.encoder.layers]) for vae in names["vaes"].values()}
    assert len(networks) == 7
    assert names["vaes"]["latent 16"].latent_dim == 16
    recorded = json.loads(RECORDING.read_text())
    weights = {name: vae.encoder.count_params() + vae.decoder.count_params() for name, vae in names["vaes"].items()}
    assert {name: row["parameters"] for name, row in recorded.items()} == weights
    assert [row["network"] for row in recorded.values()] == list(names["GRID"])
    assert set(names["TRAINED"]) < set(recorded)


@pytest.mark.deep
def test_the_recording_is_what_the_cells_give(stand_ins, kernels, tmp_path):
    everything = {'TRAINED = ["2x2x256", "16x16x32"]': "TRAINED = list(GRID)"}
    _, values, _ = execute(LECTURE, names=["grid"], replace=everything, env=without_data(stand_ins), **kernels)
    new, old = values["grid"], json.loads(RECORDING.read_text())
    Path(os.environ.get(RECORD, tmp_path / "recording.json")).write_text(json.dumps(new, indent=1) + "\n")
    assert list(new) == list(old)
    for name, row in new.items():
        assert row["MAE, held out"] == pytest.approx(old[name]["MAE, held out"], abs=0.007), name  # another processor


def test_the_run_file_holds_the_grid_of_the_thesis(prose):
    (path,) = set(re.findall(r"course train (\S+)", prose))
    axes = ("bottleneck", "kernel", "pooling")
    found = [tuple(one.parameters[axis] for axis in axes) for one in read_run(ROOT / path).experiments]
    wanted = itertools.product(BOTTLENECKS, (3, 5), ("strided", "max", "average", "replace"))
    assert sorted(found) == sorted(wanted)


def test_a_place_cannot_be_split(run_cells, names, capsys):
    names["places"], names["views_of"] = ["JAX_001"], {"JAX_001": [grss.Tile("JAX_001", view, {}) for view in "12"]}
    run_cells(STEM, "one-place-refused", **names)
    assert "3 sides need tiles of at least 3 places" in capsys.readouterr().out
    assert names["DataError"] is DataError


def test_one_hole_takes_one_window(run_cells, names, tmp_path):
    heights = np.ones((1024, 1024), np.float32)
    heights[130, 5] = np.nan
    names["tiles"] = [write_tile(tmp_path, "JAX_001", AGL=heights)]
    names = run_cells(STEM, "lost-windows", **names)
    assert names["share_lost"] == 1 / 64
    assert names["share_unknown"] == pytest.approx(1 / 1024**2)


def test_codes_are_counted_as_they_are(run_cells, names, tmp_path):
    codes = np.full((1024, 1024), 2, np.uint8)
    codes[:256], codes[-1] = 17, 65
    names["tiles"] = [write_tile(tmp_path, "JAX_001", CLS=codes), write_tile(tmp_path, "JAX_002", CLS=codes * 0 + 5)]
    names = run_cells(STEM, "class-counts", "bridges", **names)
    assert (names["bridge_share"], names["with_bridge"]) == (1 / 8, 1)


def test_the_stream_gives_training_windows_each_flipped_or_not(run_cells, names, tmp_path, capsys):
    picture = RANDOM.integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    names["train_tiles"] = [write_tile(tmp_path, "JAX_001", RGB=picture)]
    names = run_cells(STEM, "stream", **names)
    assert "(8, 128, 128, 3)" in capsys.readouterr().out
    windows = grss.Windows(names["train_tiles"]).read(range(64))["RGB"]
    ways = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    known = {
        windows[k][::down, ::right].tobytes(): (k, way) for k in range(64) for way in ways for down, right in [way]
    }
    found = [known[image.tobytes()] for batch in names["stream"]() for image in batch.numpy()]
    assert sorted(k for k, _ in found) == list(range(64))
    assert len({way for _, way in found}) == 4


@pytest.fixture
def held_out(names) -> dict:
    """Give two views each of two places, whose codes are twins and whose classes nothing else tells."""
    labels, codes = RANDOM.integers(5, size=(2, 1, 64)), RANDOM.standard_normal((2, 1, 64, 8))
    twins = [np.repeat(array, 2, axis=1) for array in (labels, codes)]
    names["classes"] = {"training": RANDOM.integers(5, size=640), "held out": twins[0].ravel()}
    names["codes"] = {"training": RANDOM.standard_normal((640, 8)), "held out": twins[1].reshape(256, 8)}
    names["few"] = {"held out": [grss.Tile(place, view, {}) for place in ("JAX_001", "JAX_002") for view in "12"]}
    return names


def test_what_codes_do_not_know_is_chance_and_twins_are_found(run_cells, held_out):
    found = run_cells(STEM, "shift-test", "one-view", "other-places", "twins", **held_out)
    assert found["one_view"].tolist() == [*range(64), *range(128, 192)]
    assert all(one.p > 0.02 for one in found["tests"].values())
    assert found["accuracy_places"] < 0.4 and found["accuracy_twins"] == 1


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert len(re.findall(r"^[\w, ]*\bLATENT = ", code, re.MULTILINE)) == 1
    assert code.count('"16x16x32": {},') == 1
