"""Axes to look at codes along: the raw ones, or principal components; and walks along them. Used by the explorer."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA


@dataclass(frozen=True)
class Basis:
    """Axes through the space of codes.

    Attributes:
        names: one name per axis.
        origin: float32, (latent_dim,), the code whose coordinates are all zero.
        directions: float32, (latent_dim, axes), orthonormal columns.
    """

    names: tuple[str, ...]
    origin: np.ndarray
    directions: np.ndarray

    def coordinates(self, codes: np.ndarray) -> np.ndarray:
        """Turn codes, float32 (n, latent_dim), into coordinates, float32 (n, axes)."""
        return (codes - self.origin) @ self.directions

    def codes(self, coordinates: np.ndarray) -> np.ndarray:
        """Turn coordinates, float32 (n, axes), into the codes, float32 (n, latent_dim), that they stand for."""
        return self.origin + coordinates @ self.directions.T


def raw_axes(codes: np.ndarray) -> Basis:
    """Return the axes of the codes, float32 (n, latent_dim), as they are: coordinates are codes, bit by bit."""
    latent_dim = codes.shape[1]
    names = tuple(f"z{axis}" for axis in range(latent_dim))
    return Basis(names, np.zeros(latent_dim, np.float32), np.eye(latent_dim, dtype=np.float32))


def principal_components(codes: np.ndarray) -> Basis:
    """Return the principal components of the codes, float32 (n, latent_dim), the one with most spread first.

    With fewer codes than latent_dim there are as many components as codes.
    """
    pca = PCA(svd_solver="full").fit(codes)
    names = tuple(f"PC{number}" for number in range(1, pca.n_components_ + 1))
    return Basis(names, pca.mean_.astype(np.float32), pca.components_.T.astype(np.float32))


BASES = {"raw axes": raw_axes, "principal components": principal_components}


def widest(coordinates: np.ndarray, count: int) -> list[int]:
    """Return the `count` axes of coordinates (n, axes) with the largest spread, in their own order.

    >>> widest(np.float32([[0, 0, 0], [5, 0, 1]]), 2)
    [0, 2]
    """
    order = np.argsort(-coordinates.std(axis=0), kind="stable")
    return sorted(order[:count].tolist())


def bounds(coordinates: np.ndarray) -> np.ndarray:
    """Return the smallest and the largest coordinate on each axis: float32, (2, axes)."""
    return np.stack([coordinates.min(axis=0), coordinates.max(axis=0)]).astype(np.float32)


def interpolate(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return codes on the straight line between two codes (latent_dim,), both included: float32, (steps, latent_dim).

    >>> interpolate(np.array([0, 4]), np.array([1, 0]), 3).tolist()
    [[0.0, 4.0], [0.5, 2.0], [1.0, 0.0]]
    """
    return np.linspace(start, end, steps, dtype=np.float32)


def traverse(coordinates: np.ndarray, axis: int, steps: int) -> np.ndarray:
    """Walk along one axis from its smallest to its largest coordinate, all others at their mean.

    Args:
        coordinates: float32, (n, axes).
        axis: the one to walk along.
        steps: how many places, both ends included.

    Returns:
        float32, (steps, axes).
    """
    walk = np.repeat(coordinates.mean(axis=0, keepdims=True), steps, axis=0)
    low, high = bounds(coordinates)[:, axis]
    walk[:, axis] = np.linspace(low, high, steps)
    return walk
