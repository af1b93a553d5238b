"""What is checked of a network without training it, in whatever way a student writes it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers.grading import checks

READ = {"read": "lecture 01"}
NORMAL = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
HIDDEN = {
    "an argument": lambda x: layers.Dense(5, activation="relu")(x),
    "a function": lambda x: layers.Dense(5, activation=keras.activations.relu)(x),
    "a layer": lambda x: layers.ReLU()(layers.Dense(5)(x)),
    "an activation layer": lambda x: layers.Activation("relu")(layers.Dense(5)(x)),
    "an operation": lambda x: ops.relu(layers.Dense(5)(x)),
    "a maximum": lambda x: ops.maximum(layers.Dense(5)(x), 0),
    "behind another layer": lambda x: layers.ReLU()(layers.Reshape((5,))(layers.Dense(5)(x))),
}
OTHER = {
    None: "on the way into",
    "tanh": "on the way into",
    "elu": "on the way into",
    "sigmoid": "no 0 on the way into",
    "softplus": "no 0 on the way into",
}


def network(*hidden) -> keras.Model:
    images = keras.Input((6,))
    x = images
    for layer in hidden:
        x = layer(x)
    return keras.Model(images, layers.Dense(3)(x))


@pytest.mark.parametrize("name", HIDDEN)
def test_a_relu_passes_however_it_is_written(name):
    checks.rectified("a", network(HIDDEN[name]), NORMAL, **READ)
    nested = network(HIDDEN[name])
    checks.rectified("a", keras.Sequential([nested, layers.ReLU(), layers.Dense(2)]), NORMAL, **READ)


@pytest.mark.parametrize("activation", OTHER)
def test_another_activation_is_told(activation):
    with pytest.raises(checks.Mismatch, match=OTHER[activation]):
        checks.rectified("a", network(layers.Dense(5, activation)), NORMAL, **READ)


@pytest.mark.parametrize("activations", [(None, "relu"), ("relu", None)])
def test_one_relu_that_is_missing_is_told(activations):
    keras.utils.set_random_seed(0)
    model = network(*(layers.Dense(9, activation) for activation in activations))
    with pytest.raises(checks.Mismatch, match="expected: ReLU after each hidden layer"):
        checks.rectified("a", model, NORMAL, **READ)


def test_layers_can_be_chosen_and_none_is_told():
    model = network(layers.Dense(5), layers.Dense(5, "relu"))
    checks.rectified("a", model, NORMAL, which=slice(-1, None), **READ)
    with pytest.raises(checks.Mismatch, match="got:      no hidden layer"):
        checks.rectified("a", network(), NORMAL, **READ)


def test_calls_are_noted_in_the_block_only():
    call = keras.layers.Layer.__call__
    checks.rectified("a", network(layers.Dense(5, "relu")), NORMAL, **READ)
    assert keras.layers.Layer.__call__ is call


class Block(layers.Layer):
    """A layer with a weight of its own and a layer in it, which is called first."""

    def __init__(self):
        super().__init__()
        self.last, self.first = layers.Dense(4), layers.Dense(5)

    def build(self, shape):
        """Make the weight."""
        self.gain = self.add_weight(shape=(4,), initializer="ones", name="gain")

    def call(self, x):
        """Call what was made second before what was made first."""
        return self.gain * self.last(ops.relu(self.first(x)))


class Subclass(keras.Model):
    """A model that is made by its first call, with layers that are stored in another order than they are called."""

    def __init__(self, activation="relu"):
        super().__init__()
        self.head, self.hidden, self.activation = layers.Dense(3), layers.Dense(5), activation

    def call(self, x):
        """Call what was made second before what was made first."""
        return self.head(keras.activations.get(self.activation)(self.hidden(x)))


def test_a_subclass_is_looked_at_in_the_order_of_its_calls():
    checks.rectified("a", Subclass(), NORMAL, **READ)
    assert checks.widths(Subclass(), NORMAL) == checks.widths(network(layers.Dense(5, "relu")), NORMAL) == [5, 3]
    assert checks.widths(keras.Sequential([Block(), Subclass()]), NORMAL) == [5, 4, 4, 5, 3]
    with pytest.raises(checks.Mismatch, match="on the way into"):
        checks.rectified("a", Subclass("tanh"), NORMAL, **READ)
    joined = network(Subclass())  # is called with a tensor that has no values yet
    checks.parameters("a", joined, 6 * 5 + 5 + 5 * 3 + 3 + 3 * 3 + 3, **READ)
    with pytest.raises(checks.Mismatch, match="got:      0"):
        checks.parameters("a", Subclass(), 53, **READ)


def test_a_frozen_layer_is_told_and_statistics_are_not():
    model = keras.Sequential([layers.Dense(4, name="kept"), layers.BatchNormalization(), layers.Dense(2)])
    train = lambda: ops.mean(model(NORMAL) ** 2)  # noqa: E731
    checks.trains_everywhere("a", model, train, **READ)
    model.layers[0].trainable = False
    with pytest.raises(checks.Mismatch, match=r"got:      frozen: .*kept/kernel, .*kept/bias"):
        checks.trains_everywhere("a", model, train, **READ)
    model.layers[0].trainable = True
    model.layers[1].gamma.trainable = False
    with pytest.raises(checks.Mismatch, match=r"frozen: .*gamma\n"):
        checks.trains_everywhere("a", model, train, **READ)


def test_a_gradient_is_returned_and_numpy_has_none():
    codes = np.array([[-1.0, 2.0]], "float32")
    for function in (lambda x: ops.sum(ops.abs(x)), ops.abs):
        np.testing.assert_allclose(checks.gradient("a", function, codes, **READ), [[-1, 1]])
    for function in (lambda x: np.abs(x).sum(), lambda x: ops.convert_to_tensor(np.abs(x)), ops.stop_gradient):
        with pytest.raises(checks.Mismatch, match="expected: a gradient; compute with keras"):
            checks.gradient("a", function, codes, **READ)


SIGMOIDS = {
    "an argument": lambda x: layers.Dense(4, "sigmoid")(x),
    "an operation": lambda x: ops.sigmoid(layers.Dense(4)(x)),
    "a layer": lambda x: layers.Reshape((2, 2))(layers.Activation("sigmoid")(layers.Dense(4)(x))),
    "a formula": lambda x: 1 / (1 + ops.exp(-layers.Dense(4)(x))),
}
NO_SIGMOIDS = {
    "hard": "hard_sigmoid",
    "none": None,
    "softmax": "softmax",
    "clipped": lambda x: ops.clip(x + 0.5, 0, 1),
    "tanh": lambda x: ops.tanh(x) / 2 + 0.25,
}


def pixels(last) -> keras.Model:
    keras.utils.set_random_seed(0)
    numbers = keras.Input((6,))
    return keras.Model(numbers, last(numbers))


def test_a_sigmoid_passes_however_it_is_written_and_other_functions_do_not():
    for last in SIGMOIDS.values():
        model = pixels(last)
        kept = model.get_weights()
        for scale in (0.1, 3, 100):
            checks.sigmoid("a", model, scale * NORMAL, **READ)
        assert all((now == then).all() for now, then in zip(model.get_weights(), kept, strict=True))
    for activation in NO_SIGMOIDS.values():
        with pytest.raises(checks.Mismatch, match=r"a sigmoid as the last activation|values in \[0, 1\]"):
            checks.sigmoid("a", pixels(layers.Dense(4, activation)), 3 * NORMAL, **READ)


def drawn(factor: float, power: float = 0.5, shift: float = 0) -> tuple[np.ndarray, ...]:
    z_mean, z_log_var, noise = np.random.default_rng(1).normal(size=(3, 400, 4))
    return z_mean + factor * np.exp(power * z_log_var) * (noise + shift), z_mean, z_log_var


def test_codes_that_were_drawn_pass():
    checks.sampled("z", *drawn(1), **READ)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"factor": 0}, "mean 0.00 and standard deviation 0.00"),
        ({"factor": 1, "power": 1}, "standard deviation 1"),
        ({"factor": 1, "power": 0}, "standard deviation 1"),
        ({"factor": 1, "shift": 1}, "mean 0.98"),
    ],
)
def test_codes_that_were_drawn_otherwise_are_told(wrong, said):
    with pytest.raises(checks.Mismatch, match=f"got: .*{said}"):
        checks.sampled("z", *drawn(**wrong), **READ)


def test_codes_of_another_shape_are_told():
    z, z_mean, z_log_var = drawn(1)
    with pytest.raises(checks.Mismatch, match=r"expected: shape \(400, 4\)"):
        checks.sampled("z", z[:, :2], z_mean, z_log_var, **READ)
