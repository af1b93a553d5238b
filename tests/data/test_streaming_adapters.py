"""The three faces of a loader give the same batches."""

import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from streaming_sources import Numbers, indices, streaming_threads

from helpers.data import DataError
from helpers.data.streaming import KerasBatches, Loader, Position, as_dataset

tf = pytest.importorskip("tensorflow")


def loader(length=22, **options):
    return Loader(Numbers(length), **{"batch_size": 4, "shuffle": True, "seed": 3, **options})


def contents(batches):
    return [(indices(batch), np.asarray(batch[1]).tolist()) for batch in batches]


def wanted(epochs, **options):
    return contents(loader(**options).stream(epochs=epochs))


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert streaming_threads() == []


# ---- tf.data ----


def test_each_iteration_is_the_next_epoch():
    dataset = as_dataset(loader())
    assert contents(dataset) + contents(dataset) == wanted(2)
    assert int(dataset.cardinality()) == 6


def test_repeat_prefetch_options_and_take_work_as_everywhere():
    options = tf.data.Options()
    options.deterministic = True
    dataset = as_dataset(loader()).repeat(3).prefetch(2).with_options(options)
    assert contents(dataset) == wanted(3)
    assert contents(as_dataset(loader(), epochs=None).take(15)) == wanted(3)[:15]
    assert contents(as_dataset(loader(), epochs=3)) == wanted(3)
    assert int(as_dataset(loader(), epochs=None).cardinality()) == tf.data.INFINITE_CARDINALITY


def test_shapes_and_dtypes_are_static():
    images, drawn = as_dataset(loader(drop_remainder=True)).element_spec
    assert images == tf.TensorSpec((4, 4, 4, 1), tf.float32) and drawn == tf.TensorSpec((4,), tf.int64)
    images, _ = as_dataset(loader()).map(lambda x, y: (x * 2, y)).element_spec
    assert images.shape.as_list() == [None, 4, 4, 1]


def test_a_data_set_resumes_in_the_middle_of_an_epoch():
    assert contents(as_dataset(loader(), epochs=None, start=Position(1, 4)).take(8)) == wanted(3)[10:18]


def test_fit_goes_on_in_the_middle_of_an_epoch_and_loses_nothing():
    """With a finite data set Keras would take the rest of the first epoch for the length of all."""
    with pytest.raises(ValueError, match="epochs=2 cannot begin in the middle"):
        as_dataset(loader(), epochs=2, start=Position(1, 4))
    dataset = as_dataset(loader(), epochs=None, start=Position(1, 4))
    assert through_keras(dataset, epochs=3, steps_per_epoch=6) == wanted(5)[6 + 4 :][: 3 * 6]


def test_workers_with_parts_of_two_sizes_have_no_static_batch():
    parts = [loader(batch_size=10, drop_remainder=True, worker=worker, workers=3) for worker in range(3)]
    assert [as_dataset(part).element_spec[0].shape[0] for part in parts] == [None] * 3
    together = zip(*(as_dataset(part) for part in parts), strict=True)
    whole = [[index for part in batch for index in indices(part)] for batch in together]
    assert whole == [found for found, _ in wanted(1, batch_size=10, drop_remainder=True)]


def test_tensors_that_are_held_are_never_overwritten():
    kept = list(as_dataset(loader(200), epochs=2))
    assert contents(kept) == wanted(2, length=200)


def test_a_broken_file_is_named_through_tensorflow():
    dataset = as_dataset(Loader(Numbers(20, broken=[9]), batch_size=4))
    with pytest.raises(tf.errors.OpError, match="file-9: is broken"):
        list(dataset)


def test_an_iteration_that_is_left_early_leaves_no_thread():
    iterator = iter(as_dataset(Loader(Numbers(4000, seconds=0.001), batch_size=4), epochs=None))
    next(iterator)
    del iterator  # the fixture looks for threads


DISTRIBUTED = """
import sys; sys.path.insert(0, sys.argv[1])
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from helpers.data.streaming import Loader, as_dataset
from streaming_sources import Numbers, indices
loader = lambda: Loader(Numbers(24), batch_size=8, shuffle=True, seed=1, drop_remainder=True)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
parts = [[indices((part,)) for part in strategy.experimental_local_results(x)] for x, _ in
         strategy.experimental_distribute_dataset(as_dataset(loader()))]
assert all(len(part) == 2 and len(part[0]) == len(part[1]) == 4 for part in parts), parts
assert [a + b for a, b in parts] == [indices(batch) for batch in loader()], parts
import keras
with strategy.scope():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
model.fit(as_dataset(loader()), epochs=2, verbose=0)
print("same batches")
"""


@pytest.mark.long
def test_two_replicas_share_the_batches():
    done = subprocess.run(
        [sys.executable, "-c", DISTRIBUTED, Path(__file__).parent], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.endswith("same batches\n"), done.stderr


# ---- Keras ----


def through_keras(batches, *, epochs=2, **options):
    """Return what `fit` sees, in the order in which it sees it."""
    seen = []

    class Watcher(keras.Model):
        def call(self, images):
            return keras.ops.mean(images, axis=(1, 2))

        def train_step(self, data):
            seen.append((indices(data), np.asarray(data[1]).tolist()))
            return {"loss": 0.0}

    model = Watcher()
    model.compile(run_eagerly=True)
    model.fit(batches, epochs=epochs, verbose=0, shuffle=False, **options)
    return seen


def test_keras_sees_the_same_batches():
    assert through_keras(KerasBatches(loader())) == wanted(2)


@pytest.mark.parametrize(("steps", "epochs"), [(5, 4), (2, 6), (6, 2), (13, 2), (1, 3)])
def test_epochs_of_so_many_steps_go_on_where_the_last_one_ended(steps, epochs):
    assert through_keras(KerasBatches(loader(), steps_per_epoch=steps), epochs=epochs) == wanted(5)[: steps * epochs]


@pytest.mark.parametrize("steps", [None, 5, 7])
def test_threads_of_keras_repeat_no_epoch(steps):
    batches = KerasBatches(loader(), steps_per_epoch=steps)
    batches.workers, batches.max_queue_size = 4, 2
    assert through_keras(batches) == wanted(3)[: 2 * (steps or 6)]


@pytest.mark.parametrize("steps", [4, 5])
def test_keras_cuts_no_epoch_without_a_word(steps):
    """How far TensorFlow has read ahead by then is chance: we refuse to go on, or Keras warns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            through_keras(KerasBatches(loader()), epochs=2, steps_per_epoch=steps)
        except (ValueError, tf.errors.OpError) as error:
            assert "KerasBatches(loader, steps_per_epoch=" in str(error)
        else:
            assert any("ran out of data" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_epoch_that_goes_on_with_the_pass_of_the_last_one_is_refused(steps):
    batches = KerasBatches(loader())
    batches.on_epoch_begin()
    for step in range(steps):
        batches[step]
    batches.on_epoch_end()
    batches.on_epoch_begin()
    with pytest.raises(ValueError, match="KerasBatches\\(loader, steps_per_epoch="):
        batches[steps]


def test_validation_may_look_at_the_first_batches_only():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    options = {"validation_data": KerasBatches(loader()), "validation_steps": 2}
    history = model.fit(KerasBatches(loader()), epochs=3, shuffle=False, verbose=0, **options).history
    assert len(history["val_loss"]) == 3


def test_keras_sees_the_same_batches_through_tf_data():
    assert through_keras(as_dataset(loader())) == wanted(2)


def test_any_batch_can_be_asked_for_and_epochs_follow():
    batches = KerasBatches(loader(), epoch=1)
    batches.on_epoch_begin()
    assert contents([batches[5], batches[0], batches[3], batches[4], batches[3]]) == [
        wanted(2)[6 + step] for step in (5, 0, 3, 4, 3)
    ]
    batches.on_epoch_end()
    assert contents(batches) == wanted(3)[12:]
    with pytest.raises(IndexError, match="6 batches"):
        batches[6]


@pytest.mark.long
def test_the_same_batches_without_tensorflow(require):
    """On another backend Keras reads the PyDataset itself, and TensorFlow is not even imported."""
    require(importlib.util.find_spec("jax"), "no JAX here; ./course run python -m uv pip install --group jax")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from helpers.data.streaming import KerasBatches, Loader\n"
        "from streaming_sources import Numbers, indices\n"
        "batches = KerasBatches(Loader(Numbers(22), batch_size=4, shuffle=True, seed=3))\n"
        "print([indices(batch) for batch in batches], 'tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, Path(__file__).parent],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == f"{[batch for batch, _ in wanted(1)]} False\n", done.stderr


def test_a_broken_file_is_named_through_keras():
    with pytest.raises(DataError, match="file-9: is broken"):
        list(KerasBatches(Loader(Numbers(20, broken=[9]), batch_size=4)))
