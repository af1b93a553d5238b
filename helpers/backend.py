"""The machine and the Keras backend under the course. Used by lecture 00, and by whatever imports Keras first.

TensorFlow 2.21 writes lines about oneDNN to the error stream while it loads, whatever its log level says. Importing
Keras from here keeps them out of students' cells. Later lines of its C++ code are hidden unless they are fatal: on
processors without AVX-512 it calls a slower way to compute an error. Real errors come as Python's exceptions.
Its advice on retracing is hidden too: Keras makes a function for each model, so that a lecture of five models looks to
TensorFlow like one function that is traced five times.
"""

import contextlib
import logging
import os
import platform
import sys
from collections.abc import Iterator

from helpers.cores import usable_cores

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").addFilter(lambda record: "triggered tf.function retracing" not in record.getMessage())


@contextlib.contextmanager
def _quiet_error_stream() -> Iterator[None]:
    """Send file descriptor 2 to nowhere; C++ code writes to it behind Python's back."""
    sys.stderr.flush()
    keep = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a descriptor is wanted, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(keep, 2)
        os.close(keep)


with _quiet_error_stream():
    import keras


def accelerators() -> list[str]:
    """Name the GPUs and TPUs that the Keras backend sees; empty on a machine that computes on its CPU."""
    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]


def machine() -> dict[str, str]:
    """Describe this machine and its Keras backend, as lecture 00 shows them.

    Returns:
        Python, Keras, backend, processor cores and accelerator, each as text.
    """
    return {
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Keras": keras.version(),
        "backend": keras.backend.backend(),
        "CPU cores": str(usable_cores()),
        "accelerator": ", ".join(accelerators()) or "none: a CPU is enough for digits",
    }
