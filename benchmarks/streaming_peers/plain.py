"""Loaders around one function that reads one patch: a generator, Keras' PyDataset, torch's DataLoader, grain, SPDL."""

import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from streaming_peers import BATCH, WORKERS, Work

Sample = tuple[np.ndarray, np.ndarray]
LAYERS_BYTES = 29 * 256 * 256 * 4


def read_patch(path: str) -> Sample:
    """Read a patch with NumPy as well as that can be done: two products, written where they belong.

    Returns:
        float32, (256, 256, 26), and int32, (256, 256).
    """
    with np.load(path) as file:
        return finished(file["arr_0"][0])


def inflate_patch(path: str) -> Sample:
    """Read a patch as somebody does who knows libdeflate: Python's `zipfile` says where its bytes are."""
    import imagecodecs

    data, size, checksum = compressed(path)
    array = imagecodecs.deflate_decode(data, raw=True, out=size)
    if imagecodecs.deflate_crc32(array) != checksum:
        raise ValueError(f"{path} is damaged.")
    return finished(np.frombuffer(array, np.float32, offset=size - LAYERS_BYTES).reshape(29, 256, 256))


def compressed(path: str) -> tuple[bytes, int, int]:
    """Return the deflated bytes of a patch, the size that they inflate to, and the checksum of that."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:  # noqa: PTH123
        (member,) = archive.infolist()
        file.seek(member.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")
        file.seek(int(lengths.sum()), 1)
        return file.read(member.compress_size), member.file_size, member.CRC


def finished(layers: np.ndarray) -> Sample:
    """Scale the layers of a patch, float32, (29, 256, 256), as `read_patch` returns them."""
    image = np.empty((256, 256, 26), np.float32)
    np.multiply(layers[:8].transpose(1, 2, 0), np.float32(1 / 255), out=image[..., :8])
    np.multiply(layers[10:28].transpose(1, 2, 0), np.float32(1 / 4000), out=image[..., 8:])
    labels = layers[8].astype(np.int32)
    labels[labels == 15] = 0
    return image, labels


def stack(samples: list[Sample]) -> Sample:
    """Make a batch of samples."""
    images, labels = zip(*samples, strict=True)
    return np.stack(images), np.stack(labels)


class Shuffled:
    """Batches of files, another order every time; without threads."""

    def __init__(self, files: list[str]) -> None:
        self.files, self.random = files, np.random.default_rng(0)

    def __iter__(self) -> Iterator[Sample]:
        order = self.random.permutation(len(self.files))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            yield stack([read_patch(self.files[index]) for index in order[first : first + BATCH]])


def naive(work: Work) -> Shuffled:
    """Read with a generator."""
    return Shuffled(work.files)


def pydataset_threads(work: Work) -> Any:
    """Read as `fit` reads a `keras.utils.PyDataset`, in threads."""
    return _pydataset(work.files, use_multiprocessing=False)


def pydataset_processes(work: Work) -> Any:
    """Read as `fit` reads a `keras.utils.PyDataset`, in processes, which Keras starts anew every epoch."""
    return _pydataset(work.files, use_multiprocessing=True)


def _pydataset(files: list[str], **options: Any) -> Any:
    import keras
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter  # what `fit` puts around it

    order, random = list(files), np.random.default_rng(0)

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(order) // BATCH

        def __getitem__(self, index: int) -> Sample:
            return stack([read_patch(path) for path in order[index * BATCH : (index + 1) * BATCH]])

    class Epochs:
        def __iter__(self) -> Iterator[Any]:
            random.shuffle(order)
            batches = Batches(workers=WORKERS, max_queue_size=3, **options)
            adapter = PyDatasetAdapter(batches, shuffle=False)
            adapter.on_epoch_begin()
            for batch, _ in zip(adapter.get_tf_dataset(), range(len(batches)), strict=False):
                yield batch
            adapter.on_epoch_end()

    return Epochs()


class Patches:
    """What torch calls a map-style data set."""

    def __init__(self, files: list[str], read: Callable[[str], Sample]) -> None:
        self.files, self.read = files, read

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        return self.read(self.files[index])


def torch(work: Work) -> Any:
    """Read with torch's DataLoader, whose processes stay from epoch to epoch."""
    return _torch(work, read_patch)


def torch_libdeflate(work: Work) -> Any:
    """Read the same way, with libdeflate."""
    return _torch(work, inflate_patch)


def _torch(work: Work, read: Callable[[str], Sample]) -> Any:
    from torch.utils.data import DataLoader

    options = {"num_workers": WORKERS, "persistent_workers": True, "prefetch_factor": 1}
    return DataLoader(Patches(work.files, read), BATCH, shuffle=True, drop_last=True, **options)


def grain_threads(work: Work) -> Any:
    """Read with grain, in threads."""
    import grain

    options = grain.ReadOptions(num_threads=WORKERS, prefetch_buffer_size=2 * BATCH)
    return _grain(work.files).to_iter_dataset(options).batch(BATCH, drop_remainder=True)


def grain_processes(work: Work) -> Any:
    """Read with grain, in processes, which it starts anew every epoch."""
    import grain

    options = grain.MultiprocessingOptions(num_workers=WORKERS, per_worker_buffer_size=1)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=BATCH)
    return _grain(work.files).to_iter_dataset(reading).batch(BATCH, drop_remainder=True).mp_prefetch(options)


def _grain(files: list[str]) -> Any:
    import grain

    return grain.MapDataset.source(files).shuffle(seed=0).map(read_patch)


def spdl(work: Work) -> "Pipelines":
    """Read with SPDL: its reader of `.npz`, in the threads of its pipeline."""
    return Pipelines(work.files)


class Pipelines:
    """Batches of an SPDL pipeline, which is built anew every time, in another order."""

    def __init__(self, files: list[str]) -> None:
        self.files, self.random = files, np.random.default_rng(0)

    def __iter__(self) -> Iterator[Sample]:
        from spdl.io import load_npz
        from spdl.pipeline import PipelineBuilder

        def read(path: str) -> Sample:
            with open(path, "rb") as file:  # noqa: PTH123
                return finished(load_npz(file.read())["arr_0"][0])

        order = [self.files[index] for index in self.random.permutation(len(self.files))]
        builder = PipelineBuilder().add_source(order).pipe(read, concurrency=WORKERS)
        builder = builder.aggregate(BATCH, drop_last=True).pipe(stack).add_sink(1)
        with (pipeline := builder.build(num_threads=WORKERS)).auto_stop():
            yield from pipeline
