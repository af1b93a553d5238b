"""`./course data check DIR`: read every patch and every tile as the lectures do, and report those that cannot be."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from helpers.commands.data.look import Look, looks_below
from helpers.commands.data.report import in_threads, plural, print_json

_NUMBER = re.compile(r"(?<!\w)-?\d+(?:[.,]\d+)*")
_MOST_NAMES = 5


def run(options: argparse.Namespace) -> int:
    """Check every file; return 0 if all are good, 1 if some are broken, 2 if there are none.

    Raises:
        DataError: a folder cannot be listed.
    """
    looks = looks_below(options.dir, tile_size=options.tile_size)
    counts = Counter(look.noun for look in looks)
    broken = {look.path: found for look, found in zip(looks, _problems(looks), strict=True) if found}
    if options.json:
        print_json({"folder": options.dir, "files": counts, "broken": broken})
    elif not looks:
        print(_nothing(options.dir), file=sys.stderr)
    else:
        print(_report(options.dir, counts, broken))
    return 2 if not looks else 1 if broken else 0


def group(problems: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Put files together whose problems differ in numbers only, the most frequent first.

    Args:
        problems: what is wrong, by path.

    Returns:
        What is wrong with the first file of each group, and the paths.

    >>> group({"a": "has label 7 at 1 pixels.", "b": "is gone.", "c": "has label 200 at 30 pixels."})
    [('has label 7 at 1 pixels.', ['a', 'c']), ('is gone.', ['b'])]
    """
    groups: dict[str, list[str]] = {}
    for path, problem in problems.items():
        groups.setdefault(_NUMBER.sub("0", problem), []).append(path)
    return [(problems[paths[0]], paths) for paths in sorted(groups.values(), key=len, reverse=True)]


def _problems(looks: Sequence[Look]) -> list[str]:
    return list(in_threads(Look.problem, looks, verb="checked"))


def _report(folder: Path, counts: Counter[str], broken: dict[str, str]) -> str:
    total = " and ".join(plural(count, noun) for noun, count in counts.items())
    if not broken:
        return f"{folder}: {total}, all good."
    lines = [f"{folder}: {total}, {len(broken):,} broken."]
    for problem, paths in group(broken):
        lines += ["", f"{plural(len(paths), 'file')}: {problem}" + (" (the first)" if len(paths) > 1 else "")]
        lines += [f"    {path}" for path in paths[:_MOST_NAMES]]
        lines += [f"    … and {len(paths) - _MOST_NAMES:,} more (--json names all)"] * (len(paths) > _MOST_NAMES)
    return "\n".join([*lines, "", "Copy these again from where they came, or move them away."])


def _nothing(folder: Path) -> str:
    found = "has no patches (*.npz) and no tiles (such as JAX_004_006_RGB.tif)" if folder.is_dir() else "is no folder"
    return f"course data check: {folder} {found}. `./course data list` tells where data are."
