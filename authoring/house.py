"""The rooms of helpers/ and who may import whom: the one table that the tests, the map and docs/architecture.md read.

python authoring/house.py

Writes docs/architecture.svg, and the table of rooms into docs/architecture.md; tests/test_quality.py holds both, and
every import, against this table. Needs nothing but the standard library.
"""

import ast
import re
import sys
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.files import atomic_write  # noqa: E402 - where it runs as a program, the root is not on the path

PAGE, MAP = ROOT / "docs/architecture.md", ROOT / "docs/architecture.svg"
# From the roof down: a module imports from its own floor and from those below. Each room with what it is for.
FLOORS: list[dict[str, str]] = [
    {"cli": "the command line: one table of verbs, one error handler, one file a group"},
    {"grading": "checks that homework notebooks import; the pipeline, sandbox and mutants that instructors run"},
    {"slurm": "what only a cluster needs: sites, scripts, jobs, status, practice"},
    {"latent": "codes, their clusters and axes, projections, attribution; the explorer"},
    {"experiments": "run files, training, checkpoints, results"},
    {
        "segmentation": "losses, scores, figures, whole rasters",
        "training": "seeds and progress",
        "notebooks": "notebooks run in a clean kernel",
    },
    {"models": "every network, for every Keras backend: imports keras and numpy only"},
    {"data": "data sets: found, checked, fetched, streamed, packed; stand-ins"},
    {"backend": "Keras and TensorFlow, quietened before they are imported"},
    {
        "files": "atomic writes, names of files",
        "figures": "figures from arrays",
        "diagrams": "diagrams of networks, from the models themselves",
        "tables": "small tables",
        "errors": "errors that a user can do something about",
        "cores": "how many cores there are",
    },
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
BEGIN, END = "<!-- rooms: written by authoring/house.py -->", "<!-- end of rooms -->"

WIDTH, LEFT, GAP, LINE = 960, 92, 10, 17  # pixels
LETTER = 6.6  # width of a small one
STYLE = """
    svg { font: 13px system-ui, sans-serif; background: #fff }
    text { fill: #1f2328 } .room { font: 600 14px ui-monospace, monospace; fill: #0a5ea8 } .quiet { fill: #57606a }
    .floor { fill: #f6f8fa } .box { fill: #fff; stroke: #8c959f } .arrow { stroke: #57606a; fill: none }
    @media (prefers-color-scheme: dark) {
      svg { background: #0d1117 }
      text { fill: #e6edf3 } .room { fill: #79c0ff } .quiet { fill: #9da7b3 }
      .floor { fill: #161b22 } .box { fill: #0d1117; stroke: #6e7681 } .arrow { stroke: #9da7b3 }
    }"""


def name_of(path: Path) -> str:
    """Return the dotted name of a module; a package goes by the name of its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str) -> set[str]:
    """Return the dotted names that a module imports, wherever in it; `from a import b` gives `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full: `from helpers.data import digits`"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def rooms_of(names: set[str]) -> set[str]:
    """Return the rooms of helpers/ that some dotted names are in."""
    return {name.split(".")[1] for name in names if name.startswith("helpers.")}


def uses(room: str) -> list[str]:
    """Return the rooms that a room imports from today, from the roof down."""
    paths = [ROOT / f"helpers/{room}.py", *(ROOT / "helpers" / room).rglob("*.py")]
    found = set().union(*(rooms_of(imports(path.read_text())) for path in paths if path.exists())) - {room}
    return sorted(found, key=lambda other: (FLOOR_OF[other], other))


def table() -> str:
    """Return the rooms as a table: what each is for, and which others it imports from."""
    rows = ["| room | what lives there | imports from |", "|---|---|---|"]
    for room, what in (pair for floor in FLOORS for pair in floor.items()):
        name = f"{room}/" if (ROOT / "helpers" / room).is_dir() else f"{room}.py"
        rows.append(f"| `{name}` | {what} | {', '.join(uses(room)) or 'nothing'} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """Return docs/architecture.md with the table of rooms as it is today."""
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{table()}\n\n{END}", text, flags=re.DOTALL)


def drawing() -> str:
    """Return the map as an SVG picture: a band for each floor, a box for each room."""
    bands, top = [], GAP
    for floor in FLOORS:
        band, height = _band(floor, top)
        bands.append(band)
        top += height + GAP
    about = "The rooms of helpers/, from the roof down: a module imports from its own floor and from those below"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'role="img">\n  <title>{about}</title>\n  <style>{STYLE}\n  </style>'
    )
    return "\n".join([head, _arrow(top), *bands, "</svg>\n"])


def _band(floor: dict[str, str], top: int) -> tuple[str, int]:
    """Return a floor as SVG, and its height."""
    wide = (WIDTH - LEFT - GAP - GAP * (len(floor) + 1)) // len(floor)
    texts = {room: textwrap.wrap(what, int((wide - 2 * GAP) / LETTER)) for room, what in floor.items()}
    inner = LINE * (1 + max(map(len, texts.values()))) + GAP
    lines = [_box(LEFT, top, WIDTH - LEFT - GAP, inner + 2 * GAP, "floor")]
    for number, (room, text) in enumerate(texts.items()):
        left = LEFT + GAP + number * (wide + GAP)
        lines.append(_box(left, top + GAP, wide, inner, "box"))
        lines.append(_text(left + GAP, top + GAP + LINE, room, "room"))
        lines += [_text(left + GAP, top + GAP + LINE * (2 + row), line) for row, line in enumerate(text)]
    return "\n".join(lines), inner + 2 * GAP


def _box(left: int, top: int, width: int, height: int, kind: str) -> str:
    return f'  <rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{height}" rx="6"/>'


def _text(left: int, top: int, text: str, kind: str = "") -> str:
    return f'  <text x="{left}" y="{top}"{kind and f" class={kind!r}"}>{escape(text)}</text>'.replace("'", '"')


def _arrow(height: int) -> str:
    x, end = LEFT // 2, height - 2 * GAP
    return "\n".join(
        [
            _text(GAP + 8, 2 * GAP + 6, "imports", "quiet"),
            f'  <path class="arrow" stroke-width="2" d="M{x} {3 * GAP + 4}V{end}m-7 -10l7 10l7 -10"/>',
        ]
    )


def main() -> None:
    """Write the map and the table."""
    for path, text in ((MAP, drawing()), (PAGE, page(PAGE.read_text(encoding="utf-8")))):
        with atomic_write(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
