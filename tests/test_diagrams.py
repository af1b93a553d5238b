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
