"""How hard is the stand-in? A linear classifier of single pixels against a small U-Net that sees their neighbours.

    ./course run python benchmarks/synthetic_difficulty.py [--bands all|rgbn] [--patches 60] [--epochs 40]

Both learn from the same 128 x 128 corners of the training patches and are scored on patches of other tiles, unlabelled
pixels left out. The stand-in is hard enough where the U-Net is right for at least 5 pixels in 100 more. Takes some
minutes.

Measured with seed 0 (majority 0.713): all 26 bands, linear 0.846, U-Net 0.930; rgbn, linear 0.787, U-Net 0.919. In
mean IoU, which rare classes decide, the linear classifier of all bands is ahead, 0.586 to 0.347: lecture 12's trap.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.data.synthetic import make_patches
from helpers.models.unet import build_unet
from helpers.segmentation.losses import IGNORE, MaskedCrossentropy
from helpers.segmentation.scores import confusion_matrix, scores

SIDE = 128
BANDS = {"rgbn": list(range(4)), "all": [*range(8), *range(10, 28)]}
Pair = tuple[np.ndarray, np.ndarray]


def load(files: list[Path], bands: list[int]) -> Pair:
    """Read two opposite corners of each patch: float32 (n, 128, 128, bands) about 0 to 1, and labels (n, 128, 128)."""
    layers = np.concatenate([np.load(file)["arr_0"] for file in files])
    corners = np.concatenate([layers[:, :, :SIDE, :SIDE], layers[:, :, SIDE:, SIDE:]])
    scale = np.where(np.array(bands) < 8, 255, 4000).astype(np.float32)
    return np.moveaxis(corners[:, bands], 1, -1) / scale, corners[:, 8].astype(np.int32)


def linear(train: Pair, test: Pair, *, pixels: int = 60_000) -> np.ndarray:
    """Fit a logistic regression to single pixels; return the classes that it gives to the test patches."""
    known = np.flatnonzero(~np.isin(train[1].ravel(), IGNORE))
    chosen = np.random.default_rng(0).choice(known, min(pixels, known.size), replace=False)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(train[0].reshape(-1, train[0].shape[-1])[chosen], train[1].ravel()[chosen])
    return model.predict(test[0].reshape(-1, test[0].shape[-1])).reshape(test[1].shape)


def convolutional(train: Pair, test: Pair, *, epochs: int, seed: int) -> tuple[np.ndarray, int]:
    """Train the U-Net; return the classes that it gives to the test patches, and its number of parameters."""
    keras.utils.set_random_seed(seed)
    model = build_unet(input_shape=train[0].shape[1:], filters=(16, 32, 64))
    images = np.concatenate([np.flip(train[0], axes) for axes in ((), (1,), (2,), (1, 2))])
    labels = np.concatenate([np.flip(train[1], axes) for axes in ((), (1,), (2,), (1, 2))])
    steps = epochs // 4 * (len(images) // 8)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), MaskedCrossentropy())
    model.fit(images, labels, batch_size=8, epochs=epochs // 4, verbose=2)
    return model.predict(test[0], batch_size=16, verbose=0).argmax(-1), model.count_params()


def accuracy_and_iou(guess: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the share of right pixels, and the mean IoU of the classes, both without the labels to ignore."""
    found = scores(confusion_matrix(truth, guess))
    return {"accuracy": round(found.accuracy, 4), "mean_iou": round(found.mean_iou, 4)}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", choices=BANDS, default="all")
    parser.add_argument("--patches", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=40, help="passes over the corners; flips count as passes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep the patches here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        files = make_patches(folder, options.patches, seed=options.seed, per_tile=4)
        test_files = [file for file in files if "-val_" in str(file)]
        train = load([file for file in files if file not in test_files], BANDS[options.bands])
        test = load(test_files, BANDS[options.bands])
    known = test[1][~np.isin(test[1], IGNORE)]
    guess, parameters = convolutional(train, test, epochs=options.epochs, seed=options.seed)
    result = {"linear": accuracy_and_iou(linear(train, test), test[1]), "unet": accuracy_and_iou(guess, test[1])}
    gap = result["unet"]["accuracy"] - result["linear"]["accuracy"]
    facts = {"bands": options.bands, "patches": options.patches, "parameters": parameters, "gap": round(gap, 4)}
    print(json.dumps({**facts, "majority": round(float(np.bincount(known).max() / known.size), 4), **result}))


if __name__ == "__main__":
    main()
