"""Diagrams show every layer of a model with its shape, where gradients of its losses go, and no colour of the page."""

import re
from xml.etree import ElementTree

import keras
import pytest
from keras import layers

from helpers.diagrams import draw_model
from helpers.models import convolutional, dense
from helpers.models.unet import build_unet
from helpers.models.variational import build_dense_parts


def texts(diagram) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(diagram.svg).iter("{http://www.w3.org/2000/svg}text")]


def heights(diagram) -> list[float]:
    return [float(box.get("height")) for box in ElementTree.fromstring(diagram.svg) if box.tag.endswith("rect")]


def arrows_back(diagram, colour: str) -> int:
    """Count the heads of arrows that point to the left."""
    return len(re.findall(rf'Z" fill="{colour}"', diagram.svg))


def test_each_layer_stands_with_its_shape_in_the_order_of_the_data():
    found = texts(draw_model(dense.build_encoder(32, hidden=(64,)), dense.build_decoder(32)))
    shapes = ["28 x 28 x 1", "784", "64", "32", "784", "28 x 28 x 1"]
    assert [text for text in found if re.fullmatch(r"[\d x,]+", text)] == shapes
    assert [text for text in found if text in ("input", "Flatten", "Dense", "Reshape")] == [
        *("input", "Flatten", "Dense", "Dense", "Dense", "Reshape")
    ]
    assert found.count("relu") == 2 and found.count("sigmoid") == 1


def test_a_model_inside_a_model_is_drawn_as_its_layers():
    model = dense.build_autoencoder(32)
    assert texts(draw_model(model)) == texts(draw_model(model.get_layer("encoder"), model.get_layer("decoder")))


def test_the_bottleneck_is_the_lowest_box():
    vector, image = dense.build_autoencoder(8), convolutional.build_autoencoder(filters=(16, 32))
    for diagram in (draw_model(vector), draw_model(image)):
        found = heights(diagram)
        assert min(found) < found[0] == pytest.approx(found[-1])
        assert found.index(min(found)) not in (0, len(found) - 1)


def test_skips_are_bows_and_sizes_that_are_not_known_are_shares():
    model = build_unet(3, input_shape=(None, None, 4), filters=(8, 16))
    diagram = draw_model(model)
    assert {"h x w x 4", "h/2 x w/2 x 16", "h x w x 3"} <= {*texts(diagram)}
    assert diagram.svg.count(" C ") == 1
    assert " C " not in draw_model(build_unet(3, input_shape=(None, None, 4), filters=(8, 16), skips=False)).svg


def test_gradients_end_at_the_last_layer_that_learns():
    encoder, decoder = dense.build_encoder(32), dense.build_decoder(32)
    diagram = draw_model(encoder, decoder, losses={"BCE": [decoder.output], "price": [encoder.output]})
    assert arrows_back(diagram, "#d55e00") == 2, "from the image to the pixels, and on to the code"
    assert arrows_back(diagram, "#009e73") == 0, "the code itself is the last"
    assert {"BCE", "price"} <= {*texts(diagram)}


def test_gradients_pass_the_sampling_of_a_vae():
    encoder, decoder = build_dense_parts(2, hidden=(64,))
    z_mean, z_log_var, _ = encoder.outputs
    diagram = draw_model(encoder, decoder, losses={"reconstruction": [decoder.output], "KL": [z_mean, z_log_var]})
    assert arrows_back(diagram, "#009e73") == 2, "from mean and log-variance to the hidden layer"
    assert arrows_back(diagram, "#d55e00") > 4


def test_a_layer_of_ones_own_and_two_inputs_are_drawn():
    image, label = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    named = layers.CategoryEncoding(3, output_mode="one_hot")(label)
    together = layers.Concatenate()([layers.Flatten()(image), named])
    assert {"Concatenate", "CategoryEncoding", "19", "3", "1"} <= {
        *texts(draw_model(keras.Model([image, label], together)))
    }


def test_attributes_of_a_layer_of_ones_own_mean_nothing_here():
    class Patches(layers.Layer):
        size, strides, kernel_size = 16, "same", None

        def call(self, x):
            return x

    image = keras.Input((None, None, 3))
    found = texts(draw_model(keras.Model(image, layers.MaxPooling2D(2)(Patches()(image)))))
    assert "Patches" in found and {"h x w x 3", "h/2 x w/2 x 3"} <= {*found}


def test_lines_and_volumes_are_drawn_with_all_their_axes():
    line, volume = keras.Input((None, 3)), keras.Input((None, None, None, 2))
    found = texts(draw_model(keras.Model(line, layers.UpSampling1D(2)(layers.MaxPooling1D(4)(line)))))
    assert {"h x 3", "h/4 x 3", "h/2 x 3"} <= {*found}
    assert {"d x h x w x 2", "d/2 x h/2 x w/2 x 2"} <= {
        *texts(draw_model(keras.Model(volume, layers.MaxPooling3D(2)(volume))))
    }
    fixed = keras.Input((8, 6, 4, 2))
    assert "8 x 6 x 4 x 5" in texts(draw_model(keras.Model(fixed, layers.Conv3D(5, 3, padding="same")(fixed))))


def drawn(body) -> list[str]:
    image = keras.Input((8, 8, 4))
    return texts(draw_model(keras.Model(image, body(image))))


def conv(kernel=3, strides=1, activation="relu"):
    return layers.Conv2D(4, kernel, strides, padding="same", activation=activation)


def test_convolutions_in_a_row_are_one_box_where_they_are_alike():
    assert "3 x Conv2D" in drawn(lambda x: conv()(layers.Dropout(0.1)(conv()(conv()(x)))))
    for other in (conv(5), conv(activation=None), layers.SeparableConv2D(4, 3, padding="same", activation="relu")):
        assert not any(" x Conv2D" in text for text in drawn(lambda x, other=other: other(conv()(x)))), other
    image = keras.Input((None, None, 4))
    strided = texts(draw_model(keras.Model(image, conv(strides=2)(conv(strides=2)(image)))))
    assert strided.count("Conv2D") == 2 and {"h/2 x w/2 x 4", "h/4 x w/4 x 4"} <= {*strided}


def test_a_residual_block_shows_what_is_added():
    def block(x):
        first = layers.BatchNormalization()(conv()(x))
        return layers.Add()([first, conv()(first)])

    found = drawn(lambda x: conv()(block(conv()(x))))
    assert found.count("2 x Conv2D") == 1 and found.count("Conv2D") == 2, "two before the fork, one in it, one behind"


def test_a_name_that_is_no_name_is_written_as_it_is():
    assert "<lambda>" in drawn(lambda x: conv(activation=lambda y: y)(x))


class Subclassed(keras.Model):
    """A model that tells nothing of its layers."""


@pytest.mark.parametrize("make", [Subclassed, lambda: keras.Sequential([layers.Dense(3)])])
def test_a_model_whose_layers_are_not_known_is_refused(make):
    with pytest.raises(ValueError, match=r"Give its parts: draw_model\(vae.encoder, vae.decoder\)"):
        draw_model(make())


def test_it_takes_the_colours_of_the_page_and_says_in_words_what_it_shows():
    diagram = draw_model(dense.build_encoder(32))
    root = ElementTree.fromstring(diagram.svg)
    assert {*re.findall(r'(?:fill|stroke)="([^"]+)"', diagram.svg)} == {"currentColor", "none"}
    assert root.get("role") == "img" and root.get("aria-label") == repr(diagram)
    assert "input (28 x 28 x 1), Flatten (784), Dense relu (32)" in repr(diagram)
    assert diagram.svg in diagram._repr_html_()


def test_a_loss_that_reads_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"BCE.*none of these models makes"):
        draw_model(dense.build_encoder(32), losses={"BCE": [dense.build_decoder(32).output]})
