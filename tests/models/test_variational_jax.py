"""Variational models on JAX, in a process of its own: the backend is chosen when Keras is imported."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

JAX_TRAINING = """
import numpy as np, keras
from helpers.models.variational import build_convolutional_vae
assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
shades = np.linspace(0.1, 0.9, 50 * 16, dtype=np.float32)
images = np.broadcast_to(shades[:, None, None, None], (50 * 16, 8, 8, 1))
vae = build_convolutional_vae(2, filters=(4, 6), input_shape=(8, 8, 1))
vae.compile(keras.optimizers.Adam(0.01))
before = vae.evaluate(images, verbose=0, return_dict=True)["loss"]
history = vae.fit(images, batch_size=16, verbose=0)
print(int(vae.optimizer.iterations), before - vae.evaluate(images, verbose=0, return_dict=True)["loss"])
"""


@pytest.mark.long
def test_jax_trains_for_50_steps_and_the_loss_falls(require):
    require(find_spec("jax"), "no JAX here; ./course run python -m uv pip install --group jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", JAX_TRAINING], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    steps, fall = done.stdout.split()
    assert int(steps) == 50 and float(fall) > 1
