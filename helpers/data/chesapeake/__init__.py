"""Chesapeake land cover: what grows and what is built, for every square metre. Used by lectures 11-13.

Datasheet
    Patches of 256 x 256 pixels, 1 m a pixel, cut at random (and overlapping) from 1-m tiles of six states around the
    Chesapeake Bay: 500 a tile, 50,000 of Pennsylvania (about 32 GB of `.npz`). Each has 29 channels:
    0-3 NAIP 2013/14 and 4-7 NAIP 2010-12, aerial, red, green, blue, near infrared, 0 to 255; 8 land cover, the label;
    9 NLCD 2011 codes, 30 m; 10-18 Landsat 8 leaf-on and 19-27 leaf-off, 30 m, surface reflectance 1-7 (x 10,000) and
    thermal 10 and 11 (0.1 K), in multiples of 0.5; 28 building mask.
    Classes: 1 water, 2 tree canopy and forest, 3 low vegetation and field, 4 barren, 5 impervious (other),
    6 impervious (road). 15 (no data) and 0 become class 0, which losses and metrics are to ignore
    (`ignore_class=0`). In Pennsylvania: water 1.20 %, trees 65.11, fields 29.29, barren 0.53, impervious 2.78,
    roads 1.09: a model that always predicts "trees" is right for 65 % of pixels.
    Splits: `split="tile"`, the publishers', and `split="folds"`, which tests every tile once over all folds, put no
    tile on two sides. `split="digit"` is that of the OU course; its training and validation patches overlap, so its
    validation accuracy promises too much. `helpers.data.splits` says which side a patch is on.
    Licence: CDLA-Permissive-1.0; NAIP, Landsat and NLCD are in the public domain. Cite Robinson et al., "Large scale
    high-resolution land cover mapping with multi-resolution data", CVPR 2019.

Modules: `bands` (channels by name, conversion, what they may hold), `tiles` (what the publishers cut patches of),
`patches` (the source of the engine, from files, from shards and from tiles), `data_set` (folders, places, splits, and
what the registry asks).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.chesapeake.bands import CLASS_NAMES, CLASSES, COURSE_BANDS, IGNORE, PALETTE, channels, compact_config
from helpers.data.chesapeake.data_set import DATA_SET, Splits, find_patches, some_patches, split_files, tile_of
from helpers.data.chesapeake.patches import Patches, TileWindows, class_shares, class_weights, most_cells
from helpers.data.chesapeake.tiles import Tile, find_tiles, split_of
from helpers.data.splits import FOLDS, Split
from helpers.data.stand_in import announce
from helpers.data.streaming import Loader

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "CLASSES",
    "CLASS_NAMES",
    "COURSE_BANDS",
    "DATA_SET",
    "IGNORE",
    "PALETTE",
    "Patches",
    "Splits",
    "Tile",
    "TileWindows",
    "channels",
    "class_shares",
    "class_weights",
    "compact_config",
    "create_datasets",
    "create_loaders",
    "find_patches",
    "find_tiles",
    "some_patches",
    "split_files",
    "split_of",
    "tile_of",
]


def create_loaders(
    base_dir: str | Path,
    *,
    split: Split = "tile",
    folds: int = FOLDS,
    fold: int | None = None,
    ou_folder: str | None = None,
    train_filter: str | Iterable[str] | None = None,
    states: Sequence[str] | None = None,
    augment: bool = False,
    shuffle: bool = True,
    cache_dir: str | Path | None = None,
    patches: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Loader, Loader, Loader]:
    """Make loaders for training, validation and test.

    Args:
        base_dir, split, folds, fold, ou_folder, train_filter, states: see `split_files`.
        augment: cut, flip and turn training patches at random. Validation and test are cut from the middle.
        shuffle: a new order of the training patches every epoch. Validation and test stay in the order of the files.
        cache_dir: a folder outside `base_dir` for copies of the files; see `streaming.npz.Copies`.
        patches: further options of `Patches`, such as `{"bands": ["naip_new"], "image_size": 128}`.
        options: of `streaming.Loader`, such as `batch_size`, `seed`, `prefetch`, `threads` and `on_error`.
            `drop_remainder` is for training only: every patch is validated and tested.

    Raises:
        DataError: a side would be empty.
        ValueError: `cache_dir` lies inside `base_dir`, or another option makes no sense.
    """
    _keep_out_of(base_dir, cache_dir)
    chosen = {"split": split, "folds": folds, "fold": fold, "train_filter": train_filter}
    splits = split_files(base_dir, ou_folder=ou_folder, states=states, **chosen)  # type: ignore[arg-type]  # of several types
    announce(splits.train[0])
    common = {**(patches or {}), "cache_dir": cache_dir}
    if common.get("compact"):
        common.setdefault("cells", most_cells([*splits.train, *splits.validation, *splits.test]))
    training = Loader(Patches(splits.train, augment=augment, **common), shuffle=shuffle, **options)
    options.pop("drop_remainder", None)
    validation, test = (Loader(Patches(side, **common), **options) for side in (splits.validation, splits.test))
    return training, validation, test


def create_datasets(
    base_dir: str | Path,
    fold: int | None = None,
    train_filt: str | Iterable[str] | None = None,
    cache_dir: str | Path | None = None,
    repeat_train: bool | int | None = False,
    shuffle_train: bool | int = True,
    batch_size: int = 32,
    prefetch: int = 2,
    num_parallel_calls: int | None = None,
    **options: Any,
) -> tuple["tf.data.Dataset", "tf.data.Dataset", "tf.data.Dataset", int]:
    """Make `tf.data` data sets for training, validation and test, with the interface of the OU course.

    Args:
        base_dir: see `split_files`.
        fold: which of five folds of tiles tests, as with `split="folds"`. None: as `split` says. It is no folder's
            name: OU's folder F0 is `ou_folder="F0"`.
        train_filt: pattern for names of training patches, such as `"*[012345678]"`, or several patterns.
        cache_dir: a folder on a local disk for copies of the files, outside `base_dir`. None or "": no copies.
        repeat_train: True (or None, or below 0 as in tf.data): training has no end, give `fit` `steps_per_epoch`. A
            number: so many epochs.
        shuffle_train: shuffle all training patches every epoch; a size of a shuffle buffer counts as True.
        batch_size: patches in a batch.
        prefetch: batches read ahead; -1 (`AUTOTUNE`) stands for 2.
        num_parallel_calls: threads that read; None or -1 (`AUTOTUNE`) for one a core.
        options: of `create_loaders`, such as `split="digit"`, which OU uses and which leaks.

    Returns:
        training, validation, test, 7. Batches are images float32, (batch, 256, 256, 26), and labels int32,
        (batch, 256, 256): classes 1 to 6, and 0 to be ignored.
    """
    from helpers.data.streaming import as_dataset

    endless = repeat_train is None or repeat_train is True or repeat_train < 0
    if fold is not None:
        options.setdefault("split", "folds")
    training, validation, test = create_loaders(
        base_dir,
        fold=fold,
        train_filter=train_filt,
        cache_dir=cache_dir or None,
        shuffle=bool(shuffle_train),
        batch_size=batch_size,
        prefetch=2 if prefetch is None or prefetch < 0 else prefetch,
        threads=num_parallel_calls if num_parallel_calls and num_parallel_calls > 0 else None,
        **options,
    )
    epochs = None if endless else max(1, int(repeat_train or 1))
    return as_dataset(training, epochs=epochs), as_dataset(validation), as_dataset(test), CLASSES


def _keep_out_of(base_dir: str | Path, cache_dir: str | Path | None) -> None:
    """Refuse to write among the data, which may be shared, read-only, or found again as patches."""
    if cache_dir is None:
        return
    base, cache = (Path(folder).expanduser().resolve() for folder in (base_dir, cache_dir))
    if cache.is_relative_to(base):
        raise ValueError(f"cache_dir={cache} lies inside the data, {base}. Give a folder on a local disk.")
