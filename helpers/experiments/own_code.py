"""Functions of your own that a run file names, as in `build = "my_models.py:build"`: found, hashed, loaded and called.

A file lies beside the run file or in a folder below. What it imports from its own folder belongs to it: all of that is
read once, and its SHA-256 is part of what makes a training this one. The modules are loaded under names that their
content makes: files of one name in two folders do not meet, a changed file is another module, and whatever its name,
a file hides no module of the course, of Python or of a library. docs/own_model.md is the contract.

Nothing here imports Keras before code of yours is loaded.
"""

import ast
import builtins
import hashlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers.errors import CourseError, message_of, nearest
from helpers.experiments.validation import kinds

NAMED = re.compile(r"((?:[\w -]+/)*[\w -]+\.py):([A-Za-z_]\w*)")
EXAMPLE = {"data": "my_data.py:open", "model": "my_models.py:build"}
_PACKAGE = "course_own_"  # begins the names under which modules are loaded


class OwnCodeError(CourseError):
    """Code of a run's owner cannot be found, loaded or used. The message names its file and, where it can, the line."""


class OwnCode:
    """Files of your own, as they were when this was made.

    Attributes:
        sources: what each file holds, by its path below the folder of the run file, with `/` on all systems.
    """

    sources: dict[str, bytes]

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, by its path."""
        return {path: hashlib.sha256(source).hexdigest() for path, source in self.sources.items()}


class OwnFunction(OwnCode):
    """A function in a file of your own, with the code that belongs to it as it was when this was made.

    Args:
        name: "FILE.py:FUNCTION", the file relative to `beside`.
        beside: folder of the run file.

    Attributes:
        path: of the file.
        sources: what each file holds, by its path below `beside`, with `/` on all systems.

    Raises:
        OwnCodeError: no such file, one that is not Python, or one with the name of a module that it imports.
    """

    def __init__(self, name: str, beside: Path) -> None:
        if not (parts := NAMED.fullmatch(name)):
            raise OwnCodeError(
                f"{name!r} names no code. Write FILE.py:FUNCTION, as in {EXAMPLE['model']!r}; the file lies beside "
                "the run file or in a folder below it."
            )
        self.name, self.beside, self._function = name, beside.absolute(), parts[2]
        self.path = self.beside / parts[1]
        if not self.path.is_file():
            raise OwnCodeError(f"there is no file {self.path}, which the run file names as {name!r}.{_near(self.path)}")
        found = belonging([self.path])
        self.sources = {path.relative_to(self.beside).as_posix(): source for path, source in found.items()}
        self._found = {str(path): source for path, source in found.items()}

    def __call__(self, **options: Any) -> Any:
        """Call the function.

        Raises:
            OwnCodeError: it fails, or an option that it needs is missing.
        """
        needed = [each.name for each in self._signature if each.default is each.empty and each.name not in options]
        if needed:
            raise OwnCodeError(
                f"{self.name} needs {', '.join(needed)}, which neither the run file sets nor the data give. Set it in "
                "the run file, or give it a default."
            )
        with self.explained():
            return self._loaded(**options)

    @property
    def takes(self) -> list[str]:
        """The options that it takes by name."""
        return [each.name for each in self._signature]

    @property
    def kinds(self) -> dict[str, Any]:
        """What kind of value each option takes, as the function says; anything where it does not."""
        with self.explained():
            said = kinds(self._loaded)
        return {name: said.get(name, Any) for name in self.takes}

    @property
    def objects(self) -> dict[str, Any]:
        """The classes and functions of the modules that belong to it, by the names under which Keras saves them."""
        from helpers.backend import keras

        loaded = self._loaded
        package = loaded.__module__.partition(".")[0]
        modules = [module for name, module in list(sys.modules.items()) if name.startswith(f"{package}.")]
        every = [each for module in modules for each in vars(module).values()]
        own = [each for each in every if inspect.isclass(each) or inspect.isfunction(each)]
        own = [each for each in own if each.__module__.startswith(f"{package}.")]
        return {name: each for each in own for name in (each.__name__, keras.saving.get_registered_name(each))}

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise what goes wrong in this code with the line on which it does, without lines of the course.

        Raises:
            OwnCodeError: in place of any other error but one of the course that does not come from this code.
        """
        try:
            yield
        except (Exception, SystemExit) as error:
            frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename in self._found]
            if isinstance(error, CourseError) and not frames:  # of a ready source, which names its file
                raise
            raise OwnCodeError(self._told(error, frames)) from error

    def _told(self, error: BaseException, frames: Sequence[traceback.FrameSummary]) -> str:
        said = str(error) if isinstance(error, CourseError) else f"{type(error).__name__}: {message_of(error)}"
        top = str(getattr(error, "name", "")).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if top and any((self.beside / name).exists() for name in (top, f"{top}.py")):
            said += f". Modules are looked for in {self.path.parent}, beside {self.path.name}; put {top} there."
        if not frames:
            return f"{self.name}: {said}"
        last = frames[-1]
        return f"{last.filename}, line {last.lineno}, in {last.name}: {said}\n    {last.line}"

    @cached_property
    def _loaded(self) -> Callable[..., Any]:
        with self.explained():
            module = importlib.import_module(f"{self._package()}.{self.path.stem}")
        found = getattr(module, self._function, None)
        if not callable(found):
            own = [name for name, each in vars(module).items() if getattr(each, "__module__", "") == module.__name__]
            there = f"It has: {', '.join(own)}." if own else "It defines nothing."
            raise OwnCodeError(f"{self.path} has no function {self._function!r}.{nearest(self._function, own)} {there}")
        if not (inspect.isroutine(found) or inspect.isclass(found)):
            raise OwnCodeError(
                f"{self.path}: {self._function} is {type(found).__name__}, not a function. Write one: def."
            )
        return found

    @cached_property
    def _signature(self) -> list[inspect.Parameter]:
        every = inspect.signature(self._loaded).parameters.values()
        return [each for each in every if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]

    def _package(self) -> str:
        """Make the package that the modules of this code are in, if it is not there already; return its name."""
        content = hashlib.sha256(repr(sorted(self._found.items())).encode()).hexdigest()
        name = f"{_PACKAGE}{content[:12]}"
        if name not in sys.modules:
            package = ModuleType(name)
            vars(package).update(__path__=[str(self.path.parent)], sources=self._found)
            sys.modules[name] = package
        return name


Own = Mapping[str, OwnFunction]  # by the parameter that names it: "data", "model"


def own_functions(parameters: Mapping[str, Any], beside: Path | None) -> dict[str, OwnFunction]:
    """Find the functions of your own that parameters of an experiment name.

    Args:
        parameters: of the experiment.
        beside: `Experiment.beside`; None if no run file is known.

    Raises:
        OwnCodeError: see `OwnFunction`.
    """
    named = {key: parameters[key] for key in EXAMPLE if is_own(parameters.get(key))}
    if named and beside is None:
        raise OwnCodeError(f"{next(iter(named.values()))} lies beside a run file; read that by run_file.read_run.")
    return {key: OwnFunction(name, beside) for key, name in named.items() if beside}


def is_own(name: object) -> bool:
    """Return whether what a run file calls its model or data is a function in a file.

    >>> is_own("my_models.py:build"), is_own("unet")
    (True, False)
    """
    return isinstance(name, str) and ".py:" in name


def sources_of(own: Mapping[str, OwnCode]) -> dict[str, bytes]:
    """Return what all files of some code hold, by their paths below the folder of the run file."""
    return {path: source for code in own.values() for path, source in code.sources.items()}


def hashes_of(own: Mapping[str, OwnCode]) -> dict[str, str]:
    """Return the SHA-256 of all files of some code, as "SHA-256 of my_models.py": "1a2b…"."""
    every = {path: value for code in own.values() for path, value in code.hashes.items()}
    return {f"SHA-256 of {path}": value for path, value in sorted(every.items())}


# ---- which files belong to one ----


def belonging(paths: Sequence[Path], top: Path | None = None) -> dict[Path, bytes]:
    """Read files, and those that a Python file and they import from its folder.

    Args:
        paths: the files.
        top: the folder in which all of them look for modules; by default each in its own.

    Raises:
        OwnCodeError: one that is named `.py` is not Python, or has the name of a module that it imports.
    """
    found: dict[Path, bytes] = {}
    waiting = [(path, top or path.parent) for path in paths]
    while waiting:
        file, folder = waiting.pop()
        if file not in found:
            found[file] = file.read_bytes()
            waiting += [(each, folder) for each in _imported(file, found[file], folder)] if file.suffix == ".py" else []
    return found


def _imported(file: Path, source: bytes, folder: Path) -> list[Path]:
    """List the modules of a folder that a file imports; of a package, all modules."""
    try:
        nodes = list(ast.walk(ast.parse(source, str(file))))
    except (SyntaxError, ValueError) as error:  # the latter of a zero byte
        raise OwnCodeError(_not_python(file, error)) from error
    absolute = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    absolute += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    relative = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level and file.parent == folder]
    tops = {name.partition(".")[0] for name in absolute}
    for name in sorted(tops):
        _check_clash(file, name, folder)
    tops |= {name.partition(".")[0] for node in relative for name in ([node.module] if node.module else _names(node))}
    modules = [folder / f"{name}.py" for name in sorted(tops)]
    packages = [folder / name for name in sorted(tops) if _is_package(folder / name)]
    return [*filter(Path.is_file, modules), *(each for package in packages for each in sorted(package.rglob("*.py")))]


def _is_package(folder: Path) -> bool:
    """Return whether a folder is a package; one without __init__.py is, if nothing else is called so."""
    if not folder.is_dir() or (folder / "__init__.py").is_file():
        return folder.is_dir()
    if folder.with_name(f"{folder.name}.py").is_file():
        return False
    return folder.name not in sys.stdlib_module_names and not _is_elsewhere(folder.name)


def _names(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def _check_clash(file: Path, name: str, folder: Path) -> None:
    """Check that a module that is imported is not there twice: in the folder, and in Python or a library."""
    here = next(filter(Path.is_file, (folder / f"{name}.py", folder / name / "__init__.py")), None)
    if here is None:
        return
    if name in sys.stdlib_module_names or _is_elsewhere(name):
        raise OwnCodeError(
            f"{file} imports {name}, and there are two: {here}, and one of Python or of a library. Rename {here.name}."
        )


def _is_elsewhere(name: str) -> bool:
    """Return whether a library or the course has a module of this name."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # the program that runs, which is no module of either
        return False
    if spec is None or spec.origin is None:
        return False
    libraries = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(Path(__file__).parents[1]))
    return any(Path(spec.origin).is_relative_to(place) for place in libraries)


def _not_python(path: Path, error: SyntaxError | ValueError) -> str:
    if not isinstance(error, SyntaxError) or not error.lineno:
        return f"{path} is not Python: {error}."
    line = f"\n    {error.text.strip()}" if error.text else ""
    return f"{path}, line {error.lineno}: {type(error).__name__}: {error.msg}.{line}"


def _near(path: Path) -> str:
    """Suggest a Python file that is beside one that is not there."""
    names = sorted(each.name for each in path.parent.glob("*.py"))
    there = f" Beside it are: {', '.join(names)}." if names else " No Python file is there."
    return nearest(path.name, names) + there


# ---- loading ----


class _Loader(SourceFileLoader):
    """Loads a module from what was read of its file, and has it import its neighbours by their plain names."""

    def get_code(self, fullname: str) -> Any:
        """Compile it, without a file of bytecode, which may be of an earlier version written in the same second."""
        sources = vars(sys.modules[fullname.partition(".")[0]])["sources"]
        return self.source_to_code(sources[self.path], self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Run it."""
        package = module.__name__.partition(".")[0]
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": partial(_import, package)}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of the packages that `OwnFunction` makes."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one; None if it is no such module."""
        if not fullname.startswith(_PACKAGE) or not path:
            return None
        return FileFinder(path[0], (_Loader, [".py"])).find_spec(fullname)


def _import(
    package: str,
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    """Import as `__import__` does; a module that belongs to the same code from its package."""
    top = name.partition(".")[0]
    folder = Path(vars(sys.modules[package])["__path__"][0])
    sources = vars(sys.modules[package])["sources"]
    if level or top not in {Path(path).relative_to(folder).parts[0].removesuffix(".py") for path in sources}:
        return builtins.__import__(name, globals, locals, fromlist, level)
    found = builtins.__import__(f"{package}.{name}", globals, locals, fromlist)
    return found if fromlist else sys.modules[f"{package}.{top}"]


sys.meta_path.insert(0, _Finder())  # before what would find the files, and load them in the usual way
