"""Loaders of TensorFlow: the one that students of the OU course know, a quicker one like it, and TFRecord."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streaming_peers import BATCH, WORKERS, Work
from streaming_peers.arrays import compact_planes
from streaming_peers.plain import inflate_patch, read_patch

if TYPE_CHECKING:
    import tensorflow as tf

PER_SHARD = 8
IMAGE, LABELS = (256, 256, 26), (256, 256)


def ou_style(work: Work) -> "tf.data.Dataset":
    """Read as the OU course does: list, shuffle, map a Python function over the files, check, batch, prefetch."""
    import tensorflow as tf

    def load(path: "tf.Tensor") -> tuple[np.ndarray, np.ndarray]:
        patch = np.load(path.numpy().decode())["arr_0"]
        patch = np.transpose(patch[0], (1, 2, 0))  # (29, 256, 256) -> (256, 256, 29)
        image = np.concatenate([patch[..., :8] / 255.0, patch[..., 10:28] / 4000.0], axis=-1)
        labels = patch[..., 8].astype(np.int32)
        return image, np.where(labels == 15, 0, labels)

    def checked(path: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        image, labels = tf.py_function(load, [path], [tf.float32, tf.int32])
        image = tf.debugging.check_numerics(image, "patch")
        return tf.ensure_shape(image, IMAGE), tf.ensure_shape(labels, LABELS)

    files = tf.data.Dataset.from_tensor_slices(work.files).shuffle(len(work.files), seed=0)
    return files.map(checked, num_parallel_calls=tf.data.AUTOTUNE).apply(_batched)


def tf_libdeflate(work: Work) -> "tf.data.Dataset":
    """Read with libdeflate in a `numpy_function`: the best that tf.data does with the original files."""
    import tensorflow as tf

    def load(path: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        read = lambda name: inflate_patch(name.decode())  # noqa: E731
        image, labels = tf.numpy_function(read, [path], [tf.float32, tf.int32], stateful=False)
        return tf.ensure_shape(image, IMAGE), tf.ensure_shape(labels, LABELS)

    files = tf.data.Dataset.from_tensor_slices(work.files).shuffle(len(work.files), seed=0)
    return files.map(load, num_parallel_calls=WORKERS).apply(_batched)


def tfrecord(work: Work) -> "tf.data.Dataset":
    """Read TFRecords of finished float32 images."""
    return _tfrecord(work, "floats", "")


def tfrecord_gzip(work: Work) -> "tf.data.Dataset":
    """Read the same, compressed."""
    return _tfrecord(work, "gzip", "GZIP")


def write_tfrecord(work: Work) -> None:
    """Write float32 images, channels last, and uint8 labels: nothing is left to do but to cut the bytes."""
    _write_floats(work, "floats", "")


def write_tfrecord_gzip(work: Work) -> None:
    """Write the same, compressed."""
    _write_floats(work, "gzip", "GZIP")


def tfrecord_compact(work: Work) -> "tf.data.Dataset":
    """Read TFRecords of the compact form, which a layer of the model finishes."""
    kinds = {name: (array.shape, array.dtype) for name, array in next(compact_planes(work)).items()}

    def finished(record: "tf.Tensor") -> tuple[dict[str, "tf.Tensor"], "tf.Tensor"]:
        parts = _parsed(record, kinds)
        return parts, parts.pop("labels")

    return _records(work, "compact", "").map(finished, num_parallel_calls=WORKERS).apply(_batched)


def write_tfrecord_compact(work: Work) -> None:
    """Write the compact form."""
    _write(work, "compact", "", compact_planes(work))


def _shards(work: Work, name: str) -> list[str]:
    folder = work.folder / f"tfrecord_{name}"
    return [str(folder / f"{first:05d}.tfrecord") for first in range(0, len(work.distinct), PER_SHARD)]


def _write_floats(work: Work, name: str, compression: str) -> None:
    patches = map(read_patch, work.distinct)
    arrays = ({"image": image, "labels": labels.astype(np.uint8)} for image, labels in patches)
    _write(work, name, compression, arrays)


def _write(work: Work, name: str, compression: str, patches: Iterator[dict[str, np.ndarray]]) -> None:
    import tensorflow as tf

    for shard in _shards(work, name):
        Path(shard).parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(shard, compression) as writer:
            for arrays in islice(patches, PER_SHARD):
                features = {
                    key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))
                    for key, array in arrays.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def _records(work: Work, name: str, compression: str) -> "tf.data.Dataset":
    import tensorflow as tf

    shards = _shards(work, name) * (len(work.files) // len(work.distinct))
    records = tf.data.Dataset.from_tensor_slices(shards).shuffle(len(shards), seed=0)
    return records.interleave(
        lambda shard: tf.data.TFRecordDataset(shard, compression), cycle_length=4, num_parallel_calls=WORKERS
    )


def _parsed(record: "tf.Tensor", kinds: dict[str, tuple[tuple[int, ...], Any]]) -> dict[str, "tf.Tensor"]:
    """Have arrays back from a record: of each name, shape and dtype."""
    import tensorflow as tf

    example = tf.io.parse_single_example(record, {name: tf.io.FixedLenFeature((), tf.string) for name in kinds})
    return {name: tf.reshape(tf.io.decode_raw(example[name], dtype), shape) for name, (shape, dtype) in kinds.items()}


def _batched(samples: "tf.data.Dataset") -> "tf.data.Dataset":
    return samples.batch(BATCH, drop_remainder=True).prefetch(2)


def _tfrecord(work: Work, name: str, compression: str) -> "tf.data.Dataset":
    import tensorflow as tf

    def finished(record: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        parts = _parsed(record, {"image": (IMAGE, tf.float32), "labels": (LABELS, tf.uint8)})
        return parts["image"], tf.cast(parts["labels"], tf.int32)

    return _records(work, name, compression).map(finished, num_parallel_calls=tf.data.AUTOTUNE).apply(_batched)
