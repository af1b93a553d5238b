"""Patches as a data set of the registry: found, checked, drawn, counted, packed, made up."""

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from helpers.data.base import DataSet, File, Packed, data_sets
from helpers.data.chesapeake.bands import (
    CHANNELS,
    CLASS_NAMES,
    CLASSES,
    COURSE_BANDS,
    LABELS,
    PALETTE,
    PIXELS,
    channels,
    scale,
)
from helpers.data.chesapeake.files import NAME, NoPatchesError, find_patches, split_patches, tile_of
from helpers.data.chesapeake.packed import LANDSAT, ORIGINAL, SECTIONS, PackedPatch, encode, is_original, read_original
from helpers.data.chesapeake.patches import MOST_BYTES, PENNSYLVANIA, Patches, as_planes
from helpers.data.chesapeake.plausible import (
    InvalidSampleError,
    check_bytes,
    check_finite,
    check_labels,
    check_possible,
    oddities,
)
from helpers.data.measuring import Facts, Moments, Warnings, facts_of, shares, spread
from helpers.data.splits import FOLDS, Split
from helpers.data.stand_in import is_stand_in
from helpers.data.streaming import Arrays, FileError, SampleRng, Spec, read_array
from helpers.data.streaming.npz import checksum_of, decode_array, read_file
from helpers.data.streaming.shards import open_shard, split_name

if TYPE_CHECKING:
    from helpers.figures import Figure

LARGEST = 800_000  # bytes of a packed patch that is not compressed: 12 planes and 256 cells
_NLCD = {  # the legend of the National Land Cover Database
    11: ("open water", "#466b9f"),
    12: ("ice, snow", "#d1def8"),
    21: ("developed, open", "#dec5c5"),
    22: ("developed, low", "#d99282"),
    23: ("developed, medium", "#eb0000"),
    24: ("developed, high", "#ab0000"),
    31: ("barren", "#b3ac9f"),
    41: ("deciduous forest", "#68ab5f"),
    42: ("evergreen forest", "#1c5f2c"),
    43: ("mixed forest", "#b5c58f"),
    51: ("dwarf scrub", "#af963c"),
    52: ("shrub", "#ccb879"),
    71: ("grassland", "#dfdfc2"),
    72: ("sedge", "#d1d182"),
    73: ("lichens", "#a4cc51"),
    74: ("moss", "#82ba9e"),
    81: ("pasture", "#dcd939"),
    82: ("crops", "#ab6c28"),
    90: ("woody wetland", "#b8d9eb"),
    95: ("herb wetland", "#6c9fb8"),
}


class ChesapeakePatches(DataSet):
    """Patches of land cover; whatever `.npz` no other data set claims is taken for one."""

    arrays = {  # noqa: RUF012 - as every data set says it
        "image": Spec((PIXELS, PIXELS, len(channels(COURSE_BANDS))), "float32"),
        "labels": Spec((PIXELS, PIXELS), "int32"),
    }
    name = "chesapeake"
    noun = "patch"
    sections = SECTIONS

    def read(self, path: str, out: Arrays) -> None:
        """Read the bands of the course, and the labels; see `Patches`."""
        Patches([path]).fill(0, SampleRng(seed=0, epoch=0, index=0), out)

    def place(self, path: str) -> str:
        """Return the tile that a patch was cut from."""
        return tile_of(os.path.basename(path))  # noqa: PTH119 - of every file

    def claims(self, name: str) -> bool:
        """Return whether a file of this name is a patch."""
        return name.endswith(".npz") and not any(other.claims(name) for other in self._others())

    def _others(self) -> list[DataSet]:
        return [each for each in data_sets().values() if each.name != self.name]

    def files(self, folder: Path, *, broken: list[FileError] | None = None) -> list[File]:
        """Find the patches below a folder; see `find_patches`."""
        try:
            found = find_patches(folder, broken=broken)
        except NoPatchesError:
            return []
        others = self._others()  # asked once, and not for every patch
        return [patch for patch in found if not any(other.claims(patch.name) for other in others)]

    def sides(
        self, files: Sequence[File], split: Split = "tile", *, folds: int = FOLDS, fold: int | None = None
    ) -> dict[str, list[str]]:
        """Divide patches; see `files.split_files`."""
        return vars(split_patches(files, split, folds=folds, fold=fold))

    def check(self, path: str) -> Warnings:
        """Check a patch, packed or not, and return what is odd about it.

        Raises:
            FileError: the file cannot be read, or holds what no patch can.
        """
        patch = _read(path)
        try:
            check_finite(patch, range(len(CHANNELS)))
            missing = check_possible(patch)
            check_bytes(patch, [channel for channel in range(len(CHANNELS)) if channel not in (LABELS, *LANDSAT)])
            check_labels(patch)
        except InvalidSampleError as error:
            raise FileError(path, str(error)) from None
        warnings: Warnings = {}
        for message, numbers in oddities(patch, missing):
            warnings.setdefault(message, []).append(numbers)
        return warnings

    def plot(self, path: str) -> "Figure":
        """Draw aerial images of two years, Landsat of two seasons in false colour, NLCD, labels and buildings."""
        from helpers.data import pictures  # here, since whoever only reads needs no pictures

        names = ["naip_new_rgb", "naip_old_rgb", *_false_colour("on"), *_false_colour("off"), "nlcd", "buildings"]
        arrays = _filled(Patches([path], bands=names), 0)
        image, labels = arrays["image"], arrays["labels"]
        figure, axes = pictures.panels(2, 4, path)
        landsat = image[..., 6:12].reshape(*labels.shape, 2, 3)
        dark, bright = np.percentile(landsat, [1, 99], axis=(0, 1, 2))  # of each band over both seasons
        landsat = (landsat - dark) / np.maximum(bright - dark, 0.01)
        colours = ["#ffffff", *PALETTE[1:]]  # class 0, which is ignored, would be as black as roads
        legend = dict(enumerate(zip(CLASS_NAMES, colours, strict=True)))
        pictures.image(axes[0, 0], "aerial, 2013/14", image[..., 0:3])
        pictures.image(axes[0, 1], "aerial, 2010-12", image[..., 3:6])
        pictures.image(axes[0, 2], "Landsat, leaf-on: NIR, red, green", landsat[..., 0, :])
        pictures.image(axes[0, 3], "Landsat, leaf-off: NIR, red, green", landsat[..., 1, :])
        pictures.codes(axes[1, 0], "labels", labels, legend)
        pictures.codes(axes[1, 1], "NLCD 2011", image[..., 12].astype(int), _NLCD)
        pictures.image(axes[1, 2], "building mask", np.repeat(0.9 - 0.9 * image[..., 13:], 3, axis=-1))
        over = 0.55 * pictures.coloured(labels, legend) + 0.45 * image[..., 0:3]
        pictures.image(axes[1, 3], "labels over the aerial image", over)
        return figure

    def stats(self, files: Sequence[File], *, most: int) -> dict[str, Any]:
        """Count tiles, states and splits; of some patches count the classes and measure all channels."""
        some = spread([file.path for file in files], most)
        names = [name for number, name in enumerate(CHANNELS) if number != LABELS]
        source = Patches(some, bands=names)
        facts = facts_of(lambda index: _facts(source, index), range(len(some)), noun="patches")
        states = Counter(match["state"] if (match := NAME.fullmatch(file.name)) else "?" for file in files)
        return {
            "patches": len(files),
            "tiles": len({tile_of(file.name) for file in files}),
            "states": dict(sorted(states.items())),
            "splits": self.splits(files),
            "stand-in": is_stand_in(files[0].path),
            "looked into": len(some),
            "classes": shares(CLASS_NAMES[1:], facts.labels[1:], Pennsylvania=PENNSYLVANIA[1:]),
            "ignored": float(facts.labels[0] / facts.labels.sum()),
            "channels": facts.moments.summary(names) if facts.moments else {},
        }

    def pack(self, path: str) -> Packed:
        """Return the sections of a patch, or all of its `.npz` where it is not of the usual kind."""
        raw = read_file(path)
        encoded = encode(as_planes(decode_array(raw, path, most=MOST_BYTES), path))
        if encoded is None:
            encoded = 0, [b""] * ORIGINAL + [np.frombuffer(raw, np.uint8)]
        return Packed(*encoded, checksum_of(raw, path))

    def content(self, path: str) -> int | None:
        """Return the CRC-32 of a patch's values, which the end of its file holds; None where it cannot be found."""
        with suppress(Exception), zipfile.ZipFile(path) as archive:  # whoever reads the file says what is wrong
            return archive.getinfo("arr_0.npy").CRC
        return None

    def room(self, size: int) -> int:
        """Return how many bytes of a shard a patch takes at most."""
        return LARGEST

    def stand_in(
        self,
        folder: Path,
        *,
        progress: bool = True,
        count: int | None = None,
        seed: int = 0,
        layout: Literal["lila", "ou"] = "lila",
    ) -> list[Path]:
        """Write made-up patches; see `synthetic.make_patches`."""
        from helpers.data.synthetic import COUNTS, make_patches

        return make_patches(folder, count or COUNTS["chesapeake"], seed=seed, layout=layout, progress=progress)


DATA_SET = ChesapeakePatches()


def _false_colour(season: str) -> list[str]:
    return [f"landsat_leaf_{season}_{band}" for band in (5, 4, 3)]


def _filled(source: Patches, index: int) -> Arrays:
    out = {name: np.empty(spec.shape, spec.dtype) for name, spec in source.arrays.items()}
    source.fill(index, SampleRng(seed=0, epoch=0, index=index), out)
    return out


def _facts(source: Patches, index: int) -> Facts:
    arrays = _filled(source, index)
    factors = [scale(number) for number in range(len(CHANNELS)) if number != LABELS]
    counts = np.bincount(arrays["labels"].ravel(), minlength=CLASSES)
    return Facts(counts, Moments.of(arrays["image"].reshape(-1, len(factors)) / np.array(factors)))


def _read(path: str) -> np.ndarray:
    """Load all channels of a patch, (29, 256, 256), into memory of the calling thread."""
    record = split_name(path)
    if record is None:
        return as_planes(read_array(path, most=MOST_BYTES), path)
    shard = open_shard(record[0])
    row = shard.row(record[1])
    if is_original(shard, row):
        return as_planes(read_original(shard, row), path)
    return PackedPatch(shard, row, slice(None), slice(None)).to_planes()
