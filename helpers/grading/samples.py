"""Small data for test cells: real, the same on every machine, and quick to train on."""

import functools

import numpy as np


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
