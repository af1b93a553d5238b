"""Patches for the tests, in the real format: written quickly, told apart easily."""

import os

import numpy as np

from helpers.data import chesapeake
from helpers.data.streaming import Loader

NLCD = np.array([11, 21, 22, 23, 24, 31, 41, 42, 43, 52, 71, 81, 82, 90, 95], np.float32)
THERMAL = [7, 8, 16, 17]  # of the 18 Landsat channels
TILES = ["3907501", "3907502", "3907503", "3907504"]


def make_patch(seed):
    """Make one patch, float32, (1, 29, 256, 256): whole NAIP, labels 1 to 6 with some 0 and 15, Landsat in halves."""
    rng = np.random.default_rng(seed)

    def cells(channels, low, high, side):
        small = rng.integers(low, high, (channels, 256 // side, 256 // side))
        return small.repeat(side, axis=1).repeat(side, axis=2).astype(np.float32)

    labels = cells(1, 1, 7, 32)
    labels[0, :4, :8], labels[0, 4:8, :8] = 15, 0
    naip = cells(8, 0, 256, 8)
    naip[0] = np.arange(256)[:, None]  # every pixel can be told by its first two channels
    naip[1] = np.arange(256)[None, :]
    nlcd, landsat = NLCD[cells(1, 0, len(NLCD), 32).astype(int)], cells(18, 200, 9000, 32) / 2
    landsat[:2] //= 2  # no land is that blue
    landsat[THERMAL] = 2800 + landsat[THERMAL] / 10 // 0.5 / 2  # tenths of a kelvin
    return np.concatenate([naip, labels, nlcd, landsat, cells(1, 0, 2, 64)])[None]


def expected(patch):
    """Scale a patch as the course does, by division."""
    planes = patch.reshape(29, 256, 256)
    labels = planes[8].astype(int)
    scaled = np.concatenate([planes[:8] / 255, planes[10:28] / 4000]).transpose(1, 2, 0)
    return scaled, np.where(labels == 15, 0, labels)


def write(folder, names, patch):
    """Write one patch under several names (as hard links)."""
    folder.mkdir(parents=True, exist_ok=True)
    first, *others = [folder / name for name in names]
    np.savez_compressed(first, patch)
    for other in others:
        os.link(first, other)
    return [str(folder / name) for name in names]


def names(tile, numbers, state="pa", year=2013):
    """Name patches of a tile as LILA does."""
    return [f"{state}_1m_{year}-m_{tile}_sw_18_1-{number}.npz" for number in numbers]


def write_folds(base):
    """Write patches in OU's layout: two folds, four tiles of which one is held out, all patches different."""
    for seed, tile in enumerate(TILES):
        for fold in (0, 1):
            part = "valid" if seed == 3 else "train"
            write(base / "pa" / part / f"F{fold}", names(tile, [seed, 9]), make_patch(10 * seed + fold))
    return base


def paths(folder, **options):
    """List the patches below a folder, packed or not."""
    return [patch.path for patch in chesapeake.find_patches(folder, **options)]


def batch(files, *, epoch=0, **options):
    """Give all patches as one shuffled batch. Nothing is read ahead, so that no thread reads on after an error."""
    loader = Loader(chesapeake.Patches(files, **options), batch_size=len(files), shuffle=True, seed=3, prefetch=0)
    return next(loader.stream(start=(epoch, 0)))
