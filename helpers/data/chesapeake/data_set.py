"""Patches as a data set of the registry: found, divided, checked, drawn, counted, packed, made up.

Layouts, recognised by the names of folders at any depth:

- the publishers': `{state}_1m_{year}_extended-{train,val,test}_patches/`
- OU: `{state}/{train,valid}/F0 … F9/`
- any folder of patches, with or without sub-folders
- the publishers' tiles, `{state}_1m_{year}_extended-debuffered-{train,val,test}_tiles/`, whose windows are read as
  patches; only where there are no patches, which are read faster

In each of the first three the files may be packed into shards (`*.pack`); see `helpers.data.packing`.
"""

import functools
import os
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from helpers.data import DataError, NoDataError
from helpers.data.base import DataSet, File, Packed, data_sets, scan
from helpers.data.chesapeake.bands import (
    CHANNELS,
    CLASS_NAMES,
    CLASSES,
    COURSE_BANDS,
    LABELS,
    LANDSAT,
    PALETTE,
    PIXELS,
    InvalidSampleError,
    channels,
    check_bytes,
    check_finite,
    check_labels,
    check_possible,
    oddities,
    scale,
)
from helpers.data.chesapeake.patches import (
    MOST_BYTES,
    ORIGINAL,
    PENNSYLVANIA,
    SECTIONS,
    PackedPatch,
    Patches,
    as_planes,
    encode,
    is_original,
    read_original,
)
from helpers.data.chesapeake.tiles import NAME as LAYER_NAME
from helpers.data.chesapeake.tiles import tile_at, tile_places, window_of, windows_below
from helpers.data.measuring import Facts, Moments, Warnings, facts_of, shares, spread
from helpers.data.splits import FOLDS, Side, Split, check_split, matcher, sides_of
from helpers.data.stand_in import is_stand_in
from helpers.data.streaming import Arrays, FileError, SampleRng, Spec, read_array
from helpers.data.streaming.npz import checksum_of, decode_array, read_file
from helpers.data.streaming.shards import open_shard, split_name
from helpers.tables import plural

if TYPE_CHECKING:
    from helpers.figures import Figure

NAME = re.compile(r"(?P<state>[a-z]{2})_1m_(?P<year>\d{4})-(?P<tile>.+)-(?P<number>\d+)\.npz")
OU_FOLDER = re.compile(r"F\d+")
TRAINING_DIGITS = "*[012345678]"


@dataclass(frozen=True)
class Splits:
    """Paths of patches for training, validation and test, each sorted."""

    train: list[str]
    validation: list[str]
    test: list[str]


class NoPatchesError(NoDataError):
    """A folder has no patches."""


def tile_of(name: str) -> str:
    """Return the tile of a patch by its file name. Neighbouring states share tiles, so the state is left out.

    >>> tile_of("pa_1m_2013-m_3907506_sw_18_1-499.npz")
    'm_3907506_sw_18_1'
    """
    match = NAME.fullmatch(name)
    return match["tile"] if match else name.removesuffix(".npz").rpartition("-")[0] or name


def find_patches(
    base_dir: str | Path,
    *,
    ou_folder: str | None = None,
    states: Sequence[str] | None = None,
    broken: list[FileError] | None = None,
) -> list[File]:
    """Find all patches below a folder, sorted by path; see `base.scan`. Where there are none, windows of tiles.

    Windows are 256 pixels wide, side by side, and have paths as `tiles.window_of` reads them. Where patches and tiles
    lie together, patches are taken, and a line on stderr says so, once.

    Args:
        base_dir: the folder.
        ou_folder: of OU's folders F0 to F9, only look into this one, such as "F0".
        states: only patches whose name begins with one of these, such as `["pa"]`.
        broken: see `base.scan`.

    Raises:
        NoPatchesError: there are none. The message says what is there.
        DataError: a folder cannot be listed, or a shard or a tile cannot be opened.
    """
    base = os.fspath(Path(base_dir).expanduser())
    wanted = tuple(f"{state}_" for state in ([states] if isinstance(states, str) else states or ())) or ""

    def is_ours(name: str) -> bool:
        return name.endswith(".npz") or LAYER_NAME.fullmatch(name) is not None

    def is_left_out(folder: str) -> bool:
        return ou_folder is not None and folder != ou_folder and OU_FOLDER.fullmatch(folder) is not None

    found = scan(base, is_ours, leaves_out=is_left_out, broken=broken)
    patches = [file for file in found if file.name.endswith(".npz")]
    layers = [file for file in found if not file.name.endswith(".npz")]
    if patches and layers:
        _announce_tiles(base, len(patches), len(tile_places(file.path for file in layers)))
    patches = patches or windows_below(layers, broken=broken)
    kept = [patch for patch in patches if patch.name.startswith(wanted)]
    if not kept and not broken:
        beside = sorted(os.listdir(base))[:8] if os.path.isdir(base) else "no such folder"  # noqa: PTH112, PTH208
        raise NoPatchesError(
            f"{base} has no patches (*.npz) for ou_folder={ou_folder}, states={states}, and no tiles. There is: "
            f"{beside}. Give the folder above pa/train/F0, above pa_1m_2013_extended-train_patches or "
            "…-train_tiles, or one with patches in it."
        )
    return kept


@functools.cache  # once for each folder
def _announce_tiles(base: str, patches: int, tiles: int) -> None:
    print(
        f"{base} holds {plural(patches, 'patch')} and {plural(tiles, 'tile')}: the patches are read, the tiles are "
        "not. Name the folder of the tiles to read those.",
        file=sys.stderr,
    )


def split_files(
    base_dir: str | Path,
    *,
    split: Split = "tile",
    folds: int = FOLDS,
    fold: int | None = None,
    ou_folder: str | None = None,
    train_filter: str | Iterable[str] | None = None,
    states: Sequence[str] | None = None,
) -> Splits:
    """Divide the patches below a folder into training, validation and test.

    Args:
        base_dir, ou_folder, states: see `find_patches`.
        split, folds, fold: see `splits.sides_of`.
        train_filter: a pattern for names of training patches, or several, of which one must fit; `.npz` may be left
            out. Default: `*[012345678]` for "digit", all for the others.

    Raises:
        DataError: a side would be empty.
        ValueError: options of the split that do not go together, or the filter takes patches that validate.
    """
    check_split(split, folds=folds, fold=fold)
    patches = find_patches(base_dir, ou_folder=ou_folder, states=states)
    return split_patches(patches, split, folds=folds, fold=fold, train_filter=train_filter)


def split_patches(
    patches: Sequence[File],
    split: Split = "tile",
    *,
    folds: int = FOLDS,
    fold: int | None = None,
    train_filter: str | Iterable[str] | None = None,
) -> Splits:
    """Divide patches that were found; see `split_files`."""
    sides: dict[Side | None, list[File]] = {"train": [], "validation": [], "test": [], None: []}
    tiles = [tile_of(patch.name) for patch in patches]
    for patch, side in zip(patches, sides_of(patches, tiles, split, folds=folds, fold=fold), strict=True):
        sides[side].append(patch)
    passes = matcher(train_filter or (TRAINING_DIGITS if split == "digit" else "*"))
    if split == "digit" and (both := next((p.name for p in sides["validation"] if passes(p.name)), None)):
        raise ValueError(f"train_filter={train_filter!r} also takes {both}, which is for validation.")
    first, training = sides["train"][:1], [patch for patch in sides["train"] if passes(patch.name)]
    if first and not training:
        raise DataError(f"train_filter={train_filter!r} fits no name of a training patch, such as {first[0].name}.")
    sides["train"] = training
    for name in ("train", "validation", "test"):
        if not sides[name]:
            raise DataError(_nothing_left(name, split, patches))
    return Splits(*([patch.path for patch in sides[name]] for name in ("train", "validation", "test")))


def some_patches(patches: Sequence[File], *, tiles: int, per_tile: int) -> list[str]:
    """Choose a few whole neighbourhoods: some tiles, spread evenly over all, and the first patches of each.

    Args:
        patches: from `find_patches`.
        tiles: how many tiles, at most.
        per_tile: how many patches of each, at most.

    Returns:
        Paths, tile by tile.
    """
    by_tile: dict[str, list[str]] = {}
    for patch in patches:
        by_tile.setdefault(tile_of(patch.name), []).append(patch.path)
    every = list(by_tile)
    chosen = every if len(every) <= tiles else [every[round(step * len(every) / tiles)] for step in range(tiles)]
    return [path for tile in chosen for path in by_tile[tile][:per_tile]]


def _nothing_left(side: Side, split: Split, patches: Sequence[File]) -> str:
    name = "training" if side == "train" else side
    tiles = len({tile_of(patch.name) for patch in patches})
    held = sum(bool(patch.held_out) for patch in patches)
    hint = {
        "tile": "A split by tile needs three tiles, or two beside the held-out folders",
        "folds": "Each fold needs patches to learn from",
        "digit": 'A split by digit needs names ending 9 and a held-out folder (valid/, …-val_patches/); split="tile" '
        "does without",
    }
    return (
        f"no patches are left for {name}: {len(patches)} patches of {tiles} tiles were found, {held} of them in "
        f"held-out folders. {hint[split]}."
    )


# ---- the data set ----

WHOLE = slice(0, PIXELS)
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
    """Patches of land cover; whatever `.npz` no other data set claims is taken for one.

    Attributes:
        ou_folder, states: which patches it finds, see `find_patches`; None for all.
    """

    arrays = {  # noqa: RUF012 - as every data set says it
        "image": Spec((PIXELS, PIXELS, len(channels(COURSE_BANDS))), "float32"),
        "labels": Spec((PIXELS, PIXELS), "int32"),
    }
    name = "chesapeake"
    noun = "patch"
    sections = SECTIONS
    ou_folder: str | None = None
    states: Sequence[str] | None = None

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

    def draws(self, name: str) -> bool:
        """Return whether a file is a patch, or a layer of a tile."""
        return self.claims(name) or LAYER_NAME.fullmatch(name) is not None

    def on_disk(self, path: str) -> list[str]:
        """Return the file that a patch is read from, or the layers of its tile."""
        window = window_of(path)
        return list(window.tile.files.values()) if window else super().on_disk(path)

    def files(self, folder: Path, *, broken: list[FileError] | None = None) -> list[File]:
        """Find the patches below a folder; see `find_patches`."""
        try:
            found = find_patches(folder, ou_folder=self.ou_folder, states=self.states, broken=broken)
        except NoPatchesError:
            return []
        others = self._others()  # asked once, and not for every patch
        return [patch for patch in found if not any(other.claims(patch.name) for other in others)]

    def sides(
        self, files: Sequence[File], split: Split = "tile", *, folds: int = FOLDS, fold: int | None = None
    ) -> dict[str, list[str]]:
        """Divide patches; see `split_patches`."""
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
            check_labels(patch[LABELS])
        except InvalidSampleError as error:
            raise FileError(path, str(error)) from None
        warnings: Warnings = {}
        for message, numbers in oddities(patch, missing):
            warnings.setdefault(message, []).append(numbers)
        return warnings

    def plot(self, path: str) -> "Figure":
        """Draw aerial images of two years, Landsat of two seasons in false colour, NLCD, labels and buildings.

        Of a layer of a tile, the window in the middle of the tile.
        """
        from helpers import figures  # here, since whoever only reads needs no pictures

        path = _middle(path) if LAYER_NAME.fullmatch(Path(path).name) else path
        names = ["naip_new_rgb", "naip_old_rgb", *_false_colour("on"), *_false_colour("off"), "nlcd", "buildings"]
        arrays = _filled(Patches([path], bands=names), 0)
        image, labels = arrays["image"], arrays["labels"]
        figure, axes = figures.panels(2, 4, path)
        landsat = image[..., 6:12].reshape(*labels.shape, 2, 3)
        dark, bright = np.percentile(landsat, [1, 99], axis=(0, 1, 2))  # of each band over both seasons
        landsat = (landsat - dark) / np.maximum(bright - dark, 0.01)
        colours = ["#ffffff", *PALETTE[1:]]  # class 0, which is ignored, would be as black as roads
        legend = dict(enumerate(zip(CLASS_NAMES, colours, strict=True)))
        figures.draw_pixels(axes[0, 0], "aerial, 2013/14", image[..., 0:3])
        figures.draw_pixels(axes[0, 1], "aerial, 2010-12", image[..., 3:6])
        figures.draw_pixels(axes[0, 2], "Landsat, leaf-on: NIR, red, green", landsat[..., 0, :])
        figures.draw_pixels(axes[0, 3], "Landsat, leaf-off: NIR, red, green", landsat[..., 1, :])
        figures.draw_classes(axes[1, 0], "labels", labels, legend)
        figures.draw_classes(axes[1, 1], "NLCD 2011", image[..., 12].astype(int), _NLCD)
        figures.draw_pixels(axes[1, 2], "building mask", np.repeat(0.9 - 0.9 * image[..., 13:], 3, axis=-1))
        over = 0.55 * figures.coloured(labels, legend) + 0.45 * image[..., 0:3]
        figures.draw_pixels(axes[1, 3], "labels over the aerial image", over)
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
        raw = _raw(path)
        encoded = encode(as_planes(decode_array(raw, path, most=MOST_BYTES), path))
        if encoded is None:
            encoded = 0, [b""] * ORIGINAL + [np.frombuffer(raw, np.uint8)]
        return Packed(*encoded, checksum_of(raw, path))

    def content(self, path: str) -> int | None:
        """Return the CRC-32 of a patch's values, which the end of its file holds; None where it cannot be found."""
        with suppress(Exception):  # whoever reads the file says what is wrong
            if window_of(path):
                return checksum_of(_raw(path), path)
            with zipfile.ZipFile(path) as archive:
                return archive.getinfo("arr_0.npy").CRC
        return None

    def room(self, size: int) -> int:
        """Return how many bytes of a shard a patch takes at most."""
        return LARGEST

    def fetch(
        self,
        *,
        state: Sequence[str] | None = None,
        split: Sequence[str] | None = None,
        windows: int | None = None,
        tiles: int | None = None,
        bytes: int | None = None,
        sample: bool = False,
        seed: int | None = None,
        dry_run: bool = False,
    ) -> Path | None:
        """Fetch patches of real land from mirrors; see `fetching.fetch_windows`, or `fetch_sample` with `sample`.

        Returns:
            Where they are; without options where any real ones are. None where downloads are forbidden.

        Raises:
            FetchError, DataError, OSError: see there; or options that do not go together.
        """
        asked = any(option is not None for option in (state, split, windows, tiles, bytes, seed)) or sample or dry_run
        if not asked and ((here := self.find()) or os.environ.get("COURSE_OFFLINE")):
            return here
        from helpers.data.chesapeake.fetching import fetch_sample, fetch_windows  # here: readers ask no mirrors

        if sample and not (state is split is seed is None):
            raise DataError("the sample is eight patches of one tile: leave --state, --split and --seed out.")
        if sample:
            return fetch_sample(self.card, dry_run=dry_run)
        return fetch_windows(
            self.card,
            states=state,
            splits=split,
            tiles=tiles,
            windows=windows,
            most_bytes=bytes,
            seed=seed or 0,
            dry_run=dry_run,
        )

    def stand_in(
        self,
        folder: Path,
        *,
        progress: bool = True,
        count: int | None = None,
        seed: int = 0,
        layout: Literal["lila", "ou", "tiles"] = "lila",
    ) -> list[Path]:
        """Write made-up patches; see `synthetic.make_patches`. Or tiles, of all three splits; see `make_land_tiles`."""
        from helpers.data.synthetic import COUNTS, make_patches

        if layout == "tiles":
            from helpers.data.synthetic.land_tiles import COUNT, make_land_tiles

            return make_land_tiles(folder, count or COUNT, seed=seed, progress=progress)
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
    if window := window_of(path):
        return window.read(WHOLE, WHOLE)
    record = split_name(path)
    if record is None:
        return as_planes(read_array(path, most=MOST_BYTES), path)
    shard = open_shard(record[0])
    row = shard.row(record[1])
    if is_original(shard, row):
        return as_planes(read_original(shard, row), path)
    return PackedPatch(shard, row, slice(None), slice(None)).to_planes()


def _raw(path: str) -> memoryview:
    """Return the `.npz` of a patch; of a window of a tile, the one that would hold it."""
    if (window := window_of(path)) is None:
        return read_file(path)
    np.savez(raw := BytesIO(), arr_0=window.read(WHOLE, WHOLE)[np.newaxis])
    return raw.getbuffer()


def _middle(layer: str) -> str:
    """Return the path of the window in the middle of the tile that a file is a layer of."""
    [place] = tile_places([layer])
    windows = windows_below([File(layer, Path(layer).name, "")])
    if not windows:
        rows, columns = tile_at(place).shape
        raise FileError(layer, f"shows {rows} x {columns} pixels that all layers have, less than a window of {PIXELS}.")
    return windows[len(windows) // 2].path
