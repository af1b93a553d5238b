"""docs/settings.md lists every environment variable that the code reads, with the rooms that read it, and no other."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from helpers.cli.table import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = [*ROOT.glob("helpers/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob(".ci/*.py")]
SCRIPTS = [ROOT / "course", ROOT / ".ci/run"]
ROWS = re.findall(r"^\| (`[A-Z].*?) \|.*\| (.*?) \|$", (ROOT / "docs/settings.md").read_text(), flags=re.MULTILINE)
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
OF_EVERY_SHELL = {"PATH", "PWD", "HOME", "BASHPID"}
NAMES = {"environ", "environment", "env"}  # of what our functions take in place of os.environ


def words_in(cell: str) -> set[str]:
    return set(re.findall(r"`(.+?)`", cell))


def texts(node: ast.expr | None, known: dict[str, set[str]]) -> set[str]:
    """Return the texts that an expression may be, or that it holds."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Name(id=name):
            return known[name]
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Dict(keys=parts):
            return {text for part in parts for text in texts(part, known)}
    return set()


def is_environment(node: ast.expr) -> bool:
    return getattr(node, "attr", None) == "environ" or getattr(node, "id", None) in NAMES


def read_by(source: str) -> set[str]:
    """Return the variables that a module reads, by their names, by constants of it, or in a loop over such."""
    if "env" not in source:  # parsing all takes seconds
        return set()
    nodes, known, found = list(ast.walk(ast.parse(source))), defaultdict(set), set()
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                known[name] |= texts(value, known)
            case ast.For(target=ast.Name(id=name), iter=of) | ast.comprehension(target=ast.Name(id=name), iter=of):
                known[name] |= texts(of, known)
    for node in nodes:
        match node:
            case ast.Subscript(value=place, slice=key, ctx=ast.Load()) if is_environment(place):
                found |= texts(key, known)
            case ast.Call(func=ast.Attribute(value=place, attr="get" | "setdefault" | "pop"), args=[key, *_]):
                found |= texts(key, known) if is_environment(place) else set()
            case ast.Call(func=ast.Attribute(attr="getenv"), args=[key, *_]):
                found |= texts(key, known)
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[place]) if is_environment(place):
                found |= texts(key, known)
    return {name for name in found if VARIABLE.fullmatch(name)}


def read_by_script(source: str) -> set[str]:
    code = re.sub(r"^ *#.*$", "", source, flags=re.MULTILINE)
    return set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", code)) - OF_EVERY_SHELL


def room_of(path: Path) -> str:
    """Return the folder that is named in the table; in helpers/ that of the room, which may be a file."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[: 2 if parts[0] == "helpers" else 1])


def test_the_table_lists_what_is_read_and_by_whom():
    found = defaultdict(set)
    for path in [*PROGRAMS, *SCRIPTS]:
        for name in (read_by if path.suffix else read_by_script)(path.read_text()):
            found[name].add(room_of(path))
    listed = {name: words_in(rooms) for names, rooms in ROWS for name in words_in(names)}
    assert listed == dict(found)


def test_the_help_tells_of_variables_that_there_are():
    listed = {name for names, _ in ROWS for name in words_in(names)}
    assert {name.partition("=")[0] for name in SETTINGS} <= listed


@pytest.mark.parametrize(
    "line",
    [
        "os.environ['NEW_NAME']",
        "os.environ.get('NEW_NAME')",
        "environ.setdefault('NEW_NAME', '1')",
        "os.getenv('NEW_NAME')",
        "def f(environment): return 'NEW_NAME' in environment",
        "KEY = 'NEW_NAME'\nos.environ.pop(KEY)",
        "KEYS = ('NEW_NAME',)\n[os.environ[key] for key in KEYS]",
        "for key in ['NEW_NAME']: os.environ.get(key)",
    ],
)
def test_a_variable_that_is_read_would_be_seen(line):
    assert read_by(line) == {"NEW_NAME"}


def test_a_variable_that_is_set_is_not_read():
    assert read_by("os.environ['NEW_NAME'] = '1'") == set()


@pytest.mark.parametrize("line", ['"$NEW_NAME"', "${NEW_NAME:-1}", "echo $NEW_NAME # $OTHER"])
def test_a_variable_of_a_script_would_be_seen(line):
    assert "NEW_NAME" in read_by_script(line)
