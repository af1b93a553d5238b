"""What the guard runs in the kernel of a submission. Its code is sent, so nothing that a submission imports counts.

What tests are made of are modules: Python's own names, NumPy's, those of Keras, scikit-learn and `helpers`, and what
runs a cell. They are remembered before the submission runs and put back before each test. Numbers that change with them
go out, to be compared where no submission reaches.

There are some 40,000 of them, and several looks for each test. So what is there is compared by identity, a group of
modules at a time in loops of C, and one by one only where that differs. What is remembered is held, so that its
identity is nobody else's; the tuples that are compared with are held for ever, and nothing in them can be changed. So
the identity of such a tuple says that all is as it was in it.
"""

import builtins
import ctypes
import gc
import importlib
import operator
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, islice
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from IPython.core.getipython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager

NAMED = "the name "
_OURS_TO_USE = ("builtins", "operator", "_operator", "itertools")  # what looks and puts back is made of these
_TOPS = (*_OURS_TO_USE, "numpy", "binascii", "marshal", "zlib")  # the last three unpack what runs here
_WHOLE = ("numpy.testing.", "numpy._core.", "helpers.grading.")  # and what is in them
_CELLS = ("IPython.core.", "ipykernel.", "jupyter_client.session.", "ast.", "codeop.", "traceback.")  # what runs a cell
_CALLABLE = ("keras.", "helpers.", "numpy.", "sklearn.", *_CELLS)
_OURS = ("IPython", "ipykernel", "matplotlib_inline", "matplotlib")  # whose callbacks may stay
_LOOKS = 3  # at most, in a control run
_LOOKED_AT = 10_000  # containers and objects in what an answer gives
_ASKED = 100  # of a kind among them
_FLAGS, _OF_PYTHON = vars(type)["__flags__"], 1 << 9  # of kinds that code in Python can define or change
_NEW_EACH_TIME = {"input"}  # ipykernel puts another into `builtins` for every cell
_PYTHONS = frozenset(name for name, value in vars(builtins).items() if callable(value)) - {"__loader__"}
_METHODS = (FunctionType, staticmethod, classmethod, property)
_TWO = (  # what a test may ask of what it is given
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.lt, operator.le, operator.gt, operator.ge),
    *(np.subtract, np.allclose, np.isclose),
)
_ONE = (operator.neg, abs, np.abs, float, round)
_MADE = ("__array__", np.asarray), ("__len__", np.asarray), ("__float__", float), ("__index__", int), ("__int__", int)
_ATOMS = {int, float, complex, bool, str, bytes, type(None), np.float64, np.float32, np.int64}  # that lie to nobody
_PARTS = ("__code__", "__defaults__", "__kwdefaults__")
_OF_EVERY_CLASS = {"__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__qualname__"}


def remember(names: list[str]) -> None:
    """Import modules by name, and keep on the kernel what all that tests are made of hold now."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    ip: Any = get_ipython()
    modules = {name: module for name, module in sys.modules.items() if _is_watched(name)}
    spaces = [(_group(name), module, _contents(name, module)) for name, module in modules.items()]
    kinds = {value for _, _, held in spaces for value in held.values() if _within(_home(value), _CALLABLE)}
    spaces += [(_group(_home(kind)), kind, _methods(kind)) for kind in kinds]
    functions = tuple({one for _, _, held in spaces for value in held.values() for one in _functions(value)})
    ip.kernel.course_modules = [
        (group, owner, held, _there(owner, held), _others(owner, held)) for group, owner, held in spaces
    ]
    ip.kernel.course_names = modules
    groups: dict[str, list[tuple]] = {group: [] for group, _, _ in spaces}
    for group, owner, held, _, (_, free) in ip.kernel.course_modules:
        groups[group].append((owner, [*held, *free]))
    ip.kernel.course_groups = {group: _for_ever(_kept(owners)) for group, owners in groups.items()}
    ip.kernel.course_parts = _for_ever(_kept_parts(functions))
    ip.kernel.course_functions = functions, [_parts(one) for one in functions], _within_functions(functions)
    things = (ip, ip.kernel, ip.kernel.session, ip.compile, ip.input_transformer_manager)
    ip.kernel.course_methods = [(thing, _replaced(thing)) for thing in things]
    ip.kernel.course_hooks = [(hooks, list(hooks)) for hooks in (sys.meta_path, sys.path_hooks, gc.callbacks)]


def restore(shadowed: list[str], given: str, is_searched: bool) -> None:
    """Put back what was remembered, and how IPython runs a cell; forget names that hide Python's own.

    Args:
        shadowed: those names.
        given: code that is then run among the submission's names. What it replaces may run code of theirs as it goes,
            which could answer for the kernel: so a look is a request of its own.
        is_searched: whether modules may have changed; where a look has just said that they did not, they are not gone
            through again, and what changed nevertheless is seen by the next look.

    Raises:
        ValueError: something cannot be put back.
    """
    ip: Any = get_ipython()
    for group, owner, held, *_ in ip.kernel.course_modules:  # first Python's own: what looks at the rest uses them
        if group in _OURS_TO_USE:
            for name in held:
                if owner.__dict__.get(name) is not held[name]:
                    owner.__dict__[name] = held[name]
    sys.modules.update(ip.kernel.course_names)
    changed = _changed_groups(ip) if is_searched else set()
    for _, owner, held, there, others in _rows(ip, changed):
        for name in _hiding(owner, held, others):
            delattr(owner, name)
        if _there(owner, held) != there:
            here = vars(owner)
            for name, value in held.items():
                if here.get(name) is not value:
                    setattr(owner, name, value)
            if _there(owner, held) != there:
                raise ValueError(owner)
    functions, parts, within = ip.kernel.course_functions
    if is_searched and not _are_parts_same(ip.kernel.course_parts) and _within_functions(functions) != within:
        for function, (code, defaults, options) in zip(functions, parts, strict=True):
            function.__code__, function.__defaults__ = code, defaults
            function.__kwdefaults__ = options and dict(options)
        if _within_functions(functions) != within:
            raise ValueError("functions")
    for name in shadowed:
        ip.user_ns.pop(name, None)
    _restore_shell(ip)
    _restore_hooks(ip)
    if given:
        ip.run_cell(given, silent=True)


def look(names: list[str], is_whole: bool = False) -> None:
    """Send a number for each group of modules, for what runs cells, and for what names stand for now.

    Args:
        names: those names.
        is_whole: whether the number is of what is there one by one, also where all is as it was.
    """
    ip: Any = get_ipython()
    changed = set(ip.kernel.course_groups) if is_whole else _changed_groups(ip)
    seen = {group: id(kept) for group, kept in ip.kernel.course_groups.items() if group not in changed}
    for group, owner, held, _, others in _rows(ip, changed):
        seen[group] = hash((seen.get(group), _there(owner, held), others, *_hiding(owner, held, others)))
    parts = ip.kernel.course_parts
    are_same = not is_whole and _are_parts_same(parts)
    functions = "functions of libraries"
    seen[functions] = id(parts) if are_same else hash(_within_functions(ip.kernel.course_functions[0]))
    seen["sys.modules"] = hash(tuple(map(id, map(sys.modules.get, ip.kernel.course_names))))
    things = [thing for thing, _ in ip.kernel.course_methods]
    classes = {kind for thing in things for kind in type(thing).__mro__}
    methods = {(kind, name, id(value)) for kind in classes for name, value in vars(kind).items() if _is_ours(value)}
    seen["IPython"] = hash(frozenset(methods | {(type(thing), *_replaced(thing)) for thing in things}))
    seen["hooks of Python"] = hash((_tracers(), tuple(_tools()), *(id(one) for one in _foreign(ip))))
    _send(seen | _named(ip, names))


def threads() -> None:
    """Send the names of the threads that the submission began and that still run; libraries have some too."""
    tasks = [(thread, getattr(thread, "_target", None) or type(thread)) for thread in threading.enumerate()]
    names = [thread.name for thread, task in tasks if getattr(task, "__module__", "") == "__main__"]
    _send(dict.fromkeys(names, 0))


def lose(code: str, names: list[str], fixed: list[str], is_called: bool, unseen: int) -> None:
    """Put what is of no use in the place of answers, for the control run of a test; send what fixed names stand for.

    Where an answer that is called has done what it does, there is a look, which goes out with the run: what changed for
    a moment only has not yet been changed back. Whether an answer lies goes out, too.

    Args:
        code: of answers that are functions, so changed that they do all that they did and then return `_lost(…)`.
        names: of all answers.
        fixed: names to look at.
        is_called: whether what is called in a test does what it did; otherwise it does nothing at all.
        unseen: a number that nobody knew before, to which nothing is equal.
    """
    ip: Any = get_ipython()
    had = vars(ip.kernel).setdefault("course_answers", {})
    ip.user_ns.update(had)
    if not ip.user_ns.keys() & set(names):
        raise LookupError("there is no answer to throw away")
    _send(_named(ip, fixed))
    looks = [fixed] * _LOOKS

    def lost(*given: Any) -> Any:
        if given:
            return _tell_lies(given[0], unseen)
        if looks:
            look(looks.pop())
        return _useless(None, lost)

    apart = {**ip.user_ns, "_lost": lost}
    if is_called:
        with suppress(Exception):
            exec(code, apart)
    for name in names:
        if name in ip.user_ns:
            had[name] = answer = ip.user_ns[name]
            _tell_lies(answer, unseen)
            changed = apart[name] is not answer
            ip.user_ns[name] = apart[name] if changed else _useless(answer if is_called else None, lost)


def _send(seen: dict[str, int]) -> None:
    ip: Any = get_ipython()
    ip.payload_manager.write_payload({"source": "course", "seen": seen})


def _named(ip: Any, names: list[str]) -> dict[str, int]:
    return {f"{NAMED}{name}": id(ip.user_ns.get(name)) for name in names}


class Lost(BaseException):
    """An answer was used that had been thrown away; no test expects it, and nobody reads a traceback of it."""

    def _render_traceback_(self) -> list[str]:
        return []


def _useless(answer: Any, lost: Any) -> Any:
    """Return an object that cannot be used; called, it does what an answer does that can be called, and is lost."""

    def refuse(*args: Any, **options: Any) -> None:
        raise Lost("the answer was thrown away")

    def call(self: Any, *args: Any, **options: Any) -> Any:
        with suppress(BaseException):
            lost(answer(*args, **options))
        return lost()

    kinds = (object, int, complex, str, list, dict, set)
    special = {name for kind in kinds for name in dir(kind) if callable(getattr(kind, name)) and name[:2] == "__"}
    special |= {"__array__", "__array_ufunc__", "__array_function__", "__call__", "__enter__", "__next__", "__matmul__"}
    special -= {"__class__", "__init__", "__init_subclass__", "__new__", "__subclasshook__"}
    return type("Useless", (), {**dict.fromkeys(special, refuse), **({"__call__": call} if callable(answer) else {})})()


def _tell_lies(given: Any, unseen: int) -> None:
    ip: Any = get_ipython()
    try:
        lies = _lies(given, unseen)
    except Exception:  # nothing that is asked raises one, but for a kind that is made so
        lies = True
    if lies:
        ip.payload_manager.write_payload({"source": "course: a lie"})


def _lies(value: Any, unseen: int) -> bool:
    """Return whether what an answer gives has in it an object that answers otherwise than the value that it stands for.

    A kind that a submission can define or change is asked; one of C, of a library that is looked at, or of TensorFlow
    is not.
    """
    ip: Any = get_ipython()
    watched = {id(owner) for _, owner, *_ in ip.kernel.course_modules}
    todo, seen, asked = [value], dict[int, Any](), dict[int, int]()
    while todo and len(seen) < _LOOKED_AT:
        one = todo.pop()
        if type(one) in _ATOMS or id(one) in seen:
            continue
        seen[id(one)] = one  # which keeps its identity from others
        todo += _held_by(one)
        kind = type(one)
        is_fixed = not _FLAGS.__get__(kind) & _OF_PYTHON or id(kind) in watched
        asked[id(kind)] = asked.get(id(kind), 0) + 1
        if is_fixed or asked[id(kind)] > _ASKED:
            continue
        if _is_of_library(one):  # which may compute as it likes
            if not str(kind.__module__).startswith("tensorflow.") and _is_equal_to_all(one, unseen):
                return True
        elif _is_empty_of_what_it_counts(one) or _is_equal_to_all(one, unseen) or _computes_otherwise(one, unseen):
            return True
        else:
            with suppress(BaseException):
                todo += islice(iter(one), _ASKED)
    return False


def _held_by(one: Any) -> list[Any]:
    """List what is in a container, or what a thing keeps that cannot be called, such as what `fit` returns."""
    kind = type(one)
    if issubclass(kind, dict):
        return list(dict.values(one))
    if issubclass(kind, np.ndarray):
        plain = np.ndarray.view(one, np.ndarray)
        return plain.ravel().tolist() if plain.dtype == object else []
    for base in (list, tuple, set, frozenset):
        if issubclass(kind, base):
            return list(base.__iter__(one))
    with suppress(BaseException):
        if not callable(one) and not issubclass(kind, ModuleType):
            return list(object.__getattribute__(one, "__dict__").values())
    return []


def _is_empty_of_what_it_counts(one: Any) -> bool:
    with suppress(BaseException):
        count = min(len(one), _ASKED)
        return len(list(islice(iter(one), count))) < count
    return False


def _is_equal_to_all(one: Any, unseen: int) -> bool:
    """Return whether an object says that it is equal to what it has never seen, of any kind, large or small."""
    small = 1 + unseen / 10**10
    arrays = [np.array(unseen), np.array([unseen, -unseen]), np.array([small, -small])]
    return any(_is_said_equal(one, other) for other in (object(), unseen, unseen + 0.5, small, str(unseen), *arrays))


def _computes_otherwise(one: Any, unseen: int) -> bool:
    """Return whether an object computes or compares otherwise than the value that it stands for.

    It is asked with a large and a small number that nobody knew, and with arrays of them.
    """
    plain = _plain(one)
    like = np.shape(plain) if isinstance(plain, np.ndarray) else (2,)
    numbers = unseen + 0.5, 1 + unseen / 10**10
    with np.errstate(all="ignore"):
        for ask in _TWO:
            for other in (*numbers, *(np.full(like, number) for number in numbers)):
                if _differs(ask, (one, other), (plain, other)) or _differs(ask, (other, one), (other, plain)):
                    return True
        return any(_differs(ask, (one,), (plain,)) for ask in _ONE)


def _plain(one: Any) -> Any:
    """Return the number, the array or the container that an object stands for; an object of no use where it is none."""
    kind = type(one)
    if issubclass(kind, np.ndarray):
        return np.ndarray.view(one, np.ndarray)
    if issubclass(kind, np.generic):
        return np.generic.__array__(one)[()]
    for number in (int, float, complex):
        if issubclass(kind, number):
            return number.__pos__(one)
    for base in (list, tuple, set, frozenset):
        if issubclass(kind, base):
            return base(base.__iter__(one))
    if issubclass(kind, str):
        return str.__str__(one)
    for name, made in _MADE:
        with suppress(BaseException):
            plain = made(one) if hasattr(kind, name) else None
            if plain is not None and np.asarray(plain).dtype != object:
                return plain
    return object()


def _differs(ask: Any, given: tuple, meant: tuple) -> bool:
    """Return whether an object answers a question that the value it stands for does not answer, or otherwise."""
    try:
        said = ask(*given)
    except BaseException:
        return False
    try:
        told = np.asarray(ask(*meant))
        said = np.asarray(said, told.dtype)
        is_near = told.dtype.kind not in "biufc" or np.allclose(said, told, rtol=1e-4, equal_nan=True)
        return said.shape != told.shape or not is_near
    except BaseException:
        return True


def _is_said_equal(value: Any, other: Any) -> bool:
    with suppress(BaseException):
        return _is_yes(value == other) or not _is_yes(value != other)
    return False


def _is_yes(said: Any) -> bool:
    return bool(said.all() if hasattr(said, "all") else said)


def _is_watched(module: str) -> bool:
    return module in _TOPS or _within(module, (*_WHOLE, *_CALLABLE))


def _within(name: str, tops: tuple[str, ...]) -> bool:
    return f"{name}.".startswith(tops)


def _group(name: str) -> str:
    return ".".join(name.split(".")[:3])


def _home(value: object) -> str:
    """Return the module of a class; empty for what is none."""
    return str(vars(value).get("__module__", "")) if isinstance(value, type) else ""


def _contents(name: str, module: Any) -> dict[str, Any]:
    """Return what to remember of a module: all, or what can be called, hides a name of Python's, or is a module."""
    is_whole = name in _TOPS or _within(name, _WHOLE)
    held = {key: one for key, one in vars(module).items() if key not in _NEW_EACH_TIME}
    return {
        key: one
        for key, one in held.items()
        if is_whole or callable(one) or isinstance(one, ModuleType) or key in _PYTHONS
    }


def _for_ever(kept: tuple) -> tuple:
    """Let a tuple live as long as the kernel, whoever forgets it; then no other has its identity."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    return kept


def _kept(owners: list[tuple[Any, list[str]]]) -> tuple:
    """Return what `_is_same` compares modules and classes with, of each what it has under some names."""
    inside = tuple(vars(owner) for owner, _ in owners)
    full = [(vars(owner), operator.itemgetter(*names, names[0])) for owner, names in owners if names]
    there, getters = tuple(one for one, _ in full), tuple(getter for _, getter in full)
    return inside, tuple(chain.from_iterable(inside)), there, getters, tuple(_got(getters, there))


def _got(getters: tuple, there: tuple) -> Any:
    return chain.from_iterable(map(operator.itemgetter.__call__, getters, there))


def _is_same(kept: tuple) -> bool:
    """Return whether modules and classes have the names that they had, and under those that count the same."""
    inside, names, there, getters, values = kept
    if sum(map(len, inside)) != len(names) or not all(map(operator.is_, chain.from_iterable(inside), names)):
        return False
    return all(map(operator.is_, _got(getters, there), values))


def _kept_parts(functions: tuple) -> tuple:
    """Return what `_are_parts_same` compares functions with."""
    parts = tuple((getter, tuple(map(getter, functions))) for getter in map(operator.attrgetter, _PARTS))
    options = tuple(one for one in parts[-1][1] if one is not None)
    names = tuple(chain.from_iterable(map(dict.keys, options)))
    return functions, parts, options, names, tuple(chain.from_iterable(map(dict.values, options)))


def _are_parts_same(kept: tuple) -> bool:
    """Return whether all that can be changed within functions is what it was."""
    functions, parts, options, names, values = kept
    if not all(all(map(operator.is_, map(getter, functions), had)) for getter, had in parts):
        return False
    if sum(map(dict.__len__, options)) != len(names):
        return False
    inside = chain.from_iterable(map(dict.keys, options)), chain.from_iterable(map(dict.values, options))
    return all(map(operator.is_, inside[0], names)) and all(map(operator.is_, inside[1], values))


def _changed_groups(ip: Any) -> set[str]:
    """Return the groups that may have changed, and always those of which the comparison itself is made."""
    is_of_use = operator.is_(ip, ip) and not operator.is_(ip, object())
    groups = ip.kernel.course_groups.items()
    return {group for group, kept in groups if group in _OURS_TO_USE or not (is_of_use and _is_same(kept))}


def _rows(ip: Any, groups: set[str]) -> list[tuple]:
    """List what is remembered one by one of some groups."""
    return [row for row in ip.kernel.course_modules if row[0] in groups] if groups else []


def _methods(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if isinstance(value, _METHODS)}


def _functions(value: Any) -> list[Any]:
    """List what can be changed from within in a function, a method or a property."""
    inner = [getattr(value, name, None) for name in ("__func__", "fget", "fset")] if isinstance(value, _METHODS) else []
    return [one for one in (value, *inner) if _is_ours(one)]


def _restore_shell(ip: Any) -> None:
    fresh = TransformerManager()
    ip.ast_transformers.clear()
    ip.input_transformers_post.clear()
    for name in ("cleanup_transforms", "line_transforms", "token_transformers"):
        getattr(ip.input_transformer_manager, name)[:] = getattr(fresh, name)
    ip.set_custom_exc((), None)
    ip.call_pdb = False  # a debugger that nobody answers, after `%pdb on`
    ip.InteractiveTB.set_mode("Context")  # `%xmode Verbose` calls what prints an answer
    for thing, had in ip.kernel.course_methods:
        for name in set(_replaced(thing)) - set(had):
            del vars(thing)[name]
    for callbacks in ip.events.callbacks.values():
        callbacks[:] = [c for c in callbacks if str(getattr(c, "__module__", "")).split(".")[0] in _OURS]


def _restore_hooks(ip: Any) -> None:
    """Take away tracers, monitors, and the import and garbage hooks of the submission; libraries keep theirs."""
    for trace in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
        trace(None)  # type: ignore[operator]  # of four functions mypy makes an object
    monitoring: Any = getattr(sys, "monitoring", None)  # since Python 3.12
    for tool in _tools():
        monitoring.set_events(tool, 0)
        for event in vars(monitoring.events).values():
            if event and not event & (event - 1):
                monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
    foreign = set(map(id, _foreign(ip)))
    for hooks, had in ip.kernel.course_hooks:
        there = set(map(id, had))
        hooks[:] = [*had, *(one for one in hooks if id(one) not in there | foreign)]


def _tracers() -> tuple[bool, ...]:
    hooks = vars(threading).get("_trace_hook"), vars(threading).get("_profile_hook")
    return tuple(one is not None for one in (sys.gettrace(), sys.getprofile(), *hooks))


def _tools() -> list[int]:
    """List the tools that monitor this interpreter."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return [tool for tool in range(6) if monitoring.get_tool(tool)] if monitoring else []


def _foreign(ip: Any) -> list[Any]:
    """List the hooks that were added since, but for those of libraries, which load some of their parts late."""
    added = [one for hooks, had in ip.kernel.course_hooks for one in hooks if id(one) not in set(map(id, had))]
    return [one for one in added if not _is_of_library(one)]


def _is_of_library(hook: Any) -> bool:
    kind = hook if isinstance(hook, type | FunctionType) else type(hook)
    module = sys.modules.get(str(getattr(kind, "__module__", "")))
    file = str(getattr(module, "__file__", ""))
    return file.startswith(_roots()) and vars(module).get(kind.__name__) is kind


def _roots() -> tuple[str, ...]:
    """Return where libraries lie; what a submission brings or writes lies elsewhere."""
    files = {name: str(getattr(sys.modules.get(name), "__file__", "")) for name in ("numpy", "helpers")}
    homes = [file.rpartition(f"{name}/")[0] for name, file in files.items()]
    return tuple(filter(None, [sys.prefix, sys.base_prefix, *homes]))


def _is_ours(value: object) -> bool:
    return type(value) is FunctionType


def _parts(function: Any) -> tuple:
    """Return what can be changed within a function."""
    return function.__code__, function.__defaults__, dict(function.__kwdefaults__ or {}) or None


def _within_functions(functions: Sequence[Any]) -> tuple:
    """Return the identities of what can be changed within functions."""
    code = tuple(map(id, [one.__code__ for one in functions]))
    defaults = tuple(map(id, [one.__defaults__ for one in functions]))
    options = [one.__kwdefaults__ for one in functions]
    return code, defaults, tuple([one is not None and _ids(one) for one in options])


def _ids(options: dict) -> tuple:
    return tuple([(name, id(value)) for name, value in dict.items(options)])  # a kind of dict may say otherwise


def _replaced(thing: Any) -> list[str]:
    """List the methods of an object's class that the object has in another way."""
    return sorted(name for name in vars(thing) if callable(getattr(type(thing), name, None)))


def _there(owner: Any, held: dict) -> tuple[int, ...]:
    """Return the identities of what a module or a class has now under the names of what is held of it."""
    return tuple(map(id, map(vars(owner).get, held)))


def _ids_of(names: Any) -> tuple[int, ...]:
    return tuple(map(id, names))  # two names may say that they are equal


def _others(owner: Any, held: dict) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all names of a module or a class, and those in a class that are no methods and hide what bases have."""
    names = tuple(vars(owner))
    bases = owner.__mro__[1:] if isinstance(owner, type) else ()
    free = [name for name in names if name not in held and any(name in vars(kind) for kind in bases)]
    return names, tuple([name for name in free if name not in _OF_EVERY_CLASS])


def _hiding(owner: Any, held: dict, others: tuple[tuple[str, ...], tuple[str, ...]]) -> list[str]:
    """List the names that a module or a class has got since, and that hide Python's own or those of its bases in it.

    Args:
        owner: the module or the class.
        held: what is held of it.
        others: see `_others`.
    """
    here, (names, free) = vars(owner), others
    if _ids_of(here) == _ids_of(names) and not any([isinstance(here[name], _METHODS) for name in free]):
        return []
    if not isinstance(owner, type):
        return [name for name in _PYTHONS.intersection(here) if name not in held] if owner is not builtins else []
    new = [name for name, value in here.items() if isinstance(value, _METHODS) and name not in held]
    new = [name for name in new if name not in _OF_EVERY_CLASS]
    return [name for name in new if any(name in vars(kind) for kind in owner.__mro__[1:])]
