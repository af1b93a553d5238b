"""Lecture 11 asks one network shape for three targets, holds whole tiles out, and scores what it says it scores."""

from pathlib import Path

import numpy as np
import pytest

from helpers.data import chesapeake

STEM = "11_image_to_image"
RANDOM = np.random.default_rng(0)
IMPORTED = {"np": np, "chesapeake": chesapeake}


def paths(tiles: int, per_tile: int) -> list[str]:
    numbers = [(tile, number) for tile in range(tiles) for number in range(per_tile)]
    return [f"/d/pa_1m_2013-m_40075{tile:02d}_ne_18_1-{number}.npz" for tile, number in numbers]


@pytest.mark.slow
def test_the_three_networks_differ_in_their_first_and_last_layer_only(run_cells):
    from helpers.models.unet import build_unet
    from helpers.tables import Table

    def read(files, bands, target, noise=0.0):
        out = {"clean": (4,), "season": (9,), "labels": ()}[target]
        return np.zeros((1, 8, 8, len(chesapeake.channels(bands)))), np.zeros((1, 8, 8, *out))

    needed = {"read": read, "files": ["one"], "build_unet": build_unet, "Table": Table}
    models = run_cells(STEM, "tasks", "three-networks", **IMPORTED, **needed)["models"]
    assert [model.output_shape[-1] for model in models.values()] == [4, 9, 7]
    shapes = [[weights.shape for weights in model.get_weights()] for model in models.values()]
    for other in shapes[1:]:
        differing = [n for n, pair in enumerate(zip(shapes[0], other, strict=True)) if pair[0] != pair[1]]
        assert set(differing) <= {0, len(other) - 2, len(other) - 1}
    assert {model.layers[-1].name for model in models.values()} == {"values", "probabilities"}


@pytest.mark.parametrize(("tiles", "per_tile", "by"), [(10, 3, "tile"), (1, 8, "patch")])
def test_whole_tiles_are_held_out_where_there_are_enough(run_cells, capsys, tiles, per_tile, by):
    found = run_cells(STEM, "held-out-tiles", **IMPORTED, files=paths(tiles, per_tile))
    sides = [found["train_files"], found["test_files"]]
    assert sorted([*sides[0], *sides[1]]) == paths(tiles, per_tile) and all(sides)
    assert f"held out by {by}" in capsys.readouterr().out
    if by == "tile":
        trained, tested = ({chesapeake.tile_of(Path(file).name) for file in side} for side in sides)
        assert len(tested) == 2 and not trained & tested


def test_the_season_is_refused_where_it_is_among_the_inputs(run_cells, capsys):
    run_cells(STEM, "season-refused", **IMPORTED, files=paths(1, 2))
    assert "leaf-off, which is among the bands of the input" in capsys.readouterr().out


def test_scores_are_the_known_ones(run_cells):
    clean = RANDOM.random((2, 8, 8, 4))
    found = run_cells(STEM, "decibels-by-hand", "error-by-hand", **IMPORTED, clean=clean, winter=clean)
    assert found["decibels"](clean + 0.1) == pytest.approx(20)
    assert found["off"](clean - 0.25) == pytest.approx(0.25)


def test_what_the_exercises_change_is_there_to_be_changed(cells):
    code = "\n".join(cells)
    assert code.count('"noise": 0.15') == 1
    assert code.count('LANDSAT = ["naip_new", "landsat_leaf_on"]') == 1
    assert code.count("summer[..., 4:]") == 1
