"""Training steps of the U-Net: `build_unet` against the same network as others write it, and the wait for data.

    ./course run python benchmarks/training.py [--quick] [--json]

Peers, layer for layer the same network: as the examples of keras.io write it (convolutions with bias, functions of
layers), and as the library segmentation-models does (no bias before a normalisation, blocks of blocks). Both ways up,
repeated pixels and transposed convolutions. All train on the same batch, in turns; a ratio is the median over rounds,
theirs divided by ours: `unet_vs_keras_example` is the smaller one of both ways up, above 1 where ours is quicker.
`waiting_share` is the share of the time that a loop of training steps spends waiting for batches that are streamed
from packed patches; with a GPU in bfloat16 (goal: under 0.02). On a CPU it only shows that reading costs little.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tqdm import tqdm

from helpers.backend import accelerators, keras, machine
from helpers.data import chesapeake, packing
from helpers.data.streaming import Loader
from helpers.data.synthetic import make_patches
from helpers.models.compact import CompactToFloat
from helpers.models.unet import build_unet
from helpers.segmentation import MaskedCrossentropy

layers = keras.layers
FILTERS, BANDS, CLASSES = (16, 32, 64, 128), 26, 7
WAYS_UP = ("nearest", "transpose")
Model = Any


def ours(size: int, upsampling: Any) -> Model:
    """Build the course's U-Net."""
    return build_unet(CLASSES, input_shape=(size, size, BANDS), filters=FILTERS, upsampling=upsampling)


def keras_example(size: int, upsampling: str) -> Model:
    """Write the network as the examples of keras.io do."""

    def double_convolution(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
        return x

    inputs = x = keras.Input((size, size, BANDS))
    kept = []
    for filters in FILTERS[:-1]:
        x = double_convolution(x, filters)
        kept.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = double_convolution(x, FILTERS[-1])
    for filters, skip in zip(reversed(FILTERS[:-1]), reversed(kept), strict=True):
        x = enlarged(x, filters, upsampling)
        x = double_convolution(layers.concatenate([skip, x]), filters)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, activation="softmax")(x))


def segmentation_models_style(size: int, upsampling: str) -> Model:
    """Write the network as the library segmentation-models does."""

    def conv_bn_relu(filters: int) -> Callable[[Any], Any]:
        def wrapper(x: Any) -> Any:
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_uniform")(x)
            return layers.Activation("relu")(layers.BatchNormalization(axis=-1)(x))

        return wrapper

    def decoder_block(filters: int) -> Callable[[Any, Any], Any]:
        def wrapper(x: Any, skip: Any) -> Any:
            x = layers.Concatenate(axis=-1)([skip, enlarged(x, filters, upsampling)])
            return conv_bn_relu(filters)(conv_bn_relu(filters)(x))

        return wrapper

    inputs = x = keras.Input((size, size, BANDS))
    skips = []
    for filters in FILTERS[:-1]:
        x = conv_bn_relu(filters)(conv_bn_relu(filters)(x))
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = conv_bn_relu(FILTERS[-1])(conv_bn_relu(FILTERS[-1])(x))
    for filters, skip in zip(reversed(FILTERS[:-1]), reversed(skips), strict=True):
        x = decoder_block(filters)(x, skip)
    return keras.Model(inputs, layers.Activation("softmax")(layers.Conv2D(CLASSES, 1)(x)))


def enlarged(x: Any, filters: int, upsampling: str) -> Any:
    """Double rows and columns."""
    if upsampling == "transpose":
        return layers.Conv2DTranspose(filters, 2, strides=2, activation="relu")(x)
    return layers.Conv2D(filters, 3, padding="same", activation="relu")(layers.UpSampling2D(2)(x))


BUILDERS = {"ours": ours, "keras_example": keras_example, "segmentation_models": segmentation_models_style}


def compiled(model: Model) -> Model:
    """Compile for training, all alike."""
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=MaskedCrossentropy())
    return model


def step_times(size: int, batch: int, rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """Measure one training step of every model in turns: seconds, by way up and builder."""
    random = np.random.default_rng(0)
    images = random.random((batch, size, size, BANDS), np.float32)
    labels = random.integers(0, CLASSES, (batch, size, size))
    models = {way: {name: compiled(build(size, way)) for name, build in BUILDERS.items()} for way in WAYS_UP}
    times: dict[str, dict[str, list[float]]] = {way: {name: [] for name in BUILDERS} for way in WAYS_UP}
    end = time.monotonic() + seconds
    for number in tqdm(range(rounds + 1), desc="rounds", leave=False, disable=None):
        for way, by_name in models.items():
            for name, model in by_name.items():
                begin = time.perf_counter()
                model.train_on_batch(images, labels)
                if number:  # the first one compiles
                    times[way][name].append(time.perf_counter() - begin)
        if number and time.monotonic() > end:
            break
    return times


def waiting(folder: Path, batch: int, steps: int) -> tuple[float, float]:
    """Train from packed patches; return the share of the time spent waiting for batches, and patches a second."""
    make_patches(folder / "patches", 2 * batch, progress=False)
    packing.pack(folder / "patches", folder / "packed", progress=False)
    paths = [patch.path for patch in chesapeake.find_patches(folder / "packed")]
    stream = Loader(chesapeake.Patches(paths, compact=True), batch_size=batch, shuffle=True).stream()
    layer = CompactToFloat()
    inputs = layer.inputs(packed=True)
    model = compiled(keras.Model(inputs, ours(256, "nearest")(layer(inputs))))
    model.train_on_batch(*next(stream))
    waited, begin = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        images, labels = next(stream)
        waited += time.perf_counter() - asked
        model.train_on_batch(images, labels)
    total = time.perf_counter() - begin
    return waited / total, steps * batch / total


def report(times: dict[str, dict[str, list[float]]], share: float, rate: float) -> dict[str, Any]:
    """Sum up what was measured, as `--json` prints it."""
    ratios = {
        name: {
            way: round(median(b / a for a, b in zip(by_name["ours"], by_name[name], strict=True)), 3)
            for way, by_name in times.items()
        }
        for name in list(BUILDERS)[1:]
    }
    steps = {way: {name: round(median(found), 4) for name, found in times[way].items()} for way in times}
    return {
        **{f"unet_vs_{name}": min(by_way.values()) for name, by_way in ratios.items()},
        "waiting_share": round(share, 4),
        "patches_per_s": round(rate, 1),
        "ratios": ratios,
        "seconds_a_step": steps,
        "machine": machine(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within about a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    if accelerators():
        keras.config.set_dtype_policy("mixed_bfloat16")
    size, batch, rounds, seconds, steps = (64, 4, 12, 20, 3) if arguments.quick else (128, 8, 30, 300, 20)
    times = step_times(size, batch, rounds, seconds)
    with tempfile.TemporaryDirectory() as folder:
        result = report(times, *waiting(Path(folder), batch, steps))
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
