"""The student edition: the course without solutions, hidden tests and mutants. Used by `./course student-edition`.

A clone holds every answer. Students get what is listed here and nothing else: lectures, released homework, data cards,
the environment, the front door, and the helpers; of the answers to the lectures' exercises, those that are named. Of
`helpers.grading` they get what their notebooks import and what `./course homework check` runs; a module that cannot be
imported without the rest of it stays with the teacher.
"""

import ast
import json
import os
import posixpath
import re
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from helpers.errors import UsageError
from helpers.files import atomic_write, naming, swap
from helpers.grading import GradingError
from helpers.grading.checking import check
from helpers.grading.pipeline import CONFIG, Course
from helpers.grading.pipeline.releasing import release

TEMPLATE = "authoring/student"  # the README and the tests that only the edition has
PATTERNS = (
    *("course", "conftest.py", "pyproject.toml", "requirements.txt", "requirements-gpu.txt", "environment.yml"),
    *("LICENSE*", "CITATION.cff"),
    *("datasets/*.md", "datasets/registry.toml", "docs/glossary.md"),
    *("lectures/*.ipynb", "lectures/expected.toml", "lectures/figures/*.svg", "lectures/recorded/*.json"),
    "lectures/runs/*.toml",
    *(f"helpers/**/*.{ending}" for ending in ("py", "json", "toml", "conf", "css", "js", "mplstyle")),
)
TOP = "course"  # the folder in a zip file
MARKS = tuple(f"### {end} {name}" for end in ("BEGIN", "END") for name in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME"))
_LECTURE = re.compile(r"lectures/(\d\d_\w+|explorer)\.ipynb")  # a copy such as 01_simple-Copy1.ipynb is somebody's own
_LINK = re.compile(r"\[([^\]]+)\]\(([^):#]+)\)")
Files = dict[str, bytes]  # content by name, such as "lectures/00_start_here.ipynb"


def make_edition(root: Path, target: Path, *, answers: Sequence[str] = ()) -> Files:
    """Write the student edition; the same course gives the same bytes, names, times and modes.

    Args:
        root: the course with solutions.
        target: a folder that is empty or not there, or a file whose name ends in .zip, which is replaced.
        answers: the two digits of each lecture whose answers to exercises are in it, such as "01".

    Returns:
        What was written.

    Raises:
        UsageError: something else is at `target`, or a lecture has no answers.
        GradingError: the edition would show a solution or a hidden test. Nothing was written.
    """
    as_zip = target.suffix == ".zip"
    _refuse_target(target, as_zip=as_zip)
    files = edition(root, answers=answers)
    (_write_zip if as_zip else _write_folder)(files, target)
    return files


def edition(root: Path, *, answers: Sequence[str] = ()) -> Files:
    """Return the files of the student edition, with the answers to the exercises of some lectures.

    Raises:
        UsageError: a lecture has no answers.
        GradingError: one of them would show a solution or a hidden test, or answers are not committed.
    """
    answered = _answers(root, answers)
    listed = [*_listed(root), *answered]
    files = _as_committed(root, {path.relative_to(root).as_posix(): path.read_bytes() for path in listed})
    for name in (path.relative_to(root).as_posix() for path in answered):
        if name not in files:
            raise GradingError(f"{name} is named, but git does not know it; commit it first")
    files = {name: _unrun(text) if name.endswith(".ipynb") else text for name, text in files.items()}
    files |= _released(root)
    notebooks = [text for name, text in files.items() if name.endswith(".ipynb")]
    modules = {_module(name): text.decode() for name, text in files.items() if name.endswith(".py") and "/" in name}
    students = for_students(modules, {name for text in notebooks for name in imported_by(text)})
    files = {name: text for name, text in files.items() if not name.endswith(".py") or _module(name) in students}
    files["conftest.py"] = (root / "conftest.py").read_bytes()
    files |= _template(root, files)
    files = {
        name: _without_dead_links(name, text, files) if name.endswith(".md") else text for name, text in files.items()
    }
    for name, text in files.items():
        for mark in (mark for mark in MARKS if mark.encode() in text):
            raise GradingError(f"{name} would show students {mark!r}. Take it out of this file")
    return dict(sorted(files.items()))


def for_students(sources: Mapping[str, str], named: Iterable[str]) -> set[str]:
    """Return the names of the helper modules that students get.

    Args:
        sources: all helper modules by their dotted names; a package goes by the name of its folder.
        named: what notebooks import.
    """
    reached: set[str] = set()
    todo = {*named, check.__module__}
    while todo:
        todo = {parent for name in todo for parent in _with_parents(name)} & sources.keys() - reached
        reached |= todo
        todo = {name for module in todo for name in _imports(ast.parse(sources[module]))}
    kept = {name for name in sources if not name.startswith("helpers.grading.")} | reached
    while dropped := {name for name in kept if _imports_at_once(sources[name]) & (sources.keys() - kept)}:
        kept -= dropped
    return kept


# ---- what is in it ----


def _listed(root: Path) -> Iterator[Path]:
    for path in sorted({path for pattern in PATTERNS for path in root.glob(pattern)}):
        name = path.relative_to(root).as_posix()
        left_by_tools = any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
        if path.is_file() and not left_by_tools and (not name.endswith(".ipynb") or _LECTURE.fullmatch(name)):
            yield path


def _answers(root: Path, numbers: Sequence[str]) -> list[Path]:
    """Return the notebooks that answer the exercises of some lectures.

    Raises:
        UsageError: one of them has none.
    """
    there = {path.name[:2]: path for path in sorted(root.glob("lectures/answers/[0-9][0-9]_*.ipynb"))}
    for number in numbers:
        if number not in there:
            raise UsageError(f"there are no answers to lecture {number!r}. There are: {', '.join(there) or 'none'}.")
    return [there[number] for number in numbers]


def _as_committed(root: Path, files: Files) -> Files:
    """Leave out what git does not know, and take lectures as they were committed; without git, all as it is.

    What somebody tries out in a folder of the course, and what JupyterLab writes into a notebook, is not for students.

    Raises:
        GradingError: a lecture has cells that are not committed.
    """
    if not (root / ".git").exists() or not shutil.which("git"):
        return files
    known = set(_git(root, "ls-files", "-z").decode().split("\0"))
    files = {name: text for name, text in files.items() if name in known}
    changed = set(_git(root, "diff", "--name-only", "-z", "HEAD", "--", "lectures/*.ipynb").decode().split("\0"))
    for name in sorted(changed & files.keys()):
        committed = _git(root, "show", f"HEAD:{name}")
        if _cells(committed) != _cells(files[name]):
            raise GradingError(
                f"{name} has cells that are not committed, and students would get them. Commit them, or put them back: "
                f"git checkout {name}"
            )
        files[name] = committed
    return files


def _git(root: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=True).stdout


def _cells(notebook: bytes) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook)["cells"]]


def _released(root: Path) -> Files:
    """Release every homework as `./course homework release` does, in a course of its own: ours stays as it is."""
    with tempfile.TemporaryDirectory(prefix="course-edition-") as folder:
        course, files = Course(Path(folder).resolve()), Files()
        shutil.copy(root / CONFIG, course.root)
        for source in sorted(Course(root).source("").glob("*/")):
            shutil.copytree(source, course.source(source.name), ignore=shutil.ignore_patterns(".*", "__pycache__"))
            released = release(course, source.name)
            files |= {
                path.relative_to(course.root).as_posix(): path.read_bytes()
                for path in released.rglob("*")
                if path.is_file()
            }
    return files


def _template(root: Path, files: Files) -> Files:
    """Return what only the edition has; its README lists the lectures and the homework that are there."""
    folder = root / TEMPLATE
    own = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for room in ("lectures", "homework"):
        notebooks = sorted(name for name in files if name.startswith(f"{room}/") and name.endswith(".ipynb"))
        readme = readme.replace(f"<<{room}>>", "\n".join(f"- [{_title(files[name])}]({name})" for name in notebooks))
    return own | {"README.md": readme.encode()}


def _title(notebook: bytes) -> str:
    lines = (line for cell in json.loads(notebook)["cells"] for line in "".join(cell["source"]).splitlines())
    return next(line for line in lines if line.startswith("# ")).removeprefix("# ")


def _unrun(notebook: bytes) -> bytes:
    """Return a notebook without outputs; one that has none stays as it is, byte for byte."""
    content = json.loads(notebook)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    if not any(cell["outputs"] or cell["execution_count"] for cell in code):
        return notebook
    for cell in code:
        cell.update(outputs=[], execution_count=None)
    return f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode()


def _without_dead_links(name: str, text: bytes, files: Files) -> bytes:
    """Turn links to what the edition lacks into plain words."""

    def mended(link: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(posixpath.dirname(name), link[2]))
        is_there = there in files or any(other.startswith(f"{there}/") for other in files)
        return link[0] if is_there else f"{link[1]} of the whole course"

    return _LINK.sub(mended, text.decode()).encode()


# ---- what imports what ----


def _module(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def imported_by(notebook: bytes) -> set[str]:
    """Return the dotted names of what a notebook imports."""
    cells = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    code = (TransformerManager().transform_cell("".join(cell["source"])) for cell in cells)  # without magics
    return _imports(ast.parse("\n".join(code)))


def _imports(tree: ast.AST, *, within: Callable[[ast.AST], bool] = lambda node: True) -> set[str]:
    """Return the dotted names that are imported; `from a import b` gives `a` and `a.b`."""
    found: set[str] = set()
    if isinstance(tree, ast.Import):
        found |= {alias.name for alias in tree.names}
    elif isinstance(tree, ast.ImportFrom) and tree.module:
        found |= {tree.module, *(f"{tree.module}.{alias.name}" for alias in tree.names)}
    return found.union(*(_imports(child, within=within) for child in ast.iter_child_nodes(tree) if within(child)))


def _imports_at_once(source: str) -> set[str]:
    """Return what is imported together with a module, not only when a function is called or types are checked."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return _imports(ast.parse(source), within=lambda node: not isinstance(node, functions) and not _is_for_types(node))


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


# ---- how it is written ----


def _refuse_target(target: Path, *, as_zip: bool) -> None:
    if as_zip and target.is_dir():
        raise UsageError(f"{target} is a folder, where a zip file is to be written. Give another name.")
    if not as_zip and target.is_dir() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty. Name a folder that is not there yet, or empty this one first.")
    if not as_zip and target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file. Name a folder, or a file whose name ends in .zip.")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}. Make it first: mkdir -p {target.parent}")


def _mode(name: str) -> int:
    return 0o755 if name == "course" else 0o644


def _time(files: Files) -> datetime:
    """Return the time that all files get: another one for another edition.

    Were it always the same, Python would take what it had compiled of an earlier edition, unpacked in the same place,
    for that of a changed module of the same length.
    """
    checksum = zlib.crc32(b"".join(files.values()))
    return datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=checksum % 2**28 * 2)  # a zip file counts by 2 seconds


def _write_zip(files: Files, target: Path) -> None:
    time = _time(files).timetuple()[:6]
    with atomic_write(target) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(f"{TOP}/{name}", time)
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3  # 3: modes are those of Unix
            member.external_attr = (0o100000 | _mode(name)) << 16
            archive.writestr(member, content)


def _write_folder(files: Files, target: Path) -> None:
    """Write a folder beside the target; it takes the target's name when all is there."""
    target, time = target.absolute(), _time(files).timestamp()
    with naming(target), tempfile.TemporaryDirectory(prefix=".edition-", dir=target.parent) as aside:
        folder = Path(aside) / TOP
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(_mode(name))
        for path in sorted([folder, *folder.rglob("*")], reverse=True):  # a folder's time changes with what is in it
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (time, time))
        swap(folder, target)
