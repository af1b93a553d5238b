"""Handwritten digits: MNIST where it can be had, otherwise a stand-in that says so. Used by lectures 00-09.

Datasheet
    MNIST: 70,000 grey images of 28 x 28 pixels, digits 0-9, written by American census workers and students, centred
    by mass (LeCun, Cortes & Burges, 1998). 60,000 are for training, 10,000 by other writers for testing. Mean of the
    training pixels 0.1307, standard deviation 0.3081. Licence CC BY-SA 3.0.
    Stand-in: the 1,797 digits of 8 x 8 pixels that scikit-learn carries (Alpaydin & Kaynak, 1998; CC BY 4.0), enlarged
    to 28 x 28. Real writing, but forty times fewer images, and blurred: numbers differ from those in the lectures.

Lecture 05 adds noise: images are float32, (n, rows, columns, bands), values in [0, 1].
"""

import gzip
import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.data import DataError, fetch
from helpers.files import whole

if TYPE_CHECKING:
    import tensorflow as tf


Arrays = dict[str, np.ndarray]
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
TEST_SHARE_OF_STAND_IN = 297  # the last ones: other writers than the first 1,500
CLASS_NAMES = [str(digit) for digit in range(10)]


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: float32, (n, 28, 28, 1), ink from 0 (paper) to 1.
        labels: int64, (n,), the digit 0-9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Digits:
    """Digits in three splits that share no image.

    Attributes:
        train, validation, test: the splits. Validation is cut from the training set and is never the test set.
        source: one sentence: which digits, from where.
        is_stand_in: True if these are not MNIST.
    """

    train: Split
    validation: Split
    test: Split
    source: str
    is_stand_in: bool


def load(*, validation: int | None = None, announce: bool = True) -> Digits:
    """Load MNIST from the data folder, the Keras cache or the network; without any of these, the stand-in.

    Args:
        validation: number of images, from the end of the training set, kept for validation. Default: one in twelve
            (5,000 of MNIST).
        announce: print which digits were loaded.

    Raises:
        DataError: files are there but are not MNIST: truncated, changed or incomplete.
        ValueError: `validation` leaves no image for training.
    """
    try:
        arrays, place = _load_mnist()
        source, is_stand_in = f"MNIST: 70,000 real digits from {place}, checked by SHA-256.", False
    except fetch.FetchError as error:
        arrays, is_stand_in = _load_stand_in(), True
        source = _stand_in_notice(len(arrays["y_train"]) + len(arrays["y_test"]), str(error))
    if announce:
        print(source)
    return _split(arrays, validation, source, is_stand_in)


def make_stand_in() -> Path:
    """Write the stand-in into the data folder, unless it is there.

    Returns:
        The path of the file, with the arrays and dtypes of Keras' `mnist.npz`.
    """
    path = fetch.folder_to_fill() / "stand_in" / "digits.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **_enlarged_digits())
    return path


def _load_mnist() -> tuple[Arrays, Path]:
    """Find, read and check MNIST; return the arrays and where they were found."""
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")  # Keras has no public name for it
    keras_cache = keras_home / "datasets" / "mnist.npz"
    if folder := fetch.find("mnist"):
        arrays, place = _read_folder(folder), folder
    else:
        place = keras_cache if keras_cache.exists() else fetch.download("mnist")
        arrays = _read_npz(place)
    return _checked(arrays, place), place


def _read_folder(folder: Path) -> Arrays:
    if path := next(folder.rglob("mnist.npz"), None):
        return _read_npz(path)
    return {key: _read_idx(folder, name) for key, name in IDX_FILES.items()}


def _read_npz(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in IDX_FILES}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _broken(path, error) from error


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Read one idx file, packed or not: magic number, one big-endian length per axis, bytes (LeCun's format).

    Kaggle writes a dot for the second hyphen, or a folder of the file's name around it; torchvision has a folder `raw`.
    """
    own = name.replace("-idx", "?idx")
    files = sorted(path for ending in ("", ".gz") for path in folder.rglob(own + ending) if path.is_file())
    path = next(iter(files), None)
    if path is None:
        found = ", ".join(sorted(p.name for p in folder.rglob("*") if p.is_file()))
        raise DataError(
            f"{folder} has {found}, but not {name}.gz. MNIST is the four files {', '.join(IDX_FILES.values())}: "
            "add the missing one, or remove the folder to have MNIST downloaded."
        )
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        axes = raw[3]
        shape = np.frombuffer(raw, ">i4", count=axes, offset=4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise _broken(path, error) from error


def _checked(arrays: Arrays, place: Path) -> Arrays:
    """Compare the SHA-256 of every array with the registry: the whole of MNIST, or none of it.

    Returns:
        The same bytes as uint8, images as (n, 28, 28) and labels as (n,), in whatever shape they were kept.
    """
    for key, wanted in fetch.registry()["mnist"].arrays.items():
        array = np.ascontiguousarray(arrays[key])
        found = hashlib.sha256(array.tobytes()).hexdigest()
        if found != wanted:
            raise DataError(
                f"{place} is not MNIST: {key} is {array.dtype} {array.shape} with SHA-256 {found[:12]}…, "
                f"wanted {wanted[:12]}…. Remove it to have MNIST downloaded, or copy it again."
            )
    shapes = {key: (-1, 28, 28) if key.startswith("x") else (-1,) for key in IDX_FILES}
    return {key: np.ascontiguousarray(arrays[key]).view(np.uint8).reshape(shape) for key, shape in shapes.items()}


def _broken(path: Path, error: Exception) -> DataError:
    size = path.stat().st_size if path.exists() else 0
    return DataError(
        f"{path} ({size:,} bytes) cannot be read: {type(error).__name__}: {error}. It is probably truncated. "
        "Remove it to have MNIST downloaded, or copy it again."
    )


def _load_stand_in() -> Arrays:
    try:
        return _read_npz(make_stand_in())
    except (
        OSError,
        DataError,
    ):  # a read-only or full disk, or a damaged file: the same digits without the file
        return _enlarged_digits()


def _enlarged_digits() -> Arrays:
    """Enlarge scikit-learn's 8 x 8 digits to 20 x 20 and set them in 28 x 28, as MNIST sets its own."""
    from scipy.ndimage import zoom  # slow imports, needed only here
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    large = zoom(small.reshape(-1, 8, 8) / 16, (1, 2.5, 2.5), order=3, grid_mode=True, mode="nearest")
    framed = np.pad(large.clip(0, 1), ((0, 0), (4, 4), (4, 4)))
    images, labels = np.round(framed * 255).astype(np.uint8), labels.astype(np.uint8)
    cut = len(labels) - TEST_SHARE_OF_STAND_IN
    return {
        "x_train": images[:cut],
        "y_train": labels[:cut],
        "x_test": images[cut:],
        "y_test": labels[cut:],
    }


def _stand_in_notice(count: int, reason: str) -> str:
    return (
        f"STAND-IN DATA: {count:,} small digits from scikit-learn, enlarged to 28 x 28, not the 70,000 of MNIST.\n"
        f"Why: {reason}.\n"
        "Everything runs, but the numbers in the text were measured on MNIST, and yours will differ.\n"
        f"What to do: go online and run this cell again, or put mnist.npz into {fetch.data_folders()[0] / 'mnist'}."
    )


def _split(arrays: Arrays, validation: int | None, source: str, is_stand_in: bool) -> Digits:
    count = len(arrays["y_train"])
    kept = count // 12 if validation is None else validation
    if not 0 < kept < count:
        raise ValueError(f"validation must be between 1 and {count - 1} images; received {validation}.")
    images, labels = _scaled(arrays["x_train"]), arrays["y_train"].astype(np.int64)
    return Digits(
        train=Split(images[:-kept], labels[:-kept]),
        validation=Split(images[-kept:], labels[-kept:]),
        test=Split(_scaled(arrays["x_test"]), arrays["y_test"].astype(np.int64)),
        source=source,
        is_stand_in=is_stand_in,
    )


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """Scale uint8 (n, 28, 28) to float32 (n, 28, 28, 1) in [0, 1]."""
    return np.divide(pixels, 255, dtype=np.float32)[..., np.newaxis]


def add_noise(images: np.ndarray, stddev: float, *, seed: int) -> np.ndarray:
    """Add Gaussian noise to every pixel, and cut the sum to [0, 1]. Shown in lecture 05.

    Args:
        images: float32, any shape, values in [0, 1]; left as they are.
        stddev: standard deviation of the noise, at least 0, in units of ink.
        seed: whole number of at least 0; give test images another one than training images.

    Returns:
        float32, of the same shape, values in [0, 1].

    Raises:
        ValueError: `images` are not in [0, 1], or `stddev` is negative.

    >>> add_noise(np.zeros((2, 28, 28, 1), np.float32), 0.5, seed=0).shape
    (2, 28, 28, 1)
    """
    if stddev < 0:
        raise ValueError(f"stddev must be at least 0; received {stddev}. Try 0.5.")
    if images.size and not 0 <= images.min() <= images.max() <= 1:
        raise ValueError(
            f"images must lie in [0, 1]; received {images.min():.3g} to {images.max():.3g}. Divide bytes by 255 first."
        )
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + np.float32(stddev) * noise, 0, 1, dtype=np.float32)


def denoising_batches(
    images: np.ndarray,
    *,
    stddev: float,
    augmentation: Callable[[Any], Any] | None = None,
    batch_size: int = 128,
    seed: int = 0,
) -> "tf.data.Dataset":
    """Give batches for `fit`: noisy in, clean out, both from the same augmented images. Shown in lecture 05.

    Args:
        images: float32, (n, rows, columns, bands), values in [0, 1].
        stddev: standard deviation of the noise; 0 for none, where the model has a noise layer of its own.
        augmentation: made by `helpers.models.convolutional.build_augmentation`; None for the images as they are.
        batch_size: images in a batch; the last one is smaller if need be.
        seed: of the order and of the noise.

    Returns:
        A dataset of (noisy, clean), each float32, (batch, rows, columns, bands). Every pass has another order, other
        noise and another augmentation; a dataset made with the same seeds goes through the same passes.
    """
    import tensorflow as tf  # slow to import, and only needed here

    random = tf.random.Generator.from_seed(seed)

    def pair(clean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = random.normal(tf.shape(clean), stddev=stddev)
        return tf.clip_by_value(clean + noise, 0, 1), clean

    batches = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images), seed=seed).batch(batch_size)
    if augmentation is not None:
        batches = batches.map(augmentation)
    return batches.map(pair).prefetch(1)
