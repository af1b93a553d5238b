"""`./course data fetch chesapeake`: patches of tiles in the public layout, from mirrors on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mirror_site import sites  # noqa: F401 - a fixture

from helpers import cli
from helpers.data import fetch, remote
from helpers.data.chesapeake import fetching, find_patches, split_files
from helpers.data.chesapeake.tiles import LAYERS, Tile
from helpers.data.synthetic.land_tiles import write_tiles

SIZE = 528  # two lines of two windows, and a rest
TILES = [("pa", "train"), ("pa", "val"), ("wv", "test")]


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """Give a folder as a mirror has it: three tiles, of which one is in squares, and their index."""
    folder = tmp_path_factory.mktemp("public")
    features = []
    for (state, split), layout in zip(TILES, ["striped", "cog", "striped"], strict=True):
        files = write_tiles(folder / layout, state=state, split=split, size=SIZE, layout=layout)
        paths = {layer: str(file.relative_to(folder / layout)) for layer, file in zip(LAYERS, files, strict=True)}
        for file, path in zip(files, paths.values(), strict=True):
            (folder / path).parent.mkdir(exist_ok=True)
            file.rename(folder / path)
        features.append({"type": "Feature", "geometry": None, "properties": {"split": f"{state}-{split}", **paths}})
    write_index(folder, features)
    return folder


def write_index(folder, features):
    (folder / fetching.INDEX).write_text(json.dumps({"type": "FeatureCollection", "features": features}))
