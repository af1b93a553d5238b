"""Small data for test cells: real, the same on every machine, and quick to train on."""

import functools
from pathlib import Path

import numpy as np

from helpers.files import atomic_write


@functools.cache
def _all_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    pixels, labels = load_digits(return_X_y=True)
    return (pixels.reshape(-1, 8, 8, 1) / 16).astype(np.float32), labels.astype(np.int64)


def digits(count: int, *, seed: int, size: int = 8) -> np.ndarray:
    """Draw handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak, 1998, which scikit-learn carries).

    Args:
        count: at most 1,797.
        seed: which ones, and in which order.
        size: rows and columns, a multiple of 8; larger ones repeat pixels.

    Returns:
        float32, (count, size, size, 1), ink from 0 (paper) to 1.
    """
    return labelled_digits(count, seed=seed, size=size)[0]


def labelled_digits(count: int, *, seed: int, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Draw digits and what they are: as `digits`, and int64, (count,), 0-9."""
    images, labels = _all_digits()
    rows = np.random.default_rng(seed).permutation(len(images))[:count]
    factor = size // 8
    return images[rows].repeat(factor, axis=1).repeat(factor, axis=2), labels[rows]


def nats(images: np.ndarray, decoded: np.ndarray) -> float:
    """Return the cross-entropy of images, summed over their pixels, averaged over images.

    Args:
        images: float, (n, rows, columns, bands), values in [0, 1].
        decoded: of a shape that fits to `images`; kept 1e-6 away from 0 and 1.
    """
    sure = np.clip(decoded, 1e-6, 1 - 1e-6)
    pixels = -(images * np.log(sure) + (1 - images) * np.log(1 - sure))
    return float(pixels.sum(axis=(1, 2, 3)).mean())


def fields(count: int, *, seed: int, size: int = 16) -> np.ndarray:
    """Draw pictures of two fields: a straight boundary of any direction, and a colour on each side.

    Args:
        count: of pictures.
        seed: which ones.
        size: rows and columns.

    Returns:
        float32, (count, size, size, 3), values in [0, 1].
    """
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / (size - 1) - 0.5
    angles, shifts = random.uniform(0, 2 * np.pi, count), random.uniform(-0.3, 0.3, count)
    across = rows * np.cos(angles)[:, None, None] + columns * np.sin(angles)[:, None, None]
    side = (across > shifts[:, None, None])[..., None]
    colours = random.uniform(0.1, 0.9, (2, count, 1, 1, 3))
    return np.where(side, colours[0], colours[1]).astype(np.float32)


@functools.cache
def land_cover(count: int, *, seed: int, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Draw places of the made-up watershed, as a network takes them. They are drawn once in a process, and kept.

    Args:
        count: of places, each with its own shares of the classes.
        seed: of the watershed; the stand-in has 0.
        size: rows and columns that are cut out of a corner of a place, at most 256.

    Returns:
        images: float32, (count, size, size, 26), as `helpers.data.chesapeake.Patches` gives them.
        labels: int32, (count, size, size), 1 to 6, and 0 for no data.
    """
    from helpers.data.chesapeake.bands import COURSE_BANDS, LABELS, channels, runs, to_float, to_labels
    from helpers.data.synthetic.patches import PATCH, tile_layers  # slow to import, and only needed here

    images, labels = np.empty((count, size, size, 26), np.float32), np.empty((count, size, size), np.int32)
    for number in range(count):
        place = tile_layers(seed, number, PATCH)[:, :size, :size]
        to_float(place, runs(channels(COURSE_BANDS)), images[number])
        to_labels(place[LABELS], labels[number])
    return images, labels


def patches(folder: Path | str, *, tiles: int, per_tile: int, seed: int, size: int = 32) -> list[str]:
    """Write small land-cover patches in the format of the real ones, each to be told from the others.

    Args:
        folder: where they go; it is made.
        tiles, per_tile: how many.
        seed: of the values.
        size: rows and columns.

    Returns:
        The paths, tile by tile. Each file has the key `arr_0`, float32, (1, 29, size, size): channels 0-7 whole numbers
        0 to 255, channel 0 the number of the patch everywhere; 8 the label, 1 to 6 or 15; 9 NLCD codes; 10-27 Landsat,
        0 to 4000; 28 a building mask.
    """
    random, folder = np.random.default_rng(seed), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(tiles * per_tile):
        patch = np.empty((1, 29, size, size), np.float32)
        patch[0, :8] = random.integers(0, 256, (8, size, size))
        patch[0, 0] = number
        patch[0, 8] = random.choice([1, 2, 3, 4, 5, 6, 15], (size, size), p=[0.05, 0.5, 0.2, 0.05, 0.05, 0.05, 0.1])
        patch[0, 9] = random.integers(11, 96, (size, size))
        patch[0, 10:28] = random.integers(0, 4001, (18, size, size))
        patch[0, 28] = patch[0, 8] == 5
        tile, part = divmod(number, per_tile)
        paths.append(str(folder / f"pa_1m_2013-m_39{tile:05d}_sw_18_1-{part + 1}.npz"))
        with atomic_write(Path(paths[-1])) as unfinished:
            np.savez_compressed(unfinished, patch)
    return paths
