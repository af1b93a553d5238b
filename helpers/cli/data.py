"""The group `./course data`: its verbs, their arguments, and what they print of what `helpers.data` does."""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from helpers.cli.verbs import Group, ListOf, OneOf, Parser, Verb, at_least, byte_count, existing
from helpers.data import DataError, NoDataError, fetch, stand_in
from helpers.files import atomic_write
from helpers.tables import Table, many, plural, size

KINDS = ("RGB", "MSI", "CLS", "AGL", "DSM")  # of tiles
STATES = ("de", "md", "ny", "pa", "va", "wv")  # of the Chesapeake tiles that are public
SPLITS = ("train", "val", "test")
_HERE = "`./course data list` tells where data are."
_FOLDER = "a folder; files in any folders below it are found"
_KITTY_CHUNK = 4096  # most characters that kitty's protocol allows at once


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _tile_size(parser: Parser) -> None:
    parser.add_argument(
        "--tile-size", type=at_least(1), default=1024, metavar="N", help="pixels along a tile's edge (1024)"
    )


def _fetch(parser: Parser) -> None:
    names = list(fetch.registry())
    parser.add_argument("name", type=OneOf(names), metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument(
        "--state", type=ListOf(STATES), metavar="LIST", help=f"of {', '.join(STATES)}, such as pa,md (all)"
    )
    parser.add_argument(
        "--split", type=ListOf(SPLITS), metavar="LIST", help=f"of {', '.join(SPLITS)}, the publishers' (all)"
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--windows", type=at_least(1), metavar="N", help="so many patches of 256 x 256 (200)")
    amount.add_argument("--tiles", type=at_least(1), metavar="N", help="all patches of so many tiles: 200 MB each")
    amount.add_argument("--bytes", type=byte_count, metavar="SIZE", help="what reading so much gives, such as 300MB")
    amount.add_argument("--sample", action="store_true", default=None, help="eight patches of one tile instead: 5 MB")
    parser.add_argument("--seed", type=at_least(0), metavar="N", help="another number, other tiles (0)")
    parser.add_argument("--dry-run", action="store_true", default=None, help="say what would be read; write nothing")


def _check(parser: Parser) -> None:
    parser.add_argument("dir", type=existing("folder", _HERE), metavar="DIR", help=_FOLDER)
    _tile_size(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, with every broken file and every warning"
    )


def _show(parser: Parser) -> None:
    parser.add_argument(
        "file", type=existing("file"), metavar="FILE", help="a patch (.npz), a tile or piece (.tif), or mnist.npz"
    )
    parser.add_argument("--png", type=Path, metavar="PATH", help="write the picture there instead of showing it")


def _stats(parser: Parser) -> None:
    parser.add_argument("dir", type=existing("folder", _HERE), metavar="DIR", help=_FOLDER)
    parser.add_argument(
        "--most", type=at_least(1), default=1000, metavar="N", help="look into N files of a kind (1000)"
    )
    _tile_size(parser)
    _json(parser)


def _make(parser: Parser) -> None:
    names = [name for name, card in fetch.registry().items() if card.stand_in]
    parser.add_argument("name", type=OneOf(names), metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument(
        "--count",
        type=at_least(1, most=100_000),
        metavar="N",
        help="patches (100), tiles of land (5), or places (8) of which aerial tiles are views",
    )
    parser.add_argument("--views", type=at_least(1, most=1000), metavar="N", help="views of each place (2)")
    parser.add_argument("--seed", type=at_least(0), metavar="N", help="another number, another land (0)")
    parser.add_argument(
        "--layout",
        type=OneOf(["lila", "ou", "tiles"]),
        metavar="NAME",
        help="folders of land cover: lila (the default) or ou, of patches; or tiles",
    )
    parser.add_argument(
        "--msi", action="store_const", const=True, help="tiles with eight bands too: three times the disk"
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder; default: where the lectures look for it")


def _pack(parser: Parser) -> None:
    parser.add_argument(
        "source",
        type=existing("folder", _HERE),
        metavar="SRC",
        help="folder of patches, in any layout, or of other data",
    )
    parser.add_argument("destination", type=Path, metavar="DST", help="where the same folders with *.pack go")
    parser.add_argument("--zstd", action="store_true", help="compress: three quarters of the .npz, read half as fast")
    parser.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")
    parser.add_argument("--workers", type=at_least(1), metavar="N", help="threads; default: one a core")


def _stage(parser: Parser) -> None:
    parser.add_argument("source", type=existing("folder", _HERE), metavar="SRC", help="folder of data, packed or not")
    parser.add_argument("--to", type=Path, metavar="DIR", help="where to; default: $LSCRATCH, $SLURM_TMPDIR or $TMPDIR")
    parser.add_argument("--ou-folder", metavar="NAME", help="of OU's folders F0 to F9, only this one")
    parser.add_argument("--states", nargs="+", metavar="STATE", help="only patches of these states, such as pa")


def _cut(parser: Parser) -> None:
    parser.add_argument("source", type=existing("folder", _HERE), metavar="SRC", help="folder of tiles")
    parser.add_argument("target", type=Path, metavar="DST", help="folder for the pieces")
    parser.add_argument(
        "--size", type=at_least(1), default=128, metavar="N", help="pixels along an edge of a piece (128)"
    )
    _tile_size(parser)
    parser.add_argument(
        "--kinds",
        nargs="+",
        type=OneOf(KINDS),
        default=["RGB"],
        metavar="KIND",
        help=f"which files to cut: {', '.join(KINDS)} (RGB)",
    )


def run_list(options: argparse.Namespace) -> int:
    """Print which data are here, real or made up, and how to get what is missing."""
    sets = {name: fetch.describe(name) for name in fetch.registry()}
    if options.json:
        _print_json({"data folders": fetch.data_folders(), "data sets": sets})
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


def run_fetch(options: argparse.Namespace) -> int:
    """Fetch a data set, unless it is here; return 1 if a person must.

    Raises:
        DataError: it is here, and damaged; or an option that this data set has not.
        FetchError: downloads are forbidden, the network or the disk failed, or the SHA-256 is wrong.
    """
    from helpers.data.base import data_set

    card, name = fetch.registry()[options.name], options.name
    before = fetch.find(name)
    given = _given(options, ("state", "split", "windows", "tiles", "bytes", "sample", "seed", "dry_run"))
    bring = data_set(name).fetch
    _refuse_strange(bring, given, f"the fetch of {name}")
    if options.dry_run:
        bring(**given)
        return 0
    if place := bring(**given):
        print(f"{card.title}: {'here already, in' if before and not given else 'whole and checked,'} {place}.")
        return 0
    print(f"{card.title} ({card.size}, licence: {card.licence}) must be fetched by a person:\n")
    folder = fetch.data_folders()[0] / card.folder
    for number, step in enumerate(card.steps, start=1):
        print(_paragraph(f"{number}. ", step.format(folder=folder)))
    if made := fetch.find_stand_in(name):
        print(f"\nUntil then a stand-in is used, {made}.")
    elif card.stand_in:
        print(f"\nUntil then the lectures make a stand-in; ./course data make {name} makes one now.")
    return 1


def _paragraph(bullet: str, text: str) -> str:
    """Wrap text, line by line, behind a bullet; paths and commands stay in one piece."""
    wrap = textwrap.TextWrapper(97, break_long_words=False, break_on_hyphens=False)
    lines = [short for line in text.splitlines() for short in wrap.wrap(line)]
    return bullet + f"\n{' ' * len(bullet)}".join(lines)


def run_check(options: argparse.Namespace) -> int:
    """Check every file; return 0 if none is broken, 1 if some are, 2 if there are no files.

    Raises:
        DataError: a folder cannot be listed.
    """
    from helpers.data.checking import check

    found = check(options.dir, tile_size=options.tile_size)
    if options.json:
        facts = {"files": found.counts, "broken": found.broken, "warnings": found.warnings}
        _print_json({"folder": options.dir, **facts})
    elif not found.counts:
        print(_nothing(options.dir), file=sys.stderr)
    else:
        print(found)
    return 2 if not found.counts else 1 if found.broken else 0


def _nothing(folder: Path) -> str:
    from helpers.data.base import no_files

    found = f"has {no_files()}" if folder.is_dir() else "is no folder"
    return f"course data check: {folder} {found}. `./course data list` tells where data are."


def run_show(options: argparse.Namespace) -> int:
    """Draw a file and show the picture.

    Raises:
        DataError: the file is broken, or holds nothing that the course knows.
    """
    from helpers.data.base import draw

    figure = draw(options.file)
    stand_in.announce(options.file)
    path = options.png or _temporary(options.file)
    try:
        with atomic_write(path) as unfinished:
            figure.savefig(unfinished, format="png", dpi=100)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Name another place: --png PATH.") from error
    picture = None if options.png else in_terminal(path.read_bytes(), os.environ)
    if picture and sys.stdout.isatty():
        print(picture)
        path.unlink()
        return 0
    print(path)
    if not options.png and (viewer := viewer_for(sys.platform, os.environ)):
        subprocess.Popen([viewer, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return 0


def _temporary(file: Path) -> Path:
    with tempfile.NamedTemporaryFile(prefix=f"{file.stem}-", suffix=".png", delete=False) as picture:
        return Path(picture.name)


def in_terminal(png: bytes, environment: Mapping[str, str]) -> str | None:
    """Return the characters that draw a picture in this terminal; None where it cannot be done.

    Args:
        png: the picture.
        environment: tells the terminal: kitty and Ghostty have one protocol, iTerm2 and WezTerm another.
    """
    text = base64.b64encode(png).decode()
    program = environment.get("LC_TERMINAL") or environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment:  # takes the characters for its own
        return None
    if "KITTY_WINDOW_ID" in environment or program == "ghostty":
        chunks = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
        heads = ["a=T,f=100,"] + [""] * (len(chunks) - 1)
        more = [1] * (len(chunks) - 1) + [0]
        parts = zip(heads, more, chunks, strict=True)
        return "".join(f"\x1b_G{head}m={rest};{chunk}\x1b\\" for head, rest, chunk in parts)
    if program in ("iTerm2", "iTerm.app", "WezTerm"):
        return f"\x1b]1337;File=inline=1;size={len(png)}:{text}\x07"
    return None


def viewer_for(platform: str, environment: Mapping[str, str]) -> str | None:
    """Name the program that opens a picture in a window; None where there is no screen, or COURSE_NO_BROWSER=1."""
    if environment.get("COURSE_NO_BROWSER") == "1":
        return None
    if platform == "darwin":
        return "open"
    has_screen = "DISPLAY" in environment or "WAYLAND_DISPLAY" in environment
    return shutil.which("xdg-open") if has_screen else None


def run_stats(options: argparse.Namespace) -> int:
    """Print what the files of each data set below a folder hold; return 2 if there are none.

    Raises:
        DataError: a file is broken.
    """
    from helpers.data.base import below, no_files
    from helpers.data.measuring import text

    found = {}
    try:
        for each, files in below(options.dir, tile_size=options.tile_size):
            stand_in.announce(files[0].path)
            found[each.name] = each.unit, each.stats(files, most=options.most)
    except DataError as error:
        raise DataError(f"{error} `./course data check {options.dir}` names every broken file.") from error
    if options.json:
        _print_json({"folder": options.dir, **_by_noun(found)})
    elif not found:
        print(f"course data stats: {options.dir} has {no_files()}. See ./course data list.", file=sys.stderr)
    else:
        print("\n\n".join(text(unit, facts) for unit, facts in found.values()))
    return 0 if found else 2


def _by_noun(found: dict[str, tuple[str, dict]]) -> dict[str, dict]:
    """Return facts by what they are counted in, or by the data set where two count in the same."""
    nouns = Counter(unit for unit, _ in found.values())
    return {many(unit) if nouns[unit] == 1 else name: facts for name, (unit, facts) in found.items()}


def run_make(options: argparse.Namespace) -> int:
    """Write what is missing of a stand-in, and say what it is.

    Raises:
        DataError: the folder holds another stand-in, or real data.
    """
    folder = options.to or fetch.folder_to_fill() / fetch.registry()[options.name].stand_in
    stand_in.refuse_real(folder)
    try:
        files = _stand_in(options.name, folder, _given(options, ("count", "views", "seed", "layout", "msi")))
    except ValueError as error:
        raise DataError(str(error)) from error
    print(f"{plural(len(files), 'file')} in {folder}.")
    stand_in.announce(folder)
    return 0


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return those options that somebody gave."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _stand_in(name: str, folder: Path, options: dict[str, Any]) -> list[Path]:
    from helpers.data.base import data_set

    make = data_set(name).stand_in
    _refuse_strange(make, options, f"a stand-in for {name}")
    return make(folder, **options)


def _refuse_strange(function: Callable, options: Iterable[str], what: str) -> None:
    """Refuse options that a data set has not.

    Raises:
        DataError: there is one.
    """
    known = signature(function).parameters
    if strange := next((option for option in options if option not in known), None):
        raise DataError(f"{what} has no --{strange.replace('_', '-')}. Leave it out.")


def run_pack(options: argparse.Namespace) -> int:
    """Pack, and print what was packed; return 1 if files were left out."""
    from helpers.data import packing

    summary = packing.pack(
        options.source,
        options.destination,
        compression="zstd" if options.zstd else None,
        on_error="skip" if options.skip_broken else "raise",
        workers=options.workers,
    )
    counts = " and ".join(plural(count, noun) for noun, count in summary.counts.items())
    share = f", {summary.packed_bytes / summary.source_bytes:.0%} of the originals" if summary.source_bytes else ""
    print(
        f"{counts} packed into {options.destination}: {summary.packed_bytes / 1e9:.2f} GB{share}. Every one was "
        "compared bit for bit.\n"
        "Give this folder in place of the original one; batches and their order stay the same."
    )
    if summary.done_before:
        print(f"{summary.done_before} shards were there already.")
    if summary.originals:
        print(f"{summary.originals} patches are of another kind than usual and went in as the .npz that they are.")
    if summary.left_out:
        print(summary.left_out, file=sys.stderr)
    for path, problem in summary.broken.items():
        print(f"left out: {path}: {problem}", file=sys.stderr)
    return 1 if summary.broken else 0


def run_stage(options: argparse.Namespace) -> int:
    """Copy, and print the folder and nothing else: FOLDER=$(./course data stage …)."""
    from helpers.data import packing

    print(packing.stage(options.source, options.to, ou_folder=options.ou_folder, states=options.states))
    return 0


def run_cut(options: argparse.Namespace) -> int:
    """Write the pieces that are missing; pieces of a stand-in are marked as one.

    Raises:
        DataError: nothing that can be cut, broken or incomplete tiles, a full disk, or a size that does not divide the
            tile.
    """
    from helpers.data.base import below, data_sets

    found = [each for each, _ in below(options.source, tile_size=options.tile_size, kinds=options.kinds)]
    if not (cut := [each for each in found if each.is_cut]):
        there = f"has files of {', '.join(each.name for each in found)} alone" if found else "has no data"
        able = ", ".join(name for name, each in data_sets().items() if each.is_cut)
        raise NoDataError(f"{options.source} {there}. What can be cut: {able}.")
    count = sum(each.cut(options.source, options.target, size=options.size) for each in cut)
    print(f"{count:,} pieces written to {options.target}; those that were there already were kept.")
    return 0


def _print_json(facts: object) -> None:
    """Print facts as one JSON object; paths as text."""
    print(json.dumps(facts, indent=2, default=str))


DATA = Group(
    "Find, get, check and look at the data.",
    {
        "list": Verb(
            "List the data that are here, their size and licence, and how to get the others.",
            run_list,
            (
                ("./course data list", "what is here and what is missing"),
                ("COURSE_DATA=/path/to/data ./course data list", "what is in a folder of your own"),
            ),
            _json,
        ),
        "fetch": Verb(
            "Download a data set, or print the steps by which a person gets it.",
            run_fetch,
            (
                ("./course data fetch mnist", "download the digits: 11 MB"),
                ("./course data fetch chesapeake --state pa,md --windows 400", "patches of real land of two states"),
            ),
            _fetch,
            "Of chesapeake, patches are cut from the publishers' tiles, as many as --windows, --tiles or --bytes say. "
            "What broke off goes on with the same command. The exit status is 1 if a person must get it.",
        ),
        "check": Verb(
            "Check every file of data below a folder.",
            run_check,
            (
                ("./course data check /path/to/data", "name every broken file, and warn of those unlike real data"),
                ("./course data check --json /path/to/data", "the same, for a program"),
            ),
            _check,
            "The exit status is 0 if no file is broken, 1 if some are, 2 if there are no files; warnings do not count.",
        ),
        "show": Verb(
            "Draw a file: a patch, a tile, digits.",
            run_show,
            (
                ("./course data show datasets/mnist/mnist.npz", "open a picture of the first digits"),
                ("./course data show JAX_004_006_RGB.tif --png tile.png", "write the picture of a tile"),
            ),
            _show,
        ),
        "stats": Verb(
            "Count files, splits and classes, and measure every channel.",
            run_stats,
            (
                ("./course data stats /path/to/data", "look into at most 1,000 files of a kind"),
                ("./course data stats /path/to/data --most 50", "look into fewer"),
            ),
            _stats,
        ),
        "make": Verb(
            "Write a stand-in: made-up data in the format of the real ones.",
            run_make,
            (
                ("./course data make chesapeake", "100 patches, where the lectures look for them"),
                ("./course data make grss --count 2 --to made_up", "tiles of two places, in a folder of your own"),
            ),
            _make,
        ),
        "pack": Verb(
            "Make a copy of the data that is read several times faster, with the same values.",
            run_pack,
            (
                ("./course data pack /path/to/patches /path/to/packed", "copy all; what is there already is kept"),
                ("./course data pack --zstd /path/to/patches /path/to/packed", "compress the copy"),
            ),
            _pack,
            "The exit status is 1 if broken files were left out.",
        ),
        "stage": Verb(
            "Copy the data to the local disk of the machine that computes, and print where they are.",
            run_stage,
            (
                ("./course data stage /path/to/packed --ou-folder F0", "copy OU's folder F0 to the disk of the job"),
                ("./course data stage /path/to/packed --states pa md --to /tmp/data", "two states, where you say"),
            ),
            _stage,
        ),
        "cut": Verb(
            "Cut tiles of grss into pieces, each a file of its own.",
            run_cut,
            (
                ("./course data cut /path/to/tiles /path/to/pieces", "pieces of 128 pixels"),
                ("./course data cut /path/to/tiles /path/to/pieces --size 64 --kinds RGB CLS", "with their classes"),
            ),
            _cut,
        ),
    },
    (
        ("./course data list", "what is here and what is missing"),
        ("./course data check /path/to/data", "name every broken file below a folder"),
    ),
)
