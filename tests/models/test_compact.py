"""The layer for compact patches gives the channels that it declares; its numbers are tested beside the data sets."""

import keras
import numpy as np
import pytest

from helpers.models.compact import CompactInput, CompactToFloat

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


def test_images_are_not_taken_for_compact_patches():
    with pytest.raises(ValueError, match=r"are a dictionary of arrays.*received an array of shape \(2, 3, 3, 4\)"):
        CompactToFloat(byte_scales=(1, 1), half_scales=(1, 1))(CHANNELS.astype("float32"))


@pytest.mark.slow
def test_a_model_for_images_takes_compact_patches_as_well_and_is_saved(tmp_path):
    images = keras.Input((None, None, 4))
    model = keras.Model(images, keras.layers.Dropout(0.5)(keras.layers.Conv2D(2, 1)(images)), name="inside")
    both = CompactInput(model, CompactToFloat(byte_scales=(1, 1), half_scales=(1, 1)))
    wanted = model.predict(CHANNELS.astype("float32"), verbose=0)
    np.testing.assert_array_equal(both.predict(COMPACT, verbose=0), wanted)
    np.testing.assert_array_equal(both.predict(CHANNELS.astype("float32"), verbose=0), wanted)
    both.compile("sgd", "mse")
    both.fit(COMPACT, wanted, epochs=1, verbose=0)
    assert not np.array_equal(model.predict(CHANNELS.astype("float32"), verbose=0), wanted), "they share their weights"
    both.save(tmp_path / "both.keras")
    again = keras.saving.load_model(tmp_path / "both.keras")
    np.testing.assert_array_equal(again.predict(COMPACT, verbose=0), both.predict(COMPACT, verbose=0))
