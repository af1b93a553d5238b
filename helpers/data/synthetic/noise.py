"""Random fields and light: what the hills, the crowns and the shadows of the stand-in are made of.

All fields are float32, (size, size), mean 0, standard deviation 1, and periodic, so that no border shows.
"""

import numpy as np
import scipy.fft as fft


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
    """Tell what lies in the shadow of something higher.

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
