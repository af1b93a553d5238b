"""The receptive field: which pixels of an image can change one pixel of a network's output. Shown in lecture 12."""

import keras
import numpy as np


def receptive_field(model: keras.Model, size: int) -> tuple[int, int]:
    """Return how many rows and columns of an image the middle pixel of the output can depend on.

    It is measured: a copy of the model whose kernels are all ones is shown images in which one row, or one column, is
    lit, and those that reach the middle are counted.

    Args:
        model: images to maps, (batch, rows, columns, bands) -> (batch, rows, columns, channels), by convolutions,
            batch normalisation, pooling, enlarging and ReLU; of a classifier without its softmax. Rows and columns of
            its input may be None.
        size: rows and columns of the images, one of the sizes that the model takes, and more than the answer.

    Raises:
        ValueError: the field reaches the border of images of this size, so it may be larger.
    """
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        for weight in layer.weights:
            # ones, but biases and running means 0; by the number of inputs, or numbers would grow beyond all bounds
            is_zero = weight.name in ("bias", "beta", "moving_mean")
            weight.assign(np.full(weight.shape, 0 if is_zero else 1 / max(1, np.prod(weight.shape[:-1])), np.float32))
    bands = model.input_shape[-1]
    lit = np.broadcast_to(np.eye(size, dtype=np.float32)[:, :, None, None], (size, size, size, bands))
    counts = []
    for images in (lit, lit.swapaxes(1, 2)):  # a row of each image, then a column
        maps = keras.ops.convert_to_numpy(copy(images))  # (size, rows, columns, channels)
        reached = np.flatnonzero(maps[:, maps.shape[1] // 2, maps.shape[2] // 2].max(axis=-1) > 0)
        if reached[0] == 0 or reached[-1] == size - 1:
            raise ValueError(f"the receptive field reaches the border of images of {size} pixels: give a larger size.")
        counts.append(int(np.ptp(reached)) + 1)
    return counts[0], counts[1]
