"""The layer that takes compact patches: small numbers over the wire, scaled on the device. Used by lectures 11-13.

A patch of 26 float32 channels is 6.8 MB; as whole numbers (uint8) and doubled halves (int16) it is 2.9 MB, and the
processor that reads it is spared the scaling and transposing.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="course")
class CompactToFloat(keras.layers.Layer):
    """Scale compact planes to float32, channels last.

    The result is bit-equal to the float32 batches of the same data set: both multiply the same numbers by the same
    float32 factors, and halving a factor (for the doubled halves) is exact.

    Args:
        byte_scales: what each uint8 channel is multiplied by. Default: the 8 NAIP channels of the course.
        half_scales: what each int16 channel is multiplied by. Default: the 18 Landsat channels of the course.
        order: for each channel of the result, where it is among bytes and then halves. Default: just so.

    Call it with `{"bytes": uint8, (batch, n, height, width), "halves": int16, (batch, m, height, width)}`, of which
    either may be left out together with its scales; it returns float32, (batch, height, width, channels).
    """

    def __init__(
        self,
        byte_scales: Sequence[float] = (1 / 255,) * 8,
        half_scales: Sequence[float] = (1 / 8000,) * 18,
        order: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.scales = {"bytes": list(byte_scales), "halves": list(half_scales)}
        self.order = list(range(len(byte_scales) + len(half_scales))) if order is None else list(order)

    def inputs(self, image_size: int = 256) -> dict[str, Any]:
        """Make the inputs of a model that begins with this layer: `Model(inputs, rest(layer(inputs)))`."""
        dtypes = {"bytes": "uint8", "halves": "int16"}
        return {
            name: keras.Input((len(scales), image_size, image_size), name=name, dtype=dtypes[name])
            for name, scales in self.scales.items()
            if scales
        }

    def call(self, inputs: dict[str, Any]) -> Any:
        """Scale, join, bring into order and transpose."""
        parts = [
            ops.cast(inputs[name], "float32") * np.array(scales, np.float32)[:, None, None]
            for name, scales in self.scales.items()
            if scales
        ]
        planes = ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]  # (batch, channels, height, width)
        if self.order != sorted(self.order):
            planes = ops.take(planes, self.order, axis=1)
        return ops.cast(ops.transpose(planes, (0, 2, 3, 1)), self.compute_dtype)  # (batch, height, width, channels)

    def compute_output_shape(self, input_shape: dict[str, tuple]) -> tuple:
        """Give (batch, height, width, channels)."""
        batch, _, height, width = next(iter(input_shape.values()))
        return batch, height, width, len(self.order)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments, to save the layer with a model."""
        config = {"byte_scales": self.scales["bytes"], "half_scales": self.scales["halves"], "order": self.order}
        return {**super().get_config(), **config}
