"""`./course data list`: which data are here, real or made up, and how to get what is missing."""

import argparse
from pathlib import Path
from typing import Any

from helpers.commands.data.report import plural, print_json, size
from helpers.data import fetch
from helpers.files import files_below
from helpers.tables import Table

_BESIDE = (".md", ".txt", ".csv")  # notes and lists beside the data


def run(options: argparse.Namespace) -> int:
    """Print what is here and what is not."""
    sets = {name: _describe(name) for name in fetch.registry()}
    if options.json:
        print_json({"data folders": fetch.data_folders(), "data sets": sets})
        return 0
    print(Table([row for name, facts in sets.items() for row in _rows(name, facts)]))
    searched = (f"{folder}{'' if folder.is_dir() else ', which is NOT THERE'}" for folder in fetch.data_folders())
    print(f"\nSearched: {', '.join(searched)} (name others in COURSE_DATA).")
    for name, facts in sets.items():
        if not facts["real"]:
            card = fetch.registry()[name]
            print(f"\nMissing: {card.title} ({card.size}, for lecture{'s' * ('-' in card.lectures)} {card.lectures})")
            print(f"  {card.get}\n  ./course data fetch {name}")
    return 0


def _describe(name: str) -> dict[str, Any]:
    card = fetch.registry()[name]
    return {
        "title": card.title,
        "lectures": card.lectures,
        "licence": card.licence,
        "real": _measure(fetch.find(name)),
        "stand-in": _measure(fetch.find_stand_in(name)),
        "how to get it": card.get,
    }


def _measure(place: Path | None) -> dict[str, Any] | None:
    """Count the files of a data set and their bytes; notes beside them and unfinished files are not among them."""
    if place is None:
        return None
    files = [
        file
        for file in list(files_below(place)) or [place]
        if file.suffix not in _BESIDE and not file.name.startswith(".")
    ]
    return {"where": place, "files": len(files), "bytes": sum(file.stat().st_size for file in files if file.exists())}


def _rows(name: str, facts: dict[str, Any]) -> list[dict[str, object]]:
    found = {kind: facts[kind] for kind in ("real", "stand-in") if facts[kind]}
    return [
        {
            "data set": name,
            "kind": kind,
            "files": plural(here["files"], "file"),
            "size": size(here["bytes"]),
            "licence": facts["licence"] if kind == "real" else "",
            "where": here["where"],
        }
        for kind, here in found.items()
    ] or [
        {"data set": name, "kind": "missing", "files": "", "size": "", "licence": facts["licence"], "where": "not here"}
    ]
