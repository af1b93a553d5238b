"""The group `./course data`: its verbs and their arguments."""

from pathlib import Path

from helpers.cli.verbs import Group, OneOf, Parser, Verb, at_least, existing

STAND_INS = ("chesapeake", "grss")
KINDS = ("RGB", "MSI", "CLS", "AGL", "DSM")  # of tiles
_HERE = "`./course data list` tells where data are."
_FOLDER = "a folder; files in any folders below it are found"


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _tile_size(parser: Parser) -> None:
    parser.add_argument(
        "--tile-size", type=at_least(1), default=1024, metavar="N", help="pixels along a tile's edge (1024)"
    )


def _fetch(parser: Parser) -> None:
    from helpers.data import fetch

    names = list(fetch.registry())
    parser.add_argument("name", type=OneOf(names), metavar="NAME", help=f"one of {', '.join(names)}")


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
    parser.add_argument("name", type=OneOf(STAND_INS), metavar="NAME", help="chesapeake: patches; grss: tiles")
    parser.add_argument(
        "--count", type=at_least(1), metavar="N", help="patches (100), or places (8) of which tiles are views"
    )
    parser.add_argument("--views", type=at_least(1), default=2, metavar="N", help="views of each place (2)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="another number, another land (0)")
    parser.add_argument(
        "--layout", type=OneOf(["lila", "ou"]), default="lila", metavar="NAME", help="folders of patches: lila or ou"
    )
    parser.add_argument("--msi", action="store_true", help="tiles with eight bands too: three times the disk")
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder; default: where the lectures look for it")


def _pack(parser: Parser) -> None:
    parser.add_argument(
        "source", type=existing("folder", _HERE), metavar="SRC", help="folder of patches, in any layout"
    )
    parser.add_argument("destination", type=Path, metavar="DST", help="where the same folders with *.pack go")
    parser.add_argument("--zstd", action="store_true", help="compress: three quarters of the .npz, read half as fast")
    parser.add_argument("--skip-broken", action="store_true", help="leave out patches that cannot be read")
    parser.add_argument("--workers", type=at_least(1), metavar="N", help="threads; default: one a core")


def _stage(parser: Parser) -> None:
    parser.add_argument(
        "source", type=existing("folder", _HERE), metavar="SRC", help="folder of patches, packed or not"
    )
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


DATA = Group(
    "Find, get, check and look at the data.",
    {
        "list": Verb(
            "List the data that are here, their size and licence, and how to get the others.",
            "helpers.commands.data.list:run",
            (
                ("./course data list", "what is here and what is missing"),
                ("COURSE_DATA=/path/to/data ./course data list", "what is in a folder of your own"),
            ),
            _json,
        ),
        "fetch": Verb(
            "Download a data set, or print the steps by which a person gets it.",
            "helpers.commands.data.fetch:run",
            (
                ("./course data fetch mnist", "download the digits: 11 MB"),
                ("./course data fetch chesapeake", "what to do to get the land cover: 32 GB"),
            ),
            _fetch,
            "The exit status is 1 if a person must get it.",
        ),
        "check": Verb(
            "Check every file of data below a folder.",
            "helpers.commands.data.check:run",
            (
                ("./course data check /path/to/data", "name every broken file, and warn of those unlike real data"),
                ("./course data check --json /path/to/data", "the same, for a program"),
            ),
            _check,
            "The exit status is 0 if no file is broken, 1 if some are, 2 if there are no files; warnings do not count.",
        ),
        "show": Verb(
            "Draw a patch, a tile or digits.",
            "helpers.commands.data.show:run",
            (
                ("./course data show datasets/mnist/mnist.npz", "open a picture of the first digits"),
                ("./course data show JAX_004_006_RGB.tif --png tile.png", "write the picture of a tile"),
            ),
            _show,
        ),
        "stats": Verb(
            "Count patches, tiles and classes, and measure every channel.",
            "helpers.commands.data.stats:run",
            (
                ("./course data stats /path/to/data", "look into at most 1,000 files of a kind"),
                ("./course data stats /path/to/data --most 50", "look into fewer"),
            ),
            _stats,
        ),
        "make": Verb(
            "Write a stand-in: made-up patches or tiles in the format of the real ones.",
            "helpers.commands.data.make:run",
            (
                ("./course data make chesapeake", "100 patches, where the lectures look for them"),
                ("./course data make grss --count 2 --to made_up", "tiles of two places, in a folder of your own"),
            ),
            _make,
        ),
        "pack": Verb(
            "Make a copy of patches that is read several times faster, with the same values.",
            "helpers.commands.data.pack:run",
            (
                ("./course data pack /path/to/patches /path/to/packed", "copy all; what is there already is kept"),
                ("./course data pack --zstd /path/to/patches /path/to/packed", "compress the copy"),
            ),
            _pack,
            "The exit status is 1 if patches were left out.",
        ),
        "stage": Verb(
            "Copy patches to the local disk of the machine that computes, and print where it is.",
            "helpers.commands.data.stage:run",
            (
                ("./course data stage /path/to/packed --ou-folder F0", "copy OU's folder F0 to the disk of the job"),
                ("./course data stage /path/to/packed --states pa md --to /tmp/data", "two states, where you say"),
            ),
            _stage,
        ),
        "cut": Verb(
            "Cut tiles into pieces, each a file of its own.",
            "helpers.commands.data.cut:run",
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
