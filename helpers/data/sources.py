"""Ready sources for data of your own: arrays, and folders of pictures by class; and their split by chance.

What they give goes into run files (docs/own_model.md) and into `streaming.Loader`. A source of your own derives from
`streaming.Samples`; datasets/README.md shows two.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from helpers.data import DataError
from helpers.data.splits import held_out_kind
from helpers.data.streaming import Arrays, FileError, SampleRng, Samples, Source, Spec
from helpers.data.streaming.npz import load_arrays, read_file

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


class ArraySource(Samples):
    """Arrays in memory as a source: samples, and their labels if there are any.

    Args:
        x: samples, (n, …): uint8 becomes float32 from 0 to 1, any other number float32 as it is.
        y: labels, (n, …): whole numbers from 0 are classes of samples, (n,), or of pixels, (n, height, width); other
            numbers are values to predict. None where a model is to learn x itself.
        num_classes: how many classes there are. Default: one more than the highest label.

    Attributes:
        num_classes: see above; None without classes.
        version: checksum of all that the arrays hold.

    Raises:
        DataError: no samples, another number of labels, a number that is not finite, or a class out of range.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray | None = None, *, num_classes: int | None = None) -> None:
        x = np.asarray(x)
        x = _as_floats(x, "x") / np.float32(255 if x.dtype == np.uint8 else 1)
        self._kept = {"x": x}
        self.num_classes = None
        if y is not None:
            y = np.asarray(y)
            if len(x) != len(y):
                raise DataError(f"every sample has one label, but x has {len(x)} samples and y has {len(y)} labels.")
            if y.dtype.kind in "iub":
                self.num_classes = _classes(y, num_classes)
            self._kept["y"] = y.astype(np.int32) if y.dtype.kind in "iub" else _as_floats(y, "y")
        self.arrays = {name: Spec(array.shape[1:], array.dtype.name) for name, array in self._kept.items()}
        sums = [zlib.crc32(np.ascontiguousarray(array).data) for array in self._kept.values()]
        self.version = "-".join(f"{number:08x}" for number in sums)

    @classmethod
    def load(
        cls, path: str | Path, *, x: str = "x", y: str | None = "y", num_classes: int | None = None
    ) -> "ArraySource":
        """Load the arrays of an `.npz` file, as `numpy.savez(path, x=…, y=…)` writes it.

        Args:
            path: the file.
            x, y: names of the arrays in it; y=None for a file without labels.
            num_classes: see the class.

        Raises:
            DataError: no such file or array, or arrays that the class refuses.
        """
        arrays = load_arrays(str(path), [x] if y is None else [x, y])
        return cls(arrays[x], None if y is None else arrays[y], num_classes=num_classes)

    def __len__(self) -> int:
        return len(self._kept["x"])

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Copy a sample."""
        for name, array in self._kept.items():
            out[name][...] = array[index]


class FolderSource(Samples):
    """Pictures below a folder as a source: a folder of each class, or pictures alone, which have no labels.

    Args:
        folder: with one folder of pictures for each class, in the order of their names, or with pictures only.
        image_size: rows and columns to which each picture is scaled.
        grey: one channel in place of red, green and blue.

    Attributes:
        arrays: "x" float32, (rows, columns, channels), from 0 to 1; and with classes "y" int32.
        classes: names of the folders; empty without classes.
        version: checksum of the names and sizes of the files.

    Raises:
        DataError: no such folder, or one without pictures.
    """

    def __init__(self, folder: str | Path, *, image_size: tuple[int, int] = (64, 64), grey: bool = False) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder.absolute()}.")
        self.classes = sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        if self.classes and all(name == "train" or held_out_kind(name) for name in self.classes):
            raise DataError(
                f"{folder} is split already: it has {', '.join(self.classes)}. Return a source for each of them: "
                '{"train": FolderSource(folder / "train"), "validation": …, "test": …}.'
            )
        places = [folder / name for name in self.classes] or [folder]
        found = [list(_pictures(place)) for place in places]
        if empty := [place for place, files in zip(places, found, strict=True) if not files]:
            raise DataError(f"{empty[0]} has no pictures: no file ends in {', '.join(sorted(PICTURES))}.")
        self.files = [path for files in found for path in files]
        self._labels = np.repeat(np.arange(len(found)), [len(files) for files in found])
        self._rows, self._columns = image_size
        self._mode, channels = "L" if grey else "RGB", 1 if grey else 3
        self.num_classes = len(self.classes) or None
        self.arrays = {"x": Spec((*image_size, channels), "float32")}
        if self.classes:
            self.arrays["y"] = Spec((), "int32")
        listed = [f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in self.files]
        self.version = f"{zlib.crc32(chr(10).join(listed).encode()):08x}"

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Return the path of a picture."""
        return str(self.files[index])

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read a picture and scale it.

        Raises:
            FileError: it is none, cut, or has more than 8 bits a channel.
        """
        from PIL import Image  # here, since who has arrays needs none

        path = self.name(index)
        raw = BytesIO(read_file(path))
        try:
            with Image.open(raw) as picture:
                mode = picture.mode
                scaled = picture.convert(self._mode).resize((self._columns, self._rows), Image.Resampling.BILINEAR)
        except Exception as error:  # whatever a decoder says of foreign bytes, or of a billion pixels
            raise FileError(path, f"is no picture that can be read: {error}.") from error
        if mode[0] in "IF":  # whole numbers of more than 8 bits, or floats: Pillow cuts them off at 255
            raise FileError(path, f"has pixels of mode {mode}, not of 8 bits. Save it so, or take an ArraySource.")
        out["x"][...] = np.asarray(scaled).reshape(out["x"].shape) / np.float32(255)
        if "y" in out:
            out["y"][...] = self._labels[index]


class Subset(Samples):
    """Some samples of a source.

    Args:
        source: the source.
        indices: of the samples.
    """

    def __init__(self, source: Source, indices: Sequence[int] | np.ndarray) -> None:
        self.source, self.indices = source, np.asarray(indices)
        self.arrays = source.arrays
        self.num_classes, self.version = getattr(source, "num_classes", None), getattr(source, "version", "")

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """Name a sample as the source does."""
        return self.source.name(int(self.indices[index]))

    def fill(self, index: int, rng: SampleRng, out: Arrays) -> None:
        """Read a sample as the source does."""
        self.source.fill(int(self.indices[index]), rng, out)

    def finish(self, arrays: Arrays) -> object:
        """Make the batch as the source does."""
        return self.source.finish(arrays)


def split(source: Source, *, seed: int = 0, validation: float = 0.15, test: float = 0.15) -> dict[str, Subset]:
    """Split a source by chance into "train", "validation" and "test"; the same seed gives the same split.

    Args:
        source: whose samples do not depend on each other: those of one place or person belong on one side.
        seed: of the split.
        validation, test: shares of the samples.

    Raises:
        DataError: a side would be empty.
    """
    order = np.random.default_rng(seed).permutation(len(source))
    ends = np.cumsum([round(len(order) * share) for share in (test, validation)])
    parts = dict(zip(("test", "validation", "train"), np.split(order, ends), strict=True))
    if empty := [name for name, part in parts.items() if not len(part)]:
        raise DataError(
            f"no sample is left for {empty[0]}: there are {len(order)}, split with validation={validation} and "
            f"test={test}. Take more samples or other shares."
        )
    return {name: Subset(source, np.sort(parts[name])) for name in ("train", "validation", "test")}


def check_finite(arrays: Mapping[str, np.ndarray], name: str) -> None:
    """Raise a DataError if an array of a sample has a number that is not finite.

    Args:
        arrays: of one sample.
        name: of the sample, for the message.
    """
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{name} has a number in {key} that is not finite (NaN or infinite).")


def _as_floats(array: np.ndarray, name: str) -> np.ndarray:
    """Return numbers as float32."""
    if array.dtype.kind not in "fiub" or not array.ndim:
        raise DataError(f"{name} must be an array of numbers, one row a sample; received {array.dtype}, {array.shape}.")
    if not len(array):
        raise DataError(f"{name} has no samples: its shape is {array.shape}.")
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    if not (good := np.isfinite(floats.reshape(len(array), -1)).all(axis=1)).all():
        raise DataError(
            f"{name} has a number in sample {np.argmin(good)} that is not finite (NaN or infinite) as float32."
        )
    return floats


def _classes(labels: np.ndarray, wanted: int | None) -> int:
    """Count the classes; raise a DataError for a label out of range."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= (wanted or 2**31):
        allowed = f"0 to {wanted - 1}" if wanted else "0 upwards"
        wrong = low if low < 0 else high
        raise DataError(f"labels are whole numbers from {allowed}; y has {wrong}. Count them anew, from 0.")
    return wanted or high + 1


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the pictures below a folder, by name."""
    yield from sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
