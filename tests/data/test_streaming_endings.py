"""However a stream ends, no thread of it is left."""

import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from streaming_sources import Numbers, streaming_threads

from helpers.data.streaming import Loader


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    if streaming_threads():  # garbage may still hold a stream
        gc.collect()
    assert streaming_threads() == []


@pytest.mark.parametrize("end", ["close", "with", "forget", "exception", "read to the end"])
def test_no_thread_stays_however_a_stream_ends(end):
    stream = Loader(Numbers(60, seconds=0.002), batch_size=4, threads=3, prefetch=4).stream(epochs=1)
    next(stream)
    if end == "close":
        stream.close()
        assert next(stream, None) is None
    elif end == "with":
        with stream:
            next(stream)
    elif end == "exception":
        with pytest.raises(RuntimeError, match="of the model"):
            for _ in stream:
                raise RuntimeError("of the model")
    elif end == "read to the end":
        assert sum(1 for _ in stream) == 14
    del stream  # what remains to be seen is in the fixture


def test_a_closed_stream_reads_at_most_what_was_begun():
    source = Numbers(1000, seconds=0.01)
    stream = Loader(source, batch_size=100, threads=2).stream()
    threading.Timer(0.05, stream.close).start()
    with pytest.raises(RuntimeError, match="closed"):
        next(stream)
    assert streaming_threads() == [] and len(source.reads) < 40


@pytest.mark.slow
def test_a_forgotten_stream_reads_at_most_what_was_begun():
    source = Numbers(1000, seconds=0.01)
    stream = Loader(source, batch_size=4, threads=2, prefetch=100).stream()
    next(stream)
    del stream
    gc.collect()
    assert streaming_threads() == [] and len(source.reads) < 40


SCRIPT = """
import os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
from helpers.data.streaming import Loader
from streaming_sources import Numbers, streaming_threads
where = sys.argv[2]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore Ctrl-C
stream = Loader(Numbers(10**6, seconds=0.02), batch_size=200, threads=3).stream()
if where == "consumer":
    stream = Loader(Numbers(10**6, seconds=0.005), batch_size=4, threads=3).stream()
    next(stream)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    next(stream) if where == "waiting" else time.sleep(20)
except KeyboardInterrupt:
    print("interrupted", streaming_threads())
"""


@pytest.mark.parametrize("where", ["waiting", "consumer"])
def test_ctrl_c_leaves_no_thread(where):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, Path(__file__).parent, where], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "interrupted []\n", done.stderr
    assert done.returncode == 0


ITERATOR = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import keras
from helpers.data.streaming import Loader, as_dataset
from streaming_sources import Numbers
signal.signal(signal.SIGINT, signal.default_int_handler)
def end(step, logs):
    if step == 2:
        {"exit": lambda: sys.exit(3), "ctrl-c": lambda: os.kill(os.getpid(), signal.SIGINT)}[sys.argv[2]]()
data = as_dataset(Loader(Numbers(10**6, seconds=0.002), batch_size=8, threads=2), epochs=None)
data = data.prefetch(1000)  # TensorFlow is never done with reading ahead
held = iter(data)
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile("sgd", "mse", run_eagerly=True)
model.fit(data, steps_per_epoch=10**6, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=end)])
"""


@pytest.mark.long
@pytest.mark.parametrize(("how", "code"), [("an uncaught exception", 1), ("exit", 3), ("ctrl-c", -2)])
def test_python_ends_while_tensorflow_waits_for_a_batch(how, code):
    """It joins its threads then, and so would wait for ever where nobody tells them to go."""
    command = [sys.executable, "-c", ITERATOR, Path(__file__).parent, how]
    assert subprocess.run(command, capture_output=True, timeout=90).returncode == code


PANIC = """
import sys
sys.path.insert(0, sys.argv[1])
from helpers.data.streaming import Loader
from streaming_sources import Numbers

class Panic(BaseException):
    "What a reader written in Rust raises is no Exception."

for kind in (SystemExit, KeyboardInterrupt, GeneratorExit, Panic):
    class Source(Numbers):
        def fill(self, index, rng, out):
            if index == 6:
                raise kind("in a source")
            super().fill(index, rng, out)

    for on_error in ("raise", "skip"):
        try:
            list(Loader(Source(20), batch_size=4, threads=2, on_error=on_error))
        except kind as error:
            print(kind.__name__, error)
"""


def test_whatever_a_source_raises_reaches_the_loop():
    command = [sys.executable, "-c", PANIC, Path(__file__).parent]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    kinds = ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "Panic")
    assert done.stdout.splitlines() == [f"{kind} in a source" for kind in kinds for _ in range(2)], done.stderr
