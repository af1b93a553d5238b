"""`./course data check DIR`: read every patch and every tile; report those that are broken, or unlike real ones."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from helpers.commands.data.look import Look, Result, looks_below
from helpers.commands.data.report import in_threads, plural, print_json
from helpers.data.plausible import Warnings

_NUMBER = re.compile(r"(?<!\w)-?\d+(?:[.,]\d+)*")
_MOST_NAMES, _MOST_BANDS = 5, 3


def run(options: argparse.Namespace) -> int:
    """Check every file; return 0 if none is broken, 1 if some are, 2 if there are no files.

    Raises:
        DataError: a folder cannot be listed.
    """
    looks = looks_below(options.dir, tile_size=options.tile_size)
    counts = Counter(look.noun for look in looks)
    results = dict(zip((look.path for look in looks), _results(looks), strict=True))
    broken = {path: result.problem for path, result in results.items() if result.problem}
    odd = {path: result.warnings for path, result in results.items() if result.warnings}
    if options.json:
        print_json({"folder": options.dir, "files": counts, "broken": broken, "warnings": odd})
    elif not looks:
        print(_nothing(options.dir), file=sys.stderr)
    else:
        print(_report(options.dir, counts, broken, odd))
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


def _results(looks: Sequence[Look]) -> list[Result]:
    return list(in_threads(Look.result, looks, verb="checked"))


def _report(folder: Path, counts: Counter[str], broken: dict[str, str], odd: dict[str, Warnings]) -> str:
    total = " and ".join(plural(count, noun) for noun, count in counts.items())
    if not broken and not odd:
        return f"{folder}: {total}, all good."
    lines = [f"{folder}: {total}, {len(broken) or 'none'} broken" + (f", {len(odd)} with warnings." if odd else ".")]
    if broken:
        lines += [*_errors(broken), "", "Copy these again from where they came, or move them away."]
    if odd:
        lines += [
            *_warnings(odd),
            "",
            "A warning is no error: the file can be read. Look at it before you use it.",
        ]
    return "\n".join(lines)


def _errors(broken: dict[str, str]) -> list[str]:
    lines = []
    for problem, paths in group(broken):
        lines += ["", f"{plural(len(paths), 'file')}: {problem}" + (" (the first)" if len(paths) > 1 else "")]
        lines += [*(f"    {path}" for path in paths[:_MOST_NAMES]), *_rest(len(paths) - _MOST_NAMES)]
    return lines


def _warnings(odd: dict[str, Warnings]) -> list[str]:
    paths_of: dict[str, list[str]] = {}
    for path, warnings in odd.items():
        for message in warnings:
            paths_of.setdefault(message, []).append(path)
    lines = []
    for message, paths in sorted(paths_of.items(), key=lambda pair: -len(pair[1])):
        lines += ["", f"Warning, {plural(len(paths), 'file')}: {message}"]
        for path in paths[:_MOST_NAMES]:
            lines += [f"    {path}", *(f"        {line}" for line in _first(odd[path][message]))]
        lines += _rest(len(paths) - _MOST_NAMES)
    return lines


def _first(bands: list[str]) -> list[str]:
    """Return the first few bands, and how many there are besides."""
    rest = len(bands) - _MOST_BANDS
    return [*bands[:_MOST_BANDS], *([f"… and {plural(rest, 'band')} more"] if rest > 0 else [])]


def _rest(count: int) -> list[str]:
    return [f"    … and {count:,} more (--json names all)"] if count > 0 else []


def _nothing(folder: Path) -> str:
    found = "has no patches (*.npz) and no tiles (such as JAX_004_006_RGB.tif)" if folder.is_dir() else "is no folder"
    return f"course data check: {folder} {found}. `./course data list` tells where data are."
