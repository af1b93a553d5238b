"""Loaders of TensorFlow: the one that students of the OU course know, and TFRecord."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streaming_peers import BATCH, WORKERS, Work
from streaming_peers.plain import read_patch

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
    return files.map(checked, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH, drop_remainder=True).prefetch(2)


def tfrecord(work: Work) -> "tf.data.Dataset":
    """Read TFRecords of finished float32 images."""
    return _tfrecord(work, "")


def tfrecord_gzip(work: Work) -> "tf.data.Dataset":
    """Read the same, compressed."""
    return _tfrecord(work, "GZIP")


def write_tfrecord(work: Work) -> None:
    """Write float32 images, channels last, and uint8 labels: nothing is left to do but to cut the bytes."""
    _write(work, "")


def write_tfrecord_gzip(work: Work) -> None:
    """Write the same, compressed."""
    _write(work, "GZIP")


def _shards(work: Work, compression: str) -> list[str]:
    folder = work.folder / f"tfrecord{compression.lower()}"
    return [str(folder / f"{first:05d}.tfrecord") for first in range(0, len(work.distinct), PER_SHARD)]


def _write(work: Work, compression: str) -> None:
    import tensorflow as tf

    for number, shard in enumerate(_shards(work, compression)):
        Path(shard).parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(shard, compression) as writer:
            for path in work.distinct[number * PER_SHARD : (number + 1) * PER_SHARD]:
                image, labels = read_patch(path)
                values = {"image": image.tobytes(), "labels": labels.astype(np.uint8).tobytes()}
                features = {
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in values.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def _tfrecord(work: Work, compression: str) -> "tf.data.Dataset":
    import tensorflow as tf

    def finished(record: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        text = tf.io.FixedLenFeature((), tf.string)
        example = tf.io.parse_single_example(record, {"image": text, "labels": text})
        image = tf.reshape(tf.io.decode_raw(example["image"], tf.float32), IMAGE)
        labels = tf.reshape(tf.io.decode_raw(example["labels"], tf.uint8), LABELS)
        return image, tf.cast(labels, tf.int32)

    shards = _shards(work, compression) * (len(work.files) // len(work.distinct))
    records = tf.data.Dataset.from_tensor_slices(shards).shuffle(len(shards), seed=0)
    records = records.interleave(
        lambda shard: tf.data.TFRecordDataset(shard, compression), cycle_length=4, num_parallel_calls=WORKERS
    )
    return records.map(finished, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH, drop_remainder=True).prefetch(2)
