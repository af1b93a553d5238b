"""Colours of classes stay apart for readers who lack one kind of cones."""

from itertools import combinations

import numpy as np
import pytest

from helpers.latent.plots import COLOURS, colour

# Machado, Oliveira and Fernandes (2009): linear RGB as seen without one of the three kinds of cones
SEEN = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def lab(code, seen):
    """Return a colour, "#rrggbb", in CIELAB, where distances are those that are seen; 2 is barely visible."""
    coded = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(seen @ linear, 0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
def test_colours_stay_apart_for_colour_blind_readers(seen):
    points = [lab(code, np.array(seen)) for code in (*COLOURS, "#ffffff")]
    assert len(COLOURS) == 10
    assert min(np.linalg.norm(one - other) for one, other in combinations(points, 2)) > 15


def test_the_eleventh_class_has_the_colour_of_the_first():
    assert colour(10) == COLOURS[0] == colour(0)
