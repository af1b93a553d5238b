"""The lie of the land: hills, where their water runs, and the ways that avoid the climb."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from helpers.data.synthetic.noise import octaves, standardised

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
    parent, order = _flood(coarse)
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


def _flood(height: np.ndarray) -> tuple[np.ndarray, list[int]]:
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
