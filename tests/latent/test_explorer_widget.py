"""The kernel's half of the explorer, asked as the page asks it: by messages with bytes."""

import keras
import numpy as np
import pytest

from helpers.latent.explorer import Explorer, explore
from helpers.latent.explorer.points import class_statistics, correlations, principal_components
from helpers.models import dense, variational

RNG = np.random.default_rng(0)
CODES = RNG.uniform(size=(20, 4)).astype(np.float32) * np.float32([0.1, 0.5, 0.2, 1])
LABELS = np.arange(20) % 3
IMAGES = RNG.integers(0, 256, (20, 2, 2, 1), dtype=np.uint8)


def as_pixels(codes):
    """Decode four numbers as the four pixels of an image."""
    return codes.reshape(-1, 2, 2, 1)


def fails(codes):
    raise RuntimeError("out of cheese")


@pytest.fixture
def explorer() -> Explorer:
    return explore(CODES, LABELS, IMAGES, decode=as_pixels)


@pytest.fixture
def ask(explorer, monkeypatch):
    """Give a function that sends a message to the explorer as the browser does, and returns what it sends back."""
    sent = []
    monkeypatch.setattr(explorer, "send", lambda facts, buffers=None: sent.append((facts, buffers)))

    def send(kind, data=b"", **facts):
        buffers = [memoryview(data)] if len(data) else []  # what Jupyter makes of bytes that come in
        message = {"method": "custom", "content": {"kind": kind, "view": "0.25", **facts}}
        explorer._handle_msg({"content": {"data": message}, "buffers": buffers})
        if not sent:
            return None
        answer, data = sent.pop()
        assert answer.pop("view") == "0.25", "all views hear the answer, and one has asked"
        return answer, data

    return send


def floats(data):
    return np.frombuffer(data, "<f4")


def test_the_page_is_handed_bytes_that_hold_the_codes(explorer):
    np.testing.assert_array_equal(floats(explorer.points).reshape(4, 20), CODES.T)
    np.testing.assert_array_equal(np.frombuffer(explorer.labels, np.uint8), LABELS)
    np.testing.assert_array_equal(floats(explorer.bounds).reshape(2, 4), [CODES.min(axis=0), CODES.max(axis=0)])
    np.testing.assert_array_equal(floats(explorer.summary)[:27].reshape(3, 9), class_statistics(CODES, LABELS, 3))
    np.testing.assert_array_equal(floats(explorer.summary)[27:].reshape(4, 4), correlations(CODES))
    np.testing.assert_array_equal(floats(explorer.start), CODES.mean(axis=0))


def test_no_array_travels_as_a_list_and_no_image_with_the_first_message():
    many = explore(np.tile(CODES, (100, 1)), np.tile(LABELS, 100), np.tile(IMAGES, (100, 1, 1, 1)))
    state = many.get_state()
    assert {"points", "labels", "bounds", "summary", "start"} <= {k for k, v in state.items() if type(v) is bytes}
    longest = max(len(value) for value in state["scene"].values() if isinstance(value, list))
    assert longest <= 4
    assert not any(many._points.images.tobytes() in v for v in state.values() if type(v) is bytes)


def test_a_slider_is_decoded(explorer, ask):
    code = np.float32([0, 0.2, 0.6, 1])
    facts, buffers = ask("decode", code.tobytes(), picked=None)
    assert facts == {"kind": "decode", "shape": [1, 2, 2, 1]}
    assert list(buffers[0]) == [0, 51, 153, 255]
    np.testing.assert_array_equal(explorer.code, code)
    assert explorer.picked is None


def test_a_picked_point_is_known_in_the_notebook(explorer, ask):
    heard = []
    explorer.observe(lambda change: heard.append(change["new"]), "picked")
    ask("decode", CODES[7].tobytes(), picked=7)
    assert heard == [7]
    np.testing.assert_array_equal(explorer.code, CODES[7])


def test_components_are_decoded_as_the_codes_they_stand_for(explorer, ask):
    assert ask("look", basis="principal components")[0] == {"kind": "look"}
    coordinates = principal_components(CODES).coordinates(CODES)
    np.testing.assert_array_equal(floats(explorer.points).reshape(4, 20), coordinates.T)
    assert explorer.scene["axes"] == ["PC1", "PC2", "PC3", "PC4"]
    image = np.frombuffer(ask("decode", coordinates[3].tobytes())[1][0], np.uint8)
    np.testing.assert_allclose(image / 255, CODES[3], atol=0.6 / 255)
    np.testing.assert_allclose(explorer.code, CODES[3], atol=1e-6)


def test_the_sliders_stay_at_the_code_when_the_axes_change(explorer, ask):
    ask("decode", CODES[7].tobytes(), picked=7)
    ask("look", basis="principal components")
    np.testing.assert_allclose(principal_components(CODES).codes(floats(explorer.start)), CODES[7], atol=1e-6)


def test_the_way_between_two_points_is_decoded(ask):
    facts, (data,) = ask("interpolate", ends=[2, 5])
    assert facts["shape"] == [9, 2, 2, 1]
    images = np.frombuffer(data, np.uint8).reshape(9, 4) / 255
    for step, expected in ((0, CODES[2]), (4, (CODES[2] + CODES[5]) / 2), (8, CODES[5])):
        np.testing.assert_allclose(images[step], expected, atol=0.6 / 255)


def test_a_brush_selects_and_is_answered_with_statistics(explorer, ask):
    mask = np.zeros(20, np.uint8)
    mask[[3, 4, 9]] = 1
    facts, (data,) = ask("select", mask.tobytes())
    assert facts == {"kind": "select", "count": 3}
    assert explorer.selected.tolist() == [3, 4, 9]
    found = class_statistics(CODES[[3, 4, 9]], LABELS[[3, 4, 9]], 3), correlations(CODES[[3, 4, 9]])
    np.testing.assert_array_equal(floats(data), np.concatenate([part.ravel() for part in found]))
    table = explorer.table()
    assert (table.caption, [row[1] for row in table.cells]) == ("3 selected points", ["2", "1", "0"])


def test_the_image_of_a_point_is_fetched_by_itself(ask):
    facts, buffers = ask("image", point=7)
    assert facts == {"kind": "image", "shape": [1, 2, 2, 1]}
    assert bytes(buffers[0]) == IMAGES[7].tobytes()


@pytest.mark.parametrize("point", [0, 7])
def test_neighbours_come_nearest_first_with_their_images(ask, point):
    facts, buffers = ask("neighbours", point=point)
    distances = np.linalg.norm(CODES - CODES[point], axis=1)
    assert facts["points"] == np.argsort(distances)[:9].tolist()
    np.testing.assert_allclose(facts["distances"], np.sort(distances)[:9])
    assert bytes(buffers[0]) == IMAGES[facts["points"]].tobytes()


def test_neighbours_of_few_points_without_images_are_those_there_are():
    facts, data = explore([[0, 0], [3, 4], [0, 0]]).answer({"kind": "neighbours", "point": 2})
    assert (facts["points"], facts["distances"], data) == ([2, 0, 1], [0, 0, 5], b"")
    assert "shape" not in facts


def test_points_are_chosen_by_code_and_the_page_is_told(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(explorer, "send", lambda *message: sent.append(message))
    explorer.choose([4, 9, 4])
    assert explorer.selected.tolist() == [4, 9]
    ((facts, (mask,)),) = sent
    assert facts == {"kind": "choose"} and np.flatnonzero(np.frombuffer(mask, np.uint8)).tolist() == [4, 9]
    explorer.choose([])
    explorer.answer({"kind": "select", "by_code": True}, [mask])  # the page asks about what was chosen before
    assert explorer.selected.tolist() == []
    explorer.choose(np.isin(np.arange(20), [3, 11]))
    assert explorer.selected.tolist() == [3, 11]
    for wrong in ([20], [-1], [1.7], [True, False], np.ones(19, bool), ["a"]):
        with pytest.raises(IndexError, match="whole numbers from 0 to 19"):
            explorer.choose(wrong)
    assert explorer.selected.tolist() == [3, 11]


@pytest.mark.parametrize(
    ("question", "data", "message"),
    [
        ({"kind": "axes", "shown": [0, 99]}, b"", "2 to 10 different numbers"),
        ({"kind": "axes", "shown": []}, b"", "2 to 10 different numbers"),
        ({"kind": "colour", "by": "nope"}, b"", "no values named 'nope'"),
        ({"kind": "look", "basis": "nope"}, b"", "no axes 'nope'"),
        ({"kind": "select"}, bytes(5), "20 points; received a mask of 5"),
        ({"kind": "select"}, b"\x01" * 500, "20 points; received a mask of 500"),
        ({"kind": "decode", "label": 99}, bytes(16), "classes from 0 to"),
        ({"kind": "decode"}, bytes(8), "ValueError"),
        ({"kind": "foo"}, b"", "no answer to"),
        ({}, b"", "no answer to"),
        ("abc", b"", "no answer to"),
    ],
)
def test_an_odd_question_is_told_and_changes_nothing(explorer, question, data, message):
    names = ("shown", "coloured_by", "basis", "label", "picked")
    before = [getattr(explorer, name) for name in names], explorer.selected.tolist(), explorer.code.tolist()
    facts, found = explorer.answer(question, [data])
    assert message in facts["error"] and found == b""
    assert ([getattr(explorer, name) for name in names], explorer.selected.tolist(), explorer.code.tolist()) == before
    explorer.table(), explorer.figure()


def test_an_error_of_many_lines_is_told_in_one(explorer):
    def fails(codes):
        raise RuntimeError("\x1b[1mInvalid input\x1b[0m\nat node functional_9\n" * 50)

    explorer.show(explorer._points, decode=fails)
    facts, _ = explorer.answer({"kind": "decode"}, [np.zeros(len(explorer.code), "<f4").tobytes()])
    assert facts["error"] == "RuntimeError: Invalid input"


# ---- values and classes ----


def test_points_are_coloured_by_a_number():
    heights, losses = np.linspace(2, 5, 20), np.where(np.arange(20) == 3, np.nan, 1)
    explorer = explore(CODES, LABELS, values={"height": heights, "loss": losses})
    assert explorer.scene["values"] == [{"name": "height", "limits": (2, 5)}, {"name": "loss", "limits": (1, 1)}]
    np.testing.assert_array_equal(floats(explorer.values).reshape(2, 20), np.float32([heights, losses]))
    assert explorer.scene["coloured_by"] == "", "by class at first"
    explorer.answer({"kind": "colour", "by": "height"})
    assert explorer.coloured_by == "height"
    assert explore(CODES, values={"height": heights}).coloured_by == "height", "where there are no classes"


def test_a_conditional_decoder_is_told_the_class():
    _, decoder = variational.build_dense_parts(4, num_classes=3, hidden=(8,), input_shape=(2, 2, 1))
    explorer = explore(CODES, LABELS, decode=decoder)
    assert explorer.scene["conditional"] and not explore(CODES, decode=dense.build_decoder(4)).scene["conditional"]
    for label in (2, 0):
        _, data = explorer.answer({"kind": "decode", "label": label}, [CODES[5].tobytes()])
        expected = np.asarray(decoder([CODES[5:6], np.int32([label])])).ravel() * 255
        np.testing.assert_allclose(list(data), expected, atol=1)
        assert explorer.label == label
    facts, data = explorer.answer({"kind": "interpolate", "ends": [2, 5], "label": 2})
    assert facts["shape"] == [9, 2, 2, 1]
    np.testing.assert_allclose(list(data[-4:]), np.asarray(decoder([CODES[5:6], np.int32([2])])).ravel() * 255, atol=1)


def test_what_goes_wrong_is_told_to_the_page(explorer, ask):
    explorer.show(explorer._points, decode=fails)
    assert ask("decode", CODES[0].tobytes())[0] == {"kind": "decode", "error": "RuntimeError: out of cheese"}
    explorer.show(explorer._points)
    assert "decode=decoder" in ask("interpolate", ends=[0, 1])[0]["error"]


def test_what_was_asked_about_other_points_is_outdated(explorer, ask):
    before = explorer.scene["shows"]
    explorer.show(explore(CODES[:5], decode=as_pixels)._points, decode=as_pixels)
    mask = np.ones(20, np.uint8).tobytes()
    assert "Other points are shown" in ask("select", mask, shows=before)[0]["error"]
    assert "Other points are shown" in ask("interpolate", ends=[2, 3], shows=before)[0]["error"]
    assert explorer.selected.tolist() == []
    assert "shape" in ask("interpolate", ends=[2, 3], shows=before + 1)[0]


def test_a_nudge_is_not_answered(ask):
    assert ask("nudge") is None


def test_without_a_decoder_there_is_nothing_to_slide():
    assert not explore(CODES, LABELS).scene["decodes"]
    assert not explore(CODES).scene["images"]


def test_a_keras_decoder_is_not_asked_to_predict(monkeypatch):
    decoder = dense.build_decoder(4, output_shape=(2, 2, 1))
    monkeypatch.setattr(keras.Model, "predict", fails)
    facts, data = explore(CODES, decode=decoder).answer({"kind": "decode"}, [CODES[0].tobytes()])
    expected = np.rint(np.asarray(decoder(CODES[:1])).ravel() * 255)
    assert facts["shape"] == [1, 2, 2, 1]
    np.testing.assert_allclose(list(data), expected, atol=1)


def test_the_decoder_of_other_codes_is_refused():
    with pytest.raises(ValueError, match="takes codes of 5 numbers, but these have 4"):
        explore(CODES, decode=dense.build_decoder(5))
    _, conditional = variational.build_dense_parts(3, num_classes=3, hidden=(8,))
    with pytest.raises(ValueError, match="takes codes of 3 numbers, but these have 4"):
        explore(CODES, decode=conditional)


def test_a_decoder_of_three_inputs_is_refused():
    inputs = [keras.Input((size,)) for size in (4, 1, 1)]
    with pytest.raises(ValueError, match=r"has 3 inputs.*function of codes"):
        explore(CODES, decode=keras.Model(inputs, keras.layers.Concatenate()(inputs)))


@pytest.mark.parametrize("shapes", [((), (4,)), ((1,), (4,)), ((4,), (3,)), ((4,), (4,)), ((2, 2), ())])
def test_a_decoder_that_takes_classes_otherwise_is_refused(shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    flat = [keras.layers.Reshape((1,))(one) if one.shape == (None,) else keras.layers.Flatten()(one) for one in inputs]
    with pytest.raises(ValueError, match=r"wanted are codes, \(None, 4\), and then class numbers.*one_hot"):
        explore(CODES, decode=keras.Model(inputs, keras.layers.Concatenate()(flat)))


@pytest.mark.parametrize("axes", [[0], [0, 0], [0, 4], range(11), 2, ["z0", "z1"], [0.5, 1.2], []])
def test_axes_that_are_not_there_are_refused(axes):
    with pytest.raises(ValueError, match="2 to 10 different numbers from 0 to 3"):
        explore(CODES, axes=axes)


def test_the_widest_axes_are_shown_unless_told():
    codes = RNG.normal(size=(30, 8)) * [1, 9, 9, 9, 2, 9, 9, 9]
    assert explore(codes).shown == [1, 2, 3, 5, 6, 7]
    explorer = explore(codes, axes=[0, 7])
    assert explorer.shown == [0, 7]
    explorer.answer({"kind": "axes", "shown": [1, 2, 3]})
    assert explorer.table().heading == ["class", "count", "z1", "z2", "z3"]
