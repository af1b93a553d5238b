"""`./course data make NAME`: write a stand-in, made-up land in exactly the format of the real data."""

import argparse
from pathlib import Path

from helpers.data import DataError, fetch, stand_in
from helpers.data.synthetic import make_patches, make_tiles
from helpers.data.synthetic.ensure import COUNTS
from helpers.data.synthetic.tiles import KINDS


def run(options: argparse.Namespace) -> int:
    """Write what is missing of a stand-in, and say what it is.

    Raises:
        DataError: the folder holds another stand-in, or real data.
    """
    folder = options.to or fetch.folder_to_fill() / fetch.registry()[options.name].stand_in
    _refuse_real(folder)
    try:
        files = _make(options, folder)
    except ValueError as error:
        raise DataError(str(error)) from error
    print(f"{len(files):,} files in {folder}.")
    stand_in.announce(folder)
    return 0


def _make(options: argparse.Namespace, folder: Path) -> list[Path]:
    count = COUNTS[options.name] if options.count is None else options.count
    if options.name == "chesapeake":
        return make_patches(folder, count, seed=options.seed, layout=options.layout)
    kinds = KINDS if options.msi else [kind for kind in KINDS if kind != "MSI"]
    return make_tiles(folder, count, options.views, seed=options.seed, kinds=kinds)


def _refuse_real(folder: Path) -> None:
    """Never put made-up files, and the note that calls all of them made up, among real ones."""
    if folder.is_dir() and not stand_in.is_stand_in(folder):
        there = next((path for suffix in ("npz", "pack", "tif") for path in folder.rglob(f"*.{suffix}")), None)
        if there:
            raise DataError(f"{folder} holds files that are no stand-in, such as {there}. Name another folder: --to.")
