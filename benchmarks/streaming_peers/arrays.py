"""Loaders from one large array: Zarr (version 3) and HDF5, a chunk a patch, by two threads; a memory map of planes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from helpers.data.streaming import Loader
from streaming_peers import BATCH, WORKERS, Work
from streaming_peers.ours import compact_patches
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


# ---- the compact form: what the packed copy delivers, in other files ----


def compact_planes(work: Work) -> Iterator[dict[str, np.ndarray]]:
    """Yield the arrays of each patch: bytes, cells, index and labels."""
    for parts, labels in Loader(compact_patches(Work(work.distinct, work.folder)), batch_size=1):
        yield {name: array[0] for name, array in {**parts, "labels": labels}.items()}


def write_memmap(work: Work) -> None:
    """Write a `.npy` for each of the arrays, all patches one after the other."""
    folder = work.folder / "planes"
    folder.mkdir()
    files: dict[str, np.ndarray] = {}
    for index, arrays in enumerate(compact_planes(work)):
        for name, array in arrays.items():
            if name not in files:
                shape = (len(work.distinct), *array.shape)
                files[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", array.dtype, shape)
            files[name][index] = array


def memmap_compact(work: Work) -> "Mapped":
    """Read them through a memory map."""
    return Mapped(work)


class Mapped:
    """Batches copied out of a memory map, in another order every time: no threads, no checksums."""

    def __init__(self, work: Work) -> None:
        self.files = {file.stem: np.load(file, mmap_mode="r") for file in (work.folder / "planes").glob("*.npy")}
        self.indices = np.arange(len(work.files)) % len(work.distinct)
        self.random = np.random.default_rng(0)
        # memory that is used again, as ours is; the batch before stays whole
        self.rooms = [
            {name: np.empty((BATCH, *file.shape[1:]), file.dtype) for name, file in self.files.items()}
            for _ in range(2)
        ]

    def __iter__(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        order = self.random.permutation(self.indices)
        for first in range(0, len(order) - BATCH + 1, BATCH):
            room = self.rooms[first // BATCH % 2]
            for name, file in self.files.items():
                np.take(file, order[first : first + BATCH], axis=0, out=room[name], mode="clip")
            yield {name: array for name, array in room.items() if name != "labels"}, room["labels"]
