"""`./course data stats DIR`: how many patches, tiles, states and classes there are, and what the channels hold."""

import argparse
import sys
from typing import Any

from helpers.commands.data.look import patches_below
from helpers.commands.data.measure import summarise_patches, summarise_tiles
from helpers.commands.data.report import plural, print_json
from helpers.data import DataError, stand_in
from helpers.data.grss.tiles import tiff_files
from helpers.tables import Table


def run(options: argparse.Namespace) -> int:
    """Print what the patches and the tiles below a folder hold; return 2 if there are none.

    Raises:
        DataError: a file is broken.
    """
    try:
        found = _summaries(options) if options.dir.is_dir() else {}
    except DataError as error:
        raise DataError(f"{error} `./course data check {options.dir}` names every broken file.") from error
    if options.json:
        print_json({"folder": options.dir, **found})
    elif not found:
        print(f"course data stats: {options.dir} has no patches and no tiles. See ./course data list.", file=sys.stderr)
    else:
        print("\n\n".join(_text(noun, facts) for noun, facts in found.items()))
    return 0 if found else 2


def _summaries(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    found = {}
    if patches := patches_below(options.dir):
        stand_in.announce(patches[0].path)
        found["patches"] = summarise_patches(patches, options.dir, most=options.most)
    tiles = sorted((f"{name[1]}_{name[2] or ''}", name[3], path) for name, path in tiff_files(options.dir))
    if tiles:
        stand_in.announce(tiles[0][2])
        found["tiles"] = summarise_tiles(tiles, most=options.most, tile_size=options.tile_size)
    return found


def _text(noun: str, facts: dict[str, Any]) -> str:
    """Write counts as lines, classes and channels as tables."""
    count = plural(facts[noun], {"patches": "patch", "tiles": "tile"}[noun])
    lines = [f"{count}, looked into {plural(facts['looked into'], 'file')}"]
    for key in ("tiles", "places", "states", "files"):
        if key in facts and key != noun:
            lines.append(f"{key}: {_listed(facts[key])}")
    for kind, sides in facts.get("splits", {}).items():
        lines.append(f"split by {kind}{' (the first of five)' if kind == 'folds' else ''}: {_listed(sides)}")
    tables: list[Table | str] = []
    if facts["classes"]:
        tables.append(Table([{"class": name, **_percent(row)} for name, row in facts["classes"].items()]))
        tables.append(f"no class (ignored): {facts['ignored']:.2%} of all pixels")
    if facts["channels"]:
        tables.append(Table([{"channel": name, **row} for name, row in facts["channels"].items()]))
    return "\n\n".join(["\n".join(lines), *map(str, tables)])


def _percent(shares: dict[str, float]) -> dict[str, str]:
    return {f"% {where}": f"{100 * share:.2f}" for where, share in shares.items()}


def _listed(value: Any) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in value.items()) if isinstance(value, dict) else str(value)
