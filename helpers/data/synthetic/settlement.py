"""Roads that join villages, and the houses, drives and halls beside them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from helpers.data.synthetic.recipe import Recipe
from helpers.data.synthetic.terrain import CELL, Line, cost_of_roads, draw, way

_LANE = 6  # metres across a road
_TRIES = 1200  # places looked at before a village stays smaller than wished


class Settlement(NamedTuple):
    """What people have sealed.

    Attributes:
        road: bool, (size, size).
        paved: bool, drives, yards and car parks.
        building: int32, the number of the building from 1, 0 elsewhere.
    """

    road: np.ndarray
    paved: np.ndarray
    building: np.ndarray


class _Site(NamedTuple):
    road: np.ndarray  # the point where the drive leaves the road
    along: np.ndarray  # unit vector along the road
    away: np.ndarray  # unit vector away from it


def settle(rng: np.random.Generator, height: np.ndarray, shares: Recipe) -> Settlement:
    """Lay roads over the land and build beside them until the shares of the recipe are reached."""
    size = len(height)
    centre = rng.uniform(0.25, 0.75, 2) * size
    lines = _roads(rng, height, centre, shares.road * size**2 / _LANE)
    road = draw(size, lines, _LANE)
    paved, building = _build(rng, lines, road, centre, shares.built * size**2)
    return Settlement(road, paved & ~road, np.where(road, 0, building))


def _roads(rng: np.random.Generator, height: np.ndarray, centre: np.ndarray, length: float) -> list[Line]:
    """Join border and village first, then lay lanes around the village, each from a road that is there."""
    cost = cost_of_roads(height) * rng.uniform(0.7, 1.3, (len(height) // CELL,) * 2)
    village = _cell(cost, centre)
    lines = [_pave(cost, village, _border(rng, cost)) for _ in range(1 if length < 700 else 2)]
    for _ in range(40):
        if sum(map(_length, lines)) >= length:
            break
        joint = lines[rng.integers(len(lines))]
        near = rng.normal(centre, 0.16 * len(height))
        goal = _border(rng, cost) if rng.random() < 0.15 else _cell(cost, near)
        lines.append(_pave(cost, _cell(cost, joint[rng.integers(len(joint))]), goal))
    return [line for line in lines if len(line) > 1]


def _pave(cost: np.ndarray, start: int, goal: int) -> Line:
    line = way(cost, start, goal)
    rows, columns = np.clip(line.astype(int) // CELL, 0, len(cost) - 1).T
    cost[rows, columns] *= 0.5  # the next road would rather share the way
    return line


def _border(rng: np.random.Generator, cost: np.ndarray) -> int:
    side = len(cost)
    place, edge = int(rng.integers(side)), int(rng.choice([0, side - 1]))
    return place * side + edge if rng.random() < 0.5 else edge * side + place


def _cell(cost: np.ndarray, point: np.ndarray) -> int:
    row, column = np.clip(point.astype(int) // CELL, 0, len(cost) - 1)
    return int(row * len(cost) + column)


def _length(line: Line) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def _build(
    rng: np.random.Generator, lines: list[Line], road: np.ndarray, centre: np.ndarray, area: float
) -> tuple[np.ndarray, np.ndarray]:
    """Put up buildings until they and their yards cover `area` pixels; return the paved and the numbered ones."""
    paved, houses = Image.new("1", road.shape), Image.new("I", road.shape)
    ground, roofs, taken = ImageDraw.Draw(paved), ImageDraw.Draw(houses), road.copy()
    covered, halls = 0.0, area > 0.03 * road.size
    for number, site in enumerate(_sites(rng, lines, centre, len(road)), 1):
        is_hall = halls and rng.random() < 0.1
        middle, sides = _plot(rng, site, is_hall)
        if not _is_free(taken, middle, 1.5 * max(sides) if is_hall else 14.0):
            continue
        covered += _yard(rng, ground, site, middle, sides, is_hall) + sides[0] * sides[1]
        roofs.polygon(_corners(middle, site.along, *sides), fill=number)
        taken[_window(middle, max(sides) / 2)] = True
        if covered >= area:
            break
    return np.array(paved), np.array(houses, np.int32)


def _sites(rng: np.random.Generator, lines: list[Line], centre: np.ndarray, size: int) -> Iterator[_Site]:
    """Choose places along the roads, the likelier the nearer to the village."""
    points = np.concatenate([line[:-1] for line in lines])
    steps = np.concatenate([np.diff(line, axis=0) for line in lines])
    far = np.hypot(*(points - centre).T) / size
    chance = (0.02 + np.exp(-((far / 0.22) ** 2))) * (np.abs(points / size - 0.5).max(1) < 0.52)
    for chosen in rng.choice(len(points), _TRIES, p=chance / chance.sum()):
        along = steps[chosen] / max(np.hypot(*steps[chosen]), 1e-6)
        side = rng.choice((-1, 1))
        yield _Site(points[chosen] + rng.uniform(-3, 3, 2), along, side * np.array([-along[1], along[0]]))


def _plot(rng: np.random.Generator, site: _Site, is_hall: bool) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the middle of a building and its length along the road and depth."""
    if is_hall:
        sides = rng.uniform(35, 80), rng.uniform(22, 45)
        return site.road + site.away * (sides[1] / 2 + rng.uniform(25, 45)), sides
    sides = rng.uniform(10, 19), rng.uniform(7, 12)
    return site.road + site.away * (sides[1] / 2 + 9 + rng.exponential(9)), sides


def _yard(
    rng: np.random.Generator,
    ground: ImageDraw.ImageDraw,
    site: _Site,
    middle: np.ndarray,
    sides: tuple[float, float],
    is_hall: bool,
) -> float:
    """Pave the way to a building, and a car park around a hall; return the paved area."""
    ends = [(float(column), float(row)) for row, column in (site.road, middle)]
    length = float(np.hypot(*(middle - site.road)))
    ground.line(ends, fill=1, width=3)
    if not is_hall:
        return 3 * (length - sides[1] / 2)
    length, depth = sides[0] + rng.uniform(15, 50), sides[1] + rng.uniform(25, 50)
    ground.polygon(_corners(middle - 8 * site.away, site.along, length, depth), fill=1)
    return length * depth - sides[0] * sides[1]


def _corners(middle: np.ndarray, along: np.ndarray, length: float, depth: float) -> list[tuple[float, float]]:
    across = np.array([-along[1], along[0]])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    points = [middle + a * along * length / 2 + b * across * depth / 2 for a, b in signs]
    return [(float(column), float(row)) for row, column in points]


def _window(middle: np.ndarray, reach: float) -> tuple[slice, slice]:
    row, column = (slice(max(int(at - reach), 0), max(int(at + reach), 0)) for at in middle)
    return row, column


def _is_free(taken: np.ndarray, middle: np.ndarray, room: float) -> bool:
    """Tell whether a building fits: inside the tile and away from roads and other buildings."""
    return bool(((middle > 0) & (middle < len(taken))).all()) and not taken[_window(middle, room / 2)].any()
