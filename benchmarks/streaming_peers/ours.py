"""Our loader, from the original files and from packed ones; and the limits: to inflate, and to copy."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from helpers.data import chesapeake
from helpers.data.streaming import Loader
from helpers.data.streaming.npz import aligned
from streaming_peers import BATCH, WORKERS, Work
from streaming_peers.plain import compressed

OPTIONS = {"batch_size": BATCH, "shuffle": True, "seed": 0, "drop_remainder": True, "threads": WORKERS, "prefetch": 2}


def npz(work: Work) -> Loader:
    """Read the original files into float32."""
    return Loader(chesapeake.Patches(work.files), **OPTIONS)


def npz_compact(work: Work) -> Loader:
    """Read the original files into bytes and halves, for a layer of the model to finish."""
    return Loader(chesapeake.Patches(work.files, compact=True), **OPTIONS)


def npz_dataset(work: Work) -> Any:
    """Read the original files into float32, as a `tf.data.Dataset`."""
    from helpers.data.streaming import as_dataset

    return as_dataset(npz(work))


def packed(work: Work) -> Loader:
    """Read the packed copy into float32."""
    return Loader(chesapeake.Patches(_packed(work, "packed")), **OPTIONS)


def packed_compact(work: Work) -> Loader:
    """Read the packed copy into bytes and Landsat's own cells, for a layer of the model to finish."""
    return Loader(compact_patches(work), **OPTIONS)


def packed_zstd_compact(work: Work) -> Loader:
    """Read the compressed packed copy, the same way."""
    return Loader(chesapeake.Patches(_packed(work, "packed_zstd"), compact=True), **OPTIONS)


def compact_patches(work: Work) -> chesapeake.Patches:
    """Return what the packed copy holds, patch by patch."""
    return chesapeake.Patches(_packed(work, "packed"), compact=True)


def _packed(work: Work, name: str) -> list[str]:
    paths = [patch.path for patch in chesapeake.find_patches(work.folder / name)]
    return paths * (len(work.files) // len(work.distinct))


def inflate(work: Work) -> Iterator[int]:
    """Inflate the same bytes, which are in memory already, into memory that is there: two threads, nothing else."""
    import imagecodecs

    streams = {path: compressed(path) for path in work.distinct}
    room = [aligned(max(size for _, size, _ in streams.values())) for _ in range(WORKERS)]

    def run(worker: int) -> int:
        mine = work.files[worker::WORKERS]
        for path in mine:
            data, size, _ = streams[path]
            imagecodecs.deflate_decode(data, raw=True, out=room[worker][:size].data)
        return len(mine)

    return Repeated(run)


def copy(work: Work) -> Iterator[int]:
    """Copy the bytes of as many patches from one place in memory to another: two threads."""
    room = [(aligned(29 * 256 * 256 * 4), aligned(29 * 256 * 256 * 4)) for _ in range(WORKERS)]
    for source, _ in room:
        source[:] = 1

    def run(worker: int) -> int:
        source, target = room[worker]
        mine = work.files[worker::WORKERS]
        for _ in mine:
            np.copyto(target, source)
        return len(mine)

    return Repeated(run)


class Repeated:
    """Runs a function in two threads every time it is iterated, and gives the numbers of patches."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def __iter__(self) -> Iterator[int]:
        with ThreadPoolExecutor(WORKERS) as pool:
            yield from pool.map(self.run, range(WORKERS))
