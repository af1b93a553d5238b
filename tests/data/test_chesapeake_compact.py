"""Compact batches, finished by a layer of the model, are bit-equal to the float32 batches."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from chesapeake_patches import make_patch, write

from helpers.data import DataError, chesapeake, fetch
from helpers.data.streaming import Loader, as_dataset
from helpers.models.compact import CompactToFloat

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("patches"), ["a-0.npz"], make_patch(5))


@pytest.fixture(scope="module", params=["written", "real"])
def files(request, written):
    folder = fetch.find("chesapeake")
    if request.param == "written":
        return written
    if not folder:
        pytest.skip("no real patches here")
    return [patch.path for patch in chesapeake.find_patches(folder)]


def both(files, **options):
    """Return one batch in float32 and the same one compact."""
    return [
        next(Loader(chesapeake.Patches(files, compact=c, **options), batch_size=8, seed=1).stream())
        for c in (False, True)
    ]


def test_the_compact_form_is_small_and_complete(files):
    (images, labels), (compact, small_labels) = both(files)
    assert {name: (array.dtype.name, array.shape[1:]) for name, array in compact.items()} == {
        "bytes": ("uint8", (8, 256, 256)),
        "halves": ("int16", (18, 256, 256)),
    }
    assert sum(array.nbytes for array in compact.values()) < 0.43 * images.nbytes
    np.testing.assert_array_equal(labels, small_labels)
    assert small_labels.dtype == np.uint8


BANDS = [
    chesapeake.COURSE_BANDS,
    ["naip_new_rgb"],
    ["landsat_leaf_off"],
    ["landsat_leaf_on_3", "nlcd", "naip_old", "landsat_leaf_off_1", "buildings"],
]


@pytest.mark.parametrize("bands", BANDS, ids=str)
def test_the_layer_gives_the_float_batches_bit_by_bit(files, bands):
    (images, _), (compact, _) = both(files, bands=bands, image_size=96, augment=True)
    layer = CompactToFloat(**chesapeake.compact_config(bands))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(compact)), images)
    inputs = layer.inputs(96)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 96, 96, images.shape[-1])
    np.testing.assert_array_equal(model.predict(compact, verbose=0), images)  # compiled


def test_the_default_layer_is_that_of_the_course():
    config = chesapeake.compact_config()
    layer = CompactToFloat()
    assert {key: layer.get_config()[key] for key in config} == config


def test_a_model_with_the_layer_is_saved_and_trained(written, tmp_path):
    bands = ["landsat_leaf_on_1", "naip_new_rgb"]
    source = chesapeake.Patches(written * 4, bands=bands, compact=True, image_size=32)
    layer = CompactToFloat(**chesapeake.compact_config(bands))
    inputs = layer.inputs(32)
    model = keras.Model(inputs, keras.layers.Conv2D(7, 1)(layer(inputs)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=chesapeake.IGNORE))
    history = model.fit(as_dataset(Loader(source, batch_size=2)), epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    model.save(tmp_path / "model.keras")
    batch = next(Loader(source, batch_size=2).stream())[0]
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(batch, verbose=0), model.predict(batch, verbose=0))


@pytest.mark.parametrize(
    ("channel", "value", "message"),
    [
        (2, 7.5, r"7\.5 in naip_new_blue; the compact form holds whole numbers from 0 to 255.*compact=False"),
        (5, 256, "256 in naip_old_green"),
        (0, -1, "-1 in naip_new_red"),
        (10, 300.25, r"300\.25 in landsat_leaf_on_1; the compact form holds multiples of 0\.5"),
        (27, 20000, "20000 in landsat_leaf_off_11"),
    ],
)
def test_values_that_do_not_fit_are_named_and_the_float_form_takes_them(tmp_path, channel, value, message):
    patch = make_patch(2)
    patch[0, channel, 9, 9] = value
    files = write(tmp_path, ["odd-0.npz"], patch)
    with pytest.raises(DataError, match=rf"odd-0\.npz: has {message}"):
        next(Loader(chesapeake.Patches(files, compact=True)).stream())
    images, _ = next(Loader(chesapeake.Patches(files)).stream())
    assert np.isclose(images[0, 9, 9].max() if value > 999 else 1, 5 if value > 999 else 1)


ON_JAX = """
import sys; sys.path.insert(0, sys.argv[1])
import keras, numpy as np
from helpers.data import chesapeake
from helpers.data.streaming import Loader
from helpers.models.compact import CompactToFloat
assert keras.backend.backend() == "jax"
files = sys.argv[2:]
(images, _), (compact, _) = (next(Loader(chesapeake.Patches(files, compact=c)).stream()) for c in (False, True))
layer = CompactToFloat()
inputs = layer.inputs()
model = keras.Model(inputs, layer(inputs))
print(np.array_equal(model.predict(compact, verbose=0), images), "tensorflow" in sys.modules)
"""


@pytest.mark.long
def test_jax_gives_the_same_bits_without_tensorflow(files, require):
    require(importlib.util.find_spec("jax"), "no JAX here; ./course run python -m uv pip install --group jax")
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, Path(__file__).parent, *files],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "True False\n", done.stderr
