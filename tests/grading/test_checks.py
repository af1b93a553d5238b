"""What test cells call: each check passes what is right, and what is wrong gets a message that teaches."""

import linecache
from pathlib import Path

import keras
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers.data import chesapeake
from helpers.grading import checks, samples
from helpers.grading.checks import shifted
from helpers.models import dense

READ = {"read": "lecture 01"}


class Liar:
    """Equals everything, is as large and as small as you like, and true."""

    def __eq__(self, other: object) -> bool:
        return True

    __le__ = __lt__ = __ge__ = __gt__ = __eq__
    __hash__ = None


class LyingArray(np.ndarray):
    """An array that says what it is asked for."""

    shape = (4, 8)

    def __array_finalize__(self, other: object) -> None:
        """Inherit nothing."""


GOOD = {
    "shape of an array": lambda: checks.shape("a", np.zeros((4, 8)), (4, 8), **READ),
    "shape of a tensor": lambda: checks.shape("a", keras.ops.zeros((4, 8)), (4, 8), **READ),
    "close": lambda: checks.close("a", np.float32(0.3), 0.30002, **READ),
    "close, whole numbers": lambda: checks.close("a", 3, 3, **READ),
    "within": lambda: checks.within("a", np.array([0.0, 1.0]), 0, 1, **READ),
    "differ": lambda: checks.differ("a", np.zeros(3), np.array([0, 0, 1]), **READ),
    "same": lambda: checks.same("a", [1, "b"], [1, "b"], **READ),
    "same, a number of NumPy": lambda: checks.same("a", np.int64(3), 3, **READ),
    "holds": lambda: checks.holds("a", np.bool_(True), expected="b", got="c", **READ),
    "at most": lambda: checks.at_most("a", keras.ops.convert_to_tensor(0.5), 0.5, **READ),
    "at least": lambda: checks.at_least("a", 0.5, 0.5, **READ),
    "refuses": lambda: checks.refuses("a", lambda: int("x"), **READ),
    "model": lambda: checks.model("a", dense.build_encoder(2), **READ),
    "parameters": lambda: checks.parameters("a", dense.build_encoder(2, input_shape=(2, 2, 1)), 10, **READ),
}
BAD = {
    "shape": (lambda: checks.shape("the code", np.zeros((4, 32)), (4, 8), **READ), "expected: shape (4, 8)"),
    "nothing": (lambda: checks.shape("a", None, (4, 8), **READ), "does the function end with `return`?"),
    "a list": (lambda: checks.shape("a", [1, 2], (2,), **READ), "got:      a list"),
    "texts": (lambda: checks.shape("a", np.array(["x"]), (1,), **READ), "an array of <U1"),
    "not a number": (lambda: checks.close("a", np.array([1, np.nan]), [1, 1], **READ), "1 of 2 are NaN or infinite"),
    "a liar": (lambda: checks.close("a", Liar(), 1.0, **READ), "got:      a Liar"),
    "a lying array": (lambda: checks.shape("a", np.zeros(2).view(LyingArray), (4, 8), **READ), "a LyingArray"),
    "a lying limit": (lambda: checks.at_most("a", Liar(), 1.0, **READ), "got:      a Liar"),
    "a lying truth": (lambda: checks.holds("a", Liar(), expected="b", got="c", **READ), "expected: b"),
    "a lying equal": (lambda: checks.same("a", Liar(), 3, **READ), "expected: 3 (a int)"),
    "far": (lambda: checks.close("a", np.array([1.0, 2.0]), [1, 3], **READ), "got:      2 at [1], and 1 of 2 values"),
    "wide": (lambda: checks.close("a", np.zeros((2, 1)), [0, 0], **READ), "shape (2, 1)"),
    "outside": (lambda: checks.within("a", np.array([-0.5, 1.0]), 0, 1, **READ), "got:      -0.5 to 1"),
    "equal": (lambda: checks.differ("a", np.zeros(3), np.zeros(3), **READ), "expected: different values"),
    "another type": (lambda: checks.same("a", 1.0, 1, **READ), "got:      a float"),
    "another value": (lambda: checks.same("a", [1], [2], **READ), "got:      [1]"),
    "true by chance": (lambda: checks.holds("a", "yes", expected="b", got="c", **READ), "got:      c"),
    "above": (lambda: checks.at_most("a", 0.6, 0.5, **READ), "expected: at most 0.5"),
    "below": (lambda: checks.at_least("a", 0.4, 0.5, **READ), "expected: at least 0.5"),
    "many": (lambda: checks.at_least("a", np.ones(3), 0.5, **READ), "expected: one number"),
    "no error": (lambda: checks.refuses("a", lambda: 1, **READ), "got:      no error"),
    "another error": (lambda: checks.refuses("a", lambda: 1 / 0, **READ), "got:      ZeroDivisionError"),
    "silent error": (lambda: checks.refuses("a", lambda: _raise(ValueError()), **READ), "a ValueError without one"),
    "no model": (lambda: checks.model("a", None, **READ), "NoneType; does the function end"),
}


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_passes_in_silence(name, capsys):
    assert GOOD[name]() is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_and_where_to_read(name):
    call, said = BAD[name]
    with pytest.raises(checks.Mismatch) as caught:
        call()
    assert said in str(caught.value)
    assert str(caught.value).endswith("read:     lecture 01")


def test_the_number_of_parameters_is_told():
    with pytest.raises(checks.Mismatch, match="expected: 9 parameters\n  got:      10"):
        checks.parameters("a", dense.build_encoder(2, input_shape=(2, 2, 1)), 9, **READ)


def test_a_weight_without_a_gradient_is_named():
    model = dense.build_autoencoder(3, input_shape=(8, 8, 1), code_activation="linear")
    images = samples.digits(4, seed=0)
    checks.trains_everywhere("a", model, lambda: keras.ops.mean((model(images) - images) ** 2), **READ)
    encoder = model.get_layer("encoder")
    with pytest.raises(checks.Mismatch, match=r"none for .*pixels"):
        checks.trains_everywhere("a", model, lambda: keras.ops.mean(encoder(images)), **READ)


def test_layers_of_models_in_models_are_found():
    names = [layer.name for layer in checks.layers_in(dense.build_autoencoder(3, hidden=(5,)))]
    assert [name for name in names if name in ("hidden_1", "code", "pixels")].count("hidden_1") == 2


def test_limits_are_recorded_with_their_margin():
    with checks.recorded() as limits:
        checks.at_most("error", 0.2, 0.5, **READ)
        with pytest.raises(checks.Mismatch):
            checks.at_least("accuracy", 0.4, 0.5, **READ)
    assert [(limit.what, round(limit.margin, 3)) for limit in limits] == [("error", 2.5), ("accuracy", 0.8)]
    checks.at_most("error", 0.2, 0.5, **READ)
    assert len(limits) == 2


def test_seeds_are_the_same_until_they_are_shifted():
    assert checks.seed(7) == 7
    first = float(keras.random.normal(()))
    checks.seed(7)
    assert float(keras.random.normal(())) == first
    with shifted(2):
        assert checks.seed(7) == 2007
        assert float(keras.random.normal(())) != first
    assert checks.seed(7) == 7


def test_samples_are_digits_of_the_size_that_is_asked_for():
    images, labels = samples.labelled_digits(20, seed=3, size=16)
    assert (images.shape, images.dtype, labels.dtype) == ((20, 16, 16, 1), np.float32, np.int64)
    assert 0 <= images.min() < images.max() <= 1
    assert np.array_equal(images[:, ::2, ::2], samples.digits(20, seed=3))
    assert not np.array_equal(samples.digits(20, seed=4), samples.digits(20, seed=3))


def test_fields_are_pictures_of_two_colours():
    pictures = samples.fields(5, seed=1, size=12)
    assert (pictures.shape, pictures.dtype) == ((5, 12, 12, 3), np.float32)
    assert [len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in pictures] == [2] * 5


@pytest.mark.slow
def test_patches_are_read_as_the_real_ones(tmp_path):
    paths = samples.patches(tmp_path, tiles=2, per_tile=3, seed=1)
    assert [patch.path for patch in chesapeake.find_patches(tmp_path)] == paths
    assert len({chesapeake.tile_of(Path(path).name) for path in paths}) == 2
    (whole,) = samples.patches(tmp_path, tiles=1, per_tile=1, seed=1, size=256)
    assert np.load(whole)["arr_0"].shape == (1, 29, 256, 256)


def test_nats_are_a_sum_over_pixels():
    images, decoded = np.zeros((2, 3, 3, 1)), np.full((3, 3, 1), 0.5)
    assert samples.nats(images, decoded) == pytest.approx(9 * np.log(2))


ANSWER = """def half(x):
    if x is None:
        raise NotImplementedError()
    return x / 2


class Twice:
    def call(self, x):
        return half(x) + "more  \x1b[1mthan\x1b[0m" """
TEST = "read = 'lecture 01'\nchecks.same('a', {}, 2, read=read)"
RAISED = {
    "half('x')": (
        "`half`, line 4 of its cell: `return x / 2`",
        "TypeError: unsupported operand type(s) for /: 'str' and 'int'",
    ),
    "half(None)": ("`half` is still to be written", "`raise NotImplementedError()`, as it was handed out"),
    "Twice().call(1)": ("`Twice.call`, line 9 of its cell: `return half(x) + ", "TypeError: unsupported operand"),
    "third(1)": ("`third`", "none: its cell did not run, or failed"),
    "half(1)[0]": ("what your code gives", "TypeError: 'float' object is not subscriptable"),
    "np.zeros(2) @ np.zeros(3)": ("what your code gives", "ValueError: matmul: Input operand 1 has a mismatch"),
    "wrong(0)": ("what your code gives", "ValueError: is … 0\n  read"),
}


def failed(code: str, **given: object) -> Exception:
    """Run an answer and a cell as notebooks do; return the error."""
    names = {"__name__": "__main__", "checks": checks, "np": np, **given}
    for name, source in (("answer", ANSWER), ("cell", code)):
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            exec(compile(source, name, "exec"), names)
        except Exception as error:
            return error
    raise AssertionError("nothing failed")


@pytest.mark.parametrize("code", RAISED)
def test_an_error_in_a_test_is_explained_by_the_student_s_own_line(code):
    wrong = lambda x: _raise(ValueError(f"\x1b[1mis\x1b[0m  \n… {x}"))  # noqa: E731
    what, got = RAISED[code]
    said = str(checks.explained(failed(TEST.format(code), wrong=wrong)))
    assert said.startswith(what) and f"got:      {got}" in said and said.endswith("read:     lecture 01")
    assert "checks.same" not in said  # a hidden test stays hidden


def test_what_is_explained_already_or_no_test_is_left_as_it_is():
    for code in (TEST.format("half(3)"), "half(None)"):
        error = failed(code)
        assert checks.explained(error) is error


def test_a_whole_number_of_numpy_is_explained():
    error = failed(TEST.format("keras.layers.Dense(np.prod((3, 4)))"), keras=keras)
    assert "write int(…) around it" in str(checks.explained(error))


def test_a_notebook_shows_what_is_explained():
    """The kernel calls what is set here; what is sent to the page is the second argument of `_showtraceback`."""
    shell = InteractiveShell()
    shell.set_custom_exc((Exception,), checks._show)
    shown = []
    shell._showtraceback = lambda kind, error, lines: shown.append(error)
    shell.user_ns.update(checks=checks, __name__="__main__")
    shell.run_cell("def third(x):\n    return x.thirds")
    shell.run_cell("read = 'lecture 01'\nchecks.same('a', third(1), 2, read=read)")
    shell.run_cell("third(2)")
    assert str(shown[0]).startswith("`third`, line 2 of its cell: `return x.thirds`")
    assert type(shown[1]) is AttributeError
