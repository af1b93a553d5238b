"""The layer that takes compact patches: small numbers over the wire, scaled on the device. Used by lectures 11-13.

A patch of 26 float32 channels is 6.8 MB; as whole numbers (uint8) and doubled halves (int16) it is 2.9 MB, with
Landsat as cells 0.7 MB; and the processor that reads it is spared the scaling and transposing.
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
        order: for each channel of the result, where it is among bytes and then halves; channels that it does not name
            are left out. Default: all, just so.

    Call it with `{"bytes": uint8, (batch, n, height, width), "halves": int16, (batch, m, height, width)}`, of which
    either may be left out together with its scales. Packed patches have, in place of "halves", the cells of Landsat's
    own grid, `"cells"`: int16, (batch, cells, m), and the number of each pixel's cell, `"index"`: uint8,
    (batch, height, width). It returns float32, (batch, height, width, channels).
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

    def inputs(self, image_size: int = 256, *, packed: bool = False) -> dict[str, Any]:
        """Make the inputs of a model that begins with this layer: `Model(inputs, rest(layer(inputs)))`.

        Args:
            image_size: pixels along each side.
            packed: whether Landsat comes as cells.
        """
        size, halves = (image_size, image_size), len(self.scales["halves"])
        inputs = {"bytes": keras.Input((len(self.scales["bytes"]), *size), name="bytes", dtype="uint8")}
        if packed:
            inputs["cells"] = keras.Input((None, halves), name="cells", dtype="int16")
            inputs["index"] = keras.Input(size, name="index", dtype="uint8")
        else:
            inputs["halves"] = keras.Input((halves, *size), name="halves", dtype="int16")
        return {name: each for name, each in inputs.items() if 0 not in each.shape}

    def call(self, inputs: dict[str, Any]) -> Any:
        """Scale, enlarge, transpose, join and bring into order.

        Raises:
            ValueError: what came is no compact batch.
        """
        if not isinstance(inputs, dict):
            raise ValueError(
                'compact patches are a dictionary of arrays, {"bytes": ..., "halves": ...}; received an array of shape '
                f"{tuple(inputs.shape)}. For a model that takes images as well: CompactInput(model)."
            )
        parts = []
        if self.scales["bytes"]:
            parts.append(self._scaled(ops.transpose(inputs["bytes"], (0, 2, 3, 1)), "bytes"))
        if self.scales["halves"]:
            landsat = _enlarged(inputs) if "cells" in inputs else ops.transpose(inputs["halves"], (0, 2, 3, 1))
            parts.append(self._scaled(landsat, "halves"))
        pixels = ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]  # (batch, height, width, channels)
        if self.order != list(range(pixels.shape[-1])):
            pixels = ops.take(pixels, self.order, axis=-1)
        return ops.cast(pixels, self.compute_dtype)

    def compute_output_shape(self, input_shape: dict[str, tuple]) -> tuple:
        """Return (batch, height, width, channels)."""
        if "index" in input_shape:
            return *input_shape["index"], len(self.order)
        batch, _, height, width = next(iter(input_shape.values()))
        return batch, height, width, len(self.order)

    def _scaled(self, pixels: Any, kind: str) -> Any:
        return ops.cast(pixels, "float32") * np.array(self.scales[kind], np.float32)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the layer with a model."""
        config = {"byte_scales": self.scales["bytes"], "half_scales": self.scales["halves"], "order": self.order}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="course")
class CompactInput(keras.Model):
    """A model that takes compact patches, and hands them to one that takes images. Shown in lecture 12.

    The two share their weights: train this one, and save or use the other. It takes images as well, as they are.

    Args:
        model: images, float32, (batch, height, width, channels), to anything.
        finish: what makes images of compact patches. Default: that of the 26 channels of the course.
    """

    def __init__(self, model: keras.Model, finish: CompactToFloat | None = None, **options: Any) -> None:
        super().__init__(**{"name": model.name, **options})
        self.model, self.finish = model, finish or CompactToFloat()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Finish what is compact, and hand it on."""
        return self.model(self.finish(inputs) if isinstance(inputs, dict) else inputs, training=training)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Return shape and type of the output; images that do not fit are told of in the words of the model inside."""
        return self.call(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, to save the model with the one that it has inside."""
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("model", "finish")}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "CompactInput":
        """Build the model that `get_config` tells of."""
        parts = {n: keras.saving.deserialize_keras_object(config[n], custom_objects) for n in ("model", "finish")}
        return cls(**{**config, **parts})


def _enlarged(inputs: dict[str, Any]) -> Any:
    """Return every pixel the values of its cell: int16, (batch, height, width, m).

    One gather from all cells of the batch in a row: faster than one along an axis, and exact, as a product with a
    one-hot matrix would not be where a GPU multiplies in reduced precision.
    """
    batch, count, channels = ops.shape(inputs["cells"])
    first = ops.arange(batch, dtype="int32")[:, None, None] * count  # the first cell of each patch
    number = ops.cast(inputs["index"], "int32") + first  # (batch, height, width)
    return ops.take(ops.reshape(inputs["cells"], (-1, channels)), number, axis=0)
