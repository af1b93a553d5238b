"""The receptive field, measured, against the sum that each layer adds."""

import keras
import pytest
from keras import layers

from helpers.models.receptive_field import receptive_field
from helpers.models.unet import build_unet


def chain(*parts):
    image = keras.Input((None, None, 2))
    x = image
    for part in parts:
        x = part(x)
    return keras.Model(image, x)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([layers.Conv2D(3, 3, padding="same")], (3, 3)),
        ([layers.Conv2D(3, (5, 3), padding="same"), layers.Conv2D(4, 3, padding="same", activation="relu")], (7, 5)),
        ([layers.Conv2D(3, 3, padding="same", dilation_rate=2), layers.BatchNormalization()], (5, 5)),
        # 1 + 2 x 2, pooled 6, then 2 pixels of the first a step: 6 + 2 x 2 x 2
        (
            [
                layers.Conv2D(3, 3, padding="same"),
                layers.Conv2D(3, 3, padding="same"),
                layers.MaxPooling2D(),
                layers.Conv2D(3, 3, padding="same"),
                layers.Conv2D(3, 3, padding="same"),
            ],
            (14, 14),
        ),
    ],
)
def test_it_is_what_the_layers_add_up_to(parts, wanted):
    assert receptive_field(chain(*parts), 32) == wanted


@pytest.mark.parametrize(("filters", "wanted"), [((2, 2), 14), ((2, 2, 2), 32)])
def test_the_bottom_of_a_unet(filters, wanted):
    unet = build_unet(input_shape=(None, None, 1), filters=filters)
    bottom = keras.Model(unet.input, unet.get_layer("bottomb").output)
    assert receptive_field(bottom, 64) == (wanted, wanted)


def test_a_size_that_is_too_small_is_refused_and_the_model_is_left_as_it_was():
    model = chain(layers.Conv2D(3, 9, padding="same"))
    before = model.get_weights()
    with pytest.raises(ValueError, match="larger size"):
        receptive_field(model, 8)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
