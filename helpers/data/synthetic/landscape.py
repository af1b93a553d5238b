"""One square of land seen from above: what covers each square metre, how high it is, and which field it belongs to.

Random fields are float32, (size, size), mean 0, standard deviation 1, and periodic, so that no border shows. Of them
are hills, where water runs, and ways that avoid the climb; `settle` lays roads that join villages, and the houses,
drives and halls beside them.

A `Recipe` holds the shares of forest, water, roads and buildings of a tile. They follow a low-discrepancy sequence
instead of free draws, so that even twenty tiles together come close to the shares of 2,241 real ones of Pennsylvania,
while each tile is as lopsided as a real one.
"""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.fft as fft
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra


def smooth(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Draw white noise and blur it.

    Args:
        scale: standard deviation of the blur in pixels; features are about three times as wide.
    """
    rows, columns = fft.fftfreq(size)[:, np.newaxis], fft.rfftfreq(size)
    pass_band = np.exp(-2 * (np.pi * scale) ** 2 * (rows**2 + columns**2)).astype(np.float32)
    return _filtered(rng, size, pass_band)


def octaves(rng: np.random.Generator, size: int, *, widest: float, slope: float = 1.8) -> np.ndarray:
    """Draw fractal noise, rough at every scale, like the height of land.

    Args:
        widest: wavelength in pixels above which nothing grows any more.
        slope: how fast the amplitude falls with the frequency; 1 is craggy, 2.5 is rounded.
    """
    frequency = np.hypot(fft.fftfreq(size)[:, np.newaxis], fft.rfftfreq(size))
    return _filtered(rng, size, ((frequency + 1 / widest) ** -slope).astype(np.float32))


def standardised(values: np.ndarray) -> np.ndarray:
    """Shift and scale to mean 0 and standard deviation 1."""
    return (values - values.mean()) / max(float(values.std()), 1e-6)


def hillshade(height: np.ndarray, toward_sun: tuple[float, float]) -> np.ndarray:
    """Return how much more (or less) light a slope gets than flat land, standardised.

    Args:
        toward_sun: direction to the sun as (rows, columns), any length.
    """
    down, right = np.roll(height, -1, 0) - np.roll(height, 1, 0), np.roll(height, -1, 1) - np.roll(height, 1, 1)
    return standardised(-(down * toward_sun[0] + right * toward_sun[1]))


def shadow(
    height: np.ndarray, toward_sun: tuple[float, float], slope: float, *, reach: int, step: int = 2
) -> np.ndarray:
    """Return what lies in the shadow of something higher.

    Args:
        height: in pixels (metres for a patch).
        toward_sun: direction to the sun as (rows, columns), length 1.
        slope: height that the light loses per pixel: the tangent of the sun's elevation.
        reach: longest shadow in pixels.

    Returns:
        bool, the shape of `height`.
    """
    dark = np.zeros(height.shape, bool)
    for distance in range(step, reach + 1, step):
        offset = [round(-distance * part) for part in toward_sun]
        dark |= np.roll(height, offset, (0, 1)) - distance * slope > height + 0.5
    return dark


def sun(rng: np.random.Generator, degrees: float, spread: float = 15) -> tuple[float, float]:
    """Draw the direction to the sun as (rows, columns): 0 degrees is north, 90 east, 180 south."""
    azimuth = np.deg2rad(degrees + rng.uniform(-spread, spread))
    return -float(np.cos(azimuth)), float(np.sin(azimuth))


def _filtered(rng: np.random.Generator, size: int, pass_band: np.ndarray) -> np.ndarray:
    white = rng.standard_normal((size, size), dtype=np.float32)
    spectrum = fft.rfft2(white) * pass_band
    spectrum[0, 0] = 0
    return standardised(fft.irfft2(spectrum, (size, size)).astype(np.float32))


CELL = 16  # pixels of a cell of the coarse grid on which water and roads find their way
Line = np.ndarray  # float, (points, 2): rows and columns in pixels


class Terrain(NamedTuple):
    """Height of the land and the lines along which its water runs."""

    height: np.ndarray
    river: Line
    streams: list[Line]


def terrain(rng: np.random.Generator, size: int) -> Terrain:
    """Draw hills with a valley, and the streams that drain them.

    The river takes the lowest way between two borders and cuts a valley; the streams follow the steepest way down
    (priority flood) wherever enough land drains through a cell.
    """
    height = octaves(rng, size, widest=size / 2, slope=2.1)
    river = _river(rng, height)
    away = distance_transform_edt(~(draw(size, [river], 1)))
    height = standardised(height + 1.5 * np.minimum(away / (0.35 * size), 1)).astype(np.float32)
    return Terrain(height, river, streams(height))


def streams(height: np.ndarray, *, least: int = 90) -> list[Line]:
    """Follow the water down from every spring.

    Args:
        least: coarse cells that must drain through a cell before it carries water.
    """
    coarse = _coarse(height)
    parent, order = _spill(coarse)
    area = np.ones(coarse.size, int)
    for cell in reversed(order):
        if parent[cell] >= 0:
            area[parent[cell]] += area[cell]
    wet = area >= least
    fed = {int(parent[cell]) for cell in np.flatnonzero(wet)}
    springs = [cell for cell in np.flatnonzero(wet).tolist() if cell not in fed]
    lines = [_pixels(list(_downstream(cell, parent)), coarse.shape[1]) for cell in springs]
    return [line for line in lines if len(line) > 3]


def way(cost: np.ndarray, start: int, goal: int) -> Line:
    """Return the cheapest way between two cells of the coarse grid, smoothed.

    Args:
        cost: float, (cells, cells), positive: the price of a step into a cell.
        start: index of a cell in the flattened grid.
        goal: likewise.
    """
    _, before = dijkstra(_graph(cost), indices=start, return_predecessors=True)
    cells = [goal]
    while before[cells[-1]] >= 0:
        cells.append(int(before[cells[-1]]))
    return _pixels(cells[::-1], cost.shape[1])


def cost_of_roads(height: np.ndarray) -> np.ndarray:
    """Return the price of a step of a road into each coarse cell: roads avoid slopes."""
    rows, columns = np.gradient(_coarse(height))
    steepness = np.hypot(rows, columns)
    return 0.4 + 2 * steepness / steepness.mean()


def draw(size: int, lines: list[Line], width: float) -> np.ndarray:
    """Draw lines with round corners.

    Returns:
        bool, (size, size).
    """
    image = Image.new("1", (size, size))
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.line([(float(column), float(row)) for row, column in line], fill=1, width=round(width), joint="curve")
    return np.array(image)


def _river(rng: np.random.Generator, height: np.ndarray) -> Line:
    coarse = _coarse(height)
    side = len(coarse)
    start, goal = (side * int(rng.integers(side)) + edge for edge in (0, side - 1))
    cost = np.exp(1.6 * coarse)
    if rng.random() < 0.5:
        return way(cost.T, start, goal)[:, ::-1]
    return way(cost, start, goal)


def _coarse(height: np.ndarray) -> np.ndarray:
    side = len(height) // CELL
    return height.reshape(side, CELL, side, CELL).mean((1, 3))


def _spill(height: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Visit the cells from the border upward; each cell drains to the one from which it was reached."""
    rows, columns = height.shape
    flat = height.ravel()
    border = [cell for cell in range(flat.size) if {cell // columns, cell % columns} & {0, rows - 1}]
    queue = [(float(flat[cell]), cell, -1) for cell in border]
    heapq.heapify(queue)
    parent, order, seen = np.full(flat.size, -1), [], set(border)
    while queue:
        level, cell, below = heapq.heappop(queue)
        parent[cell] = below
        order.append(cell)
        for neighbour in _neighbours(cell, rows, columns):
            if neighbour not in seen:
                seen.add(neighbour)
                heapq.heappush(queue, (max(level, float(flat[neighbour])), neighbour, cell))
    return parent, order


def _neighbours(cell: int, rows: int, columns: int) -> Iterator[int]:
    row, column = divmod(cell, columns)
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        for c in range(max(column - 1, 0), min(column + 2, columns)):
            yield r * columns + c


def _downstream(cell: int, parent: np.ndarray) -> Iterator[int]:
    while cell >= 0:
        yield cell
        cell = int(parent[cell])


def _graph(cost: np.ndarray) -> csr_array:
    """Join each cell to its eight neighbours."""
    rows, columns = cost.shape
    cells = np.arange(cost.size).reshape(rows, columns)
    pairs, prices = [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = cells[: rows - down, max(-right, 0) : columns - max(right, 0)].ravel()
        b = a + down * columns + right
        price = (cost.ravel()[a] + cost.ravel()[b]) / 2 * np.hypot(down, right)
        pairs += [(a, b), (b, a)]
        prices += [price, price]
    ends = np.concatenate(pairs, axis=1)
    return csr_array((np.concatenate(prices), (ends[0], ends[1])), shape=(cost.size, cost.size))


def _pixels(cells: list[int], columns: int) -> Line:
    """Turn cells into a line in pixels, reaching past the border, with the corners of the grid smoothed away."""
    line = (np.array([divmod(cell, columns) for cell in cells], float) + 0.5) * CELL
    if len(line) < 2:
        return line
    line = np.concatenate([[2 * line[0] - line[1]], line, [2 * line[-1] - line[-2]]])
    fine = np.linspace(0, len(line) - 1, 4 * len(line))
    dense = np.stack([np.interp(fine, np.arange(len(line)), axis) for axis in line.T], axis=1)
    return gaussian_filter1d(dense, 6, axis=0, mode="nearest")


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
    """Return whether a building fits: inside the tile and away from roads and other buildings."""
    return bool(((middle > 0) & (middle < len(taken))).all()) and not taken[_window(middle, room / 2)].any()


WATER, FOREST, FIELD, BARREN, BUILT, ROAD = range(1, 7)
GROWTH = 0.5


class Parcels(NamedTuple):
    """Fields in strips: the number of the field of each pixel, and coordinates along its furrows."""

    number: np.ndarray
    along: np.ndarray
    across: np.ndarray


class Crowns(NamedTuple):
    """Trees, one every few metres, also where none grows: for each pixel the nearest one.

    Attributes:
        number: int, which tree.
        distance: float32, metres to its trunk.
        centre: int, index of its trunk in the flattened tile.
    """

    number: np.ndarray
    distance: np.ndarray
    centre: np.ndarray


class Landscape(NamedTuple):
    """All that an image is painted from; every array is (size, size), one pixel a square metre.

    Attributes:
        label: uint8, land cover 1 to 6.
        land: float32, height of the ground, standardised.
        height: float32, metres above ground of crowns and roofs.
        building: int32, number of the building, 0 elsewhere.
        growth: float32, mean 0: how far a field looks like forest (below 0, overgrown) or a forest like a field (above
            0, thin), in parts of the way from one to the other; colour alone cannot tell the two apart.
    """

    label: np.ndarray
    land: np.ndarray
    height: np.ndarray
    building: np.ndarray
    growth: np.ndarray
    parcels: Parcels
    crowns: Crowns


def landscape(rng: np.random.Generator, size: int, shares: Recipe) -> Landscape:
    """Draw a square of land with the shares of a recipe.

    Args:
        size: pixels along a side, a multiple of 16.
    """
    lie = terrain(rng, size)
    village = settle(rng, lie.height, shares)
    parcels, crowns = _parcels(rng, size), _crowns(rng, size)
    label = np.full((size, size), FIELD, np.uint8)
    _flood(rng, label, lie, shares.water)
    _strip(rng, label, lie.height, shares.barren)
    label[village.paved | (village.building > 0)] = BUILT
    label[village.road] = ROAD
    label[_forest(rng, label, lie, village, parcels, crowns, shares.forest)] = FOREST
    building = np.where(label == BUILT, village.building, 0)
    height, growth = _height(rng, label, building, crowns), _growth(rng, label, parcels)
    return Landscape(label, lie.height, height, building, growth, parcels, crowns)


def _parcels(rng: np.random.Generator, size: int) -> Parcels:
    """Divide the land into strips and the strips into fields, in two directions that meet somewhere."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    other = smooth(rng, size, size / 10) > 0.3
    angle = rng.uniform(0, np.pi)
    turned = np.where(other, angle + rng.uniform(0.3, 1.2), angle).astype(np.float32)
    bend = 14 * smooth(rng, size, 70)
    along = rows * np.sin(turned) + columns * np.cos(turned)
    across = rows * np.cos(turned) - columns * np.sin(turned) + bend
    edges = np.cumsum(rng.uniform(45, 150, 64)) - 2 * size
    strip = np.searchsorted(edges, across.ravel()).reshape(across.shape)
    lengths, shifts = rng.uniform(70, 260, 65), rng.uniform(0, 260, 65)
    field = np.floor((along + shifts[strip]) / lengths[strip]).astype(int) + 32
    return Parcels((strip * 64 + field) * 2 + other, along, across)


def _crowns(rng: np.random.Generator, size: int) -> Crowns:
    """Scatter trunks on a jittered grid and give each pixel to the nearest."""
    spacing = rng.uniform(4.5, 7)
    steps = int(size / spacing)
    grid = np.indices((steps, steps)).reshape(2, -1).T + rng.uniform(0.05, 0.95, (steps**2, 2))
    grown = grid[rng.random(len(grid)) < 0.75]
    trunks = np.minimum((grown * size / steps).astype(int), size - 1)
    open_land, number = np.ones((size, size), bool), np.zeros(size**2, int)
    open_land[tuple(trunks.T)] = False
    number[trunks @ [size, 1]] = np.arange(len(trunks))
    distance, (rows, columns) = distance_transform_edt(open_land, return_indices=True)
    centre = rows * size + columns
    return Crowns(number[centre], distance.astype(np.float32), centre)


def _flood(rng: np.random.Generator, label: np.ndarray, lie: Terrain, share: float) -> None:
    """Fill the river, the streams and some ponds."""
    size = len(label)
    wanted = share * label.size
    if share > 0.004:
        shore = distance_transform_edt(~draw(size, [lie.river], 1)) * (1 + 0.2 * smooth(rng, size, 12))
        label[shore <= np.quantile(shore, 0.9 * share)] = WATER
        label[draw(size, lie.streams, 2)] = WATER
        return
    pond = octaves(rng, size, widest=120, slope=3) - 0.4 * lie.height
    label[pond >= np.quantile(pond, 1 - wanted / label.size)] = WATER


def _strip(rng: np.random.Generator, label: np.ndarray, land: np.ndarray, share: float) -> None:
    """Lay soil bare: a quarry or a building site, and a few spots."""
    bare = octaves(rng, len(label), widest=160, slope=2.6) + 0.2 * land
    bare[label != FIELD] = -9
    label[bare >= np.quantile(bare, 1 - share)] = BARREN


def _forest(
    rng: np.random.Generator,
    label: np.ndarray,
    lie: Terrain,
    village: Settlement,
    parcels: Parcels,
    crowns: Crowns,
    share: float,
) -> np.ndarray:
    """Choose whole trees by how much the place suits them, so many that they cover the share of the tile."""
    size = len(label)
    suits = octaves(rng, size, widest=size / 2, slope=1.9) + 0.4 * _steepness(lie.height)
    suits += rng.normal(0, 1.0, parcels.number.max() + 1).astype(np.float32)[parcels.number]
    suits += _hedges(rng, parcels)
    suits += 1.2 * np.exp(-distance_transform_edt(~draw(size, [lie.river, *lie.streams], 3)) / 12)
    suits -= 1.5 * np.exp(-distance_transform_edt(village.building == 0) / 25)
    suits += 0.15 * rng.standard_normal((size, size), dtype=np.float32)  # of which only those at trunks are used
    suits = suits.ravel()[crowns.centre] - 0.02 * crowns.distance**2
    suits[label != FIELD] = -99
    return suits >= np.quantile(suits, 1 - share)


def _steepness(land: np.ndarray) -> np.ndarray:
    return standardised(np.hypot(*np.gradient(land)))


def _hedges(rng: np.random.Generator, parcels: Parcels) -> np.ndarray:
    """Favour trees along the borders of some fields."""
    number = parcels.number
    border = (number != np.roll(number, 1, 0)) | (number != np.roll(number, 1, 1))
    near = distance_transform_edt(~border) < 4
    return near * rng.uniform(-1.5, 2, number.max() + 1).astype(np.float32).clip(0)[number]


def _growth(rng: np.random.Generator, label: np.ndarray, parcels: Parcels) -> np.ndarray:
    """Let whole fields be overgrown and whole stands be thin; standard deviation `GROWTH`."""
    patchy = octaves(rng, len(label), widest=200, slope=2.2)
    fields = rng.standard_normal(parcels.number.max() + 1).astype(np.float32)[parcels.number]
    mixed = np.where(label == FIELD, 0.8 * fields + 0.6 * patchy, patchy)
    return GROWTH * np.where((label == FIELD) | (label == FOREST), mixed, 0).astype(np.float32)


def _height(rng: np.random.Generator, label: np.ndarray, building: np.ndarray, crowns: Crowns) -> np.ndarray:
    """Give each tree a dome and each building a flat roof."""
    trees, roofs = rng.uniform(8, 17, crowns.number.max() + 1), rng.uniform(4, 8, building.max() + 1)
    dome = 0.45 + 0.55 * np.sqrt(np.clip(1 - (crowns.distance / 6) ** 2, 0, 1))
    height = np.where(label == FOREST, trees[crowns.number] * dome + 0.5 * smooth(rng, len(label), 0.9), 0)
    return np.where(building > 0, roofs[building], height).astype(np.float32)
