"""Images that a network trained on digits has never seen: clothes, a photo, noise. Used by lecture 01.

All are float32, (n, 28, 28, 1), ink from 0 (white) to 1 (black), like the digits. The clothes are drawn here; the
photo is "china.jpg" by danielbuechele, which scikit-learn carries (CC BY 2.0).
"""

import numpy as np
from PIL import Image, ImageDraw

SIZE = 28
_FINE = 16  # drawn this much larger, then averaged, for smooth edges
_Outline = list[tuple[float, float]]

# Outlines (x, y) in a unit square, y downward; half of each, mirrored at x = 0.5 where the name is in _MIRRORED.
_CLOTHES: dict[str, _Outline] = {
    "T-shirt": [
        (0.5, 0.2),
        (0.4, 0.13),
        (0.3, 0.15),
        (0.06, 0.34),
        (0.16, 0.48),
        (0.29, 0.4),
        (0.29, 0.88),
        (0.5, 0.88),
    ],
    "trousers": [(0.5, 0.12), (0.3, 0.12), (0.24, 0.9), (0.42, 0.9), (0.48, 0.36), (0.5, 0.36)],
    "dress": [(0.5, 0.22), (0.42, 0.1), (0.36, 0.1), (0.36, 0.3), (0.4, 0.44), (0.2, 0.9), (0.5, 0.9)],
    "coat": [(0.5, 0.1), (0.34, 0.1), (0.2, 0.2), (0.1, 0.72), (0.22, 0.74), (0.3, 0.42), (0.26, 0.92), (0.5, 0.92)],
    "bag": [(0.5, 0.4), (0.4, 0.4), (0.4, 0.22), (0.34, 0.22), (0.34, 0.4), (0.12, 0.4), (0.08, 0.84), (0.5, 0.84)],
    "boot": [(0.36, 0.12), (0.62, 0.12), (0.62, 0.56), (0.9, 0.68), (0.92, 0.84), (0.34, 0.84)],
}
_MIRRORED = set(_CLOTHES) - {"boot"}
CLOTHES = list(_CLOTHES)


def clothes() -> np.ndarray:
    """Draw six pieces of clothing as filled outlines, shaded from top to bottom, named by `CLOTHES`."""
    shade = np.linspace(1.0, 0.6, SIZE, dtype=np.float32)[:, np.newaxis]
    images = [_fill(_whole(name, outline)) * shade for name, outline in _CLOTHES.items()]
    return np.stack(images)[..., np.newaxis]


def photo_patches(count: int = 6) -> np.ndarray:
    """Cut patches from left to right out of the middle of a photo of a palace, in grey.

    Args:
        count: number of patches, 1 to 20.
    """
    from sklearn.datasets import load_sample_image  # a slow import, needed only here

    grey = Image.fromarray(load_sample_image("china.jpg")).convert("L").resize((SIZE * 8, SIZE * 5))
    ink = 1 - np.asarray(grey, np.float32) / 255
    lefts = np.linspace(0, SIZE * 7, count).astype(int)
    return np.stack([ink[-SIZE * 3 : -SIZE * 2, left : left + SIZE] for left in lefts])[..., np.newaxis]


def noise(count: int = 6, *, seed: int = 0) -> np.ndarray:
    """Draw images in which every pixel is a uniform random number of its own.

    Args:
        count: number of images.
        seed: the same seed gives the same images.
    """
    return np.random.default_rng(seed).random((count, SIZE, SIZE, 1), dtype=np.float32)


def _whole(name: str, outline: _Outline) -> _Outline:
    """Add the mirror image of a half outline."""
    return outline + [(1 - x, y) for x, y in reversed(outline)] if name in _MIRRORED else outline


def _fill(outline: _Outline) -> np.ndarray:
    """Fill an outline: float32, (28, 28), the share of each pixel that lies inside."""
    fine = Image.new("L", (SIZE * _FINE, SIZE * _FINE))
    ImageDraw.Draw(fine).polygon([(x * fine.width, y * fine.height) for x, y in outline], fill=255)
    return np.asarray(fine.reduce(_FINE), np.float32) / 255
