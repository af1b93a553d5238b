"""The layer for compact patches gives the channels that it declares; its numbers are tested beside the data sets."""

import keras
import numpy as np
import pytest

from helpers.models.compact import CompactToFloat

COMPACT = {
    "bytes": np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3),
    "halves": np.arange(2 * 2 * 3 * 3, dtype=np.int16).reshape(2, 2, 3, 3) - 18,
}
CHANNELS = np.concatenate(list(COMPACT.values()), axis=1).transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    "order", [None, [0, 1, 2, 3], [0, 2], [0], [1, 2, 3], [3], [3, 0], [2, 2], [3, 2, 1, 0]], ids=str
)
def test_the_result_has_the_channels_of_order(order):
    layer = CompactToFloat(byte_scales=(1, 1), half_scales=(1, 1), order=order)
    wanted = CHANNELS if order is None else CHANNELS[..., order]
    np.testing.assert_array_equal(layer(COMPACT), wanted)
    inputs = layer.inputs(3)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, *wanted.shape[1:])
    np.testing.assert_array_equal(model.predict(COMPACT, verbose=0), wanted)
