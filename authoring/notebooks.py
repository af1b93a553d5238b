"""Build the notebooks from their percent scripts, or check that what is committed is what they build.

python authoring/notebooks.py build|check [--root DIR] [--report]
    authoring/lectures/NN_name.py  ->  lectures/NN_name.ipynb
    authoring/answers/NN_name.py   ->  lectures/answers/NN_name.ipynb
    authoring/pages/name.py        ->  lectures/name.ipynb
    authoring/homework/name.py     ->  homework/_instructor/source/name/name.ipynb
    the terms of the lectures      ->  docs/glossary.md

The same script gives the same bytes at every build. `check` prints one line per problem and exits with 1;
`check --report` prints counts for the writer, and fails nothing.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import glossary
import nbformat
import report
from exercises import read_answers, unanswered
from lint import lint
from shorthand import SourceError
from sources import EXPECTED, ON_STAND_IN, Source, read, read_expected, read_on_stand_in

from helpers.files import atomic_write

PROJECT = Path(__file__).parent.parent


def scripts(root: Path) -> list[Path]:
    """List the percent scripts below the root; answers after their lectures.

    A page is a notebook beside the lectures that teaches nothing of its own, such as the explorer of saved runs.
    """
    rooms = ("homework", "lectures", "answers", "pages")
    return [script for room in rooms for script in sorted(root.glob(f"authoring/{room}/*.py"))]


def target(script: Path) -> str:
    """Tell where a script's notebook belongs, seen from the root."""
    if script.parent.name in ("lectures", "pages"):
        return f"lectures/{script.stem}.ipynb"
    if script.parent.name == "answers":
        return f"lectures/answers/{script.stem}.ipynb"
    return f"homework/_instructor/source/{script.stem}/{script.stem}.ipynb"


def render(source: Source) -> bytes:
    """Write out a notebook as the bytes that are committed."""
    return nbformat.writes(source.notebook).encode() + b"\n"


def build(root: Path, sources: list[Source]) -> None:
    """Write each notebook that is not current, and remove the lectures whose script is gone."""
    pages = {target(source.name): render(source) for source in sources} | _glossary(sources)
    for name, data in pages.items():
        path = root / name
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as unfinished:
                unfinished.write_bytes(data)
            print(f"built {name}")
    for name in orphans(root):
        (root / name).unlink(missing_ok=True)
        print(f"removed {name}: its script is gone")


def check(root: Path, sources: list[Source]) -> list[str]:
    """List what is wrong with the scripts and with the notebooks that are committed."""
    problems = [problem for source in sources for problem in [*_stale(root, source), *lint(source)]]
    lectures = {source.name.stem: source for source in sources if source.room == "lectures"}
    for source in (source for source in sources if source.room == "answers"):
        problems += [f"{source.where()}: {message}" for _, message in unanswered(source, lectures[source.name.stem])]
    gone = [f"{name}: no script builds it; {_remedy(name)}" for name in orphans(root)]
    for name, wanted in _glossary(sources).items():
        if not (root / name).exists() or (root / name).read_bytes() != wanted:
            problems.append(f"{name}: is not what the lectures say; run ./course build, then git add {name}")
    return problems + gone + _strays(root)


def _glossary(sources: list[Source]) -> dict[str, bytes]:
    """Return the name and the content of the glossary; nothing if no lecture introduces a term."""
    text = glossary.page(sources)
    return {glossary.PAGE: text.encode()} if text else {}


def orphans(root: Path) -> list[str]:
    """List the lectures and answers without a script. In a checkout only tracked ones: a student's copies may stay."""
    patterns = ("lectures/*.ipynb", "lectures/answers/*.ipynb")
    tracked = _git(root, "ls-files", "-z", "--", *(f":(glob){pattern}" for pattern in patterns))
    if tracked is None:
        names = [path.relative_to(root).as_posix() for pattern in patterns for path in sorted(root.glob(pattern))]
    else:
        names = tracked.decode().split("\0")[:-1]
    wanted = {target(script) for script in scripts(root)}
    return [name for name in names if name not in wanted]


def difference(found: bytes, wanted: bytes) -> str | None:
    """Say how a notebook differs from the one its script builds; None where it does not."""
    if found == wanted:
        return None
    try:
        cells = json.loads(found)["cells"]
    except (ValueError, KeyError, TypeError):
        return "is not a notebook"
    pairs = zip_longest(map(_authored, cells), map(_authored, json.loads(wanted)["cells"]))
    unequal = next((number for number, (have, want) in enumerate(pairs, 1) if have != want), None)
    if unequal:
        return f"differs from its script, first in cell {unequal}"
    if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
        return "has outputs"
    return "differs from its script in its metadata or layout"


def _authored(cell: dict) -> tuple:
    """Keep what an author writes of a cell, and leave what running it adds."""
    metadata = cell.get("metadata", {})
    source = "".join(cell.get("source", []))
    return cell.get("cell_type"), cell.get("id"), source, metadata.get("nbgrader"), metadata.get("tags")


def _stale(root: Path, source: Source) -> Iterator[str]:
    name, wanted = target(source.name), render(source)
    path = root / name
    working = path.read_bytes() if path.exists() else None
    found = _git(root, "show", f":./{name}")  # a student who ran and saved a lecture has committed nothing
    found = working if found is None else found
    reason = "is missing" if found is None else difference(found, wanted)
    if reason:
        yield f"{name}: {reason}; {_remedy(name, built=working == wanted)}"


def _remedy(name: str, *, built: bool = False) -> str:
    return f"run git add {name}" if built else f"run ./course build, then git add {name}"


def _strays(root: Path) -> list[str]:
    """List the numbers of lectures that are not there; homework promises none, for no test runs its prose."""
    lectures = {script.stem for script in scripts(root) if script.parent.name == "lectures"}
    unknown = [stem for stem in read_expected(root) if stem not in lectures]
    strays = [f'{EXPECTED}: no lecture is named "{stem}"; correct its name or delete its tables' for stem in unknown]
    unknown = [stem for stem in read_on_stand_in(root) if stem not in lectures]
    return strays + [f'{EXPECTED}: no lecture is named "{stem}"; correct {ON_STAND_IN}' for stem in unknown]


def _git(root: Path, *arguments: str) -> bytes | None:
    """Ask git; None where it has no answer, as outside of a checkout or for an untracked file."""
    if not shutil.which("git"):
        return None
    answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


def _read_all(root: Path) -> tuple[list[Source], list[str]]:
    """Read every script; those that cannot be read are told about and do not stop the others."""
    sources, problems, expected = [], [], read_expected(root)
    lectures: dict[str, Source] = {}
    for script in scripts(root):
        room, stem = script.parent.name, script.stem
        try:
            if room != "answers":
                sources.append(read(root, script, expected.get(stem, {})))
            elif stem in lectures:
                sources.append(read_answers(root, script, lectures[stem]))
            else:
                raise SourceError(f"{script.relative_to(root)}: there is no lecture {stem} that can be read; see above")
        except SourceError as error:
            problems += str(error).splitlines()
        else:
            lectures |= {stem: sources[-1]} if room == "lectures" else {}
    return sources, problems


def main() -> int:
    """Run the verb; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["build", "check"])
    parser.add_argument("--root", type=Path, default=PROJECT, help="the folder that has authoring/ and lectures/")
    parser.add_argument("--report", action="store_true", help="print lengths, words and rhythm in place of problems")
    options = parser.parse_args()
    if not (options.root / "authoring").is_dir():
        parser.error(f"{options.root} has no folder authoring/; name the project's root")
    try:
        sources, problems = _read_all(options.root)
        if options.verb == "build":
            build(options.root, sources)
        elif options.report:
            print(report.text(options.root, sources))
            print(*[f"not counted: {problem}" for problem in problems], sep="\n", end="")
            return 0
        else:
            problems += check(options.root, sources)
    except SourceError as error:
        problems = [str(error)]
    print(*problems or [f"{len(sources)} notebooks are current."], sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
