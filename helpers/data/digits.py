"""Handwritten digits: MNIST where it can be had, otherwise a stand-in that says so. Used by lectures 00-09.

Datasheet
    MNIST: 70,000 grey images of 28 x 28 pixels, digits 0-9, written by American census workers and students, centred
    by mass (LeCun, Cortes & Burges, 1998). 60,000 are for training, 10,000 by other writers for testing. Mean of the
    training pixels 0.1307, standard deviation 0.3081. Licence CC BY-SA 3.0.
    Stand-in: the 1,797 digits of 8 x 8 pixels that scikit-learn carries (Alpaydin & Kaynak, 1998; CC BY 4.0), enlarged
    to 28 x 28. Real writing, but forty times fewer images, and blurred: numbers differ from those in the lectures.

Lecture 05 adds noise: images are float32, (n, rows, columns, bands), values in [0, 1].
"""

import functools
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.data import DataError, NoDataError, fetch
from helpers.data.base import DataSet, File, Files
from helpers.data.measuring import Moments, Warnings, shares
from helpers.data.splits import FOLDS
from helpers.data.splits import Split as Splitting
from helpers.data.streaming import Arrays, FileError, Spec
from helpers.data.streaming.npz import load_arrays, read_file
from helpers.files import atomic_write

if TYPE_CHECKING:
    import tensorflow as tf

    from helpers.figures import Figure


IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
TEST_SHARE_OF_STAND_IN = 297  # the last ones: other writers than the first 1,500
STAND_IN = "digits.npz"
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


def make_stand_in(path: Path | None = None) -> Path:
    """Write the stand-in, unless it is there.

    Args:
        path: of the file; default: in the data folder.

    Returns:
        The path of the file, with the arrays and dtypes of Keras' `mnist.npz`.
    """
    path = path or fetch.folder_to_fill() / "stand_in" / STAND_IN
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
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


def _read_npz(path: Path, keys: Iterable[str] = IDX_FILES) -> Arrays:
    try:
        return load_arrays(str(path), keys)
    except FileError as error:
        raise _broken(path, error.problem) from error


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
    return _idx(path)


def _idx(path: Path) -> np.ndarray:
    raw = bytes(read_file(str(path)))
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        axes = raw[3]
        shape = np.frombuffer(raw, ">i4", count=axes, offset=4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        problem = f"cannot be read: {type(error).__name__}: {error}. It is probably truncated."
        raise _broken(path, problem) from error


def _checked(arrays: Arrays, place: Path) -> Arrays:
    """Compare the SHA-256 of every array with the registry: the whole of MNIST, or none of it.

    Returns:
        The same bytes as uint8, images as (n, 28, 28) and labels as (n,), in whatever shape they were kept.
    """
    for key in IDX_FILES:
        _check_hash(key, arrays[key], place)
    shapes = {key: (-1, 28, 28) if key.startswith("x") else (-1,) for key in IDX_FILES}
    return {key: np.ascontiguousarray(arrays[key]).view(np.uint8).reshape(shape) for key, shape in shapes.items()}


def _check_hash(key: str, array: np.ndarray, place: Path) -> None:
    wanted, array = fetch.registry()["mnist"].arrays[key], np.ascontiguousarray(array)
    found = hashlib.sha256(array.tobytes()).hexdigest()
    if found != wanted:
        raise DataError(
            f"{place} is not MNIST: {key} is {array.dtype} {array.shape} with SHA-256 {found[:12]}…, "
            f"wanted {wanted[:12]}…. Remove it to have MNIST downloaded, or copy it again. Other sets, such as "
            "Fashion-MNIST, have files of the same names: move those elsewhere."
        )


def _broken(path: Path, problem: str) -> DataError:
    size = f" ({path.stat().st_size:,} bytes)" if path.exists() else ""
    return DataError(f"{path}{size} {problem} Remove it to have MNIST downloaded, or copy it again.")


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


class Mnist(DataSet):
    """Digits: a file holds all images and labels, or the images or the labels of one half, as LeCun's four do."""

    name = "mnist"
    pattern = r"(mnist|digits)\.npz|(train|t10k)-(images|labels)[-.]idx[13]-ubyte(\.gz)?"
    arrays = {"image": Spec((28, 28, 1), "float32"), "label": Spec((), "int32")}  # noqa: RUF012 - as a data set says it
    noun = "digit file"
    unit = "image"  # type: ignore[assignment]  # a property elsewhere
    sections = 0  # small enough to be read at once

    def fetch(self) -> Path:
        """Return the folder with MNIST, once all of it has been checked, or download it."""
        if folder := self.find():
            load(announce=False)  # says which file is damaged, and what to do
            return folder
        return fetch.download(self.name)

    def stand_in(self, folder: Path, *, progress: bool = True) -> list[Path]:
        """Write the digits that scikit-learn carries, enlarged, into a folder or under the name of a file."""
        return [make_stand_in(folder if folder.suffix == ".npz" else folder / STAND_IN)]

    def place(self, path: str) -> str:
        """Return the image itself: two of one number are in two halves."""
        return path

    def check(self, path: str) -> Warnings:
        """Compare the SHA-256 of every array of a file with that of MNIST; of a stand-in, check the shapes.

        Raises:
            DataError: it is not what it should be.
        """
        arrays = _arrays_of(path)
        for key, array in arrays.items():
            if Path(path).name != STAND_IN:
                _check_hash(key, array, Path(path))
            elif array.shape[1:] != ((28, 28) if key.startswith("x") else ()) or len(array) != len(
                arrays[f"y{key[1:]}"]
            ):
                raise FileError(path, f"has {key} of shape {array.shape}. It is no stand-in of the course: remove it.")
        return {}

    def plot(self, path: str) -> "Figure":
        """Draw the first 40 digits of a file, with their labels if it has them.

        Raises:
            DataError: it cannot be read, or has no images.
        """
        from helpers import figures  # here, since whoever only reads needs no pictures

        arrays = _arrays_of(path, ("x_train", "y_train"))
        key = next((key for key in arrays if key.startswith("x")), None)
        if key is None:
            raise FileError(path, "holds labels and no images. Draw the file with images beside it.")
        labels = arrays.get(f"y{key[1:]}")
        titles = () if labels is None else list(labels[:40])
        return figures.image_grid(arrays[key][:40, ..., np.newaxis] / 255, titles=titles)

    def open(
        self, folder: Path, *, split: Splitting = "tile", folds: int = FOLDS, fold: int | None = None
    ) -> dict[str, Files]:
        """Return sources of (image, label); see `DataSet.open`. The test images of MNIST are a held-out folder.

        Args:
            folder: with `mnist.npz`, or the four files of LeCun; or a file such as the stand-in.
            split, folds, fold: see `splits.sides_of`; each image is a place.
        """
        if not (files := self.files(folder)):
            raise NoDataError(f"{folder} has no MNIST: neither mnist.npz nor {', '.join(IDX_FILES.values())}.")
        sides = self.sides(_images(files), split, folds=folds, fold=fold)
        return {side: Files(self, paths) for side, paths in sides.items()}

    def files(self, folder: Path, *, broken: list[FileError] | None = None) -> list[File]:
        """Find the files below a folder; see `DataSet.files`. A file is taken for itself."""
        if folder.is_file():
            return [File(str(folder), folder.name, "")]
        return super().files(folder, broken=broken)

    def read(self, path: str, out: Arrays) -> None:
        """Read one image: `PLACE/train/17` is number 17 of the training set in a file or folder."""
        place, half, number = path.rsplit("/", 2)
        arrays = _everything(place)
        out["image"][...] = _scaled(arrays[f"x_{half}"][int(number)])
        out["label"][...] = arrays[f"y_{half}"][int(number)]

    def stats(self, files: Sequence[File], *, most: int) -> dict[str, Any]:
        """Count images and splits, and in all of them the classes; measure the pixels."""
        images = _images(files)
        place = _place(files)
        arrays = _everything(place)
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
        pixels = np.concatenate([arrays["x_train"], arrays["x_test"]])
        return {
            "images": len(images),
            "splits": self.splits(images),
            "stand-in": place.endswith(STAND_IN),
            "looked into": len(files),
            "classes": shares(CLASS_NAMES, np.bincount(labels, minlength=10)),
            "ignored": 0.0,
            "channels": Moments.of(pixels.reshape(-1, 1)).summary(["ink"]),
        }


DATA_SET = Mnist()


def _arrays_of(path: str, keys: Iterable[str] = IDX_FILES) -> Arrays:
    """Read the arrays of one file, by the names that Keras gives them; `keys` of an `.npz`."""
    if path.endswith(".npz"):
        return _read_npz(Path(path), keys)
    key = next(key for key, name in IDX_FILES.items() if Path(path).name.startswith(name[:12]))
    return {key: _idx(Path(path))}


def _place(files: Sequence[File]) -> str:
    """Return the first file that holds everything, or the folder with those of LeCun."""
    whole = (file.path for file in files if file.name.endswith(".npz"))
    return next(whole, os.path.commonpath([os.path.dirname(file.path) for file in files]))  # noqa: PTH120 - of texts


@functools.lru_cache(maxsize=2)  # asked for every image
def _everything(place: str) -> Arrays:
    path = Path(place)
    arrays = _read_npz(path) if path.is_file() else _read_folder(path)
    return arrays if path.name == STAND_IN else _checked(arrays, path)


def _images(files: Sequence[File]) -> list[File]:
    """Return every image as a file of its own; those of the test set lie in a held-out folder."""
    place = _place(files)
    arrays, halves = _everything(place), {"train": "", "test": "test"}
    return [
        File(f"{place}/{half}/{number}", f"{half}-{number}", held_out)
        for half, held_out in halves.items()
        for number in range(len(arrays[f"y_{half}"]))
    ]


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
    """Return batches for `fit`: noisy in, clean out, both from the same augmented images. Shown in lecture 05.

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
