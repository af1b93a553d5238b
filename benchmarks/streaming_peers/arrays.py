"""Loaders from one large array, a chunk a patch: Zarr (version 3) and HDF5, read by two threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from streaming_peers import BATCH, WORKERS, Work
from streaming_peers.plain import Sample, stack

PLANES = {"naip": ((8, 256, 256), "uint8"), "landsat": ((18, 256, 256), "int16"), "labels": ((256, 256), "uint8")}


def native(path: str) -> dict[str, np.ndarray]:
    """Read a patch in the smallest types that hold it: Landsat twice, since it has halves."""
    with np.load(path) as file:
        layers = file["arr_0"][0]
    labels = np.where(layers[8] == 15, 0, layers[8])
    planes = {"naip": layers[:8], "landsat": layers[10:28] * 2, "labels": labels}
    return {name: planes[name].astype(dtype) for name, (_, dtype) in PLANES.items()}


def finish(planes: dict[str, Any], index: int) -> Sample:
    """Read one patch of the arrays, and scale it."""
    image = np.empty((256, 256, 26), np.float32)
    naip, landsat = planes["naip"][index], planes["landsat"][index]
    np.multiply(naip.transpose(1, 2, 0), np.float32(1 / 255), out=image[..., :8])
    np.multiply(landsat.transpose(1, 2, 0), np.float32(1 / 8000), out=image[..., 8:])
    return image, planes["labels"][index].astype(np.int32)


class Threaded:
    """Batches of indices read by threads, one batch ahead; another order every time."""

    def __init__(self, read: Callable[[int], Sample], indices: np.ndarray) -> None:
        self.read, self.indices, self.random = read, indices, np.random.default_rng(0)

    def __iter__(self) -> Iterator[Sample]:
        order = self.random.permutation(self.indices)
        batches = [order[first : first + BATCH] for first in range(0, len(order) - BATCH + 1, BATCH)]
        with ThreadPoolExecutor(WORKERS) as pool:
            ahead = [pool.submit(self.read, int(index)) for index in batches[0]]
            for following in [*batches[1:], []]:
                pending, ahead = ahead, [pool.submit(self.read, int(index)) for index in following]
                yield stack([sample.result() for sample in pending])


def _threaded(planes: dict[str, Any], work: Work) -> Threaded:
    indices = np.arange(len(work.files)) % len(work.distinct)
    return Threaded(lambda index: finish(planes, index), indices)


def write_zarr(work: Work) -> None:
    """Write a Zarr group with its usual compression."""
    import zarr

    group = zarr.open_group(work.folder / "zarr", mode="w", zarr_format=3)
    for name, (shape, dtype) in PLANES.items():
        group.create_array(name, shape=(len(work.distinct), *shape), chunks=(1, *shape), dtype=dtype)
    _fill(group, work)


def write_hdf5(work: Work) -> None:
    """Write an HDF5 file with LZF, the fastest compression that every HDF5 library of Python has."""
    import h5py

    with h5py.File(work.folder / "patches.h5", "w") as file:
        for name, (shape, dtype) in PLANES.items():
            file.create_dataset(name, (len(work.distinct), *shape), dtype, chunks=(1, *shape), compression="lzf")
        _fill(file, work)


def _fill(group: Any, work: Work) -> None:
    for index, path in enumerate(work.distinct):
        for name, planes in native(path).items():
            group[name][index] = planes


def read_zarr(work: Work) -> Threaded:
    """Read the Zarr group."""
    import zarr

    group = zarr.open_group(work.folder / "zarr", mode="r")
    return _threaded({name: group[name] for name in PLANES}, work)


def read_hdf5(work: Work) -> Threaded:
    """Read the HDF5 file."""
    import h5py

    file = h5py.File(work.folder / "patches.h5", "r")
    return _threaded({name: file[name] for name in PLANES}, work)
