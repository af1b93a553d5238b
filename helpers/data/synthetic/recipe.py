"""What a tile is made of: its shares of forest, water, roads and buildings, spread over the tiles as in Pennsylvania.

The shares follow a low-discrepancy sequence instead of free draws, so that even twenty tiles together come close to
the shares of 2,241 real ones, while each tile is as lopsided as a real one.
"""

from typing import NamedTuple

import numpy as np

_STEPS = 1 / 1.1673039782614187 ** np.arange(1, 5)  # Roberts' sequence in four axes: the root of x**5 = x + 1


class Recipe(NamedTuple):
    """Shares of a tile, each from 0 to 1; fields take what is left."""

    forest: float
    water: float
    road: float
    built: float
    barren: float


def recipe(seed: int, tile: int) -> Recipe:
    """Return the shares of a tile.

    >>> all(0.25 < recipe(0, tile).forest < 0.96 for tile in range(100))
    True
    """
    start = np.random.default_rng([seed, 0]).random(4)
    wild, wet, settled, bare = ((start + (tile + 1) * _STEPS) % 1).tolist()
    water = 0.0005 + 0.076 * _tail(wet, 0.55)
    road, built = 0.002 + 0.018 * settled, 0.003 + 0.115 * settled**3
    barren = 0.0003 + 0.029 * _tail(bare, 0.5)
    forest = min(0.26 + 0.69 * wild**0.74, 0.98 - water - road - built - barren)
    return Recipe(forest, water, road, built, barren)


def _tail(chance: float, start: float) -> float:
    """Return 0 for most chances and a rise to 1 for the last ones."""
    return max(0.0, (chance - start) / (1 - start)) ** 2
