"""Keras loads without noise, and the machine is described as it is."""

import logging
import os
import subprocess
import sys

import keras
import pytest

from helpers import backend


@pytest.mark.long
def test_importing_keras_from_here_writes_nothing():
    done = subprocess.run(
        [sys.executable, "-c", "from helpers.backend import keras; keras.ops.zeros(1)"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.long
def test_an_error_after_the_import_is_still_seen():
    done = subprocess.run(
        [sys.executable, "-c", "import helpers.backend, os; os.write(2, b'seen')"], capture_output=True, text=True
    )
    assert done.stderr == "seen"


@pytest.mark.long
def test_a_processor_without_avx_512_is_no_error():
    code = "from helpers.backend import keras; keras.ops.transpose(keras.ops.ones((2, 3), 'int32'))"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("text", "is_seen"),
    [
        ("5 out of the last 31 calls to <function one> triggered tf.function retracing. Tracing is expensive", False),
        ("6 out of the last 6 calls to <function two> triggered tf.function retracing.", False),
        ("The dataset ran out of data.", True),
        ("Gradients do not exist for variables ['kernel'].", True),
    ],
)
def test_advice_on_retracing_is_hidden_and_no_other_warning(text, is_seen):
    record = logging.makeLogRecord({"msg": text, "name": "tensorflow"})
    assert bool(logging.getLogger("tensorflow").filter(record)) == is_seen


def test_the_machine_is_described():
    told = backend.machine()
    assert told["Keras"] == keras.version() and told["backend"] == keras.backend.backend()
    assert told["Python"].startswith(".".join(map(str, sys.version_info[:3])))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert told["CPU cores"] == str(cores)


def test_accelerators_leave_out_the_cpu(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "gpu:0", "gpu:1"])
    assert backend.accelerators() == ["gpu:0", "gpu:1"]
